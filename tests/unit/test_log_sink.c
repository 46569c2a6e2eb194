/* Tests of the logs' sinks: messages and bytes, what is shared, what is opened anew, what goes away and comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/log_sink.h"
#include "port_stub.h"

#define FIRST STUB_SINK_MIN
#define WALL 1793874033 /* 2026-11-05 10:20:33 UTC */

static struct log_target file(const char *path)
{
    return (struct log_target){.to = {.kind = PORT_LOG_FILE, .path = path}};
}

static struct log_target serial(const char *path)
{
    return (struct log_target){.to = {.kind = PORT_LOG_SERIAL, .path = path, .speed = 9600}};
}

static struct log_target local(void)
{
    struct log_target t = {.to = {.kind = PORT_LOG_MESSAGES}, .syslog = {SYSLOG_BSD, 19, TEXT("culvert")}};

    if (!IS_ENABLED(CONFIG_LOG_SYSLOG))
        skip();
    t.to.addr = (struct port_addr){.family = PORT_UNIX};
    t.to.addr.path = "/dev/log";
    return t;
}

static struct log_target remote(void)
{
    struct log_target t = {.to = {.kind = PORT_LOG_MESSAGES}, .syslog = {SYSLOG_IETF, 19, TEXT("culvert")}};

    if (!IS_ENABLED(CONFIG_LOG_SYSLOG))
        skip();
    t.to.addr = (struct port_addr){.ip = {192, 0, 2, 1}, .port = 514, .family = PORT_IPV4};
    return t;
}

static struct log_target targets[2][LOG_STREAMS]; /* in use, and to be used next */
static unsigned now;

static bool open_logs(struct log_target access, struct log_target diag, enum log_stream *failed)
{
    enum log_stream where;
    static unsigned in_use;
    unsigned next = in_use ^ 1;

    targets[next][LOG_ACCESS] = access;
    targets[next][LOG_DIAG] = diag;
    if (!log_open(targets[next], now, failed != NULL ? failed : &where))
        return false;
    in_use = next;
    return true;
}

static int setup(void **state)
{
    (void)state;
    stub_reset();
    stub_set_wall(WALL);
    log_set_level(LOG_NOTICE);
    now = 0xffffff00; /* the clock wraps soon */
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    log_close();
    return 0;
}

static enum log_drained drain(unsigned sink)
{
    return log_sink_drain(log_sink(sink), now, 1000);
}

#define assert_log(sink, literal)                                                                                      \
    do {                                                                                                               \
        if (!text_eq(stub_log(sink), TEXT(literal)))                                                                   \
            fail_msg("'%.*s' is not '%s'", TEXT_ARG(stub_log(sink)), literal);                                         \
    } while (0)

/* One message a line, without its newline, each in one write; the severity is the line's. */
static void test_messages(void **state)
{
    (void)state;
    assert_true(open_logs(local(), remote(), NULL));
    log_line(LOG_ACCESS, TEXT("one"));
    log_line(LOG_ACCESS, TEXT("two"));
    assert_int_equal(drain(0), LOG_DRAINED);
    assert_int_equal(stub_log_writes(), 2);
    assert_log(FIRST, "<158>Nov  5 10:20:33 culvert[42]: one<158>Nov  5 10:20:33 culvert[42]: two");
    log_error("a", "b");
    assert_int_equal(drain(1), LOG_DRAINED);
    assert_log(FIRST + 1, "<155>1 2026-11-05T10:20:33Z box culvert 42 error - error a: b");
}

/* Lines of all lengths pass the ring's end whole. */
static void test_messages_wrap(void **state)
{
    char line[CONFIG_LOG_LINE];

    (void)state;
    assert_true(open_logs(local(), local(), NULL));
    memset(line, 'x', sizeof(line));
    for (unsigned i = 0; i < 4 * (CONFIG_LOG_RING / CONFIG_LOG_LINE); i++) {
        size_t len = CONFIG_LOG_LINE - i % 50;
        struct text got;

        log_line(LOG_ACCESS, text_make(line, len));
        log_warn("a", "%u", i);
        assert_int_equal(drain(0), LOG_DRAINED);
        got = stub_log(FIRST);
        assert_true(text_starts(got, TEXT("<158>Nov  5 10:20:33 culvert[42]: x")));
        got = text_skip(got, sizeof("<158>Nov  5 10:20:33 culvert[42]: ") - 1);
        assert_true(text_eq(text_first(got, len), text_make(line, len)));
        assert_true(text_starts(text_skip(got, len), TEXT("<156>Nov  5 10:20:33 culvert[42]: warn a: ")));
        stub_log_clear(FIRST);
    }
    assert_int_equal(log_lost(LOG_ACCESS), 0);
}

