/* Starts, runs and ends the server. */
#include "ops/server.h"

#include "base/arena.h"
#include "base/pipe.h"
#include "base/pool.h"
#include "http/h2_session.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/tls.h"
#include "ops/logs.h"
#include "ops/process.h"
#include "ops/reload.h"
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

/* The configuration that runs is in one of them. */
static struct config configs[IS_ENABLED(CONFIG_RELOAD) ? 2 : 1];
static struct config *config = configs;
static enum server_state state;
static struct text product = TEXT_INIT("Culvert");
static struct timer_class drain_class;
static struct timer drain_timer;

const struct config *server_config(void)
{
    return config;
}

void server_set_product(struct text name)
{
    product = name;
}

bool server_check(const char *path, config_report *report, void *user)
{
    struct change change = {NULL, config, product, report, user};

    return config_read(config, path, report, user) && process_prepare(config, report, user) &&
           (!IS_ENABLED(CONFIG_TLS) || change_check(&change));
}

static void fail(config_report *report, void *user, const char *what, const char *name, const char *why)
{
    char storage[256];
    struct textbuf b;

    textbuf_init(&b, storage, sizeof(storage));
    textbuf_printf(&b, "%s %s: %s", what, name, why);
    report(user, true, textbuf_text(&b));
}

static void on_drain_timer(struct timer *timer)
{
    (void)timer;
    log_notice("server", "%u requests did not end in time", exchange_count());
    state = SERVER_ENDING;
}

/* Prepares what runs whatever the configuration is. */
static bool start_modules(config_report *report, void *user)
{
    loop_init();
    timer_class_init(&drain_class, "drain", config->drain_ms);
    timer_init(&drain_timer, on_drain_timer);
    tls_init();
    exchange_init(config->front.timeout_ms);
    reply_init();
    exchange_set_draining(false);
    h1_front_init(&config->front);
    proxy_front_init(&config->proxy, config->front.head.initial_ms);
    health_start(NULL, 0);
    if (h2_session_init() && h2_back_init() && h2_front_init(&config->front))
        return true;
    fail(report, user, "nghttp2", "", "not enough memory in the shared arena");
    return false;
}

bool server_start(const char *path, struct text content, config_report *report, void *user)
{
    struct change change = {NULL, config, product, report, user};
    bool ok = content.ptr ? config_parse(config, path, content, report, user) : config_read(config, path, report, user);

    if (!ok) {
        config_forget(config);
        return false;
    }
    state = SERVER_RUNNING;
    ok = start_modules(report, user) && process_prepare(config, report, user);
    reload_start(&configs[config == configs], content.ptr ? NULL : path, product);
    if (!ok || !change_prepare(&change)) {
        config_forget(config);
        server_stop();
        return false;
    }
    if (!change_commit(&change))
        fail(report, user, "c-ares", "", "not enough memory: raise CONFIG_NAMES_ARENA");
    else if (process_settle(config, report, user))
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
    timer_class_set(&drain_class, config->drain_ms);
    timer_set(&drain_timer, &drain_class, loop_now());
}

/* Nothing in progress any more: the backends are told goodbye. */
static void check_drained(void)
{
    if (state != SERVER_DRAINING || exchange_count() > 0 || h1_front_count() > 0)
        return;
    state = SERVER_ENDING;
}

void server_pass(int max_wait_ms)
{
    unsigned asked;

    loop_pass(max_wait_ms);
    asked = port_asked();
    if ((asked & PORT_ASK_RELOAD) && state == SERVER_RUNNING) {
        reload_ask(config);
    } else if (asked & PORT_ASK_RELOAD) {
        log_notice("server", "no reload: the proxy ends");
        logs_reopen(config);
    }
    if (state == SERVER_RUNNING)
        config = reload_pass(config);
    if (asked & PORT_ASK_STATE)
        stats_write(config, state != SERVER_RUNNING);
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
    for (unsigned i = 0; i < config->backend_count; i++)
        backend_retire(config->backends[i], true);
    backend_drop_stop();
    names_exit();
    loop_pass(0);
    timer_cancel(&drain_timer);
    timer_class_remove(&drain_class);
    reload_stop();
    for (unsigned i = 0; i < config->backend_count; i++)
        backend_exit(config->backends[i]);
    backend_drop_exit();
    balancer_forget_dropped();
    proxy_front_exit();
    h1_front_exit();
    h2_front_exit();
    exchange_exit();
    h2_back_exit();
    h2_session_exit();
    tls_exit();
    config_forget(config);
    empty = pools_empty();
    logs_close();
    process_end();
    return empty;
}
