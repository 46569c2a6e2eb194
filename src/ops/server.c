/* Starts, runs and ends the server. */
#include "ops/server.h"

#include "base/addr.h"
#include "base/arena.h"
#include "base/pipe.h"
#include "base/pool.h"
#include "http/h2_session.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/tls.h"
#include "ops/logs.h"
#include "ops/stats.h"
#include "proxy/exchange.h"
#include "proxy/health.h"
#include "side/h1_front.h"
#include "side/h2_back.h"
#include "side/h2_front.h"
#include "side/reply.h"

enum server_state {
    SERVER_RUNNING,  /* nothing: it serves */
    SERVER_DRAINING, /* requests in progress, or the deadline */
    SERVER_ENDING,   /* server_stop */
};

static struct config config;
static enum server_state state;
static struct text product = TEXT_INIT("Culvert");
static struct timer_class drain_class;
static struct timer drain_timer;

const struct config *server_config(void)
{
    return &config;
}

void server_set_product(struct text name)
{
    product = name;
}

bool server_check(const char *path, config_report *report, void *user)
{
    return config_read(&config, path, report, user);
}

static void fail(config_report *report, void *user, const char *what, const char *name, const char *why)
{
    char storage[256];
    struct textbuf b;

    textbuf_init(&b, storage, sizeof(storage));
    textbuf_printf(&b, "%s %s: %s", what, name, why);
    report(user, true, textbuf_text(&b));
}

static bool open_listeners(config_report *report, void *user)
{
    for (unsigned i = 0; i < config.listen_count; i++) {
        const struct listener_settings *listen = &config.listen[i];
        char name[PORT_PATH_MAX + 8];
        struct textbuf b;

        if (listener_open(listen, listen->proxy >= LISTENER_PROXY_ON ? &proxy_front_listener : &h1_front_listener))
            continue;
        if (listen->optional && port_error() != PORT_FAULT_IN_USE)
            continue; /* a port without an address stands for both families; this box has one of them */
        textbuf_init(&b, name, sizeof(name));
        addr_put(&b, &listen->addr, true);
        if (listen->addr.family != PORT_UNIX) {
            textbuf_putc(&b, ':');
            textbuf_put_u64(&b, listen->addr.port);
        }
        fail(report, user, "Listen", textbuf_z(&b), port_fault_text(port_error()));
        return false;
    }
    return true;
}

/* Where faults of certificates go at start. */
struct tls_sink {
    config_report *report;
    void *user;
};

static void report_tls(void *user, struct text message)
{
    struct tls_sink *sink = user;

    sink->report(sink->user, true, message);
}

static bool start_tls(config_report *report, void *user)
{
    struct tls_sink sink = {report, user};

    return tls_init(&config.tls, report_tls, &sink);
}

static void on_drain_timer(struct timer *timer)
{
    (void)timer;
    log_notice("server", "%u requests did not end in time", exchange_count());
    state = SERVER_ENDING;
}

bool server_start(const char *path, struct text content, config_report *report, void *user)
{
    bool ok =
        content.ptr ? config_parse(&config, path, content, report, user) : config_read(&config, path, report, user);

    if (!ok) {
        config_forget(&config);
        return false;
    }
    config.site.forward.product = product;
    state = SERVER_RUNNING;
    loop_init();
    timer_class_init(&drain_class, "drain", CONFIG_DRAIN_S * 1000U);
    timer_init(&drain_timer, on_drain_timer);
    exchange_init(config.front.timeout_ms);
    reply_init();
    exchange_use_site(&config.site);
    exchange_set_draining(false);
    h1_front_init(&config.front);
    proxy_front_init(&config.proxy, config.front.head.initial_ms);
    for (unsigned i = 0; i < config.backend_count; i++)
        backend_init(config.backends[i], &h2_back_ops);
    health_start(config.balancers, config.balancer_count);
    if (!h2_session_init() || !h2_back_init() || !h2_front_init(&config.front))
        fail(report, user, "nghttp2", "", "not enough memory in the shared arena");
    else if (!names_start(&config.names, config.backends, config.backend_count))
        fail(report, user, "c-ares", "", "not enough memory: raise CONFIG_NAMES_ARENA");
    else if (logs_open(&config, report, user) && start_tls(report, user) && open_listeners(report, user))
        return true;
    server_stop();
    return false;
}

void server_drain(void)
{
    if (state != SERVER_RUNNING)
        return;
    state = SERVER_DRAINING;
    log_notice("server", "draining: %u requests in progress", exchange_count());
    listener_close_all();
    proxy_front_close();
    h1_front_drain();
    h2_front_drain();
    health_quiet();
    timer_set(&drain_timer, &drain_class, loop_now());
}

/* Nothing in progress any more: the backends are told goodbye. */
static void check_drained(void)
{
    if (state != SERVER_DRAINING || exchange_count() > 0 || h1_front_count() > 0)
        return;
    state = SERVER_ENDING;
}

/* Where faults go while the server runs. */
static void log_fault(void *user, bool error, struct text message)
{
    (void)user;
    log_diag(error ? LOG_ERROR : LOG_WARN, "server", "%.*s", TEXT_ARG(message));
}

void server_pass(int max_wait_ms)
{
    unsigned asked;

    loop_pass(max_wait_ms);
    asked = port_asked();
    if (asked & PORT_ASK_RELOAD) {
        tls_reload();
        logs_open(&config, log_fault, NULL);
    }
    if (asked & PORT_ASK_STATE)
        stats_write(&config, state != SERVER_RUNNING);
    if (asked & PORT_ASK_STOP)
        state = SERVER_ENDING;
    if (asked & PORT_ASK_DRAIN) {
        if (state == SERVER_DRAINING)
            state = SERVER_ENDING;
        server_drain();
    }
    check_drained();
}

bool server_done(void)
{
    return state == SERVER_ENDING;
}

/* Reports every pool that is not empty. */
static bool pools_empty(void)
{
    struct pipe_stats pipes;
    bool empty = true;

    for (struct pool *p = pool_next(NULL); p; p = pool_next(p)) {
        if (p->used == 0)
            continue;
        log_error("server", "pool %s: %u still used", p->name, p->used);
        empty = false;
    }
    pipe_stats(&pipes);
    if (pipes.used > 0) {
        log_error("server", "pool body_block: %u still used", pipes.used);
        empty = false;
    }
    if (empty)
        log_info("server", "all pools empty");
    return empty;
}

bool server_stop(void)
{
    bool empty;

    exchange_set_draining(true);
    listener_close_all();
    proxy_front_close();
    h1_front_stop();
    h2_front_stop();
    health_stop();
    for (unsigned i = 0; i < config.backend_count; i++)
        backend_retire(config.backends[i], true);
    names_exit();
    loop_pass(0);
    timer_cancel(&drain_timer);
    timer_class_remove(&drain_class);
    for (unsigned i = 0; i < config.backend_count; i++)
        backend_exit(config.backends[i]);
    proxy_front_exit();
    h1_front_exit();
    h2_front_exit();
    exchange_exit();
    h2_back_exit();
    h2_session_exit();
    tls_exit();
    config_forget(&config);
    empty = pools_empty();
    logs_close();
    return empty;
}
