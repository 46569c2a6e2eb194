/* Tests of forwarding: heads of requests and responses on their way through the proxy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/addr.h"
#include "proxy/forward.h"

static struct forward_settings settings;
static struct route route;
static struct forward_context context;
static struct head head;
static char storage[8192];
static char shown[8192];

static int setup(void **state)
{
    (void)state;
    settings = (struct forward_settings){.add_headers = false, .via = VIA_OFF};
    route = (struct route){.prefix = TEXT("/app"), .path = TEXT("/app")};
    context = (struct forward_context){
        .settings = &settings,
        .route = &route,
        .backend_authority = TEXT("b:8081"),
        .backend_scheme = TEXT("http"),
        .client_version = TEXT("1.1"),
    };
    assert_true(addr_parse(TEXT("192.0.2.7"), &context.client));
    assert_true(addr_parse(TEXT("192.0.2.1"), &context.local));
    context.local.port = 8080;
    return 0;
}

/* Fills the head from lines "name: value" that end in \n. */
static struct section *fill(enum section_kind kind, unsigned status, const char *lines, size_t cap)
{
    struct section *section;

    head_init(&head, storage, cap);
    section = head_begin(&head, kind, status);
    while (*lines != '\0') {
        const char *end = strchr(lines, '\n');
        struct text line = text_make(lines, (size_t)(end - lines));
        size_t colon = text_find(line, ':', 0);

        assert_true(head_add(&head, text_first(line, colon), text_trim(text_skip(line, colon + 1))));
        lines = end + 1;
    }
    return section;
}

/* A request for a path with these fields; client_authority is that of `host` (may be ""). */
static void request(const char *path, const char *host, const char *lines)
{
    fill(SECTION_REQUEST, 0, lines, sizeof(storage));
    assert_true(head_store(&head, text_of(path), &head.path));
    assert_true(head_store(&head, text_of(host), &head.authority));
    context.client_authority = head_text(&head, head.authority);
}

/* The section's fields as lines. */
static const char *fields(const struct section *section)
{
    struct textbuf b;

    textbuf_init(&b, shown, sizeof(shown));
    HEAD_EACH(f, &head, section)
    {
        textbuf_put(&b, field_name_of(&head, f));
        textbuf_put(&b, TEXT(": "));
        textbuf_put(&b, field_value_of(&head, f));
        textbuf_putc(&b, '\n');
        assert_int_equal(f->id, field_lookup(field_name_of(&head, f)));
    }
    return textbuf_z(&b);
}

static void forward(const char *expected)
{
    assert_true(forward_request(&head, &context, 4));
    assert_string_equal(fields(&head.sections[0]), expected);
}

static void assert_span(struct span span, const char *expected)
{
    if (!text_eq(head_text(&head, span), text_of(expected)))
        fail_msg("%.*s is not %s", TEXT_ARG(head_text(&head, span)), expected);
}

static void test_target(void **state)
{
    (void)state;
    request("/app/x?q=1", "front", "host: front\naccept: */*\n");
    forward("accept: */*\n");
    assert_span(head.path, "/app/x?q=1");
    assert_span(head.scheme, "http");
    assert_span(head.authority, "b:8081");
    settings.preserve_host = true;
    request("/app/x", "front:80", "host: front:80\n");
    forward("");
    assert_span(head.authority, "front:80");
    /* HTTP/1.0 without Host */
    request("/app/x", "", "");
    forward("");
    assert_span(head.authority, "b:8081");
}

