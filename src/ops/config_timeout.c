/* The RequestReadTimeout directive, in httpd's syntax: handshake=10 header=20-40,MinRate=500 body=20,MinRate=500 */
#include "ops/config_reader.h"

/* The longest of these times, in seconds: 24 days. */
#define SECONDS_MAX (INT32_MAX / 1000)

enum phase { HANDSHAKE, HEADER, BODY };

static bool parse_seconds(struct text digits, uint32_t *ms)
{
    uint64_t seconds;

    if (!text_to_u64(digits, SECONDS_MAX, &seconds))
        return false;
    *ms = (uint32_t)seconds * 1000;
    return true;
}

/* "20-40,MinRate=500" */
static const char *parse_timeout(struct text value, struct front_read_timeout *out)
{
    struct text times = text_first(value, text_find(value, ',', 0)), option = text_skip(value, times.len);
    struct text initial = text_first(times, text_find(times, '-', 0)), max = text_skip(times, initial.len);
    uint64_t rate = 0;

    *out = (struct front_read_timeout){0, 0, 0};
    if (!parse_seconds(initial, &out->initial_ms))
        return "expected a number of seconds behind the =";
    if (max.len > 0 && !parse_seconds(text_skip(max, 1), &out->max_ms))
        return "expected a number of seconds behind the -";
    if (option.len > 0) {
        if (!text_starts_nocase(option, TEXT(",MinRate=")))
            return "expected MinRate= behind the comma";
        if (!text_to_u64(text_skip(option, 9), INT32_MAX, &rate) || rate == 0)
            return "expected MinRate=BYTES in a second, 1 at least";
    }
    out->rate = (uint32_t)rate;
    if (max.len > 0 && rate == 0)
        return "expected MinRate= beside a range of seconds";
    if (out->max_ms > 0 && out->initial_ms >= out->max_ms)
        return "expected a second number of seconds that is larger than the first";
    return NULL;
}

CONF_APPLY(conf_apply_read_timeout)
{
    static const struct text keys[] = {
        [HANDSHAKE] = TEXT_INIT("handshake"), [HEADER] = TEXT_INIT("header"), [BODY] = TEXT_INIT("body")};

    for (unsigned i = 0; i < count; i++) {
        size_t equals = text_find(words[i], '=', 0);
        struct text key = text_first(words[i], equals);
        struct front_read_timeout timeout;
        const char *fault;
        size_t which;

        if (equals == words[i].len || !conf_find(key, CONF_NAMES(keys), &which)) {
            conf_error_near(reader, words[i], key, CONF_NAMES(keys), self->usage);
            continue;
        }
        fault = parse_timeout(text_skip(words[i], equals + 1), &timeout);
        if (fault != NULL)
            conf_error(reader, words[i], "%s", fault);
        else if (which == HEADER)
            reader->config->front.head = timeout;
        else if (which == HANDSHAKE)
            reader->config->front.handshake_ms = timeout.initial_ms; /* no rate: a handshake is short */
        else
            reader->config->front.body = timeout;
    }
}
