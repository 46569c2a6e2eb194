/* What clients send: heads, bodies, trailers, and what comes behind a request. */
#include "base/log.h"
#include "side/h1_conn.h"
#include "side/h2_front.h"

#include <string.h>

/* The most that one read takes while a head is awaited: what comes behind the head must fit into the body's guaranteed
 * pipe. */
#define HEAD_READ (CONFIG_REQUEST_WINDOW < CONFIG_INPUT_SIZE ? CONFIG_REQUEST_WINDOW : CONFIG_INPUT_SIZE)

/* ---- refusing ---- */

static void refuse(struct h1_conn *c, enum h1_reason reason)
{
    const struct h1_refusal *refusal = h1_refusal(reason);

    c->input = H1_REFUSED;
    log_info("h1", "refused: %s (%s)", refusal->word, refusal->section);
    exchange_refuse(c->ex, CAUSE_BAD_REQUEST, refusal->status, refusal->word);
}

/* ---- bodies ---- */

static void end_of_request(struct h1_conn *c, struct section *trailers)
{
    c->input = H1_READ;
    timer_cancel(&c->read_timer);
    exchange_pushed_end(c->ex, &c->ex->request, trailers);
}

/* Whether n more body bytes are within LimitRequestBody; refuses the request otherwise. */
static bool within_limit(struct h1_conn *c, size_t n)
{
    uint64_t limit = h1_front_settings()->body_limit;

    if (limit == 0 || n <= limit - c->ex->request.received)
        return true;
    c->input = H1_REFUSED;
    exchange_refuse(c->ex, CAUSE_BODY_LARGE, 413, cause_info(CAUSE_BODY_LARGE)->word);
    return false;
}

static void push(struct h1_conn *c, const uint8_t *bytes, size_t n)
{
    struct message *m = &c->ex->request;

    if (n == 0)
        return;
    pipe_write(&m->pipe, bytes, n);
    exchange_pushed(c->ex, m, n);
}

static size_t take_length(struct h1_conn *c, const uint8_t *bytes, size_t len)
{
    size_t n = len < c->body_left ? len : (size_t)c->body_left;

    push(c, bytes, n);
    c->body_left -= n;
    if (c->body_left == 0)
        end_of_request(c, NULL);
    return n;
}

/* Takes chunked bytes up to the last chunk's line. */
static size_t take_chunks(struct h1_conn *c, const uint8_t *bytes, size_t len)
{
    size_t at = 0;

    while (at < len && c->input == H1_BODY) {
        size_t consumed;
        size_t data;
        enum h1_reason reason = h1_decode_chunks(&c->chunks, bytes + at, len - at, &consumed, &data);

        if (reason != H1_OK) {
            refuse(c, reason);
            return len;
        }
        at += consumed;
        if (!within_limit(c, data))
            return len;
        push(c, bytes + at - data, data);
        if (c->chunks.state == H1_CHUNK_TRAILERS) {
            c->input = H1_TRAILERS;
            c->trailers_at = c->ex->request.head.used;
            c->trailers_end = c->trailers_at;
            memset(&c->parser, 0, sizeof(c->parser));
        }
    }
    return at;
}

/* Keeps bytes behind the message in the head's storage. False: there is no room. */
static bool keep(struct head *head, const uint8_t *bytes, size_t len)
{
    if (len > head->cap - head->used)
        return false;
    memmove(head->text + head->used, bytes, len);
    head->used += (uint32_t)len;
    return true;
}

/* Parses the trailer section in head.text[trailers_at, trailers_end). H1_PARTIAL: more is to come. */
static enum h1_reason parse_trailers(struct h1_conn *c)
{
    struct head *head = &c->ex->request.head;
    size_t consumed;
    enum h1_reason reason = h1_parse_trailers(&c->parser, head, c->trailers_at, c->trailers_end - c->trailers_at,
                                              &h1_front_settings()->limits, &consumed);

    if (reason == H1_OK) {
        c->rest_at = c->trailers_at + (uint32_t)consumed;
        c->rest_end = c->trailers_end;
        end_of_request(c, head_last(head));
    } else if (reason != H1_PARTIAL) {
        refuse(c, reason);
    }
    return reason;
}

