/* Tests of the directives for backends: ProxyPass and its keys, names, and what becomes of heads in both directions. */
#include "conf_text.h"

/* Also where the build has fewer, as conf_listener. */
static const struct port_addr *server(size_t n)
{
    return &conf.names.servers[n < ARRAY_SIZE(conf.names.servers) ? n : 0];
}

static const struct backend *backend_of(size_t n)
{
    return n < CONFIG_BACKENDS ? conf.backends[n] : NULL;
}

static const struct backend_settings *backend(unsigned i)
{
    assert_true(i < conf.backend_count);
    return &conf.backends[i < CONFIG_BACKENDS ? i : 0]->settings;
}

/* More connections than there can be are not wrong, but they will not be had. */
static void test_max_sum(void **state)
{
    char content[256], expected[256];

    (void)state;
    snprintf(content, sizeof(content), CONF_FIRST "ProxyPass /x h2c://127.0.0.1:82/ max=%d\n", CONFIG_BACKEND_CONNS);
    assert_true(conf_parse(content));
    snprintf(expected, sizeof(expected),
             "c: the max= of all backends together are %d connections, but there is room for %d "
             "(CONFIG_BACKEND_CONNS)\nc:3: ProxyPass: '/x': unreachable: it is hidden by '/' of c:2\n",
             CONFIG_BACKEND_CONNS + 1, CONFIG_BACKEND_CONNS);
    assert_string_equal(conf_messages, expected);
}

static void test_proxy_pass(void **state)
{
    const struct route *routes = conf.site.routes.routes;

    (void)state;
    CONF_NEEDS(IS_ENABLED(CONFIG_IPV6) && CONFIG_BACKENDS >= 3 && CONFIG_BACKEND_CONNS >= 8);
    conf_good(
        "Listen 127.0.0.1:80\nProxyPass \"/app/private\" \"!\"\n"
        "ProxyPass /app h2c://127.0.0.1:8081/base max=2 connectiontimeout=500ms timeout=7 acquire=300 nocanon min=1\n"
        "ProxyPass '/sp ace' H2C://[2001:DB8::1]\nProxyPass /two h2c://127.0.0.1:8081 max=2\n"
        "ProxyPass /four h2c://127.0.0.1:80/\nProxyPass /three h2c://127.0.0.1/\n");
    assert_int_equal(conf.site.routes.count, 6);
    assert_int_equal(conf.backend_count, 3);
    conf_assert_text(routes[0].prefix, "/app/private");
    assert_null(routes[0].backend);
    assert_int_equal(routes[0].line, 2);
    conf_assert_text(routes[1].prefix, "/app");
    conf_assert_text(routes[1].path, "/base");
    assert_ptr_equal(routes[1].backend, conf.backends[0]);
    conf_assert_text(routes[2].prefix, "/sp ace");
    conf_assert_text(routes[2].path, "");
    assert_ptr_equal(routes[3].backend, conf.backends[0]);
    conf_assert_text(routes[3].path, "");
    assert_ptr_equal(routes[4].backend, backend_of(2));
    assert_ptr_equal(routes[5].backend, backend_of(2));
    conf_assert_text(backend(0)->name, "127.0.0.1:8081");
    conf_assert_text(backend(0)->scheme, "h2c");
    conf_assert_text(backend(0)->host, "127.0.0.1");
    assert_int_equal(backend(0)->port, 8081);
    assert_int_equal(backend(0)->max, 2);
    assert_int_equal(backend(0)->connect_ms, 500);
    assert_int_equal(backend(0)->timeout_ms, 7000);
    assert_int_equal(backend(0)->queue_ms, 300);
    assert_int_equal(backend(0)->addr_count, 1);
    conf_assert_addr(&backend(0)->addrs[0], "127.0.0.1", 8081);
    conf_assert_text(backend(1)->name, "[2001:db8::1]");
    conf_assert_text(backend(1)->host, "2001:db8::1");
    conf_assert_addr(&backend(1)->addrs[0], "2001:db8::1", 80);
    conf_assert_text(backend(2)->name, "127.0.0.1");
}

