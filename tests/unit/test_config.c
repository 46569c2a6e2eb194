/* Tests of the configuration: directives, their values and errors, files that include others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/addr.h"
#include "guard.h"
#include "ops/config.h"
#include "port_stub.h"

#define GOOD "Listen 127.0.0.1:8080\nProxyPass / h2c://127.0.0.1:81/\n"

/* Skips the test where the build is too small for what it shows. */
#define NEEDS(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            skip();                                                                                                    \
    } while (0)

static struct config config;
static char messages[65536];
static size_t message_len;
static unsigned errors, warnings;

/* Also where the build has fewer: a test that is skipped compiles there. */
static const struct listener_settings *listener(size_t n)
{
    return &config.listen[n < CONFIG_LISTENERS ? n : 0];
}

static const struct port_addr *server(size_t n)
{
    return &config.names.servers[n < ARRAY_SIZE(config.names.servers) ? n : 0];
}

static const struct backend *backend_of(size_t n)
{
    return n < CONFIG_BACKENDS ? config.backends[n] : NULL;
}

static void report(void *user, bool error, struct text message)
{
    assert_ptr_equal(user, &config);
    assert_true(message_len + message.len + 1 < sizeof(messages));
    assert_true(text_find(message, '\n', 0) == message.len);
    memcpy(messages + message_len, message.ptr, message.len);
    message_len += message.len;
    messages[message_len++] = '\n';
    messages[message_len] = '\0';
    if (error)
        errors++;
    else
        warnings++;
}

static void clear(void)
{
    message_len = 0;
    messages[0] = '\0';
    errors = 0;
    warnings = 0;
}

static int setup(void **state)
{
    (void)state;
    stub_reset();
    clear();
    return 0;
}

static bool parse(const char *content)
{
    bool ok;

    clear();
    ok = config_parse(&config, "c", guard_copy(text_of(content)), report, &config);
    assert_int_equal(ok, errors == 0);
    assert_int_equal(config.warnings, warnings);
    assert_true(config.text_used <= sizeof(config.text));
    return ok;
}

static void good(const char *content)
{
    if (!parse(content) || warnings > 0)
        fail_msg("%s%s", content, messages);
}

/* GOOD and one more line, or several. */
static void good_line(const char *lines)
{
    char content[4096];

    snprintf(content, sizeof(content), GOOD "%s\n", lines);
    good(content);
}

/* GOOD and lines from line 3 on; the messages must be exactly these. */
static void bad(const char *lines, const char *expected)
{
    char content[8192];

    snprintf(content, sizeof(content), GOOD "%s\n", lines);
    if (parse(content) || strcmp(messages, expected) != 0)
        fail_msg("%s\n%s--- expected:\n%s", lines, messages, expected);
}

#define assert_text(t, literal)                                                                                        \
    do {                                                                                                               \
        struct text t_ = (t);                                                                                          \
                                                                                                                       \
        if (!text_eq(t_, TEXT(literal)))                                                                               \
            fail_msg("'%.*s' is not '%s'", TEXT_ARG(t_), literal);                                                     \
    } while (0)

static void assert_addr(const struct port_addr *addr, const char *ip, uint16_t port)
{
    struct port_addr expected;

    assert_true(addr_parse(text_of(ip), &expected));
    expected.port = port;
    assert_true(addr_eq(addr, &expected));
}

static void test_defaults(void **state)
{
    (void)state;
    good(GOOD);
    assert_int_equal(config.listen_count, 1);
    assert_addr(&listener(0)->addr, "127.0.0.1", 8080);
    assert_false(listener(0)->optional);
    assert_int_equal(config.site.routes.count, 1);
    assert_int_equal(config.backend_count, 1);
    assert_int_equal(config.backends[0]->settings.max, 1);
    assert_int_equal(config.backends[0]->settings.connect_ms, CONFIG_CONNECT_TIMEOUT_S * 1000);
    assert_int_equal(config.backends[0]->settings.timeout_ms, CONFIG_TIMEOUT_S * 1000);
    assert_int_equal(config.backends[0]->settings.queue_ms, CONFIG_QUEUE_TIMEOUT_MS);
    assert_int_equal(config.front.timeout_ms, CONFIG_TIMEOUT_S * 1000);
    assert_int_equal(config.front.keepalive_ms, CONFIG_KEEPALIVE_TIMEOUT_S * 1000);
    assert_int_equal(config.front.keepalive_max, CONFIG_MAX_KEEPALIVE_REQUESTS);
    assert_int_equal(config.front.body_limit, CONFIG_LIMIT_REQUEST_BODY);
    assert_int_equal(config.front.limits.line, CONFIG_LIMIT_REQUEST_LINE);
    assert_int_equal(config.front.limits.field, CONFIG_LIMIT_REQUEST_FIELD_SIZE);
    assert_int_equal(config.front.limits.fields, CONFIG_LIMIT_REQUEST_FIELDS);
    assert_int_equal(config.front.head.initial_ms, CONFIG_READ_HEAD_S * 1000);
    assert_int_equal(config.front.head.max_ms, CONFIG_READ_HEAD_MAX_S * 1000);
    assert_int_equal(config.front.head.rate, CONFIG_READ_RATE);
    assert_int_equal(config.front.body.initial_ms, CONFIG_READ_BODY_S * 1000);
    assert_int_equal(config.front.body.max_ms, 0);
    assert_true(config.site.forward.add_headers);
    assert_false(config.site.forward.preserve_host);
    assert_int_equal(config.site.forward.via, VIA_OFF);
    assert_int_equal(config.site.forward.server_name.len, 0);
    assert_int_equal(config.logs[LOG_ACCESS].to.kind, PORT_LOG_STDERR);
    assert_int_equal(config.logs[LOG_DIAG].to.kind, PORT_LOG_STDERR);
    assert_int_equal(config.log_level, LOG_WARN);
}

static void test_words(void **state)
{
    (void)state;
    good_line("# a comment\n   # another, with \"quotes\n#  continued \\\nServerName wrong name\n\t \n");
    assert_int_equal(config.site.forward.server_name.len, 0);
    good_line("ServerName \"a.example\"");
    assert_text(config.site.forward.server_name, "a.example");
    good_line("\tservername\t'b.example'  ");
    assert_text(config.site.forward.server_name, "b.example");
    good_line("SERVERNAME \\\n  c.exam\\\r\nple\r");
    assert_text(config.site.forward.server_name, "c.example");
    /* Escapes, as httpd has them */
    good_line("CustomLog \"/a \\\"b\\\" \\\\ 'c' \\d\"");
    assert_string_equal(config.logs[LOG_ACCESS].to.path, "/a \"b\" \\ 'c' \\d");
    good_line("CustomLog '/a \"b\" \\'c\\''");
    assert_string_equal(config.logs[LOG_ACCESS].to.path, "/a \"b\" 'c'");
    good_line("CustomLog /a\\\\b\\\"c\\d'e\"");
    assert_string_equal(config.logs[LOG_ACCESS].to.path, "/a\\b\\\"c\\d'e\"");
    /* No end of line at the end; a byte order mark; DOS line ends */
    good("\xef\xbb\xbfListen 127.0.0.1:8080\r\nProxyPass / h2c://127.0.0.1/\r");
    good("Listen 127.0.0.1:8080\nProxyPass / h2c://127.0.0.1/ \\");
    assert_text(config.backends[0]->settings.name, "127.0.0.1");
}

