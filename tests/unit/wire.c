/* Reads wire cases from their text form and plays them against the parser. */
#include "wire.h"

#include <string.h>

#include "guard.h"

/* ---- reading ---- */

static unsigned hex_digit(char c)
{
    return text_is_digit(c) ? (unsigned)(c - '0') : (unsigned)(text_lower(c) - 'a') + 10;
}

/* Undoes the escapes in t, without repetitions. False when one is unknown. */
static bool unescape(struct text t, struct textbuf *b)
{
    for (size_t i = 0; i < t.len; i++) {
        if (t.ptr[i] != '\\') {
            textbuf_putc(b, t.ptr[i]);
            continue;
        }
        if (++i == t.len)
            return false;
        switch (t.ptr[i]) {
        case 'r': textbuf_putc(b, '\r'); break;
        case 'n': textbuf_putc(b, '\n'); break;
        case 't': textbuf_putc(b, '\t'); break;
        case '0': textbuf_putc(b, '\0'); break;
        case '\\': textbuf_putc(b, '\\'); break;
        case 'x':
            if (t.len - i < 3)
                return false;
            textbuf_putc(b, (char)(hex_digit(t.ptr[i + 1]) << 4 | hex_digit(t.ptr[i + 2])));
            i += 2;
            break;
        default: return false;
        }
    }
    return true;
}

/* One input line: text with repetitions. */
static bool read_input(struct text t, struct textbuf *b)
{
    while (t.len > 0) {
        size_t at = 0, brace;
        struct text times;
        uint64_t n;

        while (at + 1 < t.len && !(t.ptr[at] == '\\' && t.ptr[at + 1] == '{'))
            at += t.ptr[at] == '\\' ? 2 : 1;
        if (at + 1 >= t.len)
            return unescape(t, b);
        if (!unescape(text_first(t, at), b))
            return false;
        brace = text_find(t, '}', at);
        times = text_first(text_skip(t, at + 2), brace - min_size(brace, at + 2));
        t = text_skip(t, brace + 1);
        at = text_find(times, ' ', 0);
        if (!text_to_u64(text_first(times, at), WIRE_INPUT_MAX, &n) || at == times.len)
            return false;
        for (; n > 0; n--)
            if (!unescape(text_skip(times, at + 1), b))
                return false;
    }
    return true;
}

/* ! line=N field=N fields=N */
static bool read_limits(struct text t, struct h1_limits *limits)
{
    struct text word;

    while (text_split(&t, ' ', &word)) {
        size_t equals = text_find(word, '=', 0);
        struct text name = text_first(word, equals);
        uint64_t value;

        if (!text_to_u64(text_skip(word, equals + 1), UINT32_MAX, &value))
            return false;
        if (text_eq(name, TEXT("line")))
            limits->line = (uint32_t)value;
        else if (text_eq(name, TEXT("field")))
            limits->field = (uint32_t)value;
        else if (text_eq(name, TEXT("fields")))
            limits->fields = (uint32_t)value;
        else
            return false;
    }
    return true;
}

const char *wire_next(struct text *rest, int *line, struct wire_case *c)
{
    struct textbuf input, events;
    bool commented = false;
    struct text t;

    textbuf_init(&input, c->input, sizeof(c->input));
    textbuf_init(&events, c->events, sizeof(c->events));
    c->limits =
        (struct h1_limits){CONFIG_LIMIT_REQUEST_LINE, CONFIG_LIMIT_REQUEST_FIELD_SIZE, CONFIG_LIMIT_REQUEST_FIELDS};
    while (rest->len > 0) {
        struct text before = *rest;
        struct text body;

        text_split(rest, '\n', &t);
        body = text_skip(t, 2);
        if (t.len > 0 && t.ptr[0] != '=' && events.len > 0) { /* the next case */
            *rest = before;
            break;
        }
        ++*line;
        if (t.len == 0)
            continue;
        if (t.len > 1 && t.ptr[1] != ' ')
            return "the second character of a line must be a space";
        switch (t.ptr[0]) {
        case '#': commented = true; break;
        case '!':
            if (!read_limits(body, &c->limits))
                return "bad limits";
            break;
        case '>':
            if (input.len == 0)
                c->line = *line;
            if (!read_input(body, &input))
                return "unknown escape";
            break;
        case '=':
            textbuf_put(&events, body);
            textbuf_putc(&events, '\n');
            break;
        default: return "a line must begin with one of # ! > =";
        }
    }
    c->input_len = input.len;
    c->events_len = events.len;
    if (input.full || events.full)
        return "the case is too long";
    if (events.len > 0)
        return input.len == 0 ? "events without input" : !commented ? "no comment says why" : NULL;
    return input.len > 0 ? "input without events" : "";
}

