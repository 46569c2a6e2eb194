/* Tests of what "culvert -t -v" prints: what it says, and that it says the same when it is read again. */
#include "conf_text.h"

static char printed[2][16384];

/* Reads a configuration, and prints it into printed[i]. */
static void print(const char *content, unsigned i)
{
    struct text out;

    conf_setup(NULL);
    stub_set_file("part", TEXT("ProxyPass /part !\n"));
    if (!conf_parse(content))
        fail_msg("%s", conf_messages);
    config_print(&conf);
    config_forget(&conf);
    out = stub_printed();
    assert_true(out.len < sizeof(printed[i]));
    memcpy(printed[i], out.ptr, out.len);
    printed[i][out.len] = '\0';
}

/* Twice: what is printed is read again. */
static void same(const char *content)
{
    print(content, 0);
    print(printed[0], 1);
    assert_string_equal(printed[0], printed[1]);
}

/* A line is printed for one that is read behind CONF_FIRST. */
static void line(const char *read, const char *expected)
{
    char content[4096], whole[2048];

    snprintf(content, sizeof(content), CONF_FIRST "%s\n", read);
    same(content);
    snprintf(whole, sizeof(whole), "\n%s\n", expected);
    if (strstr(printed[0], whole) == NULL)
        fail_msg("%s\n--- is not in:\n%s", expected, printed[0]);
}

static void test_defaults(void **state)
{
    (void)state;
    line("", "Timeout 60s");
    assert_non_null(strstr(printed[0], "Listen 127.0.0.1:8080 http"));
    assert_non_null(strstr(printed[0], "\nProxyPass / h2c://127.0.0.1:81/ max=1 connectiontimeout=5s timeout=60s "));
    assert_non_null(strstr(printed[0], "\nRequestReadTimeout handshake="));
    assert_non_null(strstr(printed[0], " header=20-40,MinRate=500 body=20,MinRate=500\n"));
    assert_non_null(strstr(printed[0], "CustomLog stderr\nErrorLog stderr\n"));
}

static void test_lines(void **state)
{
    (void)state;
    line("KeepAlive Off", "KeepAlive Off");
    assert_non_null(strstr(printed[0], "\nMaxKeepAliveRequests 1\n"));
    line("KeepAliveTimeout 1500ms", "KeepAliveTimeout 1500ms");
    line("User nobody", "User nobody");
    line("Group #33", "Group \"#33\"");
    line("ChrootDir '/a b'", "ChrootDir \"/a b\"");
    line("PidFile /run/culvert.pid", "PidFile /run/culvert.pid");
    line("timeout 1min", "Timeout 60s");
    line("ProxyVia full", "ProxyVia Full");
    line("LimitRequestBody 5000000000", "LimitRequestBody 5000000000");
    line("RequestReadTimeout header=0 body=10-20,MinRate=3",
         IS_ENABLED(CONFIG_TLS) ? "RequestReadTimeout handshake=10 header=0 body=10-20,MinRate=3"
                                : "RequestReadTimeout handshake=0 header=0 body=10-20,MinRate=3");
    line("Protocols http/1.1", "Protocols http/1.1");
    if (IS_ENABLED(CONFIG_H2_FRONT))
        line("Protocols h2c http/1.1", "Protocols http/1.1 h2c");
    line("LogLevel crit", "LogLevel error");
    line("ProxyPass /x !", "ProxyPass /x !");
    line("ServerName a.example:81", "ServerName a.example:81");
}

