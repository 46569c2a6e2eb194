/* Tests of what a request head means: framing in all combinations, persistence, and where authority and path stand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <string.h>

#include "http/h1.h"

static struct head head;
static char storage[2048];

/* Parses and interprets; the storage holds the head and nothing more. */
static enum h1_reason interpret(const char *textz, struct h1_request *request)
{
    const struct h1_limits limits = {1000, 1000, 20};
    struct h1_parser parser = {0};
    struct text t = text_of(textz);
    size_t consumed;
    unsigned minor;

    head_init(&head, storage, sizeof(storage));
    memcpy(storage, t.ptr, t.len);
    assert_int_equal(h1_parse_request(&parser, &head, t.len, &limits, &consumed, &minor), H1_OK);
    assert_int_equal(consumed, t.len);
    head.used = (uint32_t)t.len;
    return h1_interpret(&head, minor, request);
}

/* Each kind of length with each kind of encoding, in both versions. The expected reasons are in the order of
 * `encodings`. */
static void test_framing(void **state)
{
    static const char *const lengths[] = {"", "Content-Length: 0\r\n", "Content-Length: 7\r\n",
                                          "Content-Length: x\r\n"};
    static const char *const encodings[] = {"", "Transfer-Encoding: chunked\r\n", "Transfer-Encoding: gzip\r\n",
                                            "Transfer-Encoding: chunked, x\r\n"};
    static const enum h1_reason expected[2][4][4] = {
        {
            {H1_OK, H1_BAD_TRANSFER_ENCODING, H1_BAD_TRANSFER_ENCODING, H1_BAD_TRANSFER_ENCODING},
            {H1_OK, H1_LENGTH_AND_ENCODING, H1_LENGTH_AND_ENCODING, H1_LENGTH_AND_ENCODING},
            {H1_OK, H1_LENGTH_AND_ENCODING, H1_LENGTH_AND_ENCODING, H1_LENGTH_AND_ENCODING},
            {H1_BAD_CONTENT_LENGTH, H1_LENGTH_AND_ENCODING, H1_LENGTH_AND_ENCODING, H1_LENGTH_AND_ENCODING},
        },
        {
            {H1_OK, H1_OK, H1_CODING, H1_BAD_TRANSFER_ENCODING},
            {H1_OK, H1_LENGTH_AND_ENCODING, H1_LENGTH_AND_ENCODING, H1_LENGTH_AND_ENCODING},
            {H1_OK, H1_LENGTH_AND_ENCODING, H1_LENGTH_AND_ENCODING, H1_LENGTH_AND_ENCODING},
            {H1_BAD_CONTENT_LENGTH, H1_LENGTH_AND_ENCODING, H1_LENGTH_AND_ENCODING, H1_LENGTH_AND_ENCODING},
        },
    };
    char text[200];

    (void)state;
    for (unsigned minor = 0; minor < 2; minor++) {
        for (unsigned length = 0; length < 4; length++) {
            for (unsigned encoding = 0; encoding < 4; encoding++) {
                struct h1_request request;
                enum h1_reason reason;

                snprintf(text, sizeof(text), "PUT / HTTP/1.%u\r\nHost: a\r\n%s%s\r\n", minor, lengths[length],
                         encodings[encoding]);
                reason = interpret(text, &request);
                assert_int_equal(reason, expected[minor][length][encoding]);
                if (reason != H1_OK)
                    continue;
                assert_int_equal(request.body, encoding == 1 ? H1_BODY_CHUNKED
                                               : length == 2 ? H1_BODY_LENGTH
                                                             : H1_BODY_NONE);
                assert_int_equal(request.length, length == 2 ? 7 : 0);
                assert_int_equal(request.keep_alive, minor == 1);
            }
        }
    }
}

static void absolute_is(const char *textz, const char *authority, const char *path)
{
    struct h1_request request;
    uint32_t used;

    assert_int_equal(interpret(textz, &request), H1_OK);
    used = head.used;
    assert_true(request.absolute);
    assert_true(text_eq(head_text(&head, head.authority), text_of(authority)));
    assert_true(text_eq(head_text(&head, head.path), text_of(path)));
    assert_int_equal(head.used, used);
    assert_int_equal(used, strlen(textz));
    assert_int_equal(head.scheme.len, 0);
    /* What the request line is made of now stays within the request line. */
    assert_true(head.path.at + head.path.len <= head.fields[0].name.at);
}