/* A full ring: the report has a head of its own. */
static void test_messages_lost(void **state)
{
    char line[CONFIG_LOG_LINE];
    struct text got;

    (void)state;
    assert_true(open_logs(local(), file("e"), NULL));
    memset(line, 'x', sizeof(line));
    stub_log_answer(PORT_AGAIN, 0);
    while (log_line(LOG_ACCESS, text_make(line, sizeof(line))))
        assert_int_equal(log_sink_drain(log_sink(0), now, 3), LOG_BLOCKED);
    assert_int_equal(log_lost(LOG_ACCESS), 1);
    stub_log_answer(PORT_OK, SIZE_MAX);
    assert_int_equal(drain(0), LOG_DRAINED);
    got = stub_log(FIRST);
    got = text_skip(got, got.len - sizeof("<156>Nov  5 10:20:33 culvert[42]: log: 1 lines lost") + 1);
    assert_true(text_eq(got, TEXT("<156>Nov  5 10:20:33 culvert[42]: log: 1 lines lost")));
}

/* One that is too long for its way is lost alone. */
static void test_message_too_long(void **state)
{
    (void)state;
    assert_true(open_logs(remote(), file("e"), NULL));
    log_line(LOG_ACCESS, TEXT("long"));
    stub_log_answer(PORT_END, 0);
    assert_int_equal(drain(0), LOG_DRAINED);
    assert_int_equal(log_lost(LOG_ACCESS), 1);
    stub_log_answer(PORT_OK, SIZE_MAX);
    log_line(LOG_ACCESS, TEXT("short"));
    drain(0);
    assert_log(FIRST, "<156>1 2026-11-05T10:20:33Z box culvert 42 log - log: 1 lines lost"
                      "<158>1 2026-11-05T10:20:33Z box culvert 42 access - short");
}

/* Two streams with one target are one sink: the order of their lines is that of their coming. */
static void test_shared(void **state)
{
    (void)state;
    assert_true(open_logs(file("log"), file("log"), NULL));
    log_line(LOG_ACCESS, TEXT("one"));
    log_error("a", "two");
    log_line(LOG_ACCESS, TEXT("three"));
    stub_log_answer(PORT_OK, 2); /* torn by no one */
    while (drain(0) == LOG_MORE)
        continue;
    assert_log(FIRST, "one\nerror a: two\nthree\n");
    assert_int_equal(log_sink_pending(log_sink(1)), 0);
    /* Apart again. */
    assert_true(open_logs(file("log"), file("errors"), NULL));
    log_error("a", "four");
    stub_log_answer(PORT_OK, SIZE_MAX);
    drain(1);
    assert_log(FIRST + 2, "error a: four\n");
    assert_int_equal(stub_log_closed(), 1);
}

/* SIGHUP: files are opened anew, others are kept. What waits goes to the old file, if it takes it. */
static void test_reopen(void **state)
{
    (void)state;
    assert_true(open_logs(file("log"), serial("/dev/ttyS0"), NULL));
    log_line(LOG_ACCESS, TEXT("one"));
    log_error("a", "b");
    assert_true(open_logs(file("log"), serial("/dev/ttyS0"), NULL));
    assert_log(FIRST, "one\n");
    assert_int_equal(stub_log_closed(), 1);
    assert_int_equal(stub_log_opened(FIRST + 2).kind, PORT_LOG_FILE);
    log_line(LOG_ACCESS, TEXT("two"));
    drain(0);
    drain(1);
    assert_log(FIRST + 2, "two\n");
    assert_log(FIRST + 1, "error a: b\n");
}

