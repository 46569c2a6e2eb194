/* HTTP/2 clients' connections: taken over, served, timed, closed. */
#include "side/h2_front.h"

#include "base/log.h"
#include "base/pool.h"
#include "side/h1_conn.h"
#include "side/h2_front_conn.h"

#include <string.h>

/* The preface (RFC 9113 3.4). */
#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

POOL(h2_client, struct h2_front, CONFIG_H2_CLIENTS);

static struct list clients = LIST_INIT(clients);
static const struct front_settings *settings;

static void h2_front_on_ready(struct watch *watch, unsigned ready);
static void h2_front_on_run(struct task *task);

const struct front_settings *h2_front_settings(void)
{
    return settings;
}

bool h2_front_is_preface(const uint8_t *bytes, size_t n)
{
    return n >= 4 && memcmp(bytes, PREFACE, min_size(n, sizeof(PREFACE) - 1)) == 0;
}

/* ---- closing ---- */

static void on_reclaim(struct task *task)
{
    struct h2_front *c = container_of(task, struct h2_front, reclaim);

    h1_conn_release(c->slot);
    pool_give(&h2_client_pool, c);
}

/* An exchange whose stream has closed: delivered, or left by the client. */
static void end_exchange(struct exchange *ex)
{
    if (ex->front.ended && ex->response.pipe.size == 0) {
        exchange_delivered(ex);
        return;
    }
    if (ex->front.cause == CAUSE_BAD_REQUEST && !ex->word)
        ex->word = "malformed";
    exchange_front_gone(ex, ex->front.cause != CAUSE_NONE ? ex->front.cause : CAUSE_CLIENT_CLOSED);
}

static void end_done(struct h2_front *c)
{
    struct list *node;

    while ((node = list_pop_front(&c->done)) != NULL)
        end_exchange(container_of(node, struct exchange, front.dirty));
}

void h2_front_lose(struct h2_front *c, enum cause cause)
{
    struct list *node;

    if (c->closed)
        return;
    c->closed = true;
    conn_close(&c->conn, cause != CAUSE_CLIENT_CLOSED && cause != CAUSE_NONE);
    timer_cancel(&c->timer);
    loop_unmark(&c->task);
    end_done(c);
    while ((node = list_pop_front(&c->streams)) != NULL)
        exchange_front_gone(container_of(node, struct exchange, front.node),
                            cause == CAUSE_NONE ? CAUSE_CLIENT_CLOSED : cause);
    h2_front_drop_held(c);
    h2_session_close(&c->h2);
    list_remove(&c->node);
    loop_reclaim(&c->reclaim);
}

void h2_front_stream_done(struct h2_front *c, struct exchange *ex)
{
    list_remove(&ex->front.node);
    list_remove(&ex->front.dirty);
    if (ex->state == EXCHANGE_READING && ex->front.cause == CAUSE_NONE && !ex->front.ended)
        ex->front.cause = CAUSE_BAD_REQUEST; /* nghttp2 found it malformed */
    ex->front.closed = true;
    list_push_back(&c->done, &ex->front.dirty);
    loop_mark(&c->task);
}

/* ---- goodbye ---- */

void h2_front_warn(struct h2_front *c)
{
    if (c->end != H2_CLIENT_SERVES)
        return;
    c->end = H2_CLIENT_WARNED;
    if (nghttp2_submit_shutdown_notice(c->h2.ng) != 0 || nghttp2_submit_ping(c->h2.ng, NGHTTP2_FLAG_NONE, NULL) != 0)
        h2_front_leave(c);
    loop_mark(&c->task);
}

void h2_front_leave(struct h2_front *c)
{
    if (c->end == H2_CLIENT_LEAVES)
        return;
    c->end = H2_CLIENT_LEAVES;
    (void)nghttp2_submit_goaway(c->h2.ng, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(c->h2.ng),
                                NGHTTP2_NO_ERROR, NULL, 0);
    loop_mark(&c->task);
}

/* ---- the run ---- */

static void h2_front_on_ready(struct watch *watch, unsigned ready)
{
    struct h2_front *c = container_of(watch, struct h2_front, conn.watch);

    if (ready & (PORT_READABLE | PORT_BROKEN))
        h2_front_read(c, ready & PORT_BROKEN);
    if ((ready & PORT_WRITABLE) && !c->closed) {
        c->blocked = false;
        if (c->wait == H2_CLIENT_WRITE)
            c->wait = H2_CLIENT_NOTHING; /* it takes bytes again: its time starts anew */
        loop_mark(&c->task);
    }
}

