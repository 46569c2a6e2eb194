/* Fuzzes HTTP/1.1: a request and its body, whole and byte by byte, must give the same, and what is taken must be sound.
 */
#include <sanitizer/asan_interface.h>
#include <stdlib.h>
#include <string.h>

#include "http/h1.h"
#include "http/uri.h"

#define CHECK(x)                                                                                                       \
    do {                                                                                                               \
        if (!(x))                                                                                                      \
            abort();                                                                                                   \
    } while (0)

#define INPUT_MAX 16384
#define STORAGE_MAX 40000

/* One reading of an input, and what came of it. */
struct reading {
    struct head head;
    struct h1_request request;
    enum h1_reason reason;
    unsigned minor;
    size_t head_len; /* bytes of the head */
    size_t taken;    /* bytes of head, body and trailers */
    size_t body_len;
    char storage[STORAGE_MAX]; /* bytes behind the input so far are poisoned */
    uint8_t body[INPUT_MAX];
};

/* Lets only storage[0, len) be read and written. */
static void fence(struct reading *r, size_t len)
{
    ASAN_UNPOISON_MEMORY_REGION(r->storage, STORAGE_MAX);
    ASAN_POISON_MEMORY_REGION(r->storage + len, STORAGE_MAX - len);
}

static void check_span(struct span span, size_t from, size_t to)
{
    CHECK(span.at >= from && (size_t)span.at + span.len <= to);
}

/* The fields of a section stand in storage[from, to), in order, and have the form that the rest of the house relies on.
 */
static void check_fields(const struct head *head, const struct section *section, size_t from, size_t to)
{
    HEAD_EACH(f, head, section)
    {
        struct text name = field_name_of(head, f);

        check_span(f->name, from, to);
        check_span(f->value, (size_t)f->name.at + f->name.len + 1, to);
        from = (size_t)f->value.at + f->value.len;
        CHECK(text_is_token(name));
        for (size_t i = 0; i < name.len; i++)
            CHECK(name.ptr[i] == text_lower(name.ptr[i]));
        CHECK(field_value_ok(field_value_of(head, f)));
        CHECK(f->id == field_lookup(name));
    }
}

static void check_request(const struct reading *r)
{
    const struct head *head = &r->head;
    struct text path = head_text(head, head->path), authority = head_text(head, head->authority);
    struct authority parts;

    check_fields(head, &head->sections[0], 0, r->head_len);
    check_span(head->method, 0, r->head_len);
    check_span(head->path, 0, r->head_len);
    check_span(head->authority, 0, r->head_len);
    CHECK(text_is_token(head_text(head, head->method)));
    CHECK(uri_origin_form(path) || text_eq(path, TEXT("*")));
    CHECK(uri_authority(authority, &parts) || (authority.len == 0 && r->minor == 0));
    CHECK(r->request.body != H1_BODY_LENGTH || r->request.length > 0);
}

/* Reads a head, `step` bytes more each time. */
static void read_head(struct reading *r, const uint8_t *in, size_t len, size_t step, const struct h1_limits *limits)
{
    struct h1_parser parser = {0};
    size_t have = 0, before;

    head_init(&r->head, r->storage, STORAGE_MAX);
    do {
        before = have;
        have = min_size(have + step, len);
        fence(r, have);
        memcpy(r->storage + before, in + before, have - before);
        r->reason = h1_parse_request(&parser, &r->head, have, limits, &r->head_len, &r->minor);
        CHECK(parser.line_start <= parser.scanned && parser.scanned <= have);
    } while (r->reason == H1_PARTIAL && have < len);
    if (r->reason != H1_OK)
        return;
    CHECK(r->head_len > 0 && r->head_len <= have);
    r->head.used = (uint32_t)have;
    r->reason = h1_interpret(&r->head, r->minor, &r->request);
    CHECK(r->reason != H1_PARTIAL);
    r->taken = r->head_len;
    if (r->reason == H1_OK)
        check_request(r);
}

