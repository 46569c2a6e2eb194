/* Tests of reverse mapping: locations, links and cookies of responses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/addr.h"
#include "guard.h"
#include "proxy/forward.h"

static struct forward_settings settings;
static struct forward_context context;

/* A client that came as http://front.example/ and a backend b:8081. */
static int setup(void **state)
{
    (void)state;
    settings = (struct forward_settings){.map_count = 0};
    context = (struct forward_context){
        .settings = &settings,
        .backend_authority = TEXT("b:8081"),
        .backend_scheme = TEXT("http"),
        .client_authority = TEXT("front.example"),
    };
    assert_true(addr_parse(TEXT("192.0.2.9"), &context.local));
    context.local.port = 8080;
    return 0;
}

static void add(enum reverse_kind kind, struct text ours, struct text real)
{
    struct reverse_map *map = &settings.maps[settings.map_count++];

    *map = (struct reverse_map){.kind = (uint8_t)kind, .ours = ours, .real = real};
    if (kind == REVERSE_LOCATION)
        assert_true(reverse_map_parse(map));
}

static void use(struct text ours, struct text real)
{
    settings.map_count = 0;
    add(REVERSE_LOCATION, ours, real);
}

typedef bool map_fn(const struct forward_context *context, struct text value, struct textbuf *out);

/* expected NULL: the value stays as it is. */
static void check(map_fn *map, struct text value, const char *expected)
{
    char storage[512];
    struct textbuf out;
    bool mapped;

    textbuf_init(&out, storage, sizeof(storage));
    mapped = map(&context, guard_copy(value), &out);
    if (mapped != (expected != NULL) || (mapped && !text_eq(textbuf_text(&out), text_of(expected))))
        fail_msg("%.*s is mapped to %.*s, not to %s", TEXT_ARG(value), mapped ? (int)out.len : 8,
                 mapped ? storage : "(itself)", expected != NULL ? expected : "(itself)");
    assert_false(out.full);
}

static void location(const char *value, const char *expected)
{
    check(reverse_map_location, text_of(value), expected);
}

static void link_field(const char *value, const char *expected)
{
    check(reverse_map_link, text_of(value), expected);
}

static void cookie(const char *value, const char *expected)
{
    check(reverse_map_cookie, text_of(value), expected);
}

static void test_parse(void **state)
{
    static const struct text bad[] = {
        TEXT_INIT(""),
        TEXT_INIT("b"),
        TEXT_INIT("ftp://b/"),
        TEXT_INIT("http:/b"),
        TEXT_INIT("http://"),
        TEXT_INIT("http:///x"),
        TEXT_INIT("http://b:x/"),
        TEXT_INIT("http://b:65536/"),
        TEXT_INIT("http://a@b/"),
        TEXT_INIT("http://b/?x"),
        TEXT_INIT("http://b/#x"),
        TEXT_INIT("/x?y"),
    };
    struct reverse_map map = {.real = TEXT("HTTPS://B:8443/x")};

    (void)state;
    assert_true(reverse_map_parse(&map));
    assert_true(map.tls && map.port == 8443 && text_eq(map.host, TEXT("B")) && text_eq(map.path, TEXT("/x")));
    map.real = TEXT("h2c://[::1]");
    assert_true(reverse_map_parse(&map));
    assert_true(!map.tls && map.port == 80 && text_eq(map.host, TEXT("[::1]")) && map.path.len == 0);
    map.real = TEXT("h2://b");
    assert_true(reverse_map_parse(&map));
    assert_true(map.tls && map.port == 443);
    map.real = TEXT("/path");
    assert_true(reverse_map_parse(&map));
    assert_true(map.host.len == 0 && text_eq(map.path, TEXT("/path")));
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        map.real = guard_copy(bad[i]);
        if (reverse_map_parse(&map))
            fail_msg("%.*s is taken", TEXT_ARG(bad[i]));
    }
}

