/* Backends: which connection carries an exchange, when one is opened, and who waits. */
#include "proxy/backend.h"

#include "base/log.h"
#include "base/pool.h"
#include "proxy/backend_addrs.h"
#include "proxy/backend_calm.h"
#include "proxy/backend_time.h"
#include "proxy/exchange.h"
#include "proxy/names.h"

POOL(backend, struct backend, BACKEND_SLOTS);

static void backend_on_backoff(struct timer *timer);
static void backend_on_pump(struct task *task);

struct backend *backend_take(void)
{
    struct backend *backend = pool_take(&backend_pool);

    if (backend != NULL)
        memset(backend, 0, sizeof(*backend));
    return backend;
}

void backend_give(struct backend *backend)
{
    pool_give(&backend_pool, backend);
}

unsigned backend_number(const struct backend *backend)
{
    return pool_index(&backend_pool, backend);
}

/* Copies a name to *at, which goes behind it and its NUL. */
static void own_text(char **at, struct text *text)
{
    memcpy(*at, text->ptr, text->len);
    (*at)[text->len] = '\0';
    text->ptr = *at;
    *at += text->len + 1;
}

/* The reader of the configuration sees to it that they fit. */
static void own_names(struct backend *backend)
{
    struct backend_settings *s = &backend->settings;
    char *at = backend->text;

    own_text(&at, &s->authority);
    own_text(&at, &s->host);
    if (s->addr_count == 0 || s->addrs[0].family != PORT_UNIX) {
        s->name = s->authority;
        return;
    }
    own_text(&at, &s->name);
    s->addrs[0].path = s->name.ptr + s->name.len - strlen(s->addrs[0].path);
}

void backend_init(struct backend *backend, const struct backend_ops *ops)
{
    const struct backend_settings *s = &backend->settings;

    backend->ops = ops;
    list_init(&backend->conns);
    backend_queue_init(&backend->queue);
    backend->conn_count = 0;
    backend->known_limit = UINT32_MAX;
    backend->backing_off = false;
    backend->retiring = false;
    backend->pulse = (struct pulse){.state = PULSE_NONE};
    backend->looked_up = NULL;
    timer_init(&backend->backoff, backend_on_backoff);
    timer_class_init(&backend->backoff_class, "backend-backoff", CONFIG_RETRY_BACKOFF_MS);
    backend_calm_init(backend);
    backend_addrs_init(backend);
    backend->first_class = backend_time_take(s->first_ms);
    backend->whole_class = backend_time_take(s->whole_ms);
    backend->connect_class = backend_time_take(s->connect_ms);
    backend->timeout_class = backend_time_take(s->timeout_ms);
    backend->queue_class = backend_time_take(s->queue_ms);
    backend->settings_class = backend_time_take(s->settings_ms);
    backend->ping_class = backend_time_take(s->ping_ms);
    backend->lost_class = backend_time_take(s->lost_ms);
    backend->idle_class = backend_time_take(s->idle_ms);
    backend->age_class = backend_time_take(s->age_ms);
    task_init(&backend->pump, TASK_FRONT, backend_on_pump);
    if (IS_ENABLED(CONFIG_RELOAD))
        own_names(backend);
}

void backend_exit(struct backend *backend)
{
    timer_cancel(&backend->backoff);
    loop_unmark(&backend->pump);
    timer_class_remove(&backend->backoff_class);
    backend_calm_exit(backend);
    backend_addrs_exit(backend);
    backend_time_give(backend->first_class);
    backend_time_give(backend->whole_class);
    backend_time_give(backend->connect_class);
    backend_time_give(backend->timeout_class);
    backend_time_give(backend->queue_class);
    backend_time_give(backend->settings_class);
    backend_time_give(backend->ping_class);
    backend_time_give(backend->lost_class);
    backend_time_give(backend->idle_class);
    backend_time_give(backend->age_class);
}