/* Decodes a chunked body up to its trailers. */
static void read_chunks(struct reading *r, const uint8_t *in, size_t len, size_t step)
{
    struct h1_chunks chunks = {0};
    size_t end = r->taken;

    r->body_len = 0;
    r->reason = H1_PARTIAL;
    while (chunks.state != H1_CHUNK_TRAILERS && (end < len || r->taken < end)) {
        size_t consumed, data_len;
        enum h1_reason reason;

        end = r->taken < end ? end : min_size(end + step, len);
        reason = h1_decode_chunks(&chunks, in + r->taken, end - r->taken, &consumed, &data_len);
        if (reason != H1_OK) {
            CHECK(reason != H1_PARTIAL);
            r->reason = reason;
            return;
        }
        CHECK(consumed > 0 && consumed <= end - r->taken && data_len <= consumed);
        CHECK(chunks.left >> 60 == 0);
        memcpy(r->body + r->body_len, in + r->taken + consumed - data_len, data_len);
        r->body_len += data_len;
        r->taken += consumed;
    }
    if (chunks.state == H1_CHUNK_TRAILERS)
        r->reason = H1_OK;
}

static void read_trailers(struct reading *r, const uint8_t *in, size_t len, size_t step, const struct h1_limits *limits)
{
    struct h1_parser parser = {0};
    size_t from = r->head.used, have = 0, consumed, before;

    len -= r->taken;
    do {
        before = have;
        have = min_size(have + step, len);
        fence(r, from + have);
        memcpy(r->storage + from + before, in + r->taken + before, have - before);
        r->reason = h1_parse_trailers(&parser, &r->head, from, have, limits, &consumed);
    } while (r->reason == H1_PARTIAL && have < len);
    if (r->reason != H1_OK)
        return;
    CHECK(consumed >= 2 && consumed <= have);
    r->taken += consumed;
    check_fields(&r->head, head_last(&r->head), from, from + consumed);
    HEAD_EACH(f, &r->head, head_last(&r->head))
    CHECK((field_rules((enum field_id)f->id) & (FIELD_HOP | FIELD_NO_TRAILER)) == 0);
}

static void read_all(struct reading *r, const uint8_t *in, size_t len, size_t step, const struct h1_limits *limits)
{
    read_head(r, in, len, step, limits);
    r->body_len = 0;
    if (r->reason != H1_OK || r->request.body != H1_BODY_CHUNKED)
        return;
    read_chunks(r, in, len, step);
    if (r->reason == H1_OK)
        read_trailers(r, in, len, step, limits);
}

static bool same_text(const struct reading *a, struct span x, const struct reading *b, struct span y)
{
    return text_eq(head_text(&a->head, x), head_text(&b->head, y));
}

/* Trailers stand at other places when the head was read with more bytes behind it: only the texts must be the same. */
static void check_same(const struct reading *a, const struct reading *b)
{
    CHECK(a->reason == b->reason);
    CHECK(a->body_len == b->body_len && memcmp(a->body, b->body, a->body_len) == 0);
    if (a->reason != H1_OK)
        return;
    CHECK(a->taken == b->taken && a->head_len == b->head_len && a->minor == b->minor);
    CHECK(a->head.method_id == b->head.method_id);
    CHECK(same_text(a, a->head.method, b, b->head.method));
    CHECK(same_text(a, a->head.path, b, b->head.path));
    CHECK(same_text(a, a->head.authority, b, b->head.authority));
    CHECK(a->request.body == b->request.body && a->request.length == b->request.length);
    CHECK(a->request.keep_alive == b->request.keep_alive);
    CHECK(a->head.field_count == b->head.field_count && a->head.section_count == b->head.section_count);
    for (unsigned i = 0; i < a->head.field_count; i++) {
        CHECK(same_text(a, a->head.fields[i].name, b, b->head.fields[i].name));
        CHECK(same_text(a, a->head.fields[i].value, b, b->head.fields[i].value));
        CHECK(a->head.fields[i].id == b->head.fields[i].id);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len)
{
    static const struct h1_limits limits[] = {{8190, 8190, 100}, {40, 30, 3}};
    static struct reading whole, bytes;

    if (len > INPUT_MAX)
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
        read_all(&whole, in, len, INPUT_MAX, &limits[i]);
        read_all(&bytes, in, len, 1, &limits[i]);
        check_same(&whole, &bytes);
    }
    /* The same bytes as a chunked body. */
    whole.taken = bytes.taken = 0;
    read_chunks(&whole, in, len, INPUT_MAX);
    read_chunks(&bytes, in, len, 1);
    CHECK(whole.reason == bytes.reason);
    CHECK(whole.body_len == bytes.body_len && memcmp(whole.body, bytes.body, whole.body_len) == 0);
    return 0;
}
