/* Tests of a configuration's TLS directives, and of Header. */
#include "conf_text.h"

static int setup(void **state)
{
    conf_setup(state);
    conf_set_first("Listen 80\nProxyPass /other h2c://10.0.0.1/\n");
    return 0;
}

#if IS_ENABLED(CONFIG_TLS)

static void test_listen(void **state)
{
    (void)state;
    conf_takes("");
    assert_false(conf.tls.serves || conf.tls.connects);
    conf_takes("Listen 443 https\nSSLCertificateFile a.pem");
    assert_true(conf.tls.serves);
    assert_false(conf.listen[0].tls);
    assert_true(conf.listen[conf.listen_count - 1].tls);
    assert_string_equal(conf.tls.pairs[0].key, "a.pem"); /* one file for both */
    conf_takes("Listen 443 https\nSSLCertificateKeyFile a.key\nSSLCertificateFile a.pem\nSSLCertificateFile b.pem\n"
               "SSLCertificateKeyFile b.key");
    assert_int_equal(conf.tls.pair_count, 2);
    assert_string_equal(conf.tls.pairs[0].cert, "a.pem");
    assert_string_equal(conf.tls.pairs[0].key, "a.key");
    assert_string_equal(conf.tls.pairs[1].cert, "b.pem");
    assert_string_equal(conf.tls.pairs[1].key, "b.key");
    conf_refuses("Listen 443 https", "c: expected SSLCertificateFile for a Listen with https\n");
    conf_refuses("SSLCertificateKeyFile a.key",
                 "c: 'a.key': expected SSLCertificateFile for this SSLCertificateKeyFile\n");
}

static void test_backend(void **state)
{
    const struct backend_settings *settings;

    (void)state;
    stub_set_name("app.example.com", 10, 0, 0, 9);
    conf_takes("SSLProxyEngine on\nProxyPass \"/app\" \"h2://app.example.com\"\n"
               "ProxyPassReverse \"/app\" \"https://app.example.com\"");
    settings = &conf.backends[1]->settings;
    assert_true(conf.tls.connects && settings->tls);
    assert_int_equal(settings->port, 443);
    if (!IS_ENABLED(CONFIG_CARES)) /* else the name is looked up while the proxy runs */
        assert_int_equal(settings->addrs[0].port, 443);
    assert_true(text_eq(settings->name, TEXT("app.example.com")));
    assert_true(text_eq(settings->scheme, TEXT("h2")));
    conf_takes("ProxyPass /a h2://10.0.0.1:80/"); /* not the h2c one with the same host and port */
    assert_int_equal(conf.backend_count, 2);
}

