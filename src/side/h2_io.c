/* Moves bodies between HTTP/2 streams and pipes, and frames to the socket. */
#include "side/h2_io.h"

#include "base/log.h"

/* Writes of one session in one pass: others want their turn. */
#define H2_WRITES 4
/* A DATA frame needs its header and at least one segment. */
#define H2_FRAME_HEADER 9

/* One thread, one write at a time: what is being gathered, and which bodies stand in it. */
struct claim {
    struct exchange *ex;
    struct message *message;
    struct side *side;
    uint32_t len;
};
static struct gather *gathering;
static struct h2_session *sending; /* whose frames they are */
static struct claim claims[PORT_IOV_MAX];
static unsigned claim_count;

/* ---- bodies out ---- */

/* The stream's ends, or ex == NULL when its exchange is gone. */
static struct h2_stream find_stream(nghttp2_session *ng, int32_t stream_id, const nghttp2_data_source *source)
{
    const struct h2_source *src = source->ptr;
    struct exchange *ex = nghttp2_session_get_stream_user_data(ng, stream_id);

    return ex ? src->stream_of(ex) : (struct h2_stream){0};
}

/* How many body bytes the write that is being gathered can still take: 0 when it is full. */
static size_t room_for_data(void)
{
    if (gather_room(gathering) < H2_FRAME_HEADER || gather_segments(gathering) < 3 || claim_count == PORT_IOV_MAX ||
        gathering->total >= sending->most)
        return 0;
    return sending->most - gathering->total;
}

static int submit_trailers(nghttp2_session *ng, int32_t stream_id, const struct message *m)
{
    size_t count;
    nghttp2_nv *block;

    if (!h2_session_takes_trailers(sending, &m->head, m->trailers))
        return NGHTTP2_ERR_NOMEM;
    block = h2_session_trailer_block(&m->head, m->trailers, &count);
    return nghttp2_submit_trailer(ng, stream_id, block, count);
}

/* What the body's end adds to the last DATA frame. False: no memory for the trailers; the stream is reset. */
static bool end_of_data(nghttp2_session *ng, int32_t stream_id, struct h2_stream stream, uint32_t *flags)
{
    if (stream.out->trailers && stream.out->trailers->count > 0) {
        if (submit_trailers(ng, stream_id, stream.out) != 0) {
            if (stream.side->cause == CAUSE_NONE)
                stream.side->cause = CAUSE_NO_ROOM;
            return false;
        }
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    }
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    stream.side->ended = true;
    return true;
}

/* Others have their turn: the stream is deferred. */
static bool may_not_send(const nghttp2_data_source *source, struct h2_stream stream, size_t n)
{
    const struct h2_source *src = source->ptr;

    if (!src->take_turn || src->take_turn(stream.ex, n))
        return false;
    stream.side->deferred = true;
    return true;
}

