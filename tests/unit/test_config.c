/* Tests of how a configuration is read: words, sections, what it is without directives, how much of each it can have,
 * and files that include others. */
#include "conf_text.h"
#include "guard.h"

static void test_defaults(void **state)
{
    (void)state;
    conf_good(CONF_FIRST);
    assert_int_equal(conf.listen_count, 1);
    conf_assert_addr(&conf_listener(0)->addr, "127.0.0.1", 8080);
    assert_false(conf_listener(0)->optional);
    assert_int_equal(conf.site.routes.count, 1);
    assert_int_equal(conf.backend_count, 1);
    assert_int_equal(conf.backends[0]->settings.max, 1);
    assert_int_equal(conf.backends[0]->settings.connect_ms, CONFIG_CONNECT_TIMEOUT_S * 1000);
    assert_int_equal(conf.backends[0]->settings.timeout_ms, CONFIG_TIMEOUT_S * 1000);
    assert_int_equal(conf.backends[0]->settings.queue_ms, CONFIG_QUEUE_TIMEOUT_MS);
    assert_int_equal(conf.front.timeout_ms, CONFIG_TIMEOUT_S * 1000);
    assert_int_equal(conf.front.keepalive_ms, CONFIG_KEEPALIVE_TIMEOUT_S * 1000);
    assert_int_equal(conf.front.keepalive_max, CONFIG_MAX_KEEPALIVE_REQUESTS);
    assert_int_equal(conf.front.body_limit, CONFIG_LIMIT_REQUEST_BODY);
    assert_int_equal(conf.front.limits.line, CONFIG_LIMIT_REQUEST_LINE);
    assert_int_equal(conf.front.limits.field, CONFIG_LIMIT_REQUEST_FIELD_SIZE);
    assert_int_equal(conf.front.limits.fields, CONFIG_LIMIT_REQUEST_FIELDS);
    assert_int_equal(conf.front.head.initial_ms, CONFIG_READ_HEAD_S * 1000);
    assert_int_equal(conf.front.head.max_ms, CONFIG_READ_HEAD_MAX_S * 1000);
    assert_int_equal(conf.front.head.rate, CONFIG_READ_RATE);
    assert_int_equal(conf.front.body.initial_ms, CONFIG_READ_BODY_S * 1000);
    assert_int_equal(conf.front.body.max_ms, 0);
    assert_true(conf.site.forward.add_headers);
    assert_false(conf.site.forward.preserve_host);
    assert_int_equal(conf.site.forward.via, VIA_OFF);
    assert_int_equal(conf.site.forward.server_name.len, 0);
    assert_int_equal(conf.logs[LOG_ACCESS].to.kind, PORT_LOG_STDERR);
    assert_int_equal(conf.logs[LOG_DIAG].to.kind, PORT_LOG_STDERR);
    assert_int_equal(conf.log_level, LOG_WARN);
}

static void test_words(void **state)
{
    (void)state;
    conf_takes("# a comment\n   # another, with \"quotes\n#  continued \\\nServerName wrong name\n\t \n");
    assert_int_equal(conf.site.forward.server_name.len, 0);
    conf_takes("ServerName \"a.example\"");
    conf_assert_text(conf.site.forward.server_name, "a.example");
    conf_takes("\tservername\t'b.example'  ");
    conf_assert_text(conf.site.forward.server_name, "b.example");
    conf_takes("SERVERNAME \\\n  c.exam\\\r\nple\r");
    conf_assert_text(conf.site.forward.server_name, "c.example");
    /* Escapes, as httpd has them */
    conf_takes("CustomLog \"/a \\\"b\\\" \\\\ 'c' \\d\"");
    assert_string_equal(conf.logs[LOG_ACCESS].to.path, "/a \"b\" \\ 'c' \\d");
    conf_takes("CustomLog '/a \"b\" \\'c\\''");
    assert_string_equal(conf.logs[LOG_ACCESS].to.path, "/a \"b\" 'c'");
    conf_takes("CustomLog /a\\\\b\\\"c\\d'e\"");
    assert_string_equal(conf.logs[LOG_ACCESS].to.path, "/a\\b\\\"c\\d'e\"");
    /* No end of line at the end; a byte order mark; DOS line ends */
    conf_good("\xef\xbb\xbfListen 127.0.0.1:8080\r\nProxyPass / h2c://127.0.0.1/\r");
    conf_good("Listen 127.0.0.1:8080\nProxyPass / h2c://127.0.0.1/ \\");
    conf_assert_text(conf.backends[0]->settings.name, "127.0.0.1");
}

