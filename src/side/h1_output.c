/* What clients are sent: sections of the head, the body in its framing, the end.
 *
 * Bytes are made anew for each write from where the output stands (struct h1_out), so nothing made is ever kept: when
 * the socket takes a part of an element, the next write makes it again and skips that part. */
#include "base/log.h"
#include "side/h1_conn.h"

#include <string.h>

_Static_assert(CONFIG_OUTPUT_SIZE >= CONFIG_RESPONSE_HEAD + HEAD_ADDED + 4 * CONFIG_HEAD_FIELDS + 256,
               "OUTPUT_SIZE must hold a response head: raise CONFIG_OUTPUT_SIZE or lower CONFIG_RESPONSE_HEAD");

/* A body up to this size is copied behind its head: one segment is cheaper to send than two, and this much to copy. */
#define COPIED_MOST 2048
#define MOST_PIECES 8
#define MOST_ROUNDS 4

/* What one write is made of, so that a part of it can be told from the whole. */
struct piece {
    struct h1_out from; /* where the output stood before it */
    uint32_t len;
};
struct pieces {
    struct piece at[MOST_PIECES];
    unsigned count;
};

/* ---- decisions, once for each response ---- */

/* Whether trailers may follow a body with Content-Length, as they can in HTTP/2: they are there, the backend announces
   them, or the client asks for them (RFC 9110 6.6.2, 10.1.4). Behind a length HTTP/1.1 has no place for them. */
static bool may_have_trailers(const struct h1_conn *c, const struct section *section)
{
    struct message *m = &c->ex->response;

    if (m->state == MESSAGE_END)
        return m->trailers && m->trailers->count > 0;
    return c->te_trailers || head_find(&m->head, section, FIELD_TRAILER, NULL);
}

/* Whether the Content-Length frames the body. Once it was dropped it cannot: a head may be made twice. */
static bool keeps_length(const struct h1_conn *c, const struct section *section)
{
    return c->ex->response.has_length && !c->unsized && (c->minor == 0 || !may_have_trailers(c, section));
}

static enum h1_framing choose_framing(const struct h1_conn *c, const struct section *section)
{
    const struct exchange *ex = c->ex;

    if (exchange_bodiless(ex, section->status))
        return H1_FRAME_NONE;
    if (keeps_length(c, section))
        return H1_FRAME_LENGTH;
    return c->minor > 0 ? H1_FRAME_CHUNKED : H1_FRAME_CLOSE;
}

static void decide(struct h1_conn *c, const struct section *section)
{
    c->framing = (uint8_t)choose_framing(c, section);
    c->say_close = c->closing || c->framing == H1_FRAME_CLOSE || c->input != H1_READ || h1_front_draining();
    if (c->ex->tunnel && section->status == 101)
        c->framing = H1_FRAME_CLOSE; /* bytes as they come, until one side ends */
    c->unsized = c->framing == H1_FRAME_CHUNKED && c->ex->response.has_length;
    if (section->status == 204 || c->unsized) /* RFC 9110 8.6; RFC 9112 6.2 */
        head_drop(&c->ex->response.head, section, FIELD_CONTENT_LENGTH);
}

static uint8_t state_after_head(const struct h1_conn *c)
{
    switch ((enum h1_framing)c->framing) {
    case H1_FRAME_NONE: return H1_OUT_DONE;
    case H1_FRAME_CHUNKED: return H1_OUT_SIZE;
    case H1_FRAME_LENGTH:
    case H1_FRAME_CLOSE: return H1_OUT_DATA;
    }
    return H1_OUT_DONE;
}

/* ---- making ---- */

/* Adds the `len` bytes that stand at gather_space, without those that were sent already, as a piece. */
static void add_made(struct h1_out *out, struct gather *g, struct pieces *pieces, size_t len)
{
    uint8_t *space = gather_space(g);

    if (out->off > 0)
        memmove(space, space + out->off, len - out->off);
    gather_made(g, len - out->off);
    pieces->at[pieces->count++] = (struct piece){*out, (uint32_t)len - out->off};
    out->off = 0;
}

