/* Tests of the parser of request heads and trailer sections: what wire cases cannot see (spans, state, every byte). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <string.h>

#include "guard.h"
#include "http/h1.h"
#include "port_stub.h"

#define assert_text(t, literal) assert_true(text_eq(t, TEXT(literal)))

static const struct h1_limits wide = {1000, 1000, 20};

/* A head and the parser that reads it. */
struct reading {
    struct h1_parser parser;
    struct head head;
    enum h1_reason reason;
    size_t consumed;
    unsigned minor;
    char storage[2048];
};

static void begin(struct reading *r)
{
    memset(r, 0, sizeof(*r));
    head_init(&r->head, r->storage, sizeof(r->storage));
}

/* Gives it the first len bytes of input, at the end of readable memory. */
static enum h1_reason feed(struct reading *r, struct text input, size_t len, const struct h1_limits *limits)
{
    static char lowered[2048]; /* names that were lowered in a call before stay so */
    struct text copy;

    memcpy(lowered, r->storage, len);
    if (len > 0)
        lowered[len - 1] = input.ptr[len - 1];
    if (r->parser.scanned == 0)
        memcpy(lowered, input.ptr, len);
    copy = guard_copy(text_make(lowered, len));
    r->head.text = (char *)(uintptr_t)copy.ptr;
    r->reason = h1_parse_request(&r->parser, &r->head, len, limits, &r->consumed, &r->minor);
    r->head.text = r->storage;
    memcpy(r->storage, copy.ptr, len);
    return r->reason;
}

static enum h1_reason feed_whole(struct reading *r, struct text input, const struct h1_limits *limits)
{
    begin(r);
    return feed(r, input, input.len, limits);
}

static enum h1_reason feed_bytes(struct reading *r, struct text input, const struct h1_limits *limits)
{
    begin(r);
    for (size_t len = 0; len <= input.len; len++) {
        if (feed(r, input, len, limits) != H1_PARTIAL)
            break;
        /* All that is there was looked at: nothing is searched twice. A lone CR may be the start of an empty line. */
        if (len > 0 && !(len == 1 && input.ptr[0] == '\r'))
            assert_int_equal(r->parser.scanned, len);
        assert_true(r->parser.line_start <= r->parser.scanned);
    }
    return r->reason;
}

static bool same_span(struct span a, struct span b)
{
    return a.at == b.at && a.len == b.len;
}

static void assert_same(const struct reading *a, const struct reading *b)
{
    assert_int_equal(a->reason, b->reason);
    if (a->reason != H1_OK)
        return;
    assert_int_equal(a->consumed, b->consumed);
    assert_int_equal(a->minor, b->minor);
    assert_int_equal(a->head.method_id, b->head.method_id);
    assert_true(same_span(a->head.method, b->head.method));
    assert_true(same_span(a->head.path, b->head.path));
    assert_int_equal(a->head.field_count, b->head.field_count);
    for (unsigned i = 0; i < a->head.field_count; i++) {
        assert_true(same_span(a->head.fields[i].name, b->head.fields[i].name));
        assert_true(same_span(a->head.fields[i].value, b->head.fields[i].value));
        assert_int_equal(a->head.fields[i].id, b->head.fields[i].id);
    }
    assert_memory_equal(a->storage, b->storage, a->consumed);
}

/* Everything stands where it was read; the rest behind the head is not touched. */
static void test_spans(void **state)
{
    static struct reading r;
    struct text input = TEXT("\r\nPOST /a?b HTTP/1.1\r\nHost:\tx \r\nX-Y:\r\n\r\nBODY: x\r\n");

    (void)state;
    assert_int_equal(feed_whole(&r, input, &wide), H1_OK);
    assert_int_equal(r.consumed, input.len - 9);
    assert_int_equal(r.minor, 1);
    assert_int_equal(r.head.used, 0);
    assert_int_equal(r.head.section_count, 1);
    assert_int_equal(r.head.sections[0].kind, SECTION_REQUEST);
    assert_int_equal(r.head.sections[0].count, 2);
    assert_int_equal(r.head.method_id, METHOD_POST);
    assert_int_equal(r.head.method.at, 2);
    assert_text(head_text(&r.head, r.head.path), "/a?b");
    assert_text(field_name_of(&r.head, &r.head.fields[0]), "host");
    assert_text(field_value_of(&r.head, &r.head.fields[0]), "x");
    assert_text(field_value_of(&r.head, &r.head.fields[1]), "");
    assert_int_equal(r.head.fields[0].name.at, 22);
    assert_memory_equal(r.storage + r.consumed, "BODY: x\r\n", 9);
}