static void take_trailers(struct h1_conn *c, const uint8_t *bytes, size_t len)
{
    struct head *head = &c->ex->request.head;

    if (!keep(head, bytes, len)) {
        refuse(c, H1_HEAD_LARGE);
        return;
    }
    c->trailers_end = head->used;
    (void)parse_trailers(c);
}

/* Trailers came with the request's first bytes: they are parsed where they stand. When more is to come, they move
   behind all that is stored. */
static void take_first_trailers(struct h1_conn *c, uint32_t at, uint32_t end)
{
    struct head *head = &c->ex->request.head;

    c->trailers_at = at;
    c->trailers_end = end;
    if (parse_trailers(c) != H1_PARTIAL)
        return;
    head_drop_trailers(head);
    memset(&c->parser, 0, sizeof(c->parser));
    c->trailers_at = head->used;
    c->trailers_end = head->used;
    take_trailers(c, (const uint8_t *)head->text + at, end - at);
}

/* Takes bytes of the body (and what comes behind it): all of them. */
static void take_body(struct h1_conn *c, const uint8_t *bytes, size_t len)
{
    size_t n = c->chunked ? take_chunks(c, bytes, len) : take_length(c, bytes, len);

    if (c->input == H1_TRAILERS)
        take_trailers(c, bytes + n, len - n);
}

void h1_input_tunnel(struct h1_conn *c)
{
    const struct head *head = &c->ex->request.head;
    uint32_t at = c->rest_at;
    uint32_t end = c->rest_end;

    c->input = H1_TUNNEL;
    c->closing = true;
    c->rest_at = end;
    push(c, (const uint8_t *)head->text + at, end - at); /* at most HEAD_READ bytes: the pipe is empty */
    if (c->eof)
        exchange_pushed_end(c->ex, &c->ex->request, NULL);
}

/* ---- heads ---- */

/* Routes the request, and takes what already came of its body: request.head.text[rest_at, rest_end). */
static void begin_request(struct h1_conn *c, const struct h1_request *request)
{
    struct exchange *ex = c->ex;
    uint64_t limit = h1_front_settings()->body_limit;
    uint32_t keepalive_max = h1_front_settings()->keepalive_max;
    uint32_t from = c->rest_at;

    ex->proto = c->minor == 0 ? PROTO_HTTP10 : PROTO_HTTP11;
    ex->expect_continue = request->expect_continue;
    c->requests++;
    c->closing = !request->keep_alive || (keepalive_max > 0 && c->requests >= keepalive_max);
    c->body_left = request->length;
    c->chunked = request->body == H1_BODY_CHUNKED;
    memset(&c->chunks, 0, sizeof(c->chunks));
    timer_cancel(&c->read_timer);
    if (limit > 0 && request->length > limit) {
        c->input = H1_REFUSED;
        ex->client_path = ex->request.head.path;
        exchange_refuse(ex, CAUSE_BODY_LARGE, 413, cause_info(CAUSE_BODY_LARGE)->word);
        return;
    }
    c->input = request->body == H1_BODY_NONE ? H1_READ : H1_BODY;
    if (c->input == H1_BODY) {
        c->rest_at = c->rest_end;
        h1_conn_await(c, true);
    }
    exchange_request(ex, c->input == H1_BODY, request->body == H1_BODY_LENGTH, request->length);
    if (c->ex && c->input == H1_BODY && from < c->rest_end) {
        uint32_t end = c->rest_end;
        const uint8_t *bytes = (const uint8_t *)ex->request.head.text;
        size_t n = c->chunked ? take_chunks(c, bytes + from, end - from) : take_length(c, bytes + from, end - from);

        if (c->input == H1_TRAILERS)
            take_first_trailers(c, from + (uint32_t)n, end);
        else if (c->input == H1_READ)
            c->rest_at = from + (uint32_t)n;
    }
}

