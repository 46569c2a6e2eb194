/* The end of a configuration: what depends on several lines is settled and checked, and host names are looked up. */
#include "ops/config_balancer.h"
#include "proxy/backend_addrs.h"

static void settle_times(struct conf_reader *reader)
{
    struct config *config = reader->config;
    uint32_t timeout_ms = reader->proxy_timeout_ms > 0 ? reader->proxy_timeout_ms : config->front.timeout_ms;

    for (unsigned i = 0; i < config->backend_count; i++)
        if (config->backends[i]->settings.timeout_ms == 0)
            config->backends[i]->settings.timeout_ms = timeout_ms;
    if (!reader->keepalive)
        config->front.keepalive_max = 1;
}

/* The same bound as that of the defaults in config_check.h. */
static void check_sizes(struct conf_reader *reader)
{
    const struct h1_limits *limits = &reader->config->front.limits;

    if ((uint64_t)limits->line + limits->field + 512 <= CONFIG_REQUEST_HEAD)
        return;
    reader->place.line = reader->limits.line;
    reader->place.file = reader->limits.file;
    conf_error(reader, CONF_NO_WORD,
               "expected LimitRequestLine and LimitRequestFieldSize of %d bytes together at most, not %" PRIu64
               ": raise CONFIG_REQUEST_HEAD",
               CONFIG_REQUEST_HEAD - 512, (uint64_t)limits->line + limits->field);
}

static void warn_hidden(struct conf_reader *reader)
{
    const struct route_table *table = &reader->config->site.routes;

    for (unsigned i = 0; i < table->count; i++) {
        const struct route *by = route_hidden_by(table, i);
        const struct conf_place *place;

        if (by == NULL)
            continue;
        place = &reader->routes[by - table->routes];
        reader->place = reader->routes[i];
        reader->directive = TEXT("ProxyPass");
        conf_warn(reader, table->routes[i].prefix, "unreachable: it is hidden by '%.*s' of %s:%" PRIu32,
                  TEXT_ARG(conf_shown(by->prefix)), place->file, place->line);
    }
}

static void warn_connections(struct conf_reader *reader)
{
    const struct config *config = reader->config;
    uint32_t sum = 0;

    for (unsigned i = 0; i < config->backend_count; i++)
        sum += config->backends[i]->settings.max;
    if (sum > CONFIG_BACKEND_CONNS)
        conf_warn(reader, CONF_NO_WORD,
                  "the max= of all backends together are %" PRIu32 " connections, but there is room for %d "
                  "(CONFIG_BACKEND_CONNS)",
                  sum, CONFIG_BACKEND_CONNS);
}

/* Addresses that this build can connect to come first; the others are dropped. */
static unsigned usable(struct port_addr *addrs, unsigned count)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < count; i++)
        if (addrs[i].family == PORT_IPV4 || IS_ENABLED(CONFIG_IPV6))
            addrs[kept++] = addrs[i];
    return kept;
}

static unsigned look_up(struct backend_settings *settings)
{
    unsigned count;

    if (!IS_ENABLED(CONFIG_RESOLVE))
        return 0;
    count = usable(settings->addrs,
                   port_resolve(settings->host.ptr, settings->port, settings->addrs, CONFIG_BACKEND_ADDRS));
    backend_addrs_order(settings->addrs, count);
    return count;
}

/* While a configuration runs nothing may block: what its backends have of the same name is taken. */
static unsigned look_up_running(const struct config *running, struct backend_settings *settings)
{
    for (unsigned i = 0; i < running->backend_count; i++) {
        const struct backend_settings *known = &running->backends[i]->settings;

        if (!text_eq(known->host, settings->host) || known->addrs[0].family == PORT_UNIX)
            continue;
        memcpy(settings->addrs, known->addrs, sizeof(settings->addrs));
        for (unsigned k = 0; k < known->addr_count; k++)
            settings->addrs[k].port = settings->port;
        return known->addr_count;
    }
    return 0;
}

static void resolve(struct conf_reader *reader)
{
    struct config *config = reader->config;

    for (unsigned i = 0; i < config->backend_count; i++) {
        struct backend_settings *settings = &config->backends[i]->settings;

        if (settings->addr_count > 0)
            continue;
        settings->addr_count =
            (uint8_t)(reader->running ? look_up_running(reader->running, settings) : look_up(settings));
        if (settings->addr_count > 0)
            continue;
        reader->place = reader->backends[i];
        reader->directive = TEXT("ProxyPass");
        conf_error(reader, settings->host, "%s",
                   reader->running ? "expected an address, or a name that is in use: this build looks names up at the "
                                     "start only (CONFIG_CARES is off)"
                                   : "expected a host that is known: the look-up gave no address");
    }
}

void conf_check(struct conf_reader *reader)
{
    struct conf_place whole = {reader->place.file, 0};

    reader->directive = TEXT("");
    settle_times(reader);
    conf_balancers_check(reader);
    check_sizes(reader);
    conf_check_protocols(reader);
    reader->directive = TEXT("");
    reader->place = whole;
    if (!reader->saw_listen)
        conf_error(reader, CONF_NO_WORD, "expected one Listen at least");
    if (!reader->saw_backend)
        conf_error(reader, CONF_NO_WORD, "expected one ProxyPass to a backend at least");
    conf_check_tls(reader);
    conf_check_logs(reader);
    warn_connections(reader);
    warn_hidden(reader);
    conf_settle_proxy(reader);
    /* Looking up may take long, so only for a configuration that is good otherwise. */
    if (reader->errors == 0 && !IS_ENABLED(CONFIG_CARES))
        resolve(reader);
}
