/* Parses the formats of LogFormat. */
#include "proxy/log_format.h"

#include "proxy/log_time.h"

/* The least room of a value of any length: for the sign that it was cut. */
#define LEAST 2

#define EXPECTED_TOKEN                                                                                                 \
    "%%, %a, %A, %b, %B, %D, %h, %H, %l, %m, %p, %P, %q, %r, %s, %t, %T, %u, %U, %v, %V, %{FIELD}i, %{FIELD}o, "       \
    "%{NOTE}n, %{TIME}t, %{UNIT}T or %{WHOSE}p"
#define EXPECTED_NOTE                                                                                                  \
    "a note: proxy-source-port, proxy-status, proxy-stream-id, proxy-retry, proxy-error, proxy-backend, proxy-end or " \
    "proxy-line"

struct parser {
    struct log_format *format;
    struct log_fault *fault;
    size_t at;    /* of the format's text: what is read next */
    size_t begin; /* where the token begins that is being read */
};

/* A token: its letter, what may stand in braces before it, and the most bytes of its value (0: as many as there are).
 */
static const struct token {
    char letter;
    uint8_t token;
    uint8_t most;
    struct text argument;
} tokens[] = {
    {'a', LOG_CLIENT, 45, {NULL, 0}},
    {'A', LOG_LOCAL, 45, {NULL, 0}},
    {'b', LOG_BYTES_CLF, 10, {NULL, 0}},
    {'B', LOG_BYTES, 10, {NULL, 0}},
    {'D', LOG_US, 10, {NULL, 0}},
    {'h', LOG_CLIENT, 45, {NULL, 0}},
    {'H', LOG_PROTOCOL, 8, {NULL, 0}},
    {'l', LOG_NONE, 1, {NULL, 0}},
    {'m', LOG_METHOD, 0, {NULL, 0}},
    {'p', LOG_PORT, 5, {NULL, 0}},
    {'p', LOG_PORT, 5, TEXT_INIT("canonical")},
    {'p', LOG_PORT, 5, TEXT_INIT("local")},
    {'p', LOG_PEER_PORT, 5, TEXT_INIT("remote")},
    {'P', LOG_PROCESS, 10, {NULL, 0}},
    {'P', LOG_PROCESS, 10, TEXT_INIT("pid")},
    {'q', LOG_QUERY, 0, {NULL, 0}},
    {'r', LOG_REQUEST, 0, {NULL, 0}},
    {'s', LOG_STATUS, 3, {NULL, 0}},
    {'t', LOG_TIME, LOG_TIME_MOST, {NULL, 0}},
    {'T', LOG_SECONDS, 10, {NULL, 0}},
    {'T', LOG_SECONDS, 10, TEXT_INIT("s")},
    {'T', LOG_MS, 10, TEXT_INIT("ms")},
    {'T', LOG_US, 10, TEXT_INIT("us")},
    {'u', LOG_NONE, 1, {NULL, 0}},
    {'U', LOG_PATH, 0, {NULL, 0}},
    {'v', LOG_SERVER, 0, {NULL, 0}},
    {'V', LOG_HOST, 0, {NULL, 0}},
    {'n', LOG_BACK_PORT, 5, TEXT_INIT("proxy-source-port")},
    {'n', LOG_BACK_STATUS, 3, TEXT_INIT("proxy-status")},
    {'n', LOG_BACK_STREAM, 10, TEXT_INIT("proxy-stream-id")},
    {'n', LOG_BACK_NAME, 0, TEXT_INIT("proxy-backend")},
    {'n', LOG_RETRY, 0, TEXT_INIT("proxy-retry")},
    {'n', LOG_END, 2, TEXT_INIT("proxy-end")},
    {'n', LOG_ERROR_WORD, 0, TEXT_INIT("proxy-error")},
    {'n', LOG_COMPACT, 0, TEXT_INIT("proxy-line")},
};