/* Parses what is there of a head. */
static void take_head(struct h1_conn *c)
{
    struct head *head = &c->ex->request.head;
    struct h1_request request;
    size_t consumed;
    unsigned minor;
    enum h1_reason reason =
        h1_parse_request(&c->parser, head, head->used, &h1_front_settings()->limits, &consumed, &minor);

    if (reason == H1_PARTIAL)
        reason = head->used < CONFIG_REQUEST_HEAD ? H1_PARTIAL : H1_HEAD_LARGE;
    if (reason == H1_PARTIAL)
        return;
    if (reason == H1_OK) {
        c->minor = (uint8_t)minor;
        c->ex->client_path = head->path;
        reason = h1_interpret(head, minor, &request);
    }
    if (reason == H1_OK && request.absolute &&
        !forward_is_ours(&c->ex->site->forward, head_text(head, head->authority), &c->ex->local))
        reason = H1_NOT_OURS;
    if (reason != H1_OK) {
        refuse(c, reason);
        return;
    }
    c->rest_at = (uint32_t)consumed;
    c->rest_end = head->used;
    c->ex->client_path = head->path;
    begin_request(c, &request);
}

/* Prepares for a request whose first bytes stand in request.head.text. */
static void begin_head(struct h1_conn *c)
{
    c->input = H1_HEAD;
    c->minor = 1;
    c->framing = H1_FRAME_NONE;
    c->rest_at = 0;
    c->rest_end = 0;
    memset(&c->parser, 0, sizeof(c->parser));
    memset(&c->out, 0, sizeof(c->out));
    if (c->requests > 0)
        h1_conn_await(c, false);
}

/* No exchange is free: the only answer that is made without one. */
static void answer_no_room(struct h1_conn *c)
{
    static const char answer[] = "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\n"
                                 "content-length: 0\r\n\r\n";
    struct gather *g = gather_begin();
    size_t n;

    log_warn("h1", "no exchange is free");
    if (gather_ref(g, answer, sizeof(answer) - 1))
        (void)conn_write(&c->conn, g, &n); /* the connection ends in any case */
    c->input = H1_REFUSED;
    h1_conn_finish(c);
}

/* ---- reading ---- */

/* The client ended its side: it may still wait for the response to a whole request. */
static void on_end(struct h1_conn *c)
{
    c->eof = true;
    if (c->input == H1_READ || c->input == H1_REFUSED) {
        c->closing = true;
        return;
    }
    if (c->input == H1_TUNNEL) { /* half-closed */
        exchange_pushed_end(c->ex, &c->ex->request, NULL);
        loop_mark(&c->task);
        return;
    }
    h1_conn_lose(c, CAUSE_CLIENT_CLOSED);
}

/* Where the next read goes, and how much. 0: nothing may be read now. */
static size_t room_for_read(const struct h1_conn *c, uint8_t **buf)
{
    const struct message *m;
    size_t room;

    *buf = conn_input();
    if (c->input == H1_IDLE)
        return HEAD_READ;
    if (c->input == H1_LINGER)
        return CONFIG_INPUT_SIZE;
    m = &c->ex->request;
    room = m->head.cap - m->head.used;
    if (c->input == H1_HEAD) {
        *buf = (uint8_t *)m->head.text + m->head.used;
        return min_size(HEAD_READ, CONFIG_REQUEST_HEAD - m->head.used);
    }
    if (c->input == H1_READ) {
        *buf = (uint8_t *)m->head.text + m->head.used;
        return min_size(HEAD_READ, room);
    }
    if (c->input == H1_TRAILERS)
        return min_size(HEAD_READ, room);
    if (c->input == H1_TUNNEL)
        return min_size(CONFIG_INPUT_SIZE, pipe_space(&m->pipe));
    if (c->chunked) /* what comes behind the body must find room */
        return min_size(CONFIG_INPUT_SIZE, min_size(pipe_space(&m->pipe), room));
    return min_size(CONFIG_INPUT_SIZE,
                    min_size(pipe_space(&m->pipe), c->body_left < SIZE_MAX ? (size_t)c->body_left : SIZE_MAX));
}

/* A body that keeps its pipe full may borrow. */
static void grow(struct message *m)
{
    if (m->received >= m->pipe.limit && m->pipe.limit < CONFIG_INPUT_SIZE && !pipe_short())
        pipe_borrow(&m->pipe, m->pipe.limit);
}