/* ---- the queue ---- */

static struct exchange *exchange_of(struct backend_wait *wait)
{
    return container_of(wait, struct exchange, wait);
}

bool backend_is_up(const struct backend *backend)
{
    LIST_EACH (node, &backend->conns) {
        if (container_of(node, struct backend_conn, node)->state == BACKEND_OPEN)
            return true;
    }
    return false;
}

/* Why the backend takes no exchange into its queue, or CAUSE_NONE. */
static enum cause shut_cause(const struct backend *backend)
{
    if (backend->retiring)
        return CAUSE_DRAINING;
    if (names_unknown(backend) && !backend_is_up(backend))
        return CAUSE_NAME_UNKNOWN;
    if (backend->backing_off && !backend_is_up(backend))
        return CAUSE_BACKEND_DOWN;
    return backend->queue.length >= backend->settings.queue_most ? CAUSE_QUEUE_FULL : CAUSE_NONE;
}

bool backend_takes(const struct backend *backend)
{
    return shut_cause(backend) == CAUSE_NONE;
}

static void submit(struct backend *backend, struct exchange *ex, bool again)
{
    enum cause cause = shut_cause(backend);

    ex->state = backend_is_up(backend) ? EXCHANGE_QUEUED : EXCHANGE_CONNECTING;
    if (cause != CAUSE_NONE) {
        exchange_fail(ex, cause);
        return;
    }
    if (again)
        backend_queue_push_first(&backend->queue, &ex->wait);
    else
        backend_queue_push(&backend->queue, &ex->wait);
    timer_set(&ex->timer, backend->queue_class, loop_now());
    if (backend->settings.whole_ms > 0 && !timer_is_set(&ex->whole))
        timer_set(&ex->whole, backend->whole_class, loop_now());
    loop_mark(&backend->pump);
}

void backend_submit(struct backend *backend, struct exchange *ex)
{
    submit(backend, ex, false);
}

void backend_submit_again(struct backend *backend, struct exchange *ex)
{
    submit(backend, ex, true);
}

void backend_withdraw(struct exchange *ex)
{
    backend_queue_leave(&ex->wait);
}

/* The first connection that takes another stream: filling one before the next keeps connections few. */
static struct backend_conn *conn_with_room(const struct backend *backend)
{
    if (backend->calm)
        return NULL;
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

/* It has carried what one connection may. */
static void retire_conn(struct backend_conn *conn, const char *why)
{
    log_debug("backend", "%.*s: connection from port %u retires: %s", TEXT_ARG(conn->backend->settings.name),
              conn->local_port, why);
    conn->backend->ops->retire(conn, false);
}

/* Gives the exchange a stream. False: the connection has no memory for it now, or takes no more streams. */
static bool start_stream(struct backend_conn *conn, struct exchange *ex)
{
    uint32_t most = conn->backend->settings.requests_most;

    ex->back_port = conn->local_port;
    ex->back_reused = conn->served > 0;
    if (!conn->backend->ops->open_stream(conn, ex))
        return false;
    backend_queue_served(&ex->wait);
    conn->streams++;
    conn->served++;
    exchange_await_response(ex);
    if (most > 0 && conn->served >= most)
        retire_conn(conn, "maxrequests");
    return true;
}

/* All that wait now; not those that come back meanwhile. */
void backend_fail_queue(struct backend *backend, enum cause cause)
{
    for (uint32_t n = backend->queue.length; n > 0 && backend->queue.length > 0; n--)
        exchange_fail(exchange_of(backend_queue_first(&backend->queue)), cause);
    backend_pulse_fail(backend, cause);
}

void backend_unreachable(struct backend *backend, enum cause cause)
{
    log_warn("backend", "%.*s: %s", TEXT_ARG(backend->settings.name), cause_info(cause)->word);
    backend->backing_off = true;
    names_failed(backend);
    timer_set(&backend->backoff, &backend->backoff_class, loop_now());
    if (!backend_is_up(backend))
        backend_fail_queue(backend, cause);
}

/* Whether it was silent for so long that it is asked for a sign of life before new work depends on it. */
static bool is_stale(const struct backend_conn *conn)
{
    uint32_t ping_ms = conn->backend->settings.ping_ms;

    return ping_ms > 0 && loop_now() - conn->heard >= ping_ms;
}

/* The same as conn_with_room, but none that may be dead. */
static struct backend_conn *live_conn_with_room(const struct backend *backend)
{
    struct backend_conn *conn;