/* A sink that is in the middle of a line keeps that half of it; the new one begins with a line. */
static void test_reopen_within_line(void **state)
{
    (void)state;
    assert_true(open_logs(file("log"), file("e"), NULL));
    log_line(LOG_ACCESS, TEXT("one"));
    log_line(LOG_ACCESS, TEXT("two"));
    stub_log_answer(PORT_OK, 2);
    log_sink_drain(log_sink(0), now, 1);
    stub_log_answer(PORT_AGAIN, 0);
    assert_true(open_logs(file("log"), file("e"), NULL));
    stub_log_answer(PORT_OK, SIZE_MAX);
    log_line(LOG_ACCESS, TEXT("three"));
    drain(0);
    assert_log(FIRST, "on");
    assert_log(FIRST + 2, "two\nlog: 1 lines lost\nthree\n");
}

/* Lines with a head mean nothing to a sink of another form. */
static void test_reopen_other_form(void **state)
{
    (void)state;
    assert_true(open_logs(local(), file("e"), NULL));
    log_line(LOG_ACCESS, TEXT("one"));
    stub_log_answer(PORT_AGAIN, 0);
    assert_true(open_logs(file("log"), file("e"), NULL));
    stub_log_answer(PORT_OK, SIZE_MAX);
    log_line(LOG_ACCESS, TEXT("two"));
    drain(0);
    assert_log(FIRST + 2, "log: 1 lines lost\ntwo\n");
}

/* All or nothing. */
static void test_open_fails(void **state)
{
    enum log_stream failed = LOG_ACCESS;

    (void)state;
    assert_true(open_logs(file("a"), file("e"), NULL));
    stub_log_open_fault(PORT_FAULT_DENIED);
    assert_false(open_logs(file("b"), file("f"), &failed));
    assert_int_equal(failed, LOG_ACCESS);
    assert_int_equal(port_error(), PORT_FAULT_DENIED);
    assert_false(open_logs((struct log_target){.to = {.kind = PORT_LOG_MESSAGES}}, file("f"), &failed));
    assert_int_equal(failed, LOG_DIAG);
    assert_int_equal(stub_log_closed(), 0);
    log_line(LOG_ACCESS, TEXT("one"));
    log_error("a", "b");
    assert_int_equal(drain(0), LOG_DRAINED);
    assert_int_equal(drain(1), LOG_DRAINED);
    assert_log(FIRST, "one\n");
    assert_log(FIRST + 1, "error a: b\n");
}

/* The daemon is not there: its lines wait; each attempt comes after a longer pause. */
static void test_absent_daemon(void **state)
{
    uint32_t pauses[12];
    unsigned count = 0, since;

    (void)state;
    stub_log_open_fault(PORT_FAULT_NOT_FOUND);
    assert_false(open_logs(local(), file("e"), NULL)); /* the file cannot be opened, either */
    stub_log_open_fault(PORT_FAULT_NONE);
    assert_true(open_logs(local(), file("e"), NULL));
    log_line(LOG_ACCESS, TEXT("one"));
    stub_log_answer(PORT_ERROR, 0);
    stub_log_fault(PORT_FAULT_REFUSED);
    assert_int_equal(drain(0), LOG_AWAY);
    assert_int_equal(stub_log_closed(), 1);
    stub_log_open_fault(PORT_FAULT_NOT_FOUND);
    since = now;
    while (count < 11) {
        uint32_t before = log_sink(0)->next_ms;

        now++;
        assert_int_equal(drain(0), LOG_AWAY);
        if (log_sink(0)->next_ms != before || log_sink(0)->since == now) {
            pauses[count++] = now - since;
            since = now;
        }
    }
    assert_int_equal(pauses[0], LOG_AWAY_MS);
    for (unsigned i = 1; i < count; i++)
        assert_int_equal(pauses[i], 2 * pauses[i - 1] < LOG_AWAY_MOST_MS ? 2 * pauses[i - 1] : LOG_AWAY_MOST_MS);
    /* It is back: nothing was lost. */
    stub_log_open_fault(PORT_FAULT_NONE);
    stub_log_answer(PORT_OK, SIZE_MAX);
    now += LOG_AWAY_MOST_MS;
    assert_int_equal(drain(0), LOG_DRAINED);
    assert_log(FIRST + 2, "<158>Nov  5 10:20:33 culvert[42]: one");
    assert_int_equal(log_lost(LOG_ACCESS), 0);
    log_line(LOG_ACCESS, TEXT("two"));
    drain(0);
    assert_int_equal(log_sink(0)->next_ms, 0);
}

