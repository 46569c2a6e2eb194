/* Tests of HTTP/2 request heads: fields, limits, cookie crumbs, and the rules of RFC 9113 8.3 for host and target. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "guard.h"
#include "http/h2_request.h"

#define assert_text(t, literal) assert_true(text_eq(t, TEXT(literal)))

static const struct h1_limits no_limits;
static struct head head;
static char storage[4096];

static void begin(size_t cap)
{
    memset(storage, '#', sizeof(storage));
    head_init(&head, storage, cap);
    assert_non_null(head_begin(&head, SECTION_REQUEST, 0));
}

static int setup(void **state)
{
    (void)state;
    memset(&head, 0xa5, sizeof(head));
    begin(sizeof(storage));
    return 0;
}

/* Name and value end at an unreadable page, one after the other. */
static enum h1_reason put_limited(const char *name, const char *value, const struct h1_limits *limits)
{
    return h2_request_field(&head, text_of(name), guard_copy(text_of(value)), limits);
}

static enum h1_reason put(const char *name, const char *value)
{
    return put_limited(name, value, &no_limits);
}

static void put_ok(const char *name, const char *value)
{
    assert_int_equal(put(name, value), H1_OK);
}

static void put_start(const char *method, const char *path, const char *authority)
{
    put_ok(":method", method);
    put_ok(":scheme", "http");
    put_ok(":path", path);
    if (authority != NULL)
        put_ok(":authority", authority);
}

/* ---- fields ---- */

static void test_pseudo_fields(void **state)
{
    (void)state;
    put_start("GET", "/a?b", "host.example:81");
    put_ok(":protocol", "websocket");
    assert_text(head_text(&head, head.method), "GET");
    assert_text(head_text(&head, head.scheme), "http");
    assert_text(head_text(&head, head.path), "/a?b");
    assert_text(head_text(&head, head.authority), "host.example:81");
    assert_text(head_text(&head, head.protocol), "websocket");
    assert_int_equal(head.field_count, 0);
}

static void test_fields(void **state)
{
    (void)state;
    put_start("GET", "/", "h");
    put_ok("accept", "*/*");
    put_ok("x-empty", "");
    put_ok("accept", "text/html");
    assert_int_equal(head_last(&head)->count, 3);
    assert_text(field_name_of(&head, &head.fields[0]), "accept");
    assert_text(field_value_of(&head, &head.fields[0]), "*/*");
    assert_text(field_value_of(&head, &head.fields[1]), "");
    assert_text(field_value_of(&head, &head.fields[2]), "text/html");
}

/* Trailers stand in a section of their own, and their fields are counted for themselves. */
static void test_trailers(void **state)
{
    const struct h1_limits limits = {.fields = 2};

    (void)state;
    put_start("POST", "/", "h");
    put_ok("a", "1");
    put_ok("cookie", "x=1");
    assert_non_null(head_begin(&head, SECTION_TRAILERS, 0));
    assert_int_equal(put_limited("cookie", "y=2", &limits), H1_OK); /* not joined with the head's */
    assert_int_equal(put_limited("c", "3", &limits), H1_OK);
    assert_int_equal(put_limited("d", "4", &limits), H1_FIELDS_MANY);
    assert_int_equal(head_last(&head)->count, 2);
    assert_int_equal(head.sections[0].count, 2);
    assert_text(field_value_of(&head, &head.fields[1]), "x=1");
    assert_text(field_value_of(&head, &head.fields[2]), "y=2");
}

/* ---- cookies ---- */

static void test_crumbs_are_joined(void **state)
{
    (void)state;
    put_ok("cookie", "a=1");
    put_ok("cookie", "b=2");
    put_ok("cookie", "");
    put_ok("cookie", "c=3");
    assert_int_equal(head_last(&head)->count, 1);
    assert_text(field_value_of(&head, &head.fields[0]), "a=1; b=2; ; c=3");
    assert_text(text_make(head.text, head.used), "cookie: a=1; b=2; ; c=3\r\n");
    put_ok("x-between", "1");
    put_ok("cookie", "d=4"); /* a second line is no fault: the backend speaks HTTP/2, too */
    put_ok("cookie", "e=5");
    assert_int_equal(head_last(&head)->count, 3);
    assert_text(field_value_of(&head, &head.fields[2]), "d=4; e=5");
    assert_text(field_value_of(&head, &head.fields[0]), "a=1; b=2; ; c=3");
}