static void test_word_errors(void **state)
{
    (void)state;
    bad("ServerName \"a", "c:3: 'ServerName': expected a closing quote\n");
    bad("ServerName 'a\\'", "c:3: 'ServerName': expected a closing quote\n");
    bad("ServerName \"", "c:3: 'ServerName': expected a closing quote\n");
    bad("ServerName \"a\"b", "c:3: 'ServerName': expected a blank behind a closing quote\n");
    bad("ServerName a\x01", "c:3: 'ServerName': expected no control bytes\n");
    bad("ServerName a\x7f", "c:3: 'ServerName': expected no control bytes\n");
    bad("Server\x1bName a", "c:3: 'Server\\x1bName': expected no control bytes\n");
    bad("a b c d e f g h i j k l m n o p", "c:3: 'a': expected a directive: this one is not known\n");
    bad("a b c d e f g h i j k l m n o p q r s t u v w x y z a b c d e f g",
        "c:3: 'a': expected fewer words in a line\n");
    bad("\"\" x", "c:3: '': expected a directive: this one is not known\n");
    bad("Timeout 5 # five", "c:3: Timeout: '#': expected no comment here: it needs a line of its own\n");
    bad("Timeout 5 6", "c:3: Timeout: '6': expected SECONDS\n");
    bad("Timeout", "c:3: Timeout: expected SECONDS\n");
    bad("ProxyPass /x", "c:3: ProxyPass: expected PATH URL [KEY=VALUE ...], or PATH !\n");
    bad("Timeout 5 \\\n6\nTimeout 0x", "c:3: Timeout: '6': expected SECONDS\n"
                                       "c:5: Timeout: '0x': expected a time from 1ms to 24 days: a number of seconds, "
                                       "or one with ms, s, min or h\n");
}

static void test_nul(void **state)
{
    static const char content[] = GOOD "ServerName a\0b\n";

    (void)state;
    assert_false(config_parse(&config, "c", text_make(content, sizeof(content) - 1), report, &config));
    assert_string_equal(messages, "c:3: 'ServerName': expected no control bytes\n");
}

static void test_unknown(void **state)
{
    (void)state;
    if (IS_ENABLED(CONFIG_CONF_EXPLAIN)) {
        bad("Listn 80", "c:3: 'Listn': expected a directive: did you mean Listen?\n");
        bad("proxypas / x", "c:3: 'proxypas': expected a directive: did you mean ProxyPass?\n");
        bad("ProxyPassRevers / x", "c:3: 'ProxyPassRevers': expected a directive: did you mean ProxyPassReverse?\n");
        bad("TimeOuts 5", "c:3: 'TimeOuts': expected a directive: did you mean Timeout?\n");
    } else {
        bad("Listn 80", "c:3: 'Listn': expected a directive: this one is not known\n");
    }
    bad("LoadModule x y", "c:3: 'LoadModule': expected a directive: this one is not known\n");
    bad("x", "c:3: 'x': expected a directive: this one is not known\n");
    bad("ThisNameIsLongerThanAllOfTheDirectivesThatThereAre",
        "c:3: 'ThisNameIsLongerThanAllOfTheDirectivesThatThereAre'"
        ": expected a directive: this one is not known\n");
}

static void test_sections(void **state)
{
    (void)state;
    bad("<Location \"/x\">\n  nonsense\n  <Location /y>\n </Location>\nTimeout x\n</Location>\nTimeout y",
        "c:3: '<Location \\\"/x\\\">': this section is not supported: expected directives outside of it\n"
        "c:9: Timeout: 'y': expected a time from 1ms to 24 days: a number of seconds, or one with ms, s, min or h\n");
    bad("<location /x>\n<Limit GET>\n</Location>\n</Limit>\n",
        "c:3: '<location /x>': this section is not supported: expected directives outside of it\n"
        "c:6: '</Limit>': expected no end: there is no such section\n");
    bad("</Location>", "c:3: '</Location>': expected no end: there is no such section\n");
    bad("<VirtualHost *:80>\nTimeout x",
        "c:3: '<VirtualHost *:80>': this section is not supported: expected directives outside of it\n");
    bad("<\n</\n<>\n", "c:3: '<': this section is not supported: expected directives outside of it\n"
                       "c:5: '<>': this section is not supported: expected directives outside of it\n");
}

static void test_listen(void **state)
{
    (void)state;
    if (CONFIG_LISTENERS < 5 || !IS_ENABLED(CONFIG_IPV6))
        skip();
    good("Listen 80\nListen 127.0.0.1:81 http\nListen [::1]:82\nListen [2001:db8::1]:81\n"
         "ProxyPass / h2c://127.0.0.1/\n");
    assert_int_equal(config.listen_count, 5);
    assert_addr(&listener(0)->addr, "0.0.0.0", 80);
    assert_addr(&listener(1)->addr, "::", 80);
    assert_addr(&listener(2)->addr, "127.0.0.1", 81);
    assert_addr(&listener(3)->addr, "::1", 82);
    assert_addr(&listener(4)->addr, "2001:db8::1", 81);
    assert_false(listener(0)->optional);
    assert_true(listener(1)->optional);
    assert_false(listener(3)->optional);
    good("Listen *:80\nProxyPass / h2c://127.0.0.1/\n");
    assert_int_equal(config.listen_count, 2);
    good("Listen 0.0.0.0:80\nListen [::]:80\nProxyPass / h2c://127.0.0.1/\n");
    assert_int_equal(config.listen_count, 2);
    assert_false(listener(1)->optional);
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
        bad(cases[i].line, expected);
    }
    assert_false(parse("ProxyPass / h2c://127.0.0.1/\n"));
    assert_string_equal(messages, "c: expected one Listen at least\n");
    assert_false(parse("Listen 80\nProxyPass /x !\n"));
    assert_string_equal(messages, "c: expected one ProxyPass to a backend at least\n");
    assert_false(parse(""));
    assert_int_equal(errors, 2);
    assert_false(parse("Listen x\nProxyPass / y\n"));
    assert_int_equal(errors, 2);
}

