/* What stays the same from one configuration to the next. */
#include "ops/config_reader.h"

bool config_same_backend(const struct backend_settings *a, const struct backend_settings *b)
{
    return a->tls == b->tls && a->port == b->port && text_eq(a->name, b->name) && text_eq(a->authority, b->authority) &&
           text_eq(a->host, b->host) && conf_keys_same(a, b);
}

static bool same_settings(const struct balancer_settings *a, const struct balancer_settings *b)
{
    return text_eq_nocase(a->name, b->name) && a->method == b->method && a->no_failover == b->no_failover &&
           a->force_recovery == b->force_recovery && a->attempts == b->attempts && a->fails == b->fails &&
           text_eq(a->cookie, b->cookie) && text_eq(a->parameter, b->parameter) && a->separator == b->separator &&
           text_eq(a->set_cookie, b->set_cookie) && a->status_count == b->status_count &&
           memcmp(a->statuses, b->statuses, a->status_count * sizeof(a->statuses[0])) == 0;
}

static bool same_member(const struct member *x, const struct member *y)
{
    const struct member_settings *a = &x->settings, *b = &y->settings;

    return x->backend == y->backend && text_eq(a->path, b->path) && text_eq(a->route, b->route) &&
           a->factor == b->factor && a->set == b->set && a->flags == b->flags && a->retry_ms == b->retry_ms &&
           a->slow_ms == b->slow_ms && a->check == b->check && a->passes == b->passes && a->fails == b->fails &&
           a->check_interval_ms == b->check_interval_ms && a->check_timeout_ms == b->check_timeout_ms &&
           text_eq(a->check_path, b->check_path);
}

bool config_same_balancer(const struct balancer *a, const struct balancer *b)
{
    if (a->count != b->count || !same_settings(&a->settings, &b->settings))
        return false;
    for (unsigned i = 0; i < a->count; i++)
        if (!same_member(&a->members[i], &b->members[i]))
            return false;
    return true;
}