/* Each byte of a head is replaced by each value: byte by byte gives what the whole gives. And no head is taken that has
   a control byte in it, other than HTAB and the CRs and LFs that were there. */
static void test_every_byte(void **state)
{
    static const char plain[] = "GET /a?b HTTP/1.1\r\nHost: a.b\r\nX: 0123456789 y\r\nTe: \t\r\n\r\n";
    static struct reading whole, bytes;
    char input[sizeof(plain) - 1];

    (void)state;
    for (size_t at = 0; at < sizeof(input); at++) {
        for (int c = 0; c < 256; c++) {
            bool control = (c < 0x20 && c != '\t') || c == 0x7f;

            memcpy(input, plain, sizeof(input));
            input[at] = (char)c;
            feed_whole(&whole, text_make(input, sizeof(input)), &wide);
            feed_bytes(&bytes, text_make(input, sizeof(input)), &wide);
            assert_same(&whole, &bytes);
            if (control && c != plain[at])
                assert_int_not_equal(whole.reason, H1_OK);
        }
    }
}

/* A byte is put in or taken out at each place. */
static void test_every_edit(void **state)
{
    static const char plain[] = "GET /a HTTP/1.1\r\nHost: a\r\nX : 0\r\n\r\n";
    static const char inserted[] = "\r\n\t :\0x/";
    static struct reading whole, bytes;
    char input[sizeof(plain) + 1];

    (void)state;
    for (size_t at = 0; at < sizeof(plain); at++) {
        for (size_t i = 0; i < sizeof(inserted); i++) {
            memcpy(input, plain, at);
            input[at] = inserted[i];
            memcpy(input + at + 1, plain + at, sizeof(plain) - 1 - at);
            feed_whole(&whole, text_make(input, sizeof(plain)), &wide);
            feed_bytes(&bytes, text_make(input, sizeof(plain)), &wide);
            assert_same(&whole, &bytes);
        }
        if (at == sizeof(plain) - 1)
            break;
        memmove(input + at, plain + at + 1, sizeof(plain) - 2 - at);
        feed_whole(&whole, text_make(input, sizeof(plain) - 2), &wide);
        feed_bytes(&bytes, text_make(input, sizeof(plain) - 2), &wide);
        assert_same(&whole, &bytes);
    }
}

/* Random lines of tricky pieces, under narrow limits. */
static void test_random(void **state)
{
    static const char *const pieces[] = {"GET / HTTP/1.1\r\n",
                                         "Host: a\r\n",
                                         "\r\n",
                                         "\n",
                                         "\r",
                                         ":",
                                         "a",
                                         " ",
                                         "X: ",
                                         "x: y\r\n",
                                         "long-long-long",
                                         "PUT http://a HTTP/1.0\r\n"};
    static const struct h1_limits narrow = {20, 12, 3};
    static struct reading whole, bytes;
    char input[400];

    (void)state;
    stub_seed(1);
    for (int round = 0; round < 20000; round++) {
        struct textbuf b;

        textbuf_init(&b, input, sizeof(input));
        if (stub_chance(4) > 0)
            textbuf_putz(&b, "GET / HTTP/1.1\r\n");
        for (uint32_t n = stub_chance(8); n > 0; n--)
            textbuf_putz(&b, pieces[stub_chance(ARRAY_SIZE(pieces))]);
        feed_whole(&whole, textbuf_text(&b), &narrow);
        feed_bytes(&bytes, textbuf_text(&b), &narrow);
        assert_same(&whole, &bytes);
    }
}

static void test_early(void **state)
{
    static struct reading r;

    (void)state;
    assert_int_equal(feed_whole(&r, TEXT(""), &wide), H1_PARTIAL);
    assert_int_equal(feed_whole(&r, TEXT("\x16"), &wide), H1_BAD_METHOD);
    assert_int_equal(feed_whole(&r, TEXT("\r"), &wide), H1_PARTIAL);
    assert_int_equal(feed_whole(&r, TEXT("\rx"), &wide), H1_BARE_CR);
    assert_int_equal(feed_whole(&r, TEXT("\r\n"), &wide), H1_PARTIAL);
    assert_int_equal(feed_whole(&r, TEXT("\r\n\r"), &wide), H1_BAD_LINE);
    assert_int_equal(feed_whole(&r, TEXT("GET / HTTP/1.1\r\n"), &wide), H1_PARTIAL);
    assert_int_equal(feed_whole(&r, TEXT("GET / HTTP/1.1\r\n\r"), &wide), H1_PARTIAL);
}

