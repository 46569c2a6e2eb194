/* HTTP/2 clients: their requests, and what is read out of the frames that answer them. */
#include "sim_h2_client.h"

#define TRIES 1000
#define TRY_AGAIN_MS 5

/* ---- the request ---- */

static void put_field_lines(struct bytes *to, const char *lines)
{
    struct text rest = text_of(lines);
    struct text line;

    while (text_split(&rest, '\n', &line)) {
        size_t colon = text_find(line, ':', 1);
        size_t at = to->len;

        if (line.len == 0)
            continue;
        if (line.ptr[line.len - 1] == '\r')
            line.len--;
        bytes_put(to, line.ptr, line.len);
        bytes_put(to, "\n", 1);
        for (size_t i = 0; i < colon; i++)
            if (to->ptr[at + i] >= 'A' && to->ptr[at + i] <= 'Z')
                to->ptr[at + i] |= 0x20;
    }
}

static void put_request(struct h2_answer *a, uint32_t id)
{
    const struct ask *ask = &a->ask.ask;
    const char *method = ask->tunnel != TUNNEL_NONE ? "CONNECT"
                         : ask->method != NULL      ? ask->method
                         : ask->framing == ASK_NONE ? "GET"
                                                    : "POST";
    struct bytes *to = &a->block;

    bytes_printf(to, ":method: %s\n:scheme: http\n:authority: proxy.example\n:path: %sr/%u%s%s\n", method,
                 ask->path != NULL ? ask->path : "/", id, ask->query != NULL ? "?" : "",
                 ask->query != NULL ? ask->query : "");
    if (ask->tunnel != TUNNEL_NONE)
        bytes_printf(to, ":protocol: websocket\nsec-websocket-version: 13\n");
    if (ask->framing == ASK_LENGTH)
        bytes_printf(to, "content-length: %llu\n", (unsigned long long)ask->body);
    if (ask->expects)
        bytes_printf(to, "expect: 100-continue\n");
    bytes_printf(to, "x-body: %llu\n", (unsigned long long)ask->body);
    if (ask->fields != NULL)
        put_field_lines(to, ask->fields);
    a->response.head_method = strcmp(method, "HEAD") == 0;
}

uint32_t h2_client_ask(struct h2_client *client, const struct h2_ask *ask)
{
    struct h2_answer *a = sim_alloc(sizeof(*a));
    uint32_t id = client_id();

    client->answers = sim_grow(client->answers, client->asked, sizeof(struct h2_answer *));
    client->answers[client->asked++] = a;
    a->client = client;
    a->ask = *ask;
    a->response.id = id;
    a->response.echo = UINT64_MAX;
    a->response.tunnel = ask->ask.tunnel != TUNNEL_NONE;
    if (ask->block != NULL)
        bytes_put(&a->block, ask->block, strlen(ask->block));
    else
        put_request(a, id);
    if (ask->ask.trailers != NULL)
        put_field_lines(&a->trailers, ask->ask.trailers);
    return id;
}

uint32_t h2_client_get(struct h2_client *client, const char *query)
{
    return h2_client_ask(client, &(struct h2_ask){.ask = {.query = query}});
}

#define FIELDS 1100

