/* The <Proxy> section and ProxySet: balancers, and what holds for all their members. */
#include "ops/config_balancer.h"

#define NAME_MAX 64
#define EXPECTED_URL "expected " CONF_BALANCER_SCHEME "NAME[/PATH], a name of letters, digits, . _ and -"

/* ---- names ---- */

static bool is_name(struct text name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = text_lower(name.ptr[i]);

        if (!text_is_digit(c) && (c < 'a' || c > 'z') && c != '.' && c != '_' && c != '-')
            return false;
    }
    return name.len > 0 && name.len <= NAME_MAX;
}

static struct balancer *find(struct config *config, struct text name)
{
    for (unsigned i = 0; i < config->balancer_count; i++)
        if (text_eq_nocase(config->balancers[i]->settings.name, name))
            return config->balancers[i];
    return NULL;
}

static struct balancer *make(struct conf_reader *reader, struct text url, struct text name)
{
    struct config *config = reader->config;
    struct balancer *balancer = config->balancer_count < CONFIG_BALANCERS ? balancer_take() : NULL;

    if (balancer == NULL) {
        conf_error(reader, url, "expected at most %d balancers: raise CONFIG_BALANCERS", CONFIG_BALANCERS);
        return NULL;
    }
    balancer->settings = (struct balancer_settings){
        .method = BALANCE_BYREQUESTS, .force_recovery = true, .fails = CONFIG_MEMBER_FAILS, .separator = '.'};
    reader->balancers[config->balancer_count] = reader->place;
    config->balancers[config->balancer_count++] = balancer;
    return conf_store(reader, name, &balancer->settings.name) ? balancer : NULL;
}

struct balancer *conf_balancer(struct conf_reader *reader, struct text url, struct text *path)
{
    size_t scheme = sizeof(CONF_BALANCER_SCHEME) - 1;
    struct text name = text_first(url, text_find(url, '/', scheme));
    struct balancer *balancer;

    *path = text_skip(url, name.len);
    if (!text_starts_nocase(url, TEXT(CONF_BALANCER_SCHEME)) || !is_name(text_skip(name, scheme)) ||
        (path->len > 0 && (!uri_origin_form(*path) || text_find(*path, '?', 0) < path->len))) {
        conf_error(reader, url, EXPECTED_URL);
        return NULL;
    }
    balancer = find(reader->config, name);
    return balancer != NULL ? balancer : make(reader, url, name);
}

/* ---- the section ---- */

bool conf_section_begin(struct conf_reader *reader, struct text name, struct text word)
{
    struct text url = text_trim(text_skip(word, 1 + name.len)), path;

    if (!text_eq_nocase(name, TEXT("Proxy")))
        return false;
    if (reader->section != NULL) {
        conf_error(reader, word, "expected the end of the section that is open: </Proxy>");
        return false;
    }
    if (url.len == 0 || url.ptr[url.len - 1] != '>') {
        conf_error(reader, word, "expected > at the end of the line");
        return false;
    }
    url = text_trim(text_first(url, url.len - 1));
    if (url.len >= 2 && (url.ptr[0] == '"' || url.ptr[0] == '\'') && url.ptr[url.len - 1] == url.ptr[0])
        url = text_make(url.ptr + 1, url.len - 2);
    reader->section = conf_balancer(reader, url, &path);
    reader->section_place = reader->place;
    if (reader->section != NULL && path.len > 0)
        conf_error(reader, url, "expected no path behind the balancer's name");
    return reader->section != NULL;
}

bool conf_section_end(struct conf_reader *reader, struct text name)
{
    if (reader->section == NULL || !text_eq_nocase(name, TEXT("Proxy")))
        return false;
    reader->section = NULL;
    return true;
}

/* ---- ProxySet ---- */

typedef bool parse_fn(struct conf_reader *reader, struct text word, struct text value,
                      struct balancer_settings *settings);

static bool parse_method(struct conf_reader *reader, struct text word, struct text value,
                         struct balancer_settings *settings)
{
    static const struct text names[] = {
        [BALANCE_BYREQUESTS] = TEXT_INIT("byrequests"),
        [BALANCE_BYBUSYNESS] = TEXT_INIT("bybusyness"),
    };
    size_t i;

    if (!conf_choice(reader, word, value, CONF_NAMES(names), "byrequests or bybusyness", &i))
        return false;
    settings->method = (uint8_t)i;
    return true;
}