static bool refuse(struct parser *p, const char *expected)
{
    size_t len = p->at > p->begin ? p->at - p->begin : 1;

    p->fault->at = text_first(text_skip(p->format->text, p->begin), len);
    p->fault->expected = expected;
    return false;
}

static struct log_part *add(struct parser *p, enum log_token token)
{
    struct log_format *format = p->format;
    struct log_part *part;

    if (format->part_count == CONFIG_LOG_PARTS) {
        (void)refuse(p, "fewer parts in a format: raise CONFIG_LOG_PARTS");
        return NULL;
    }
    part = &format->parts[format->part_count++];
    *part = (struct log_part){.token = (uint8_t)token};
    return part;
}

/* The text [from, to), joined with the part before when that is text and ends there. */
static bool add_text(struct parser *p, size_t from, size_t to)
{
    struct log_format *format = p->format;
    struct log_part *last = format->part_count > 0 ? &format->parts[format->part_count - 1] : NULL;

    if (from == to)
        return true;
    if (last && last->token == LOG_TEXT && last->text.at + last->text.len == (int)from) {
        last->text.len = (uint16_t)(last->text.len + to - from);
        return true;
    }
    last = add(p, LOG_TEXT);
    if (last)
        last->text = (struct span){(uint16_t)from, (uint16_t)(to - from)};
    return last != NULL;
}

static char peek(const struct parser *p)
{
    if (p->at == p->format->text.len)
        return '\0';
    return p->format->text.ptr[p->at];
}

/* "!400,501": three digits each. */
static bool take_statuses(struct parser *p, struct span *only, bool *unless)
{
    size_t from, digits = 0;

    *unless = peek(p) == '!';
    p->at += *unless;
    from = p->at;
    while (text_is_digit(peek(p)) || (digits == 3 && peek(p) == ',')) {
        digits = peek(p) == ',' ? 0 : digits + 1;
        p->at++;
        if (digits > 3)
            break;
    }
    *only = (struct span){(uint16_t)from, (uint16_t)(p->at - from)};
    return (digits == 0 && only->len == 0 && !*unless) || digits == 3 ||
           refuse(p, "statuses of three digits, such as %400,501{User-Agent}i or %!200s");
}

/* "{...}", perhaps. */
static bool take_argument(struct parser *p, struct span *argument)
{
    struct text text = p->format->text;
    size_t end;

    *argument = (struct span){0, 0};
    if (peek(p) != '{')
        return true;
    end = text_find(text, '}', p->at);
    *argument = (struct span){(uint16_t)(p->at + 1), (uint16_t)(end - p->at - 1)};
    p->at = min_size(end + 1, text.len);
    return (end < text.len && argument->len > 0) || refuse(p, "a name in braces");
}

static struct text text_at(const struct parser *p, struct span span)
{
    return text_first(text_skip(p->format->text, span.at), span.len);
}

static bool take_field(struct parser *p, struct span name, bool response, struct log_part *part)
{
    struct log_format *format = p->format;
    struct text field = text_at(p, name);
    unsigned i = 0;

    if (!text_is_token(field))
        return refuse(p, "the name of a field in braces, such as %{User-Agent}i");
    if (!response && text_eq_nocase(field, TEXT("Host"))) { /* HTTP/2 has it as :authority */
        part->token = LOG_HOST;
        return true;
    }
    while (i < format->field_count &&
           (format->fields[i].response != response || !text_eq_nocase(text_at(p, format->fields[i].name), field)))
        i++;
    if (i == CONFIG_LOG_FIELDS)
        return refuse(p, "fewer fields in a format: raise CONFIG_LOG_FIELDS");
    if (i == format->field_count)
        format->fields[format->field_count++] = (struct log_field){name, response};
    part->token = LOG_FIELD;
    part->field = (uint8_t)i;
    return true;
}

