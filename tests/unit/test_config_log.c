/* Tests of the directives of logs: their targets. */
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

#define GOOD "Listen 80\nProxyPass / h2c://10.0.0.1/\n"

static struct config config;
static char messages[8192];
static size_t message_len;

static void report(void *user, bool error, struct text message)
{
    (void)user;
    (void)error;
    message_len +=
        (size_t)snprintf(messages + message_len, sizeof(messages) - message_len, "%.*s\n", TEXT_ARG(message));
    assert_true(message_len < sizeof(messages));
}

static bool parse(const char *lines)
{
    char content[4096];

    snprintf(content, sizeof(content), GOOD "%s\n", lines);
    message_len = 0;
    messages[0] = '\0';
    return config_parse(&config, "c", guard_copy(text_of(content)), report, NULL);
}

static void good(const char *lines)
{
    bool ok = parse(lines);

    assert_string_equal(messages, "");
    assert_true(ok);
}

static void bad(const char *lines, const char *expected)
{
    assert_false(parse(lines));
    assert_string_equal(messages, expected);
}

static int setup(void **state)
{
    (void)state;
    stub_reset();
    return 0;
}

/* The target of `CustomLog word`, which must be good. */
static const struct log_target *target(const char *word)
{
    char line[256];

    snprintf(line, sizeof(line), "CustomLog \"%s\"", word);
    good(line);
    return &config.logs[LOG_ACCESS];
}

static void test_plain(void **state)
{
    (void)state;
    assert_int_equal(target("-")->to.kind, PORT_LOG_STDOUT);
    assert_int_equal(target("stderr")->to.kind, PORT_LOG_STDERR);
    assert_int_equal(target("/var/log/a b")->to.kind, PORT_LOG_FILE);
    assert_string_equal(config.logs[LOG_ACCESS].to.path, "/var/log/a b");
    assert_int_equal(config.logs[LOG_ACCESS].syslog.form, SYSLOG_NONE);
    /* These only begin like a keyword. */
    assert_string_equal(target("syslog.txt")->to.path, "syslog.txt");
    assert_string_equal(target("./syslog")->to.path, "./syslog");
    assert_string_equal(target("serial")->to.path, "serial");
    assert_string_equal(target("stderr.log")->to.path, "stderr.log");
    good("ErrorLog /e\nCustomLog - culvert");
    assert_string_equal(config.logs[LOG_DIAG].to.path, "/e");
    assert_int_equal(config.logs[LOG_ACCESS].to.kind, PORT_LOG_STDOUT);
    good("CustomLog /1\nCustomLog /2");
    assert_string_equal(config.logs[LOG_ACCESS].to.path, "/2");
}

#define USAGE "a target (FILE, -, stderr, syslog:..., serial:...), and perhaps a format\n"

static void test_plain_errors(void **state)
{
    (void)state;
    bad("CustomLog \"\"", "c:3: CustomLog: '': expected " USAGE);
    bad("CustomLog \"|cat\"", "c:3: CustomLog: '|cat': expected " USAGE);
    bad("ErrorLog \"|cat\"", "c:3: ErrorLog: '|cat': expected a target: FILE, -, stderr, syslog:... or serial:...\n");
    bad("ErrorLog /a /b", "c:3: ErrorLog: '/b': expected a target: FILE, -, stderr, syslog:... or serial:...\n");
}

#define COMMON "LogFormat \"%h %l %u %t \\\"%r\\\" %>s %b\" common\n"

#if IS_ENABLED(CONFIG_LOG_FORMAT)