static void test_absolute(void **state)
{
    (void)state;
    use(TEXT("/app"), TEXT("http://b:8081/base"));
    location("http://b:8081/base", "http://front.example/app");
    location("http://b:8081/base/", "http://front.example/app/");
    location("http://b:8081/base/x?q=1#f", "http://front.example/app/x?q=1#f");
    location("http://b:8081/base?q", "http://front.example/app?q");
    location("http://b:8081/base#f", "http://front.example/app#f");
    location("HTTP://B:8081/base/x", "http://front.example/app/x");
    /* borders, case of the path, other places */
    location("http://b:8081/basement", NULL);
    location("http://b:8081/Base/x", NULL);
    location("http://b:8081/", NULL);
    location("http://b:8081", NULL);
    location("http://b/base/x", NULL);
    location("http://b:80810/base/x", NULL);
    location("https://b:8081/base/x", NULL);
    location("http://c:8081/base/x", NULL);
    location("http://b:8081.evil/base/x", NULL);
    location("http://user@b:8081/base/x", NULL);
    location("ftp://b:8081/base/x", NULL);
    location("http:/b:8081/base/x", NULL);
    location("", NULL);
    location("x", NULL);
    location("../base/x", NULL);
    location("?q", NULL);
    /* network-path reference: of whatever scheme */
    location("//b:8081/base/x", "http://front.example/app/x");
    location("//c:8081/base/x", NULL);
    location("//", NULL);
}

static void test_default_ports(void **state)
{
    (void)state;
    use(TEXT("/app"), TEXT("http://b:80/"));
    location("http://b/x", "http://front.example/app/x");
    use(TEXT("/app"), TEXT("http://b/"));
    location("http://b:80/x", "http://front.example/app/x");
    location("http://b:/x", "http://front.example/app/x");
    location("https://b:80/x", NULL);
    use(TEXT("/app"), TEXT("h2c://b/"));
    location("http://b/x", "http://front.example/app/x");
    use(TEXT("/app"), TEXT("h2://b/"));
    location("https://b:443/x", "http://front.example/app/x");
    location("http://b/x", NULL);
    use(TEXT("/app"), TEXT("http://[::1]:81/"));
    location("http://[::1]:81/x", "http://front.example/app/x");
}

/* There is exactly one slash where the two paths meet. */
static void test_joins(void **state)
{
    (void)state;
    use(TEXT("/app"), TEXT("http://b:8081/"));
    location("http://b:8081/x", "http://front.example/app/x");
    location("http://b:8081/", "http://front.example/app");
    location("http://b:8081", "http://front.example/app");
    location("http://b:8081?q", "http://front.example/app?q");
    use(TEXT("/app/"), TEXT("http://b:8081/"));
    location("http://b:8081/x", "http://front.example/app/x");
    location("http://b:8081", "http://front.example/app/");
    use(TEXT("/app/"), TEXT("http://b:8081/base"));
    location("http://b:8081/base/x", "http://front.example/app/x");
    use(TEXT("/app"), TEXT("http://b:8081/base/"));
    location("http://b:8081/base/x", "http://front.example/app/x");
    location("http://b:8081/base", NULL);
    use(TEXT("/"), TEXT("http://b:8081"));
    location("http://b:8081/x", "http://front.example/x");
    location("http://b:8081", "http://front.example/");
}

static void test_front(void **state)
{
    (void)state;
    use(TEXT("/"), TEXT("http://b:8081/"));
    context.client_tls = true;
    location("http://b:8081/x", "https://front.example/x");
    context.client_authority = TEXT("front.example:8443");
    location("http://b:8081/x", "https://front.example:8443/x");
    /* HTTP/1.0 without Host */
    context.client_tls = false;
    context.client_authority = TEXT("");
    settings.server_name = TEXT("name.example:8080");
    location("http://b:8081/x", "http://name.example:8080/x");
    settings.server_name = TEXT("");
    location("http://b:8081/x", "http://192.0.2.9:8080/x");
    context.local.port = 80;
    location("http://b:8081/x", "http://192.0.2.9/x");
    assert_true(addr_parse(TEXT("2001:db8::1"), &context.local));
    context.local.port = 81;
    location("http://b:8081/x", "http://[2001:db8::1]:81/x");
}

