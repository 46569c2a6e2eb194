/* Bytes of a backend on their way to nghttp2, which ends a whole connection for DATA in the wrong place: before the
 * response head, or behind the response's end while the request still goes on. RFC 9113 5.1 and 8.1 want that stream
 * reset and no other. So frame headers are looked at first; such a stream is reset, and its frame left out.
 *
 * What is left out is missing in the connection's window, which is far larger than such a backend is worth. */
#include "side/h2_back_conn.h"

#include <string.h>

#define FRAME_HEADER 9
/* Our MAX_FRAME_SIZE, which we leave as it is. What is larger is a fault of the connection. */
#define FRAME_MOST 16384

static struct exchange *exchange_of(struct h2_back *back)
{
    const uint8_t *h = back->frame;
    uint32_t id = ((uint32_t)h[5] << 24 | (uint32_t)h[6] << 16 | (uint32_t)h[7] << 8 | h[8]) & 0x7fffffffU;

    return id > 0 ? nghttp2_session_get_stream_user_data(back->h2.ng, (int32_t)id) : NULL;
}

/* Whether the frame whose header has come is DATA in the wrong place. A stream with another fault is reset already, and
   nghttp2 ignores its DATA. */
static bool is_misplaced(struct h2_back *back)
{
    const struct exchange *ex = back->frame[3] == NGHTTP2_DATA ? exchange_of(back) : NULL;

    return ex && back->frame_left <= FRAME_MOST && ex->response.state != MESSAGE_BODY &&
           (ex->back.cause == CAUSE_NONE || ex->back.closed);
}

/* Resets the stream, once. A response that is complete stays so. False: no memory. */
static bool reset(struct h2_back *back)
{
    struct exchange *ex = exchange_of(back);
    bool ended = ex->response.state == MESSAGE_END;

    if (ex->back.closed)
        return true;
    if (!ended)
        ex->back.cause = CAUSE_BACKEND_PROTOCOL;
    ex->back.closed = true;
    return nghttp2_submit_rst_stream(back->h2.ng, NGHTTP2_FLAG_NONE, ex->back.stream_id,
                                     ended ? NGHTTP2_STREAM_CLOSED : NGHTTP2_PROTOCOL_ERROR) == 0;
}

static bool feed(struct h2_back *back, const uint8_t *bytes, size_t len)
{
    return len == 0 || h2_session_feed(&back->h2, bytes, len);
}

/* A frame's header is complete: its first `held` bytes came with an earlier read, the rest begins at bytes[begun]. What
   stands before it, bytes[*fed, begun), goes to the session first if it matters. False: the session is over. */
static bool judge(struct h2_back *back, const uint8_t *bytes, size_t *fed, size_t begun, size_t held)
{
    back->frame_dropped = false;
    if (is_misplaced(back)) { /* or its head is among the bytes before it */
        if (!feed(back, bytes + *fed, begun - *fed))
            return false;
        *fed = begun;
        back->frame_dropped = is_misplaced(back);
        if (back->frame_dropped && !reset(back))
            return false;
    }
    return back->frame_dropped || feed(back, back->frame, held);
}

bool h2_back_feed(struct h2_back *back, const uint8_t *bytes, size_t len)
{
    size_t fed = 0, at = 0; /* bytes[fed, at) are for the session */

    while (at < len) {
        size_t begun = at, held = back->frame_used;
        size_t n = back->frame_left > 0 ? back->frame_left : FRAME_HEADER - held;

        n = min_size(n, len - at);
        at += n;
        if (back->frame_left > 0) {
            back->frame_left -= (uint32_t)n;
        } else {
            memcpy(back->frame + held, bytes + begun, n);
            back->frame_used = (uint8_t)(held + n);
            if (back->frame_used < FRAME_HEADER)
                return feed(back, bytes + fed, begun - fed); /* the rest of it is waited for */
            back->frame_used = 0;
            back->frame_left = (uint32_t)back->frame[0] << 16 | (uint32_t)back->frame[1] << 8 | back->frame[2];
            if (!judge(back, bytes, &fed, begun, held))
                return false;
        }
        if (back->frame_dropped)
            fed = at;
    }
    return feed(back, bytes + fed, at - fed);
}