static bool take_letter(struct parser *p, char letter, struct span braces, struct log_part *part)
{
    struct text argument = text_at(p, braces);
    bool known = false;

    if (letter == 'i' || letter == 'o')
        return take_field(p, braces, letter == 'o', part);
    for (size_t i = 0; i < ARRAY_SIZE(tokens); i++) {
        known = known || tokens[i].letter == letter;
        if (tokens[i].letter == letter && text_eq(tokens[i].argument, argument)) {
            part->token = tokens[i].token;
            return true;
        }
    }
    if (letter == 't') {
        part->token = LOG_TIME;
        part->text = braces;
        return log_time_ok(argument) ||
               refuse(p, "a time: sec, or %a %b %d %e %F %H %j %m %M %S %T %y %Y %z in braces");
    }
    if (letter == 'n')
        return refuse(p, EXPECTED_NOTE);
    return refuse(p, !known          ? EXPECTED_TOKEN
                     : letter == 'T' ? "a unit: s, ms or us"
                     : letter == 'p' ? "whose port: canonical, local or remote"
                                     : "nothing in braces before this letter");
}

/* What follows a percent sign. */
static bool take_token(struct parser *p)
{
    struct span only, braces;
    struct log_part *part;
    bool unless;
    char letter;

    if (peek(p) == '%') {
        p->at++;
        return add_text(p, p->at - 1, p->at);
    }
    if (!take_statuses(p, &only, &unless) || !take_argument(p, &braces))
        return false;
    if (peek(p) == '>' || peek(p) == '<') /* nothing is redirected internally: both are the same */
        p->at++;
    letter = peek(p);
    p->at = min_size(p->at + 1, p->format->text.len);
    part = add(p, LOG_NONE);
    if (!part)
        return false;
    part->only = only;
    part->unless = unless;
    return take_letter(p, letter, braces, part);
}

/* What follows a backslash. */
static bool take_escape(struct parser *p)
{
    if (peek(p) == 'n' || peek(p) == 'r') {
        p->at++;
        return refuse(p, "no end of a line within it");
    }
    if (peek(p) == 't') {
        p->at++;
        return add(p, LOG_TAB) != NULL;
    }
    if (peek(p) == '\\') {
        p->at++;
        return add_text(p, p->at - 1, p->at);
    }
    return add_text(p, p->begin, p->at); /* as in httpd it stands for itself */
}

/* The least bytes of a part. */
static unsigned least_of(const struct log_part *part)
{
    if (part->token == LOG_TEXT)
        return part->text.len;
    if (part->token == LOG_TAB)
        return 1;
    for (size_t i = 0; i < ARRAY_SIZE(tokens); i++)
        if (tokens[i].token == part->token)
            return tokens[i].most + LEAST;
    return LEAST;
}

static void settle_tails(struct log_format *format)
{
    unsigned tail = 0;

    for (unsigned i = format->part_count; i > 0; i--) {
        format->parts[i - 1].tail = (uint16_t)min_size(tail, UINT16_MAX);
        tail += least_of(&format->parts[i - 1]);
    }
}

static bool parse(struct parser *p)
{
    struct text text = p->format->text;

    while (p->at < text.len) {
        p->begin = p->at;
        switch (text.ptr[p->at++]) {
        case '%':
            if (!take_token(p))
                return false;
            break;
        case '\\':
            if (!take_escape(p))
                return false;
            break;
        default:
            if ((uint8_t)text.ptr[p->begin] < 0x20 || text.ptr[p->begin] == 0x7f)
                return refuse(p, "no control bytes: write \\t for a tab");
            if (!add_text(p, p->begin, p->at))
                return false;
        }
    }
    return p->format->part_count > 0 || refuse(p, "a format that is not empty");
}

bool log_format_parse(struct log_format *format, struct text text, struct log_fault *fault)
{
    struct parser p = {.format = format, .fault = fault};

    format->text = text_first(text, UINT16_MAX);
    format->part_count = 0;
    format->field_count = 0;
    if ((text.len > UINT16_MAX && !refuse(&p, "a shorter format")) || !parse(&p)) {
        format->part_count = 0;
        return false;
    }
    settle_tails(format);
    return true;
}
