/* Clients' connections: accepted, timed, closed. */
#include "side/h1_front.h"

#include "base/log.h"
#include "base/pool.h"
#include "net/tls.h"
#include "side/h1_conn.h"
#include "side/h2_front.h"

#include <string.h>

/* How often a slow but acceptable sender is looked at again. */
#define READ_AGAIN_MS 1000

POOL(client, struct h1_conn, CONFIG_CLIENTS);

static struct list clients = LIST_INIT(clients);
static const struct front_settings *settings;
static bool draining;
static uint32_t reserved; /* places for connections that still owe their PROXY header */

static struct timer_class keepalive_class;
static struct timer_class head_class;
static struct timer_class body_class;
static struct timer_class again_class;
static struct timer_class write_class;
static struct timer_class linger_class;
static struct timer_class handshake_class;

const struct front_settings *h1_front_settings(void)
{
    return settings;
}

bool h1_front_draining(void)
{
    return draining;
}

uint32_t h1_front_count(void)
{
    return client_pool.used;
}

/* ---- waiting for the client ---- */

void h1_conn_await(struct h1_conn *c, bool body)
{
    c->read_start = loop_now();
    c->read_bytes = 0;
    timer_set(&c->read_timer, body ? &body_class : &head_class, loop_now());
}

void h1_conn_await_request(struct h1_conn *c)
{
    c->input = H1_IDLE;
    if (c->requests == 0)
        h1_conn_await(c, false); /* RequestReadTimeout counts from the connection's start */
    else
        timer_set(&c->read_timer, &keepalive_class, loop_now());
}

/* How long the client may take by now, for what it has sent. 0: without limit. */
static uint64_t allowed_ms(const struct h1_conn *c, const struct front_read_timeout *t)
{
    uint64_t ms = t->initial_ms;

    if (t->rate > 0)
        ms += c->read_bytes * 1000 / t->rate;
    return t->max_ms > 0 && ms > t->max_ms ? t->max_ms : ms;
}

static void on_read_timer(struct timer *timer)
{
    struct h1_conn *c = container_of(timer, struct h1_conn, read_timer);
    const struct front_read_timeout *t =
        c->input == H1_BODY || c->input == H1_TRAILERS ? &settings->body : &settings->head;

    if (c->input == H1_HANDSHAKE) {
        h1_secure_timeout(c);
        return;
    }
    if (c->input == H1_LINGER || c->input == H1_IDLE) {
        h1_conn_close(c, false);
        return;
    }
    if (loop_now() - c->read_start < allowed_ms(c, t)) {
        timer_set(&c->read_timer, &again_class, loop_now());
        return;
    }
    c->input = H1_REFUSED;
    exchange_refuse(c->ex, CAUSE_CLIENT_TIMEOUT, 408, cause_info(CAUSE_CLIENT_TIMEOUT)->word);
    h1_conn_update(c);
}

static void on_write_timer(struct timer *timer)
{
    h1_conn_lose(container_of(timer, struct h1_conn, write_timer), CAUSE_CLIENT_STALLED);
}

/* ---- ending ---- */

static void on_reclaim(struct task *task)
{
    pool_give(&client_pool, container_of(task, struct h1_conn, reclaim));
    listener_resume();
}

void h1_conn_close(struct h1_conn *c, bool abort)
{
    if (c->input == H1_CLOSED)
        return;
    c->input = H1_CLOSED;
    conn_close(&c->conn, abort);
    timer_cancel(&c->read_timer);
    timer_cancel(&c->write_timer);
    loop_unmark(&c->task);
    list_remove(&c->node);
    loop_reclaim(&c->reclaim);
}

void h1_conn_hand_over(struct h1_conn *c)
{
    c->input = H1_CLOSED;
    timer_cancel(&c->read_timer);
    loop_unmark(&c->task);
    list_remove(&c->node);
}

void h1_conn_release(struct h1_conn *c)
{
    loop_reclaim(&c->reclaim);
}

void h1_conn_lose(struct h1_conn *c, enum cause cause)
{
    struct exchange *ex = c->ex;

    c->ex = NULL;
    if (ex)
        exchange_front_gone(ex, cause);
    h1_conn_close(c, cause != CAUSE_CLIENT_CLOSED);
}

void h1_conn_finish(struct h1_conn *c)
{
    bool unread = c->input != H1_READ || c->rest_at < c->rest_end;

    if (!unread || c->eof || settings->linger_ms == 0) {
        h1_conn_close(c, false);
        return;
    }
    /* Closing now would send a reset, which could destroy the response in the client's buffers. */
    c->input = H1_LINGER;
    timer_cancel(&c->write_timer);
    timer_set(&c->read_timer, &linger_class, loop_now());
    conn_shutdown(&c->conn);
    h1_conn_update(c);
}

void h1_conn_update(struct h1_conn *c)
{
    unsigned interest = 0;

    if (h1_input_wanted(c)) {
        interest |= PORT_READABLE;
        if (c->input == H1_BODY && !timer_is_set(&c->read_timer))
            h1_conn_await(c, true);
    } else if (c->input == H1_BODY || c->input == H1_READ || c->input == H1_REFUSED) {
        timer_cancel(&c->read_timer); /* not the client is who is waited for */
    }
    if (c->blocked)
        interest |= PORT_WRITABLE;
    if (c->blocked && !timer_is_set(&c->write_timer))
        timer_set(&c->write_timer, &write_class, loop_now());
    else if (!c->blocked)
        timer_cancel(&c->write_timer);
    conn_interest(&c->conn, interest);
}