/* `count` lines, made by a format with one %u, from 1 on. */
static const char *repeat(const char *first, const char *format, unsigned count)
{
    static char lines[32768];
    struct textbuf b;

    textbuf_init(&b, lines, sizeof(lines));
    textbuf_putz(&b, first);
    for (unsigned i = 1; i <= count; i++) {
        char line[256];

        snprintf(line, sizeof(line), format, i);
        textbuf_putz(&b, line);
    }
    return textbuf_z(&b);
}

static void test_capacities(void **state)
{
    char expected[256];

    (void)state;
    good(repeat(GOOD, "Listen 127.0.0.1:%u\n", CONFIG_LISTENERS - 1));
    assert_false(parse(repeat(GOOD, "Listen 127.0.0.1:%u\n", CONFIG_LISTENERS)));
    snprintf(expected, sizeof(expected),
             "c:%d: Listen: '127.0.0.1:%d': expected at most %d listening sockets: raise CONFIG_LISTENERS\n",
             CONFIG_LISTENERS + 2, CONFIG_LISTENERS, CONFIG_LISTENERS);
    assert_string_equal(messages, expected);

    good(repeat("Listen 80\n", "ProxyPass /%u h2c://127.0.0.1/\n", CONFIG_ROUTES));
    assert_false(parse(repeat("Listen 80\n", "ProxyPass /%u h2c://127.0.0.1/\n", CONFIG_ROUTES + 1)));
    snprintf(expected, sizeof(expected),
             "c:%d: ProxyPass: '/%d': expected at most %d ProxyPass lines: raise CONFIG_ROUTES\n", CONFIG_ROUTES + 2,
             CONFIG_ROUTES + 1, CONFIG_ROUTES);
    assert_string_equal(messages, expected);

    good(repeat("Listen 80\n", "ProxyPass /%1$u h2c://127.0.0.1:%1$u/\n", CONFIG_BACKENDS));
    assert_false(parse(repeat("Listen 80\n", "ProxyPass /%1$u h2c://127.0.0.1:%1$u/\n", CONFIG_BACKENDS + 1)));
    snprintf(expected, sizeof(expected),
             "c:%d: ProxyPass: 'h2c://127.0.0.1:%d/': expected at most %d backends: raise CONFIG_BACKENDS\n",
             CONFIG_BACKENDS + 2, CONFIG_BACKENDS + 1, CONFIG_BACKENDS);
    assert_string_equal(messages, expected);

    good(repeat(GOOD, "ProxyPassReverse /%1$u http://b/%1$u\n", CONFIG_REVERSE_MAPS));
    assert_false(parse(repeat(GOOD, "ProxyPassReverse /%1$u http://b/%1$u\n", CONFIG_REVERSE_MAPS + 1)));
    snprintf(expected, sizeof(expected),
             "c:%d: ProxyPassReverse: '/%d': expected at most %d ProxyPassReverse lines: raise CONFIG_REVERSE_MAPS\n",
             CONFIG_REVERSE_MAPS + 3, CONFIG_REVERSE_MAPS + 1, CONFIG_REVERSE_MAPS);
    assert_string_equal(messages, expected);
}

/* More connections than there can be are not wrong, but they will not be had. */
static void test_max_sum(void **state)
{
    char content[256], expected[256];

    (void)state;
    snprintf(content, sizeof(content), GOOD "ProxyPass /x h2c://127.0.0.1:82/ max=%d\n", CONFIG_BACKEND_CONNS);
    assert_true(parse(content));
    snprintf(expected, sizeof(expected),
             "c: the max= of all backends together are %d connections, but there is room for %d "
             "(CONFIG_BACKEND_CONNS)\nc:3: ProxyPass: '/x': unreachable: it is hidden by '/' of c:2\n",
             CONFIG_BACKEND_CONNS + 1, CONFIG_BACKEND_CONNS);
    assert_string_equal(messages, expected);
}

static const struct backend_settings *backend(unsigned i)
{
    assert_true(i < config.backend_count);
    return &config.backends[i < CONFIG_BACKENDS ? i : 0]->settings;
}

static void test_proxy_pass(void **state)
{
    const struct route *routes = config.site.routes.routes;

    (void)state;
    NEEDS(IS_ENABLED(CONFIG_IPV6) && CONFIG_BACKENDS >= 3 && CONFIG_BACKEND_CONNS >= 8);
    good("Listen 127.0.0.1:80\nProxyPass \"/app/private\" \"!\"\n"
         "ProxyPass /app h2c://127.0.0.1:8081/base max=2 connectiontimeout=500ms timeout=7 acquire=300 nocanon min=1\n"
         "ProxyPass '/sp ace' H2C://[2001:DB8::1]\nProxyPass /two h2c://127.0.0.1:8081 max=2\n"
         "ProxyPass /four h2c://127.0.0.1:80/\nProxyPass /three h2c://127.0.0.1/\n");
    assert_int_equal(config.site.routes.count, 6);
    assert_int_equal(config.backend_count, 3);
    assert_text(routes[0].prefix, "/app/private");
    assert_null(routes[0].backend);
    assert_int_equal(routes[0].line, 2);
    assert_text(routes[1].prefix, "/app");
    assert_text(routes[1].path, "/base");
    assert_ptr_equal(routes[1].backend, config.backends[0]);
    assert_text(routes[2].prefix, "/sp ace");
    assert_text(routes[2].path, "");
    assert_ptr_equal(routes[3].backend, config.backends[0]);
    assert_text(routes[3].path, "");
    assert_ptr_equal(routes[4].backend, backend_of(2));
    assert_ptr_equal(routes[5].backend, backend_of(2));
    assert_text(backend(0)->name, "127.0.0.1:8081");
    assert_text(backend(0)->scheme, "h2c");
    assert_text(backend(0)->host, "127.0.0.1");
    assert_int_equal(backend(0)->port, 8081);
    assert_int_equal(backend(0)->max, 2);
    assert_int_equal(backend(0)->connect_ms, 500);
    assert_int_equal(backend(0)->timeout_ms, 7000);
    assert_int_equal(backend(0)->queue_ms, 300);
    assert_int_equal(backend(0)->addr_count, 1);
    assert_addr(&backend(0)->addrs[0], "127.0.0.1", 8081);
    assert_text(backend(1)->name, "[2001:db8::1]");
    assert_text(backend(1)->host, "2001:db8::1");
    assert_addr(&backend(1)->addrs[0], "2001:db8::1", 80);
    assert_text(backend(2)->name, "127.0.0.1");
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
        bad(line, expected);
    }
    /* All that is wrong in a line is said. */
    bad("ProxyPass /x http://b/ max=0 foo",
        "c:3: ProxyPass: 'http://b/'" EXPECTED_URL ": backends are spoken to in HTTP/2 only\n"
        "c:3: ProxyPass: '0': expected a number from 1 to 64; a larger one needs a "
        "larger CONFIG_BACKEND_CONNS\n"
        "c:3: ProxyPass: 'foo': " EXPECTED_KEYS);
}

