/* KEY=VALUE words about a backend: one table for all lines that may name one. */
#include "ops/config_print.h"

enum key_kind {
    KEY_NUMBER,
    KEY_SECONDS, /* a time; a bare number is seconds, as in httpd */
    KEY_MS,      /* a time; a bare number is milliseconds, as in httpd */
};

struct key {
    struct text name;
    size_t field;       /* offset of an uint32_t in struct backend_settings */
    uint32_t min, max;  /* of a number; a time is 1 ms at least, or 0 when min is 0 */
    uint32_t otherwise; /* its value when it is not given */
    enum key_kind kind;
    const char *capacity; /* CONFIG_ option that bounds max; NULL: none */
};

#define NUMBER(name, field, min, max, otherwise, capacity)                                                             \
    {                                                                                                                  \
        TEXT_INIT(name), offsetof(struct backend_settings, field), min, max, otherwise, KEY_NUMBER, capacity           \
    }
#define SECONDS(name, field, min, otherwise)                                                                           \
    {                                                                                                                  \
        TEXT_INIT(name), offsetof(struct backend_settings, field), min, 0, otherwise, KEY_SECONDS, NULL                \
    }
#define MS(name, field, min, otherwise)                                                                                \
    {                                                                                                                  \
        TEXT_INIT(name), offsetof(struct backend_settings, field), min, 0, otherwise, KEY_MS, NULL                     \
    }

static const struct key keys[] = {
    NUMBER("max", max, 1, CONFIG_BACKEND_CONNS, 1, "CONFIG_BACKEND_CONNS"),
    SECONDS("connectiontimeout", connect_ms, 1, CONFIG_CONNECT_TIMEOUT_S * 1000),
    SECONDS("timeout", timeout_ms, 1, 0), /* 0: settled when all lines are read */
    SECONDS("responsetimeout", first_ms, 0, 0),
    SECONDS("requesttimeout", whole_ms, 0, 0),
    MS("acquire", queue_ms, 1, CONFIG_QUEUE_TIMEOUT_MS),
    NUMBER("maxqueue", queue_most, 0, UINT32_MAX, CONFIG_QUEUE_MOST, NULL),
    NUMBER("retries", retries, 0, 100, CONFIG_RETRIES, NULL),
    SECONDS("settingstimeout", settings_ms, 1, CONFIG_SETTINGS_TIMEOUT_S * 1000),
    SECONDS("ping", ping_ms, 0, CONFIG_PING_S * 1000),
    SECONDS("pingtimeout", lost_ms, 0, CONFIG_PING_LOST_S * 1000),
    SECONDS("ttl", idle_ms, 0, CONFIG_BACKEND_IDLE_S * 1000),
    SECONDS("maxage", age_ms, 0, 0),
    NUMBER("maxrequests", requests_most, 0, UINT32_MAX, 0, NULL),
};
static_assert(ARRAY_SIZE(keys) <= 32, "a key has a bit in conf_keys.given");

static uint32_t *value_of(struct backend_settings *settings, const struct key *key)
{
    return (uint32_t *)(void *)((char *)settings + key->field);
}

static uint32_t value_in(const struct backend_settings *settings, const struct key *key)
{
    return *(const uint32_t *)(const void *)((const char *)settings + key->field);
}

static bool parse_value(struct conf_reader *reader, const struct key *key, struct text word, uint32_t *value)
{
    uint64_t number;

    if (key->kind != KEY_NUMBER) {
        *value = 0;
        if (key->min == 0 && text_eq(word, TEXT("0")))
            return true;
        return conf_time(reader, word, key->kind == KEY_MS ? 1 : 1000, value);
    }
    if (!conf_number(reader, word, key->min, key->max, key->capacity, &number))
        return false;
    *value = (uint32_t)number;
    return true;
}

/* What httpd's workers have beyond these, and known configurations set: nothing here depends on it. The path is always
   passed on as it came, which is what nocanon asks for. */
static bool is_ignored(struct text word, struct text name)
{
    static const struct text names[] = {
        TEXT_INIT("min"),          TEXT_INIT("smax"),      TEXT_INIT("retry"),        TEXT_INIT("keepalive"),
        TEXT_INIT("flushpackets"), TEXT_INIT("flushwait"), TEXT_INIT("iobuffersize"), TEXT_INIT("receivebuffersize"),
        TEXT_INIT("enablereuse"),
    };
    size_t i;

    return text_eq_nocase(word, TEXT("nocanon")) || (name.len < word.len && conf_find(name, CONF_NAMES(names), &i));
}

bool conf_key(struct conf_reader *reader, struct text word, struct conf_keys *out, const struct conf_names *more)
{
    size_t equals = text_find(word, '=', 0);
    struct text name = text_first(word, equals), value = text_skip(word, equals + 1);
    size_t i;

    if (is_ignored(word, name))
        return true;
    if (!conf_find(name, CONF_NAMES(keys), &i)) {
        conf_error_key(reader, word, more, CONF_NAMES(keys));
        return false;
    }
    out->given |= 1U << i;
    return parse_value(reader, &keys[i], value, value_of(&out->values, &keys[i]));
}

void conf_keys_default(struct backend_settings *settings)
{
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        *value_of(settings, &keys[i]) = keys[i].otherwise;
}

void conf_keys_apply(const struct conf_keys *from, struct backend_settings *settings)
{
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        if (from->given & (1U << i))
            *value_of(settings, &keys[i]) = value_in(&from->values, &keys[i]);
}

bool conf_keys_agree(const struct conf_keys *later, const struct backend_settings *settings, struct text *differs)
{
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        if ((later->given & (1U << i)) == 0 || value_in(&later->values, &keys[i]) == value_in(settings, &keys[i]))
            continue;
        *differs = keys[i].name;
        return false;
    }
    return true;
}

void conf_put_backend_keys(struct conf_printer *out, const struct backend_settings *settings)
{
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        uint32_t value = value_in(settings, &keys[i]);

        if (keys[i].kind == KEY_NUMBER)
            conf_put_number_key(out, keys[i].name.ptr, value);
        else
            conf_put_time_key(out, keys[i].name.ptr, value);
    }
}

bool conf_keys_same(const struct backend_settings *a, const struct backend_settings *b)
{
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        if (value_in(a, &keys[i]) != value_in(b, &keys[i]))
            return false;
    return true;
}
