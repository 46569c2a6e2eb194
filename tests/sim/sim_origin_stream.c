/* Origins: the requests that come, as nghttp2 tells of them, and their records. */
#include "sim_origin_conn.h"

/* ---- records ---- */

static struct origin_request *record_of(struct origin_stream *s)
{
    struct origin *o = s->conn->origin;
    struct origin_request *record = origin_request(o, s->id);

    if (record == NULL) {
        o->requests = sim_realloc(o->requests, (o->request_count + 1) * sizeof(*o->requests));
        record = &o->requests[o->request_count++];
        memset(record, 0, sizeof(*record));
        record->id = s->id;
    }
    return record;
}

static struct origin_stream *stream_of(struct origin_conn *c, int32_t stream)
{
    return nghttp2_session_get_stream_user_data(c->session, stream);
}

void origin_stream_lost(struct origin_stream *s)
{
    if (s->id != 0 && s->state != STREAM_OVER)
        record_of(s)->lost = true;
    s->state = STREAM_OVER;
}

void origin_refused(struct origin_stream *s)
{
    s->refused = true;
    record_of(s)->refused++;
}

int32_t origin_last_answered(const struct origin_conn *c)
{
    int32_t last = 0;

    for (unsigned i = 0; i < c->stream_count; i++) {
        const struct origin_stream *s = c->streams[i];

        if (s->stream > last && (s->state == STREAM_ANSWERS || s->state == STREAM_OVER))
            last = s->stream;
    }
    return last;
}

/* ---- what nghttp2 tells ---- */

static struct origin_stream *stream_slot(struct origin_conn *c)
{
    for (unsigned i = 0; i < c->stream_count; i++)
        if (c->streams[i]->state == STREAM_OVER &&
            nghttp2_session_find_stream(c->session, c->streams[i]->stream) == NULL)
            return c->streams[i];
    c->streams = sim_realloc(c->streams, (c->stream_count + 1) * sizeof(struct origin_stream *));
    c->streams[c->stream_count] = sim_alloc(sizeof(struct origin_stream));
    return c->streams[c->stream_count++];
}

static int on_begin(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct origin_conn *c = user;
    struct origin_stream *s;

    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        s = stream_of(c, frame->hd.stream_id);
        if (s != NULL)
            s->in_trailers = true;
        return 0;
    }
    s = stream_slot(c);
    *s = (struct origin_stream){.conn = c, .stream = frame->hd.stream_id};
    nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, s);
    c->open++;
    if (c->open > c->origin->most_streams)
        c->origin->most_streams = c->open;
    return 0;
}

static int on_field(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
                    const uint8_t *value, size_t value_len, uint8_t flags, void *user)
{
    struct origin_stream *s = stream_of(user, frame->hd.stream_id);
    struct bytes *to;

    (void)session;
    (void)flags;
    if (s == NULL)
        return 0;
    to = s->in_trailers ? &s->trailer_fields : &s->head;
    bytes_put(to, name, name_len);
    bytes_put(to, ": ", 2);
    bytes_put(to, value, value_len);
    bytes_put(to, "\n", 1);
    return 0;
}

static int on_bad_field(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
                        const uint8_t *value, size_t value_len, uint8_t flags, void *user)
{
    (void)session;
    (void)frame;
    (void)flags;
    (void)user;
    sim_violation("the core sent an origin a bad field: %.*s: %.*s", (int)name_len, (const char *)name,
                  (int)min_size(value_len, 40), (const char *)value);
    return 0;
}

static struct text head_value(const struct origin_stream *s, const char *name)
{
    struct text rest = bytes_text(&s->head);
    struct text line;
    struct text key = text_of(name);

    while (text_split(&rest, '\n', &line))
        if (line.len > key.len + 1 && text_starts(line, key) && line.ptr[key.len] == ':' &&
            line.ptr[key.len + 1] == ' ')
            return text_skip(line, key.len + 2);
    return (struct text){NULL, 0};
}

/* Finds ".../r/<id>?<query>" in the path. */
static void read_path(struct origin_stream *s)
{
    struct text path = head_value(s, ":path");
    size_t mark = text_find(path, '?', 0);
    struct text target = text_first(path, mark);
    uint64_t id = 0;
    size_t slash = target.len;

    while (slash > 0 && target.ptr[slash - 1] != '/')
        slash--;
    if (!text_to_u64(text_skip(target, slash), UINT32_MAX, &id))
        id = 0;
    s->id = (uint32_t)id;
    plan_read(&s->plan, text_skip(path, mark + 1));
}

