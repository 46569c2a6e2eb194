/* Takes a configuration into service: the first one, or one that follows another. */
#include "net/loop.h"
#include "ops/listening.h"
#include "ops/logs.h"
#include "ops/reload.h"
#include "proxy/exchange.h"
#include "proxy/health.h"
#include "side/h1_front.h"
#include "side/h2_back.h"
#include "side/h2_front.h"

/* ---- what may fail ---- */

static void report_tls(void *user, struct text message)
{
    const struct change *change = user;

    change->report(change->user, true, message);
}

bool change_check(const struct change *change)
{
    struct change copy = *change;
    bool good;

    loop_init();
    tls_init();
    good = tls_prepare(&change->next->tls, report_tls, &copy);
    tls_abandon();
    tls_exit();
    return good;
}

bool change_prepare(const struct change *change)
{
    struct change copy = *change;

    if (change->now == NULL && !logs_open(change->next, change->report, change->user))
        return false; /* the first: what follows has something to say */
    if (!tls_prepare(&change->next->tls, report_tls, &copy))
        return false;
    if (listening_prepare(change->next, change->report, change->user)) {
        /* The last: lines go to the new ones from here on. */
        if (change->now == NULL || logs_open(change->next, change->report, change->user))
            return true;
        listening_abandon();
    }
    tls_abandon();
    return false;
}

/* ---- backends ---- */

/* The one that runs already, or NULL. */
static struct backend *running_backend(const struct change *change, const struct backend *wanted)
{
    const struct config *now = change->now;

    if (!IS_ENABLED(CONFIG_RELOAD) || now == NULL)
        return NULL;
    for (unsigned i = 0; i < now->backend_count; i++) {
        struct backend *backend = now->backends[i];

        if (config_same_backend(&backend->settings, &wanted->settings) &&
            (!wanted->settings.tls || tls_same_for_backends(&now->tls, &change->next->tls)))
            return backend;
    }
    return NULL;
}

/* Puts one that runs in the place of its twin, everywhere in the configuration. */
static void replace_backend(struct config *config, struct backend **twin, struct backend *backend)
{
    for (unsigned i = 0; i < config->site.routes.count; i++)
        if (config->site.routes.routes[i].backend == *twin)
            config->site.routes.routes[i].backend = backend;
    for (unsigned i = 0; i < config->balancer_count; i++)
        for (unsigned k = 0; k < config->balancers[i]->count; k++)
            if (config->balancers[i]->members[k].backend == *twin)
                config->balancers[i]->members[k].backend = backend;
    backend_give(*twin);
    *twin = backend;
}

static void take_backends(const struct change *change)
{
    struct config *next = change->next;

    for (unsigned i = 0; i < next->backend_count; i++) {
        struct backend *running = running_backend(change, next->backends[i]);

        if (running != NULL) {
            replace_backend(next, &next->backends[i], running);
            continue;
        }
        backend_init(next->backends[i], &h2_back_ops);
        tls_forget_backend(backend_number(next->backends[i]));
    }
}

static bool has_backend(const struct config *config, const struct backend *backend)
{
    for (unsigned i = 0; i < config->backend_count; i++)
        if (config->backends[i] == backend)
            return true;
    return false;
}

/* ---- balancers ---- */

/* One that runs takes the place of its twin, and its words, since those that it has are overwritten some day. */
static void replace_balancer(struct config *config, struct balancer **twin, struct balancer *balancer)
{
    balancer->settings = (*twin)->settings;
    for (unsigned i = 0; i < balancer->count; i++)
        balancer->members[i].settings = (*twin)->members[i].settings;
    for (unsigned i = 0; i < config->site.routes.count; i++)
        if (config->site.routes.routes[i].balancer == *twin)
            config->site.routes.routes[i].balancer = balancer;
    balancer_give(*twin);
    *twin = balancer;
}

static void keep_balancers(const struct config *now, struct config *next)
{
    for (unsigned i = 0; i < next->balancer_count; i++)
        for (unsigned k = 0; k < now->balancer_count; k++)
            if (next->balancers[i] != now->balancers[k] && config_same_balancer(now->balancers[k], next->balancers[i]))
                replace_balancer(next, &next->balancers[i], now->balancers[k]);
}

static bool has_balancer(const struct config *config, const struct balancer *balancer)
{
    for (unsigned i = 0; i < config->balancer_count; i++)
        if (config->balancers[i] == balancer)
            return true;
    return false;
}

/* ---- the change ---- */

/* What is in `now` alone ends when its exchanges have. */
static void drop_rest(struct config *now, const struct config *next)
{
    for (unsigned i = 0; i < now->balancer_count; i++)
        if (!has_balancer(next, now->balancers[i]))
            balancer_drop(now->balancers[i]);
    for (unsigned i = 0; i < now->backend_count; i++)
        if (!has_backend(next, now->backends[i]))
            backend_drop(now->backends[i]);
    now->balancer_count = 0;
    now->backend_count = 0;
}

static void change_fronts(const struct config *next)
{
    exchange_set_client_time(next->front.timeout_ms);
    h1_front_change(&next->front);
    h2_front_change(&next->front);
    proxy_front_change(&next->proxy, next->front.head.initial_ms);
}

bool change_commit(const struct change *change)
{
    struct config *now = change->now, *next = change->next;
    bool named;

    take_backends(change);
    if (IS_ENABLED(CONFIG_RELOAD) && now != NULL)
        keep_balancers(now, next);
    health_change(next->balancers, next->balancer_count);
    named = names_change(&next->names, next->backends, next->backend_count);
    next->site.forward.product = change->product;
    exchange_use_site(&next->site);
    change_fronts(next);
    tls_commit(&next->tls);
    listening_commit(next);
    if (now != NULL)
        drop_rest(now, next);
    return named;
}
