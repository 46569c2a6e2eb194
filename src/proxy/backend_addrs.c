/* Tries a backend's addresses, and takes new ones. */
#include "proxy/backend_addrs.h"

#include "base/addr.h"
#include "base/log.h"
#include "proxy/backend_time.h"

static void on_attempt(struct timer *timer);

void backend_addrs_init(struct backend *backend)
{
    backend->first_addr = 0;
    backend->tried_addrs = 0;
    timer_init(&backend->attempt, on_attempt);
    backend->attempt_class = backend_time_take(CONFIG_CONNECT_ATTEMPT_MS);
}

void backend_addrs_exit(struct backend *backend)
{
    timer_cancel(&backend->attempt);
    backend_time_give(backend->attempt_class);
}

/* Connections of this round that still try. Rounds do not overlap. */
static unsigned trying(const struct backend *backend)
{
    unsigned n = 0;

    LIST_EACH (node, &backend->conns)
        n += container_of(node, struct backend_conn, node)->state == BACKEND_CONNECTING;
    return n;
}

static bool is_wanted(const struct backend *backend)
{
    return (backend->queue.length > 0 || backend_pulse_waits(backend)) && !backend->retiring && !backend->calm &&
           !backend->backing_off;
}

static void end_round(struct backend *backend)
{
    backend->tried_addrs = 0;
    timer_cancel(&backend->attempt);
}

/* Begins with the next address that the port does not refuse at once. False: none is left, or there is no room
   (*cause says that). */
static bool try_next(struct backend *backend, enum cause *cause)
{
    const struct backend_settings *s = &backend->settings;

    while (backend->tried_addrs < s->addr_count) {
        const struct port_addr *addr = &s->addrs[(backend->first_addr + backend->tried_addrs) % s->addr_count];
        struct backend_conn *conn = backend->ops->connect(backend, addr, cause);

        if (!conn && *cause == CAUSE_NO_ROOM)
            return false;
        backend->tried_addrs++;
        if (!conn)
            continue;
        conn->backend = backend;
        conn->addr = *addr;
        list_push_back(&backend->conns, &conn->node);
        backend->conn_count++;
        if (backend->tried_addrs < s->addr_count)
            timer_set(&backend->attempt, backend->attempt_class, loop_now());
        return true;
    }
    return false;
}

void backend_connect(struct backend *backend)
{
    enum cause cause = CAUSE_CONNECT_FAILED;

    if (try_next(backend, &cause) || trying(backend) > 0)
        return;
    if (cause != CAUSE_NO_ROOM) {
        end_round(backend);
        backend_unreachable(backend, cause);
    } else if (backend->conn_count == 0 && backend_dropped() == 0) {
        backend_fail_queue(backend, cause);
    } else if (backend->conn_count == 0) {
        timer_set(&backend->attempt, backend->attempt_class, loop_now()); /* those that left make room */
    }
}

static void on_attempt(struct timer *timer)
{
    struct backend *backend = container_of(timer, struct backend, attempt);
    enum cause cause;

    if (is_wanted(backend) && trying(backend) > 0)
        (void)try_next(backend, &cause);
    else if (backend->conn_count == 0)
        loop_mark(&backend->pump);
}

void backend_addrs_opened(struct backend_conn *conn)
{
    struct backend *backend = conn->backend;

    end_round(backend);
    for (uint8_t i = 0; i < backend->settings.addr_count; i++)
        if (addr_eq(&backend->settings.addrs[i], &conn->addr))
            backend->first_addr = i;
    LIST_EACH_SAFE (node, &backend->conns) {
        struct backend_conn *other = container_of(node, struct backend_conn, node);

        if (other->state != BACKEND_CONNECTING)
            continue;
        other->outrun = true;
        backend->ops->retire(other, true);
    }
}

void backend_addrs_failed(struct backend_conn *conn, enum cause cause)
{
    struct backend *backend = conn->backend;
    enum cause next;

    if (conn->outrun || backend->retiring || (is_wanted(backend) && try_next(backend, &next)) || trying(backend) > 0)
        return;
    if (backend->tried_addrs >= backend->settings.addr_count) {
        end_round(backend);
        backend_unreachable(backend, cause);
        return;
    }
    /* Nobody waits, or there is no room: whoever comes goes on with the next address. */
    backend->first_addr = (uint8_t)((backend->first_addr + backend->tried_addrs) % backend->settings.addr_count);
    end_round(backend);
    loop_mark(&backend->pump);
}

/* ---- new addresses ---- */

static bool is_among(const struct port_addr *addrs, unsigned count, const struct port_addr *addr)
{
    for (unsigned i = 0; i < count; i++)
        if (addr_eq(&addrs[i], addr))
            return true;
    return false;
}

bool backend_addrs_set(struct backend *backend, const struct port_addr *addrs, unsigned count)
{
    struct backend_settings *s = &backend->settings;
    struct port_addr news[CONFIG_BACKEND_ADDRS];
    unsigned kept = 0, same = 0;

    for (unsigned i = 0; i < count && kept < CONFIG_BACKEND_ADDRS; i++) {
        struct port_addr addr = addrs[i];

        addr.port = s->port;
        if (is_among(news, kept, &addr))
            continue;
        same += is_among(s->addrs, s->addr_count, &addr);
        news[kept++] = addr;
    }
    /* A server that only turns their order changes nothing. */
    if (kept == s->addr_count && same == kept)
        return false;
    memcpy(s->addrs, news, kept * sizeof(news[0]));
    s->addr_count = (uint8_t)kept;
    backend->first_addr = 0;
    end_round(backend);
    LIST_EACH_SAFE (node, &backend->conns) {
        struct backend_conn *conn = container_of(node, struct backend_conn, node);

        if (conn->state != BACKEND_CONNECTING && !is_among(s->addrs, kept, &conn->addr))
            backend->ops->retire(conn, false);
    }
    loop_mark(&backend->pump);
    return true;
}

void backend_addrs_order(struct port_addr *addrs, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        uint8_t family = i % 2 == 0 ? PORT_IPV6 : PORT_IPV4;
        unsigned from = i;
        struct port_addr addr;

        while (from < count && addrs[from].family != family)
            from++;
        if (from == count)
            continue; /* all that are left are of the other family: in the order that they have */
        addr = addrs[from];
        memmove(&addrs[i + 1], &addrs[i], (from - i) * sizeof(addr));
        addrs[i] = addr;
    }
}
