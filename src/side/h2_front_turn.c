/* Turns: urgent responses go first on a client's connection, but no other waits for ever.
 *
 * nghttp2 serves the streams of a connection by RFC 9218: strictly by urgency, and those of one urgency that are not
 * incremental one behind another. So a response without end, faster than its client, would keep all behind it from
 * moving. Therefore after every TURN_BYTES the stream that has waited longest gets one frame: the others step back
 * (they are deferred) until it has had it. */
#include "http/priority.h"
#include "side/h2_front_conn.h"

/* Bytes of one frame: h2_io.c fills no more of a write, and a frame has 16,384 at most. */
#define FRAME (CONFIG_H2_FRONT_OUTPUT < 16384 ? CONFIG_H2_FRONT_OUTPUT : 16384)
/* One frame of 17 is for those that wait. */
#define TURN_BYTES (16 * FRAME)

/* Whether a stream could send if it were asked. */
static bool is_ready(struct h2_front *c, const struct exchange *ex)
{
    return ex->begun && !ex->front.closed && !ex->front.ended && !ex->front.deferred &&
           ex->response.pipe.size > ex->front.claimed &&
           nghttp2_session_get_stream_remote_window_size(c->h2.ng, ex->front.stream_id) > 0;
}

/* The stream that is ready and had no turn for longest, more than one turn; 0: none. */
static int32_t longest_waiting(struct h2_front *c)
{
    uint32_t most = 1;
    int32_t id = 0;

    LIST_EACH (node, &c->streams) {
        const struct exchange *ex = container_of(node, struct exchange, front.node);

        if (c->turn - ex->front.turn > most && is_ready(c, ex)) {
            most = c->turn - ex->front.turn;
            id = ex->front.stream_id;
        }
    }
    return id;
}

bool h2_turn_take(struct exchange *ex, size_t n)
{
    struct h2_front *c = ex->front.self;

    if (c->waiting != 0 && c->waiting != ex->front.stream_id) {
        c->stepped_back = true;
        if (!list_linked(&ex->front.dirty))
            list_push_back(&c->news, &ex->front.dirty); /* the next run resumes it */
        return false;
    }
    c->waiting = 0;
    ex->front.turn = c->turn;
    c->turn_bytes += (uint32_t)n;
    if (c->turn_bytes < TURN_BYTES)
        return true;
    c->turn_bytes = 0;
    c->turn++;
    c->waiting = longest_waiting(c);
    return true;
}

void h2_turn_end(struct h2_front *c)
{
    if (c->stepped_back)
        c->waiting = 0; /* it had its turn, or is gone */
    c->stepped_back = false;
}

/* What a backend says of its response is laid over what the client said (RFC 9218 8). */
int h2_turn_urgency(struct h2_front *c, struct exchange *ex, const struct section *section)
{
    struct priority told = PRIORITY_DEFAULT;
    nghttp2_extpri extpri;

    if (!head_find(&ex->response.head, section, FIELD_PRIORITY, NULL))
        return 0; /* nghttp2 knows what the client said */
    (void)priority_read(&told, &ex->request.head, &ex->request.head.sections[0]);
    (void)priority_read(&told, &ex->response.head, section);
    extpri = (nghttp2_extpri){told.urgency, told.incremental};
    return nghttp2_session_change_extpri_stream_priority(c->h2.ng, ex->front.stream_id, &extpri, 0);
}
