/* The BalancerMember directive: a backend with its place in a balancer. */
#include "ops/config_balancer.h"

typedef bool parse_fn(struct conf_reader *reader, struct text word, struct text value,
                      struct member_settings *settings);

/* 1 to 100, with at most two decimals. */
static bool parse_factor(struct conf_reader *reader, struct text word, struct text value,
                         struct member_settings *settings)
{
    struct text whole = text_first(value, text_find(value, '.', 0));
    struct text decimals = text_skip(value, whole.len + 1);
    uint64_t units = 0, hundredths = 0;
    bool ok = text_to_u64(whole, 100, &units);

    if (decimals.len > 0)
        ok = ok && decimals.len <= 2 && text_to_u64(decimals, 99, &hundredths);
    if (decimals.len == 1)
        hundredths *= 10;
    settings->factor = (uint32_t)(units * 100 + hundredths);
    if (ok && units >= 1 && settings->factor <= 10000)
        return true;
    conf_error(reader, word, "expected a number from 1 to 100, perhaps with two decimals");
    return false;
}

static bool parse_route(struct conf_reader *reader, struct text word, struct text value,
                        struct member_settings *settings)
{
    if (!text_is_token(value) || value.len > 64) {
        conf_error(reader, word, "expected a route of at most 64 bytes: a token");
        return false;
    }
    return conf_store(reader, value, &settings->route);
}

static bool parse_u8(struct conf_reader *reader, struct text value, uint8_t min, uint8_t max, uint8_t *to)
{
    uint64_t number;

    if (!conf_number(reader, value, min, max, NULL, &number))
        return false;
    *to = (uint8_t)number;
    return true;
}

static bool parse_set(struct conf_reader *reader, struct text word, struct text value, struct member_settings *settings)
{
    (void)word;
    return parse_u8(reader, value, 0, 99, &settings->set);
}

/* httpd's letters, with + or - before them. Two of them only health itself can set. */
static bool parse_status(struct conf_reader *reader, struct text word, struct text value,
                         struct member_settings *settings)
{
    static const struct {
        char letter;
        uint8_t flag;
    } letters[] = {{'d', MEMBER_OFF},   {'s', MEMBER_OFF},      {'h', MEMBER_STANDBY},
                   {'r', MEMBER_SPARE}, {'n', MEMBER_DRAINING}, {'i', MEMBER_STEADY}};
    bool set = true;

    for (size_t i = 0; i < value.len; i++) {
        char c = text_lower(value.ptr[i]);
        size_t k = 0;

        if (c == '+' || c == '-') {
            set = c == '+';
            continue;
        }
        while (k < ARRAY_SIZE(letters) && letters[k].letter != c)
            k++;
        if (k == ARRAY_SIZE(letters)) {
            conf_error(reader, word, "expected letters of D, S, H, R, N and I, with + or -%s",
                       c == 'e' || c == 'c' ? ": E and C come and go by themselves" : "");
            return false;
        }
        settings->flags = (uint8_t)(set ? settings->flags | letters[k].flag : settings->flags & ~letters[k].flag);
    }
    return true;
}

static bool parse_time(struct conf_reader *reader, struct text value, uint32_t *ms)
{
    *ms = 0;
    return text_eq(value, TEXT("0")) || conf_time(reader, value, 1000, ms);
}

static bool parse_retry(struct conf_reader *reader, struct text word, struct text value,
                        struct member_settings *settings)
{
    (void)word;
    return parse_time(reader, value, &settings->retry_ms);
}

static bool parse_slow(struct conf_reader *reader, struct text word, struct text value,
                       struct member_settings *settings)
{
    (void)word;
    return parse_time(reader, value, &settings->slow_ms);
}

static bool parse_method(struct conf_reader *reader, struct text word, struct text value,
                         struct member_settings *settings)
{
    static const struct text names[] = {
        [CHECK_NONE] = TEXT_INIT("None"),       [CHECK_HEAD] = TEXT_INIT("HEAD"), [CHECK_GET] = TEXT_INIT("GET"),
        [CHECK_OPTIONS] = TEXT_INIT("OPTIONS"), [CHECK_PING] = TEXT_INIT("PING"),
    };
    size_t i;

    if (!conf_choice(reader, word, value, CONF_NAMES(names), "HEAD, GET, OPTIONS, PING or None", &i))
        return false;
    settings->check = (uint8_t)i;
    return true;
}

static bool parse_uri(struct conf_reader *reader, struct text word, struct text value, struct member_settings *settings)
{
    if (value.len == 0 || value.ptr[0] != '/' || !uri_origin_form(value)) {
        conf_error(reader, word, "expected a path that begins with /");
        return false;
    }
    settings->check_path = value; /* stored with the member's path */
    return true;
}

