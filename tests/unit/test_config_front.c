/* Tests of the directives for clients: Listen, the PROXY protocol, times and limits; and of those for the process. */
#include "conf_text.h"

static void test_listen(void **state)
{
    (void)state;
    if (CONFIG_LISTENERS < 5 || !IS_ENABLED(CONFIG_IPV6))
        skip();
    conf_good("Listen 80\nListen 127.0.0.1:81 http\nListen [::1]:82\nListen [2001:db8::1]:81\n"
              "ProxyPass / h2c://127.0.0.1/\n");
    assert_int_equal(conf.listen_count, 5);
    conf_assert_addr(&conf_listener(0)->addr, "0.0.0.0", 80);
    conf_assert_addr(&conf_listener(1)->addr, "::", 80);
    conf_assert_addr(&conf_listener(2)->addr, "127.0.0.1", 81);
    conf_assert_addr(&conf_listener(3)->addr, "::1", 82);
    conf_assert_addr(&conf_listener(4)->addr, "2001:db8::1", 81);
    assert_false(conf_listener(0)->optional);
    assert_true(conf_listener(1)->optional);
    assert_false(conf_listener(3)->optional);
    conf_good("Listen *:80\nProxyPass / h2c://127.0.0.1/\n");
    assert_int_equal(conf.listen_count, 2);
    conf_good("Listen 0.0.0.0:80\nListen [::]:80\nProxyPass / h2c://127.0.0.1/\n");
    assert_int_equal(conf.listen_count, 2);
    assert_false(conf_listener(1)->optional);
}

