/* Reverse mapping of URLs, links and cookies in responses. */
#include "proxy/reverse_map.h"

#include "base/addr.h"
#include "http/uri.h"
#include "proxy/forward.h"

/* A URL in a response, as far as mapping must know it. */
struct url {
    bool has_host;
    bool has_scheme; /* else it is "//host/path", of whatever scheme the client uses */
    bool tls;
    struct authority authority;
    struct text path; /* with query and fragment */
};

static uint16_t port_of(const struct authority *authority, bool tls)
{
    return authority->has_port ? authority->port : tls ? 443 : 80;
}

static bool ends_path(char c)
{
    return c == '/' || c == '?' || c == '#';
}

/* Splits "host:port/path". */
static bool split_host(struct text rest, struct authority *authority, struct text *path)
{
    size_t end = 0;

    while (end < rest.len && !ends_path(rest.ptr[end]))
        end++;
    *path = text_skip(rest, end);
    return uri_authority(text_first(rest, end), authority);
}

static bool split_scheme(struct text url, bool *tls, struct text *rest)
{
    static const struct {
        struct text prefix;
        bool tls;
    } schemes[] = {
        {TEXT_INIT("http://"), false},
        {TEXT_INIT("https://"), true},
        {TEXT_INIT("h2c://"), false},
        {TEXT_INIT("h2://"), true},
    };

    for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
        if (!text_starts_nocase(url, schemes[i].prefix))
            continue;
        *tls = schemes[i].tls;
        *rest = text_skip(url, schemes[i].prefix.len);
        return true;
    }
    return false;
}

bool reverse_map_parse(struct reverse_map *map)
{
    struct authority authority;
    struct text rest;

    map->host = text_make(NULL, 0);
    map->path = map->real;
    if (text_find(map->real, '?', 0) < map->real.len || text_find(map->real, '#', 0) < map->real.len)
        return false;
    if (map->real.len > 0 && map->real.ptr[0] == '/')
        return true;
    if (!split_scheme(map->real, &map->tls, &rest) || !split_host(rest, &authority, &map->path))
        return false;
    map->host = authority.host;
    map->port = port_of(&authority, map->tls);
    return true;
}

/* False for what is not mapped: relative to the request's path, other schemes, malformed. */
static bool split_url(struct text t, struct url *url)
{
    struct text rest;

    *url = (struct url){.path = t};
    if (text_starts(t, TEXT("//"))) {
        url->has_host = true;
        return split_host(text_skip(t, 2), &url->authority, &url->path);
    }
    if (t.len > 0 && t.ptr[0] == '/')
        return true;
    url->has_host = url->has_scheme = true;
    return split_scheme(t, &url->tls, &rest) && split_host(rest, &url->authority, &url->path);
}

/* Whether `path` lies under a prefix on a segment border; *rest is what comes behind the prefix. */
static bool path_under(struct text prefix, struct text path, struct text *rest)
{
    /* The path of a URL without one is "/" (RFC 9110 4.2.3). */
    if (text_eq(prefix, TEXT("/")) && (path.len == 0 || path.ptr[0] != '/'))
        prefix.len = 0;
    if (!text_starts(path, prefix))
        return false;
    *rest = text_skip(path, prefix.len);
    return rest->len == 0 || ends_path(rest->ptr[0]) || prefix.len == 0 || prefix.ptr[prefix.len - 1] == '/';
}

/* ours + rest with exactly one slash between them. */
static void put_joined(struct textbuf *out, struct text ours, struct text rest)
{
    bool slash = ours.len > 0 && ours.ptr[ours.len - 1] == '/';

    textbuf_put(out, ours);
    if (slash && rest.len > 0 && rest.ptr[0] == '/')
        rest = text_skip(rest, 1);
    else if (!slash && rest.len > 0 && !ends_path(rest.ptr[0]))
        textbuf_putc(out, '/');
    textbuf_put(out, rest);
}

/* Scheme and authority by which the client knows us. */
static void put_front(const struct forward_context *context, struct textbuf *out)
{
    textbuf_putz(out, context->client_tls ? "https://" : "http://");
    if (context->client_authority.len > 0) {
        textbuf_put(out, context->client_authority);
    } else if (context->settings->server_name.len > 0) {
        textbuf_put(out, context->settings->server_name);
    } else if (context->local.family == PORT_UNIX) {
        textbuf_put(out, TEXT("localhost"));
    } else {
        addr_put(out, &context->local, true);
        if (context->local.port != (context->client_tls ? 443 : 80)) {
            textbuf_putc(out, ':');
            textbuf_put_u64(out, context->local.port);
        }
    }
}

static bool same_host(const struct authority *a, bool a_tls, struct text host, uint16_t port)
{
    return port_of(a, a_tls) == port && text_eq_nocase(a->host, host);
}

/* Whether the URL's host is that of a text "host[:port]". */
static bool is_authority(const struct url *url, struct text t, bool tls)
{
    struct authority authority;

    return t.len > 0 && uri_authority(t, &authority) &&
           same_host(&url->authority, url->has_scheme ? url->tls : tls, authority.host, port_of(&authority, tls));
}

static bool is_front(const struct forward_context *context, const struct url *url)
{
    /* A backend behind ProxyPreserveHost knows the name, but not whether the client came over TLS. */
    return is_authority(url, context->client_authority, context->client_tls) ||
           (url->has_scheme && !url->authority.has_port && is_authority(url, context->client_authority, url->tls));
}

