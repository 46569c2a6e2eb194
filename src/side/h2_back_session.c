/* What nghttp2 tells of a backend's session: response heads, bodies, the ends of streams and of the connection. */
#include "base/log.h"
#include "http/priority.h"
#include "side/h2_back_conn.h"

#include <string.h>

/* The connection's window must never bind (RFC 9113 6.9): the streams' windows do, and those are reserved memory. */
#define CONNECTION_WINDOW (1 << 30)

const nghttp2_session_callbacks *h2_back_callbacks;

const uint8_t h2_back_pulse[8] = {'c', 'u', 'l', 'v', 'e', 'r', 't', '?'};

static const struct h2_source request_source = {h2_back_stream, NULL};

static struct exchange *exchange_of(nghttp2_session *ng, int32_t stream_id)
{
    return nghttp2_session_get_stream_user_data(ng, stream_id);
}

/* ---- response heads ---- */

/* The stream is at fault: nghttp2 resets it, and on_stream_close tells the exchange this cause. */
static int refuse(struct exchange *ex, enum cause cause)
{
    if (ex->back.cause == CAUSE_NONE)
        ex->back.cause = cause;
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

/* The same for a complete frame or a piece of a body, where nghttp2 takes a callback's failure for the connection's. */
static int reset_stream(nghttp2_session *ng, struct exchange *ex, enum cause cause, uint32_t code)
{
    (void)refuse(ex, cause);
    return nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE, ex->back.stream_id, code) == 0
               ? 0
               : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
    struct exchange *ex = exchange_of(ng, frame->hd.stream_id);
    struct h2_back *back = user;

    back->block = frame->hd.stream_id;
    if (!ex || frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    return exchange_begin_section(ex) ? 0 : refuse(ex, CAUSE_BACKEND_HEAD);
}

/* Adds a field to a head, which moves to large storage when its own is full. */
static bool add_field(struct message *m, struct text name, struct text value)
{
    return LIKELY(head_add(&m->head, name, value)) || (exchange_grow(m) && head_add(&m->head, name, value));
}

/* Why a response head finds no room. */
static enum cause head_fault(const struct exchange *ex)
{
    return exchange_may_grow(&ex->response) ? CAUSE_NO_ROOM : CAUSE_BACKEND_HEAD;
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, nghttp2_rcbuf *name, nghttp2_rcbuf *value,
                     uint8_t flags, void *user)
{
    struct exchange *ex = exchange_of(ng, frame->hd.stream_id);
    nghttp2_vec n = nghttp2_rcbuf_get_buf(name);
    nghttp2_vec v = nghttp2_rcbuf_get_buf(value);
    struct text text = text_make(v.base, v.len);
    uint64_t status;

    (void)flags;
    (void)user;
    if (!ex)
        return 0;
    if (n.len > 0 && n.base[0] == ':') { /* :status, the only one of a response (checked by nghttp2) */
        if (!text_to_u64(text, 999, &status) || status < 100)
            return refuse(ex, CAUSE_BACKEND_PROTOCOL);
        head_last(&ex->response.head)->status = (uint16_t)status;
        return 0;
    }
    return add_field(&ex->response, text_make(n.base, n.len), text) ? 0 : refuse(ex, head_fault(ex));
}

static int on_invalid_header(nghttp2_session *ng, const nghttp2_frame *frame, nghttp2_rcbuf *name, nghttp2_rcbuf *value,
                             uint8_t flags, void *user)
{
    struct exchange *ex = exchange_of(ng, frame->hd.stream_id);

    (void)name;
    (void)value;
    (void)flags;
    (void)user;
    return ex ? refuse(ex, CAUSE_BACKEND_PROTOCOL) : 0;
}

/* Whether Content-Length holds. nghttp2 sees to that (RFC 9113 8.1.1), but not where CONNECT was refused. `more`: bytes
   that came and are not counted yet; `end`: no others will. */
static bool length_holds(const struct exchange *ex, size_t more, bool end)
{
    const struct message *m = &ex->response;
    uint64_t received = m->received + more;

    if (!ex->tunnel || !m->has_length || exchange_bodiless(ex, ex->back_status))
        return true;
    return end ? received == m->length : received <= m->length;
}

/* END_STREAM came. */
static int end_response(nghttp2_session *ng, struct exchange *ex, struct section *trailers)
{
    if (ex->back.cause != CAUSE_NONE)
        return 0;
    if (!length_holds(ex, 0, true))
        return reset_stream(ng, ex, CAUSE_BACKEND_LENGTH, NGHTTP2_PROTOCOL_ERROR);
    exchange_pushed_end(ex, &ex->response, trailers);
    return 0;
}

/* How many interim heads may wait for a slow client: the final head and trailers need their places. A place is free
   again when all that wait were passed on. */
#define INTERIM_WAITING (HEAD_SECTIONS - 2)

/* A header block is complete. */
static int on_headers(nghttp2_session *ng, struct exchange *ex, const nghttp2_frame *frame)
{
    struct message *m = &ex->response;
    struct section *section = head_last(&m->head);
    unsigned status = section->status;

    if (m->state != MESSAGE_HEAD) {
        forward_trailers(&m->head, section);
        return frame->hd.flags & NGHTTP2_FLAG_END_STREAM ? end_response(ng, ex, section) : 0;
    }
    if (status == 101)
        return reset_stream(ng, ex, CAUSE_BACKEND_PROTOCOL,
                            NGHTTP2_PROTOCOL_ERROR); /* RFC 9113 8.6: there is no 101 in HTTP/2 */
    if (status < 200 && ++ex->interims > CONFIG_INTERIM_MOST)
        return reset_stream(ng, ex, CAUSE_BACKEND_INTERIM, NGHTTP2_ENHANCE_YOUR_CALM);
    if (status < 200 && m->head.section_count > INTERIM_WAITING) {
        log_info("h2_back", "stream %d: more interim responses than the client takes: %u left out", ex->back.stream_id,
                 status);
        exchange_drop_section(ex);
        return 0;
    }
    if (!exchange_response(ex, status))
        return reset_stream(ng, ex, head_fault(ex), NGHTTP2_INTERNAL_ERROR);
    return frame->hd.flags & NGHTTP2_FLAG_END_STREAM ? end_response(ng, ex, NULL) : 0;
}

/* ---- the peer's settings ---- */

static void on_settings(struct h2_back *back, nghttp2_session *ng)
{
    uint32_t theirs = nghttp2_session_get_remote_settings(ng, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);

    back->base.settled = true;
    back->base.tunnels = nghttp2_session_get_remote_settings(ng, NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1;
    back->base.backend->known_limit = theirs;
    back->base.limit = (uint32_t)min_size(theirs, CONFIG_BACKEND_STREAMS);
    back->base.head_most = nghttp2_session_get_remote_settings(ng, NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE);
    backend_conn_freed(&back->base);
}

static int on_frame_recv(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
    struct h2_back *back = user;
    struct exchange *ex = frame->hd.stream_id > 0 ? exchange_of(ng, frame->hd.stream_id) : NULL;

    back->block = 0;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS: back->pings = 0; return ex ? on_headers(ng, ex, frame) : 0;
    case NGHTTP2_DATA:
        back->pings = 0;
        if (ex && frame->data.padlen > 0 && !h2_io_padded(ng, h2_back_stream(ex)))
            return NGHTTP2_ERR_CALLBACK_FAILURE;
        return ex && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) ? end_response(ng, ex, NULL) : 0;
    case NGHTTP2_RST_STREAM:
        if (frame->rst_stream.error_code == NGHTTP2_ENHANCE_YOUR_CALM)
            backend_conn_calm(&back->base);
        if (ex)
            ex->back.reset = true;
        return 0;
    case NGHTTP2_SETTINGS:
        if (frame->hd.flags & NGHTTP2_FLAG_ACK)
            back->acknowledged = true;
        else
            on_settings(back, ng);
        return 0;
    case NGHTTP2_PING:
        if (IS_ENABLED(CONFIG_BALANCER) && (frame->hd.flags & NGHTTP2_FLAG_ACK) &&
            memcmp(frame->ping.opaque_data, h2_back_pulse, sizeof(h2_back_pulse)) == 0)
            backend_conn_pulse(&back->base);
        return 0;
    case NGHTTP2_GOAWAY:
        log_info("h2_back", "%.*s: GOAWAY, error %u, last stream %d", TEXT_ARG(back->base.backend->settings.name),
                 frame->goaway.error_code, frame->goaway.last_stream_id);
        back->goaway = true;
        if (frame->goaway.error_code == NGHTTP2_ENHANCE_YOUR_CALM)
            backend_conn_calm(&back->base);
        backend_conn_closing(&back->base);
        return 0;
    default:
        if (ex)
            exchange_touch(ex); /* WINDOW_UPDATE: a sign of life */
        return 0;
    }
}

