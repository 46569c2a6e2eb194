/* Backends: which connection carries an exchange, when one is opened, and who waits. */
#include "proxy/backend.h"

#include "base/log.h"
#include "proxy/exchange.h"

static void backend_on_backoff(struct timer *timer);
static void backend_on_pump(struct task *task);

void backend_init(struct backend *backend, const struct backend_ops *ops)
{
    const struct backend_settings *s = &backend->settings;

    backend->ops = ops;
    list_init(&backend->conns);
    list_init(&backend->queue);
    backend->conn_count = 0;
    backend->next_addr = 0;
    backend->failed_addrs = 0;
    backend->known_limit = UINT32_MAX;
    backend->backing_off = false;
    backend->retiring = false;
    timer_init(&backend->backoff, backend_on_backoff);
    timer_class_init(&backend->backoff_class, "backend-backoff", CONFIG_RETRY_BACKOFF_MS);
    timer_class_init(&backend->connect_class, "connect", s->connect_ms);
    timer_class_init(&backend->timeout_class, "backend", s->timeout_ms);
    timer_class_init(&backend->queue_class, "queue", s->queue_ms);
    task_init(&backend->pump, TASK_FRONT, backend_on_pump);
}

void backend_exit(struct backend *backend)
{
    timer_cancel(&backend->backoff);
    loop_unmark(&backend->pump);
    timer_class_remove(&backend->backoff_class);
    timer_class_remove(&backend->connect_class);
    timer_class_remove(&backend->timeout_class);
    timer_class_remove(&backend->queue_class);
}

/* ---- the queue ---- */

static bool has_open(const struct backend *backend)
{
    LIST_EACH (node, &backend->conns) {
        if (container_of(node, struct backend_conn, node)->state == BACKEND_OPEN)
            return true;
    }
    return false;
}

void backend_submit(struct backend *backend, struct exchange *ex)
{
    bool open = has_open(backend);

    ex->state = open ? EXCHANGE_QUEUED : EXCHANGE_CONNECTING;
    if (backend->retiring || (backend->backing_off && !open)) {
        exchange_fail(ex, backend->retiring ? CAUSE_DRAINING : CAUSE_BACKEND_DOWN);
        return;
    }
    list_push_back(&backend->queue, &ex->back.node);
    timer_set(&ex->timer, &backend->queue_class, loop_now());
    loop_mark(&backend->pump);
}

void backend_withdraw(struct exchange *ex)
{
    if (ex->state == EXCHANGE_QUEUED || ex->state == EXCHANGE_CONNECTING)
        list_remove(&ex->back.node);
}

/* The first connection that takes another stream: filling one before the next keeps connections few. */
static struct backend_conn *conn_with_room(const struct backend *backend)
{
    LIST_EACH (node, &backend->conns) {
        struct backend_conn *conn = container_of(node, struct backend_conn, node);

        if (conn->state == BACKEND_OPEN && !conn->probed && conn->streams < conn->limit)
            return conn;
    }
    return NULL;
}

/* Connections that count against `max`: those that only finish what they carry do not. */
static unsigned conns_in_use(const struct backend *backend)
{
    unsigned n = 0;

    LIST_EACH (node, &backend->conns) {
        if (container_of(node, struct backend_conn, node)->state != BACKEND_CLOSING)
            n++;
    }
    return n;
}

/* Whether a connection is coming up, or comes back, that may change how many streams fit. */
static bool conn_unsettled(const struct backend *backend)
{
    LIST_EACH (node, &backend->conns) {
        const struct backend_conn *conn = container_of(node, struct backend_conn, node);

        if (conn->state == BACKEND_CONNECTING || (conn->state == BACKEND_OPEN && (!conn->settled || conn->probed)))
            return true;
    }
    return false;
}

/* Gives the exchange a stream. False: the connection has no memory for it now. */
static bool start_stream(struct backend_conn *conn, struct exchange *ex)
{
    ex->back_port = conn->local_port;
    ex->back_reused = conn->served > 0;
    if (!conn->backend->ops->open_stream(conn, ex))
        return false;
    conn->streams++;
    conn->served++;
    ex->state = EXCHANGE_WAITING;
    exchange_touch(ex);
    return true;
}