/* The path that an absolute-form target leaves out is made without any storage. */
static void test_absolute(void **state)
{
    (void)state;
    absolute_is("GET http://a.b:80/c?d HTTP/1.1\r\nHost: a.b\r\n\r\n", "a.b:80", "/c?d");
    absolute_is("GET http://a.b HTTP/1.1\r\nHost: a.b\r\n\r\n", "a.b", "/");
    absolute_is("GET http://a.b?c=/ HTTP/1.1\r\nHost: a.b\r\n\r\n", "a.b", "/?c=/");
    absolute_is("OPTIONS https://[::1] HTTP/1.1\r\nHost: [::1]:443\r\n\r\n", "[::1]", "*");
    absolute_is("OPTIONS http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", "a", "/");
    absolute_is("GET http://a: HTTP/1.1\r\nHost: A:80\r\n\r\n", "a:", "/");
}

/* The authority is Host's own text, and the request line stays as it was. */
static void test_origin(void **state)
{
    struct h1_request request;

    (void)state;
    assert_int_equal(interpret("GET /x HTTP/1.1\r\nA: b\r\nHost: c:1\r\n\r\n", &request), H1_OK);
    assert_false(request.absolute);
    assert_int_equal(head.authority.at, head.fields[1].value.at);
    assert_int_equal(head.authority.len, 3);
    assert_true(text_eq(head_text(&head, head.path), TEXT("/x")));
    assert_memory_equal(storage, "GET /x HTTP/1.1\r\n", 17);
    assert_int_equal(interpret("GET /x HTTP/1.0\r\n\r\n", &request), H1_OK);
    assert_int_equal(head.authority.len, 0);
}

/* Repeated lists add up, whatever their order. */
static void test_lists(void **state)
{
    struct h1_request request;

    (void)state;
    assert_int_equal(interpret("GET / HTTP/1.1\r\nHost: a\r\nConnection: x\r\nConnection: close\r\nConnection: y\r\n"
                               "TE: trailers\r\nTE: gzip\r\n\r\n",
                               &request),
                     H1_OK);
    assert_false(request.keep_alive);
    assert_true(request.te_trailers);
    assert_int_equal(
        interpret("GET / HTTP/1.0\r\nConnection: x\r\nConnection: keep-alive\r\nConnection: y\r\n\r\n", &request),
        H1_OK);
    assert_true(request.keep_alive);
    assert_false(request.te_trailers);
    assert_int_equal(interpret("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-continue\r\n"
                               "Expect: other\r\nExpect: 100-continue\r\n\r\n",
                               &request),
                     H1_EXPECT);
}

/* Framing is refused before an expectation: the connection must close. */
static void test_order(void **state)
{
    struct h1_request request;

    (void)state;
    assert_int_equal(interpret("PUT / HTTP/1.1\r\nHost: a\r\nExpect: x\r\nContent-Length: x\r\n\r\n", &request),
                     H1_BAD_CONTENT_LENGTH);
    assert_int_equal(interpret("CONNECT a:1 HTTP/1.1\r\n\r\n", &request), H1_METHOD);
    assert_int_equal(interpret("TRACE / HTTP/1.1\r\n\r\n", &request), H1_TRACE);
}

/* The table has a line for each reason, and each its own word. */
static void test_refusals(void **state)
{
    (void)state;
    for (unsigned a = H1_PARTIAL + 1; a < H1_REASONS; a++) {
        const struct h1_refusal *refusal = h1_refusal((enum h1_reason)a);

        assert_true(refusal->status >= 400 && refusal->status < 600);
        assert_true(strlen(refusal->word) > 0 && strcspn(refusal->word, " \"") == strlen(refusal->word));
        assert_true(strlen(refusal->section) > 0);
        for (unsigned b = H1_PARTIAL + 1; b < a; b++)
            assert_string_not_equal(refusal->word, h1_refusal((enum h1_reason)b)->word);
    }
    assert_int_equal(h1_refusal(H1_OK)->status, 0);
    assert_int_equal(h1_refusal(H1_PARTIAL)->status, 0);
    assert_string_equal(h1_refusal(H1_PARTIAL)->word, "");
    assert_int_equal(h1_refusal(H1_REASONS)->status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_framing), cmocka_unit_test(test_absolute), cmocka_unit_test(test_origin),
        cmocka_unit_test(test_lists),   cmocka_unit_test(test_order),    cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
