/* What clients send: heads, bodies, trailers, and what comes behind a request. */
#include "base/log.h"
#include "side/h1_conn.h"
#include "side/h2_front.h"

#include <string.h>

/* The most that one read takes while a head is awaited: what comes behind the head must fit into the body's guaranteed
 * pipe. */
#define HEAD_READ_MOST (CONFIG_REQUEST_WINDOW < CONFIG_INPUT_SIZE ? CONFIG_REQUEST_WINDOW : CONFIG_INPUT_SIZE)
/* And into the exchange's own storage, beside what the proxy adds. */
#define HEAD_READ_OWN (REQUEST_HEAD_OWN - 512)
#define HEAD_READ ((size_t)(HEAD_READ_OWN < HEAD_READ_MOST ? HEAD_READ_OWN : HEAD_READ_MOST))

/* Room for reads of a chunked body: less is too slow. */
#define CHUNKS_LEAST 128

/* ---- heads ---- */

/* What is read of a chunked body may end with the next request, which must find room behind the head (room_for_read).
 */
static void make_room_for_chunks(struct h1_conn *c)
{
    struct message *m = &c->ex->request;

    exchange_make_room(m, HEAD_READ);
    if (m->head.cap - m->head.used < CHUNKS_LEAST)
        h1_body_refuse(c, H1_NO_ROOM);
}

/* Routes the request, and takes what already came of its body: request.head.text[rest_at, rest_end). */
static void begin_request(struct h1_conn *c, const struct h1_request *request)
{
    struct exchange *ex = c->ex;
    uint32_t keepalive_max = h1_front_settings()->keepalive_max;
    uint32_t from = c->rest_at;

    ex->proto = c->minor == 0 ? PROTO_HTTP10 : PROTO_HTTP11;
    c->te_trailers = request->te_trailers;
    c->unsized = false;
    ex->body_limit = h1_front_settings()->body_limit;
    c->requests++;
    c->closing = !request->keep_alive || (keepalive_max > 0 && c->requests >= keepalive_max);
    c->body_left = request->length;
    c->chunked = request->body == H1_BODY_CHUNKED;
    memset(&c->chunks, 0, sizeof(c->chunks));
    timer_cancel(&c->read_timer);
    if (ex->body_limit > 0 && request->length > ex->body_limit) {
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
    if (c->ex && c->input == H1_BODY && !c->ex->request.pipe.open)
        c->input = H1_REFUSED; /* there is no room for its body */
    if (c->ex && c->input == H1_BODY)
        h1_body_first(c, from);
    if (c->ex && c->input == H1_BODY && c->chunked)
        make_room_for_chunks(c);
}

/* How many bytes of a head may be read into the storage that it has. */
static uint32_t head_most(const struct h1_conn *c)
{
    return (uint32_t)min_size(c->ex->request.head.cap, CONFIG_REQUEST_HEAD);
}

/* A head has filled its storage and is not complete. */
static enum h1_reason more_head(struct h1_conn *c)
{
    if (head_most(c) == CONFIG_REQUEST_HEAD)
        return H1_HEAD_LARGE;
    return exchange_grow(&c->ex->request) ? H1_PARTIAL : H1_NO_ROOM;
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

    if (reason == H1_HEAD_LARGE)
        reason = more_head(c);
    if (reason == H1_PARTIAL)
        return;
    if (reason == H1_OK) {
        c->minor = (uint8_t)minor;
        c->ex->client_path = head->path;
        reason = h1_interpret(head, minor, &request);
    }
    if (reason == H1_OK && request.absolute &&
        !forward_is_ours(&exchange_site()->forward, head_text(head, head->authority), &c->ex->local,
                         conn_is_secure(&c->conn)))
        reason = H1_NOT_OURS;
    if (reason != H1_OK) {
        h1_body_refuse(c, reason);
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

/* Room for body bytes, `most` of which are to come. A pipe that is more than half full waits until more was drained:
 * few large reads instead of many small ones. */
static size_t room_in_pipe(const struct h1_conn *c, size_t most)
{
    const struct pipe *pipe = &c->ex->request.pipe;
    size_t room = min_size(pipe_space(pipe), most);

    return room < most && room < pipe->limit / 2 ? 0 : min_size(room, CONFIG_INPUT_SIZE);
}

/* Where the next read goes, and how much. 0: nothing may be read now. */
static size_t room_for_read(const struct h1_conn *c, uint8_t **buf)
{
    const struct message *m;
    size_t room;

    *buf = conn_input();
    if (c->input == H1_IDLE)
        return c->requests == 0 ? h2_front_first_read(HEAD_READ) : HEAD_READ;
    if (c->input == H1_LINGER)
        return CONFIG_INPUT_SIZE;
    m = &c->ex->request;
    room = m->head.cap - m->head.used;
    if (c->input == H1_HEAD) {
        *buf = (uint8_t *)m->head.text + m->head.used;
        return min_size(HEAD_READ, head_most(c) - m->head.used);
    }
    if (c->input == H1_READ) {
        *buf = (uint8_t *)m->head.text + m->head.used;
        return min_size(HEAD_READ, room);
    }
    if (c->input == H1_TRAILERS)
        return min_size(HEAD_READ, room);
    if (c->input == H1_TUNNEL)
        return room_in_pipe(c, SIZE_MAX);
    if (c->chunked) /* what comes behind the body must find room: in the head, and in the next request's fresh pipe */
        return min_size(room_in_pipe(c, SIZE_MAX), min_size(HEAD_READ, room));
    return room_in_pipe(c, c->body_left < SIZE_MAX ? (size_t)c->body_left : SIZE_MAX);
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
    case H1_HANDSHAKE:
    case H1_REFUSED:
    case H1_CLOSED: return false;
    }
    return false;
}

/* The connection begins with HTTP/2's preface: the other front serves it. */
static void hand_over(struct h1_conn *c, const uint8_t *bytes, size_t n)
{
    h1_conn_hand_over(c);
    h2_front_take_over(c, &c->conn, &c->peer, &c->local, bytes, n);
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

/* Whether the connection has just begun, and with HTTP/2. Over TLS that is for ALPN to say (RFC 9113 3.3). */
static bool is_preface(const struct h1_conn *c, const void *bytes, size_t n)
{
    return c->requests == 0 && h1_front_settings()->h2c && !conn_is_secure(&c->conn) && h2_front_is_preface(bytes, n);
}

/* n bytes came (into buf). */
static void take(struct h1_conn *c, const uint8_t *buf, size_t n)
{
    struct exchange *ex = c->ex; /* NULL but in the states that use it */

    c->read_bytes += n;
    switch ((enum h1_input)c->input) {
    case H1_HEAD:
        ex->request.head.used += (uint32_t)n;
        if (is_preface(c, ex->request.head.text, ex->request.head.used))
            hand_over_late(c);
        else
            take_head(c);
        return;
    case H1_BODY: h1_body_take(c, buf, n); return;
    case H1_TRAILERS: h1_body_trailers(c, buf, n); return;
    case H1_TUNNEL: h1_body_push(c, buf, n); return;
    case H1_READ:
        c->rest_at = ex->request.head.used;
        ex->request.head.used += (uint32_t)n;
        c->rest_end = ex->request.head.used;
        return;
    case H1_HANDSHAKE:
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
    c->ex = exchange_open(&h1_front_ops, c, &c->conn, &c->peer, &c->local);
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