static bool backend_tls(const struct forward_context *context)
{
    return text_eq(context->backend_scheme, TEXT("https"));
}

/* Whether a map speaks of the backend that gave this response. */
static bool is_of_backend(const struct forward_context *context, const struct reverse_map *map)
{
    struct authority authority;

    return uri_authority(context->backend_authority, &authority) &&
           same_host(&authority, backend_tls(context), map->host, map->port);
}

/* Whether the URL names the host that the map stands for. *knows_us: by the front's name (or by no name at all), so
   that its path may be ours already. */
static bool host_fits(const struct forward_context *context, const struct reverse_map *map, const struct url *url,
                      bool *knows_us)
{
    bool ours = !url->has_host || (context->settings->preserve_host && is_front(context, url));

    *knows_us = false;
    if (url->has_host && map->host.len > 0 && (!url->has_scheme || url->tls == map->tls) &&
        same_host(&url->authority, map->tls, map->host, map->port))
        return true;
    *knows_us = true;
    if (map->host.len == 0)
        return ours || is_front(context, url) || is_authority(url, context->backend_authority, backend_tls(context));
    return ours && is_of_backend(context, map);
}

static bool map_url(const struct forward_context *context, const struct reverse_map *map, const struct url *url,
                    struct textbuf *out)
{
    struct text rest, beyond;
    bool knows_us;

    if (!path_under(map->path, url->path, &rest) || !host_fits(context, map, url, &knows_us))
        return false;
    /* A backend that knows where it hangs already wrote our path: mapping it again would double the prefix. */
    if (knows_us && map->ours.len >= map->path.len && path_under(map->ours, url->path, &beyond))
        return false;
    if (url->has_host)
        put_front(context, out);
    put_joined(out, map->ours, rest);
    return true;
}

bool reverse_map_location(const struct forward_context *context, struct text url, struct textbuf *out)
{
    const struct forward_settings *settings = context->settings;
    struct url parts;

    if (!split_url(url, &parts))
        return false;
    for (unsigned i = 0; i < settings->map_count; i++)
        if (settings->maps[i].kind == REVERSE_LOCATION && map_url(context, &settings->maps[i], &parts, out))
            return true;
    return false;
}

/* Index behind the quoted string that begins at `at`. */
static size_t skip_quoted(struct text value, size_t at)
{
    for (at++; at < value.len && value.ptr[at] != '"'; at++)
        if (value.ptr[at] == '\\' && at + 1 < value.len)
            at++;
    return min_size(at + 1, value.len);
}

bool reverse_map_link(const struct forward_context *context, struct text value, struct textbuf *out)
{
    bool changed = false;
    size_t done = 0, at = 0;

    while (at < value.len) {
        size_t end;

        if (value.ptr[at] == '"') {
            at = skip_quoted(value, at);
            continue;
        }
        if (value.ptr[at++] != '<')
            continue;
        end = text_find(value, '>', at);
        textbuf_put(out, text_make(value.ptr + done, at - done));
        done = at;
        if (end < value.len && reverse_map_location(context, text_make(value.ptr + at, end - at), out)) {
            changed = true;
            done = end;
        }
        at = end;
    }
    textbuf_put(out, text_skip(value, done));
    return changed;
}

/* The first cookie map of a kind whose internal value is the start of `value`; NULL: none. */
static const struct reverse_map *find_cookie_map(const struct forward_settings *settings, enum reverse_kind kind,
                                                 struct text value)
{
    for (unsigned i = 0; i < settings->map_count; i++) {
        const struct reverse_map *map = &settings->maps[i];

        if (map->kind != kind)
            continue;
        if (kind == REVERSE_COOKIE_PATH ? text_starts(value, map->real) : text_starts_nocase(value, map->real))
            return map;
        /* A leading dot of a domain means nothing (RFC 6265 5.2.3). */
        if (kind == REVERSE_COOKIE_DOMAIN && value.len > 0 && value.ptr[0] == '.' &&
            text_starts_nocase(text_skip(value, 1), map->real))
            return map;
    }
    return NULL;
}

bool reverse_map_cookie(const struct forward_context *context, struct text value, struct textbuf *out)
{
    struct text rest = value, part;
    bool changed = false, first = true;

    while (text_split(&rest, ';', &part)) {
        struct text name = text_first(part, text_find(part, '=', 0));
        struct text setting = text_trim(text_skip(part, name.len + 1));
        const struct reverse_map *map = NULL;

        if (!first) {
            textbuf_putc(out, ';');
            if (text_eq_nocase(text_trim(name), TEXT("Path")))
                map = find_cookie_map(context->settings, REVERSE_COOKIE_PATH, setting);
            else if (text_eq_nocase(text_trim(name), TEXT("Domain")))
                map = find_cookie_map(context->settings, REVERSE_COOKIE_DOMAIN, setting);
        }
        /* The first part is the cookie itself, whatever its name is. */
        first = false;
        if (map == NULL) {
            textbuf_put(out, part);
            continue;
        }
        changed = true;
        textbuf_put(out, name);
        textbuf_putc(out, '=');
        textbuf_put(out, map->ours);
    }
    return changed;
}