static int on_data_chunk(nghttp2_session *ng, uint8_t flags, int32_t stream_id, const uint8_t *data, size_t len,
                         void *user)
{
    struct exchange *ex = exchange_of(ng, stream_id);

    (void)flags;
    (void)user;
    /* The connection's window comes back at once, so that one stream's stall starves no other. */
    if (nghttp2_session_consume_connection(ng, len) != 0)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (!ex || ex->back.cause != CAUSE_NONE)
        return 0; /* what comes before the reset has left is part of nothing */
    if (!length_holds(ex, len, false))
        return reset_stream(ng, ex, CAUSE_BACKEND_LENGTH, NGHTTP2_PROTOCOL_ERROR);
    if (h2_io_receive(h2_back_stream(ex), data, len))
        return 0;
    return reset_stream(ng, ex, CAUSE_BACKEND_PROTOCOL, NGHTTP2_FLOW_CONTROL_ERROR);
}

/* ---- ends ---- */

/* Bodies of requests share the connection by weight (RFC 7540 5.3): urgent ones (RFC 9218 4) move faster, and none
   waits for another's end. Only nghttp2 is told. */
static int weigh(nghttp2_session *ng, struct exchange *ex)
{
    static const int16_t weights[PRIORITY_URGENCIES] = {256, 128, 64, NGHTTP2_DEFAULT_WEIGHT, 8, 4, 2, 1};
    struct priority priority = PRIORITY_DEFAULT;
    nghttp2_priority_spec spec;

    if (ex->back.ended || !priority_read(&priority, &ex->request.head, &ex->request.head.sections[0]))
        return 0;
    nghttp2_priority_spec_init(&spec, 0, weights[priority.urgency], 0);
    return nghttp2_session_change_stream_priority(ng, ex->back.stream_id, &spec) == 0 ? 0
                                                                                      : NGHTTP2_ERR_CALLBACK_FAILURE;
}