/* The signature is nghttp2's. NOLINTNEXTLINE(readability-non-const-parameter) */
ssize_t h2_io_read(nghttp2_session *ng, int32_t stream_id, uint8_t *buf, size_t length, uint32_t *flags,
                   nghttp2_data_source *source, void *user)
{
    struct h2_stream stream = find_stream(ng, stream_id, source);
    struct port_iov iov[PORT_IOV_MAX];
    size_t room = room_for_data();
    size_t waiting;
    size_t n = 0;

    (void)buf;
    (void)user;
    if (!stream.ex)
        return NGHTTP2_ERR_DEFERRED; /* it is about to be reset */
    waiting = stream.out->pipe.size - stream.side->claimed;
    if (waiting == 0 && stream.out->state != MESSAGE_END) {
        stream.side->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    if (room == 0)
        return NGHTTP2_ERR_PAUSE;
    if (waiting > 0)
        pipe_peek(&stream.out->pipe, stream.side->claimed, min_size(length, room), iov, gather_segments(gathering) - 2,
                  &n);
    if (may_not_send(source, stream, n))
        return NGHTTP2_ERR_DEFERRED;
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (n == waiting && stream.out->state == MESSAGE_END && !end_of_data(ng, stream_id, stream, flags))
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    return (ssize_t)n;
}

int h2_io_send_data(nghttp2_session *ng, nghttp2_frame *frame, const uint8_t *header, size_t length,
                    nghttp2_data_source *source, void *user)
{
    struct h2_stream stream = find_stream(ng, frame->hd.stream_id, source);
    struct port_iov iov[PORT_IOV_MAX];
    size_t total = 0;
    unsigned count = 0;

    (void)user;
    if (!stream.ex || !gather_put(gathering, header, H2_FRAME_HEADER))
        return NGHTTP2_ERR_CALLBACK_FAILURE; /* h2_io_read saw to both just before */
    if (length > 0)
        count = pipe_peek(&stream.out->pipe, stream.side->claimed, length, iov, PORT_IOV_MAX, &total);
    for (unsigned i = 0; i < count; i++) {
        if (!gather_ref(gathering, iov[i].base, iov[i].len))
            return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    if (total != length)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    claims[claim_count++] = (struct claim){stream.ex, stream.out, stream.side, (uint32_t)length};
    stream.side->claimed += (uint32_t)length;
    return 0;
}

/* The gathered body bytes are written or kept: they leave their pipes. */
static void settle_claims(void)
{
    for (unsigned i = 0; i < claim_count; i++) {
        struct claim *c = &claims[i];

        c->side->claimed -= c->len;
        pipe_consume(&c->message->pipe, c->len);
        exchange_drained(c->ex, c->message, c->len);
    }
    claim_count = 0;
}

bool h2_io_resume(nghttp2_session *ng, struct side *side)
{
    if (!side->deferred)
        return true;
    side->deferred = false;
    /* It also fails for a stream that is being reset: no harm. */
    return nghttp2_session_resume_data(ng, side->stream_id) != NGHTTP2_ERR_NOMEM;
}

/* ---- bodies in ---- */

bool h2_io_receive(struct h2_stream stream, const uint8_t *bytes, size_t len)
{
    if (len > pipe_space(&stream.in->pipe)) /* the window itself is watched by nghttp2 */
        return false;
    stream.side->window -= (int32_t)len;
    pipe_write(&stream.in->pipe, bytes, len);
    exchange_pushed(stream.ex, stream.in, len);
    return true;
}

/* Whether the peer can send all that is to come with this window. A byte more than that is needed: many peers do not
   send their END_STREAM, an empty DATA frame, while the window is 0. */
static bool window_suffices(const struct message *m, int32_t window)
{
    return m->state == MESSAGE_END || (m->has_length && (int64_t)(m->length - m->received) < window);
}

/* How many bytes are worth a WINDOW_UPDATE. A peer far away sends what it is given within one round trip, so what waits
   here is lost to it: half of a small window, but only an eighth of a big one. */
static uint32_t grant_least(const struct pipe *pipe)
{
    return (uint32_t)max_size(pipe->limit / 8, min_size(pipe->limit / 2, (size_t)4 * CONFIG_BODY_BLOCK));
}

/* Whether a peer with this window should get more. */
static bool is_due(const struct message *in, int32_t window)
{
    int32_t unpromised = (int32_t)pipe_space(&in->pipe) - window;

    return unpromised >= (int32_t)grant_least(&in->pipe) && !window_suffices(in, window);
}

bool h2_io_space(struct h2_stream stream)
{
    return is_due(stream.in, stream.side->window - stream.side->padding);
}

/* A body that has filled its pipe once, and whose drainer keeps up, may hold more. */
static void adjust_limit(struct h2_stream stream)
{
    struct pipe *pipe = &stream.in->pipe;

    if (pipe_short())
        pipe_give_back(pipe, pipe->limit, pipe->size + (uint32_t)stream.side->window);
    else if (stream.in->received >= pipe->limit && pipe->size <= pipe->limit / 2)
        pipe_borrow(pipe, pipe->limit);
}

/* The window that the peer has left. Padding takes some of it (RFC 9113 6.1), which nghttp2 gives back by itself when
   it is much, or forgets when we give more: so side->window, which knows body bytes only, can be above it. Until our
   SETTINGS are acknowledged nghttp2 counts from 65,535 and not from what the pipe is guaranteed. */
static int32_t window_left(nghttp2_session *ng, struct h2_stream stream)
{
    int32_t id = stream.side->stream_id;
    uint32_t initial = nghttp2_session_get_local_settings(ng, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE);

    return nghttp2_session_get_stream_effective_local_window_size(ng, id) -
           nghttp2_session_get_stream_effective_recv_data_length(ng, id) -
           (int32_t)(initial - stream.in->pipe.guaranteed);
}

/* False: no memory. nghttp2 counts the window as given then, so there is no second try. */
static bool grant(nghttp2_session *ng, struct h2_stream stream)
{
    int32_t left = window_left(ng, stream);
    int32_t more;

    if (!is_due(stream.in, left))
        return true;
    adjust_limit(stream);
    more = (int32_t)pipe_space(&stream.in->pipe) - left;
    if (more <= 0)
        return true;
    stream.side->window = left + more;
    stream.side->padding = 0;
    return nghttp2_submit_window_update(ng, NGHTTP2_FLAG_NONE, stream.side->stream_id, more) == 0;
}

bool h2_io_grant(nghttp2_session *ng, struct h2_stream stream)
{
    return !h2_io_space(stream) || grant(ng, stream);
}

bool h2_io_padded(nghttp2_session *ng, struct h2_stream stream)
{
    stream.side->padding = stream.side->window - window_left(ng, stream);
    return grant(ng, stream);
}

/* ---- the write ---- */

/* Writes the unsent rest. PORT_OK: nothing is left of it. */
static enum port_result write_unsent(struct h2_session *s, struct conn *conn, uint32_t *batch)
{
    struct text rest = h2_session_unsent(s);
    struct gather *g;
    enum port_result result;
    size_t n;

    if (rest.len == 0)
        return PORT_OK;
    *batch += 2; /* what began to leave with the last batch may have been processed */
    g = gather_begin();
    if (!gather_ref(g, rest.ptr, rest.len))
        return PORT_ERROR;
    result = conn_write(conn, g, &n);
    if (result != PORT_OK)
        return result;
    h2_session_sent(s, n);
    return n < rest.len ? PORT_AGAIN : PORT_OK;
}

/* Pulls and writes once. PORT_END: there was nothing to write. */
static enum port_result write_frames(struct h2_session *s, struct conn *conn)
{
    enum port_result result = PORT_OK;
    size_t n = 0;
    bool pulled;

    gathering = gather_begin();
    sending = s;
    pulled = h2_session_pull(s, gathering);
    if (!pulled)
        result = PORT_ERROR;
    else if (gathering->total == 0)
        result = PORT_END;
    else
        result = conn_write(conn, gathering, &n);
    if (result == PORT_OK && n < gathering->total)
        result = PORT_AGAIN;
    if (result != PORT_ERROR && !h2_session_keep(s, gathering, n))
        result = PORT_ERROR;
    settle_claims();
    return result;
}

enum port_result h2_io_write(struct h2_session *s, struct conn *conn, uint32_t *batch, bool *more)
{
    enum port_result result = write_unsent(s, conn, batch);

    *more = false;
    if (result != PORT_OK)
        return result;
    for (unsigned i = 0; i < H2_WRITES; i++) {
        if (!h2_session_wants_write(s))
            return PORT_OK;
        *batch += 2;
        result = write_frames(s, conn);
        if (result == PORT_END)
            return PORT_OK;
        if (result != PORT_OK)
            return result;
    }
    *more = h2_session_wants_write(s);
    return PORT_OK;
}