/* How many parts the format of the access log has. */
static unsigned parts(const char *lines)
{
    good(lines);
    return config.site.log.part_count;
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
    bad("LogFormat \"%h %{Q}n %s\"", "c:3: LogFormat: '%{Q}n': expected a note: proxy-source-port, proxy-status, "
                                     "proxy-stream-id, proxy-retry, proxy-error, proxy-backend, proxy-end or "
                                     "proxy-line\n");
    bad("CustomLog - %i", "c:3: CustomLog: '%i': expected the name of a field in braces, such as %{User-Agent}i\n");
    if (IS_ENABLED(CONFIG_CONF_EXPLAIN))
        bad(COMMON "\nCustomLog - comon\n\n", "c:5: CustomLog: 'comon': expected a nickname of a LogFormat, culvert, "
                                              "or a format: did you mean common?\n");
    bad("CustomLog - \"\"",
        "c:3: CustomLog: '': expected a target (FILE, -, stderr, syslog:..., serial:...), and perhaps a format\n");
    bad("LogFormat %h Culvert", "c:3: LogFormat: 'Culvert': expected a nickname without %, and not culvert, which is "
                                "the proxy's own format\n");
    bad("LogFormat %h %h",
        "c:3: LogFormat: '%h': expected a nickname without %, and not culvert, which is the proxy's own format\n");
    bad("LogFormat", "c:3: LogFormat: expected FORMAT and perhaps its nickname\n");
    for (unsigned i = 0; i <= CONFIG_LOG_FORMATS; i++)
        snprintf(lines + strlen(lines), sizeof(lines) - strlen(lines), "LogFormat %%h n%u\n", i);
    assert_false(parse(lines));
    assert_non_null(strstr(messages, "raise CONFIG_LOG_FORMATS\n"));
}

#else

static void test_formats(void **state)
{
    (void)state;
    good("CustomLog - culvert");
}

static void test_format_errors(void **state)
{
    (void)state;
    bad("CustomLog - %h", "c:3: CustomLog: '%h': this build has only the format culvert (CONFIG_LOG_FORMAT is off)\n");
    bad(COMMON, "c:3: LogFormat: needs CONFIG_LOG_FORMAT, which is off in this build\n");
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
    const struct port_addr *addr = &target(word)->to.addr;
    struct port_addr expected;

    assert_true(addr_parse(text_of(ip), &expected));
    expected.port = port;
    assert_true(addr_eq(addr, &expected));
}

static void test_syslog(void **state)
{
    (void)state;
    if (!IS_ENABLED(CONFIG_LOG_SYSLOG)) {
        bad("CustomLog syslog",
            "c:3: CustomLog: 'syslog': this build does not log to syslog (CONFIG_LOG_SYSLOG is off)\n");
        return;
    }
    assert_syslog("syslog", SYSLOG_BSD, 23, "culvert");
    assert_string_equal(config.logs[LOG_ACCESS].to.addr.path, CONFIG_LOG_SOCKET);
    assert_int_equal(config.logs[LOG_ACCESS].to.addr.family, PORT_UNIX);
    assert_syslog("syslog:local3", SYSLOG_BSD, 19, "culvert");
    assert_syslog("syslog:DAEMON:web-1.x_y", SYSLOG_BSD, 3, "web-1.x_y");
    assert_syslog("syslog::web", SYSLOG_BSD, 23, "web");
    assert_syslog("syslog:kern,/tmp/l,o@g", SYSLOG_BSD, 0, "culvert");
    assert_string_equal(config.logs[LOG_ACCESS].to.addr.path, "/tmp/l,o@g");
    assert_syslog("syslog,/run/log", SYSLOG_BSD, 23, "culvert");
    assert_string_equal(config.logs[LOG_ACCESS].to.addr.path, "/run/log");
}