/* ---- playing ---- */

enum phase { IN_HEAD, IN_LENGTH, IN_CHUNKS, IN_TRAILERS };

struct player {
    const struct wire_case *c;
    struct textbuf *events;
    enum phase phase;
    size_t taken;    /* bytes of the input that messages have used */
    size_t head_len; /* bytes of storage that hold the head, as it was when it was interpreted */
    size_t section;  /* bytes behind `taken` that were copied to storage as head or trailer section */
    struct h1_parser parser;
    struct head head;
    struct h1_request request;
    struct h1_chunks chunks;
    size_t data_len;
    char data[61];
    char storage[UINT16_MAX];
};

static void put_escaped(struct textbuf *b, struct text t)
{
    for (size_t i = 0; i < t.len; i++) {
        unsigned char c = (unsigned char)t.ptr[i];

        if (c == '\\')
            textbuf_putz(b, "\\\\");
        else if (c >= 0x20 && c < 0x7f)
            textbuf_putc(b, (char)c);
        else if (c == '\r')
            textbuf_putz(b, "\\r");
        else if (c == '\n')
            textbuf_putz(b, "\\n");
        else if (c == '\t')
            textbuf_putz(b, "\\t");
        else if (c == 0)
            textbuf_putz(b, "\\0");
        else
            textbuf_printf(b, "\\x%02x", c);
    }
}

static void put_fields(struct player *p, const char *event, const struct section *section)
{
    HEAD_EACH(f, &p->head, section)
    {
        textbuf_putz(p->events, event);
        put_escaped(p->events, field_name_of(&p->head, f));
        textbuf_putz(p->events, ": ");
        put_escaped(p->events, field_value_of(&p->head, f));
        textbuf_putc(p->events, '\n');
    }
}

static void put_head(struct player *p, unsigned minor)
{
    static const char *const bodies[] = {[H1_BODY_NONE] = "none", [H1_BODY_CHUNKED] = "chunked"};
    struct textbuf *b = p->events;

    textbuf_putz(b, "head ");
    put_escaped(b, head_text(&p->head, p->head.method));
    textbuf_putc(b, ' ');
    put_escaped(b, head_text(&p->head, p->head.path));
    textbuf_printf(b, " HTTP/1.%u host=", minor);
    put_escaped(b, head_text(&p->head, p->head.authority));
    if (p->request.body == H1_BODY_LENGTH)
        textbuf_printf(b, " body=%llu", (unsigned long long)p->request.length);
    else
        textbuf_printf(b, " body=%s", bodies[p->request.body]);
    textbuf_putz(b, p->request.keep_alive ? " keep-alive" : " close");
    textbuf_putz(b, p->request.expect_continue ? " expect" : "");
    textbuf_putz(b, p->request.te_trailers ? " te-trailers" : "");
    textbuf_putz(b, p->request.absolute ? " absolute\n" : "\n");
    put_fields(p, "field ", &p->head.sections[0]);
}

static void put_data(struct player *p)
{
    if (p->data_len == 0)
        return;
    textbuf_putz(p->events, "data ");
    if (p->data_len <= 60)
        put_escaped(p->events, text_make(p->data, p->data_len));
    else
        textbuf_printf(p->events, "%zu bytes", p->data_len);
    textbuf_putc(p->events, '\n');
    p->data_len = 0;
}

static void take_data(struct player *p, struct text t)
{
    if (p->data_len < 60)
        memcpy(p->data + p->data_len, t.ptr, min_size(60 - p->data_len, t.len));
    p->data_len += t.len;
}

static void end_message(struct player *p)
{
    put_data(p);
    textbuf_putz(p->events, "end\n");
    p->phase = IN_HEAD;
    p->section = 0;
    p->parser = (struct h1_parser){0};
    head_clear(&p->head);
}

/* Brings new input bytes to the storage behind the first `from` bytes. Returns how many of the section's bytes are
 * there. */
static size_t bring(struct player *p, size_t from, size_t have)
{
    size_t want = min_size(have - p->taken, sizeof(p->storage) - from);

    memcpy(p->storage + from + p->section, p->c->input + p->taken + p->section, want - p->section);
    p->section = want;
    return want;
}

/* Runs the parser over a copy of the storage whose end is the end of readable memory. */
static enum h1_reason parse_guarded(struct player *p, size_t from, size_t len, size_t *consumed, unsigned *minor)
{
    struct text copy = guard_copy(text_make(p->storage, from + len));
    enum h1_reason reason;

