/* Reads request heads and trailer sections line by line, where their bytes stand (RFC 9112 2 to 5). */
#include "http/h1.h"

#include "http/uri.h"

#include <string.h>

static_assert(CONFIG_REQUEST_HEAD <= UINT16_MAX, "struct span counts in 16 bits");

/* The bytes of a section: text[0, end), of which parser->line_start were taken. */
struct input {
    struct h1_parser *parser;
    struct head *head;
    const struct h1_limits *limits;
    char *text;
    size_t end;
};

/* A line without its LF; `len` counts a CR at its end, and text[len] is the LF. */
struct line {
    char *text;
    size_t len;
};

static bool is_ows(char c)
{
    return c == ' ' || c == '\t';
}

static struct span span_of(const struct head *head, const char *from, const char *to)
{
    return (struct span){(uint16_t)(from - head->text), (uint16_t)(to - from)};
}

/* Takes the next line off. H1_OK, H1_PARTIAL, or too_long: the limit is judged in the same way whether the LF is there
 * or not. */
static enum h1_reason take_line(struct input *in, uint32_t limit, enum h1_reason too_long, struct line *line)
{
    struct h1_parser *parser = in->parser;
    const char *lf = memchr(in->text + parser->scanned, '\n', in->end - parser->scanned);
    size_t end = lf != NULL ? (size_t)(lf - in->text) : in->end;

    line->text = in->text + parser->line_start;
    line->len = end - parser->line_start;
    /* One more for the CR. */
    if (line->len > (size_t)limit + 1)
        return too_long;
    parser->scanned = (uint32_t)end;
    if (lf == NULL)
        return H1_PARTIAL;
    parser->scanned++;
    parser->line_start = parser->scanned;
    return H1_OK;
}

/* Why a line of a wrong form is refused. Bytes that others could take for the end of a line or of a text come first:
   they are the request smuggling and the header injection attacks. */
static enum h1_reason line_fault(struct line line, enum h1_reason otherwise)
{
    const char *cr = line.len > 0 ? memchr(line.text, '\r', line.len) : NULL;

    if (line.len > 0 && memchr(line.text, '\0', line.len) != NULL)
        return H1_NUL;
    if (cr == NULL)
        return H1_BARE_LF;
    return cr == line.text + line.len - 1 ? otherwise : H1_BARE_CR;
}

/* Whether the line ends with CR, as all must. */
static bool ends_with_cr(struct line line)
{
    return line.len > 0 && line.text[line.len - 1] == '\r';
}

/* Skips the one CRLF that an old client may send behind a body (RFC 9112 2.2). */
static enum h1_reason skip_empty_line(struct input *in)
{
    struct h1_parser *parser = in->parser;

    if (parser->line_start > 0 || in->end == 0 || in->text[0] != '\r')
        return H1_OK;
    if (in->end == 1)
        return H1_PARTIAL;
    if (in->text[1] != '\n')
        return H1_BARE_CR;
    parser->line_start = parser->scanned = 2;
    return H1_OK;
}

/* The first byte of a request line: who speaks another protocol (TLS) need not be waited for. */
static enum h1_reason check_first_byte(char c)
{
    if (text_is_tchar(c))
        return H1_OK;
    switch (c) {
    case '\0': return H1_NUL;
    case '\n': return H1_BARE_LF;
    case '\r': /* a second empty line */
    case '\t':
    case ' ': return H1_BAD_LINE;
    default: return H1_BAD_METHOD;
    }
}

/* Whether "HTTP/" DIGIT "." DIGIT stands at p. Case-sensitive (RFC 9112 2.3). */
static bool is_version(const char *p)
{
    return memcmp(p, "HTTP/", 5) == 0 && text_is_digit(p[5]) && p[6] == '.' && text_is_digit(p[7]);
}

/* What is wrong with a line that has a method, but no version at its end. `rest` is what stands behind the method's SP.
 */
static enum h1_reason version_fault(struct text rest)
{
    size_t space = text_find(rest, ' ', 0);
    struct text version = text_skip(rest, space + 1);

    /* No version at all is HTTP/0.9. White space elsewhere makes words that two parsers can see in two ways. */
    if (space == 0 || version.len == 0 || text_find(version, ' ', 0) < version.len ||
        text_find(rest, '\t', 0) < rest.len)
        return H1_BAD_LINE;
    return H1_BAD_VERSION;
}

/* The bytes of a target. What form it has is judged by h1_interpret, but for origin-form, whose bytes are all checked
 * here. */
static enum h1_reason check_target(struct text target)
{
    bool visible = true;

    if (uri_origin_form(target))
        return H1_OK;
    for (size_t i = 0; i < target.len; i++) {
        if (is_ows(target.ptr[i]))
            return H1_BAD_LINE;
        visible = visible && target.ptr[i] > ' ' && target.ptr[i] < 0x7f;
    }
    if (target.len == 0)
        return H1_BAD_LINE;
    return visible && target.ptr[0] != '/' ? H1_OK : H1_BAD_TARGET;
}

#define VERSION_LEN 8

/* request-line = method SP request-target SP HTTP-version (RFC 9112 3) */
static enum h1_reason parse_request_line(struct input *in, struct line line)
{
    struct head *head = in->head;
    char *p = line.text, *end, *target, *version;
    enum h1_reason reason;

