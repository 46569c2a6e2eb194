/* Sticky sessions. */
#include "proxy/sticky.h"

/* The route within a value. */
static struct text route_of(const struct balancer_settings *settings, struct text value)
{
    if (settings->separator == 0)
        return value;
    return text_skip(value, text_find(value, settings->separator, 0) + 1);
}

static bool begins_parameter(char c)
{
    return c == ';' || c == '?' || c == '&';
}

/* The value of a parameter anywhere in a path with its query. */
static struct text parameter_of(struct text path, struct text name)
{
    for (size_t at = 1; at + name.len < path.len; at++) {
        struct text value = text_skip(path, at + name.len + 1);
        size_t end = 0;

        if (!begins_parameter(path.ptr[at - 1]) || path.ptr[at + name.len] != '=' ||
            !text_starts(text_skip(path, at), name))
            continue;
        while (end < value.len && !begins_parameter(value.ptr[end]) && value.ptr[end] != '/')
            end++;
        return text_first(value, end);
    }
    return TEXT("");
}

/* The value of a cookie, RFC 6265 4.2.1; the first of a name counts. Names differ by case. */
static struct text cookie_of(struct head *head, struct text name)
{
    const struct section *section = &head->sections[0];
    const struct field *f = NULL;

    while ((f = head_find(head, section, FIELD_COOKIE, f)) != NULL) {
        struct text rest = field_value_of(head, f), pair;

        while (text_split(&rest, ';', &pair)) {
            pair = text_trim(pair);
            if (text_starts(pair, name) && pair.len > name.len && pair.ptr[name.len] == '=')
                return text_skip(pair, name.len + 1);
        }
    }
    return TEXT("");
}

struct text sticky_route(const struct balancer_settings *settings, struct head *head)
{
    struct text value = TEXT("");

    if (settings->parameter.len > 0)
        value = parameter_of(head_text(head, head->path), settings->parameter);
    if (value.len == 0 && settings->cookie.len > 0)
        value = cookie_of(head, settings->cookie);
    return route_of(settings, value);
}

bool sticky_set(const struct balancer_settings *settings, struct head *head, struct text route, struct text path)
{
    char storage[512];
    struct textbuf b;

    textbuf_init(&b, storage, sizeof(storage));
    textbuf_put(&b, settings->set_cookie);
    textbuf_putc(&b, '=');
    if (settings->separator != 0)
        textbuf_putc(&b, settings->separator);
    textbuf_put(&b, route);
    textbuf_put(&b, TEXT("; Path="));
    textbuf_put(&b, text_find(path, ';', 0) < path.len ? TEXT("/") : path);
    textbuf_put(&b, TEXT("; HttpOnly"));
    return b.full || head_add_id(head, FIELD_SET_COOKIE, textbuf_text(&b)); /* a path that long has no cookie */
}