    p->head.text = (char *)(uintptr_t)copy.ptr;
    if (p->phase == IN_HEAD)
        reason = h1_parse_request(&p->parser, &p->head, len, &p->c->limits, consumed, minor);
    else
        reason = h1_parse_trailers(&p->parser, &p->head, from, len, &p->c->limits, consumed);
    p->head.text = p->storage;
    memcpy(p->storage, copy.ptr, copy.len);
    return reason;
}

static enum h1_reason play_head(struct player *p, size_t have)
{
    size_t consumed, len = bring(p, 0, have);
    unsigned minor;
    enum h1_reason reason = parse_guarded(p, 0, len, &consumed, &minor);

    if (reason != H1_OK)
        return reason;
    p->head.used = (uint32_t)len;
    reason = h1_interpret(&p->head, minor, &p->request);
    if (reason != H1_OK)
        return reason;
    put_head(p, minor);
    p->taken += consumed;
    p->head_len = consumed;
    p->section = 0;
    p->chunks = (struct h1_chunks){0};
    switch (p->request.body) {
    case H1_BODY_NONE: end_message(p); break;
    case H1_BODY_LENGTH: p->phase = IN_LENGTH; break;
    case H1_BODY_CHUNKED: p->phase = IN_CHUNKS; break;
    }
    return H1_OK;
}

static enum h1_reason play_length(struct player *p, size_t have)
{
    size_t n = have - p->taken;

    n = p->request.length < n ? (size_t)p->request.length : n;
    take_data(p, text_make(p->c->input + p->taken, n));
    p->taken += n;
    p->request.length -= n;
    if (p->request.length > 0)
        return H1_PARTIAL;
    end_message(p);
    return H1_OK;
}

static enum h1_reason play_chunks(struct player *p, size_t have)
{
    struct text in = guard_copy(text_make(p->c->input + p->taken, have - p->taken));
    size_t consumed, data_len;
    enum h1_reason reason = h1_decode_chunks(&p->chunks, (const uint8_t *)in.ptr, in.len, &consumed, &data_len);

    if (reason != H1_OK)
        return reason;
    take_data(p, text_make(in.ptr + consumed - data_len, data_len));
    p->taken += consumed;
    if (p->chunks.state != H1_CHUNK_TRAILERS)
        return consumed == in.len ? H1_PARTIAL : H1_OK;
    put_data(p);
    p->phase = IN_TRAILERS;
    p->parser = (struct h1_parser){0};
    return H1_OK;
}

static enum h1_reason play_trailers(struct player *p, size_t have)
{
    size_t consumed, len = bring(p, p->head_len, have);
    unsigned minor;
    enum h1_reason reason = parse_guarded(p, p->head_len, len, &consumed, &minor);

    if (reason != H1_OK)
        return reason;
    put_fields(p, "trailer ", head_last(&p->head));
    p->taken += consumed;
    end_message(p);
    return H1_OK;
}

/* Plays what there is to play in the first `have` bytes of the input. */
static enum h1_reason play(struct player *p, size_t have)
{
    static enum h1_reason (*const plays[])(struct player *, size_t) = {
        [IN_HEAD] = play_head, [IN_LENGTH] = play_length, [IN_CHUNKS] = play_chunks, [IN_TRAILERS] = play_trailers};
    enum h1_reason reason = H1_OK;

    while (reason == H1_OK && (p->taken < have || p->phase == IN_TRAILERS))
        reason = plays[p->phase](p, have);
    return reason == H1_OK ? H1_PARTIAL : reason;
}

enum h1_reason wire_play(const struct wire_case *c, size_t first, size_t step, struct textbuf *events)
{
    static struct player p;
    enum h1_reason reason = H1_PARTIAL;
    size_t have = step == 0 ? c->input_len : min_size(first, c->input_len);

    memset(&p, 0, sizeof(p));
    p.c = c;
    p.events = events;
    head_init(&p.head, p.storage, sizeof(p.storage));
    for (;;) {
        reason = play(&p, have);
        if (reason != H1_PARTIAL || have == c->input_len)
            break;
        have = min_size(have + step, c->input_len);
    }
    put_data(&p);
    if (reason != H1_PARTIAL)
        textbuf_printf(events, "refused %s %u\n", h1_refusal(reason)->word, h1_refusal(reason)->status);
    else if (p.phase != IN_HEAD || p.taken < c->input_len)
        textbuf_putz(events, "partial\n");
    return reason;
}