/* Words that need quotes get them, and nothing in them ends a word or a line. */
static void test_quotes(void **state)
{
    (void)state;
    line("CustomLog '/my logs/a'", "CustomLog \"/my logs/a\"");
    line("CustomLog \"a\\\"b\\\\c'd\"", "CustomLog \"a\\\"b\\\\c'd\"");
    line("CustomLog a\\\\", "CustomLog \"a\\\\\"");
    line("CustomLog '#a'", "CustomLog \"#a\"");
    if (IS_ENABLED(CONFIG_LOG_SYSLOG)) {
        line("CustomLog syslog", "CustomLog syslog:local7:culvert," CONFIG_LOG_SOCKET);
        line("ErrorLog syslog:user:x,/a", "ErrorLog syslog:user:x,/a");
    }
    if (IS_ENABLED(CONFIG_LOG_REMOTE))
        line("CustomLog syslog@192.0.2.1", "CustomLog syslog:local7:culvert@192.0.2.1:514");
    if (IS_ENABLED(CONFIG_LOG_SERIAL)) {
        line("CustomLog serial:/dev/ttyS0,9600", "CustomLog serial:/dev/ttyS0,9600");
        line("CustomLog serial:/dev/console", "CustomLog serial:/dev/console");
    }
    if (IS_ENABLED(CONFIG_LOG_FORMAT)) {
        line("LogFormat '%h \"%r\" \\\\' a\nCustomLog - a", "LogFormat \"%h \\\"%r\\\" \\\\\" a\nCustomLog - a");
        line("LogFormat %s\nCustomLog /a '%h %{X}i'", "LogFormat %s\nCustomLog /a \"%h %{X}i\"");
    }
    line("ProxyPass '/a b' !", "ProxyPass \"/a b\" !");
    line("ProxyPass '/a\tb' !", "ProxyPass \"/a\tb\" !");
    line("ProxyPass /\xc3\xa4 !", "ProxyPass \"/\xc3\xa4\" !");
}

static void test_addresses(void **state)
{
    (void)state;
    same("Listen 81\n" CONF_FIRST);
    assert_memory_equal(printed[0], IS_ENABLED(CONFIG_IPV6) ? "Listen 81 http" : "Listen 0.0.0.0:81 http", 14);
    same("Listen 0.0.0.0:81\n" CONF_FIRST);
    assert_memory_equal(printed[0], "Listen 0.0.0.0:81 http", 22);
    if (IS_ENABLED(CONFIG_IPV6)) {
        same("Listen [::]:81\nListen 0.0.0.0:81\n" CONF_FIRST);
        assert_memory_equal(printed[0], "Listen [::]:81 http", 19);
    }
    if (IS_ENABLED(CONFIG_UNIX_SOCKETS)) {
        same("Listen unix:/a mode=0600\nProxyPass / unix:/b|h2c://c:82/d max=2\n");
        assert_non_null(strstr(printed[0], "mode=0600\n"));
        assert_non_null(strstr(printed[0], "\nProxyPass / unix:/b|h2c://c:82/d max=2 "));
    }
    if (IS_ENABLED(CONFIG_PROXY_PROTOCOL)) {
        same("RemoteIPProxyProtocol On\nListen 127.0.0.1:82 proxy=Optional\n"
             "RemoteIPTrustedProxy 10.1.2.3 10.0.0.0/8 fd00::/8 ::ffff:10.1.0.0/112\n" CONF_FIRST);
        assert_non_null(strstr(printed[0], "Listen 127.0.0.1:8080 http proxy=On\n"));
        assert_non_null(strstr(printed[0], "Listen 127.0.0.1:82 http proxy=Optional\n"));
        assert_non_null(strstr(printed[0], "RemoteIPTrustedProxy 10.1.2.3/32\nRemoteIPTrustedProxy 10.0.0.0/8\n"
                                           "RemoteIPTrustedProxy fd00::/8\nRemoteIPTrustedProxy 10.1.0.0/16\n"));
    }
    if (IS_ENABLED(CONFIG_CARES))
        line("Resolver 192.0.2.1 [2001:db8::1]:54", "Resolver 192.0.2.1:53 [2001:db8::1]:54");
}

static void test_mapping(void **state)
{
    (void)state;
    if (IS_ENABLED(CONFIG_REVERSE_MAP)) {
        line("ProxyPassReverse /a http://b/c", "ProxyPassReverse /a http://b/c");
        line("ProxyPassReverseCookiePath /in /out", "ProxyPassReverseCookiePath /in /out");
        line("ProxyPassReverseCookieDomain in out", "ProxyPassReverseCookieDomain in out");
    }
    if (IS_ENABLED(CONFIG_HEADER_EDIT)) {
        line("Header always set A \"b %% c\"", "Header always set a \"b %% c\"");
        line("Header unset A", "Header unset a");
        line("RequestHeader append A b", "RequestHeader append a b");
    }
    if (IS_ENABLED(CONFIG_INCLUDE))
        line("Include part", "ProxyPass /part !");
}