/* A head that fills the storage is refused, whatever is configured: the caller could bring no more bytes. */
static void test_storage_full(void **state)
{
    static struct reading r;
    struct text input = TEXT("GET / HTTP/1.1\r\nHost: a\r\n");

    (void)state;
    begin(&r);
    r.head.cap = (uint32_t)input.len + 1;
    assert_int_equal(feed(&r, input, input.len, &wide), H1_PARTIAL);
    begin(&r);
    r.head.cap = (uint32_t)input.len;
    assert_int_equal(feed(&r, input, input.len, &wide), H1_HEAD_LARGE);
    begin(&r);
    input = TEXT("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    r.head.cap = (uint32_t)input.len;
    assert_int_equal(feed(&r, input, input.len, &wide), H1_OK);
}

/* ---- trailers ---- */

static const struct text request = TEXT_INIT("PUT / HTTP/1.1\r\nHost: a\r\n\r\n");

/* Puts trailers behind a parsed request and reads them, `step` bytes more each time. */
static enum h1_reason feed_trailers(struct reading *r, struct text trailers, size_t step)
{
    struct h1_parser parser = {0};
    size_t from = r->consumed, len = 0;
    enum h1_reason reason;

    do {
        len = min_size(len + step, trailers.len);
        memcpy(r->storage + from + parser.scanned, trailers.ptr + parser.scanned, len - parser.scanned);
        r->head.used = (uint32_t)(from + len);
        reason = h1_parse_trailers(&parser, &r->head, from, len, &wide, &r->consumed);
    } while (reason == H1_PARTIAL && len < trailers.len);
    return reason;
}

static void test_trailers(void **state)
{
    static struct reading r;
    struct text trailers = TEXT("A: b\r\nhost: x\r\nC:  d \r\n\r\nGET");

    (void)state;
    for (size_t step = 1; step < 40; step++) {
        assert_int_equal(feed_whole(&r, request, &wide), H1_OK);
        r.head.section_sent = 1; /* the request's text must stay, even now */
        assert_int_equal(feed_trailers(&r, trailers, step), H1_OK);
        assert_int_equal(r.consumed, trailers.len - 3);
        assert_int_equal(r.head.section_count, 2);
        assert_int_equal(r.head.sections[1].kind, SECTION_TRAILERS);
        assert_int_equal(r.head.sections[1].first, 1);
        assert_int_equal(r.head.sections[1].count, 2);
        assert_text(field_name_of(&r.head, &r.head.fields[2]), "c");
        assert_text(field_value_of(&r.head, &r.head.fields[2]), "d");
        assert_text(field_name_of(&r.head, &r.head.fields[0]), "host");
    }
    assert_int_equal(feed_whole(&r, request, &wide), H1_OK);
    assert_int_equal(feed_trailers(&r, TEXT("\r\n"), 1), H1_OK);
    assert_int_equal(r.consumed, 2);
    assert_int_equal(head_last(&r.head)->kind, SECTION_TRAILERS);
    assert_int_equal(head_last(&r.head)->count, 0);
}

static void test_trailers_full(void **state)
{
    static struct reading r;
    size_t rest;

    (void)state;
    assert_int_equal(feed_whole(&r, request, &wide), H1_OK);
    while (head_begin(&r.head, SECTION_TRAILERS, 0) != NULL)
        ;
    assert_int_equal(feed_trailers(&r, TEXT("\r\n"), 1), H1_HEAD_LARGE);

    /* The index is full. */
    assert_int_equal(feed_whole(&r, request, &wide), H1_OK);
    while (head_add_span(&r.head, r.head.method, r.head.method))
        ;
    rest = r.consumed;
    assert_int_equal(feed_trailers(&r, TEXT("a: b\r\n\r\n"), 1), H1_FIELDS_MANY);
    r.consumed = rest;

    /* The storage is full. */
    assert_int_equal(feed_whole(&r, request, &wide), H1_OK);
    r.head.cap = (uint32_t)r.consumed + 8;
    assert_int_equal(feed_trailers(&r, TEXT("a: b\r\n\r\n"), 1), H1_OK);
    assert_int_equal(feed_whole(&r, request, &wide), H1_OK);
    r.head.cap = (uint32_t)r.consumed + 8;
    assert_int_equal(feed_trailers(&r, TEXT("a: b\r\nc: d\r\n\r\n"), 1), H1_HEAD_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spans),    cmocka_unit_test(test_every_byte),    cmocka_unit_test(test_every_edit),
        cmocka_unit_test(test_random),   cmocka_unit_test(test_early),         cmocka_unit_test(test_storage_full),
        cmocka_unit_test(test_trailers), cmocka_unit_test(test_trailers_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