static void test_paths(void **state)
{
    static const struct {
        const char *route, *path;
        size_t matched;
        const char *expected;
    } cases[] = {
        {"/app", "/app", 4, "/app"},
        {"/app", "/app?q", 4, "/app?q"},
        {"/app", "//app/x", 5, "/app/x"},
        {"/app", "/%61pp/x", 6, "/app/x"},
        {"", "/app/x", 4, "/x"},
        {"", "/app", 4, "/"},
        {"", "/app?q", 4, "/?q"},
        {"", "/x", 1, "/x"},
        {"/base", "/app/x?q", 4, "/base/x?q"},
        {"/base", "/app", 4, "/base"},
        {"/base/", "/app/x", 5, "/base/x"},
        {"/", "/app/x", 5, "/x"},
        {"/", "/x", 1, "/x"},
        {"/", "/app/x", 4, "//x"}, /* as httpd does it: the operator wrote an uneven pair */
        {"/base", "*", 1, "*"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        route.path = text_of(cases[i].route);
        request(cases[i].path, "", "");
        assert_true(forward_request(&head, &context, cases[i].matched));
        assert_span(head.path, cases[i].expected);
    }
}

static void test_hop_by_hop(void **state)
{
    (void)state;
    request("/app", "",
            "connection: keep-alive, X-One\nkeep-alive: 5\nproxy-connection: x\ntransfer-encoding: chunked\n"
            "upgrade: h2c\nhttp2-settings: AA\nproxy-authorization: x\nx-one: 1\nx-two: 2\nte: gzip\n"
            "trailer: x\nauthorization: a\ncookie: c\n");
    forward("x-two: 2\ntrailer: x\nauthorization: a\ncookie: c\n");
    request("/app", "", "connection: te\nte: gzip;q=0.5, Trailers\n");
    forward("te: trailers\n");
    request("/app", "", "te: trailers\nte: gzip\n");
    forward("te: trailers\n");
    request("/app", "", "te: trailersx\n");
    forward("");
    /* Several Connection fields, case, names that are known and unknown */
    request("/app", "", "x-a: 1\nconnection: X-A\nconnection: X-B , cookie\ncookie: c\nx-b: 2\nx-c: 3\nx-a: 4\n");
    forward("x-c: 3\n");
    request("/app", "", "connection: close\nclose: 1\n");
    forward("close: 1\n");
}

/* Hop-by-hop abuse: what frames, routes or tells of the client cannot be nominated away. */
static void test_nominated(void **state)
{
    (void)state;
    if (!IS_ENABLED(CONFIG_FORWARDED))
        skip();
    settings.add_headers = true;
    settings.via = VIA_ON;
    request("/app", "front",
            "connection: Content-Length, host, x-forwarded-for, X-Forwarded-Host, x-forwarded-proto, forwarded, via, "
            "x-forwarded-server, expect\ncontent-length: 5\nexpect: 100-continue\nx-forwarded-for: 1.1.1.1\n");
    forward("content-length: 5\nexpect: 100-continue\nx-forwarded-for: 1.1.1.1, 192.0.2.7\n"
            "x-forwarded-host: front\nx-forwarded-proto: http\nforwarded: for=192.0.2.7;host=front;proto=http\n"
            "via: 1.1 culvert\n");
}

/* Each option is compared with each field, so their number is bounded. */
static void test_nominated_many(void **state)
{
    char lines[2048];
    struct textbuf b;

    (void)state;
    for (unsigned count = 32; count <= 33; count++) {
        textbuf_init(&b, lines, sizeof(lines));
        textbuf_putz(&b, "connection: keep-alive, close");
        for (unsigned i = 0; i < count; i++)
            textbuf_printf(&b, ", x-%u", i);
        textbuf_putz(&b, "\nx-31: 1\n");
        request("/app", "", textbuf_z(&b));
        assert_int_equal(forward_request(&head, &context, 4), count == 32);
        if (count == 32)
            assert_string_equal(fields(&head.sections[0]), "");
    }
}

static void test_add_headers(void **state)
{
    (void)state;
    if (!IS_ENABLED(CONFIG_FORWARDED) || !IS_ENABLED(CONFIG_IPV6))
        skip();
    settings.add_headers = true;
    settings.server_name = TEXT("proxy.example:8080");
    request("/app", "front.example:8080", "host: front.example:8080\naccept: x\n");
    forward("accept: x\nx-forwarded-for: 192.0.2.7\nx-forwarded-host: front.example:8080\n"
            "x-forwarded-server: proxy.example\nx-forwarded-proto: http\n"
            "forwarded: for=192.0.2.7;host=\"front.example:8080\";proto=http\n");
    /* HTTP/1.0 without Host, over TLS, IPv6 */
    settings.server_name = TEXT("");
    context.client_tls = true;
    assert_true(addr_parse(TEXT("2001:db8::1"), &context.client));
    request("/app", "", "");
    forward("x-forwarded-for: 2001:db8::1\nx-forwarded-proto: https\n"
            "forwarded: for=\"[2001:db8::1]\";proto=https\n");
    settings.add_headers = false;
    request("/app", "front", "x-forwarded-for: 1.1.1.1\nx-forwarded-proto: gopher\nforwarded: for=x\n");
    forward("x-forwarded-for: 1.1.1.1\nx-forwarded-proto: gopher\nforwarded: for=x\n");
}

/* What came is kept, in its order; what only we know is replaced. */
static void test_append_headers(void **state)
{
    (void)state;
    if (!IS_ENABLED(CONFIG_FORWARDED))
        skip();
    settings.add_headers = true;
    settings.server_name = TEXT("[::1]:81");
    request("/app", "front",
            "x-forwarded-for: 1.1.1.1\nx-forwarded-proto: https\nx-a: a\nx-forwarded-for: 2.2.2.2, 3.3.3.3\n"
            "x-forwarded-proto: x\nx-forwarded-host: h\nx-forwarded-server: s\nforwarded: for=_a\nforwarded: for=_b\n");
    forward("x-forwarded-for: 1.1.1.1, 2.2.2.2, 3.3.3.3, 192.0.2.7\nx-a: a\nx-forwarded-host: h, front\n"
            "x-forwarded-server: s, [::1]\nforwarded: for=_a, for=_b, for=192.0.2.7;host=front;proto=http\n"
            "x-forwarded-proto: http\n");
    /* Empty ones leave no comma behind. */
    request("/app", "front", "x-forwarded-for: \nx-forwarded-for: \nx-forwarded-host: \n");
    settings.server_name = TEXT("");
    forward("x-forwarded-for: 192.0.2.7\nx-forwarded-host: front\nx-forwarded-proto: http\n"
            "forwarded: for=192.0.2.7;host=front;proto=http\n");
    /* A quote that is not closed would swallow our element. */
    request("/app", "", "forwarded: for=\"_a\nforwarded: for=\"_\\\"b\"\nforwarded: for=\"_c\\\"\n");
    forward(
        "forwarded: for=\"_\\\"b\", for=192.0.2.7;proto=http\nx-forwarded-for: 192.0.2.7\nx-forwarded-proto: http\n");
}

static void test_via(void **state)
{
    (void)state;
    request("/app", "", "via: 1.0 a\nvia: 1.1 b\n");
    forward("via: 1.0 a\nvia: 1.1 b\n");
    settings.via = VIA_BLOCK;
    request("/app", "", "via: 1.0 a\nx: y\nvia: 1.1 b\n");
    forward("x: y\n");
    settings.via = VIA_ON;
    request("/app", "", "via: 1.0 a\nx: y\nvia: 1.1 b\n");
    forward("via: 1.0 a, 1.1 b, 1.1 culvert\nx: y\n");
    context.client_version = TEXT("1.0");
    settings.server_name = TEXT("proxy.example:81");
    request("/app", "", "");
    forward("via: 1.0 proxy.example:81\n");
    settings.via = VIA_FULL;
    request("/app", "", "");
    forward("via: 1.0 proxy.example:81 (Culvert)\n");
    settings.product = TEXT("Culvert/1.2");
    request("/app", "", "");
    forward("via: 1.0 proxy.example:81 (Culvert/1.2)\n");
}

/* Every size of the storage: it fits and is right, or it is refused, and nothing is written behind it. */
static void test_small_storage(void **state)
{
    static const char lines[] = "te: trailers\nx-forwarded-for: 1.1.1.1\nvia: 1.0 a\n";
    const size_t least = strlen(lines) + 3 * 2 + 4 + 10; /* lines end in CR LF, ": " is written already */
    bool fitted = false;

    (void)state;
    if (!IS_ENABLED(CONFIG_FORWARDED))
        skip();
    settings.add_headers = true;
    settings.via = VIA_FULL;
    settings.server_name = TEXT("s");
    route.path = TEXT("/base");
    for (size_t cap = least; cap < 600; cap++) {
        bool fits;

        memset(storage, 'z', sizeof(storage));
        fill(SECTION_REQUEST, 0, lines, cap);
        assert_true(head_store(&head, TEXT("/app"), &head.path));
        assert_true(head_store(&head, TEXT("f"), &head.authority));
        context.client_authority = head_text(&head, head.authority);
        fits = forward_request(&head, &context, 4);
        assert_true(fits || !fitted);
        fitted = fits;
        assert_true(head.used <= cap);
        assert_int_equal(storage[cap], 'z');
        if (fits)
            assert_string_equal(fields(&head.sections[0]),
                                "x-forwarded-for: 1.1.1.1, 192.0.2.7\nvia: 1.0 a, 1.1 s (Culvert)\nte: trailers\n"
                                "x-forwarded-host: f\nx-forwarded-server: s\nx-forwarded-proto: http\n"
                                "forwarded: for=192.0.2.7;host=f;proto=http\n");
    }
    assert_true(fitted);
}

static void test_full_index(void **state)
{
    (void)state;
    if (!IS_ENABLED(CONFIG_FORWARDED))
        skip();
    settings.add_headers = true;
    settings.via = VIA_ON;
    settings.server_name = TEXT("s");
    /* te, five of ProxyAddHeaders, via; Host is dropped, but keeps its place. */
    for (unsigned spare = 0; spare <= 8; spare++) {
        request("/app", "front", "host: front\nte: trailers\n");
        while (head.field_count < CONFIG_HEAD_FIELDS - spare)
            assert_true(head_add(&head, TEXT("x"), TEXT("y")));
        assert_int_equal(forward_request(&head, &context, 4), spare >= 7);
    }
}

/* ---- responses ---- */

static const char *response(enum section_kind kind, unsigned status, const char *lines)
{
    struct section *section = fill(kind, status, lines, sizeof(storage));

    assert_true(forward_response(&head, section, &context, 784111777));
    return fields(section);
}

static void test_response(void **state)
{
    (void)state;
    assert_string_equal(response(SECTION_FINAL, 200,
                                 "server: x\nconnection: X-A\nkeep-alive: 1\ntransfer-encoding: chunked\nx-a: 1\n"
                                 "upgrade: y\ncontent-length: 3\ndate: now\nproxy-authenticate: z\n"),
                        "server: x\ncontent-length: 3\ndate: now\nproxy-authenticate: z\n");
    assert_string_equal(response(SECTION_FINAL, 200, "x: y\n"), "x: y\ndate: Sun, 06 Nov 1994 08:49:37 GMT\n");
    assert_string_equal(response(SECTION_INTERIM, 103, "link: </x>\n"), "link: </x>\n");
    fill(SECTION_FINAL, 200, "", sizeof(storage));
    assert_true(forward_response(&head, head_last(&head), &context, 0));
    assert_string_equal(fields(head_last(&head)), "");
    settings.via = VIA_ON;
    assert_string_equal(response(SECTION_FINAL, 200, "date: d\nvia: 1.1 o\n"), "date: d\nvia: 1.1 o, 2.0 culvert\n");
    settings.via = VIA_BLOCK;
    assert_string_equal(response(SECTION_FINAL, 200, "date: d\nvia: 1.1 o\n"), "date: d\n");
}

static void add_map(enum reverse_kind kind, struct text ours, struct text real)
{
    struct reverse_map *map = &settings.maps[settings.map_count++];

    *map = (struct reverse_map){.kind = (uint8_t)kind, .ours = ours, .real = real};
    if (kind == REVERSE_LOCATION)
        assert_true(reverse_map_parse(map));
}

static void test_response_maps(void **state)
{
    (void)state;
    context.client_authority = TEXT("front");
    add_map(REVERSE_LOCATION, TEXT("/app"), TEXT("http://b:8081/base"));
    add_map(REVERSE_COOKIE_PATH, TEXT("/app"), TEXT("/base"));
    assert_string_equal(response(SECTION_FINAL, 302,
                                 "date: d\nlocation: http://b:8081/base/x\ncontent-location: /base/y\nlink: </base/z>\n"
                                 "set-cookie: a=1; path=/base\nset-cookie: b=2\nset-cookie: c=3; path=/base/\n"
                                 "refresh: 1;url=/base\n"),
                        "date: d\nlocation: http://front/app/x\ncontent-location: /app/y\nlink: </app/z>\n"
                        "set-cookie: a=1; path=/app\nset-cookie: b=2\nset-cookie: c=3; path=/app\n"
                        "refresh: 1;url=/base\n");
    assert_string_equal(response(SECTION_INTERIM, 103, "link: </base/z>; rel=preload\n"),
                        "link: </app/z>; rel=preload\n");
}

static void test_response_small_storage(void **state)
{
    static const char lines[] = "location: http://b:8081/base/x\n";
    bool fitted = false;

    (void)state;
    context.client_authority = TEXT("front");
    settings.via = VIA_ON;
    add_map(REVERSE_LOCATION, TEXT("/application"), TEXT("http://b:8081/base"));
    for (size_t cap = sizeof(lines); cap < 200; cap++) {
        struct section *section;
        bool fits;

        memset(storage, 'z', sizeof(storage));
        section = fill(SECTION_FINAL, 302, lines, cap);
        fits = forward_response(&head, section, &context, 784111777);
        assert_true(fits || !fitted);
        fitted = fits;
        assert_int_equal(storage[cap], 'z');
        if (fits)
            assert_string_equal(fields(section), "location: http://front/application/x\n"
                                                 "date: Sun, 06 Nov 1994 08:49:37 GMT\nvia: 2.0 culvert\n");
    }
    assert_true(fitted);
}

static void test_trailers(void **state)
{
    struct section *section = fill(SECTION_TRAILERS, 0,
                                   "grpc-status: 0\nconnection: x\ncontent-length: 3\nte: trailers\nset-cookie: a\n"
                                   "authorization: b\nx: y\nhost: z\nserver-timing: t\n",
                                   sizeof(storage));

    (void)state;
    forward_trailers(&head, section);
    assert_string_equal(fields(section), "grpc-status: 0\nx: y\nserver-timing: t\n");
}

static void test_is_ours(void **state)
{
    static const struct {
        struct text server_name, authority;
        uint16_t port;
        bool ours;
    } cases[] = {
        {TEXT_INIT(""), TEXT_INIT("anything:1"), 8080, true},
        {TEXT_INIT(""), TEXT_INIT(""), 8080, false},
        {TEXT_INIT(""), TEXT_INIT("a@b"), 8080, false},
        {TEXT_INIT("www"), TEXT_INIT("www"), 80, true},
        {TEXT_INIT("www"), TEXT_INIT("WWW"), 8080, true},
        {TEXT_INIT("www"), TEXT_INIT("www:8080"), 8080, true},
        {TEXT_INIT("www"), TEXT_INIT("www:80"), 8080, true},
        {TEXT_INIT("www"), TEXT_INIT("www:81"), 8080, false},
        {TEXT_INIT("www"), TEXT_INIT("www.example"), 80, false},
        {TEXT_INIT("www"), TEXT_INIT("ww"), 80, false},
        {TEXT_INIT("www:8080"), TEXT_INIT("www:8080"), 80, true},
        {TEXT_INIT("www:8080"), TEXT_INIT("www:80"), 8080, false},
        {TEXT_INIT("www:8080"), TEXT_INIT("www"), 8080, true},
        {TEXT_INIT("www:8080"), TEXT_INIT("www"), 81, false},
        {TEXT_INIT("www:80"), TEXT_INIT("www"), 8080, true},
        {TEXT_INIT("[::1]"), TEXT_INIT("[::1]:80"), 80, true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        context.local.port = cases[i].port;
        settings.server_name = cases[i].server_name;
        if (forward_is_ours(&settings, cases[i].authority, &context.local, false) != cases[i].ours)
            fail_msg("case %zu: %.*s", i, TEXT_ARG(cases[i].authority));
    }
}

/* Against a calendar that counts day by day. */
static void test_dates(void **state)
{
    static const char *const days[] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    unsigned year = 1970, month = 0, day = 1;

    (void)state;
    for (int64_t n = 0; year < 2500; n++) {
        static const unsigned lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
        bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        char expected[64];
        unsigned second = (unsigned)(n * 7919 % 86400);

        snprintf(expected, sizeof(expected), "%s, %02u %s %04u %02u:%02u:%02u GMT", days[n % 7], day, months[month],
                 year, second / 3600, second / 60 % 60, second % 60);
        assert_true(text_eq(forward_date(n * 86400 + second), text_of(expected)));
        if (++day > lengths[month] + (leap && month == 1)) {
            day = 1;
            month++;
        }
        if (month == 12) {
            month = 0;
            year++;
        }
    }
    assert_true(text_eq(forward_date(253402300799), TEXT("Fri, 31 Dec 9999 23:59:59 GMT")));
    assert_true(text_eq(forward_date(0), TEXT("Thu, 01 Jan 1970 00:00:00 GMT")));
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_target),         TEST(test_paths),
        TEST(test_hop_by_hop),     TEST(test_nominated),
        TEST(test_nominated_many), TEST(test_add_headers),
        TEST(test_append_headers), TEST(test_via),
        TEST(test_small_storage),  TEST(test_full_index),
        TEST(test_response),       TEST(test_response_maps),
        TEST(test_trailers),       TEST(test_response_small_storage),
        TEST(test_is_ours),        TEST(test_dates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