static void test_word_errors(void **state)
{
    (void)state;
    conf_refuses("ServerName \"a", "c:3: 'ServerName': expected a closing quote\n");
    conf_refuses("ServerName 'a\\'", "c:3: 'ServerName': expected a closing quote\n");
    conf_refuses("ServerName \"", "c:3: 'ServerName': expected a closing quote\n");
    conf_refuses("ServerName \"a\"b", "c:3: 'ServerName': expected a blank behind a closing quote\n");
    conf_refuses("ServerName a\x01", "c:3: 'ServerName': expected no control bytes\n");
    conf_refuses("ServerName a\x7f", "c:3: 'ServerName': expected no control bytes\n");
    conf_refuses("Server\x1bName a", "c:3: 'Server\\x1bName': expected no control bytes\n");
    conf_refuses("a b c d e f g h i j k l m n o p", "c:3: 'a': expected a directive: this one is not known\n");
    conf_refuses("a b c d e f g h i j k l m n o p q r s t u v w x y z a b c d e f g",
                 "c:3: 'a': expected fewer words in a line\n");
    conf_refuses("\"\" x", "c:3: '': expected a directive: this one is not known\n");
    conf_refuses("Timeout 5 # five", "c:3: Timeout: '#': expected no comment here: it needs a line of its own\n");
    conf_refuses("Timeout 5 6", "c:3: Timeout: '6': expected SECONDS\n");
    conf_refuses("Timeout", "c:3: Timeout: expected SECONDS\n");
    conf_refuses("ProxyPass /x", "c:3: ProxyPass: expected PATH URL [KEY=VALUE ...], or PATH !\n");
    conf_refuses("Timeout 5 \\\n6\nTimeout 0x",
                 "c:3: Timeout: '6': expected SECONDS\n"
                 "c:5: Timeout: '0x': expected a time from 1ms to 24 days: a number of seconds, "
                 "or one with ms, s, min or h\n");
}

static void test_nul(void **state)
{
    static const char content[] = CONF_FIRST "ServerName a\0b\n";

    (void)state;
    assert_false(config_parse(&conf, "c", text_make(content, sizeof(content) - 1), conf_report, &conf));
    assert_string_equal(conf_messages, "c:3: 'ServerName': expected no control bytes\n");
}

static void test_unknown(void **state)
{
    (void)state;
    if (IS_ENABLED(CONFIG_CONF_EXPLAIN)) {
        conf_refuses("Listn 80", "c:3: 'Listn': expected a directive: did you mean Listen?\n");
        conf_refuses("proxypas / x", "c:3: 'proxypas': expected a directive: did you mean ProxyPass?\n");
        conf_refuses("ProxyPassRevers / x",
                     "c:3: 'ProxyPassRevers': expected a directive: did you mean ProxyPassReverse?\n");
        conf_refuses("TimeOuts 5", "c:3: 'TimeOuts': expected a directive: did you mean Timeout?\n");
    } else {
        conf_refuses("Listn 80", "c:3: 'Listn': expected a directive: this one is not known\n");
    }
    conf_refuses("LoadModule x y", "c:3: 'LoadModule': expected a directive: this one is not known\n");
    conf_refuses("x", "c:3: 'x': expected a directive: this one is not known\n");
    conf_refuses("ThisNameIsLongerThanAllOfTheDirectivesThatThereAre",
                 "c:3: 'ThisNameIsLongerThanAllOfTheDirectivesThatThereAre'"
                 ": expected a directive: this one is not known\n");
}