static void test_balancers(void **state)
{
    (void)state;
    same("Listen 127.0.0.1:81\n<Proxy balancer://a>\n"
         "BalancerMember h2c://127.0.0.1:82/p/ loadfactor=2.5 status=+HN hcmethod=GET hcuri=/h max=2\n"
         "BalancerMember h2c://127.0.0.1:83 hcmethod=PING\nProxySet stickycookie=R failonstatus=500,503\n"
         "ProxySet \"stickysessionsep=\\\\\"\n"
         "</Proxy>\nProxyPass / balancer://a/b\nProxyPassReverse / balancer://a/b\n");
    assert_non_null(strstr(printed[0], "\nProxyPass / balancer://a/b\n"));
    assert_non_null(strstr(printed[0], "    BalancerMember h2c://127.0.0.1:82/p loadfactor=2.50 lbset=0 status=+HN "));
    assert_non_null(strstr(printed[0], " hcmethod=GET hcuri=/h "));
    assert_non_null(strstr(printed[0], " hcmethod=PING hcuri=/ "));
    assert_non_null(strstr(printed[0], "    ProxySet lbmethod=byrequests \"stickysessionsep=\\\\\" stickycookie=R "));
    assert_non_null(strstr(printed[0], "\nProxyPassReverse / h2c://127.0.0.1:82/p/b\n"
                                       "ProxyPassReverse / h2c://127.0.0.1:83/b\n"));
    same("Listen 127.0.0.1:81\nBalancerMember balancer://a h2c://127.0.0.1:82/\n"
         "ProxyPass / balancer://a/b stickysession=A|b stickysessionsep=Off lbmethod=bybusyness\n");
    assert_non_null(strstr(printed[0], " stickysession=A|b stickysessionsep=Off nofailover=Off "));
}

static void test_tls(void **state)
{
    (void)state;
    same(
        "Listen 127.0.0.1:443 https\nSSLCertificateFile /a\nSSLCertificateFile '/b c'\nSSLCertificateKeyFile /k\n"
        "SSLProtocol all -TLSv1.3\nSSLCipherSuite TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256:HIGH\nSSLVerifyClient require\n"
        "SSLCACertificateFile /ca\nSSLProxyCheckPeerExpire Off\nProxyPass / h2://127.0.0.1/\n"
        "SSLProxyPin sha256:0F0b64c2a3d1b0c6a9f4f1e2d3c4b5a697887766554433221100ffeeddccbbaa\n");
    assert_non_null(strstr(printed[0], "SSLCertificateFile /a\nSSLCertificateFile \"/b c\"\nSSLCertificateKeyFile /k\n"
                                       "SSLCertificateKeyFile \"/b c\"\nSSLProtocol +TLSv1.2\n"
                                       "SSLCipherSuite ECDHE-RSA-AES128-GCM-SHA256\nSSLSessionTickets On\n"
                                       "SSLVerifyClient require\n"));
    assert_non_null(strstr(printed[0], "\nSSLProxyPin sha256:0f0b64c2a3d1"));
    assert_non_null(strstr(printed[0], "\nSSLProxyCheckPeerName On\nSSLProxyCheckPeerExpire Off\n"));
    assert_null(strstr(printed[0], "\nSSLProxyCACertificateFile"));
    same("Listen 8080\nProxyPass / h2://127.0.0.1/\n");
    assert_non_null(strstr(printed[0], "\nSSLProxyCACertificateFile " CONFIG_TLS_CA_FILE "\n"));
    same("Listen 8080\nProxyPass / h2://127.0.0.1/\nSSLProxyVerify none\n");
    assert_null(strstr(printed[0], "\nSSLProxyCACertificateFile"));
    same("Listen 8080\nProxyPass / h2c://127.0.0.1/\n");
    assert_null(strstr(printed[0], "\nSSLProxyCACertificateFile"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),  cmocka_unit_test(test_lines),   cmocka_unit_test(test_quotes),
        cmocka_unit_test(test_addresses), cmocka_unit_test(test_mapping),
    };
    static const struct CMUnitTest balancers[] = {cmocka_unit_test(test_balancers)};
    static const struct CMUnitTest tls[] = {cmocka_unit_test(test_tls)};
    int failed = 0;

    if (!IS_ENABLED(CONFIG_CONF_PRINT))
        return 0;
    failed += cmocka_run_group_tests(tests, NULL, NULL);
    if (IS_ENABLED(CONFIG_BALANCER) && IS_ENABLED(CONFIG_REVERSE_MAP))
        failed += cmocka_run_group_tests(balancers, NULL, NULL);
    if (IS_ENABLED(CONFIG_TLS))
        failed += cmocka_run_group_tests(tls, NULL, NULL);
    return failed;
}
