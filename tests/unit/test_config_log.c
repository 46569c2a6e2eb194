/* Tests of the directives of logs: targets, formats, levels. */
#include "conf_text.h"

/* The target of `CustomLog word`, which must be good. */
static const struct log_target *target(const char *word)
{
    char line[256];

    snprintf(line, sizeof(line), "CustomLog \"%s\"", word);
    conf_takes(line);
    return &conf.logs[LOG_ACCESS];
}

static void test_plain(void **state)
{
    (void)state;
    assert_int_equal(target("-")->to.kind, PORT_LOG_STDOUT);
    assert_int_equal(target("stderr")->to.kind, PORT_LOG_STDERR);
    assert_int_equal(target("/var/log/a b")->to.kind, PORT_LOG_FILE);
    assert_string_equal(conf.logs[LOG_ACCESS].to.path, "/var/log/a b");
    assert_int_equal(conf.logs[LOG_ACCESS].syslog.form, SYSLOG_NONE);
    /* These only begin like a keyword. */
    assert_string_equal(target("syslog.txt")->to.path, "syslog.txt");
    assert_string_equal(target("./syslog")->to.path, "./syslog");
    assert_string_equal(target("serial")->to.path, "serial");
    assert_string_equal(target("stderr.log")->to.path, "stderr.log");
    conf_takes("ErrorLog /e\nCustomLog - culvert");
    assert_string_equal(conf.logs[LOG_DIAG].to.path, "/e");
    assert_int_equal(conf.logs[LOG_ACCESS].to.kind, PORT_LOG_STDOUT);
    conf_takes("CustomLog /1\nCustomLog /2");
    assert_string_equal(conf.logs[LOG_ACCESS].to.path, "/2");
}

#define USAGE "a target (FILE, -, stderr, syslog:..., serial:...), and perhaps a format\n"

static void test_plain_errors(void **state)
{
    (void)state;
    conf_refuses("CustomLog \"\"", "c:3: CustomLog: '': expected " USAGE);
    conf_refuses("CustomLog \"|cat\"", "c:3: CustomLog: '|cat': expected " USAGE);
    conf_refuses("ErrorLog \"|cat\"",
                 "c:3: ErrorLog: '|cat': expected a target: FILE, -, stderr, syslog:... or serial:...\n");
    conf_refuses("ErrorLog /a /b",
                 "c:3: ErrorLog: '/b': expected a target: FILE, -, stderr, syslog:... or serial:...\n");
}

static void test_levels(void **state)
{
    (void)state;
    conf_takes("LogLevel notice");
    assert_int_equal(conf.log_level, LOG_NOTICE);
    conf_takes("LogLevel Emerg");
    assert_int_equal(conf.log_level, LOG_ERROR);
    if (IS_ENABLED(CONFIG_LOG_DEBUG)) {
        conf_takes("LogLevel trace8");
        assert_int_equal(conf.log_level, LOG_TRACE_);
    }
    conf_refuses("LogLevel all",
                 "c:3: LogLevel: 'all': expected emerg, alert, crit, error, warn, notice, info, debug or trace1 to "
                 "trace8\n");
}

#define COMMON "LogFormat \"%h %l %u %t \\\"%r\\\" %>s %b\" common\n"

#if IS_ENABLED(CONFIG_LOG_FORMAT)

/* How many parts the format of the access log has. */
static unsigned parts(const char *lines)
{
    conf_takes(lines);
    return conf.site.log.part_count;
}

static void test_formats(void **state)
{
    (void)state;
    assert_int_equal(parts("CustomLog -"), 0);
    assert_int_equal(parts("CustomLog - culvert"), 0);
    assert_int_equal(parts(COMMON), 0);
    assert_int_equal(parts(COMMON "CustomLog - culvert"), 0);
    assert_int_equal(parts(COMMON "CustomLog - common"), 13);
    assert_int_equal(parts("CustomLog - COMMON\n" COMMON), 13);                   /* the order does not matter */
    assert_int_equal(parts(COMMON "LogFormat %s common\nCustomLog - common"), 1); /* the last one counts */
    assert_int_equal(parts("CustomLog - \"%h %r\""), 3);
    assert_int_equal(parts("LogFormat %s\nCustomLog -"), 1); /* without nickname: where none is named */
    assert_int_equal(parts("LogFormat %s"), 1);
    assert_int_equal(parts("LogFormat %s\nCustomLog - culvert"), 0);
    assert_int_equal(parts(COMMON "CustomLog - common\nCustomLog -"), 0);
    assert_int_equal(parts("LogFormat text x\nCustomLog - x"), 1);
}