static void test_sections(void **state)
{
    (void)state;
    conf_refuses(
        "<Location \"/x\">\n  nonsense\n  <Location /y>\n </Location>\nTimeout x\n</Location>\nTimeout y",
        "c:3: '<Location \\\"/x\\\">': this section is not supported: expected directives outside of it\n"
        "c:9: Timeout: 'y': expected a time from 1ms to 24 days: a number of seconds, or one with ms, s, min or h\n");
    conf_refuses("<location /x>\n<Limit GET>\n</Location>\n</Limit>\n",
                 "c:3: '<location /x>': this section is not supported: expected directives outside of it\n"
                 "c:6: '</Limit>': expected no end: there is no such section\n");
    conf_refuses("</Location>", "c:3: '</Location>': expected no end: there is no such section\n");
    conf_refuses("<VirtualHost *:80>\nTimeout x",
                 "c:3: '<VirtualHost *:80>': this section is not supported: expected directives outside of it\n");
    conf_refuses("<\n</\n<>\n", "c:3: '<': this section is not supported: expected directives outside of it\n"
                                "c:5: '<>': this section is not supported: expected directives outside of it\n");
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
    conf_good(repeat(CONF_FIRST, "Listen 127.0.0.1:%u\n", CONFIG_LISTENERS - 1));
    assert_false(conf_parse(repeat(CONF_FIRST, "Listen 127.0.0.1:%u\n", CONFIG_LISTENERS)));
    snprintf(expected, sizeof(expected),
             "c:%d: Listen: '127.0.0.1:%d': expected at most %d listening sockets: raise CONFIG_LISTENERS\n",
             CONFIG_LISTENERS + 2, CONFIG_LISTENERS, CONFIG_LISTENERS);
    assert_string_equal(conf_messages, expected);

    conf_good(repeat("Listen 80\n", "ProxyPass /%u h2c://127.0.0.1/\n", CONFIG_ROUTES));
    assert_false(conf_parse(repeat("Listen 80\n", "ProxyPass /%u h2c://127.0.0.1/\n", CONFIG_ROUTES + 1)));
    snprintf(expected, sizeof(expected),
             "c:%d: ProxyPass: '/%d': expected at most %d ProxyPass lines: raise CONFIG_ROUTES\n", CONFIG_ROUTES + 2,
             CONFIG_ROUTES + 1, CONFIG_ROUTES);
    assert_string_equal(conf_messages, expected);

    conf_good(repeat("Listen 80\n", "ProxyPass /%1$u h2c://127.0.0.1:%1$u/\n", CONFIG_BACKENDS));
    assert_false(conf_parse(repeat("Listen 80\n", "ProxyPass /%1$u h2c://127.0.0.1:%1$u/\n", CONFIG_BACKENDS + 1)));
    snprintf(expected, sizeof(expected),
             "c:%d: ProxyPass: 'h2c://127.0.0.1:%d/': expected at most %d backends: raise CONFIG_BACKENDS\n",
             CONFIG_BACKENDS + 2, CONFIG_BACKENDS + 1, CONFIG_BACKENDS);
    assert_string_equal(conf_messages, expected);

    conf_good(repeat(CONF_FIRST, "ProxyPassReverse /%1$u http://b/%1$u\n", CONFIG_REVERSE_MAPS));
    assert_false(conf_parse(repeat(CONF_FIRST, "ProxyPassReverse /%1$u http://b/%1$u\n", CONFIG_REVERSE_MAPS + 1)));
    snprintf(expected, sizeof(expected),
             "c:%d: ProxyPassReverse: '/%d': expected at most %d ProxyPassReverse lines: raise CONFIG_REVERSE_MAPS\n",
             CONFIG_REVERSE_MAPS + 3, CONFIG_REVERSE_MAPS + 1, CONFIG_REVERSE_MAPS);
    assert_string_equal(conf_messages, expected);
}

static void file(const char *path, const char *content)
{
    stub_set_file(path, text_of(content));
}

static void test_read(void **state)
{
    (void)state;
    file("/etc/c.conf", CONF_FIRST "Timeout 7\n");
    assert_true(config_read(&conf, "/etc/c.conf", conf_report, &conf));
    assert_int_equal(conf.front.timeout_ms, 7000);
    assert_false(config_read(&conf, "/etc/none.conf", conf_report, &conf));
    assert_string_equal(conf_messages, "/etc/none.conf: cannot be read: no such file\n");
    conf_clear();
    file("/etc/c.conf", "Timeout x\n");
    assert_false(config_read(&conf, "/etc/c.conf", conf_report, &conf));
    assert_int_equal(conf_errors, 3);
    assert_non_null(strstr(conf_messages, "/etc/c.conf:1: Timeout: 'x': "));
}