static void test_listen_errors(void **state)
{
#define EXPECTED_ADDRESS ": expected PORT, IPv4-ADDRESS:PORT or [IPv6-ADDRESS]:PORT\n"
#define EXPECTED_PORT ": expected a port from 1 to 65535\n"
    static const struct {
        const char *line, *message;
    } cases[] = {
        {"Listen 0", "'0'" EXPECTED_PORT},
        {"Listen 65536", "'65536'" EXPECTED_PORT},
        {"Listen http", "'http'" EXPECTED_PORT},
        {"Listen \"\"", "''" EXPECTED_PORT},
        {"Listen 127.0.0.1", "'127.0.0.1'" EXPECTED_PORT},
        {"Listen [::1]", "'[::1]'" EXPECTED_PORT},
        {"Listen 127.0.0.1:", "'127.0.0.1:'" EXPECTED_PORT},
        {"Listen :80", "':80'" EXPECTED_ADDRESS},
        {"Listen ::1:80", "'::1:80'" EXPECTED_ADDRESS},
        {"Listen [127.0.0.1]:80", "'[127.0.0.1]:80'" EXPECTED_ADDRESS},
        {"Listen []:80", "'[]:80'" EXPECTED_ADDRESS},
        {"Listen localhost:80", "'localhost:80'" EXPECTED_ADDRESS},
        {"Listen 127.0.0.1:8080",
         "'127.0.0.1:8080': expected another address or port: that of c:1 takes this one, too\n"},
        {"Listen 8080", "'8080': expected another address or port: that of c:1 takes this one, too\n"},
        {"Listen 81 ftp", "'ftp': expected the protocol http or https, proxy=, or nothing\n"},
        {"Listen 81 http x", "'x': expected the protocol http or https, proxy=, or nothing\n"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char expected[256];

        snprintf(expected, sizeof(expected), "c:3: Listen: %s", cases[i].message);
        conf_refuses(cases[i].line, expected);
    }
    assert_false(conf_parse("ProxyPass / h2c://127.0.0.1/\n"));
    assert_string_equal(conf_messages, "c: expected one Listen at least\n");
    assert_false(conf_parse("Listen 80\nProxyPass /x !\n"));
    assert_string_equal(conf_messages, "c: expected one ProxyPass to a backend at least\n");
    assert_false(conf_parse(""));
    assert_int_equal(conf_errors, 2);
    assert_false(conf_parse("Listen x\nProxyPass / y\n"));
    assert_int_equal(conf_errors, 2);
}

static void test_remote_ip(void **state)
{
#define WARNING "c: everybody who connects may name any client in a PROXY header: RemoteIPTrustedProxy says who may\n"
    (void)state;
    CONF_NEEDS(IS_ENABLED(CONFIG_PROXY_PROTOCOL) && IS_ENABLED(CONFIG_UNIX_SOCKETS) && IS_ENABLED(CONFIG_IPV6) &&
               CONFIG_LISTENERS >= 3);
    conf_good(
        "RemoteIPProxyProtocol On\nListen 127.0.0.1:80\nListen 127.0.0.1:81 proxy=off\n"
        "Listen unix:/a http proxy=OPTIONAL\nRemoteIPTrustedProxy 10.0.0.0/8 ::1\nRemoteIPTrustedProxy 192.0.2.1\n"
        "RemoteIPProxyProtocolExceptions 10.0.0.1\nProxyPass / h2c://127.0.0.1/\n");
    assert_int_equal(conf_listener(0)->proxy, LISTENER_PROXY_ON);
    assert_int_equal(conf_listener(1)->proxy, LISTENER_PROXY_OFF);
    assert_int_equal(conf_listener(2)->proxy, LISTENER_PROXY_OPTIONAL);
    assert_int_equal(conf.proxy.trusted_count, 3);
    assert_int_equal(conf.proxy.trusted[0].bits, 8);
    assert_int_equal(conf.proxy.excepted_count, 1);
    conf_good("Listen 127.0.0.1:80\nProxyPass / h2c://127.0.0.1/\n");
    assert_int_equal(conf_listener(0)->proxy, LISTENER_PROXY_OFF);
    conf_good("Listen unix:/a proxy=On\nProxyPass / h2c://127.0.0.1/\n");
    assert_true(conf_parse(CONF_FIRST "RemoteIPProxyProtocol On\n"));
    assert_string_equal(conf_messages, WARNING);
    conf_refuses("RemoteIPProxyProtocol maybe\nListen 81 proxy=\nRemoteIPTrustedProxy balancer 10.0.0.0/40\n",
                 "c:3: RemoteIPProxyProtocol: 'maybe': expected On, Off or Optional\n"
                 "c:4: Listen: 'proxy=': expected On, Off or Optional\n"
                 "c:5: RemoteIPTrustedProxy: 'balancer': expected an address, or a network ADDRESS/BITS\n"
                 "c:5: RemoteIPTrustedProxy: '10.0.0.0/40': expected an address, or a network ADDRESS/BITS\n");
}

static void test_protocols(void **state)
{
    (void)state;
    conf_takes("");
    assert_true(conf.front.http1 && conf.front.h2 && conf.front.h2c && !conf.tls.h2_only);
    conf_takes("Protocols http/1.1");
    assert_true(conf.front.http1 && !conf.front.h2 && !conf.front.h2c && !conf.tls.h2_only);
    conf_takes("Protocols H2C h2");
    assert_true(!conf.front.http1 && conf.front.h2 && conf.front.h2c && conf.tls.h2_only);
    conf_refuses("Protocols spdy/3", "c:3: Protocols: 'spdy/3': expected http/1.1, h2 or h2c, or several of them\n");
    conf_refuses("Protocols h2",
                 "c:1: Listen: expected http/1.1 or h2c among Protocols: nothing could be spoken here\n");
}

static void test_times(void **state)
{
    static const struct {
        const char *word;
        uint32_t ms;
    } cases[] = {
        {"1", 1000},
        {"60", 60000},
        {"500ms", 500},
        {"1ms", 1},
        {"2S", 2000},
        {"2sec", 2000},
        {"3min", 180000},
        {"3mi", 180000},
        {"1H", 3600000},
        {"2147483", 2147483000},
        {"0", 0},
        {"", 0},
        {"-1", 0},
        {"1.5", 0},
        {"5m", 0},
        {"ms", 0},
        {"5 s", 0},
        {"0ms", 0},
        {"2147484", 0},
        {"2147483647ms", 2147483647},
        {"597h", 0},
        {"2147483648ms", 0},
        {"99999999999999999999", 0},
        {"1d", 0},
        {"0x10", 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char content[128];

        snprintf(content, sizeof(content), CONF_FIRST "Timeout \"%s\"\n", cases[i].word);
        if (conf_parse(content) != (cases[i].ms > 0))
            fail_msg("%s: %s", cases[i].word, conf_messages);
        if (cases[i].ms > 0)
            assert_int_equal(conf.front.timeout_ms, cases[i].ms);
    }
}

static void test_keepalive(void **state)
{
    (void)state;
    conf_takes("KeepAliveTimeout 15\nMaxKeepAliveRequests 7");
    assert_int_equal(conf.front.keepalive_ms, 15000);
    assert_int_equal(conf.front.keepalive_max, 7);
    assert_int_equal(conf.front.linger_ms, CONFIG_LINGER_MS);
    conf_takes("LingerTimeout 500ms");
    assert_int_equal(conf.front.linger_ms, 500);
    conf_takes("LingerTimeout 0");
    assert_int_equal(conf.front.linger_ms, 0);
    conf_refuses("LingerTimeout -1",
                 "c:3: LingerTimeout: '-1': expected a time from 1ms to 24 days: a number of seconds, or one "
                 "with ms, s, min or h\n");
    conf_takes("KeepAlive Off\nMaxKeepAliveRequests 7");
    assert_int_equal(conf.front.keepalive_max, 1);
    conf_takes("KeepAlive Off\nMaxKeepAliveRequests 0\nKeepAlive on");
    assert_int_equal(conf.front.keepalive_max, 0);
    conf_refuses("KeepAlive maybe", "c:3: KeepAlive: 'maybe': expected On or Off\n");
    conf_refuses("MaxKeepAliveRequests -1",
                 "c:3: MaxKeepAliveRequests: '-1': expected a number from 0 to 2147483647\n");
}

static void assert_timeout(const struct front_read_timeout *timeout, uint32_t initial_ms, uint32_t max_ms,
                           uint32_t rate)
{
    assert_int_equal(timeout->initial_ms, initial_ms);
    assert_int_equal(timeout->max_ms, max_ms);
    assert_int_equal(timeout->rate, rate);
}

static void test_read_timeout(void **state)
{
    (void)state;
    conf_takes("RequestReadTimeout header=10-30,MinRate=400 body=15,minrate=300");
    assert_timeout(&conf.front.head, 10000, 30000, 400);
    assert_timeout(&conf.front.body, 15000, 0, 300);
    conf_takes("RequestReadTimeout handshake=5 header=10-30,MinRate=400");
    assert_int_equal(conf.front.handshake_ms, 5000);
    assert_timeout(&conf.front.head, 10000, 30000, 400);
    conf_takes("RequestReadTimeout Header=10");
    assert_timeout(&conf.front.head, 10000, 0, 0);
    assert_timeout(&conf.front.body, CONFIG_READ_BODY_S * 1000, 0, CONFIG_READ_RATE);
    conf_takes("RequestReadTimeout body=0 header=0");
    assert_timeout(&conf.front.head, 0, 0, 0);
    assert_timeout(&conf.front.body, 0, 0, 0);
    conf_takes("RequestReadTimeout body=10-0,MinRate=5");
    assert_timeout(&conf.front.body, 10000, 0, 5);
#define LINE "c:3: RequestReadTimeout: "
    conf_refuses("RequestReadTimeout header",
                 LINE "'header': expected handshake=SECONDS header=SECONDS[-SECONDS][,MinRate=BYTES] body=...\n");
    conf_refuses("RequestReadTimeout x=5",
                 LINE "'x=5': expected handshake=SECONDS header=SECONDS[-SECONDS][,MinRate=BYTES] body=...\n");
    conf_refuses("RequestReadTimeout handshake=5s", LINE "'handshake=5s': expected a number of seconds behind the =\n");
    conf_refuses("RequestReadTimeout header=", LINE "'header=': expected a number of seconds behind the =\n");
    conf_refuses("RequestReadTimeout header=5s", LINE "'header=5s': expected a number of seconds behind the =\n");
    conf_refuses("RequestReadTimeout header=5-,MinRate=1",
                 LINE "'header=5-,MinRate=1': expected a number of seconds behind the -\n");
    conf_refuses("RequestReadTimeout header=5-9", LINE "'header=5-9': expected MinRate= beside a range of seconds\n");
    conf_refuses("RequestReadTimeout header=9-9,MinRate=1",
                 LINE "'header=9-9,MinRate=1': expected a second number of seconds that is larger than the first\n");
    conf_refuses("RequestReadTimeout header=9,Rate=1", LINE "'header=9,Rate=1': expected MinRate= behind the comma\n");
    conf_refuses("RequestReadTimeout header=9,MinRate=0",
                 LINE "'header=9,MinRate=0': expected MinRate=BYTES in a second, 1 at least\n");
#undef LINE
}

static void test_limits(void **state)
{
    char line[256], expected[512];

    (void)state;
    CONF_NEEDS(CONFIG_HEAD_FIELDS >= 64 && CONFIG_REQUEST_HEAD >= 4096);
    conf_takes("LimitRequestLine 1000\nLimitRequestFieldSize 2000\nLimitRequestFields 50\nLimitRequestBody 5000000000");
    assert_int_equal(conf.front.limits.line, 1000);
    assert_int_equal(conf.front.limits.field, 2000);
    assert_int_equal(conf.front.limits.fields, 50);
    assert_true(conf.front.body_limit == 5000000000u);
    conf_takes("LimitRequestFields 0\nLimitRequestBody 0");
    assert_int_equal(conf.front.limits.fields, CONFIG_HEAD_FIELDS - 12);
    assert_true(conf.front.body_limit == 0);

    snprintf(line, sizeof(line), "LimitRequestLine %d", CONFIG_REQUEST_HEAD);
    snprintf(expected, sizeof(expected),
             "c:3: LimitRequestLine: '%d': expected a number from 1 to %d; a larger one needs a larger "
             "CONFIG_REQUEST_HEAD\n",
             CONFIG_REQUEST_HEAD, CONFIG_REQUEST_HEAD - 512);
    conf_refuses(line, expected);
    snprintf(line, sizeof(line), "LimitRequestLine %d\nLimitRequestFieldSize %d\nTimeout 1", CONFIG_REQUEST_HEAD - 1511,
             1000);
    snprintf(expected, sizeof(expected),
             "c:4: expected LimitRequestLine and LimitRequestFieldSize of %d bytes together at most, not %d: raise "
             "CONFIG_REQUEST_HEAD\n",
             CONFIG_REQUEST_HEAD - 512, CONFIG_REQUEST_HEAD - 511);
    conf_refuses(line, expected);
    snprintf(line, sizeof(line), "LimitRequestLine %d\nLimitRequestFieldSize %d", CONFIG_REQUEST_HEAD - 1512, 1000);
    conf_takes(line);
    snprintf(expected, sizeof(expected),
             "c:3: LimitRequestLine: '0': expected a number from 1 to %d; a larger one needs a larger "
             "CONFIG_REQUEST_HEAD\n",
             CONFIG_REQUEST_HEAD - 512);
    conf_refuses("LimitRequestLine 0", expected);
    snprintf(line, sizeof(line), "LimitRequestFields %d", CONFIG_HEAD_FIELDS - 11);
    snprintf(expected, sizeof(expected),
             "c:3: LimitRequestFields: '%d': expected a number from 0 to %d; a larger one needs a "
             "larger CONFIG_HEAD_FIELDS\n",
             CONFIG_HEAD_FIELDS - 11, CONFIG_HEAD_FIELDS - 12);
    conf_refuses(line, expected);
    conf_refuses("LimitRequestBody 9223372036854775808",
                 "c:3: LimitRequestBody: '9223372036854775808': expected a number from 0 to 9223372036854775807\n");
}

static void test_process(void **state)
{
    (void)state;
    CONF_NEEDS(IS_ENABLED(CONFIG_CHANGE_USER) && IS_ENABLED(CONFIG_DAEMON));
    conf_good("Listen 80\nProxyPass / h2c://127.0.0.1:1/\n");
    assert_null(conf.process.user);
    assert_null(conf.process.group);
    assert_null(conf.process.chroot);
    assert_null(conf.process.pid_file);
    conf_takes("User www-data\nGroup \"#33\"\nChrootDir /srv/jail\nPidFile run/culvert.pid");
    assert_string_equal(conf.process.user, "www-data");
    assert_string_equal(conf.process.group, "#33");
    assert_string_equal(conf.process.chroot, "/srv/jail");
    assert_string_equal(conf.process.pid_file, "run/culvert.pid");
    conf_refuses("User #", "c:3: User: '#': expected a user's name, or # and a number\n");
    conf_refuses("Group \"\"", "c:3: Group: '': expected a group's name, or # and a number\n");
    conf_refuses("ChrootDir srv", "c:3: ChrootDir: 'srv': expected an absolute path\n");
    conf_refuses("PidFile \"\"", "c:3: PidFile: '': expected FILE\n");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, conf_setup)
    const struct CMUnitTest tests[] = {
        TEST(test_listen),    TEST(test_listen_errors), TEST(test_remote_ip), TEST(test_protocols), TEST(test_times),
        TEST(test_keepalive), TEST(test_read_timeout),  TEST(test_limits),    TEST(test_process),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