static void test_resolve(void **state)
{
    (void)state;
    stub_set_name("origin.example", 192, 0, 2, 5);
    good("Listen 127.0.0.1:80\nProxyPass /x h2c://ORIGIN.example:81/\nProxyPass / h2c://origin.Example:81/ max=1\n");
    assert_int_equal(config.backend_count, 1);
    assert_text(backend(0)->host, "origin.example");
    assert_text(backend(0)->name, "origin.example:81");
    if (IS_ENABLED(CONFIG_CARES)) {
        assert_int_equal(backend(0)->addr_count, 0); /* that is for the running proxy */
        good("Listen 127.0.0.1:80\nProxyPass / h2c://nowhere.example/\n");
        return;
    }
    assert_int_equal(backend(0)->addr_count, 1);
    assert_addr(&backend(0)->addrs[0], "192.0.2.5", 81);
    assert_false(parse("Listen 127.0.0.1:80\nProxyPass /a h2c://127.0.0.1/\nProxyPass / h2c://nowhere.example/\n"));
    assert_string_equal(messages,
                        "c:3: ProxyPass: 'nowhere.example': expected a host that is known: the look-up gave no "
                        "address\n");
    /* Nobody waits for the look-up when the configuration is wrong anyway. */
    bad("ProxyPass /x h2c://nowhere.example/\nTimeout",
        "c:4: Timeout: expected SECONDS\nc:3: ProxyPass: '/x': unreachable: it is hidden by '/' of c:2\n");
}

static void test_unix(void **state)
{
#define EXPECTED_PATH ": expected unix:/PATH, an absolute path of at most 103 bytes, without blanks, \\ and \"\n"
    (void)state;
    NEEDS(IS_ENABLED(CONFIG_UNIX_SOCKETS) && CONFIG_BACKENDS >= 3);
    good("Listen unix:/run/a.sock\nListen UNIX:/run/b.sock http mode=0600\n"
         "ProxyPass /a unix:/run/app.sock|h2c://localhost/x max=2\n"
         "ProxyPass /b \"Unix:/run/other.sock|h2c://LocalHost:81\"\n"
         "ProxyPass /c unix:/run/app.sock|h2c://localhost/y\n"
         "ProxyPass / h2c://127.0.0.1/\n");
    assert_int_equal(listener(0)->addr.family, PORT_UNIX);
    assert_string_equal(listener(0)->addr.path, "/run/a.sock");
    assert_int_equal(listener(0)->mode, 0660);
    assert_int_equal(listener(1)->mode, 0600);
    assert_int_equal(config.backend_count, 3);
    assert_text(backend(0)->name, "unix:/run/app.sock");
    assert_text(backend(0)->authority, "localhost");
    assert_int_equal(backend(0)->addrs[0].family, PORT_UNIX);
    assert_string_equal(backend(0)->addrs[0].path, "/run/app.sock");
    assert_int_equal(backend(0)->max, 2);
    assert_text(backend(1)->authority, "localhost:81");
    assert_text(config.site.routes.routes[0].path, "/x");
    assert_ptr_equal(config.site.routes.routes[2].backend, config.backends[0]);
    bad("Listen unix:/a\nListen unix:/a\nListen unix:b\nListen unix:\nListen 'unix:/a b'\nListen 81 mode=0600\n"
        "Listen unix:/b mode=1000\nListen unix:/b mode=\nListen unix:/b mode=9",
        "c:4: Listen: 'unix:/a': expected another address or port: that of c:3 takes this one, too\n"
        "c:5: Listen: 'unix:b'" EXPECTED_PATH "c:6: Listen: 'unix:'" EXPECTED_PATH
        "c:7: Listen: 'unix:/a b'" EXPECTED_PATH
        "c:8: Listen: 'mode=0600': expected the protocol http or https, proxy=, or nothing\n"
        "c:9: Listen: 'mode=1000': expected the permissions of the socket's file as an octal number to 0777\n"
        "c:10: Listen: 'mode=': expected the permissions of the socket's file as an octal number to 0777\n"
        "c:11: Listen: 'mode=9': expected the permissions of the socket's file as an octal number to 0777\n");
    bad("ProxyPass /x unix:/a\nProxyPass /x unix:/a|\nProxyPass /x unix:a|h2c://b/\nProxyPass /x unix:/a|http://b/",
        "c:3: ProxyPass: 'unix:/a': expected unix:/PATH|h2c:// or h2://HOST[:PORT][/PATH]\n"
        "c:4: ProxyPass: '': expected h2c:// or h2://HOST[:PORT][/PATH]\n"
        "c:5: ProxyPass: 'unix:a|h2c://b/'" EXPECTED_PATH
        "c:6: ProxyPass: 'http://b/': expected h2c:// or h2://HOST[:PORT][/PATH]: backends are spoken to in HTTP/2 "
        "only\n");
}

static void test_remote_ip(void **state)
{
#define WARNING "c: everybody who connects may name any client in a PROXY header: RemoteIPTrustedProxy says who may\n"
    (void)state;
    NEEDS(IS_ENABLED(CONFIG_PROXY_PROTOCOL) && IS_ENABLED(CONFIG_UNIX_SOCKETS) && IS_ENABLED(CONFIG_IPV6) &&
          CONFIG_LISTENERS >= 3);
    good("RemoteIPProxyProtocol On\nListen 127.0.0.1:80\nListen 127.0.0.1:81 proxy=off\n"
         "Listen unix:/a http proxy=OPTIONAL\nRemoteIPTrustedProxy 10.0.0.0/8 ::1\nRemoteIPTrustedProxy 192.0.2.1\n"
         "RemoteIPProxyProtocolExceptions 10.0.0.1\nProxyPass / h2c://127.0.0.1/\n");
    assert_int_equal(listener(0)->proxy, LISTENER_PROXY_ON);
    assert_int_equal(listener(1)->proxy, LISTENER_PROXY_OFF);
    assert_int_equal(listener(2)->proxy, LISTENER_PROXY_OPTIONAL);
    assert_int_equal(config.proxy.trusted_count, 3);
    assert_int_equal(config.proxy.trusted[0].bits, 8);
    assert_int_equal(config.proxy.excepted_count, 1);
    good("Listen 127.0.0.1:80\nProxyPass / h2c://127.0.0.1/\n");
    assert_int_equal(listener(0)->proxy, LISTENER_PROXY_OFF);
    good("Listen unix:/a proxy=On\nProxyPass / h2c://127.0.0.1/\n");
    assert_true(parse(GOOD "RemoteIPProxyProtocol On\n"));
    assert_string_equal(messages, WARNING);
    bad("RemoteIPProxyProtocol maybe\nListen 81 proxy=\nRemoteIPTrustedProxy balancer 10.0.0.0/40\n",
        "c:3: RemoteIPProxyProtocol: 'maybe': expected On, Off or Optional\n"
        "c:4: Listen: 'proxy=': expected On, Off or Optional\n"
        "c:5: RemoteIPTrustedProxy: 'balancer': expected an address, or a network ADDRESS/BITS\n"
        "c:5: RemoteIPTrustedProxy: '10.0.0.0/40': expected an address, or a network ADDRESS/BITS\n");
}