static void test_format_errors(void **state)
{
    char lines[1024] = "";

    (void)state;
    conf_refuses("LogFormat \"%h %{Q}n %s\"",
                 "c:3: LogFormat: '%{Q}n': expected a note: proxy-source-port, proxy-status, "
                 "proxy-stream-id, proxy-retry, proxy-error, proxy-backend, proxy-end or "
                 "proxy-line\n");
    conf_refuses("CustomLog - %i",
                 "c:3: CustomLog: '%i': expected the name of a field in braces, such as %{User-Agent}i\n");
    if (IS_ENABLED(CONFIG_CONF_EXPLAIN))
        conf_refuses(COMMON "\nCustomLog - comon\n\n",
                     "c:5: CustomLog: 'comon': expected a nickname of a LogFormat, culvert, "
                     "or a format: did you mean common?\n");
    conf_refuses(
        "CustomLog - \"\"",
        "c:3: CustomLog: '': expected a target (FILE, -, stderr, syslog:..., serial:...), and perhaps a format\n");
    conf_refuses("LogFormat %h Culvert",
                 "c:3: LogFormat: 'Culvert': expected a nickname without %, and not culvert, which is "
                 "the proxy's own format\n");
    conf_refuses(
        "LogFormat %h %h",
        "c:3: LogFormat: '%h': expected a nickname without %, and not culvert, which is the proxy's own format\n");
    conf_refuses("LogFormat", "c:3: LogFormat: expected FORMAT and perhaps its nickname\n");
    for (unsigned i = 0; i <= CONFIG_LOG_FORMATS; i++)
        snprintf(lines + strlen(lines), sizeof(lines) - strlen(lines), "LogFormat %%h n%u\n", i);
    assert_false(conf_parse_lines(lines));
    assert_non_null(strstr(conf_messages, "raise CONFIG_LOG_FORMATS\n"));
}

#else

static void test_formats(void **state)
{
    (void)state;
    conf_takes("CustomLog - culvert");
}

static void test_format_errors(void **state)
{
    (void)state;
    conf_refuses("CustomLog - %h",
                 "c:3: CustomLog: '%h': this build has only the format culvert (CONFIG_LOG_FORMAT is off)\n");
    conf_refuses(COMMON, "c:3: LogFormat: needs CONFIG_LOG_FORMAT, which is off in this build\n");
}

#endif

static void assert_syslog(const char *word, enum syslog_form form, unsigned facility, const char *tag)
{
    const struct log_target *t = target(word);

    assert_int_equal(t->to.kind, PORT_LOG_MESSAGES);
    assert_int_equal(t->syslog.form, form);
    assert_int_equal(t->syslog.facility, facility);
    assert_true(text_eq(t->syslog.tag, text_of(tag)));
}

static void assert_remote(const char *word, const char *ip, uint16_t port)
{
    conf_assert_addr(&target(word)->to.addr, ip, port);
}

static void test_syslog(void **state)
{
    (void)state;
    if (!IS_ENABLED(CONFIG_LOG_SYSLOG)) {
        conf_refuses("CustomLog syslog",
                     "c:3: CustomLog: 'syslog': this build does not log to syslog (CONFIG_LOG_SYSLOG is off)\n");
        return;
    }
    assert_syslog("syslog", SYSLOG_BSD, 23, "culvert");
    assert_string_equal(conf.logs[LOG_ACCESS].to.addr.path, CONFIG_LOG_SOCKET);
    assert_int_equal(conf.logs[LOG_ACCESS].to.addr.family, PORT_UNIX);
    assert_syslog("syslog:local3", SYSLOG_BSD, 19, "culvert");
    assert_syslog("syslog:DAEMON:web-1.x_y", SYSLOG_BSD, 3, "web-1.x_y");
    assert_syslog("syslog::web", SYSLOG_BSD, 23, "web");
    assert_syslog("syslog:kern,/tmp/l,o@g", SYSLOG_BSD, 0, "culvert");
    assert_string_equal(conf.logs[LOG_ACCESS].to.addr.path, "/tmp/l,o@g");
    assert_syslog("syslog,/run/log", SYSLOG_BSD, 23, "culvert");
    assert_string_equal(conf.logs[LOG_ACCESS].to.addr.path, "/run/log");
}