static void test_proxy_pass_errors(void **state)
{
#define EXPECTED_URL ": expected h2c:// or h2://HOST[:PORT][/PATH]"
#define EXPECTED_KEYS                                                                                                  \
    "expected max=, connectiontimeout=, timeout=, responsetimeout=, requesttimeout=, acquire=, maxqueue=, retries=, "  \
    "settingstimeout=, ping=, "                                                                                        \
    "pingtimeout=, ttl=, maxage= or maxrequests=\n"
    static const struct {
        const char *words, *message;
    } cases[] = {
        {"x h2c://b/", "'x': expected a path: / first, neither ? nor #\n"},
        {"\"\" h2c://b/", "'': expected a path: / first, neither ? nor #\n"},
        {"/x?y h2c://b/", "'/x?y': expected a path: / first, neither ? nor #\n"},
        {"/x ! y", "'y': expected nothing behind !\n"},
        {"/x http://b/", "'http://b/'" EXPECTED_URL ": backends are spoken to in HTTP/2 only\n"},
        {"/x HTTPS://b/", "'HTTPS://b/'" EXPECTED_URL ": backends are spoken to in HTTP/2 only\n"},
        {"/x ajp://b/", "'ajp://b/'" EXPECTED_URL "\n"},
        {"/x fcgi://b/", "'fcgi://b/'" EXPECTED_URL "\n"},
        {"/x ws://b/", "'ws://b/'" EXPECTED_URL "\n"},
        {"/x b:80", "'b:80'" EXPECTED_URL "\n"},
        {"/x h2c:/b", "'h2c:/b'" EXPECTED_URL "\n"},
        {"/x h2c://", "'h2c://'" EXPECTED_URL ": the host or port is wrong\n"},
        {"/x h2c:///p", "'h2c:///p'" EXPECTED_URL ": the host or port is wrong\n"},
        {"/x h2c://:80/", "'h2c://:80/'" EXPECTED_URL ": the host or port is wrong\n"},
        {"/x h2c://b:0/", "'h2c://b:0/'" EXPECTED_URL ": the host or port is wrong\n"},
        {"/x h2c://b:65536/", "'h2c://b:65536/'" EXPECTED_URL ": the host or port is wrong\n"},
        {"/x h2c://u@b/", "'h2c://u@b/'" EXPECTED_URL ": the host or port is wrong\n"},
        {"/x h2c://[::1/", "'h2c://[::1/'" EXPECTED_URL ": the host or port is wrong\n"},
        {"/x h2c://b/?q",
         "'h2c://b/?q'" EXPECTED_URL ": the path has a byte that must be percent-encoded, or a query\n"},
        {"/x h2c://b?q", "'h2c://b?q'" EXPECTED_URL ": the path has a byte that must be percent-encoded, or a query\n"},
        {"/x h2c://b/#f",
         "'h2c://b/#f'" EXPECTED_URL ": the path has a byte that must be percent-encoded, or a query\n"},
        {"/x \"h2c://b/a b\"",
         "'h2c://b/a b'" EXPECTED_URL ": the path has a byte that must be percent-encoded, or a query\n"},
        {"/x h2c://1.2.3.256/", "'h2c://1.2.3.256/'" EXPECTED_URL ": the host is neither a name nor an address\n"},
        {"/x h2c://b/ max=0",
         "'0': expected a number from 1 to 64; a larger one needs a larger CONFIG_BACKEND_CONNS\n"},
        {"/x h2c://b/ max=65",
         "'65': expected a number from 1 to 64; a larger one needs a larger CONFIG_BACKEND_CONNS\n"},
        {"/x h2c://b/ max", "'': expected a number from 1 to 64; a larger one needs a larger CONFIG_BACKEND_CONNS\n"},
        {"/x h2c://b/ colour=1", "'colour=1': " EXPECTED_KEYS},
        {"/x h2c://b/ smax",
         "'smax': expected a key: did you mean max=?\n"}, /* a key of httpd's is taken with a value only */
        {"/x h2c://b/ acquire=x",
         "'x': expected a time from 1ms to 24 days: a number of milliseconds, or one with ms, s, "
         "min or h\n"},
        {"/x h2c://127.0.0.1:81 max=2", "'h2c://127.0.0.1:81': expected the max= of c:2, where this backend is named "
                                        "first\n"},
        {"/x h2c://127.0.0.1:81 timeout=2",
         "'h2c://127.0.0.1:81': expected the timeout= of c:2, where this backend is named first\n"},
        {"/x h2c://127.0.0.1:81 connectiontimeout=2h",
         "'h2c://127.0.0.1:81': expected the connectiontimeout= of c:2, where this backend is named first\n"},
        {"/x h2c://127.0.0.1:81 acquire=2",
         "'h2c://127.0.0.1:81': expected the acquire= of c:2, where this backend is named first\n"},
    };

    (void)state;
    if (CONFIG_BACKEND_CONNS != 64 || !IS_ENABLED(CONFIG_CONF_EXPLAIN))
        skip(); /* the number, and what was meant, is in the messages */
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char line[256], expected[512];

        snprintf(line, sizeof(line), "ProxyPass %s", cases[i].words);
        snprintf(expected, sizeof(expected), "c:3: ProxyPass: %s", cases[i].message);
        conf_refuses(line, expected);
    }
    /* All that is wrong in a line is said. */
    conf_refuses("ProxyPass /x http://b/ max=0 foo",
                 "c:3: ProxyPass: 'http://b/'" EXPECTED_URL ": backends are spoken to in HTTP/2 only\n"
                 "c:3: ProxyPass: '0': expected a number from 1 to 64; a larger one needs a "
                 "larger CONFIG_BACKEND_CONNS\n"
                 "c:3: ProxyPass: 'foo': " EXPECTED_KEYS);
}