static void test_include(void **state)
{
    (void)state;
    CONF_NEEDS(IS_ENABLED(CONFIG_INCLUDE));
    /* Relative to the file that includes; both files go on behind one another. */
    file("/etc/c.conf", "Listen 80\nInclude more/a.conf\nTimeout 9\nProxyPass / h2c://127.0.0.1:2/\n");
    file("/etc/more/a.conf", "Timeout 8\nInclude b.conf\nKeepAliveTimeout 8\n");
    file("/etc/more/b.conf", "ProxyPass /b h2c://127.0.0.1:1/");
    assert_true(config_read(&conf, "/etc/c.conf", conf_report, &conf));
    assert_int_equal(conf.front.timeout_ms, 9000);
    assert_int_equal(conf.front.keepalive_ms, 8000);
    assert_int_equal(conf.site.routes.count, 2);
    conf_assert_text(conf.site.routes.routes[0].prefix, "/b");
    conf_assert_text(conf.site.routes.routes[1].prefix, "/");
    /* An absolute path, a name in the current folder, and messages that name the right file. */
    file("c.conf", "Listen 80\nInclude /etc/more/b.conf\nInclude x.conf\nProxyPass /b/c h2c://127.0.0.1:1/\nTimeout\n");
    file("x.conf", "#\nTimeout x\n");
    assert_false(config_read(&conf, "c.conf", conf_report, &conf));
    assert_non_null(strstr(conf_messages, "x.conf:2: Timeout: 'x': "));
    assert_non_null(strstr(conf_messages, "c.conf:5: Timeout: expected"));
    assert_non_null(strstr(conf_messages, "c.conf:4: ProxyPass: '/b/c': unreachable: it is hidden by '/b' of "
                                          "/etc/more/b.conf:1\n"));
    assert_int_equal(conf_errors, 2);
}

static void test_include_errors(void **state)
{
    char line[512];

    (void)state;
    CONF_NEEDS(IS_ENABLED(CONFIG_INCLUDE));
    conf_refuses("Include /none", "c:3: Include: '/none': cannot be read: no such file\n");
    conf_refuses("Include *.conf", "c:3: Include: '*.conf': expected the name of one file, without * and ?\n");
    conf_refuses("Include \"\"", "c:3: Include: '': expected the name of one file, without * and ?\n");
    conf_refuses("Include c",
                 "c:3: Include: 'c': expected another file: this one is being read, it would include itself\n");
    file("x", "Include y");
    file("y", "Include x");
    conf_refuses("Include x",
                 "y:1: Include: 'x': expected another file: this one is being read, it would include itself\n");
    snprintf(line, sizeof(line), CONF_FIRST "Include %0300d\n", 1);
    assert_false(conf_parse(line));
    assert_non_null(strstr(conf_messages, "expected a path of at most 255 bytes\n"));
}

/* A file that includes itself by another name each time ends at the depth, and not after depth^lines files. */
static void test_include_depth(void **state)
{
    static char names[16][16], contents[16][64];

    (void)state;
    CONF_NEEDS(IS_ENABLED(CONFIG_INCLUDE));
    for (unsigned i = 0; i <= CONFIG_INCLUDE_DEPTH; i++) {
        snprintf(names[i], sizeof(names[i]), "f%u", i);
        snprintf(contents[i], sizeof(contents[i]), "Include f%u\nInclude f%u\n", i + 1, i + 1);
        file(names[i], contents[i]);
    }
    assert_false(conf_parse(CONF_FIRST "Include f0\n"));
    assert_int_equal(conf_errors, 1);
    snprintf(contents[15], sizeof(contents[15]), "f%u:1: Include: 'f%u': expected at most %u files",
             CONFIG_INCLUDE_DEPTH - 1, CONFIG_INCLUDE_DEPTH, CONFIG_INCLUDE_DEPTH);
    assert_ptr_equal(strstr(conf_messages, contents[15]), conf_messages);
    file(names[CONFIG_INCLUDE_DEPTH - 1], "Timeout 5\n");
    conf_good(CONF_FIRST "Include f0\n");
}

static void test_sizes(void **state)
{
    static char big[CONFIG_CONF_FILE + 1], expected[256];

    (void)state;
    CONF_NEEDS(IS_ENABLED(CONFIG_INCLUDE));
    memset(big, '\n', sizeof(big));
    memcpy(big, CONF_FIRST, sizeof(CONF_FIRST) - 1);
    assert_true(config_parse(&conf, "c", text_make(big, sizeof(big) - 1), conf_report, &conf));
    assert_false(config_parse(&conf, "c", text_make(big, sizeof(big)), conf_report, &conf));
    snprintf(expected, sizeof(expected), "c: expected at most %d bytes: raise CONFIG_CONF_FILE\n", CONFIG_CONF_FILE);
    assert_string_equal(conf_messages, expected);
    conf_clear();
    /* Including and included files share the buffer; what was read of the including one does not count. */
    stub_set_file("big", text_make(big, sizeof(big) - 1));
    assert_false(config_parse(&conf, "c", TEXT("Include big\nTimeout 5\n"), conf_report, &conf));
    assert_non_null(strstr(conf_messages, "CONFIG_CONF_FILE"));
    conf_clear();
    assert_true(config_parse(&conf, "c", TEXT("Include big\n"), conf_report, &conf));
}