static void on_request_head(struct origin_stream *s)
{
    struct origin_conn *c = s->conn;
    struct origin_request *record;

    read_path(s);
    s->tunnel =
        text_eq(head_value(s, ":method"), TEXT("CONNECT")) && text_eq(head_value(s, ":protocol"), TEXT("websocket"));
    s->head_only = text_eq(head_value(s, ":method"), TEXT("HEAD"));
    s->expects = head_value(s, "expect").ptr != NULL;
    if (!text_to_u64(head_value(s, "x-body"), UINT64_MAX / 2, &s->body_said))
        s->body_said = 0;
    record = record_of(s);
    if (record->tries > record->refused && s->id != 0) /* 0: not a client's */
        sim_violation("request %u was sent again, and the first may have been processed", s->id);
    record->tries++;
    record->tunnel = s->tunnel;
    record->conn = c->number;
    record->core_port = c->core_port;
    record->head.len = 0;
    bytes_put(&record->head, s->head.ptr, s->head.len);
    c->requests++;
    if (record->tries <= plan_get(&s->plan, 'F', 0)) {
        stream_rst(s, NGHTTP2_REFUSED_STREAM);
        return;
    }
    if (c->goaway_last == INT32_MAX && (plan_has(&s->plan, 'g') || c->requests == c->origin->goaway_after)) {
        c->goaway_last = c->origin->goaway_hard && s->stream > 2 ? s->stream - 2 : s->stream;
        nghttp2_submit_goaway(c->session, NGHTTP2_FLAG_NONE, c->goaway_last, NGHTTP2_NO_ERROR, NULL, 0);
    }
    if (s->stream > c->goaway_last) {
        /* The library drops it when the frame goes out. */
        origin_refused(s);
        s->state = STREAM_OVER;
        return;
    }
    if (plan_has(&s->plan, 'w') || s->tunnel)
        stream_begin(s);
    else if (s->expects)
        stream_continue(s);
}

static void on_request_end(struct origin_stream *s)
{
    struct origin_request *record = record_of(s);

    if (s->refused)
        return;
    s->ended = true;
    record->ended = true;
    record->trailer_fields.len = 0;
    bytes_put(&record->trailer_fields, s->trailer_fields.ptr, s->trailer_fields.len);
    record->trailers = s->in_trailers;
    /* Who leaves a tunnel cannot be told from who ends it. */
    if (s->tunnel ? s->body > s->body_said : s->body != s->body_said)
        sim_violation("request %u: ended cleanly with %llu of %llu bytes", s->id, (unsigned long long)s->body,
                      (unsigned long long)s->body_said);
    if (s->state == STREAM_REQUEST)
        stream_begin(s);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct origin_conn *c = user;
    struct origin_stream *s;

    (void)session;
    if (frame->hd.type == NGHTTP2_GOAWAY)
        c->origin->goaways++;
    if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0)
        c->origin->pings++;
    if (frame->hd.stream_id == 0 || (s = stream_of(c, frame->hd.stream_id)) == NULL)
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        on_request_head(s);
    if (frame->hd.type == NGHTTP2_RST_STREAM && s->id != 0)
        record_of(s)->reset = frame->rst_stream.error_code + 1;
    if ((frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
        on_request_end(s);
    return 0;
}

static int on_chunk(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *bytes, size_t len,
                    void *user)
{
    struct origin_stream *s = stream_of(user, stream);

    (void)flags;
    nghttp2_session_consume_connection(session, len);
    if (s == NULL)
        return 0;
    if (!body_is(s->id, s->body, bytes, len))
        sim_violation("request %u: a body that is not the client's", s->id);
    s->body += len;
    s->unconsumed += len;
    record_of(s)->body = s->body;
    return 0;
}

static int on_invalid(nghttp2_session *session, const nghttp2_frame *frame, int error, void *user)
{
    struct origin_conn *c = user;

    (void)session;
    if (error == NGHTTP2_ERR_REFUSED_STREAM) /* above our limit, but sent before our SETTINGS were known */
        return 0;
    c->origin->protocol_errors++;
    sim_violation("the core sent an origin a frame (type %u) that is wrong: %s", frame->hd.type,
                  nghttp2_strerror(error));
    return 0;
}

static int on_close(nghttp2_session *session, int32_t stream, uint32_t code, void *user)
{
    struct origin_conn *c = user;
    struct origin_stream *s = stream_of(c, stream);

    (void)session;
    (void)code;
    if (s == NULL)
        return 0;
    c->open--;
    if (stream > c->goaway_last && s->state != STREAM_OVER && !s->refused) /* the library closed it with our GOAWAY */
        origin_refused(s);
    s->state = STREAM_OVER;
    return 0;
}

/* A complete answer went out before the request was complete. */
static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct origin_stream *s = frame->hd.stream_id != 0 ? stream_of(user, frame->hd.stream_id) : NULL;

    if (s == NULL || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0 || s->ended || !plan_has(&s->plan, 'W'))
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA)
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, s->stream, NGHTTP2_NO_ERROR);
    return 0;
}

static ssize_t on_padding(nghttp2_session *session, const nghttp2_frame *frame, size_t most, void *user)
{
    const struct origin_stream *s = frame->hd.type == NGHTTP2_DATA ? stream_of(user, frame->hd.stream_id) : NULL;

    (void)session;
    return (ssize_t)min_size(frame->hd.length + (s != NULL ? (size_t)plan_get(&s->plan, 'P', 0) : 0), most);
}

void origin_stream_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_field);
    nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_bad_field);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_chunk);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
    nghttp2_session_callbacks_set_select_padding_callback(callbacks, on_padding);
}