static void test_resolve(void **state)
{
    (void)state;
    stub_set_name("origin.example", 192, 0, 2, 5);
    conf_good(
        "Listen 127.0.0.1:80\nProxyPass /x h2c://ORIGIN.example:81/\nProxyPass / h2c://origin.Example:81/ max=1\n");
    assert_int_equal(conf.backend_count, 1);
    conf_assert_text(backend(0)->host, "origin.example");
    conf_assert_text(backend(0)->name, "origin.example:81");
    if (IS_ENABLED(CONFIG_CARES)) {
        assert_int_equal(backend(0)->addr_count, 0); /* that is for the running proxy */
        conf_good("Listen 127.0.0.1:80\nProxyPass / h2c://nowhere.example/\n");
        return;
    }
    assert_int_equal(backend(0)->addr_count, 1);
    conf_assert_addr(&backend(0)->addrs[0], "192.0.2.5", 81);
    assert_false(
        conf_parse("Listen 127.0.0.1:80\nProxyPass /a h2c://127.0.0.1/\nProxyPass / h2c://nowhere.example/\n"));
    assert_string_equal(conf_messages,
                        "c:3: ProxyPass: 'nowhere.example': expected a host that is known: the look-up gave no "
                        "address\n");
    /* Nobody waits for the look-up when the configuration is wrong anyway. */
    conf_refuses("ProxyPass /x h2c://nowhere.example/\nTimeout",
                 "c:4: Timeout: expected SECONDS\nc:3: ProxyPass: '/x': unreachable: it is hidden by '/' of c:2\n");
}

static void test_unix(void **state)
{
#define EXPECTED_PATH ": expected unix:/PATH, an absolute path of at most 103 bytes, without blanks, \\ and \"\n"
    (void)state;
    CONF_NEEDS(IS_ENABLED(CONFIG_UNIX_SOCKETS) && CONFIG_BACKENDS >= 3);
    conf_good("Listen unix:/run/a.sock\nListen UNIX:/run/b.sock http mode=0600\n"
              "ProxyPass /a unix:/run/app.sock|h2c://localhost/x max=2\n"
              "ProxyPass /b \"Unix:/run/other.sock|h2c://LocalHost:81\"\n"
              "ProxyPass /c unix:/run/app.sock|h2c://localhost/y\n"
              "ProxyPass / h2c://127.0.0.1/\n");
    assert_int_equal(conf_listener(0)->addr.family, PORT_UNIX);
    assert_string_equal(conf_listener(0)->addr.path, "/run/a.sock");
    assert_int_equal(conf_listener(0)->mode, 0660);
    assert_int_equal(conf_listener(1)->mode, 0600);
    assert_int_equal(conf.backend_count, 3);
    conf_assert_text(backend(0)->name, "unix:/run/app.sock");
    conf_assert_text(backend(0)->authority, "localhost");
    assert_int_equal(backend(0)->addrs[0].family, PORT_UNIX);
    assert_string_equal(backend(0)->addrs[0].path, "/run/app.sock");
    assert_int_equal(backend(0)->max, 2);
    conf_assert_text(backend(1)->authority, "localhost:81");
    conf_assert_text(conf.site.routes.routes[0].path, "/x");
    assert_ptr_equal(conf.site.routes.routes[2].backend, conf.backends[0]);
    conf_refuses(
        "Listen unix:/a\nListen unix:/a\nListen unix:b\nListen unix:\nListen 'unix:/a b'\nListen 81 mode=0600\n"
        "Listen unix:/b mode=1000\nListen unix:/b mode=\nListen unix:/b mode=9",
        "c:4: Listen: 'unix:/a': expected another address or port: that of c:3 takes this one, too\n"
        "c:5: Listen: 'unix:b'" EXPECTED_PATH "c:6: Listen: 'unix:'" EXPECTED_PATH
        "c:7: Listen: 'unix:/a b'" EXPECTED_PATH
        "c:8: Listen: 'mode=0600': expected the protocol http or https, proxy=, or nothing\n"
        "c:9: Listen: 'mode=1000': expected the permissions of the socket's file as an octal number to 0777\n"
        "c:10: Listen: 'mode=': expected the permissions of the socket's file as an octal number to 0777\n"
        "c:11: Listen: 'mode=9': expected the permissions of the socket's file as an octal number to 0777\n");
    conf_refuses(
        "ProxyPass /x unix:/a\nProxyPass /x unix:/a|\nProxyPass /x unix:a|h2c://b/\nProxyPass /x unix:/a|http://b/",
        "c:3: ProxyPass: 'unix:/a': expected unix:/PATH|h2c:// or h2://HOST[:PORT][/PATH]\n"
        "c:4: ProxyPass: '': expected h2c:// or h2://HOST[:PORT][/PATH]\n"
        "c:5: ProxyPass: 'unix:a|h2c://b/'" EXPECTED_PATH
        "c:6: ProxyPass: 'http://b/': expected h2c:// or h2://HOST[:PORT][/PATH]: backends are spoken to in HTTP/2 "
        "only\n");
}

