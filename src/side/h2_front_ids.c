/* Identifiers of a client's streams: which are new, which were skipped, and which the client has ended itself. nghttp2
 * keeps nothing of closed streams and ignores their frames; the latest few are remembered here, so that a broken client
 * is told (RFC 9113 5.1). It also skips PRIORITY frames. */
#include "base/log.h"
#include "side/h2_front_conn.h"

static int connection_error(struct h2_front *c, uint32_t code, const char *what)
{
    log_info("h2_front", "%s", what);
    loop_mark(&c->task);
    return nghttp2_session_terminate_session(c->h2.ng, code) == 0 ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

/* Whether the client has said that it sends nothing more on the stream, which is closed. On one that we have reset
   frames may still be on their way, and are no fault. */
static bool has_ended(const struct h2_front *c, int32_t id)
{
    for (unsigned i = 0; i < ARRAY_SIZE(c->ended); i++)
        if (c->ended[i] == id)
            return true;
    return false;
}

void h2_ids_ended(struct h2_front *c, int32_t id)
{
    if (has_ended(c, id))
        return;
    c->ended[c->ended_at] = id;
    c->ended_at = (uint8_t)((c->ended_at + 1) % ARRAY_SIZE(c->ended));
}

/* An identifier that was skipped is closed by the next one, and using it is a connection error (RFC 9113 5.1.1). Which
   lower ones were never used nobody can remember for ever, and HEADERS on a stream that we have just reset are no fault
   of the client: so the last gap is kept, and nghttp2 ignores what else is not open. */
static int on_headers(struct h2_front *c, int32_t id)
{
    if (id > c->last_id) {
        if (id > c->last_id + 2) {
            c->skipped_first = c->last_id + 2;
            c->skipped_last = id - 2;
        }
        c->last_id = id;
        return 0;
    }
    if (id >= c->skipped_first && id <= c->skipped_last)
        return connection_error(c, NGHTTP2_PROTOCOL_ERROR, "a stream's identifier is lower than one that was used");
    if (nghttp2_session_find_stream(c->h2.ng, id))
        return 0; /* trailers */
    if (has_ended(c, id))
        return connection_error(c, NGHTTP2_STREAM_CLOSED, "HEADERS on a stream that the client has ended");
    (void)h2_calm_spend(c, H2_COST_CONTROL);
    return 0;
}

int h2_ids_on_frame(struct h2_front *c, const nghttp2_frame_hd *hd)
{
    return hd->type == NGHTTP2_HEADERS && hd->stream_id % 2 == 1 ? on_headers(c, hd->stream_id) : 0;
}

/* nghttp2 skips these frames, since our SETTINGS say that we have no use for them (RFC 9218 2.1). */
static int on_priority(struct h2_front *c, const struct h2_frame *frame)
{
    if (frame->stream_id == 0)
        return connection_error(c, NGHTTP2_PROTOCOL_ERROR, "PRIORITY on stream 0 (RFC 9113 6.3)");
    if (frame->word == frame->stream_id)
        return connection_error(c, NGHTTP2_PROTOCOL_ERROR, "a stream depends on itself (RFC 7540 5.3.1)");
    (void)h2_calm_spend(c, H2_COST_CONTROL);
    return 0;
}

/* nghttp2 takes it for a stream that is closed. */
static int on_priority_update(struct h2_front *c, const struct h2_frame *frame)
{
    if (frame->word != 0 || frame->len < H2_FRAMES_WORD)
        return 0;
    return connection_error(c, NGHTTP2_PROTOCOL_ERROR, "PRIORITY_UPDATE for stream 0 (RFC 9218 7.1)");
}

static void on_data(struct h2_front *c, int32_t id)
{
    if (id == 0 || !has_ended(c, id))
        return;
    c->stray = id;
    (void)h2_calm_spend(c, H2_COST_CONTROL);
}

static int look_at(struct h2_front *c, const struct h2_frame *frame)
{
    switch (frame->type) {
    case NGHTTP2_PRIORITY: return on_priority(c, frame);
    case NGHTTP2_PRIORITY_UPDATE: return on_priority_update(c, frame);
    case NGHTTP2_DATA: on_data(c, frame->stream_id); return 0;
    case NGHTTP2_RST_STREAM: h2_ids_ended(c, frame->stream_id); return 0;
    default: return 0;
    }
}

/* Whether nghttp2 will open a stream for it. */
static bool opens_stream(const struct h2_front *c, const struct h2_frame *frame)
{
    return frame->type == NGHTTP2_HEADERS && frame->stream_id > c->last_id && frame->stream_id % 2 == 1 &&
           c->end != H2_CLIENT_LEAVES;
}

/* A stream begins. False: there is no room for it. */
static bool take_stream(struct h2_front *c, const struct h2_frame *frame)
{
    c->has_body = !(frame->flags & NGHTTP2_FLAG_END_STREAM);
    c->admitted = h2_room_has(c);
    return c->admitted;
}

enum h2_ids_next h2_ids_look(struct h2_front *c, const uint8_t *bytes, size_t len, size_t burst, bool refuse,
                             size_t *looked)
{
    enum h2_ids_next next = H2_NEXT_ANY;
    const uint8_t *at = bytes;
    unsigned opened = 0;
    struct h2_frame frame;
    size_t cost = 0;

    do {
        if (!h2_frames_next(&c->frames, &at, &len, &frame))
            break;
        if (opens_stream(c, &frame) && (opened++ > 0 || (!take_stream(c, &frame) && !refuse))) {
            at -= h2_frames_unread(&c->frames);
            next = opened == 1 ? H2_NEXT_STREAM : H2_NEXT_ANY;
            break;
        }
        cost += frame.type == NGHTTP2_HEADERS ? H2_STREAM_COST : H2_FRAME_COST;
        if (look_at(c, &frame) != 0)
            return H2_NEXT_ERROR;
    } while (cost < burst);
    *looked = (size_t)(at - bytes);
    return next;
}

bool h2_ids_answer(struct h2_front *c)
{
    int32_t id = c->stray;

    c->stray = 0;
    if (id == 0)
        return true;
    log_info("h2_front", "DATA on a stream that the client has ended");
    loop_mark(&c->task);
    return nghttp2_submit_rst_stream(c->h2.ng, NGHTTP2_FLAG_NONE, id, NGHTTP2_STREAM_CLOSED) == 0;
}