/* Header block out of "name: value\n" lines; it points into them. They are not copied, since a copy is lower-cased. */
static size_t block_of(const struct bytes *lines, nghttp2_nv *block)
{
    struct text rest = bytes_text(lines);
    struct text line;
    size_t count = 0;

    while (text_split(&rest, '\n', &line)) {
        size_t colon = line.len > 0 ? text_find(line, ':', 1) : 0;
        struct text value = text_skip(line, min_size(colon + 2, line.len));
        union {
            const char *text;
            uint8_t *bytes;
        } n = {.text = line.ptr}, v = {.text = value.ptr};

        if (line.len == 0)
            continue;
        if (count == FIELDS)
            sim_abort("too many fields for an HTTP/2 client");
        block[count++] = (nghttp2_nv){n.bytes, v.bytes, colon, value.len,
                                      NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
    }
    return count;
}

/* How many body bytes may go now. */
static size_t body_room(const struct h2_answer *a, size_t most)
{
    uint64_t stop = a->ask.ask.body;

    if (a->ask.cancel == CANCEL_SENT && a->ask.cancel_at < stop)
        stop = a->ask.cancel_at;
    if (stop - a->sent < most)
        most = (size_t)(stop - a->sent);
    if (a->ask.piece > 0)
        most = min_size(most, a->ask.piece);
    return most;
}

/* Whether it still waits for leave to send its body. */
static bool body_waits(const struct h2_answer *a)
{
    if (a->response.tunnel && !a->ask.ask.tunnel_early)
        return a->response.status != 200;
    return a->ask.ask.expects && a->response.interim_count == 0 && a->response.status == 0;
}

static bool body_ends(const struct h2_answer *a)
{
    enum ask_tunnel tunnel = a->ask.ask.tunnel;

    if (a->sent != a->ask.ask.body || a->ask.cancel == CANCEL_SENT)
        return false;
    return tunnel == TUNNEL_NONE || tunnel == TUNNEL_SHUT ||
           (tunnel == TUNNEL_ECHO && (a->response.complete || a->response.body == a->ask.ask.body));
}

static ssize_t on_body(nghttp2_session *session, int32_t stream, uint8_t *buf, size_t cap, uint32_t *flags,
                       nghttp2_data_source *source, void *user)
{
    struct h2_answer *a = source->ptr;
    size_t n = body_room(a, cap);

    (void)user;
    if (sim_now() < a->send_at || body_waits(a) || (n == 0 && !body_ends(a))) {
        a->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    body_fill(a->response.id, a->sent, buf, n);
    a->sent += n;
    a->send_at = sim_now() + a->ask.pause_ms;
    if (!body_ends(a))
        return (ssize_t)n;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (a->trailers.len > 0) {
        nghttp2_nv block[FIELDS];
        size_t count = block_of(&a->trailers, block);

        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        nghttp2_submit_trailer(session, stream, block, count);
    }
    return (ssize_t)n;
}

void h2_answer_open(struct h2_answer *a)
{
    nghttp2_data_provider provider = {{.ptr = a}, on_body};
    bool body = a->ask.ask.framing != ASK_NONE || a->response.tunnel;
    nghttp2_nv block[FIELDS];
    size_t count = block_of(&a->block, block);

    a->state = H2_ASK_OPEN;
    a->tries++;
    a->reset = 0;
    a->sent = 0;
    a->send_at = 0;
    a->stream = nghttp2_submit_request(a->client->session, NULL, block, count, body ? &provider : NULL, a);
    if (a->stream < 0)
        sim_abort("a client cannot ask: %s", nghttp2_strerror(a->stream));
    sim_progress();
}

static void cancel(struct h2_answer *a)
{
    a->cancelled = true;
    nghttp2_submit_rst_stream(a->client->session, NGHTTP2_FLAG_NONE, a->stream, NGHTTP2_CANCEL);
    sim_progress();
}

bool h2_answer_step(struct h2_answer *a)
{
    /* Not before the HEADERS have left: they would not be sent at all. */
    if (a->ask.cancel == CANCEL_SENT && !a->cancelled && a->sent >= a->ask.cancel_at && a->deferred) {
        cancel(a);
        return true;
    }
    if (!a->deferred || sim_now() < a->send_at || body_waits(a) || (body_room(a, 1) == 0 && !body_ends(a)))
        return false;
    a->deferred = false;
    nghttp2_session_resume_data(a->client->session, a->stream);
    return true;
}

uint64_t h2_answer_wake(const struct h2_answer *a)
{
    if (a->state == H2_ASK_WAITS)
        return a->ask.start_at;
    return a->state == H2_ASK_OPEN && a->deferred ? a->send_at : SIM_NEVER;
}

/* ---- the response ---- */

static void broken(const struct h2_answer *a, const char *what)
{
    sim_violation("response %u (stream %d): %s", a->response.id, a->stream, what);
}

static struct h2_answer *answer_of(nghttp2_session *session, int32_t stream)
{
    return stream > 0 ? nghttp2_session_get_stream_user_data(session, stream) : NULL;
}

static int on_begin(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2_answer *a = answer_of(session, frame->hd.stream_id);

    (void)user;
    if (a != NULL)
        a->fields.len = 0;
    return 0;
}

static int on_field(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
                    const uint8_t *value, size_t value_len, uint8_t flags, void *user)
{
    struct h2_answer *a = answer_of(session, frame->hd.stream_id);

    (void)flags;
    (void)user;
    if (a == NULL)
        return 0;
    bytes_put(&a->fields, name, name_len);
    bytes_put(&a->fields, ": ", 2);
    bytes_put(&a->fields, value, value_len);
    bytes_put(&a->fields, "\n", 1);
    return 0;
}

static int on_bad_field(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
                        const uint8_t *value, size_t value_len, uint8_t flags, void *user)
{
    (void)session;
    (void)frame;
    (void)flags;
    (void)user;
    sim_violation("the core sent a client a bad field: %.*s: %.*s", (int)name_len, (const char *)name,
                  (int)min_size(value_len, 40), (const char *)value);
    return 0;
}

static bool number(const struct bytes *head, const char *name, uint64_t *out)
{
    struct text value = response_field(head, name);

    return value.ptr != NULL && text_to_u64(value, UINT64_MAX / 2, out);
}

/* The final head is complete. */
static void read_head(struct h2_answer *a)
{
    struct response *r = &a->response;
    uint64_t id = 0;
    bool there = number(&a->fields, "x-id", &id);

    bytes_put(&r->head, a->fields.ptr, a->fields.len);
    r->has_length = number(&r->head, "content-length", &r->length);
    r->from_origin = there && number(&r->head, "x-size", &r->whole);
    if (r->from_origin && id != r->id)
        broken(a, "the answer to another request");
}

static void read_fields(struct h2_answer *a)
{
    struct response *r = &a->response;
    uint64_t status = 0;

    if (r->status != 0) {
        if (a->fields.len > 0 && a->fields.ptr[0] == ':')
            broken(a, "a second final head");
        bytes_put(&r->trailers, a->fields.ptr, a->fields.len);
        return;
    }
    /* The first line is ":status: xyz". */
    if (a->fields.len < 13 || memcmp(a->fields.ptr, ":status: ", 9) != 0 ||
        !text_to_u64(text_make(a->fields.ptr + 9, 3), 999, &status) || status < 100) {
        broken(a, "no status");
        return;
    }
    if (status >= 200) {
        r->status = (unsigned)status;
        read_head(a);
    } else if (r->interim_count < INTERIMS) {
        r->interims[r->interim_count++] = (unsigned)status;
    }
}

static void finish(struct h2_answer *a)
{
    struct response *r = &a->response;

    r->complete = true;
    if (r->status == 0)
        broken(a, "ended without a final head");
    response_check_whole(r);
}

/* A window of 0 is opened by hand, a bit at a time. */
static void grant(struct h2_answer *a)
{
    const struct h2_client *c = a->client;

    if (c->window != 0 || a->response.complete || a->response.body < a->credit)
        return;
    if (a->ask.stall_after > 0 && a->response.body >= a->ask.stall_after)
        return;
    a->credit += c->grant;
    nghttp2_submit_window_update(c->session, NGHTTP2_FLAG_NONE, a->stream, (int32_t)c->grant);
}

static void on_connection_frame(struct h2_client *c, const nghttp2_frame *frame)
{
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        c->goaways++;
        c->goaway_code = frame->goaway.error_code;
        c->goaway_last = frame->goaway.last_stream_id;
    }
    if (frame->hd.type == NGHTTP2_SETTINGS && (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) {
        c->their_streams = nghttp2_session_get_remote_settings(c->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
        c->their_window = nghttp2_session_get_remote_settings(c->session, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE);
    }
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2_answer *a = answer_of(session, frame->hd.stream_id);

    if (frame->hd.stream_id == 0)
        on_connection_frame(user, frame);
    if (a == NULL || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS)
        read_fields(a);
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
        finish(a);
    grant(a);
    if (a->ask.cancel == CANCEL_RECEIVED && !a->cancelled && a->response.status != 0 &&
        a->response.body >= a->ask.cancel_at && !a->response.complete)
        cancel(a);
    return 0;
}

static int on_chunk(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *bytes, size_t len,
                    void *user)
{
    struct h2_answer *a = answer_of(session, stream);

    (void)flags;
    (void)user;
    nghttp2_session_consume_connection(session, len);
    if (a == NULL)
        return 0;
    if (a->response.from_origin && !body_is(a->response.id, a->response.body, bytes, len))
        broken(a, "a body that is not the origin's");
    a->response.body += len;
    if (a->client->window != 0 && (a->ask.stall_after == 0 || a->response.body < a->ask.stall_after))
        nghttp2_session_consume_stream(session, stream, len);
    return 0;
}

static int on_invalid(nghttp2_session *session, const nghttp2_frame *frame, int error, void *user)
{
    (void)session;
    (void)user;
    sim_violation("the core sent a client a frame (type %u, stream %d) that is wrong: %s", frame->hd.type,
                  frame->hd.stream_id, nghttp2_strerror(error));
    return 0;
}

/* ---- the end ---- */

void h2_answer_over(struct h2_answer *a, uint32_t code)
{
    const struct response *r = &a->response;

    a->state = H2_ASK_OVER;
    a->over_at = sim_now();
    if (!r->complete)
        a->reset = code + 1;
    if (!r->complete && !a->cancelled && code == NGHTTP2_NO_ERROR)
        broken(a, "cut, and it is called no error");
}

static int on_close(nghttp2_session *session, int32_t stream, uint32_t code, void *user)
{
    struct h2_answer *a = answer_of(session, stream);
    struct h2_client *c = user;

    if (a == NULL)
        return 0;
    h2_answer_over(a, code);
    if (code != NGHTTP2_REFUSED_STREAM || c->goaways > 0 || c->gives_up || a->tries >= TRIES || a->cancelled)
        return 0;
    if (a->response.status != 0 || a->response.interim_count > 0)
        broken(a, "refused, and it had begun to answer"); /* RFC 9113 8.7 */
    a->state = H2_ASK_WAITS;
    a->ask.start_at = sim_now() + TRY_AGAIN_MS + a->tries; /* many have room for a few streams only */
    return 0;
}

/* A request that could not leave: GOAWAY came first. */
static int on_not_sent(nghttp2_session *session, const nghttp2_frame *frame, int error, void *user)
{
    const struct h2_client *c = user;

    (void)session;
    (void)error;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    for (unsigned i = 0; i < c->asked; i++) {
        struct h2_answer *a = c->answers[i];

        if (a->state == H2_ASK_OPEN && a->stream == frame->hd.stream_id) {
            a->unsent = true;
            h2_answer_over(a, NGHTTP2_REFUSED_STREAM);
        }
    }
    return 0;
}

static ssize_t on_padding(nghttp2_session *session, const nghttp2_frame *frame, size_t most, void *user)
{
    const struct h2_client *c = user;

    (void)session;
    if (frame->hd.type != NGHTTP2_DATA)
        return (ssize_t)frame->hd.length;
    return (ssize_t)min_size(frame->hd.length + c->padding, most);
}

void h2_answer_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_field);
    nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_bad_field);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_chunk);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, on_not_sent);
    nghttp2_session_callbacks_set_select_padding_callback(callbacks, on_padding);
}