/* Whether there is memory for what stands ready of a response's head. */
static bool takes_head(struct h2_front *c, const struct exchange *ex)
{
    const struct head *head = &ex->response.head;

    return head->section_sent == ex->response.ready || h2_session_takes_head(&c->h2, head);
}

/* There is no memory for a head, and none of the client's own to wait for. Whether it waits for what others give back:
   not for long, as it may be too large in any case. */
static bool may_wait(struct h2_front *c)
{
    if (c->lacks >= H2_ROOM_TRIES || CONFIG_H2_WAIT_MS == 0)
        return false;
    c->lacks = (uint8_t)max_size(c->lacks, 1);
    return true;
}

/* Serves exchanges with news, until its memory should be relieved of heads by a write. False: no memory. */
static bool serve_news(struct h2_front *c)
{
    while (!list_empty(&c->news) && c->pending < H2_FRONT_PENDING_MOST && h2_session_takes_news(&c->h2)) {
        struct exchange *ex = container_of(c->news.next, struct exchange, front.dirty);
        bool fits = takes_head(c, ex);

        if (!fits && (c->blocked || c->pending > 0 || nghttp2_session_get_outbound_queue_size(c->h2.ng) > 0)) {
            c->lacks = 0;
            return true;
        }
        fits = fits || ex->state == EXCHANGE_ANSWERED;
        if (!fits && may_wait(c))
            return true;
        c->lacks = 0;
        list_remove(&ex->front.dirty);
        if (!fits) { /* one such head must not end the connection */
            exchange_fail(ex, CAUSE_NO_ROOM);
            continue;
        }
        if (!h2_front_submit(c, ex))
            return false;
        if ((ex->response.pipe.size > ex->front.claimed || ex->response.state == MESSAGE_END) &&
            !h2_io_resume(c->h2.ng, &ex->front))
            return false;
        if (!h2_io_grant(c->h2.ng, h2_front_stream(ex)))
            return false;
        if (ex->front.ended && exchange_is_tunnel(ex) && h2_front_end_request(c, ex) != 0)
            return false;
    }
    if (list_empty(&c->news))
        c->lacks = 0;
    return true;
}

static void update(struct h2_front *c)
{
    unsigned interest = c->blocked ? PORT_WRITABLE : 0;

    if (h2_front_is_heard(c))
        interest |= PORT_READABLE;
    conn_interest(&c->conn, interest);
    h2_front_set_wait(c);
}

void h2_front_serve(struct h2_front *c)
{
    enum port_result result;
    bool more = false;

    if (c->closed)
        return;
    if (c->failed || !serve_news(c)) {
        h2_front_lose(c, CAUSE_NO_ROOM);
        return;
    }
    result = c->blocked ? PORT_AGAIN : h2_io_write(&c->h2, &c->conn, &c->batch, &more);
    h2_turn_end(c);
    end_done(c);
    if (result == PORT_ERROR || h2_session_over(&c->h2)) {
        h2_front_lose(c, result == PORT_ERROR ? CAUSE_CLIENT_CLOSED : CAUSE_NONE);
        return;
    }
    c->blocked = result == PORT_AGAIN;
    if (!c->blocked)
        c->pending = 0;
    if ((more || (!list_empty(&c->news) && c->lacks == 0)) && !c->blocked)
        loop_mark(&c->task);
    if (c->end == H2_CLIENT_LEAVES && c->open == 0 && !h2_session_wants_write(&c->h2)) {
        h2_front_lose(c, CAUSE_NONE);
        return;
    }
    update(c);
}

static void h2_front_on_run(struct task *task)
{
    struct h2_front *c = container_of(task, struct h2_front, task);

    h2_front_serve(c);
    h2_front_feed_held(c);
}

/* ---- what exchanges ask ---- */

static void note_news(struct exchange *ex)
{
    struct h2_front *c = ex->front.self;

    if (ex->front.closed)
        return;
    if (!list_linked(&ex->front.dirty))
        list_push_back(&c->news, &ex->front.dirty);
    loop_mark(&c->task);
}

static void op_data(struct exchange *ex)
{
    if (ex->front.deferred || !ex->begun || (ex->front.ended && exchange_is_tunnel(ex)))
        note_news(ex);
}

