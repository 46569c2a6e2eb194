/* Finds the route of a path. */
#include "proxy/route.h"

/* 0..15, or 16 for a byte that is no HEXDIG. */
static unsigned hex_value(char c)
{
    if (text_is_digit(c))
        return (unsigned)(c - '0');
    c = text_lower(c);
    return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 16;
}

/* The byte at *i with its percent-encoding undone, so that "/%61pp" is "/app" as for httpd and for the backend; *i goes
   behind it. *slash: it is a border of segments. An encoded slash is one only when `lenient`: otherwise it is a part of
   a segment that no prefix has (-1). */
static int next_byte(struct text t, size_t *i, bool lenient, bool *slash)
{
    int c = (unsigned char)t.ptr[*i];

    *slash = c == '/';
    if (c == '%' && t.len - *i > 2 && hex_value(t.ptr[*i + 1]) < 16 && hex_value(t.ptr[*i + 2]) < 16) {
        c = (int)(hex_value(t.ptr[*i + 1]) * 16 + hex_value(t.ptr[*i + 2]));
        *i += 2;
        *slash = c == '/' && lenient;
        if (c == '/' && !lenient)
            c = -1;
    }
    ++*i;
    return c;
}

/* Index behind the run of slashes at i. */
static size_t skip_slashes(struct text t, size_t i, bool lenient)
{
    while (i < t.len) {
        size_t next = i;
        bool slash;

        next_byte(t, &next, lenient, &slash);
        if (!slash)
            break;
        i = next;
    }
    return i;
}

/* Index behind the parameters of a segment (";x") at i: servers of servlets cut them off. */
static size_t skip_parameters(struct text t, size_t i)
{
    size_t next = i;
    bool slash;

    if (i == t.len || next_byte(t, &next, true, &slash) != ';')
        return i;
    while (i < t.len) {
        next = i;
        next_byte(t, &next, true, &slash);
        if (slash)
            break;
        i = next;
    }
    return i;
}

/* Index of the path's next byte that counts, behind a byte that matched; `border`: that was a slash. */
static size_t skip_path(struct text path, size_t i, bool border, bool lenient)
{
    size_t before;

    if (border)
        i = skip_slashes(path, i, lenient);
    if (!lenient)
        return i;
    /* A segment that has nothing but parameters joins the slashes around it. */
    do {
        before = i;
        i = skip_parameters(path, i);
        if (border)
            i = skip_slashes(path, i, lenient);
    } while (i != before);
    return i;
}

static size_t match(struct text prefix, struct text path, bool lenient)
{
    size_t p = 0, u = 0, next;
    bool border = false, slash;

    while (p < prefix.len && u < path.len) {
        int c = next_byte(prefix, &p, true, &border);

        if (c != next_byte(path, &u, lenient, &slash))
            return 0;
        if (border)
            p = skip_slashes(prefix, p, true);
        u = skip_path(path, u, border, lenient);
    }
    if (p < prefix.len || prefix.len == 0)
        return 0;
    /* The last segment of the prefix matched as a whole. */
    next = u;
    if (!border && u < path.len && (next_byte(path, &next, lenient, &slash), !slash))
        return 0;
    return u;
}

size_t route_match(struct text prefix, struct text path)
{
    return match(prefix, path, false);
}

static bool excludes(const struct route *route)
{
    return route->backend == NULL && route->balancer == NULL;
}

const struct route *route_find(const struct route_table *table, struct text path, size_t *matched)
{
    /* OPTIONS * is for the server as a whole: it goes where "/" goes. */
    if (text_eq(path, TEXT("*")))
        path = TEXT("/");
    for (unsigned i = 0; i < table->count; i++) {
        const struct route *route = &table->routes[i];

        /* A backend may take an encoded slash for a slash, and cut off parameters: no way around an exclusion. */
        *matched = match(route->prefix, path, excludes(route));
        if (*matched > 0)
            return excludes(route) ? NULL : route;
    }
    return NULL;
}

const struct route *route_hidden_by(const struct route_table *table, unsigned index)
{
    struct text path = table->routes[index].prefix;

    /* What matches the later prefix begins with it, so the earlier one matches all of that or, by its last segment,
     * none. */
    for (unsigned i = 0; i < index; i++)
        if (route_match(table->routes[i].prefix, path) > 0)
            return &table->routes[i];
    return NULL;
}
