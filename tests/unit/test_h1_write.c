/* Tests of the serialiser of response heads and last chunks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <string.h>

#include "guard.h"
#include "http/h1.h"

static struct head head;
static char storage[1024], out[1024];

static char wanted_storage[200];
static struct textbuf wanted;

/* An empty place to build what is expected. */
static struct textbuf *want(void)
{
    textbuf_init(&wanted, wanted_storage, sizeof(wanted_storage));
    return &wanted;
}

/* A response with three fields. */
static struct section *respond(unsigned status)
{
    struct section *section;

    memset(storage, '#', sizeof(storage));
    head_init(&head, storage, sizeof(storage));
    section = head_begin(&head, status < 200 ? SECTION_INTERIM : SECTION_FINAL, status);
    assert_true(head_add_id(&head, FIELD_SERVER, TEXT("x")));
    assert_true(head_add(&head, TEXT("x-a"), TEXT("1")));
    assert_true(head_add_id(&head, FIELD_LOCATION, TEXT("/l")));
    return section;
}

static void written_is(const struct section *section, unsigned minor, enum h1_framing framing, bool close,
                       const char *expected)
{
    struct textbuf b;

    textbuf_init(&b, out, sizeof(out));
    h1_write_head(&b, &head, section, minor, framing, close);
    assert_false(b.full);
    assert_string_equal(textbuf_z(&b), expected);
}

static void test_framings(void **state)
{
#define FIELDS "server: x\r\nx-a: 1\r\nlocation: /l\r\n"
    (void)state;
    written_is(respond(200), 1, H1_FRAME_LENGTH, false, "HTTP/1.1 200 OK\r\n" FIELDS "\r\n");
    written_is(respond(204), 1, H1_FRAME_NONE, true, "HTTP/1.1 204 No Content\r\n" FIELDS "connection: close\r\n\r\n");
    written_is(respond(404), 1, H1_FRAME_CHUNKED, false,
               "HTTP/1.1 404 Not Found\r\n" FIELDS "transfer-encoding: chunked\r\n\r\n");
    written_is(respond(302), 0, H1_FRAME_LENGTH, false,
               "HTTP/1.1 302 Found\r\n" FIELDS "connection: keep-alive\r\n\r\n");
    written_is(respond(500), 0, H1_FRAME_CLOSE, true,
               "HTTP/1.1 500 Internal Server Error\r\n" FIELDS "connection: close\r\n\r\n");
    written_is(respond(103), 1, H1_FRAME_NONE, true, "HTTP/1.1 103 Early Hints\r\n" FIELDS "\r\n");
    written_is(respond(100), 0, H1_FRAME_NONE, false, "HTTP/1.1 100 Continue\r\n" FIELDS "\r\n");
    /* The space behind the status stays when there is no phrase (RFC 9112 4). */
    written_is(respond(799), 1, H1_FRAME_LENGTH, false, "HTTP/1.1 799 \r\n" FIELDS "\r\n");
    head_init(&head, storage, sizeof(storage));
    written_is(head_begin(&head, SECTION_FINAL, 200), 1, H1_FRAME_NONE, false, "HTTP/1.1 200 OK\r\n\r\n");
}

/* Fields that were dropped or changed, in all combinations, and fields of other sections, do not confuse the copying of
   neighbours. */
static void test_changed_fields(void **state)
{
    (void)state;
    for (unsigned set = 0; set < 64; set++) {
        static const char *const plain[] = {"server: x\r\n", "x-a: 1\r\n", "location: /l\r\n"};
        static const char *const changed[] = {"server: new\r\n", "x-a: new\r\n", "location: new\r\n"};
        struct section *section = respond(200);
        struct textbuf b = *want();

        textbuf_putz(&b, "HTTP/1.1 200 OK\r\n");
        for (unsigned i = 0; i < 3; i++) {
            head.fields[i].dropped = (set >> i & 1) != 0;
            if ((set >> i & 8) != 0)
                assert_true(head_replace(&head, &head.fields[i], TEXT("new")));
            if (!head.fields[i].dropped)
                textbuf_putz(&b, (set >> i & 8) != 0 ? changed[i] : plain[i]);
        }
        assert_true(head_add(&head, TEXT("x-b"), TEXT("")));
        assert_non_null(head_begin(&head, SECTION_TRAILERS, 0));
        assert_true(head_add(&head, TEXT("x-t"), TEXT("2")));
        textbuf_putz(&b, "x-b: \r\n\r\n");
        written_is(section, 1, H1_FRAME_LENGTH, false, textbuf_z(&b));
        textbuf_init(&b, out, sizeof(out));
        h1_write_last_chunk(&b, &head, head_last(&head));
        assert_string_equal(textbuf_z(&b), "0\r\nx-t: 2\r\n\r\n");
    }
}