/* A path alone is the backend's own path, but for a backend that knows where it hangs. */
static void test_path_only(void **state)
{
    (void)state;
    use(TEXT("/app"), TEXT("http://b:8081/base"));
    location("/base/x", "/app/x");
    location("/base", "/app");
    location("/app/x", NULL);
    location("/x", NULL);
    location("/basement", NULL);
    use(TEXT("/app"), TEXT("http://b:8081/"));
    location("/x?q", "/app/x?q");
    location("/", "/app");
    location("/app/x", NULL);
    location("/app", NULL);
    location("/apple", "/app/apple");
    use(TEXT("/app"), TEXT("http://b:8081/app"));
    location("/app/x", NULL);
    use(TEXT("/"), TEXT("http://b:8081/base"));
    location("/base/x", "/x");
    location("/x", NULL);
    use(TEXT("/"), TEXT("http://b:8081/"));
    location("/x", NULL);
    /* A map of another backend says nothing about this one's paths. */
    use(TEXT("/app"), TEXT("http://c:8081/base"));
    location("/base/x", NULL);
    use(TEXT("/app"), TEXT("http://b/base"));
    location("/base/x", NULL);
    context.backend_authority = TEXT("b");
    location("/base/x", "/app/x");
}

static void test_path_map(void **state)
{
    (void)state;
    use(TEXT("/app"), TEXT("/base"));
    location("/base/x", "/app/x");
    location("/app/x", NULL);
    location("http://b:8081/base/x", "http://front.example/app/x");
    location("http://front.example/base/x", "http://front.example/app/x");
    location("//front.example/base/x", "http://front.example/app/x");
    /* httpd would map this, and send the client to the wrong server. */
    location("http://elsewhere.example/base/x", NULL);
}

static void test_preserve_host(void **state)
{
    (void)state;
    use(TEXT("/app"), TEXT("http://b:8081/base"));
    location("http://front.example/base/x", NULL);
    settings.preserve_host = true;
    location("http://front.example/base/x", "http://front.example/app/x");
    location("http://FRONT.example:80/base/x", "http://front.example/app/x");
    location("http://front.example/app/x", NULL);
    location("http://front.example:81/base/x", NULL);
    location("http://other.example/base/x", NULL);
    location("http://b:8081/base/x", "http://front.example/app/x");
    use(TEXT("/app"), TEXT("http://b:8081/"));
    location("http://front.example/x", "http://front.example/app/x");
    location("http://front.example/app/x", NULL);
    use(TEXT("/app"), TEXT("http://b:8081/app"));
    location("http://front.example/app/x", NULL);
    /* The backend does not see that the client came over TLS. */
    use(TEXT("/app"), TEXT("http://b:8081/base"));
    context.client_tls = true;
    location("http://front.example/base/x", "https://front.example/app/x");
    location("https://front.example/base/x", "https://front.example/app/x");
    context.client_authority = TEXT("front.example:8443");
    location("http://front.example:8443/base/x", "https://front.example:8443/app/x");
    location("http://front.example/base/x", NULL);
}

static void test_order(void **state)
{
    (void)state;
    use(TEXT("/one"), TEXT("http://b:8081/base/one"));
    add(REVERSE_LOCATION, TEXT("/two"), TEXT("http://b:8081/base"));
    add(REVERSE_LOCATION, TEXT("/three"), TEXT("http://b:8081/base/three"));
    location("http://b:8081/base/one/x", "http://front.example/one/x");
    location("http://b:8081/base/x", "http://front.example/two/x");
    location("http://b:8081/base/three", "http://front.example/two/three");
    settings.map_count = 0;
    location("http://b:8081/base/x", NULL);
}

