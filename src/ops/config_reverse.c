/* The directives ProxyPassReverse, ProxyPassReverseCookiePath and ProxyPassReverseCookieDomain. */
#include "ops/config_balancer.h"

static void add_map(struct conf_reader *reader, enum reverse_kind kind, struct text ours, struct text real)
{
    struct forward_settings *forward = &reader->config->site.forward;
    struct reverse_map *map = &forward->maps[forward->map_count];

    if (forward->map_count == CONFIG_REVERSE_MAPS) {
        conf_error(reader, ours, "expected at most %d ProxyPassReverse lines: raise CONFIG_REVERSE_MAPS",
                   CONFIG_REVERSE_MAPS);
        return;
    }
    map->kind = (uint8_t)kind;
    if (!conf_store(reader, ours, &map->ours) || !conf_store(reader, real, &map->real))
        return;
    if (IS_ENABLED(CONFIG_REVERSE_MAP) && kind == REVERSE_LOCATION && !reverse_map_parse(map)) {
        conf_error(reader, real, "expected a path, or http://, https://, h2c:// or h2:// with HOST[:PORT][/PATH]");
        return;
    }
    forward->map_count++;
}

static bool check_path(struct conf_reader *reader, struct text word)
{
    if (word.len > 0 && word.ptr[0] == '/')
        return true;
    conf_error(reader, word, "expected a path that begins with /");
    return false;
}

/* A value that would end its cookie attribute (RFC 6265 4.1.1). */
static bool check_attribute(struct conf_reader *reader, struct text word)
{
    if (word.len > 0 && text_find(word, ';', 0) == word.len)
        return true;
    conf_error(reader, word, "expected a value of a cookie's attribute: not empty, without a semicolon");
    return false;
}

CONF_APPLY(conf_apply_reverse)
{
    struct text path;

    (void)self, (void)count;
    if (!check_path(reader, words[0]))
        return;
    if (!text_starts_nocase(words[1], TEXT(CONF_BALANCER_SCHEME)))
        add_map(reader, REVERSE_LOCATION, words[0], words[1]);
    else if (conf_balancer(reader, words[1], &path) != NULL)
        add_map(reader, REVERSE_BALANCER, words[0], words[1]);
}

CONF_APPLY(conf_apply_cookie_path)
{
    (void)self, (void)count;
    if (check_path(reader, words[0]) && check_path(reader, words[1]) && check_attribute(reader, words[1]))
        add_map(reader, REVERSE_COOKIE_PATH, words[1], words[0]);
}

CONF_APPLY(conf_apply_cookie_domain)
{
    (void)self, (void)count;
    if (check_attribute(reader, words[0]) && check_attribute(reader, words[1]))
        add_map(reader, REVERSE_COOKIE_DOMAIN, words[1], words[0]);
}