/* COOKIE, or COOKIE|parameter as in httpd; a single name is meant for both. */
static bool parse_sticky(struct conf_reader *reader, struct text word, struct text value,
                         struct balancer_settings *settings)
{
    struct text cookie = text_first(value, text_find(value, '|', 0));
    struct text parameter = cookie.len < value.len ? text_skip(value, cookie.len + 1) : cookie;

    if (!text_is_token(cookie) || !text_is_token(parameter)) {
        conf_error(reader, word, "expected the name of a cookie, perhaps with | and the name of a parameter");
        return false;
    }
    return conf_store(reader, cookie, &settings->cookie) && conf_store(reader, parameter, &settings->parameter);
}

static bool parse_separator(struct conf_reader *reader, struct text word, struct text value,
                            struct balancer_settings *settings)
{
    bool off = text_eq_nocase(value, TEXT("Off"));

    if (!off && value.len != 1) {
        conf_error(reader, word, "expected one character, or Off");
        return false;
    }
    settings->separator = '\0';
    if (!off)
        settings->separator = value.ptr[0];
    return true;
}

static bool parse_cookie(struct conf_reader *reader, struct text word, struct text value,
                         struct balancer_settings *settings)
{
    if (!text_is_token(value) || value.len > NAME_MAX) {
        conf_error(reader, word, "expected the name of a cookie, of at most %d bytes", NAME_MAX);
        return false;
    }
    return conf_store(reader, value, &settings->set_cookie);
}

static bool parse_flag(struct conf_reader *reader, struct text value, bool *flag)
{
    return conf_flag(reader, value, flag);
}

static bool parse_nofailover(struct conf_reader *reader, struct text word, struct text value,
                             struct balancer_settings *settings)
{
    (void)word;
    return parse_flag(reader, value, &settings->no_failover);
}

static bool parse_recovery(struct conf_reader *reader, struct text word, struct text value,
                           struct balancer_settings *settings)
{
    (void)word;
    return parse_flag(reader, value, &settings->force_recovery);
}

/* A parameter behind ; is always looked for. */
static bool parse_delimiter(struct conf_reader *reader, struct text word, struct text value,
                            struct balancer_settings *settings)
{
    bool ignored;

    (void)word, (void)settings;
    return parse_flag(reader, value, &ignored);
}

static bool parse_attempts(struct conf_reader *reader, struct text word, struct text value,
                           struct balancer_settings *settings)
{
    uint64_t number;

    (void)word;
    if (!conf_number(reader, value, 1, CONFIG_BALANCER_MEMBERS, "CONFIG_BALANCER_MEMBERS", &number))
        return false;
    settings->attempts = (uint32_t)number;
    return true;
}

static bool parse_fails(struct conf_reader *reader, struct text word, struct text value,
                        struct balancer_settings *settings)
{
    uint64_t number;

    (void)word;
    if (!conf_number(reader, value, 0, 1000000, NULL, &number))
        return false;
    settings->fails = (uint32_t)number;
    return true;
}

static bool parse_statuses(struct conf_reader *reader, struct text word, struct text value,
                           struct balancer_settings *settings)
{
    struct text part;
    uint64_t status;

    settings->status_count = 0;
    while (text_split(&value, ',', &part)) {
        if (settings->status_count == BALANCER_STATUSES) {
            conf_error(reader, word, "expected at most %d statuses", BALANCER_STATUSES);
            return false;
        }
        if (!conf_number(reader, part, 200, 599, NULL, &status))
            return false;
        settings->statuses[settings->status_count++] = (uint16_t)status;
    }
    return true;
}

static const struct {
    struct text name;
    parse_fn *parse;
} keys[] = {
    {TEXT_INIT("lbmethod"), parse_method},
    {TEXT_INIT("stickysession"), parse_sticky},
    {TEXT_INIT("stickysessionsep"), parse_separator},
    {TEXT_INIT("scolonpathdelim"), parse_delimiter},
    {TEXT_INIT("stickycookie"), parse_cookie},
    {TEXT_INIT("nofailover"), parse_nofailover},
    {TEXT_INIT("maxattempts"), parse_attempts},
    {TEXT_INIT("maxfails"), parse_fails},
    {TEXT_INIT("failonstatus"), parse_statuses},
    {TEXT_INIT("forcerecovery"), parse_recovery},
};