/* Fields whose bytes stand anywhere: without a colon between them, at both ends of the storage, in another order. */
static void test_spans(void **state)
{
    static const char text[] = "bvalue: xxtail";
    char buffer[sizeof(text) - 1];
    struct section *section;

    (void)state;
    memcpy(buffer, text, sizeof(buffer));
    head_init(&head, buffer, sizeof(buffer));
    head.used = sizeof(buffer);
    section = head_begin(&head, SECTION_FINAL, 200);
    assert_true(head_add_span(&head, (struct span){10, 4}, (struct span){0, 1}));
    assert_true(head_add_span(&head, (struct span){1, 5}, (struct span){8, 6})); /* looks like a line but for its end */
    assert_true(head_add_span(&head, (struct span){0, 1}, (struct span){1, 5}));
    written_is(section, 1, H1_FRAME_LENGTH, false, "HTTP/1.1 200 OK\r\ntail: b\r\nvalue: xxtail\r\nb: value\r\n\r\n");
}

/* Text that is a line but for one byte, at the end of readable memory, or whose end is not in use. */
static void test_almost_a_line(void **state)
{
    static const char line[] = "name: value\r\n";
    char text[sizeof(line) - 1];

    (void)state;
    for (size_t at = 0; at < sizeof(text); at++) {
        for (size_t cut = 0; cut < 3; cut++) {
            struct text copy;
            struct section *section;

            memcpy(text, line, sizeof(text));
            text[at] = '!';
            if (at > 3 && at < 6)
                text[at] = ';';
            copy = guard_copy(text_make(text, sizeof(text) - cut));
            head_init(&head, (char *)(uintptr_t)copy.ptr, copy.len);
            head.used = (uint32_t)copy.len;
            section = head_begin(&head, SECTION_FINAL, 200);
            assert_true(head_add_span(&head, (struct span){0, 4}, (struct span){6, 5}));
            text[4] = ':';
            text[5] = ' ';
            textbuf_printf(want(), "HTTP/1.1 200 OK\r\n%.11s\r\n\r\n", text);
            written_is(section, 1, H1_FRAME_LENGTH, false, textbuf_z(&wanted));
        }
    }
    /* The value does not stand two bytes behind the name. */
    memcpy(text, line, sizeof(text));
    head_init(&head, text, sizeof(text));
    head.used = sizeof(text);
    assert_non_null(head_begin(&head, SECTION_FINAL, 200));
    assert_true(head_add_span(&head, (struct span){0, 4}, (struct span){7, 4}));
    written_is(head_last(&head), 1, H1_FRAME_LENGTH, false, "HTTP/1.1 200 OK\r\nname: alue\r\n\r\n");
}

static void test_last_chunk(void **state)
{
    struct textbuf b;

    (void)state;
    textbuf_init(&b, out, sizeof(out));
    h1_write_last_chunk(&b, &head, NULL);
    assert_string_equal(textbuf_z(&b), "0\r\n\r\n");
}

/* At every capacity: all of it, or nothing and `full`; never a byte beyond. */
static void test_full(void **state)
{
    struct section *section = respond(200);
    char small[300];
    size_t need;
    struct textbuf b;

    (void)state;
    assert_true(head_replace(&head, &head.fields[1], TEXT("replaced")));
    textbuf_init(&b, out, sizeof(out));
    textbuf_putz(&b, "before");
    h1_write_head(&b, &head, section, 1, H1_FRAME_CHUNKED, true);
    need = b.len;
    for (size_t cap = 6; cap < need + 3; cap++) {
        memset(small, '!', sizeof(small));
        textbuf_init(&b, small, cap);
        textbuf_putz(&b, "before");
        h1_write_head(&b, &head, section, 1, H1_FRAME_CHUNKED, true);
        assert_int_equal(b.full, cap < need);
        assert_int_equal(b.len, cap < need ? 6 : need);
        assert_memory_equal(small, out, b.len);
        assert_int_equal(small[cap], '!');
    }
    textbuf_init(&b, small, 4);
    h1_write_last_chunk(&b, &head, NULL);
    assert_true(b.full);
    assert_int_equal(b.len, 0);
    /* Once full, nothing is added, though it would fit. */
    textbuf_init(&b, small, sizeof(small));
    b.full = true;
    h1_write_last_chunk(&b, &head, NULL);
    assert_int_equal(b.len, 0);
    textbuf_init(&b, NULL, 0);
    h1_write_last_chunk(&b, &head, NULL);
    assert_true(b.full);
}

static void test_phrases(void **state)
{
    unsigned known = 0;

    (void)state;
    for (unsigned status = 0; status < 1200; status++)
        known += h1_reason_phrase(status).len > 0;
    assert_int_equal(known, 60);
    assert_true(text_eq(h1_reason_phrase(431), TEXT("Request Header Fields Too Large")));
    assert_true(text_eq(h1_reason_phrase(226), TEXT("IM Used")));
    assert_true(text_eq(h1_reason_phrase(505), TEXT("HTTP Version Not Supported")));
    assert_int_equal(h1_reason_phrase(306).len, 0);
    assert_int_equal(h1_reason_phrase(UINT32_MAX).len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_framings),      cmocka_unit_test(test_changed_fields), cmocka_unit_test(test_spans),
        cmocka_unit_test(test_almost_a_line), cmocka_unit_test(test_last_chunk),     cmocka_unit_test(test_full),
        cmocka_unit_test(test_phrases),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
