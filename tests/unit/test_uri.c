/* Tests of authorities and request targets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <string.h>

#include "guard.h"
#include "http/uri.h"

/* port -1: none */
static void authority_is(const char *t, const char *host, int port)
{
    struct authority out;

    if (!uri_authority(guard_copy(text_of(t)), &out))
        fail_msg("refused: %s", t);
    assert_true(text_eq(out.host, text_of(host)));
    assert_int_equal(out.has_port, port >= 0);
    assert_int_equal(out.port, port >= 0 ? port : 0);
}

static void authority_bad(const char *t)
{
    struct authority out;

    if (uri_authority(guard_copy(text_of(t)), &out))
        fail_msg("taken: %s", t);
}

static void test_authority(void **state)
{
    (void)state;
    authority_is("a", "a", -1);
    authority_is("a.example:80", "a.example", 80);
    authority_is("a:", "a", -1);
    authority_is("a:0", "a", 0);
    authority_is("a:00443", "a", 443);
    authority_is("a:65535", "a", 65535);
    authority_is("192.0.2.1:8080", "192.0.2.1", 8080);
    authority_is("A-z_0~9.!$&'()*+,;=%c3%A4", "A-z_0~9.!$&'()*+,;=%c3%A4", -1);
    authority_is("[::1]", "[::1]", -1);
    authority_is("[::1]:80", "[::1]", 80);
    authority_bad("");
    authority_bad(":");
    authority_bad(":80");
    authority_bad("a:65536");
    authority_bad("a:99999999999999999999999");
    authority_bad("a:-1");
    authority_bad("a:8 0");
    authority_bad("a:b");
    authority_bad("a:80:80");
    authority_bad("u@a");
    authority_bad("u:p@a");
    authority_bad("a b");
    authority_bad(" a");
    authority_bad("a/");
    authority_bad("a?");
    authority_bad("a#");
    authority_bad("a\\b");
    authority_bad("a%");
    authority_bad("a%4");
    authority_bad("a%4g");
    authority_bad("a\x01");
    authority_bad("a\x80");
    authority_bad("::1");
}

static void test_ipv6(void **state)
{
    static const char *const good[] = {
        "::",
        "::1",
        "1::",
        "1:2:3:4:5:6:7:8",
        "1:2:3:4:5:6:7::",
        "::2:3:4:5:6:7:8",
        "1::8",
        "fe80::1",
        "2001:DB8::aF0",
        "::ffff:1.2.3.4",
        "1:2:3:4:5:6:192.0.2.255",
        "::0.0.0.0",
        "1:2:3:4::7:8",
        "1::5:6.7.8.9",
    };
    static const char *const bad[] = {
        "",
        ":",
        "1",
        ":::",
        "1:2",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9",
        "1::2::3",
        "12345::",
        "g::",
        "::1%25eth0",
        "1:",
        ":1",
        "1:2:3:4:5:6:7:8::",
        "1.2.3.4",
        "::1.2.3",
        "::1.2.3.256",
        "::01.2.3.4",
        "::1.2.3.4.5",
        "::1.2.3.4:1",
        "1.2.3.4::",
        "v1.x",
        "::1:",
        ":1::",
        "1:2:3:4:5:6:7:1.2.3.4",
        "::1 ",
        "::1..2.3",
        "::1.2.3.",
    };
    char t[64];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        snprintf(t, sizeof(t), "[%s]", good[i]);
        authority_is(t, t, -1);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        snprintf(t, sizeof(t), "[%s]", bad[i]);
        authority_bad(t);
    }
    authority_bad("[::1");
    authority_bad("[");
    authority_bad("[::1]80");
    authority_bad("[::1]]");
    authority_bad("[[::1]");
}

static void absolute_is(const char *t, const char *scheme, const char *authority, const char *path)
{
    struct absolute_uri out;

    if (!uri_absolute(guard_copy(text_of(t)), &out))
        fail_msg("refused: %s", t);
    assert_true(text_eq(out.scheme, text_of(scheme)));
    assert_true(text_eq(out.authority, text_of(authority)));
    assert_true(text_eq(out.path, text_of(path)));
}