/* Words are kept in a bounded place. */
static void test_text_capacity(void **state)
{
    static char content[CONFIG_CONF_FILE];
    struct textbuf b;

    (void)state;
    CONF_NEEDS(IS_ENABLED(CONFIG_INCLUDE) && CONFIG_CONF_TEXT >= CONFIG_CONF_FILE);
    textbuf_init(&b, content, sizeof(content));
    textbuf_putz(&b, CONF_FIRST);
    while (b.cap - b.len > 1100) {
        textbuf_putz(&b, "CustomLog ");
        for (unsigned i = 0; i < 1000; i++)
            textbuf_putc(&b, 'x');
        textbuf_putc(&b, '\n');
    }
    /* The file is as large as the place for words, so the words fit but for the NULs. */
    assert_true(config_parse(&conf, "c", textbuf_text(&b), conf_report, &conf));
    stub_set_file("again", textbuf_text(&b));
    assert_false(config_parse(&conf, "c", TEXT("Include again\nInclude again\n"), conf_report, &conf));
    assert_non_null(strstr(conf_messages, "no room for more words: raise CONFIG_CONF_TEXT"));
    assert_ptr_equal(strstr(strstr(conf_messages, "CONFIG_CONF_TEXT") + 1, "CONFIG_CONF_TEXT"), NULL);
}

/* The last byte of the place for words is for a NUL. */
static void test_text_end(void **state)
{
    static char first[CONFIG_CONF_FILE], second[CONFIG_CONF_FILE];
    struct textbuf b;
    size_t rest;

    (void)state;
    CONF_NEEDS(IS_ENABLED(CONFIG_INCLUDE));
    conf_good(CONF_FIRST "CustomLog a\n");
    textbuf_init(&b, first, sizeof(first));
    textbuf_putz(&b, "CustomLog ");
    while (b.len < CONFIG_CONF_TEXT / 2)
        textbuf_putc(&b, 'x');
    stub_set_file("first", textbuf_text(&b));
    conf_good(CONF_FIRST "Include first\n");
    rest = sizeof(conf.text) - conf.text_used - sizeof("second");
    for (unsigned over = 0; over < 2; over++) {
        textbuf_init(&b, second, sizeof(second));
        textbuf_putz(&b, "CustomLog ");
        for (size_t i = 0; i < rest - 1 + over; i++)
            textbuf_putc(&b, 'y');
        stub_set_file("second", textbuf_text(&b));
        assert_int_equal(conf_parse(CONF_FIRST "Include first\nInclude second\n"), over == 0);
        assert_int_equal(conf.text_used, sizeof(conf.text) - (over == 0 ? 0 : rest));
    }
}

/* A configuration with everything, cut at each byte, and with each byte changed: never more than an error. */
static void test_cut(void **state)
{
    static const char all[] =
        CONF_FIRST "# comment \\\n more\n<Location /x>\n</Location>\nProxyPass /x 'h2c://[::1]:80/' max=1 "
                   "acquire=5ms\nListen [::1]:90 http\nProxyPassReverse / h2c://127.0.0.1:81/\n"
                   "RequestReadTimeout header=1-2,MinRate=3\nInclude \"a\\\"b\"\n"
                   "LimitRequestLine 100\nServerName [::1]:8\nCustomLog \\\r\n - culvert\n";
    static char changed[sizeof(all)];

    (void)state;
    for (size_t len = 0; len < sizeof(all); len++) {
        conf_clear();
        config_parse(&conf, "c", guard_copy(text_make(all, len)), conf_report, &conf);
    }
    stub_seed(1);
    for (size_t i = 0; i < sizeof(all) - 1; i++) {
        for (unsigned n = 0; n < 8; n++) {
            conf_clear();
            memcpy(changed, all, sizeof(all));
            changed[i] = (char)stub_chance(256);
            config_parse(&conf, "c", guard_copy(text_make(changed, sizeof(all) - 1)), conf_report, &conf);
        }
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, conf_setup)
    const struct CMUnitTest tests[] = {
        TEST(test_defaults),      TEST(test_words),          TEST(test_word_errors),   TEST(test_nul),
        TEST(test_unknown),       TEST(test_sections),       TEST(test_capacities),    TEST(test_read),
        TEST(test_include),       TEST(test_include_errors), TEST(test_include_depth), TEST(test_sizes),
        TEST(test_text_capacity), TEST(test_text_end),       TEST(test_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