static void test_resolver(void **state)
{
    (void)state;
    NEEDS(IS_ENABLED(CONFIG_CARES) && IS_ENABLED(CONFIG_IPV6));
    good_line("Resolver 192.0.2.53 [::1]:5353\nResolver ::1");
    assert_int_equal(config.names.server_count, 3);
    assert_addr(server(0), "192.0.2.53", 53);
    assert_addr(server(1), "::1", 5353);
    assert_addr(server(2), "::1", 53);
    good_line("Resolver 127.0.0.1:5353");
    assert_addr(server(0), "127.0.0.1", 5353);
#define EXPECTED_SERVER ": expected the address of a DNS server, perhaps with :port\n"
    bad("Resolver dns.example 1.2.3.4:0 [::1 [::1]x 1.2.3 :53 \"\"",
        "c:3: Resolver: 'dns.example'" EXPECTED_SERVER "c:3: Resolver: '1.2.3.4:0': expected a port from 1 to 65535\n"
        "c:3: Resolver: '[::1'" EXPECTED_SERVER "c:3: Resolver: '[::1]x'" EXPECTED_SERVER
        "c:3: Resolver: '1.2.3'" EXPECTED_SERVER "c:3: Resolver: ':53'" EXPECTED_SERVER
        "c:3: Resolver: ''" EXPECTED_SERVER);
    bad("Resolver 1.1.1.1 2.2.2.2 3.3.3.3 4.4.4.4",
        "c:3: Resolver: '4.4.4.4': expected at most 3 servers: raise CONFIG_NAME_SERVERS\n");
}

static void test_hidden(void **state)
{
    (void)state;
    assert_true(parse(GOOD "ProxyPass /app h2c://127.0.0.1:81/\nProxyPass /x !\n"));
    assert_string_equal(messages, "c:3: ProxyPass: '/app': unreachable: it is hidden by '/' of c:2\n"
                                  "c:4: ProxyPass: '/x': unreachable: it is hidden by '/' of c:2\n");
    assert_int_equal(config.warnings, 2);
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

        snprintf(content, sizeof(content), GOOD "Timeout \"%s\"\n", cases[i].word);
        if (parse(content) != (cases[i].ms > 0))
            fail_msg("%s: %s", cases[i].word, messages);
        if (cases[i].ms > 0)
            assert_int_equal(config.front.timeout_ms, cases[i].ms);
    }
}

/* timeout= beats ProxyTimeout, and that beats Timeout, wherever they stand. */
static void test_timeouts(void **state)
{
    (void)state;
    good("Listen 80\nProxyPass /a h2c://127.0.0.1:1/ timeout=3\nProxyPass / h2c://127.0.0.1:2/\nTimeout 5\n");
    assert_int_equal(backend(0)->timeout_ms, 3000);
    assert_int_equal(backend(1)->timeout_ms, 5000);
    assert_int_equal(config.front.timeout_ms, 5000);
    good("ProxyTimeout 4\nListen 80\nProxyPass /a h2c://127.0.0.1:1/ timeout=3\nProxyPass / h2c://127.0.0.1:2/\n"
         "Timeout 5\n");
    assert_int_equal(backend(0)->timeout_ms, 3000);
    assert_int_equal(backend(1)->timeout_ms, 4000);
    assert_int_equal(config.front.timeout_ms, 5000);
}

static void test_protocols(void **state)
{
    (void)state;
    good_line("");
    assert_true(config.front.http1 && config.front.h2 && config.front.h2c && !config.tls.h2_only);
    good_line("Protocols http/1.1");
    assert_true(config.front.http1 && !config.front.h2 && !config.front.h2c && !config.tls.h2_only);
    good_line("Protocols H2C h2");
    assert_true(!config.front.http1 && config.front.h2 && config.front.h2c && config.tls.h2_only);
    bad("Protocols spdy/3", "c:3: Protocols: 'spdy/3': expected http/1.1, h2 or h2c, or several of them\n");
    bad("Protocols h2", "c:1: Listen: expected http/1.1 or h2c among Protocols: nothing could be spoken here\n");
}

static void test_process(void **state)
{
    (void)state;
    NEEDS(IS_ENABLED(CONFIG_CHANGE_USER) && IS_ENABLED(CONFIG_DAEMON));
    good("Listen 80\nProxyPass / h2c://127.0.0.1:1/\n");
    assert_null(config.process.user);
    assert_null(config.process.group);
    assert_null(config.process.chroot);
    assert_null(config.process.pid_file);
    good_line("User www-data\nGroup \"#33\"\nChrootDir /srv/jail\nPidFile run/culvert.pid");
    assert_string_equal(config.process.user, "www-data");
    assert_string_equal(config.process.group, "#33");
    assert_string_equal(config.process.chroot, "/srv/jail");
    assert_string_equal(config.process.pid_file, "run/culvert.pid");
    bad("User #", "c:3: User: '#': expected a user's name, or # and a number\n");
    bad("Group \"\"", "c:3: Group: '': expected a group's name, or # and a number\n");
    bad("ChrootDir srv", "c:3: ChrootDir: 'srv': expected an absolute path\n");
    bad("PidFile \"\"", "c:3: PidFile: '': expected FILE\n");
}