/* A line that fails behind a pause, too, is not tried for ever. */
static void test_bad_message(void **state)
{
    (void)state;
    assert_true(open_logs(local(), file("e"), NULL));
    log_line(LOG_ACCESS, TEXT("bad"));
    log_line(LOG_ACCESS, TEXT("good"));
    stub_log_answer(PORT_ERROR, 0);
    assert_int_equal(drain(0), LOG_AWAY);
    now += LOG_AWAY_MS;
    assert_int_equal(drain(0), LOG_AWAY);
    assert_int_equal(log_lost(LOG_ACCESS), 1);
    now += 2 * LOG_AWAY_MS;
    stub_log_answer(PORT_OK, SIZE_MAX);
    assert_int_equal(drain(0), LOG_DRAINED);
    assert_log(FIRST + 3, "<158>Nov  5 10:20:33 culvert[42]: good"
                          "<156>Nov  5 10:20:33 culvert[42]: log: 1 lines lost");
}

/* A refusal tells that an earlier datagram was lost; the others wait until one was not refused. */
static void test_deaf_host(void **state)
{
    (void)state;
    assert_true(open_logs(remote(), file("e"), NULL));
    for (unsigned i = 0; i < 5; i++)
        log_line(LOG_ACCESS, TEXT("x"));
    assert_int_equal(log_sink_drain(log_sink(0), now, 1), LOG_MORE);
    stub_log_answer(PORT_ERROR, 0);
    stub_log_fault(PORT_FAULT_REFUSED);
    assert_int_equal(drain(0), LOG_AWAY);
    assert_int_equal(log_lost(LOG_ACCESS), 1);
    assert_int_equal(stub_log_closed(), 0);
    now += LOG_AWAY_MS;
    stub_log_answer(PORT_OK, SIZE_MAX);
    stub_log_clear(FIRST);
    assert_int_equal(drain(0), LOG_AWAY); /* one line, and then it waits for a refusal */
    assert_log(FIRST, "<158>1 2026-11-05T10:20:33Z box culvert 42 access - x");
    stub_log_answer(PORT_ERROR, 0);
    now += LOG_AWAY_MS;
    assert_int_equal(drain(0), LOG_AWAY);
    assert_int_equal(log_lost(LOG_ACCESS), 2);
    assert_int_equal(log_sink(0)->pause_ms, 2 * LOG_AWAY_MS);
    now += 2 * LOG_AWAY_MS;
    stub_log_answer(PORT_OK, SIZE_MAX);
    assert_int_equal(drain(0), LOG_AWAY);
    now += LOG_AWAY_MS;
    assert_int_equal(drain(0), LOG_DRAINED);
    assert_int_equal(log_lost(LOG_ACCESS), 2);
}

/* A serial line that is unplugged: what waits is written when it is back. */
static void test_unplugged(void **state)
{
    (void)state;
    assert_true(open_logs(serial("/dev/ttyUSB0"), file("e"), NULL));
    log_line(LOG_ACCESS, TEXT("one"));
    stub_log_answer(PORT_ERROR, 0);
    assert_int_equal(drain(0), LOG_AWAY);
    stub_log_open_fault(PORT_FAULT_NOT_FOUND);
    now += LOG_AWAY_MS;
    assert_int_equal(drain(0), LOG_AWAY);
    stub_log_open_fault(PORT_FAULT_NONE);
    stub_log_answer(PORT_OK, SIZE_MAX);
    now += 2 * LOG_AWAY_MS;
    assert_int_equal(drain(0), LOG_DRAINED);
    assert_log(FIRST + 2, "one\n");
    assert_int_equal(stub_log_opened(FIRST + 2).speed, 9600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_messages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_messages_wrap, setup, teardown),
        cmocka_unit_test_setup_teardown(test_messages_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(test_message_too_long, setup, teardown),
        cmocka_unit_test_setup_teardown(test_shared, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reopen, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reopen_within_line, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reopen_other_form, setup, teardown),
        cmocka_unit_test_setup_teardown(test_open_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(test_absent_daemon, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_message, setup, teardown),
        cmocka_unit_test_setup_teardown(test_deaf_host, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unplugged, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
