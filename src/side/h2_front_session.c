/* What nghttp2 tells of a client's session: request heads, bodies, the ends of streams. And what it is given to send.
 */
#include "base/log.h"
#include "http/h2_request.h"
#include "side/h2_front_conn.h"

#define CONNECTION_WINDOW (1 << 30) /* never binds: the streams' windows do, and those are reserved memory */

const nghttp2_session_callbacks *h2_front_callbacks;

static const struct h2_source response_source = {h2_front_stream, h2_turn_take};

static struct exchange *exchange_of(nghttp2_session *ng, int32_t stream_id)
{
    return nghttp2_session_get_stream_user_data(ng, stream_id);
}

/* ---- request heads ---- */

/* A malformed request: the stream is reset (RFC 9113 8.1.1), which h2_front_stream_done logs. */
static int malformed(struct exchange *ex, const char *word)
{
    if (!ex->word)
        ex->word = word;
    ex->front.cause = CAUSE_BAD_REQUEST;
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

/* The same for a complete frame, where nghttp2 takes a callback's failure for the connection's. */
static int reset_malformed(nghttp2_session *ng, struct exchange *ex, const char *word)
{
    (void)malformed(ex, word);
    return nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE, ex->front.stream_id, NGHTTP2_PROTOCOL_ERROR) == 0
               ? 0
               : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static void refuse(struct exchange *ex, enum h1_reason reason)
{
    const struct h1_refusal *refusal = h1_refusal(reason);

    log_info("h2", "refused: %s (%s)", refusal->word, refusal->section);
    exchange_refuse(ex, CAUSE_BAD_REQUEST, refusal->status, refusal->word);
}

static int begin_request(struct h2_front *c, nghttp2_session *ng, int32_t stream_id)
{
    struct exchange *ex = c->admitted ? exchange_open(&h2_front_ops, c, &c->conn, &c->peer, c->local) : NULL;

    c->block = stream_id;
    c->open++;
    if (!ex) /* REFUSED_STREAM: the client may safely retry (RFC 9113 8.7) */
        return nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE, stream_id, NGHTTP2_REFUSED_STREAM);
    ex->proto = PROTO_H2;
    ex->front.stream_id = stream_id;
    ex->wait.client = &c->turns;
    ex->front.window = CONFIG_REQUEST_WINDOW;
    list_push_back(&c->streams, &ex->front.node);
    h2_room_taken(c);
    c->requests++;
    h2_calm_earn(c, H2_GAIN_REQUEST);
    (void)head_begin(&ex->request.head, SECTION_REQUEST, 0); /* an empty head has room */
    return nghttp2_session_set_stream_user_data(ng, stream_id, ex);
}

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
    struct h2_front *c = user;
    struct exchange *ex;

    if (frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        return begin_request(c, ng, frame->hd.stream_id);
    ex = exchange_of(ng, frame->hd.stream_id);
    c->block = frame->hd.stream_id;
    if (!ex || ex->request.state == MESSAGE_END)
        return 0;
    return head_begin(&ex->request.head, SECTION_TRAILERS, 0) ? 0 : malformed(ex, "trailers");
}

/* Puts a field into the head, which moves to large storage when its own is full. */
static enum h1_reason take_field(struct exchange *ex, struct text name, struct text value)
{
    const struct h1_limits *limits = &h2_front_settings()->limits;
    enum h1_reason reason = h2_request_field(&ex->request.head, name, value, limits);

    if (LIKELY(reason != H1_HEAD_LARGE) || !exchange_may_grow(&ex->request))
        return reason;
    return exchange_grow(&ex->request) ? h2_request_field(&ex->request.head, name, value, limits) : H1_NO_ROOM;
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, nghttp2_rcbuf *name, nghttp2_rcbuf *value,
                     uint8_t flags, void *user)
{
    struct exchange *ex = exchange_of(ng, frame->hd.stream_id);
    nghttp2_vec n = nghttp2_rcbuf_get_buf(name);
    nghttp2_vec v = nghttp2_rcbuf_get_buf(value);
    enum h1_reason reason;

    (void)flags;
    (void)user;
    if (!ex || ex->front.cause != CAUSE_NONE || ex->request.state == MESSAGE_END)
        return 0;
    reason = take_field(ex, text_make(n.base, n.len), text_make(v.base, v.len));
    if (reason == H1_OK)
        return 0;
    if (ex->state != EXCHANGE_READING) /* trailers: the rest of the response cannot be promised any more */
        return malformed(ex, h1_refusal(reason)->word);
    ex->front.cause =
        CAUSE_BAD_REQUEST; /* the block is read to its end, for its compression state; then it is answered */
    ex->word = h1_refusal(reason)->word;
    ex->front.refused = (uint8_t)reason;
    return 0;
}