static void test_resolver(void **state)
{
    (void)state;
    CONF_NEEDS(IS_ENABLED(CONFIG_CARES) && IS_ENABLED(CONFIG_IPV6));
    conf_takes("Resolver 192.0.2.53 [::1]:5353\nResolver ::1");
    assert_int_equal(conf.names.server_count, 3);
    conf_assert_addr(server(0), "192.0.2.53", 53);
    conf_assert_addr(server(1), "::1", 5353);
    conf_assert_addr(server(2), "::1", 53);
    conf_takes("Resolver 127.0.0.1:5353");
    conf_assert_addr(server(0), "127.0.0.1", 5353);
#define EXPECTED_SERVER ": expected the address of a DNS server, perhaps with :port\n"
    conf_refuses("Resolver dns.example 1.2.3.4:0 [::1 [::1]x 1.2.3 :53 \"\"",
                 "c:3: Resolver: 'dns.example'" EXPECTED_SERVER
                 "c:3: Resolver: '1.2.3.4:0': expected a port from 1 to 65535\n"
                 "c:3: Resolver: '[::1'" EXPECTED_SERVER "c:3: Resolver: '[::1]x'" EXPECTED_SERVER
                 "c:3: Resolver: '1.2.3'" EXPECTED_SERVER "c:3: Resolver: ':53'" EXPECTED_SERVER
                 "c:3: Resolver: ''" EXPECTED_SERVER);
    conf_refuses("Resolver 1.1.1.1 2.2.2.2 3.3.3.3 4.4.4.4",
                 "c:3: Resolver: '4.4.4.4': expected at most 3 servers: raise CONFIG_NAME_SERVERS\n");
}

static void test_hidden(void **state)
{
    (void)state;
    assert_true(conf_parse(CONF_FIRST "ProxyPass /app h2c://127.0.0.1:81/\nProxyPass /x !\n"));
    assert_string_equal(conf_messages, "c:3: ProxyPass: '/app': unreachable: it is hidden by '/' of c:2\n"
                                       "c:4: ProxyPass: '/x': unreachable: it is hidden by '/' of c:2\n");
    assert_int_equal(conf.warnings, 2);
}

/* timeout= beats ProxyTimeout, and that beats Timeout, wherever they stand. */
static void test_timeouts(void **state)
{
    (void)state;
    conf_good("Listen 80\nProxyPass /a h2c://127.0.0.1:1/ timeout=3\nProxyPass / h2c://127.0.0.1:2/\nTimeout 5\n");
    assert_int_equal(backend(0)->timeout_ms, 3000);
    assert_int_equal(backend(1)->timeout_ms, 5000);
    assert_int_equal(conf.front.timeout_ms, 5000);
    conf_good("ProxyTimeout 4\nListen 80\nProxyPass /a h2c://127.0.0.1:1/ timeout=3\nProxyPass / h2c://127.0.0.1:2/\n"
              "Timeout 5\n");
    assert_int_equal(backend(0)->timeout_ms, 3000);
    assert_int_equal(backend(1)->timeout_ms, 4000);
    assert_int_equal(conf.front.timeout_ms, 5000);
}