static void test_protocol(void **state)
{
    static const struct {
        const char *line;
        bool tls12, tls13;
    } cases[] = {
        {"", true, true},
        {"SSLProtocol all -SSLv3 -TLSv1 -TLSv1.1", true, true},
        {"SSLProtocol TLSv1.2", true, false},
        {"SSLProtocol -all +TLSv1.3", false, true},
        {"SSLProtocol all -TLSv1.2", false, true},
        {"SSLProtocol tlsv1.2 tlsv1.3", true, true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        conf_takes(cases[i].line);
        assert_int_equal(conf.tls.tls12, cases[i].tls12);
        assert_int_equal(conf.tls.tls13, cases[i].tls13);
    }
    conf_warns("SSLProtocol TLSv1.2 TLSv1.1",
               "c:3: SSLProtocol: 'TLSv1.1': never spoken: only TLSv1.2 and TLSv1.3 are\n");
    conf_refuses("SSLProtocol all -TLSv1.2 -TLSv1.3", "c:3: SSLProtocol: expected TLSv1.2 or TLSv1.3 to be left\n");
    conf_refuses("SSLProtocol all TLSv2",
                 "c:3: SSLProtocol: 'TLSv2': expected all, TLSv1.2 or TLSv1.3, perhaps with + or -\n");
}

static void test_suites(void **state)
{
    (void)state;
    conf_takes("SSLCipherSuite ECDHE-RSA-CHACHA20-POLY1305:HIGH:!aNULL:ECDHE-RSA-AES128-GCM-SHA256\n"
               "SSLCipherSuite TLSv1.3 TLS_AES_256_GCM_SHA384:TLS_AES_256_GCM_SHA384");
    assert_int_equal(conf.tls.suite_count, 3);
    assert_int_equal(conf.tls.suites[0], 0xCCA8);
    assert_int_equal(conf.tls.suites[1], 0xC02F);
    assert_int_equal(conf.tls.suites[2], 0x1302);
    conf_warns("SSLCipherSuite HIGH:!MD5",
               "c:3: SSLCipherSuite: 'HIGH:!MD5': names none of the suites that can be chosen: "
               "their order stays\n");
    assert_int_equal(conf.tls.suite_count, 0);
}

static void test_trust(void **state)
{
    (void)state;
    conf_takes("SSLVerifyClient optional\nSSLCACertificateFile ca.pem\nSSLCARevocationFile ca.crl\nSSLVerifyDepth 3");
    assert_int_equal(conf.tls.clients.verify, TLS_VERIFY_OPTIONAL);
    assert_int_equal(conf.tls.clients.depth, 3);
    assert_string_equal(conf.tls.clients.ca, "ca.pem");
    assert_string_equal(conf.tls.clients.crl, "ca.crl");
    assert_int_equal(conf.tls.backends.verify, TLS_VERIFY_REQUIRE);
    assert_false(conf.tls.backends.any_name || conf.tls.backends.any_time);
    conf_takes(
        "SSLProxyVerify none\nSSLProxyCheckPeerName Off\nSSLProxyCheckPeerExpire Off\nSSLProxyCACertificateFile b.pem\n"
        "SSLProxyMachineCertificateFile m.pem\nSSLSessionTickets Off");
    assert_int_equal(conf.tls.backends.verify, TLS_VERIFY_NONE);
    assert_true(conf.tls.backends.any_name && conf.tls.backends.any_time && !conf.tls.tickets);
    assert_string_equal(conf.tls.backends.ca, "b.pem");
    assert_string_equal(conf.tls.machine, "m.pem");
    conf_refuses("SSLVerifyClient require", "c: expected SSLCACertificateFile for SSLVerifyClient\n");
    conf_refuses("SSLVerifyClient yes",
                 "c:3: SSLVerifyClient: 'yes': expected none, optional, optional_no_ca or require\n");
    conf_refuses("SSLVerifyDepth 9", "c:3: SSLVerifyDepth: '9': expected a number from 0 to 8\n");
    conf_warns("SSLCompression on", "c:3: SSLCompression: 'on': it is always Off\n");
    conf_takes("SSLCompression off\nSSLHonorCipherOrder on\nSSLEngine on");
}

#define HEX64 "5f0b64c2a3d1b0c6a9f4f1e2d3c4b5a697887766554433221100ffeeddccbbaa"

static void test_pins(void **state)
{
    (void)state;
    conf_takes("SSLProxyPin sha256:" HEX64
               "\nSSLProxyPin SHA256:00:01:02:03:04:05:06:07:08:09:0A:0b:0c:0d:0e:0f:10:11:12:13:"
               "14:15:16:17:18:19:1a:1b:1c:1d:1e:1f");
    assert_int_equal(conf.tls.pin_count, 2);
    assert_int_equal(conf.tls.pins[0][0], 0x5f);
    assert_int_equal(conf.tls.pins[0][31], 0xaa);
    for (unsigned i = 0; i < TLS_PIN_BYTES; i++)
        assert_int_equal(conf.tls.pins[1][i], i);
#define WANTED "': expected sha256: and 64 hexadecimal digits\n"
    conf_refuses("SSLProxyPin " HEX64, "c:3: SSLProxyPin: '" HEX64 WANTED);
    conf_refuses("SSLProxyPin sha256:" HEX64 "0", "c:3: SSLProxyPin: 'sha256:" HEX64 "0" WANTED);
    conf_refuses("SSLProxyPin sha256:", "c:3: SSLProxyPin: 'sha256:" WANTED);
    conf_refuses("SSLProxyPin sha256:0g", "c:3: SSLProxyPin: 'sha256:0g" WANTED);
}

#define TLS_TESTS                                                                                                      \
    TEST(test_listen), TEST(test_backend), TEST(test_protocol), TEST(test_suites), TEST(test_trust), TEST(test_pins),

#else

static void test_off(void **state)
{
    (void)state;
    conf_refuses("Listen 443 https",
                 "c:3: Listen: 'https': expected http: this build has no TLS (CONFIG_TLS is off)\n");
    conf_refuses("SSLCertificateFile a", "c:3: SSLCertificateFile: needs CONFIG_TLS, which is off in this build\n");
    conf_refuses(
        "ProxyPass /a h2://10.0.0.1/",
        "c:3: ProxyPass: 'h2://10.0.0.1/': expected h2c:// or h2://HOST[:PORT][/PATH]: this build has no TLS for h2:// "
        "(CONFIG_TLS is off)\n");
}

#define TLS_TESTS TEST(test_off),

#endif

#if IS_ENABLED(CONFIG_HEADER_EDIT)

static void test_header(void **state)
{
    const struct header_rule *rules = conf.site.forward.headers.rules;

    (void)state;
    conf_takes("Header always set Strict-Transport-Security \"max-age=31536000; includeSubDomains\"\nHeader unset "
               "X-Powered-By\n"
               "RequestHeader set X-SSL-Client-S-DN \"%{SSL_CLIENT_S_DN}s\"");
    assert_int_equal(conf.site.forward.headers.count, 3);
    assert_true(rules[0].always && !rules[0].request && rules[0].op == HEADER_SET);
    assert_true(text_eq(rules[0].name, TEXT("strict-transport-security")));
    assert_true(!rules[1].always && rules[1].op == HEADER_UNSET);
    assert_true(rules[2].request && text_eq(rules[2].value, TEXT("%{SSL_CLIENT_S_DN}s")));
#define WANTED_HEADER "expected [always] set, append, add or unset, NAME and VALUE\n"
    conf_refuses("Header always set X", "c:3: Header: " WANTED_HEADER);
    conf_refuses("Header edit X a", "c:3: Header: 'edit': " WANTED_HEADER);
    conf_refuses("Header unset X a", "c:3: Header: " WANTED_HEADER);
    conf_refuses("Header set Content-Length 5",
                 "c:3: Header: 'Content-Length': expected a field that does not hold the message together\n");
    conf_refuses("RequestHeader set Host a",
                 "c:3: RequestHeader: 'Host': expected a field that does not hold the message together\n");
    conf_refuses("Header set a:b c", "c:3: Header: 'a:b': expected the name of a field\n");
    conf_refuses("Header set a \" b\"", "c:3: Header: ' b': expected a value that a field can have\n");
    assert_false(conf_parse_lines("Header set a %t"));
}

#define HEADER_TESTS TEST(test_header)

#else

static void test_header_off(void **state)
{
    (void)state;
    conf_refuses("Header set a b", "c:3: Header: needs CONFIG_HEADER_EDIT, which is off in this build\n");
}

#define HEADER_TESTS TEST(test_header_off)

#endif

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {TLS_TESTS HEADER_TESTS};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
