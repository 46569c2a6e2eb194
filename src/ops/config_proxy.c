/* The ProxyPass directive: routes, and the backends that they lead to. */
#include "base/addr.h"
#include "ops/config_balancer.h"
#include "ops/config_reader.h"

#define EXPECTED_URL "expected h2c:// or h2://HOST[:PORT][/PATH]"

/* What ProxyPass says about its backend. */
struct target {
    struct text scheme; /* "h2c" or "h2" */
    bool tls;           /* h2 */
    struct text socket; /* path of its unix socket; empty: TCP */
    struct text host;   /* as written, IPv6 with brackets */
    uint16_t port;
    struct text path;
};

static bool check_path(struct conf_reader *reader, struct text word, struct text path)
{
    if (path.len > 0 && path.ptr[0] == '/' && text_find(path, '?', 0) == path.len &&
        text_find(path, '#', 0) == path.len)
        return true;
    conf_error(reader, word, "expected a path: / first, neither ? nor #");
    return false;
}

static bool take_scheme(struct conf_reader *reader, struct text url, struct target *target)
{
    target->tls = text_starts_nocase(url, TEXT("h2://"));
    target->scheme = target->tls ? TEXT("h2") : TEXT("h2c");
    if (text_starts_nocase(url, TEXT("h2c://")) || (target->tls && IS_ENABLED(CONFIG_TLS)))
        return true;
    if (target->tls)
        conf_error(reader, url, EXPECTED_URL ": this build has no TLS for h2:// (CONFIG_TLS is off)");
    else if (text_starts_nocase(url, TEXT("http://")) || text_starts_nocase(url, TEXT("https://")))
        conf_error(reader, url, EXPECTED_URL ": backends are spoken to in HTTP/2 only");
    else
        conf_error(reader, url, EXPECTED_URL);
    return false;
}

static bool parse_url(struct conf_reader *reader, struct text url, struct target *target)
{
    struct text rest, name;
    struct authority authority;

    if (text_starts_nocase(url, CONF_UNIX)) {
        size_t bar = text_find(url, '|', 0);

        if (bar == url.len) {
            conf_error(reader, url, "expected unix:/PATH|h2c:// or h2://HOST[:PORT][/PATH]");
            return false;
        }
        target->socket = text_skip(text_first(url, bar), CONF_UNIX.len);
        url = text_skip(url, bar + 1);
    }
    if (!take_scheme(reader, url, target))
        return false;
    rest = text_skip(url, target->scheme.len + 3);
    name = text_first(rest, min_size(text_find(rest, '/', 0), text_find(rest, '?', 0)));
    target->path = text_skip(rest, name.len);
    if (!uri_authority(name, &authority) || (authority.has_port && authority.port == 0)) {
        conf_error(reader, url, EXPECTED_URL ": the host or port is wrong");
        return false;
    }
    target->host = authority.host;
    target->port = authority.has_port ? authority.port : uri_default_port(target->scheme);
    if (target->path.len > 0 &&
        (!uri_origin_form(target->path) || text_find(target->path, '?', 0) < target->path.len)) {
        conf_error(reader, url, EXPECTED_URL ": the path has a byte that must be percent-encoded, or a query");
        return false;
    }
    return true;
}

/* "::1", "10.0.0.1" or a name; brackets are taken off. Names that look like an address, but are none, are refused. */
static bool parse_host(struct conf_reader *reader, struct text word, struct text *host, struct port_addr *addr)
{
    struct text label = *host;

    if (host->ptr[0] == '[')
        *host = text_make(host->ptr + 1, host->len - 2);
    addr->family = PORT_NONE;
    if (addr_parse(*host, addr)) {
        if (addr->family == PORT_IPV6 && !IS_ENABLED(CONFIG_IPV6))
            conf_error(reader, word, "expected an IPv4 address: this build has no IPv6 (CONFIG_IPV6 is off)");
        return addr->family == PORT_IPV4 || IS_ENABLED(CONFIG_IPV6);
    }
    while (text_find(label, '.', 0) < label.len)
        label = text_skip(label, text_find(label, '.', 0) + 1);
    if (label.len > 0 && text_is_digit(label.ptr[label.len - 1]) && text_is_digit(label.ptr[0])) {
        conf_error(reader, word, EXPECTED_URL ": the host is neither a name nor an address");
        return false;
    }
    if (!IS_ENABLED(CONFIG_RESOLVE))
        conf_error(reader, word, "expected an address: this build does not look up names (CONFIG_RESOLVE is off)");
    return IS_ENABLED(CONFIG_RESOLVE);
}

/* Stores the lower-cased host, and the name "host[:port]" (the default port is left out, as in a Host field). */
static bool store_names(struct conf_reader *reader, const struct target *target, struct text host,
                        struct backend_settings *settings)
{
    char storage[BACKEND_NAME_MAX];
    struct textbuf b;
    struct text stored;

    textbuf_init(&b, storage, sizeof(storage));
    textbuf_put(&b, target->host);
    if (target->port != uri_default_port(target->scheme)) {
        textbuf_putc(&b, ':');
        textbuf_put_u64(&b, target->port);
    }
    if (b.full) {
        conf_error(reader, target->host, "expected a shorter host name");
        return false;
    }
    for (size_t i = 0; i < b.len; i++)
        storage[i] = text_lower(storage[i]);
    if (!conf_store(reader, textbuf_text(&b), &settings->authority))
        return false;
    settings->name = settings->authority;
    /* The host alone with its own NUL, for the resolver. */
    if (!conf_store(reader, text_make(storage + (host.ptr - target->host.ptr), host.len), &stored))
        return false;
    settings->host = stored;
    return true;
}