static bool take_key(struct conf_reader *reader, struct balancer *balancer, struct text word)
{
    size_t equals = text_find(word, '=', 0);
    struct text name = text_first(word, equals), value = text_skip(word, equals + 1);
    size_t i;

    if (text_eq_nocase(word, TEXT("nocanon")))
        return true;
    if (conf_find(name, CONF_NAMES(keys), &i))
        return keys[i].parse(reader, word, value, &balancer->settings);
    conf_error_key(reader, word, CONF_NAMES(keys), CONF_NO_NAMES);
    return false;
}

bool conf_balancer_keys(struct conf_reader *reader, struct balancer *balancer, const struct text *words, unsigned count)
{
    bool ok = true;

    for (unsigned i = 0; i < count; i++)
        ok = take_key(reader, balancer, words[i]) && ok;
    return ok;
}

CONF_APPLY(conf_apply_proxy_set)
{
    struct balancer *balancer = reader->section;
    struct text path;

    (void)self;
    if (balancer == NULL) {
        balancer = conf_balancer(reader, words[0], &path);
        words++;
        count--;
    }
    if (balancer != NULL)
        conf_balancer_keys(reader, balancer, words, count);
}

/* ---- the end ---- */

/* What a ProxyPassReverse with a balancer's URL means for one member: a redirect to that. */
static bool member_map(struct conf_reader *reader, const struct member *member, struct text path,
                       struct reverse_map *map)
{
    char storage[1024];
    struct textbuf b;

    textbuf_init(&b, storage, sizeof(storage));
    textbuf_put(&b, member->backend->settings.scheme);
    textbuf_put(&b, TEXT("://"));
    textbuf_put(&b, member->backend->settings.authority);
    textbuf_put(&b, member->settings.path);
    textbuf_put(&b, path);
    map->kind = REVERSE_LOCATION;
    if (b.full || !conf_store(reader, textbuf_text(&b), &map->real))
        return false;
    return IS_ENABLED(CONFIG_REVERSE_MAP) && reverse_map_parse(map);
}

/* Puts maps for all members in the place of the one at *at, which goes behind them. */
static void expand_map(struct conf_reader *reader, uint16_t *at)
{
    struct forward_settings *forward = &reader->config->site.forward;
    struct reverse_map map = forward->maps[*at];
    struct text path;
    const struct balancer *balancer = conf_balancer(reader, map.real, &path);
    unsigned more = balancer != NULL && balancer->count > 0 ? balancer->count - 1U : 0;

    if (forward->map_count + more > CONFIG_REVERSE_MAPS) {
        conf_error(reader, map.real,
                   "expected at most %d ProxyPassReverse lines, one for each member: raise "
                   "CONFIG_REVERSE_MAPS",
                   CONFIG_REVERSE_MAPS);
        ++*at;
        return;
    }
    memmove(&forward->maps[*at + 1 + more], &forward->maps[*at + 1],
            (forward->map_count - *at - 1U) * sizeof(struct reverse_map));
    forward->map_count = (uint16_t)(forward->map_count + more);
    for (unsigned i = 0; balancer != NULL && i < balancer->count; i++) {
        forward->maps[*at + i] = map;
        if (!member_map(reader, &balancer->members[i], path, &forward->maps[*at + i]))
            conf_error(reader, map.real, "expected a shorter URL");
    }
    *at = (uint16_t)(*at + more + 1);
}

void conf_balancers_check(struct conf_reader *reader)
{
    struct config *config = reader->config;
    struct forward_settings *forward = &config->site.forward;

    reader->directive = TEXT("");
    if (reader->section != NULL) {
        reader->place = reader->section_place;
        conf_error(reader, CONF_NO_WORD, "expected </Proxy> behind this <Proxy>");
    }
    for (unsigned i = 0; i < config->balancer_count; i++) {
        struct balancer_settings *settings = &config->balancers[i]->settings;

        if (settings->cookie.len == 0)
            settings->cookie = settings->set_cookie;
        reader->place = reader->balancers[i];
        if (config->balancers[i]->count == 0)
            conf_error(reader, settings->name, "expected one BalancerMember at least for this balancer");
    }
    reader->directive = TEXT("ProxyPassReverse");
    for (uint16_t at = 0; at < forward->map_count;) {
        if (forward->maps[at].kind == REVERSE_BALANCER)
            expand_map(reader, &at);
        else
            at++;
    }
    reader->directive = TEXT("");
}