/* ---- events ---- */

static void on_ready(struct watch *watch, unsigned ready)
{
    struct h1_conn *c = container_of(watch, struct h1_conn, conn.watch);

    if ((ready & PORT_WRITABLE) && c->blocked) {
        c->blocked = false;
        loop_mark(&c->task);
    }
    if ((ready & PORT_READABLE) || ((ready & PORT_BROKEN) && h1_input_wanted(c)))
        h1_input_read(c);
    else if (ready & PORT_BROKEN)
        loop_mark(&c->task); /* the write will tell */
}

static void on_run(struct task *task)
{
    struct h1_conn *c = container_of(task, struct h1_conn, task);

    if (c->aborted) {
        h1_conn_close(c, c->framing == H1_FRAME_CLOSE || c->blocked);
        return;
    }
    if (c->ex)
        h1_output_run(c);
    if (c->input != H1_CLOSED)
        h1_conn_update(c);
}

/* ---- what exchanges ask ---- */

static struct h1_conn *conn_of(struct exchange *ex)
{
    return ex->front.self;
}

static void op_news(struct exchange *ex)
{
    loop_mark(&conn_of(ex)->task);
}

static void op_space(struct exchange *ex, size_t n)
{
    struct h1_conn *c = conn_of(ex);

    (void)n;
    if (c->input == H1_BODY || c->input == H1_TUNNEL)
        loop_mark(&c->task);
}

/* The response is cut: the connection closes without its proper end. */
static void op_abort(struct exchange *ex, enum cause cause)
{
    struct h1_conn *c = conn_of(ex);

    (void)cause;
    c->ex = NULL;
    c->aborted = true;
    timer_cancel(&c->read_timer);
    if (c->input != H1_CLOSED)
        c->input = H1_REFUSED;
    loop_mark(&c->task);
}

const struct side_ops h1_front_ops = {op_news, op_news, op_space, op_abort};

/* ---- accepting ---- */

static bool room(const struct listener_settings *listen)
{
    return client_pool.used + reserved < client_pool.count && (!listen->tls || tls_has_room());
}

void h1_front_reserve(void)
{
    reserved++;
}

void h1_front_unreserve(void)
{
    reserved--;
}

void h1_front_accept(const struct listener_settings *listen, port_handle handle, const struct port_addr *peer,
                     const struct port_addr *local)
{
    struct h1_conn *c = pool_take(&client_pool);

    if (!c) { /* room() said otherwise */
        port_close(handle, true);
        return;
    }
    memset(c, 0, sizeof(*c));
    c->peer = *peer;
    c->local = *local;
    task_init(&c->task, TASK_FRONT, on_run);
    task_init(&c->reclaim, TASK_FRONT, on_reclaim);
    timer_init(&c->read_timer, on_read_timer);
    timer_init(&c->write_timer, on_write_timer);
    list_push_back(&clients, &c->node);
    conn_open(&c->conn, handle, on_ready);
    if (listen->tls) {
        h1_secure_begin(c, &handshake_class);
        return;
    }
    if (!settings->http1) { /* nothing but HTTP/2 is expected */
        h1_conn_hand_over(c);
        h2_front_take_over(c, &c->conn, &c->peer, &c->local, NULL, 0);
        return;
    }
    h1_conn_await_request(c);
    h1_conn_update(c);
}

static void accept_client(const struct listener_settings *listen, port_handle handle, const struct port_addr *peer)
{
    h1_front_accept(listen, handle, peer, &listen->addr);
}

const struct listener_ops h1_front_listener = {room, accept_client};

/* ---- the whole front ---- */

void h1_front_init(const struct front_settings *s)
{
    settings = s;
    draining = false;
    timer_class_init(&keepalive_class, "keep-alive", s->keepalive_ms);
    timer_class_init(&head_class, "request-head", s->head.initial_ms);
    timer_class_init(&body_class, "request-body", s->body.initial_ms);
    timer_class_init(&again_class, "request-rate", READ_AGAIN_MS);
    timer_class_init(&write_class, "client-write", s->timeout_ms);
    timer_class_init(&linger_class, "linger", s->linger_ms);
    timer_class_init(&handshake_class, "handshake", s->handshake_ms);
}

void h1_front_change(const struct front_settings *s)
{
    settings = s;
    timer_class_set(&keepalive_class, s->keepalive_ms);
    timer_class_set(&head_class, s->head.initial_ms);
    timer_class_set(&body_class, s->body.initial_ms);
    timer_class_set(&write_class, s->timeout_ms);
    timer_class_set(&linger_class, s->linger_ms);
    timer_class_set(&handshake_class, s->handshake_ms);
}

void h1_front_exit(void)
{
    timer_class_remove(&keepalive_class);
    timer_class_remove(&head_class);
    timer_class_remove(&body_class);
    timer_class_remove(&again_class);
    timer_class_remove(&write_class);
    timer_class_remove(&linger_class);
    timer_class_remove(&handshake_class);
}

void h1_front_drain(void)
{
    draining = true;
    LIST_EACH_SAFE (node, &clients) {
        struct h1_conn *c = container_of(node, struct h1_conn, node);

        if (c->input == H1_IDLE || c->input == H1_HANDSHAKE)
            h1_conn_close(c, false);
    }
}

void h1_front_stop(void)
{
    draining = true;
    LIST_EACH_SAFE (node, &clients)
        h1_conn_lose(container_of(node, struct h1_conn, node), CAUSE_STOPPED);
}