static void test_keepalive(void **state)
{
    (void)state;
    good_line("KeepAliveTimeout 15\nMaxKeepAliveRequests 7");
    assert_int_equal(config.front.keepalive_ms, 15000);
    assert_int_equal(config.front.keepalive_max, 7);
    assert_int_equal(config.front.linger_ms, CONFIG_LINGER_MS);
    good_line("LingerTimeout 500ms");
    assert_int_equal(config.front.linger_ms, 500);
    good_line("LingerTimeout 0");
    assert_int_equal(config.front.linger_ms, 0);
    bad("LingerTimeout -1",
        "c:3: LingerTimeout: '-1': expected a time from 1ms to 24 days: a number of seconds, or one "
        "with ms, s, min or h\n");
    good_line("KeepAlive Off\nMaxKeepAliveRequests 7");
    assert_int_equal(config.front.keepalive_max, 1);
    good_line("KeepAlive Off\nMaxKeepAliveRequests 0\nKeepAlive on");
    assert_int_equal(config.front.keepalive_max, 0);
    bad("KeepAlive maybe", "c:3: KeepAlive: 'maybe': expected On or Off\n");
    bad("MaxKeepAliveRequests -1", "c:3: MaxKeepAliveRequests: '-1': expected a number from 0 to 2147483647\n");
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
    good_line("RequestReadTimeout header=10-30,MinRate=400 body=15,minrate=300");
    assert_timeout(&config.front.head, 10000, 30000, 400);
    assert_timeout(&config.front.body, 15000, 0, 300);
    good_line("RequestReadTimeout handshake=5 header=10-30,MinRate=400");
    assert_int_equal(config.front.handshake_ms, 5000);
    assert_timeout(&config.front.head, 10000, 30000, 400);
    good_line("RequestReadTimeout Header=10");
    assert_timeout(&config.front.head, 10000, 0, 0);
    assert_timeout(&config.front.body, CONFIG_READ_BODY_S * 1000, 0, CONFIG_READ_RATE);
    good_line("RequestReadTimeout body=0 header=0");
    assert_timeout(&config.front.head, 0, 0, 0);
    assert_timeout(&config.front.body, 0, 0, 0);
    good_line("RequestReadTimeout body=10-0,MinRate=5");
    assert_timeout(&config.front.body, 10000, 0, 5);
#define LINE "c:3: RequestReadTimeout: "
    bad("RequestReadTimeout header",
        LINE "'header': expected handshake=SECONDS header=SECONDS[-SECONDS][,MinRate=BYTES] body=...\n");
    bad("RequestReadTimeout x=5",
        LINE "'x=5': expected handshake=SECONDS header=SECONDS[-SECONDS][,MinRate=BYTES] body=...\n");
    bad("RequestReadTimeout handshake=5s", LINE "'handshake=5s': expected a number of seconds behind the =\n");
    bad("RequestReadTimeout header=", LINE "'header=': expected a number of seconds behind the =\n");
    bad("RequestReadTimeout header=5s", LINE "'header=5s': expected a number of seconds behind the =\n");
    bad("RequestReadTimeout header=5-,MinRate=1",
        LINE "'header=5-,MinRate=1': expected a number of seconds behind the -\n");
    bad("RequestReadTimeout header=5-9", LINE "'header=5-9': expected MinRate= beside a range of seconds\n");
    bad("RequestReadTimeout header=9-9,MinRate=1",
        LINE "'header=9-9,MinRate=1': expected a second number of seconds that is larger than the first\n");
    bad("RequestReadTimeout header=9,Rate=1", LINE "'header=9,Rate=1': expected MinRate= behind the comma\n");
    bad("RequestReadTimeout header=9,MinRate=0",
        LINE "'header=9,MinRate=0': expected MinRate=BYTES in a second, 1 at least\n");
#undef LINE
}

static void test_limits(void **state)
{
    char line[256], expected[512];

    (void)state;
    NEEDS(CONFIG_HEAD_FIELDS >= 64 && CONFIG_REQUEST_HEAD >= 4096);
    good_line("LimitRequestLine 1000\nLimitRequestFieldSize 2000\nLimitRequestFields 50\nLimitRequestBody 5000000000");
    assert_int_equal(config.front.limits.line, 1000);
    assert_int_equal(config.front.limits.field, 2000);
    assert_int_equal(config.front.limits.fields, 50);
    assert_true(config.front.body_limit == 5000000000u);
    good_line("LimitRequestFields 0\nLimitRequestBody 0");
    assert_int_equal(config.front.limits.fields, CONFIG_HEAD_FIELDS - 12);
    assert_true(config.front.body_limit == 0);

    snprintf(line, sizeof(line), "LimitRequestLine %d", CONFIG_REQUEST_HEAD);
    snprintf(expected, sizeof(expected),
             "c:3: LimitRequestLine: '%d': expected a number from 1 to %d; a larger one needs a larger "
             "CONFIG_REQUEST_HEAD\n",
             CONFIG_REQUEST_HEAD, CONFIG_REQUEST_HEAD - 512);
    bad(line, expected);
    snprintf(line, sizeof(line), "LimitRequestLine %d\nLimitRequestFieldSize %d\nTimeout 1", CONFIG_REQUEST_HEAD - 1511,
             1000);
    snprintf(expected, sizeof(expected),
             "c:4: expected LimitRequestLine and LimitRequestFieldSize of %d bytes together at most, not %d: raise "
             "CONFIG_REQUEST_HEAD\n",
             CONFIG_REQUEST_HEAD - 512, CONFIG_REQUEST_HEAD - 511);
    bad(line, expected);
    snprintf(line, sizeof(line), "LimitRequestLine %d\nLimitRequestFieldSize %d", CONFIG_REQUEST_HEAD - 1512, 1000);
    good_line(line);
    snprintf(expected, sizeof(expected),
             "c:3: LimitRequestLine: '0': expected a number from 1 to %d; a larger one needs a larger "
             "CONFIG_REQUEST_HEAD\n",
             CONFIG_REQUEST_HEAD - 512);
    bad("LimitRequestLine 0", expected);
    snprintf(line, sizeof(line), "LimitRequestFields %d", CONFIG_HEAD_FIELDS - 11);
    snprintf(expected, sizeof(expected),
             "c:3: LimitRequestFields: '%d': expected a number from 0 to %d; a larger one needs a "
             "larger CONFIG_HEAD_FIELDS\n",
             CONFIG_HEAD_FIELDS - 11, CONFIG_HEAD_FIELDS - 12);
    bad(line, expected);
    bad("LimitRequestBody 9223372036854775808",
        "c:3: LimitRequestBody: '9223372036854775808': expected a number from 0 to 9223372036854775807\n");
}

static void test_forwarding(void **state)
{
    (void)state;
    good_line("ProxyPreserveHost ON\nProxyAddHeaders off\nProxyVia full\nServerName www.example:8080");
    assert_true(config.site.forward.preserve_host);
    assert_false(config.site.forward.add_headers);
    assert_int_equal(config.site.forward.via, VIA_FULL);
    assert_text(config.site.forward.server_name, "www.example:8080");
    good_line("ProxyVia Block\nProxyVia On");
    assert_int_equal(config.site.forward.via, VIA_ON);
    good_line("ProxyVia Block");
    assert_int_equal(config.site.forward.via, VIA_BLOCK);
    good_line("ServerName [::1]:80");
    bad("ProxyVia x", "c:3: ProxyVia: 'x': expected Off, On, Full or Block\n");
    bad("ProxyPreserveHost 1", "c:3: ProxyPreserveHost: '1': expected On or Off\n");
    bad("ServerName http://x", "c:3: ServerName: 'http://x': expected a host name or address of at most 255 bytes, "
                               "perhaps with :port\n");
    bad("ServerName \"\"", "c:3: ServerName: '': expected a host name or address of at most 255 bytes, perhaps with "
                           ":port\n");
    bad("ServerName \"a (b)\"",
        "c:3: ServerName: 'a (b)': expected a host name or address of at most 255 bytes, perhaps "
        "with :port\n");
}