static void test_syslog_errors(void **state)
{
    (void)state;
    if (!IS_ENABLED(CONFIG_LOG_SYSLOG))
        return;
    conf_refuses(
        "CustomLog syslog:local8",
        "c:3: CustomLog: 'syslog:local8': expected a facility: kern, user, mail, daemon, auth, syslog, lpr, news, "
        "uucp, cron, authpriv, ftp, or local0 to local7\n");
    conf_refuses("ErrorLog syslog:user:",
                 "c:3: ErrorLog: 'syslog:user:': expected a tag of 1 to 32 letters, digits, '-', '_' and '.'\n");
    conf_refuses("ErrorLog syslog:user:a:b",
                 "c:3: ErrorLog: 'syslog:user:a:b': expected a tag of 1 to 32 letters, digits, '-', '_' and '.'\n");
    conf_refuses("ErrorLog syslog:user,log",
                 "c:3: ErrorLog: 'syslog:user,log': expected the absolute path of a socket, of at most 103 bytes\n");
    conf_refuses("ErrorLog syslog,",
                 "c:3: ErrorLog: 'syslog,': expected the absolute path of a socket, of at most 103 bytes\n");
}

static void test_remote(void **state)
{
    (void)state;
    if (!IS_ENABLED(CONFIG_LOG_REMOTE)) {
        if (IS_ENABLED(CONFIG_LOG_SYSLOG))
            conf_refuses("CustomLog syslog@192.0.2.1",
                         "c:3: CustomLog: 'syslog@192.0.2.1': this build does not log to other "
                         "hosts (CONFIG_LOG_REMOTE is off)\n");
        return;
    }
    assert_syslog("syslog:local3:gate@192.0.2.1", SYSLOG_IETF, 19, "gate");
    assert_remote("syslog@192.0.2.1", "192.0.2.1", 514);
    assert_remote("syslog:local3@192.0.2.1:5514", "192.0.2.1", 5514);
    if (IS_ENABLED(CONFIG_IPV6)) {
        assert_remote("syslog@2001:db8::1", "2001:db8::1", 514);
        assert_remote("syslog:user@[2001:db8::1]:5514", "2001:db8::1", 5514);
    } else {
        conf_refuses("CustomLog syslog@::1",
                     "c:3: CustomLog: 'syslog@::1': expected an IPv4 address: this build has no IPv6 "
                     "(CONFIG_IPV6 is off)\n");
    }
    conf_refuses("CustomLog syslog@loghost",
                 "c:3: CustomLog: 'syslog@loghost': expected the address of a log host behind @, "
                 "perhaps with :port\n");
    conf_refuses("CustomLog syslog@192.0.2.1:0",
                 "c:3: CustomLog: 'syslog@192.0.2.1:0': expected a port from 1 to 65535\n");
    conf_refuses("CustomLog syslog@192.0.2.1,/x",
                 "c:3: CustomLog: 'syslog@192.0.2.1,/x': expected the address of a log host "
                 "behind @, perhaps with :port\n");
}

static void test_serial(void **state)
{
    (void)state;
    if (!IS_ENABLED(CONFIG_LOG_SERIAL)) {
        conf_refuses("CustomLog serial:/dev/ttyS0",
                     "c:3: CustomLog: 'serial:/dev/ttyS0': this build does not log to serial "
                     "lines (CONFIG_LOG_SERIAL is off)\n");
        return;
    }
    assert_int_equal(target("serial:/dev/ttyS0,115200")->to.kind, PORT_LOG_SERIAL);
    assert_int_equal(conf.logs[LOG_ACCESS].to.speed, 115200);
    assert_string_equal(conf.logs[LOG_ACCESS].to.path, "/dev/ttyS0");
    assert_int_equal(target("serial:/dev/console")->to.speed, 0);
    conf_refuses("CustomLog serial:", "c:3: CustomLog: 'serial:': expected serial:DEVICE[,SPEED], such as "
                                      "serial:/dev/ttyS0,115200\n");
    conf_refuses("CustomLog serial:ttyS0", "c:3: CustomLog: 'serial:ttyS0': expected serial:DEVICE[,SPEED], such as "
                                           "serial:/dev/ttyS0,115200\n");
    conf_refuses(
        "CustomLog serial:/dev/ttyS0,115201",
        "c:3: CustomLog: 'serial:/dev/ttyS0,115201': expected a speed of serial lines: 1200, 2400, 4800, 9600, 19200, "
        "38400, 57600, 115200, 230400, 460800 or 921600\n");
    conf_takes("CustomLog serial:/dev/ttyS0,9600\nErrorLog serial:/dev/ttyS0,9600");
    conf_refuses("CustomLog serial:/dev/ttyS0,9600\nErrorLog serial:/dev/ttyS0",
                 "c: '/dev/ttyS0': expected the same speed in CustomLog and ErrorLog\n");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, conf_setup)
    const struct CMUnitTest tests[] = {
        TEST(test_formats), TEST(test_format_errors), TEST(test_plain),  TEST(test_plain_errors), TEST(test_levels),
        TEST(test_syslog),  TEST(test_syslog_errors), TEST(test_remote), TEST(test_serial),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