static void test_forwarding(void **state)
{
    (void)state;
    conf_takes("ProxyPreserveHost ON\nProxyAddHeaders off\nProxyVia full\nServerName www.example:8080");
    assert_true(conf.site.forward.preserve_host);
    assert_false(conf.site.forward.add_headers);
    assert_int_equal(conf.site.forward.via, VIA_FULL);
    conf_assert_text(conf.site.forward.server_name, "www.example:8080");
    conf_takes("ProxyVia Block\nProxyVia On");
    assert_int_equal(conf.site.forward.via, VIA_ON);
    conf_takes("ProxyVia Block");
    assert_int_equal(conf.site.forward.via, VIA_BLOCK);
    conf_takes("ServerName [::1]:80");
    conf_refuses("ProxyVia x", "c:3: ProxyVia: 'x': expected Off, On, Full or Block\n");
    conf_refuses("ProxyPreserveHost 1", "c:3: ProxyPreserveHost: '1': expected On or Off\n");
    conf_refuses("ServerName http://x",
                 "c:3: ServerName: 'http://x': expected a host name or address of at most 255 bytes, "
                 "perhaps with :port\n");
    conf_refuses("ServerName \"\"",
                 "c:3: ServerName: '': expected a host name or address of at most 255 bytes, perhaps with "
                 ":port\n");
    conf_refuses("ServerName \"a (b)\"",
                 "c:3: ServerName: 'a (b)': expected a host name or address of at most 255 bytes, perhaps "
                 "with :port\n");
}

static void test_reverse(void **state)
{
    const struct reverse_map *maps = conf.site.forward.maps;

    (void)state;
    conf_takes("ProxyPassReverse /app http://b:81/base\nProxyPassReverseCookiePath /internal /public\n"
               "ProxyPassReverseCookieDomain internal.example public.example\nProxyPassReverse / /x");
    assert_int_equal(conf.site.forward.map_count, 4);
    assert_int_equal(maps[0].kind, REVERSE_LOCATION);
    conf_assert_text(maps[0].ours, "/app");
    conf_assert_text(maps[0].real, "http://b:81/base");
    conf_assert_text(maps[0].host, "b");
    assert_int_equal(maps[0].port, 81);
    assert_int_equal(maps[1].kind, REVERSE_COOKIE_PATH);
    conf_assert_text(maps[1].ours, "/public");
    conf_assert_text(maps[1].real, "/internal");
    assert_int_equal(maps[2].kind, REVERSE_COOKIE_DOMAIN);
    conf_assert_text(maps[2].ours, "public.example");
    conf_assert_text(maps[2].real, "internal.example");
    conf_assert_text(maps[3].path, "/x");
    conf_refuses("ProxyPassReverse x http://b/", "c:3: ProxyPassReverse: 'x': expected a path that begins with /\n");
    conf_refuses("ProxyPassReverse /x b",
                 "c:3: ProxyPassReverse: 'b': expected a path, or http://, https://, h2c:// or h2:// with "
                 "HOST[:PORT][/PATH]\n");
    conf_refuses("ProxyPassReverse /x", "c:3: ProxyPassReverse: expected PATH URL\n");
    conf_refuses("ProxyPassReverseCookiePath x /y",
                 "c:3: ProxyPassReverseCookiePath: 'x': expected a path that begins with /\n");
    conf_refuses("ProxyPassReverseCookiePath /x \"/y; Secure\"",
                 "c:3: ProxyPassReverseCookiePath: '/y; Secure': expected a value "
                 "of a cookie's attribute: not empty, without a semicolon\n");
    conf_refuses("ProxyPassReverseCookieDomain \"\" y",
                 "c:3: ProxyPassReverseCookieDomain: '': expected a value of a cookie's "
                 "attribute: not empty, without a semicolon\n");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, conf_setup)
    const struct CMUnitTest tests[] = {
        TEST(test_max_sum), TEST(test_proxy_pass), TEST(test_proxy_pass_errors),
        TEST(test_resolve), TEST(test_unix),       TEST(test_resolver),
        TEST(test_hidden),  TEST(test_timeouts),   TEST(test_forwarding),
        TEST(test_reverse),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