static bool parse_interval(struct conf_reader *reader, struct text word, struct text value,
                           struct member_settings *settings)
{
    (void)word;
    return conf_time(reader, value, 1000, &settings->check_interval_ms);
}

static bool parse_timeout(struct conf_reader *reader, struct text word, struct text value,
                          struct member_settings *settings)
{
    (void)word;
    return conf_time(reader, value, 1000, &settings->check_timeout_ms);
}

static bool parse_passes(struct conf_reader *reader, struct text word, struct text value,
                         struct member_settings *settings)
{
    (void)word;
    return parse_u8(reader, value, 1, 100, &settings->passes);
}

static bool parse_fails(struct conf_reader *reader, struct text word, struct text value,
                        struct member_settings *settings)
{
    (void)word;
    return parse_u8(reader, value, 1, 100, &settings->fails);
}

static const struct {
    struct text name;
    parse_fn *parse;
} keys[] = {
    {TEXT_INIT("loadfactor"), parse_factor},   {TEXT_INIT("route"), parse_route},
    {TEXT_INIT("lbset"), parse_set},           {TEXT_INIT("status"), parse_status},
    {TEXT_INIT("retry"), parse_retry},         {TEXT_INIT("slowstart"), parse_slow},
    {TEXT_INIT("hcmethod"), parse_method},     {TEXT_INIT("hcuri"), parse_uri},
    {TEXT_INIT("hcinterval"), parse_interval}, {TEXT_INIT("hctimeout"), parse_timeout},
    {TEXT_INIT("hcpasses"), parse_passes},     {TEXT_INIT("hcfails"), parse_fails},
};

/* Takes the member's own words; the others, which are the backend's, stay in `words`. False: reported. */
static bool take_keys(struct conf_reader *reader, struct text *words, unsigned *count, struct member_settings *settings)
{
    unsigned kept = 0;
    bool ok = true;

    for (unsigned i = 0; i < *count; i++) {
        size_t equals = text_find(words[i], '=', 0), k;

        if (conf_find(text_first(words[i], equals), CONF_NAMES(keys), &k))
            ok = keys[k].parse(reader, words[i], text_skip(words[i], equals + 1), settings) && ok;
        else
            words[kept++] = words[i];
    }
    *count = kept;
    return ok;
}

/* Stores the member's path without the slash at its end, and the path of its checks: that, and hcuri= behind it. */
static bool store_paths(struct conf_reader *reader, struct text path, struct member_settings *settings)
{
    char storage[1024];
    struct textbuf b;

    if (path.len > 0 && path.ptr[path.len - 1] == '/')
        path.len--;
    textbuf_init(&b, storage, sizeof(storage));
    textbuf_put(&b, path);
    textbuf_put(&b, settings->check_path.len > 0 || path.len > 0 ? settings->check_path : TEXT("/"));
    if (b.full) {
        conf_error(reader, path, "expected a shorter path");
        return false;
    }
    return conf_store(reader, path, &settings->path) && conf_store(reader, textbuf_text(&b), &settings->check_path);
}

static void add(struct conf_reader *reader, struct balancer *balancer, const struct text *line, unsigned count)
{
    struct text words[CONF_WORDS], path;
    struct member member = {.settings = {.factor = 100,
                                         .retry_ms = CONFIG_RETRY_S * 1000U,
                                         .passes = 1,
                                         .fails = 1,
                                         .check_interval_ms = CONFIG_CHECK_INTERVAL_S * 1000U,
                                         .check_timeout_ms = CONFIG_CHECK_TIMEOUT_S * 1000U}};
    unsigned own = count - 1;

    memcpy(words, line, count * sizeof(*words));
    if (!take_keys(reader, words + 1, &own, &member.settings))
        return;
    member.backend = conf_take_backend(reader, words, own + 1, CONF_NAMES(keys), &path);
    if (member.backend == NULL || !store_paths(reader, path, &member.settings))
        return;
    for (unsigned i = 0; i < balancer->count; i++) {
        if (balancer->members[i].backend == member.backend) {
            conf_error(reader, words[0], "expected another HOST:PORT: this one is a member already");
            return;
        }
    }
    if (balancer->count == CONFIG_BALANCER_MEMBERS) {
        conf_error(reader, words[0], "expected at most %d members of a balancer: raise CONFIG_BALANCER_MEMBERS",
                   CONFIG_BALANCER_MEMBERS);
        return;
    }
    balancer->members[balancer->count++] = member;
}

CONF_APPLY(conf_apply_member)
{
    struct balancer *balancer = reader->section;
    struct text path;

    if (balancer == NULL) {
        if (count < 2) {
            conf_error(reader, CONF_NO_WORD, "expected %s", self->usage);
            return;
        }
        balancer = conf_balancer(reader, words[0], &path);
        words++;
        count--;
    }
    if (balancer != NULL)
        add(reader, balancer, words, count);
}
