/* What HTTP/2 clients send: how much of it is read, and how it is handed to nghttp2.
 *
 * A stream that is refused takes memory, too, until RST_STREAM has been sent, and a client may open many at once,
 * before it knows how many it may. So what was read is handed over in portions for which there is memory, and answers
 * are written in between. When the client does not take them, the rest waits in a large block, and so it does when it
 * begins with a stream that there is no room for (h2_front_room.c); when large blocks are few frames are read one by
 * one. */
#include "side/h2_front_conn.h"

#include <string.h>

/* Frames that may wait for a client that takes nothing before it is not heard any more. */
#define QUEUED_MOST 32

/* ---- how much ---- */

/* Whether nghttp2 may run out of memory with the next HEADERS frame. */
static bool is_short(struct h2_front *c)
{
    return h2_session_burst(&c->h2) < H2_STREAM_COST;
}

/* Bytes up to the head of the next frame: what of it cannot be taken finds room in c->few. */
static size_t room_for_frame(const struct h2_front *c)
{
    return c->frames.skip + H2_FRAMES_HEAD - min_size(c->frames.have, H2_FRAMES_HEAD - 1);
}

/* What a client may send on a stream before it knows our SETTINGS (RFC 9113 6.9.2). */
#define EARLY_WINDOW 65535

/* Room for a body of a client that has not acknowledged our SETTINGS. While there is plenty the pipe borrows: a pause
   lets all its streams wait for this one, also the one whose end this one waits for at a busy backend. */
static size_t early_room(struct pipe *pipe)
{
    if (pipe_space(pipe) < CONFIG_REQUEST_WINDOW / 2 && pipe->limit < EARLY_WINDOW && pipe_plenty())
        (void)pipe_borrow(pipe, CONFIG_REQUEST_WINDOW);
    return pipe_space(pipe);
}

/* How much may be read now. Until our SETTINGS are acknowledged no more is read than every stream's pipe has room for.
 */
static size_t room_for_read(struct h2_front *c)
{
    size_t room = CONFIG_INPUT_SIZE;

    if (c->held || (c->blocked && is_short(c)))
        return 0;
    if (UNLIKELY(h2_room_is_scarce(c)))
        room = min_size(room, room_for_frame(c));
    if (c->settled)
        return room;
    room = min_size(room, CONFIG_REQUEST_WINDOW);
    LIST_EACH (node, &c->streams) {
        struct exchange *ex = container_of(node, struct exchange, front.node);

        if (exchange_wants_body(ex))
            room = min_size(room, early_room(&ex->request.pipe));
    }
    return room;
}

/* Also while it takes nothing: what it sends may be urgent, or cancel what is on its way to it. But not when answers
   queue up that are no responses' bodies. */
bool h2_front_is_heard(struct h2_front *c)
{
    return room_for_read(c) > 0 && (!c->blocked || nghttp2_session_get_outbound_queue_size(c->h2.ng) < QUEUED_MOST);
}

void h2_front_read(struct h2_front *c, bool broken)
{
    size_t room = room_for_read(c);
    enum port_result result;
    size_t n;

    if (room == 0 && broken && (c->blocked || c->held)) {
        h2_front_lose(c, CAUSE_CLIENT_CLOSED);
        return;
    }
    if (room == 0) {
        loop_mark(&c->task); /* it pauses */
        return;
    }
    result = conn_read(&c->conn, conn_input(), room, &n);
    if (result == PORT_OK)
        h2_front_feed(c, conn_input(), n);
    else if (result != PORT_AGAIN)
        h2_front_lose(c, CAUSE_CLIENT_CLOSED);
}

/* ---- what is held back ---- */

/* Forgets it, and its stream waits no more. Harmless when nothing is held. */
void h2_front_drop_held(struct h2_front *c)
{
    if (c->held && c->held != c->few)
        h2_large_give(c->held);
    c->held = NULL;
    h2_room_leave(c);
}

/* Holds n bytes back, which may stand there already. False: there is no place for so many. */
static bool hold(struct h2_front *c, const uint8_t *bytes, size_t n)
{
    if (!c->held || n > (c->held == c->few ? sizeof(c->few) : H2_LARGE))
        return false;
    memmove(c->held, bytes, n);
    c->held_len = (uint32_t)n;
    return true;
}

/* ---- handing over ---- */

/* Memory is short: writes, so that there is more. False: the client takes nothing, and the n bytes are held back; or
   the connection is closed. */
static bool relieve(struct h2_front *c, const uint8_t *bytes, size_t n)
{
    if (!c->held && h2_large_left() > 1)
        c->held = h2_large_take(); /* before the write takes it; the last one is for what backends send */
    if (!c->blocked)
        h2_front_serve(c);
    if (c->closed)
        return false;
    return !c->blocked || !is_short(c) || !hold(c, bytes, n);
}

/* There is no room for the stream that the n bytes begin with. True: they are held back, and it waits. */
static bool park(struct h2_front *c, const uint8_t *bytes, size_t n)
{
    h2_room_missed(c);
    if (!c->held && n <= sizeof(c->few))
        c->held = c->few;
    else if (!c->held && h2_large_left() > H2_ROOM_LARGES)
        c->held = h2_large_take();
    return h2_room_may_wait(c) && hold(c, bytes, n);
}

/* Hands over what can be. `refuse`: the first stream is refused, whatever there is. */
static void feed(struct h2_front *c, const uint8_t *bytes, size_t n, bool refuse)
{
    enum h2_ids_next next;
    size_t looked;

    for (; n > 0; bytes += looked, n -= looked) {
        if (is_short(c) && !relieve(c, bytes, n))
            return;
        next = h2_ids_look(c, bytes, n, h2_session_burst(&c->h2), refuse, &looked);
        if (next == H2_NEXT_ERROR || !h2_session_feed(&c->h2, bytes, looked) || !h2_ids_answer(c)) {
            h2_front_lose(c, CAUSE_BAD_REQUEST);
            return;
        }
        refuse = false;
        if (next != H2_NEXT_STREAM)
            continue;
        if (park(c, bytes + looked, n - looked)) {
            h2_room_wait(c);
            loop_mark(&c->task);
            return;
        }
        refuse = true;
    }
    h2_front_drop_held(c);
    loop_mark(&c->task);
}

void h2_front_feed(struct h2_front *c, const uint8_t *bytes, size_t n)
{
    feed(c, bytes, n, false);
}

void h2_front_feed_held(struct h2_front *c)
{
    bool refuse;

    if (!c->held || c->closed || c->blocked || h2_room_waits(c))
        return;
    refuse = list_linked(&c->parked);
    h2_room_leave(c);
    feed(c, c->held, c->held_len, refuse);
}
