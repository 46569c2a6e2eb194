/* Reads PROXY protocol headers, and hands connections on. */
#include "side/proxy_front.h"

#include "base/log.h"
#include "base/pool.h"
#include "base/timer.h"
#include "net/conn.h"
#include "net/proxy_protocol.h"

/* What is looked at of the bytes that came: more than any header that is not full of TLVs. */
#define LOOK 512
/* Where a header is optional, bytes that do not tell yet stay in the socket, which stays ready: it is looked at again
 * after this time. */
#define AGAIN_MS 20
/* The least time between two warnings; what comes between them is for LogLevel info. */
#define WARN_MS 1000

/* A connection that owes its header. */
struct intake {
    struct conn conn;
    struct list node;
    struct task reclaim;
    struct timer timer; /* the header's time */
    struct timer again; /* see AGAIN_MS */
    struct listener_settings listen;
    struct port_addr peer;
    struct proxy_header header;
    bool begun; /* it is a header: its bytes are taken */
};

POOL(intake, struct intake, CONFIG_PROXY_HEADERS);

static struct list intakes = LIST_INIT(intakes);
static const struct proxy_front_settings *settings;
static struct timer_class head_class;
static struct timer_class again_class;
static uint32_t warned_at;
static bool warned;

static void on_reclaim(struct task *task)
{
    pool_give(&intake_pool, container_of(task, struct intake, reclaim));
    listener_resume();
}

/* The connection is closed, or handed on: the slot comes back at the end of the pass. */
static void intake_end(struct intake *in)
{
    timer_cancel(&in->timer);
    timer_cancel(&in->again);
    list_remove(&in->node);
    loop_reclaim(&in->reclaim);
}

static void intake_close(struct intake *in, bool abort)
{
    conn_close(&in->conn, abort);
    h1_front_unreserve();
    intake_end(in);
}

static void intake_pass_on(struct intake *in)
{
    const struct proxy_header *header = &in->header;
    port_handle handle = in->conn.handle;

    conn_interest(&in->conn, 0);
    in->conn.handle = PORT_NO_HANDLE;
    intake_end(in);
    h1_front_unreserve();
    if (header->has_client)
        h1_front_accept(&in->listen, handle, &header->client, &header->local);
    else
        h1_front_accept(&in->listen, handle, &in->peer, &in->listen.addr);
}

static void say_refused(const struct port_addr *peer, const char *reason)
{
    enum log_level level = warned && loop_now() - warned_at < WARN_MS ? LOG_INFO : LOG_WARN;
    char storage[PORT_PATH_MAX + 8];
    struct textbuf b;

    if (level == LOG_WARN)
        warned_at = loop_now();
    warned = true;
    textbuf_init(&b, storage, sizeof(storage));
    addr_put(&b, peer, false);
    log_diag(level, "proxy-protocol", "%s: closed: %s", textbuf_z(&b), reason);
}

static void refuse(struct intake *in, const char *reason)
{
    say_refused(&in->peer, reason);
    intake_close(in, true);
}

/* The client ended. Who only connects to see whether we are there sends nothing. */
static void on_end(struct intake *in)
{
    if (in->header.len > 0)
        refuse(in, "it ended within its header");
    else
        intake_close(in, false);
}

/* Where a header is optional: is it one? False: that is settled, or cannot be told yet. */
static bool intake_begin(struct intake *in, const uint8_t *bytes, size_t n)
{
    switch (proxy_header_guess(bytes, n)) {
    case PROXY_DONE: in->begun = true; return true;
    case PROXY_BAD: intake_pass_on(in); return false;
    case PROXY_MORE: break;
    }
    conn_interest(&in->conn, 0);
    timer_set(&in->again, &again_class, loop_now());
    return false;
}