/* HEADERS left for the socket: from now on the request counts as processed, unless the peer says otherwise. */
static int on_frame_send(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
    struct h2_back *back = user;
    struct exchange *ex;

    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    ex = exchange_of(ng, frame->hd.stream_id);
    if (!ex)
        return 0;
    ex->back.batch = back->batch;
    return weigh(ng, ex);
}

/* Why a stream closed with its response incomplete. */
static enum cause close_cause(const struct h2_back *back, const struct exchange *ex, uint32_t code)
{
    if (ex->back.cause != CAUSE_NONE)
        return ex->back.cause;
    if (ex->back.batch == 0 || (!ex->back.reset && back->goaway && code == NGHTTP2_REFUSED_STREAM))
        return CAUSE_BACKEND_GOAWAY;
    if (code == NGHTTP2_REFUSED_STREAM)
        return CAUSE_BACKEND_REFUSED;
    if (ex->back.reset)
        return code == NGHTTP2_ENHANCE_YOUR_CALM ? CAUSE_BACKEND_CALM : CAUSE_BACKEND_RESET;
    return ex->response.has_length ? CAUSE_BACKEND_LENGTH : CAUSE_BACKEND_PROTOCOL; /* nghttp2 counts, RFC 9113 8.1.1 */
}

/* Some servers (Node.js) end a response by RST_STREAM(NO_ERROR) when no window is left for END_STREAM. With all bytes
   of its Content-Length nothing is missing. */
