/* What one client may have of what all share: when a stream that it opens can be served, and how long one waits that
 * cannot.
 *
 * One alone has all that it may. Of several each has twice as many streams as requests are left at most, and those left
 * are counted without an eighth of all, which is for who has none: so a few that open as many as they can leave
 * something for others. The same holds for requests with a body. A stream that there is no room for waits in
 * front of nghttp2, with all that its client sends behind it, which costs no memory but a frame's head. So it waits
 * only while the client's other streams need nothing from it, and not for long; then it is refused, and the client may
 * safely try it again (RFC 9113 8.7). So is a stream whose body came before the client knew its window, has no room,
 * and waits for a backend, when other streams of the client wait for what stands behind it. */
#include "side/h2_front.h"
#include "side/h2_front_conn.h"

/* With fewer streams left than this what comes is read frame by frame. */
#define FEW 8
/* So many streams are expected to find no room behind one that did not. */
#define CAREFUL 32

static struct list queue = LIST_INIT(queue); /* connections (parked), the longest first */

/* ---- room ---- */

/* How many one client may have when there are `left` of `all`: an eighth is for those that have none. */
static uint32_t most_of(uint32_t left, uint32_t all)
{
    return left > all / 8 ? 2 * (left - all / 8) : 0;
}

/* Whether a client that has so many may have one more. */
static bool may_have(uint32_t has, uint32_t left, uint32_t all)
{
    return has == 0 ? left > 0 : has < most_of(left, all);
}

/* Requests of the client whose body is on its way. */
static uint32_t count_uploads(const struct h2_front *c)
{
    uint32_t uploads = 0;

    LIST_EACH (node, &c->streams)
        uploads += container_of(node, struct exchange, front.node)->request.pipe.open;
    return uploads;
}

static bool has_share(const struct h2_front *c)
{
    return may_have(c->open, exchange_left(), CONFIG_EXCHANGES) &&
           (!c->has_body || may_have(count_uploads(c), exchange_uploads_left(), CONFIG_UPLOADS));
}

bool h2_room_has(struct h2_front *c)
{
    if (c->open >= CONFIG_H2_STREAMS)
        return c->settled; /* then it is nghttp2's to judge */
    return has_share(c) && (c->open == 0 || h2_session_has_room(&c->h2, c->open, CONFIG_HEAD_FIELDS, 0));
}

/* How many more streams a client with so many may open, when nobody else does. */
static uint32_t more_streams(uint32_t open)
{
    uint32_t most = most_of(exchange_left(), CONFIG_EXCHANGES);

    return most > open ? (most - open + 2) / 3 : 0; /* each one takes one from both */
}

/* What is read and finds no room needs a large block to wait in. */
bool h2_room_is_scarce(const struct h2_front *c)
{
    uint32_t allowed = CONFIG_H2_STREAMS > c->open ? CONFIG_H2_STREAMS - c->open : 0;
    uint32_t more = more_streams(c->open);

    if (h2_large_left() == 0)
        return true;
    return (!c->settled || more < allowed || c->careful > 0) && (more < FEW || h2_large_left() <= H2_ROOM_LARGES);
}

size_t h2_front_first_read(size_t most)
{
    bool scarce = more_streams(0) < FEW || h2_large_left() <= H2_ROOM_LARGES;

    return scarce ? min_size(most, NGHTTP2_CLIENT_MAGIC_LEN) : most;
}

/* ---- the pause ---- */

/* Whether a stream of the client goes on only when something is read: window for a response, or (`bodies`) a body's
   bytes. */
static bool needs_input(const struct h2_front *c, bool bodies)
{
    if (nghttp2_session_get_remote_window_size(c->h2.ng) <= 0)
        return true;
    LIST_EACH (node, &c->streams) {
        const struct exchange *ex = container_of(node, struct exchange, front.node);

        if ((bodies && exchange_wants_body(ex)) ||
            nghttp2_session_get_stream_remote_window_size(c->h2.ng, ex->front.stream_id) == 0)
            return true;
    }
    return false;
}

/* Whether a body fills its pipe and has no backend yet that would drain it. */
static bool is_in_the_way(const struct exchange *ex)
{
    return exchange_wants_body(ex) && !ex->back.ops && pipe_space(&ex->request.pipe) == 0;
}

bool h2_room_is_paused(const struct h2_front *c)
{
    bool paused = false, awaited = false;

    if (c->settled)
        return false;
    LIST_EACH (node, &c->streams) {
        const struct exchange *ex = container_of(node, struct exchange, front.node);

        if (is_in_the_way(ex))
            paused = true;
        else if (exchange_wants_body(ex) && ex->back.ops && pipe_space(&ex->request.pipe) > 0)
            awaited = true; /* its backend waits for more */
    }
    return paused && (awaited || needs_input(c, false));
}

/* It has lasted: such bodies' streams are refused. */
static void end_pause(struct h2_front *c)
{
    LIST_EACH (node, &c->streams) {
        struct exchange *ex = container_of(node, struct exchange, front.node);

        if (!is_in_the_way(ex))
            continue;
        ex->front.cause = CAUSE_NO_ROOM;
        ex->word = "early-body";
        if (nghttp2_submit_rst_stream(c->h2.ng, NGHTTP2_FLAG_NONE, ex->front.stream_id, NGHTTP2_REFUSED_STREAM) != 0)
            c->failed = true;
    }
    c->tries = 0;
}

/* ---- waiting ---- */

bool h2_room_may_wait(const struct h2_front *c)
{
    return CONFIG_H2_WAIT_MS > 0 && c->tries < H2_ROOM_TRIES && c->end != H2_CLIENT_LEAVES && !c->blocked &&
           !needs_input(c, true);
}

void h2_room_taken(struct h2_front *c)
{
    c->tries = 0;
    if (c->careful > 0)
        c->careful--;
}

void h2_room_missed(struct h2_front *c)
{
    c->careful = CAREFUL;
}

void h2_room_wait(struct h2_front *c)
{
    list_push_back(&queue, &c->parked);
}

bool h2_room_waits(struct h2_front *c)
{
    return list_linked(&c->parked) && !h2_room_has(c) && h2_room_may_wait(c);
}

void h2_room_tick(struct h2_front *c)
{
    if (list_linked(&c->parked))
        c->tries++;
    else if (!h2_room_is_paused(c))
        c->tries = 0;
    else if (++c->tries >= H2_ROOM_TRIES) /* some may be left of a stream that waited */
        end_pause(c);
    if (c->lacks > 0 && c->lacks < H2_ROOM_TRIES)
        c->lacks++;
    loop_mark(&c->task);
}

void h2_room_leave(struct h2_front *c)
{
    list_remove(&c->parked);
}

/* A request has ended: who waits, and may have one more stream, looks for memory, too. */
static void on_freed(void)
{
    uint32_t left = exchange_left();

    LIST_EACH (node, &queue) {
        struct h2_front *c = container_of(node, struct h2_front, parked);

        if (left == 0)
            return;
        if (!has_share(c))
            continue;
        loop_mark(&c->task);
        left--;
    }
}

/* ---- the whole room ---- */

void h2_room_init(void)
{
    exchange_use_freed(on_freed);
}

void h2_room_exit(void)
{
    exchange_use_freed(NULL);
}