static void test_absolute(void **state)
{
    static const char *const bad[] = {
        "",           "http",       "http:",       "http:/",        "http://",     "http:///",
        "http://?",   "://a",       "1http://a",   "+x://a",        "ht_tp://a",   "http:/a",
        "http//a",    "http://a#b", "http://a/#",  "http://a?#",    "http://u@a/", "http://a:b/",
        "http://a /", "http://a/%", "http://a?\"", "http://a/\x80", "*",           "/",
        "a:80",       "http:a",
    };
    struct absolute_uri out;

    (void)state;
    absolute_is("http://a", "http", "a", "");
    absolute_is("HTTPS://a:1/b?c", "HTTPS", "a:1", "/b?c");
    absolute_is("x+y-z.1://[::1]?c", "x+y-z.1", "[::1]", "?c");
    absolute_is("http://a//b://c", "http", "a", "//b://c");
    absolute_is("http://a?/b", "http", "a", "?/b");
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        if (uri_absolute(guard_copy(text_of(bad[i])), &out))
            fail_msg("taken: %s", bad[i]);
}

/* Each byte in a path and in a query. */
static void test_origin_form(void **state)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    static const char path_marks[] = "-._~!$&'()*+,;=:@/[]|^";
    static const char query_marks[] = "-._~!$&'()*+,;=:@/?[]|^`{}\\%";
    char path[] = "/x", query[] = "/?x";

    (void)state;
    for (int c = 1; c < 256; c++) {
        bool in_path = strchr(letters, c) != NULL || strchr(path_marks, c) != NULL || c == '?';
        bool in_query = strchr(letters, c) != NULL || strchr(query_marks, c) != NULL;

        path[1] = query[2] = (char)c;
        assert_int_equal(uri_origin_form(guard_copy(text_of(path))), in_path);
        assert_int_equal(uri_origin_form(guard_copy(text_of(query))), in_query);
    }
    assert_false(uri_origin_form(guard_copy(text_make("/\0", 2))));
    assert_false(uri_origin_form(guard_copy(text_make("/?\0", 3))));
    assert_false(uri_origin_form(text_make(NULL, 0)));
    assert_false(uri_origin_form(TEXT("*")));
    assert_false(uri_origin_form(TEXT("a/b")));
    assert_true(uri_origin_form(guard_copy(TEXT("/%20%aF"))));
    assert_false(uri_origin_form(guard_copy(TEXT("/%2"))));
    assert_false(uri_origin_form(guard_copy(TEXT("/%"))));
    assert_false(uri_origin_form(guard_copy(TEXT("/%2x"))));
    assert_true(uri_origin_form(guard_copy(TEXT("/?%"))));
}

static void test_default_port(void **state)
{
    (void)state;
    assert_int_equal(uri_default_port(TEXT("http")), 80);
    assert_int_equal(uri_default_port(TEXT("H2C")), 80);
    assert_int_equal(uri_default_port(TEXT("Https")), 443);
    assert_int_equal(uri_default_port(TEXT("h2")), 443);
    assert_int_equal(uri_default_port(TEXT("ftp")), 0);
    assert_int_equal(uri_default_port(TEXT("")), 0);
}

static void test_climbs(void **state)
{
    static const char *const climbing[] = {
        "/..",     "/../",      "/a/..",      "/a/../b",   "/.",      "/./a",       "/a/./b",  "/%2e%2e/",   "/.%2E",
        "/%2e",    "/a/%2e./b", "/a%2F..",    "/..%5cb",   "/a%5C..", "/a\\.",      "..",      ".",          "../a",
        "/..;x/a", "/a/..;/b",  "/a/.;x=y/b", "/..%3bx/a", "/..?x",   "/a/%2e%2e?", "/app/..", "/%2E%2e%3B",
    };
    static const char *const staying[] = {
        "/",      "",       "/a",    "/...",  "/a..",   "/..a",   "/.a",    "/a.",   "/a/...",     "/.well-known/x",
        "/a/b.",  "//",     "/a//b", "/a;..", "/?/../", "/a?..",  "/a?%2f", "/a?\\", "/%2e%2e%2e", "/..%20",
        "/a%2fb", "/a%5Cb", "/a\\b", "*",     "/a;/b",  "/%252e", "/....",  "/%",    "/a%2",       "/..%",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(climbing); i++)
        if (!uri_path_climbs(guard_copy(text_of(climbing[i]))))
            fail_msg("stays: %s", climbing[i]);
    for (size_t i = 0; i < ARRAY_SIZE(staying); i++)
        if (uri_path_climbs(guard_copy(text_of(staying[i]))))
            fail_msg("climbs: %s", staying[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_authority),   cmocka_unit_test(test_ipv6),         cmocka_unit_test(test_absolute),
        cmocka_unit_test(test_origin_form), cmocka_unit_test(test_default_port), cmocka_unit_test(test_climbs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