static bool is_whole_but_for_its_end(const struct exchange *ex, uint32_t code)
{
    const struct message *m = &ex->response;

    return code == NGHTTP2_NO_ERROR && ex->back.reset && m->state == MESSAGE_BODY && m->has_length &&
           m->received == m->length;
}

static int on_stream_close(nghttp2_session *ng, int32_t stream_id, uint32_t code, void *user)
{
    struct h2_back *back = user;
    struct exchange *ex = exchange_of(ng, stream_id);

    back->base.streams--;
    loop_mark(&back->task);
    backend_conn_freed(&back->base);
    if (!ex)
        return 0;
    list_remove(&ex->back.node);
    list_remove(&ex->back.dirty);
    (void)nghttp2_session_set_stream_user_data(ng, stream_id, NULL);
    if (is_whole_but_for_its_end(ex, code))
        exchange_pushed_end(ex, &ex->response, NULL);
    if (ex->response.state == MESSAGE_END && ex->back.cause == CAUSE_NONE)
        exchange_back_gone(ex, CAUSE_NONE, false);
    else
        exchange_back_gone(ex, close_cause(back, ex, code), ex->back.batch == 0 || code == NGHTTP2_REFUSED_STREAM);
    return 0;
}

/* ---- what we send ---- */

bool h2_back_submit_settings(nghttp2_session *ng)
{
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, CONFIG_H2_TABLE},
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, CONFIG_RESPONSE_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, CONFIG_RESPONSE_HEAD},
    };

    return nghttp2_submit_settings(ng, NGHTTP2_FLAG_NONE, settings, ARRAY_SIZE(settings)) == 0 &&
           nghttp2_session_set_local_window_size(ng, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW) == 0;
}

/* Whether the request is complete without a body: END_STREAM goes on its HEADERS. */
static bool request_is_bare(const struct exchange *ex)
{
    const struct message *m = &ex->request;

    return m->state == MESSAGE_END && m->pipe.size == 0 && !(m->trailers && m->trailers->count > 0);
}

bool h2_back_submit(struct h2_back *back, struct exchange *ex)
{
    nghttp2_data_provider provider = {.source = {.ptr = (void *)(uintptr_t)&request_source},
                                      .read_callback = h2_io_read};
    bool bare = request_is_bare(ex);
    size_t count;
    nghttp2_nv *block = h2_session_request_block(&ex->request.head, &count);
    int32_t id = nghttp2_submit_request(back->h2.ng, NULL, block, count, bare ? NULL : &provider, ex);

    if (id < 0) {
        log_info("h2_back", "submitting: %s", nghttp2_strerror(id));
        if (id == NGHTTP2_ERR_STREAM_ID_NOT_AVAILABLE)
            backend_conn_closing(&back->base);
        return false;
    }
    ex->back.stream_id = id;
    ex->back.window = CONFIG_RESPONSE_WINDOW;
    ex->back.ended = bare;
    ex->back_stream = id;
    return true;
}

bool h2_back_callbacks_init(void)
{
    nghttp2_session_callbacks *c = h2_session_callbacks();

    h2_back_callbacks = c;
    if (!c)
        return false;
    nghttp2_session_callbacks_set_on_begin_headers_callback(c, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback2(c, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback2(c, on_invalid_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(c, on_frame_recv);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, on_data_chunk);
    nghttp2_session_callbacks_set_on_frame_send_callback(c, on_frame_send);
    nghttp2_session_callbacks_set_on_stream_close_callback(c, on_stream_close);
    nghttp2_session_callbacks_set_send_data_callback(c, h2_io_send_data);
    return true;
}