/* The backend's one address is a unix socket, by which the log line names it. */
static bool use_socket(struct conf_reader *reader, struct text word, struct text path,
                       struct backend_settings *settings)
{
    char storage[PORT_PATH_MAX + 8];
    struct textbuf b;

    if (!conf_unix(reader, word, path, &settings->addrs[0]))
        return false;
    settings->addr_count = 1;
    textbuf_init(&b, storage, sizeof(storage));
    addr_put(&b, &settings->addrs[0], false);
    return conf_store(reader, textbuf_text(&b), &settings->name);
}

/* Whether a backend stands at the target's socket, or, without one, at no socket. */
static bool same_socket(const struct backend_settings *settings, const struct target *target)
{
    bool is_unix = settings->addr_count > 0 && settings->addrs[0].family == PORT_UNIX;

    if (!is_unix || target->socket.ptr == NULL)
        return is_unix == (target->socket.ptr != NULL);
    return text_eq(text_of(settings->addrs[0].path), target->socket);
}

static struct backend *add_backend(struct conf_reader *reader, struct text word,
                                   const struct backend_settings *settings)
{
    struct config *config = reader->config;
    struct backend *backend = config->backend_count < CONFIG_BACKENDS ? backend_take() : NULL;

    if (backend == NULL) {
        conf_error(reader, word, "expected at most %d backends: raise CONFIG_BACKENDS", CONFIG_BACKENDS);
        return NULL;
    }
    backend->settings = *settings;
    reader->backends[config->backend_count] = reader->place;
    config->backends[config->backend_count++] = backend;
    return backend;
}

static struct backend *new_backend(struct conf_reader *reader, struct text word, const struct target *target,
                                   const struct conf_keys *keys)
{
    struct backend_settings settings = {.scheme = target->scheme, .tls = target->tls, .port = target->port};
    struct text host = target->host;
    struct port_addr addr;

    if (target->socket.ptr == NULL && !parse_host(reader, word, &host, &addr))
        return NULL;
    if (!store_names(reader, target, host, &settings))
        return NULL;
    if (target->socket.ptr != NULL) {
        if (!use_socket(reader, word, target->socket, &settings))
            return NULL;
    } else if (addr.family != PORT_NONE) {
        addr.port = target->port;
        settings.addrs[settings.addr_count++] = addr;
    }
    conf_keys_default(&settings);
    conf_keys_apply(keys, &settings);
    return add_backend(reader, word, &settings);
}

static struct backend *find_backend(struct config *config, const struct target *target)
{
    struct text host = target->host;

    if (host.ptr[0] == '[')
        host = text_make(host.ptr + 1, host.len - 2);
    for (unsigned i = 0; i < config->backend_count; i++) {
        struct backend_settings *settings = &config->backends[i]->settings;

        if (settings->tls == target->tls && settings->port == target->port && same_socket(settings, target) &&
            text_eq_nocase(settings->host, host))
            return config->backends[i];
    }
    return NULL;
}

/* A backend has one set of connections: two lines cannot want it in two ways. */
static bool check_keys(struct conf_reader *reader, struct text word, const struct backend *backend,
                       const struct conf_keys *keys)
{
    const struct conf_place *first = reader->backends;
    struct text key;

    if (conf_keys_agree(keys, &backend->settings, &key))
        return true;
    for (struct backend **b = reader->config->backends; *b != backend; b++)
        first++;
    conf_error(reader, word, "expected the %.*s= of %s:%" PRIu32 ", where this backend is named first", TEXT_ARG(key),
               first->file, first->line);
    return false;
}

struct backend *conf_take_backend(struct conf_reader *reader, const struct text *words, unsigned count,
                                  const struct conf_names *more, struct text *path)
{
    struct target target = {.port = 0};
    struct conf_keys keys = {.given = 0};
    struct backend *backend;
    bool ok = parse_url(reader, words[0], &target);

    for (unsigned i = 1; i < count; i++)
        ok = conf_key(reader, words[i], &keys, more) && ok;
    if (!ok)
        return NULL;
    *path = target.path;
    backend = find_backend(reader->config, &target);
    if (backend == NULL)
        return new_backend(reader, words[0], &target, &keys);
    return check_keys(reader, words[0], backend, &keys) ? backend : NULL;
}

/* What a route leads to: a backend, or a balancer with its keys. */
static bool take_target(struct conf_reader *reader, const struct text *words, unsigned count, struct route *route)
{
    if (!text_starts_nocase(words[0], TEXT(CONF_BALANCER_SCHEME))) {
        route->backend = conf_take_backend(reader, words, count, CONF_NO_NAMES, &route->path);
        return route->backend != NULL;
    }
    route->balancer = conf_balancer(reader, words[0], &route->path);
    return route->balancer != NULL && conf_balancer_keys(reader, route->balancer, words + 1, count - 1);
}

CONF_APPLY(conf_apply_proxy_pass)
{
    struct route_table *table = &reader->config->site.routes;
    struct route route = {.line = reader->place.line};
    bool excluded = text_eq(words[1], TEXT("!"));

    (void)self;
    if (!excluded)
        reader->saw_backend = true;
    if (!check_path(reader, words[0], words[0]))
        return;
    if (excluded && count > 2) {
        conf_error(reader, words[2], "expected nothing behind !");
        return;
    }
    if (!excluded && !take_target(reader, words + 1, count - 1, &route))
        return;
    if (table->count == CONFIG_ROUTES) {
        conf_error(reader, words[0], "expected at most %d ProxyPass lines: raise CONFIG_ROUTES", CONFIG_ROUTES);
        return;
    }
    if (!conf_store(reader, words[0], &route.prefix) || !conf_store(reader, route.path, &route.path))
        return;
    reader->routes[table->count] = reader->place;
    table->routes[table->count++] = route;
}