    if (!ends_with_cr(line))
        return line_fault(line, H1_BAD_LINE);
    end = line.text + line.len - 1; /* the CR */
    while (text_is_tchar(*p))
        p++;
    if (*p != ' ')
        return line_fault(line, p == end || *p == '\t' ? H1_BAD_LINE : H1_BAD_METHOD);
    target = p + 1;
    version = end - min_size(VERSION_LEN, (size_t)(end - target));
    if (version == target || version[-1] != ' ' || !is_version(version))
        return line_fault(line, version_fault(text_make(target, (size_t)(end - target))));
    reason = check_target(text_make(target, (size_t)(version - 1 - target)));
    if (reason != H1_OK)
        return line_fault(line, reason);
    if (version[5] != '1')
        return H1_VERSION;
    in->parser->minor = version[7] == '0' ? 0 : 1;
    head->method = span_of(head, line.text, p);
    head->method_id = (uint8_t)method_lookup(head_text(head, head->method));
    head->path = span_of(head, target, version - 1);
    return H1_OK;
}

static enum h1_reason take_request_line(struct input *in)
{
    struct line line;
    enum h1_reason reason = skip_empty_line(in);

    if (reason == H1_OK && in->end > in->parser->line_start)
        reason = check_first_byte(in->text[in->parser->line_start]);
    if (reason == H1_OK)
        reason = take_line(in, in->limits->line, H1_LINE_LONG, &line);
    if (reason == H1_OK)
        reason = parse_request_line(in, line);
    return reason;
}

/* What is wrong with a line whose name ends at p: not with a colon, or before it began. */
static enum h1_reason name_fault(struct line line, const char *p)
{
    enum h1_reason reason = H1_BAD_FIELD_NAME;
    const char *end = line.text + line.len;

    if (p == line.text && is_ows(*p))
        reason = H1_FOLDED;
    else if (memchr(line.text, ':', line.len) == NULL)
        reason = H1_NO_COLON;
    else if (is_ows(*p)) {
        while (p < end && is_ows(*p))
            p++;
        if (*p == ':')
            reason = H1_SPACE_BEFORE_COLON;
    }
    return line_fault(line, reason);
}

/* field-line = field-name ":" OWS field-value OWS (RFC 9112 5). The name becomes lower case. The LF behind the line
   ends every loop. */
static enum h1_reason parse_field(struct head *head, struct line line, struct span *name, struct span *value)
{
    char *p = line.text, *from, *to;
    char lower;

    for (; (lower = (char)field_name_table[(uint8_t)*p]) != '\0'; p++)
        *p = lower;
    if (*p != ':' || p == line.text)
        return name_fault(line, p);
    if (!ends_with_cr(line))
        return line_fault(line, H1_BARE_LF);
    for (from = p + 1; is_ows(*from); from++)
        ;
    for (to = line.text + line.len - 1; to > from && is_ows(to[-1]); to--)
        ;
    if (field_value_end(from, to) != to)
        return line_fault(line, H1_BAD_FIELD_VALUE);
    *name = span_of(head, line.text, p);
    *value = span_of(head, from, to);
    return H1_OK;
}

/* Whether a trailer may have this name (RFC 9110 6.5.1). */
static bool is_trailer(const struct head *head, struct span name)
{
    return (field_rules(field_lookup(head_text(head, name))) & (FIELD_NO_TRAILER | FIELD_HOP)) == 0;
}

/* Takes field lines up to and with the empty line into the last section of the head. */
static enum h1_reason take_fields(struct input *in)
{
    struct head *head = in->head;
    struct section *section = head_last(head);
    uint32_t most = in->limits->fields > 0 ? in->limits->fields : CONFIG_HEAD_FIELDS;
    struct span name = {0, 0}, value = {0, 0};
    struct line line;

    for (;;) {
        enum h1_reason reason = take_line(in, in->limits->field, H1_FIELD_LONG, &line);
        if (reason != H1_OK)
            return reason;
        if (line.len == 1 && line.text[0] == '\r')
            return H1_OK;
        reason = parse_field(head, line, &name, &value);
        if (reason != H1_OK)
            return reason;
        if (section->kind == SECTION_TRAILERS && !is_trailer(head, name))
            continue;
        if (section->count >= most || !head_add_span(head, name, value))
            return H1_FIELDS_MANY;
    }
}

enum h1_reason h1_parse_request(struct h1_parser *parser, struct head *head, size_t len, const struct h1_limits *limits,
                                size_t *consumed, unsigned *minor)
{
    size_t most = min_size(head->cap, CONFIG_REQUEST_HEAD);
    struct input in = {parser, head, limits, head->text, min_size(len, most)};
    enum h1_reason reason = H1_OK;

    if (!parser->in_fields) {
        reason = take_request_line(&in);
        if (reason == H1_OK) {
            head_begin(head, SECTION_REQUEST, 0);
            parser->in_fields = true;
        }
    }
    if (reason == H1_OK)
        reason = take_fields(&in);
    if (reason == H1_PARTIAL && in.end == most)
        return H1_HEAD_LARGE;
    *consumed = parser->line_start;
    *minor = parser->minor;
    return reason;
}

/* A trailer section is refused with one reason, whatever is wrong with its form. */
static enum h1_reason trailer_reason(enum h1_reason reason)
{
    switch (reason) {
    case H1_OK:
    case H1_PARTIAL:
    case H1_FIELD_LONG:
    case H1_FIELDS_MANY: return reason;
    default: return H1_BAD_TRAILER;
    }
}

enum h1_reason h1_parse_trailers(struct h1_parser *parser, struct head *head, size_t from, size_t len,
                                 const struct h1_limits *limits, size_t *consumed)
{
    size_t most = head->cap - min_size(from, head->cap);
    struct input in = {parser, head, limits, head->text + from, min_size(len, most)};
    enum h1_reason reason;

    if (!parser->in_fields) {
        if (head_begin(head, SECTION_TRAILERS, 0) == NULL)
            return H1_HEAD_LARGE;
        parser->in_fields = true;
    }
    reason = trailer_reason(take_fields(&in));
    if (reason == H1_PARTIAL && in.end == most)
        return H1_HEAD_LARGE;
    *consumed = parser->line_start;
    return reason;
}