/* A thousand crumbs are one field, and do not count against the number of fields. */
static void test_thousand_crumbs(void **state)
{
    const struct h1_limits limits = {.fields = 1};
    static char large[20000];
    struct text value;

    (void)state;
    head_init(&head, large, sizeof(large));
    assert_non_null(head_begin(&head, SECTION_REQUEST, 0));
    for (unsigned i = 0; i < 1000; i++) {
        char crumb[16];

        snprintf(crumb, sizeof(crumb), "c%03u=%u", i, i % 10);
        assert_int_equal(put_limited("cookie", crumb, &limits), H1_OK);
    }
    assert_int_equal(head_last(&head)->count, 1);
    value = field_value_of(&head, &head.fields[0]);
    assert_int_equal(value.len, 1000 * 6 + 999 * 2);
    assert_text(text_first(value, 14), "c000=0; c001=1");
    assert_text(text_skip(value, value.len - 6), "c999=9");
    assert_int_equal(put_limited("other", "1", &limits), H1_FIELDS_MANY);
}

/* At every size of the storage: what fits is stored whole, what does not changes nothing. */
static void test_storage_full(void **state)
{
    (void)state;
    for (size_t cap = 0; cap < 64; cap++) {
        static const char *const crumbs[] = {"abc=1", "d=22", "ef=333"};
        uint32_t used = 0;
        bool full = false;

        begin(cap);
        for (size_t i = 0; i < ARRAY_SIZE(crumbs); i++) {
            enum h1_reason reason = put("cookie", crumbs[i]);

            assert_true(reason == H1_OK || reason == H1_HEAD_LARGE);
            full = full || reason != H1_OK;
            assert_true(head.used <= cap);
            if (reason != H1_OK)
                assert_int_equal(head.used, used);
            used = head.used;
        }
        assert_int_equal(full, cap < strlen("cookie: abc=1; d=22; ef=333\r\n"));
        for (size_t i = cap; i < sizeof(storage); i++)
            assert_int_equal(storage[i], '#');
        assert_int_equal(put(":path", "/0123456789012345678901234567890123456789012345678901234567890123456789"),
                         H1_HEAD_LARGE);
    }
}

static void test_extend_last(void **state)
{
    struct span span;

    (void)state;
    assert_true(head_add(&head, TEXT("a"), TEXT("")));
    assert_true(head_extend_last(&head, TEXT(""), TEXT("")));
    assert_true(head_extend_last(&head, TEXT(", "), TEXT("x")));
    assert_true(head_add(&head, TEXT("b"), TEXT("1")));
    assert_true(head_extend_last(&head, TEXT(", "), TEXT("2")));
    assert_text(text_make(head.text, head.used), "a: , x\r\nb: 1, 2\r\n");
    assert_text(field_value_of(&head, &head.fields[0]), ", x");
    assert_text(field_value_of(&head, &head.fields[1]), "1, 2");
    assert_true(head_store(&head, TEXT("in the way"), &span));
    assert_false(head_extend_last(&head, TEXT(", "), TEXT("3")));
    assert_text(field_value_of(&head, &head.fields[1]), "1, 2");
    assert_text(head_text(&head, span), "in the way");
}

/* ---- limits ---- */

static void test_limits(void **state)
{
    const struct h1_limits limits = {.line = 5, .field = 6, .fields = 3};

    (void)state;
    assert_int_equal(put_limited(":path", "/1234", &limits), H1_OK);
    assert_int_equal(put_limited(":path", "/12345", &limits), H1_LINE_LONG);
    assert_int_equal(put_limited(":authority", "longer.than.six", &limits), H1_OK);
    assert_int_equal(put_limited("abc", "123", &limits), H1_OK);
    assert_int_equal(put_limited("abc", "1234", &limits), H1_FIELD_LONG);
    assert_int_equal(put_limited("abcdefg", "", &limits), H1_FIELD_LONG);
    assert_int_equal(put_limited("b", "2", &limits), H1_OK);
    assert_int_equal(put_limited("c", "3", &limits), H1_OK);
    assert_int_equal(put_limited("d", "4", &limits), H1_FIELDS_MANY);
    assert_int_equal(head_last(&head)->count, 3);
}