static void op_space(struct exchange *ex, size_t n)
{
    struct h2_front *c = ex->front.self;

    (void)n;
    if (h2_io_space(h2_front_stream(ex)))
        note_news(ex);
    else if (!c->settled)
        loop_mark(&c->task); /* reading may have paused */
}

/* The response is cut: the stream is reset (RFC 9113 8.1: never a clean end). */
static void op_abort(struct exchange *ex, enum cause cause)
{
    struct h2_front *c = ex->front.self;

    list_remove(&ex->front.node);
    list_remove(&ex->front.dirty);
    if (ex->front.closed)
        return;
    (void)nghttp2_session_set_stream_user_data(c->h2.ng, ex->front.stream_id, NULL);
    if (nghttp2_submit_rst_stream(c->h2.ng, NGHTTP2_FLAG_NONE, ex->front.stream_id,
                                  cause == CAUSE_CLIENT_STALLED ? NGHTTP2_CANCEL : NGHTTP2_INTERNAL_ERROR) != 0)
        c->failed = true; /* else the client would wait for ever */
    loop_mark(&c->task);
}

const struct side_ops h2_front_ops = {note_news, op_data, op_space, op_abort};

/* ---- taking over ---- */

bool h2_front_has_room(void)
{
    return h2_client_pool.used < h2_client_pool.count;
}

/* No session is free: SETTINGS, as a server must begin with, and GOAWAY(ENHANCE_YOUR_CALM) with last stream 0 (RFC
   9113 6.8), so that the client may retry everything elsewhere or later. */
static void refuse(struct conn *conn)
{
    static const uint8_t frames[] = {0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 11};
    struct gather *g = gather_begin();
    size_t n;

    log_warn("h2_front", "no HTTP/2 session is free");
    if (gather_put(g, frames, sizeof(frames)))
        (void)conn_write(conn, g, &n); /* the connection ends in any case */
    conn_close(conn, false);
}

static void init(struct h2_front *c, struct h1_conn *slot, const struct port_addr *peer, const struct port_addr *local)
{
    memset(c, 0, sizeof(*c));
    list_init(&c->streams);
    list_init(&c->news);
    list_init(&c->turns);
    list_init(&c->done);
    list_init(&c->parked);
    c->slot = slot;
    c->peer = *peer;
    c->local = local;
    c->last_id = -1;
    c->wait = H2_CLIENT_NOTHING;
    task_init(&c->task, TASK_FRONT, h2_front_on_run);
    task_init(&c->reclaim, TASK_FRONT, on_reclaim);
    timer_init(&c->timer, h2_front_on_timer);
    h2_calm_init(c);
    h2_frames_init(&c->frames, sizeof(PREFACE) - 1);
}

void h2_front_take_over(struct h1_conn *slot, struct conn *conn, const struct port_addr *peer,
                        const struct port_addr *local, const uint8_t *bytes, size_t n)
{
    struct h2_front *c = pool_take(&h2_client_pool);

    if (!c) {
        refuse(conn);
        h1_conn_release(slot);
        return;
    }
    init(c, slot, peer, local);
    list_push_back(&clients, &c->node);
    conn_move(&c->conn, conn, h2_front_on_ready);
    if (!h2_session_open_server(&c->h2, h2_front_callbacks, c) || !h2_front_submit_settings(c->h2.ng)) {
        refuse(&c->conn);
        h2_front_lose(c, CAUSE_NONE);
        return;
    }
    loop_mark(&c->task);
    if (n > 0)
        h2_front_feed(c, bytes, n);
}

/* ---- the whole front ---- */

bool h2_front_init(const struct front_settings *s)
{
    settings = s;
    h2_front_time_init(s);
    h2_room_init();
    return h2_front_callbacks_init();
}

void h2_front_change(const struct front_settings *s)
{
    settings = s;
    h2_front_time_change(s);
}

void h2_front_exit(void)
{
    h2_room_exit();
    h2_front_time_exit();
}

void h2_front_drain(void)
{
    LIST_EACH (node, &clients)
        h2_front_warn(container_of(node, struct h2_front, node));
}

void h2_front_stop(void)
{
    LIST_EACH_SAFE (node, &clients)
        h2_front_lose(container_of(node, struct h2_front, node), CAUSE_STOPPED);
}