static void test_syslog_errors(void **state)
{
    (void)state;
    if (!IS_ENABLED(CONFIG_LOG_SYSLOG))
        return;
    bad("CustomLog syslog:local8",
        "c:3: CustomLog: 'syslog:local8': expected a facility: kern, user, mail, daemon, auth, syslog, lpr, news, "
        "uucp, cron, authpriv, ftp, or local0 to local7\n");
    bad("ErrorLog syslog:user:",
        "c:3: ErrorLog: 'syslog:user:': expected a tag of 1 to 32 letters, digits, '-', '_' and '.'\n");
    bad("ErrorLog syslog:user:a:b",
        "c:3: ErrorLog: 'syslog:user:a:b': expected a tag of 1 to 32 letters, digits, '-', '_' and '.'\n");
    bad("ErrorLog syslog:user,log",
        "c:3: ErrorLog: 'syslog:user,log': expected the absolute path of a socket, of at most 103 bytes\n");
    bad("ErrorLog syslog,", "c:3: ErrorLog: 'syslog,': expected the absolute path of a socket, of at most 103 bytes\n");
}

static void test_remote(void **state)
{
    (void)state;
    if (!IS_ENABLED(CONFIG_LOG_REMOTE)) {
        if (IS_ENABLED(CONFIG_LOG_SYSLOG))
            bad("CustomLog syslog@192.0.2.1", "c:3: CustomLog: 'syslog@192.0.2.1': this build does not log to other "
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
        bad("CustomLog syslog@::1", "c:3: CustomLog: 'syslog@::1': expected an IPv4 address: this build has no IPv6 "
                                    "(CONFIG_IPV6 is off)\n");
    }
    bad("CustomLog syslog@loghost", "c:3: CustomLog: 'syslog@loghost': expected the address of a log host behind @, "
                                    "perhaps with :port\n");
    bad("CustomLog syslog@192.0.2.1:0", "c:3: CustomLog: 'syslog@192.0.2.1:0': expected a port from 1 to 65535\n");
    bad("CustomLog syslog@192.0.2.1,/x", "c:3: CustomLog: 'syslog@192.0.2.1,/x': expected the address of a log host "
                                         "behind @, perhaps with :port\n");
}

static void test_serial(void **state)
{
    (void)state;
    if (!IS_ENABLED(CONFIG_LOG_SERIAL)) {
        bad("CustomLog serial:/dev/ttyS0", "c:3: CustomLog: 'serial:/dev/ttyS0': this build does not log to serial "
                                           "lines (CONFIG_LOG_SERIAL is off)\n");
        return;
    }
    assert_int_equal(target("serial:/dev/ttyS0,115200")->to.kind, PORT_LOG_SERIAL);
    assert_int_equal(config.logs[LOG_ACCESS].to.speed, 115200);
    assert_string_equal(config.logs[LOG_ACCESS].to.path, "/dev/ttyS0");
    assert_int_equal(target("serial:/dev/console")->to.speed, 0);
    bad("CustomLog serial:", "c:3: CustomLog: 'serial:': expected serial:DEVICE[,SPEED], such as "
                             "serial:/dev/ttyS0,115200\n");
    bad("CustomLog serial:ttyS0", "c:3: CustomLog: 'serial:ttyS0': expected serial:DEVICE[,SPEED], such as "
                                  "serial:/dev/ttyS0,115200\n");
    bad("CustomLog serial:/dev/ttyS0,115201",
        "c:3: CustomLog: 'serial:/dev/ttyS0,115201': expected a speed of serial lines: 1200, 2400, 4800, 9600, 19200, "
        "38400, 57600, 115200, 230400, 460800 or 921600\n");
    good("CustomLog serial:/dev/ttyS0,9600\nErrorLog serial:/dev/ttyS0,9600");
    bad("CustomLog serial:/dev/ttyS0,9600\nErrorLog serial:/dev/ttyS0",
        "c: '/dev/ttyS0': expected the same speed in CustomLog and ErrorLog\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_formats, setup), cmocka_unit_test_setup(test_format_errors, setup),
        cmocka_unit_test_setup(test_plain, setup),   cmocka_unit_test_setup(test_plain_errors, setup),
        cmocka_unit_test_setup(test_syslog, setup),  cmocka_unit_test_setup(test_syslog_errors, setup),
        cmocka_unit_test_setup(test_remote, setup),  cmocka_unit_test_setup(test_serial, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
