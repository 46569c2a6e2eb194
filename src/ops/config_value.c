/* Messages about a configuration, and the values of its words. */
#include "base/addr.h"
#include "ops/config_explain.h"

#define MESSAGE 512
#define SHOWN 120

struct text conf_shown(struct text t)
{
    return text_first(t, SHOWN);
}

/* A word in a message: bounded, and no byte of it can forge another message. */
static void put_word(struct textbuf *b, struct text word)
{
    textbuf_putc(b, '\'');
    log_escape(b, conf_shown(word));
    textbuf_putz(b, word.len > SHOWN ? "...': " : "': ");
}

static void say(struct conf_reader *reader, bool error, struct text word, const char *format, va_list args)
{
    char storage[MESSAGE];
    struct textbuf b;

    if (reader->errors >= CONFIG_CONF_ERRORS)
        return;
    conf_find_line(reader);
    textbuf_init(&b, storage, sizeof(storage));
    textbuf_put(&b, text_first(text_of(reader->place.file), SHOWN));
    if (reader->place.line > 0)
        textbuf_printf(&b, ":%" PRIu32, reader->place.line);
    textbuf_put(&b, TEXT(": "));
    if (reader->directive.len > 0) {
        textbuf_put(&b, reader->directive);
        textbuf_put(&b, TEXT(": "));
    }
    if (word.ptr != NULL)
        put_word(&b, word);
    textbuf_vprintf(&b, format, args);
    if (error)
        reader->errors++;
    else
        reader->config->warnings++;
    reader->report(reader->user, error, conf_explained(reader, word, textbuf_text(&b)));
    if (error && reader->errors == CONFIG_CONF_ERRORS)
        reader->report(reader->user, true, TEXT("too many errors: no more are looked for (CONFIG_CONF_ERRORS)"));
}

void conf_error(struct conf_reader *reader, struct text word, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(reader, true, word, format, args);
    va_end(args);
}

void conf_warn(struct conf_reader *reader, struct text word, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(reader, false, word, format, args);
    va_end(args);
}

bool conf_store(struct conf_reader *reader, struct text word, struct text *stored)
{
    struct config *config = reader->config;
    size_t room = sizeof(config->text) - config->text_used;
    char *at = config->text + config->text_used;

    if (word.len >= room) {
        if (!reader->text_full)
            conf_error(reader, word, "no room for more words: raise CONFIG_CONF_TEXT (now %d bytes)", CONFIG_CONF_TEXT);
        reader->text_full = true;
        return false;
    }
    if (word.len > 0)
        memcpy(at, word.ptr, word.len);
    at[word.len] = '\0';
    config->text_used += (uint32_t)word.len + 1;
    *stored = text_make(at, word.len);
    return true;
}

bool conf_number(struct conf_reader *reader, struct text word, uint64_t min, uint64_t max, const char *capacity,
                 uint64_t *value)
{
    if (text_to_u64(word, max, value) && *value >= min)
        return true;
    conf_error(reader, word, "expected a number from %" PRIu64 " to %" PRIu64 "%s%s", min, max,
               capacity != NULL ? "; a larger one needs a larger " : "", capacity != NULL ? capacity : "");
    return false;
}

/* What a unit of time is in milliseconds; 0: no unit. httpd takes "mi" for minutes. */
static uint32_t unit_of(struct text unit, uint32_t none)
{
    static const struct {
        struct text name;
        uint32_t ms;
    } units[] = {
        {TEXT_INIT("ms"), 1},      {TEXT_INIT("s"), 1000},   {TEXT_INIT("sec"), 1000},
        {TEXT_INIT("min"), 60000}, {TEXT_INIT("mi"), 60000}, {TEXT_INIT("h"), 3600000},
    };

    if (unit.len == 0)
        return none;
    for (size_t i = 0; i < ARRAY_SIZE(units); i++)
        if (text_eq_nocase(unit, units[i].name))
            return units[i].ms;
    return 0;
}

bool conf_time(struct conf_reader *reader, struct text word, uint32_t unit_ms, uint32_t *ms)
{
    const uint64_t max = INT32_MAX; /* more than half of the clock's range could not be told from the past */
    size_t digits = 0;
    uint64_t value = 0;
    uint32_t unit;

    while (digits < word.len && text_is_digit(word.ptr[digits]))
        digits++;
    unit = unit_of(text_skip(word, digits), unit_ms);
    if (unit == 0 || !text_to_u64(text_first(word, digits), max / unit, &value) || value == 0) {
        conf_error(reader, word, "expected a time from 1ms to 24 days: a number of %s, or one with ms, s, min or h",
                   unit_ms == 1 ? "milliseconds" : "seconds");
        return false;
    }
    *ms = (uint32_t)value * unit;
    return true;
}

bool conf_flag(struct conf_reader *reader, struct text word, bool *flag)
{
    bool on = text_eq_nocase(word, TEXT("On"));

    if (!on && !text_eq_nocase(word, TEXT("Off"))) {
        conf_error(reader, word, "expected On or Off");
        return false;
    }
    *flag = on;
    return true;
}

bool conf_port(struct conf_reader *reader, struct text word, struct text digits, uint16_t *port)
{
    uint64_t value = 0;

    if (!text_to_u64(digits, UINT16_MAX, &value) || value == 0) {
        conf_error(reader, word, "expected a port from 1 to 65535");
        return false;
    }
    *port = (uint16_t)value;
    return true;
}

bool conf_address(struct conf_reader *reader, struct text word, struct text part, uint16_t port, const char *what,
                  struct port_addr *addr)
{
    struct text host = part, digits = {NULL, 0};
    bool brackets = part.len > 0 && part.ptr[0] == '[';

    if (brackets) {
        host = text_skip(text_first(part, text_find(part, ']', 0)), 1);
        digits = text_skip(part, host.len + 2);
        if (text_find(part, ']', 0) == part.len)
            host.len = 0;
    } else if (text_find(part, '.', 0) < text_find(part, ':', 0)) {
        host = text_first(part, text_find(part, ':', 0));
        digits = text_skip(part, host.len);
    }
    if (!addr_parse(host, addr) || (digits.len > 0 && digits.ptr[0] != ':')) {
        conf_error(reader, word, "expected %s, perhaps with :port", what);
        return false;
    }
    if (digits.len > 0 && !conf_port(reader, word, text_skip(digits, 1), &port))
        return false;
    addr->port = port;
    return true;
}