static void fail_queue(struct backend *backend, enum cause cause)
{
    struct list *node;

    while ((node = list_pop_front(&backend->queue)) != NULL)
        exchange_fail(container_of(node, struct exchange, back.node), cause);
}

/* No address could be reached: what waits fails, unless a connection still lives to serve it. */
static void backend_unreachable(struct backend *backend, enum cause cause)
{
    log_warn("backend", "%.*s: %s", TEXT_ARG(backend->settings.name), cause_info(cause)->word);
    backend->failed_addrs = 0;
    backend->backing_off = true;
    timer_set(&backend->backoff, &backend->backoff_class, loop_now());
    if (!has_open(backend))
        fail_queue(backend, cause);
}

/* Begins a connection, trying each address at most once in a row. */
static void backend_connect(struct backend *backend)
{
    const struct backend_settings *s = &backend->settings;
    enum cause cause = CAUSE_CONNECT_FAILED;

    while (backend->failed_addrs < s->addr_count) {
        struct backend_conn *conn;

        if (backend->next_addr >= s->addr_count)
            backend->next_addr = 0;
        conn = backend->ops->connect(backend, &s->addrs[backend->next_addr], &cause);
        if (conn) {
            conn->backend = backend;
            list_push_back(&backend->conns, &conn->node);
            backend->conn_count++;
            return;
        }
        if (cause == CAUSE_NO_ROOM) {
            if (backend->conn_count == 0)
                fail_queue(backend, cause);
            return;
        }
        backend->next_addr++;
        backend->failed_addrs++;
    }
    backend_unreachable(backend, cause);
}

static void backend_on_pump(struct task *task)
{
    struct backend *backend = container_of(task, struct backend, pump);

    while (!list_empty(&backend->queue)) {
        struct exchange *ex = container_of(backend->queue.next, struct exchange, back.node);
        struct backend_conn *conn = conn_with_room(backend);

        if (!conn)
            break;
        if (ex->tunnel && !conn->settled)
            break; /* its SETTINGS say whether it takes tunnels */
        list_remove(&ex->back.node);
        if (ex->tunnel && !conn->tunnels) {
            exchange_fail(ex, CAUSE_NO_TUNNEL);
            continue;
        }
        if (!start_stream(conn, ex)) {
            list_push_front(&backend->queue, &ex->back.node);
            return;
        }
    }
    if (!list_empty(&backend->queue) && conns_in_use(backend) < backend->settings.max && !backend->backing_off &&
        !backend->retiring && !conn_unsettled(backend))
        backend_connect(backend);
}

static void backend_on_backoff(struct timer *timer)
{
    struct backend *backend = container_of(timer, struct backend, backoff);

    backend->backing_off = false;
    loop_mark(&backend->pump);
}

/* ---- connections ---- */

void backend_conn_opened(struct backend_conn *conn)
{
    struct backend *backend = conn->backend;

    conn->state = BACKEND_OPEN;
    backend->failed_addrs = 0;
    LIST_EACH (node, &backend->queue)
        container_of(node, struct exchange, back.node)->state = EXCHANGE_QUEUED;
    loop_mark(&backend->pump);
}

void backend_conn_freed(struct backend_conn *conn)
{
    if (!list_empty(&conn->backend->queue))
        loop_mark(&conn->backend->pump);
}

void backend_conn_closing(struct backend_conn *conn)
{
    if (conn->state == BACKEND_OPEN)
        conn->state = BACKEND_CLOSING;
    backend_conn_freed(conn);
}

void backend_conn_closed(struct backend_conn *conn, enum cause cause)
{
    struct backend *backend = conn->backend;
    bool was_connecting = conn->state == BACKEND_CONNECTING;

    list_remove(&conn->node);
    backend->conn_count--;
    conn->state = BACKEND_CLOSED;
    if (!was_connecting) {
        backend_conn_freed(conn);
        return;
    }
    backend->next_addr++;
    backend->failed_addrs++;
    if (backend->failed_addrs >= backend->settings.addr_count)
        backend_unreachable(backend, cause);
    else
        loop_mark(&backend->pump);
}

void backend_retire(struct backend *backend, bool now)
{
    backend->retiring = true;
    LIST_EACH_SAFE (node, &backend->conns)
        backend->ops->retire(container_of(node, struct backend_conn, node), now);
}