bool h1_input_wanted(const struct h1_conn *c)
{
    uint8_t *buf;

    switch ((enum h1_input)c->input) {
    case H1_IDLE:
    case H1_HEAD:
    case H1_TRAILERS:
    case H1_LINGER: return true;
    case H1_BODY: return room_for_read(c, &buf) > 0;
    case H1_TUNNEL: return !c->eof && room_for_read(c, &buf) > 0;
    case H1_READ: /* to see it go; pipelined bytes are read once, then they wait in the socket */
        return !c->eof && c->rest_at == c->rest_end && room_for_read(c, &buf) > 0;
    case H1_REFUSED:
    case H1_CLOSED: return false;
    }
    return false;
}

/* The connection begins with HTTP/2's preface: the other front serves it. */
static void hand_over(struct h1_conn *c, const uint8_t *bytes, size_t n)
{
    port_handle handle = h1_conn_hand_over(c);

    h2_front_take_over(c, handle, &c->peer, c->local, bytes, n);
}

/* The first bytes came one by one, so an exchange was opened for them. */
static void hand_over_late(struct h1_conn *c)
{
    struct exchange *ex = c->ex;
    size_t n = ex->request.head.used;

    memcpy(conn_input(), ex->request.head.text, n);
    c->ex = NULL;
    exchange_discard(ex);
    hand_over(c, conn_input(), n);
}

/* Whether the connection has just begun, and with HTTP/2. */
static bool is_preface(const struct h1_conn *c, const void *bytes, size_t n)
{
    return c->requests == 0 && h2_front_is_preface(bytes, n);
}

/* n bytes came (into buf). */
static void take(struct h1_conn *c, const uint8_t *buf, size_t n)
{
    struct head *head = c->ex ? &c->ex->request.head : NULL;

    c->read_bytes += (uint32_t)n;
    switch ((enum h1_input)c->input) {
    case H1_HEAD:
        head->used += (uint32_t)n;
        if (is_preface(c, head->text, head->used))
            hand_over_late(c);
        else
            take_head(c);
        return;
    case H1_BODY:
        take_body(c, buf, n);
        if (c->ex && c->input == H1_BODY)
            grow(&c->ex->request);
        return;
    case H1_TRAILERS: take_trailers(c, buf, n); return;
    case H1_TUNNEL:
        push(c, buf, n);
        grow(&c->ex->request);
        return;
    case H1_READ:
        c->rest_at = head->used;
        head->used += (uint32_t)n;
        c->rest_end = head->used;
        return;
    case H1_IDLE:
    case H1_REFUSED:
    case H1_LINGER:
    case H1_CLOSED: return;
    }
}

/* The first bytes of a request. */
static void take_first(struct h1_conn *c, const uint8_t *buf, size_t n)
{
    if (is_preface(c, buf, n)) {
        hand_over(c, buf, n);
        return;
    }
    c->ex = exchange_open(&h1_front_ops, c, &c->peer, c->local);
    if (!c->ex) {
        answer_no_room(c);
        return;
    }
    begin_head(c);
    memcpy(c->ex->request.head.text, buf, n);
    take(c, buf, n);
}

void h1_input_read(struct h1_conn *c)
{
    uint8_t *buf;
    size_t room = h1_input_wanted(c) ? room_for_read(c, &buf) : 0;
    size_t n;
    enum port_result result;

    if (room == 0)
        return;
    result = conn_read(&c->conn, buf, room, &n);
    if (result == PORT_AGAIN)
        return;
    if (result == PORT_ERROR)
        h1_conn_lose(c, CAUSE_CLIENT_CLOSED);
    else if (result == PORT_END)
        on_end(c);
    else if (c->input == H1_IDLE)
        take_first(c, buf, n);
    else
        take(c, buf, n);
    if (c->input != H1_CLOSED)
        h1_conn_update(c);
}

void h1_input_next(struct h1_conn *c)
{
    size_t len = c->rest_end - c->rest_at;

    exchange_renew(c->ex, c->rest_at, len);
    begin_head(c);
    c->ex->request.head.used = (uint32_t)len;
    take_head(c);
}