static bool make_head(struct h1_conn *c, struct h1_out *out, struct gather *g, struct pieces *pieces)
{
    const struct head *head = &c->ex->response.head;
    unsigned index = head->section_sent + out->made;
    const struct section *section = &head->sections[index];
    bool final;
    struct textbuf b;

    if (index >= c->ex->response.ready)
        return false;
    final = section->kind == SECTION_FINAL;
    if (final && out->off == 0)
        decide(c, section);
    textbuf_init(&b, gather_space(g), gather_room(g));
    if (final || c->minor > 0) /* RFC 9110 15.2: no 1xx to HTTP/1.0 */
        h1_write_head(&b, head, section, c->minor, final ? (enum h1_framing)c->framing : H1_FRAME_NONE, c->say_close);
    if (b.full)
        return false;
    add_made(out, g, pieces, b.len);
    out->made++;
    if (final)
        out->state = state_after_head(c);
    return true;
}

/* Begins a chunk of what is in the pipe behind `skip`, or makes the rest of a begun one's size line. */
static bool make_size(struct h1_conn *c, struct h1_out *out, struct gather *g, struct pieces *pieces, size_t skip)
{
    const struct message *m = &c->ex->response;
    struct textbuf b;

    if (out->chunk == 0) {
        struct port_iov iov[PORT_IOV_MAX];
        unsigned segments = gather_segments(g);
        size_t total = 0;

        if (m->pipe.size > skip && segments > 4)
            pipe_peek(&m->pipe, skip, m->pipe.size, iov, segments - 4, &total);
        if (total == 0) {
            if (m->pipe.size > skip || m->state != MESSAGE_END)
                return false;
            out->state = H1_OUT_LAST;
            return true;
        }
        out->chunk = (uint32_t)total;
    }
    textbuf_init(&b, gather_space(g), gather_room(g));
    textbuf_put_hex(&b, out->chunk);
    textbuf_putz(&b, "\r\n");
    if (b.full)
        return false;
    add_made(out, g, pieces, b.len);
    out->state = H1_OUT_CHUNK;
    return true;
}

/* Adds up to `most` bytes of the pipe behind *skip. */
static bool make_data(struct h1_conn *c, struct h1_out *out, struct gather *g, struct pieces *pieces, size_t *skip,
                      size_t most)
{
    const struct message *m = &c->ex->response;
    struct port_iov iov[PORT_IOV_MAX];
    unsigned segments = gather_segments(g);
    size_t total = 0;
    unsigned count = 0;

    if (m->pipe.size > *skip && segments > 1)
        count = pipe_peek(&m->pipe, *skip, most, iov, segments - 1, &total);
    if (total == 0)
        return false;
    for (unsigned i = 0; i < count; i++) {
        if (!(total <= COPIED_MOST && gather_put(g, iov[i].base, iov[i].len)) &&
            !gather_ref(g, iov[i].base, iov[i].len))
            return false;
    }
    pieces->at[pieces->count++] = (struct piece){*out, (uint32_t)total};
    *skip += total;
    if (out->state == H1_OUT_CHUNK) {
        out->chunk -= (uint32_t)total;
        if (out->chunk == 0)
            out->state = H1_OUT_CRLF;
    }
    return true;
}

static bool make_crlf(struct h1_out *out, struct gather *g, struct pieces *pieces)
{
    if (gather_room(g) < 2)
        return false;
    memcpy(gather_space(g), "\r\n", 2);
    add_made(out, g, pieces, 2);
    out->state = H1_OUT_SIZE;
    return true;
}

static bool make_last(struct h1_conn *c, struct h1_out *out, struct gather *g, struct pieces *pieces)
{
    const struct message *m = &c->ex->response;
    struct textbuf b;

    textbuf_init(&b, gather_space(g), gather_room(g));
    h1_write_last_chunk(&b, &m->head, m->trailers);
    if (b.full)
        return false;
    add_made(out, g, pieces, b.len);
    out->state = H1_OUT_DONE;
    return true;
}

/* Makes the next piece from where `out` stands, and moves it on. False: nothing more can be made now. */
static bool make_piece(struct h1_conn *c, struct h1_out *out, struct gather *g, struct pieces *pieces, size_t *skip)
{
    const struct message *m = &c->ex->response;

    switch ((enum h1_output)out->state) {
    case H1_OUT_HEAD: return make_head(c, out, g, pieces);
    case H1_OUT_DATA:
        if (make_data(c, out, g, pieces, skip, m->pipe.size))
            return true;
        if (m->state != MESSAGE_END || m->pipe.size > *skip)
            return false;
        out->state = H1_OUT_DONE;
        return true;
    case H1_OUT_SIZE: return make_size(c, out, g, pieces, *skip);
    case H1_OUT_CHUNK: return make_data(c, out, g, pieces, skip, out->chunk);
    case H1_OUT_CRLF: return make_crlf(out, g, pieces);
    case H1_OUT_LAST: return make_last(c, out, g, pieces);
    case H1_OUT_DONE: return false;
    }
    return false;
}