static int on_invalid_header(nghttp2_session *ng, const nghttp2_frame *frame, nghttp2_rcbuf *name, nghttp2_rcbuf *value,
                             uint8_t flags, void *user)
{
    struct exchange *ex = exchange_of(ng, frame->hd.stream_id);

    (void)name;
    (void)value;
    (void)flags;
    (void)user;
    return ex ? malformed(ex, "bad-field") : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

/* The request head is complete. */
static int on_request(nghttp2_session *ng, struct exchange *ex, bool body)
{
    struct h2_request request = {0};
    uint64_t limit = h2_front_settings()->body_limit;
    enum h1_reason reason = (enum h1_reason)ex->front.refused;

    ex->client_path = ex->request.head.path;
    ex->body_limit = limit;
    if (reason == H1_OK)
        reason = h2_request_interpret(&ex->request.head, &request);
    if (reason != H1_OK && h2_request_malformed(reason))
        return reset_malformed(ng, ex, h1_refusal(reason)->word);
    ex->tunnel = request.tunnel;
    ex->request.state = body ? MESSAGE_BODY : MESSAGE_END;
    if (reason != H1_OK)
        refuse(ex, reason);
    else if (limit > 0 && request.has_length && request.length > limit)
        exchange_refuse(ex, CAUSE_BODY_LARGE, 413, cause_info(CAUSE_BODY_LARGE)->word);
    else
        exchange_request(ex, body, request.has_length, request.length);
    return 0;
}

static int on_headers(struct h2_front *c, struct exchange *ex, const nghttp2_frame *frame)
{
    bool end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    struct message *m = &ex->request;
    uint32_t most = h2_front_settings()->keepalive_max;

    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        if (!end || m->state == MESSAGE_END)
            return 0; /* nghttp2 refuses trailers without END_STREAM */
        forward_trailers(&m->head, head_last(&m->head));
        exchange_pushed_end(ex, m, head_last(&m->head));
        return 0;
    }
    if (most > 0 && c->requests >= most)
        h2_front_warn(c);
    if (most > 0 && c->requests >= most + CONFIG_H2_STREAMS)
        h2_front_leave(c); /* so many can cross GOAWAY: it does not answer the PING behind it */
    return on_request(c->h2.ng, ex, !end);
}

/* ---- bodies ---- */

static int on_data_chunk(nghttp2_session *ng, uint8_t flags, int32_t stream_id, const uint8_t *data, size_t len,
                         void *user)
{
    struct exchange *ex = exchange_of(ng, stream_id);

    (void)flags;
    h2_calm_earn(user, H2_GAIN_DATA);
    /* The connection's window comes back at once, so that one stream's stall starves no other. */
    if (nghttp2_session_consume_connection(ng, len) != 0)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (!ex || !exchange_wants_body(ex))
        return 0; /* nobody takes it: the client gets no more window */
    if (ex->body_limit > 0 && !ex->tunnel && len > ex->body_limit - ex->request.received) {
        exchange_refuse(ex, CAUSE_BODY_LARGE, 413, cause_info(CAUSE_BODY_LARGE)->word);
        return 0;
    }
    if (h2_io_receive(h2_front_stream(ex), data, len))
        return 0;
    (void)malformed(ex, "flow-control");
    return nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE, stream_id, NGHTTP2_FLOW_CONTROL_ERROR) == 0
               ? 0
               : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_data(struct h2_front *c, struct exchange *ex, const nghttp2_frame *frame)
{
    if (ex && frame->data.padlen > 0 && exchange_wants_body(ex) && !h2_io_padded(c->h2.ng, h2_front_stream(ex)))
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) {
        if (ex && ex->request.state != MESSAGE_END)
            exchange_pushed_end(ex, &ex->request, NULL);
    } else if (frame->hd.length == frame->data.padlen && !h2_calm_spend(c, H2_COST_CONTROL)) {
        return 0; /* empty, or nothing but padding */
    }
    return 0;
}

/* ---- frames ---- */

/* Every frame's header, before nghttp2 looks at it: what it takes without a word. */
static int on_begin_frame(nghttp2_session *ng, const nghttp2_frame_hd *hd, void *user)
{
    (void)ng;
    return h2_ids_on_frame(user, hd);
}

static int on_frame_recv(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
    struct h2_front *c = user;
    struct exchange *ex = frame->hd.stream_id > 0 ? exchange_of(ng, frame->hd.stream_id) : NULL;
    bool ack = frame->hd.flags & NGHTTP2_FLAG_ACK;

    switch (frame->hd.type) {
    case NGHTTP2_HEADERS: c->block = 0; return ex ? on_headers(c, ex, frame) : 0;
    case NGHTTP2_DATA: return on_data(c, ex, frame);
    case NGHTTP2_RST_STREAM: (void)h2_calm_spend(c, H2_COST_RESET); return 0;
    case NGHTTP2_SETTINGS:
        if (ack)
            c->settled = true;
        else
            (void)h2_calm_spend(c, H2_COST_CONTROL);
        return 0;
    case NGHTTP2_PING:
        if (!ack)
            (void)h2_calm_spend(c, H2_COST_CONTROL);
        else if (c->end == H2_CLIENT_WARNED)
            h2_front_leave(c);
        return 0;
    default: (void)h2_calm_spend(c, H2_COST_CONTROL); return 0;
    }
}