static void test_links(void **state)
{
    (void)state;
    use(TEXT("/app"), TEXT("http://b:8081/base"));
    link_field("<http://b:8081/base/1>; rel=next", "<http://front.example/app/1>; rel=next");
    link_field("<http://b:8081/base/1>; rel=next, </base/2>;rel=\"prev last\" , <http://c/base>",
               "<http://front.example/app/1>; rel=next, </app/2>;rel=\"prev last\" , <http://c/base>");
    link_field("<http://c/>; title=\"a, <http://b:8081/base>\", </base>; x", "<http://c/>; title=\"a, "
                                                                             "<http://b:8081/base>\", </app>; x");
    link_field("<http://c/>; title=\"\\\"<\", </base>", "<http://c/>; title=\"\\\"<\", </app>");
    link_field("<http://c/>; rel=next", NULL);
    link_field("<>", NULL);
    link_field("<", NULL);
    link_field("<http://b:8081/base", NULL);
    link_field("", NULL);
    link_field("\"", NULL);
    link_field("\"\\", NULL);
    link_field("</base>, <http://b:8081/base", "</app>, <http://b:8081/base");
}

static void test_cookies(void **state)
{
    (void)state;
    cookie("a=b; Path=/base", NULL);
    add(REVERSE_COOKIE_PATH, TEXT("/app"), TEXT("/base"));
    add(REVERSE_COOKIE_PATH, TEXT("/other"), TEXT("/"));
    add(REVERSE_COOKIE_DOMAIN, TEXT("front.example"), TEXT("b.example"));
    cookie("a=b", NULL);
    cookie("a=b; Path=/base", "a=b; Path=/app");
    cookie("a=b; path=/base/x; Secure", "a=b; path=/app; Secure");
    cookie("a=b;PATH = /base ;HttpOnly", "a=b;PATH =/app;HttpOnly");
    cookie("a=b; Path=/Base", "a=b; Path=/other");
    cookie("a=b; Path=x", NULL);
    cookie("a=b; Path", NULL);
    cookie("a=b; Path=", NULL);
    cookie("a=b; Domain=B.example", "a=b; Domain=front.example");
    cookie("a=b; Domain=.b.example; Path=/base", "a=b; Domain=front.example; Path=/app");
    cookie("a=b; Domain=c.example", NULL);
    cookie("a=b; path=/base; domain=c.example; path=/x", "a=b; path=/app; domain=c.example; path=/other");
    /* The cookie itself is none of our business. */
    cookie("path=/base", NULL);
    cookie("Path=/base; Path=/base", "Path=/base; Path=/app");
    cookie("", NULL);
    cookie(";", NULL);
    cookie(";;Path=/base;", ";;Path=/app;");
    cookie("a=\"x;y\"; Path=/base", "a=\"x;y\"; Path=/app");
    /* Maps of locations are not for cookies. */
    use(TEXT("/app"), TEXT("/base"));
    cookie("a=b; Path=/base", NULL);
}

/* Every size of the buffer: nothing is written behind it, and the caller can see that it was too small. */
static void test_small_buffers(void **state)
{
    static const struct text value = TEXT_INIT("<http://b:8081/base/1>; rel=next, </base/2>");
    static char storage[128];
    size_t needed = 0;

    (void)state;
    use(TEXT("/app"), TEXT("http://b:8081/base"));
    for (size_t cap = 0; cap < 100; cap++) {
        struct textbuf out;

        memset(storage, 'z', sizeof(storage));
        textbuf_init(&out, storage, cap);
        assert_true(reverse_map_link(&context, value, &out));
        assert_true(out.len <= cap);
        assert_int_equal(storage[cap], 'z');
        if (!out.full && needed == 0)
            needed = cap;
        assert_int_equal(out.full, needed == 0);
    }
    assert_int_equal(needed, sizeof("<http://front.example/app/1>; rel=next, </app/2>") - 1);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_parse), TEST(test_absolute),  TEST(test_default_ports), TEST(test_joins),
        TEST(test_front), TEST(test_path_only), TEST(test_path_map),      TEST(test_preserve_host),
        TEST(test_order), TEST(test_links),     TEST(test_cookies),       TEST(test_small_buffers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