/* ---- what was sent ---- */

/* The first bytes of the final head left. */
static void begin_response(struct h1_conn *c)
{
    if (c->ex->begun)
        return;
    c->ex->begun = true;
    if (c->ex->tunnel && c->framing == H1_FRAME_CLOSE)
        h1_body_tunnel(c);
}

/* n bytes of a piece were sent, perhaps not all: the output stands behind them. Body bytes leave the pipe. */
static void advance_piece(struct h1_conn *c, const struct piece *piece, size_t n)
{
    struct message *m = &c->ex->response;

    c->out = piece->from;
    c->out.made = 0;
    switch ((enum h1_output)piece->from.state) {
    case H1_OUT_HEAD:
        if (n > 0 && m->head.sections[m->head.section_sent].kind == SECTION_FINAL)
            begin_response(c);
        if (n == piece->len)
            exchange_head_passed(c->ex);
        else
            c->out.off += (uint32_t)n;
        return;
    case H1_OUT_DATA:
    case H1_OUT_CHUNK:
        pipe_consume(&m->pipe, n);
        exchange_drained(c->ex, m, n);
        if (piece->from.state == H1_OUT_CHUNK)
            c->out.chunk -= (uint32_t)n;
        return;
    case H1_OUT_SIZE:
    case H1_OUT_CRLF:
    case H1_OUT_LAST:
    case H1_OUT_DONE: c->out.off += (uint32_t)n; return;
    }
}

/* The first n bytes of what was made were sent; `end` is where the output stands when that is all. */
static void advance(struct h1_conn *c, const struct pieces *pieces, const struct h1_out *end, size_t n)
{
    for (unsigned i = 0; i < pieces->count; i++) {
        const struct piece *piece = &pieces->at[i];

        if (n < piece->len) {
            advance_piece(c, piece, n);
            return;
        }
        advance_piece(c, piece, piece->len);
        n -= piece->len;
    }
    c->out = *end;
    c->out.made = 0;
}

/* Whether a tunnel whose backend has ended its side still takes what the client sends (RFC 9113 8.5: half-closed). */
static bool tunnel_goes_on(const struct exchange *ex)
{
    return ex->back.ops && exchange_is_tunnel(ex) && ex->request.state != MESSAGE_END;
}

/* The response was delivered: the next request, or the end of the connection. */
static void response_done(struct h1_conn *c)
{
    struct exchange *ex = c->ex;

    if (tunnel_goes_on(ex)) {
        conn_shutdown(&c->conn);
        return;
    }
    if (!c->closing && !c->say_close && c->input == H1_READ) {
        if (c->rest_at < c->rest_end) {
            h1_input_next(c);
            return;
        }
        c->ex = NULL;
        exchange_delivered(ex);
        h1_conn_await_request(c);
        return;
    }
    c->ex = NULL;
    exchange_delivered(ex);
    h1_conn_finish(c);
}

/* Makes and writes once. False: nothing more can be written now. */
static bool write_once(struct h1_conn *c)
{
    struct pieces pieces = {.count = 0};
    struct h1_out out = c->out;
    struct gather *g = gather_begin();
    enum port_result result = PORT_OK;
    size_t skip = 0;
    size_t n = 0;

    while (pieces.count < MOST_PIECES && make_piece(c, &out, g, &pieces, &skip))
        continue;
    if (g->total > 0)
        result = conn_write(&c->conn, g, &n);
    if (result == PORT_ERROR) {
        h1_conn_lose(c, CAUSE_CLIENT_CLOSED);
        return false;
    }
    if (n > 0)
        timer_cancel(&c->write_timer);
    c->blocked = n < g->total;
    advance(c, &pieces, &out, n);
    return g->total > 0 && !c->blocked;
}

void h1_output_run(struct h1_conn *c)
{
    if (c->blocked)
        return;
    for (unsigned i = 0; i < MOST_ROUNDS; i++) {
        if (!write_once(c)) {
            if (c->ex && c->out.state == H1_OUT_DONE && !c->blocked)
                response_done(c);
            return;
        }
        if (c->out.state == H1_OUT_DONE) {
            response_done(c);
            return;
        }
    }
    loop_mark(&c->task); /* others want their turn */
}