    while ((conn = conn_with_room(backend)) != NULL && is_stale(conn))
        backend->ops->check(conn);
    return conn;
}

/* Whether it waits for the SETTINGS of a new connection. They say whether it takes tunnels, and how many streams: one
   beyond that is refused (RFC 9113 5.1.2), and could not be sent again when some of its body has left. */
static bool needs_settings(const struct exchange *ex)
{
    return ex->tunnel || ex->request.state != MESSAGE_END || ex->request.pipe.size > 0;
}

/* Gives what waits first its stream. False: nothing can move now. */
static bool pump_first(struct backend *backend)
{
    struct exchange *ex = exchange_of(backend_queue_first(&backend->queue));
    struct backend_conn *conn = live_conn_with_room(backend);

    if (!conn)
        return false;
    if (!conn->settled && needs_settings(ex))
        return false;
    if (ex->tunnel && !conn->tunnels) {
        exchange_fail(ex, CAUSE_NO_TUNNEL);
        return true;
    }
    if (conn->head_most < UINT32_MAX && head_list_size(&ex->request.head) > conn->head_most) {
        exchange_fail(ex, CAUSE_BACKEND_NO_HEAD);
        return true;
    }
    return start_stream(conn, ex);
}

static bool may_connect(const struct backend *backend)
{
    return backend->settings.addr_count > 0 && !backend->backing_off && !backend->retiring && !backend->calm &&
           conns_in_use(backend) < backend->settings.max;
}

static void backend_on_pump(struct task *task)
{
    struct backend *backend = container_of(task, struct backend, pump);

    while (backend->queue.length > 0) {
        if (!pump_first(backend))
            break;
    }
    backend_pulse_pump(backend);
    if (((backend->queue.length > 0 && !conn_with_room(backend)) || backend_pulse_waits(backend)) &&
        may_connect(backend) && !conn_unsettled(backend))
        backend_connect(backend);
    backend_drop_step(backend);
}

static void backend_on_backoff(struct timer *timer)
{
    struct backend *backend = container_of(timer, struct backend, backoff);

    backend->backing_off = false;
    loop_mark(&backend->pump);
}

/* ---- connections ---- */

static void backend_on_age(struct timer *timer)
{
    retire_conn(container_of(timer, struct backend_conn, age), "maxage");
}

void backend_conn_opened(struct backend_conn *conn)
{
    struct backend *backend = conn->backend;

    conn->state = BACKEND_OPEN;
    backend_addrs_opened(conn);
    timer_init(&conn->age, backend_on_age);
    if (backend->settings.age_ms > 0)
        timer_set(&conn->age, backend->age_class, loop_now());
    loop_mark(&backend->pump);
}

void backend_conn_freed(struct backend_conn *conn)
{
    if (conn->backend->queue.length > 0)
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
    if (backend->left)
        loop_mark(&backend->pump);
    if (!was_connecting)
        timer_cancel(&conn->age);
    if (!was_connecting) {
        backend_pulse_lost(conn, cause);
        backend_conn_freed(conn);
        return;
    }
    backend_addrs_failed(conn, cause);
}

void backend_retire(struct backend *backend, bool now)
{
    backend->retiring = true;
    LIST_EACH_SAFE (node, &backend->conns)
        backend->ops->retire(container_of(node, struct backend_conn, node), now);
}