static void test_reverse(void **state)
{
    const struct reverse_map *maps = config.site.forward.maps;

    (void)state;
    good_line("ProxyPassReverse /app http://b:81/base\nProxyPassReverseCookiePath /internal /public\n"
              "ProxyPassReverseCookieDomain internal.example public.example\nProxyPassReverse / /x");
    assert_int_equal(config.site.forward.map_count, 4);
    assert_int_equal(maps[0].kind, REVERSE_LOCATION);
    assert_text(maps[0].ours, "/app");
    assert_text(maps[0].real, "http://b:81/base");
    assert_text(maps[0].host, "b");
    assert_int_equal(maps[0].port, 81);
    assert_int_equal(maps[1].kind, REVERSE_COOKIE_PATH);
    assert_text(maps[1].ours, "/public");
    assert_text(maps[1].real, "/internal");
    assert_int_equal(maps[2].kind, REVERSE_COOKIE_DOMAIN);
    assert_text(maps[2].ours, "public.example");
    assert_text(maps[2].real, "internal.example");
    assert_text(maps[3].path, "/x");
    bad("ProxyPassReverse x http://b/", "c:3: ProxyPassReverse: 'x': expected a path that begins with /\n");
    bad("ProxyPassReverse /x b",
        "c:3: ProxyPassReverse: 'b': expected a path, or http://, https://, h2c:// or h2:// with "
        "HOST[:PORT][/PATH]\n");
    bad("ProxyPassReverse /x", "c:3: ProxyPassReverse: expected PATH URL\n");
    bad("ProxyPassReverseCookiePath x /y",
        "c:3: ProxyPassReverseCookiePath: 'x': expected a path that begins with /\n");
    bad("ProxyPassReverseCookiePath /x \"/y; Secure\"",
        "c:3: ProxyPassReverseCookiePath: '/y; Secure': expected a value "
        "of a cookie's attribute: not empty, without a semicolon\n");
    bad("ProxyPassReverseCookieDomain \"\" y", "c:3: ProxyPassReverseCookieDomain: '': expected a value of a cookie's "
                                               "attribute: not empty, without a semicolon\n");
}

#define EXPECTED_TARGET "expected a target (FILE, -, stderr, syslog:..., serial:...), and perhaps a format\n"
static void test_logs(void **state)
{
    (void)state;
    good_line("LogLevel notice");
    assert_int_equal(config.log_level, LOG_NOTICE);
    good_line("LogLevel Emerg");
    assert_int_equal(config.log_level, LOG_ERROR);
    if (IS_ENABLED(CONFIG_LOG_DEBUG)) {
        good_line("LogLevel trace8");
        assert_int_equal(config.log_level, LOG_TRACE_);
    }
    bad("CustomLog \"\"", "c:3: CustomLog: '': " EXPECTED_TARGET);
    bad("CustomLog \"|cat\"", "c:3: CustomLog: '|cat': " EXPECTED_TARGET);
    bad("LogLevel all",
        "c:3: LogLevel: 'all': expected emerg, alert, crit, error, warn, notice, info, debug or trace1 to "
        "trace8\n");
}

static void file(const char *path, const char *content)
{
    stub_set_file(path, text_of(content));
}

static void test_read(void **state)
{
    (void)state;
    file("/etc/c.conf", GOOD "Timeout 7\n");
    assert_true(config_read(&config, "/etc/c.conf", report, &config));
    assert_int_equal(config.front.timeout_ms, 7000);
    assert_false(config_read(&config, "/etc/none.conf", report, &config));
    assert_string_equal(messages, "/etc/none.conf: cannot be read: no such file\n");
    clear();
    file("/etc/c.conf", "Timeout x\n");
    assert_false(config_read(&config, "/etc/c.conf", report, &config));
    assert_int_equal(errors, 3);
    assert_non_null(strstr(messages, "/etc/c.conf:1: Timeout: 'x': "));
}

static void test_include(void **state)
{
    (void)state;
    NEEDS(IS_ENABLED(CONFIG_INCLUDE));
    /* Relative to the file that includes; both files go on behind one another. */
    file("/etc/c.conf", "Listen 80\nInclude more/a.conf\nTimeout 9\nProxyPass / h2c://127.0.0.1:2/\n");
    file("/etc/more/a.conf", "Timeout 8\nInclude b.conf\nKeepAliveTimeout 8\n");
    file("/etc/more/b.conf", "ProxyPass /b h2c://127.0.0.1:1/");
    assert_true(config_read(&config, "/etc/c.conf", report, &config));
    assert_int_equal(config.front.timeout_ms, 9000);
    assert_int_equal(config.front.keepalive_ms, 8000);
    assert_int_equal(config.site.routes.count, 2);
    assert_text(config.site.routes.routes[0].prefix, "/b");
    assert_text(config.site.routes.routes[1].prefix, "/");
    /* An absolute path, a name in the current folder, and messages that name the right file. */
    file("c.conf", "Listen 80\nInclude /etc/more/b.conf\nInclude x.conf\nProxyPass /b/c h2c://127.0.0.1:1/\nTimeout\n");
    file("x.conf", "#\nTimeout x\n");
    assert_false(config_read(&config, "c.conf", report, &config));
    assert_non_null(strstr(messages, "x.conf:2: Timeout: 'x': "));
    assert_non_null(strstr(messages, "c.conf:5: Timeout: expected"));
    assert_non_null(strstr(messages, "c.conf:4: ProxyPass: '/b/c': unreachable: it is hidden by '/b' of "
                                     "/etc/more/b.conf:1\n"));
    assert_int_equal(errors, 2);
}

static void test_include_errors(void **state)
{
    char line[512];

    (void)state;
    NEEDS(IS_ENABLED(CONFIG_INCLUDE));
    bad("Include /none", "c:3: Include: '/none': cannot be read: no such file\n");
    bad("Include *.conf", "c:3: Include: '*.conf': expected the name of one file, without * and ?\n");
    bad("Include \"\"", "c:3: Include: '': expected the name of one file, without * and ?\n");
    bad("Include c", "c:3: Include: 'c': expected another file: this one is being read, it would include itself\n");
    file("x", "Include y");
    file("y", "Include x");
    bad("Include x", "y:1: Include: 'x': expected another file: this one is being read, it would include itself\n");
    snprintf(line, sizeof(line), GOOD "Include %0300d\n", 1);
    assert_false(parse(line));
    assert_non_null(strstr(messages, "expected a path of at most 255 bytes\n"));
}