/* What a client makes us reset costs it patience (MadeYouReset). It is not to blame for responses that are cut, whose
   exchanges have left their streams (op_abort). */
static void on_reset_sent(struct h2_front *c, struct exchange *ex, uint32_t code)
{
    if (code == NGHTTP2_REFUSED_STREAM || code == NGHTTP2_NO_ERROR || (code == NGHTTP2_INTERNAL_ERROR && !ex))
        return;
    (void)h2_calm_spend(c, H2_COST_RESET);
    if (code == NGHTTP2_PROTOCOL_ERROR && ex && ex->front.cause == CAUSE_NONE)
        ex->front.cause = CAUSE_BAD_REQUEST; /* nghttp2 found its messages malformed (RFC 9113 8.1.1) */
}

int h2_front_end_request(struct h2_front *c, const struct exchange *ex)
{
    if (ex->request.state == MESSAGE_END || (ex->back.ops && exchange_is_tunnel(ex)))
        return 0;
    return nghttp2_submit_rst_stream(c->h2.ng, NGHTTP2_FLAG_NONE, ex->front.stream_id, NGHTTP2_NO_ERROR);
}

static int on_frame_send(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
    struct h2_front *c = user;
    struct exchange *ex;

    if (frame->hd.type == NGHTTP2_DATA)
        h2_calm_earn(c, H2_GAIN_DATA); /* answered by WINDOW_UPDATEs */
    if (frame->hd.type == NGHTTP2_RST_STREAM)
        on_reset_sent(c, exchange_of(ng, frame->hd.stream_id), frame->rst_stream.error_code);
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        return 0;
    ex = exchange_of(ng, frame->hd.stream_id);
    if (!ex)
        return 0;
    ex->front.ended = true;
    return h2_front_end_request(c, ex);
}

static int on_stream_close(nghttp2_session *ng, int32_t stream_id, uint32_t code, void *user)
{
    struct h2_front *c = user;
    struct exchange *ex = exchange_of(ng, stream_id);

    (void)code;
    c->open--;
    if (c->block == stream_id)
        c->block = 0;
    loop_mark(&c->task);
    if (!ex)
        return 0;
    if (ex->request.state == MESSAGE_END)
        h2_ids_ended(c, stream_id);
    (void)nghttp2_session_set_stream_user_data(ng, stream_id, NULL);
    h2_front_stream_done(c, ex);
    return 0;
}

/* ---- what we send ---- */

bool h2_front_submit_settings(nghttp2_session *ng)
{
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, CONFIG_H2_TABLE},
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, CONFIG_H2_STREAMS},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, CONFIG_REQUEST_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, CONFIG_REQUEST_HEAD},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
        {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, IS_ENABLED(CONFIG_WEBSOCKET)},
    };

    return nghttp2_submit_settings(ng, NGHTTP2_FLAG_NONE, settings, ARRAY_SIZE(settings)) == 0 &&
           nghttp2_session_set_local_window_size(ng, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW) == 0;
}

/* Whether the response is complete with its head. */
static bool response_is_bare(const struct message *m)
{
    return m->state == MESSAGE_END && m->pipe.size == 0 && !(m->trailers && m->trailers->count > 0);
}

static int submit_section(struct h2_front *c, struct exchange *ex, const struct section *section)
{
    nghttp2_data_provider provider = {.source = {.ptr = (void *)(uintptr_t)&response_source},
                                      .read_callback = h2_io_read};
    size_t count;
    nghttp2_nv *block = h2_session_response_block(&ex->response.head, section, &count);

    if (section->kind == SECTION_INTERIM)
        return nghttp2_submit_headers(c->h2.ng, NGHTTP2_FLAG_NONE, ex->front.stream_id, NULL, block, count, NULL);
    ex->begun = true;
    ex->front.turn = c->turn;
    if (h2_turn_urgency(c, ex, section) != 0)
        return NGHTTP2_ERR_NOMEM;
    return nghttp2_submit_response(c->h2.ng, ex->front.stream_id, block, count,
                                   response_is_bare(&ex->response) ? NULL : &provider);
}

bool h2_front_submit(struct h2_front *c, struct exchange *ex)
{
    struct head *head = &ex->response.head;

    while (head->section_sent < ex->response.ready) {
        const struct section *section = &head->sections[head->section_sent];

        if (section->kind == SECTION_TRAILERS)
            return true; /* they go with the end of the body */
        if (submit_section(c, ex, section) < 0)
            return false;
        c->pending += head->used;
        exchange_head_passed(ex);
    }
    return true;
}

bool h2_front_callbacks_init(void)
{
    nghttp2_session_callbacks *c = h2_session_callbacks();

    h2_front_callbacks = c;
    if (!c)
        return false;
    nghttp2_session_callbacks_set_on_begin_frame_callback(c, on_begin_frame);
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