/* Without a limit the index is what bounds them. */
static void test_index_full(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CONFIG_HEAD_FIELDS; i++)
        put_ok("x", "1");
    assert_int_equal(put("x", "1"), H1_FIELDS_MANY);
    assert_int_equal(put("cookie", "a=1"), H1_FIELDS_MANY);
}

/* ---- what a head says ---- */

static enum h1_reason interpret(struct h2_request *request)
{
    memset(request, 0, sizeof(*request));
    return h2_request_interpret(&head, request);
}

/* :authority, Host, a second Host (NULL: it is not there), and what becomes of them. */
static void test_host(void **state)
{
    static const struct {
        const char *authority, *host, *second;
        enum h1_reason reason;
        const char *is;
    } cases[] = {
        {"a.example", NULL, NULL, H1_OK, "a.example"},
        {"a.example:8080", NULL, NULL, H1_OK, "a.example:8080"},
        {"[::1]:8080", NULL, NULL, H1_OK, "[::1]:8080"},
        {"a.example", "a.example", NULL, H1_OK, "a.example"},
        {"a.example", "A.Example", NULL, H1_OK, "a.example"},
        {NULL, "a.example:1", NULL, H1_OK, "a.example:1"},
        {"", "a.example", NULL, H1_OK, "a.example"},
        {NULL, NULL, NULL, H1_NO_HOST, NULL},
        {"", NULL, NULL, H1_NO_HOST, NULL},
        {"a.example", "b.example", NULL, H1_HOST_MISMATCH, NULL},
        {"a.example", "a.example:80", NULL, H1_HOST_MISMATCH, NULL},
        {"a.example", "", NULL, H1_HOST_MISMATCH, NULL},
        {"a.example", "a.example", "a.example", H1_TWO_HOSTS, NULL},
        {NULL, "a.example", "b.example", H1_TWO_HOSTS, NULL},
        {"user@a.example", NULL, NULL, H1_BAD_HOST, NULL},
        {"a.example/x", NULL, NULL, H1_BAD_HOST, NULL},
        {"a example", NULL, NULL, H1_BAD_HOST, NULL},
        {"a.example:99999", NULL, NULL, H1_BAD_HOST, NULL},
        {NULL, "a.example, b.example", NULL, H1_BAD_HOST, NULL},
        {NULL, "", NULL, H1_BAD_HOST, NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct h2_request request;

        begin(sizeof(storage));
        put_start("GET", "/", cases[i].authority);
        if (cases[i].host != NULL)
            put_ok("host", cases[i].host);
        if (cases[i].second != NULL)
            put_ok("host", cases[i].second);
        if (interpret(&request) != cases[i].reason)
            fail_msg("case %zu", i);
        if (cases[i].reason != H1_OK) {
            assert_true(h2_request_malformed(cases[i].reason));
            continue;
        }
        assert_true(text_eq(head_text(&head, head.authority), text_of(cases[i].is)));
        assert_null(head_find(&head, head_last(&head), FIELD_HOST, NULL));
    }
}

static void test_target(void **state)
{
    static const struct {
        const char *method, *path;
        enum h1_reason reason;
    } cases[] = {
        {"GET", "/", H1_OK},
        {"GET", "/a%20b?c=d&e", H1_OK},
        {"OPTIONS", "*", H1_OK},
        {"GET", "*", H1_BAD_TARGET},
        {"OPTIONS", "**", H1_BAD_TARGET},
        {"GET", "", H1_BAD_TARGET},
        {"GET", "a", H1_BAD_TARGET},
        {"GET", "http://h/", H1_BAD_TARGET},
        {"GET", "/a b", H1_BAD_TARGET},
        {"GET", "/a#b", H1_BAD_TARGET},
        {"GET", "/%zz", H1_BAD_TARGET},
        {"GET", "/\x7f", H1_BAD_TARGET},
        {"BREW", "/", H1_OK},
        {"TRACE", "/", H1_TRACE},
        {"CONNECT", "/", H1_METHOD},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct h2_request request;

        begin(sizeof(storage));
        put_start(cases[i].method, cases[i].path, "h");
        if (interpret(&request) != cases[i].reason)
            fail_msg("case %zu: %s %s", i, cases[i].method, cases[i].path);
        assert_int_equal(h2_request_malformed(cases[i].reason), cases[i].reason == H1_BAD_TARGET);
    }
}

static void test_method_ids(void **state)
{
    struct h2_request request;

    (void)state;
    put_start("HEAD", "/", "h");
    assert_int_equal(interpret(&request), H1_OK);
    assert_int_equal(head.method_id, METHOD_HEAD);
    begin(sizeof(storage));
    put_start("head", "/", "h"); /* RFC 9110 9.1: case-sensitive */
    assert_int_equal(interpret(&request), H1_OK);
    assert_int_equal(head.method_id, METHOD_OTHER);
}

/* RFC 8441. */
static void test_tunnel(void **state)
{
    static const struct {
        const char *method, *protocol;
        bool tunnel;
    } cases[] = {
        {"CONNECT", "websocket", true}, {"CONNECT", "WebSocket", true}, {"CONNECT", "webtransport", false},
        {"CONNECT", NULL, false},       {"GET", "websocket", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        bool tunnel = cases[i].tunnel && IS_ENABLED(CONFIG_WEBSOCKET);
        struct h2_request request;
        enum h1_reason reason;

        begin(sizeof(storage));
        put_start(cases[i].method, "/chat", "h");
        if (cases[i].protocol != NULL)
            put_ok(":protocol", cases[i].protocol);
        reason = interpret(&request);
        assert_int_equal(reason, tunnel || strcmp(cases[i].method, "GET") == 0 ? H1_OK : H1_METHOD);
        assert_int_equal(request.tunnel, tunnel);
    }
}

static void test_length_and_expect(void **state)
{
    struct h2_request request;

    (void)state;
    put_start("POST", "/", "h");
    assert_int_equal(interpret(&request), H1_OK);
    assert_false(request.has_length);

    put_ok("content-length", "18446744073709551615");
    put_ok("expect", "100-Continue");
    assert_int_equal(interpret(&request), H1_OK);
    assert_true(request.has_length);
    assert_true(request.length == UINT64_MAX);

    begin(sizeof(storage));
    put_start("POST", "/", "h");
    put_ok("content-length", "0");
    put_ok("expect", "200-ok");
    assert_int_equal(interpret(&request), H1_EXPECT);
    assert_true(request.has_length);
    assert_int_equal(request.length, 0);
    assert_false(h2_request_malformed(H1_EXPECT));
}

/* RFC 9113 8.1.1: what can be told in an answer is no malformed request. */
static void test_malformed(void **state)
{
    static const enum h1_reason answered[] = {H1_LINE_LONG, H1_FIELD_LONG, H1_FIELDS_MANY, H1_HEAD_LARGE,
                                              H1_METHOD,    H1_TRACE,      H1_EXPECT,      H1_OK};
    static const enum h1_reason malformed[] = {H1_BAD_HOST, H1_NO_HOST, H1_HOST_MISMATCH, H1_TWO_HOSTS, H1_BAD_TARGET};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(answered); i++)
        assert_false(h2_request_malformed(answered[i]));
    for (size_t i = 0; i < ARRAY_SIZE(malformed); i++)
        assert_true(h2_request_malformed(malformed[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_pseudo_fields, setup),   cmocka_unit_test_setup(test_fields, setup),
        cmocka_unit_test_setup(test_trailers, setup),        cmocka_unit_test_setup(test_crumbs_are_joined, setup),
        cmocka_unit_test_setup(test_thousand_crumbs, setup), cmocka_unit_test_setup(test_storage_full, setup),
        cmocka_unit_test_setup(test_extend_last, setup),     cmocka_unit_test_setup(test_limits, setup),
        cmocka_unit_test_setup(test_index_full, setup),      cmocka_unit_test_setup(test_host, setup),
        cmocka_unit_test_setup(test_target, setup),          cmocka_unit_test_setup(test_method_ids, setup),
        cmocka_unit_test_setup(test_tunnel, setup),          cmocka_unit_test_setup(test_length_and_expect, setup),
        cmocka_unit_test_setup(test_malformed, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