/* A file that includes itself by another name each time ends at the depth, and not after depth^lines files. */
static void test_include_depth(void **state)
{
    static char names[16][16], contents[16][64];

    (void)state;
    NEEDS(IS_ENABLED(CONFIG_INCLUDE));
    for (unsigned i = 0; i <= CONFIG_INCLUDE_DEPTH; i++) {
        snprintf(names[i], sizeof(names[i]), "f%u", i);
        snprintf(contents[i], sizeof(contents[i]), "Include f%u\nInclude f%u\n", i + 1, i + 1);
        file(names[i], contents[i]);
    }
    assert_false(parse(GOOD "Include f0\n"));
    assert_int_equal(errors, 1);
    snprintf(contents[15], sizeof(contents[15]), "f%u:1: Include: 'f%u': expected at most %u files",
             CONFIG_INCLUDE_DEPTH - 1, CONFIG_INCLUDE_DEPTH, CONFIG_INCLUDE_DEPTH);
    assert_ptr_equal(strstr(messages, contents[15]), messages);
    file(names[CONFIG_INCLUDE_DEPTH - 1], "Timeout 5\n");
    good(GOOD "Include f0\n");
}

static void test_sizes(void **state)
{
    static char big[CONFIG_CONF_FILE + 1], expected[256];

    (void)state;
    NEEDS(IS_ENABLED(CONFIG_INCLUDE));
    memset(big, '\n', sizeof(big));
    memcpy(big, GOOD, sizeof(GOOD) - 1);
    assert_true(config_parse(&config, "c", text_make(big, sizeof(big) - 1), report, &config));
    assert_false(config_parse(&config, "c", text_make(big, sizeof(big)), report, &config));
    snprintf(expected, sizeof(expected), "c: expected at most %d bytes: raise CONFIG_CONF_FILE\n", CONFIG_CONF_FILE);
    assert_string_equal(messages, expected);
    clear();
    /* Including and included files share the buffer; what was read of the including one does not count. */
    stub_set_file("big", text_make(big, sizeof(big) - 1));
    assert_false(config_parse(&config, "c", TEXT("Include big\nTimeout 5\n"), report, &config));
    assert_non_null(strstr(messages, "CONFIG_CONF_FILE"));
    clear();
    assert_true(config_parse(&config, "c", TEXT("Include big\n"), report, &config));
}

/* Words are kept in a bounded place. */
static void test_text_capacity(void **state)
{
    static char content[CONFIG_CONF_FILE];
    struct textbuf b;

    (void)state;
    NEEDS(IS_ENABLED(CONFIG_INCLUDE) && CONFIG_CONF_TEXT >= CONFIG_CONF_FILE);
    textbuf_init(&b, content, sizeof(content));
    textbuf_putz(&b, GOOD);
    while (b.cap - b.len > 1100) {
        textbuf_putz(&b, "CustomLog ");
        for (unsigned i = 0; i < 1000; i++)
            textbuf_putc(&b, 'x');
        textbuf_putc(&b, '\n');
    }
    /* The file is as large as the place for words, so the words fit but for the NULs. */
    assert_true(config_parse(&config, "c", textbuf_text(&b), report, &config));
    stub_set_file("again", textbuf_text(&b));
    assert_false(config_parse(&config, "c", TEXT("Include again\nInclude again\n"), report, &config));
    assert_non_null(strstr(messages, "no room for more words: raise CONFIG_CONF_TEXT"));
    assert_ptr_equal(strstr(strstr(messages, "CONFIG_CONF_TEXT") + 1, "CONFIG_CONF_TEXT"), NULL);
}

/* The last byte of the place for words is for a NUL. */
static void test_text_end(void **state)
{
    static char first[CONFIG_CONF_FILE], second[CONFIG_CONF_FILE];
    struct textbuf b;
    size_t rest;

    (void)state;
    NEEDS(IS_ENABLED(CONFIG_INCLUDE));
    good(GOOD "CustomLog a\n");
    textbuf_init(&b, first, sizeof(first));
    textbuf_putz(&b, "CustomLog ");
    while (b.len < CONFIG_CONF_TEXT / 2)
        textbuf_putc(&b, 'x');
    stub_set_file("first", textbuf_text(&b));
    good(GOOD "Include first\n");
    rest = sizeof(config.text) - config.text_used - sizeof("second");
    for (unsigned over = 0; over < 2; over++) {
        textbuf_init(&b, second, sizeof(second));
        textbuf_putz(&b, "CustomLog ");
        for (size_t i = 0; i < rest - 1 + over; i++)
            textbuf_putc(&b, 'y');
        stub_set_file("second", textbuf_text(&b));
        assert_int_equal(parse(GOOD "Include first\nInclude second\n"), over == 0);
        assert_int_equal(config.text_used, sizeof(config.text) - (over == 0 ? 0 : rest));
    }
}

/* A configuration with everything, cut at each byte, and with each byte changed: never more than an error. */
static void test_cut(void **state)
{
    static const char all[] =
        GOOD "# comment \\\n more\n<Location /x>\n</Location>\nProxyPass /x 'h2c://[::1]:80/' max=1 "
             "acquire=5ms\nListen [::1]:90 http\nProxyPassReverse / h2c://127.0.0.1:81/\n"
             "RequestReadTimeout header=1-2,MinRate=3\nInclude \"a\\\"b\"\n"
             "LimitRequestLine 100\nServerName [::1]:8\nCustomLog \\\r\n - culvert\n";
    static char changed[sizeof(all)];

    (void)state;
    for (size_t len = 0; len < sizeof(all); len++) {
        clear();
        config_parse(&config, "c", guard_copy(text_make(all, len)), report, &config);
    }
    stub_seed(1);
    for (size_t i = 0; i < sizeof(all) - 1; i++) {
        for (unsigned n = 0; n < 8; n++) {
            clear();
            memcpy(changed, all, sizeof(all));
            changed[i] = (char)stub_chance(256);
            config_parse(&config, "c", guard_copy(text_make(changed, sizeof(all) - 1)), report, &config);
        }
    }
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_defaults),      TEST(test_words),          TEST(test_word_errors),   TEST(test_nul),
        TEST(test_unknown),       TEST(test_sections),       TEST(test_listen),        TEST(test_listen_errors),
        TEST(test_capacities),    TEST(test_max_sum),        TEST(test_proxy_pass),    TEST(test_proxy_pass_errors),
        TEST(test_resolve),       TEST(test_unix),           TEST(test_remote_ip),     TEST(test_resolver),
        TEST(test_hidden),        TEST(test_times),          TEST(test_timeouts),      TEST(test_protocols),
        TEST(test_keepalive),     TEST(test_read_timeout),   TEST(test_limits),        TEST(test_process),
        TEST(test_forwarding),    TEST(test_reverse),        TEST(test_logs),          TEST(test_read),
        TEST(test_include),       TEST(test_include_errors), TEST(test_include_depth), TEST(test_sizes),
        TEST(test_text_capacity), TEST(test_text_end),       TEST(test_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