/* Takes the header's bytes, and none behind it, off the socket: those are TLS's or HTTP's. */
static void intake_take(struct intake *in, size_t looked)
{
    struct proxy_header probe = in->header;
    size_t used, n;

    (void)proxy_header_feed(&probe, conn_input(), looked, &used);
    if (conn_read(&in->conn, conn_input(), used, &n) != PORT_OK)
        return; /* it says so again */
    switch (proxy_header_feed(&in->header, conn_input(), n, &used)) {
    case PROXY_MORE: return;
    case PROXY_DONE: intake_pass_on(in); return;
    case PROXY_BAD: refuse(in, in->header.reason); return;
    }
}

static void intake_read(struct intake *in)
{
    size_t n;

    switch (conn_peek(&in->conn, conn_input(), min_size(LOOK, CONFIG_INPUT_SIZE), &n)) {
    case PORT_OK:
        if (in->begun || intake_begin(in, conn_input(), n))
            intake_take(in, n);
        return;
    case PORT_AGAIN: return;
    case PORT_END: on_end(in); return;
    case PORT_ERROR: intake_close(in, true); return;
    }
}

static void on_ready(struct watch *watch, unsigned ready)
{
    (void)ready;
    intake_read(container_of(watch, struct intake, conn.watch));
}

static void on_again(struct timer *timer)
{
    struct intake *in = container_of(timer, struct intake, again);

    conn_interest(&in->conn, PORT_READABLE);
    intake_read(in);
}

static void on_timer(struct timer *timer)
{
    refuse(container_of(timer, struct intake, timer), "its header did not come in time");
}

/* ---- accepting ---- */

static bool is_among(const struct addr_net *nets, unsigned count, const struct port_addr *peer)
{
    for (unsigned i = 0; i < count; i++)
        if (addr_net_has(&nets[i], peer))
            return true;
    return false;
}

/* Whoever may open a unix socket is trusted: its file's permissions say who that is. */
static bool is_trusted(const struct port_addr *peer)
{
    return settings->trusted_count == 0 || peer->family == PORT_UNIX ||
           is_among(settings->trusted, settings->trusted_count, peer);
}

static bool room(const struct listener_settings *listen)
{
    return intake_pool.used < intake_pool.count && h1_front_listener.room(listen);
}

static void accept_balancer(const struct listener_settings *listen, port_handle handle, const struct port_addr *peer)
{
    bool trusted = is_trusted(peer);
    struct intake *in;

    if (is_among(settings->excepted, settings->excepted_count, peer) ||
        (!trusted && listen->proxy == LISTENER_PROXY_OPTIONAL)) {
        h1_front_listener.accept(listen, handle, peer);
        return;
    }
    if (!trusted) {
        say_refused(peer, "it is none of RemoteIPTrustedProxy");
        port_close(handle, true);
        return;
    }
    in = pool_take(&intake_pool);
    if (!in) { /* room() said otherwise */
        port_close(handle, true);
        return;
    }
    h1_front_reserve();
    memset(in, 0, sizeof(*in));
    in->listen = *listen;
    in->peer = *peer;
    in->begun = listen->proxy == LISTENER_PROXY_ON;
    proxy_header_init(&in->header);
    task_init(&in->reclaim, TASK_FRONT, on_reclaim);
    timer_init(&in->timer, on_timer);
    timer_init(&in->again, on_again);
    timer_set(&in->timer, &head_class, loop_now());
    list_push_back(&intakes, &in->node);
    conn_open(&in->conn, handle, on_ready);
    conn_interest(&in->conn, PORT_READABLE);
}

const struct listener_ops proxy_front_listener = {room, accept_balancer};

void proxy_front_init(const struct proxy_front_settings *s, uint32_t head_ms)
{
    settings = s;
    warned = false;
    timer_class_init(&head_class, "proxy-header", head_ms);
    timer_class_init(&again_class, "proxy-again", AGAIN_MS);
}

void proxy_front_change(const struct proxy_front_settings *s, uint32_t head_ms)
{
    settings = s;
    timer_class_set(&head_class, head_ms);
}

void proxy_front_exit(void)
{
    timer_class_remove(&head_class);
    timer_class_remove(&again_class);
}

void proxy_front_close(void)
{
    LIST_EACH_SAFE (node, &intakes)
        intake_close(container_of(node, struct intake, node), true);
}
