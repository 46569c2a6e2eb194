/* Tests of the logs: bounded lines, rings that lose lines and say so, sinks that are slow or broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/log_sink.h"
#include "port_stub.h"

#define ACCESS (STUB_SINK_MIN + 0)
#define DIAG (STUB_SINK_MIN + 1)

#define assert_log(sink, literal) assert_true(text_eq(stub_log(sink), TEXT(literal)))

static const struct log_target targets[LOG_STREAMS] = {
    [LOG_ACCESS] = {.to = {.kind = PORT_LOG_FILE, .path = "access"}},
    [LOG_DIAG] = {.to = {.kind = PORT_LOG_FILE, .path = "error"}},
};

/* Writes all that waits: a ring's end may need a second write. */
static void flush_all(void)
{
    while (log_flush(0))
        continue;
}

/* Empties both rings into the sinks, and forgets what came. */
static void drain(void)
{
    stub_log_answer(PORT_OK, SIZE_MAX);
    flush_all();
    stub_log_clear(ACCESS);
    stub_log_clear(DIAG);
}

/* Goes on to just behind the ring's end, so that the next lines take one write. */
static void wrap(enum log_stream stream)
{
    static char line[CONFIG_LOG_LINE];
    unsigned writes;

    memset(line, 'w', sizeof(line));
    for (unsigned i = 0; i < 3 * (CONFIG_LOG_RING / CONFIG_LOG_LINE); i++) {
        writes = stub_log_writes();
        log_line(stream, text_make(line, sizeof(line)));
        drain();
        if (stub_log_writes() == writes + 2)
            return;
    }
}

static int setup(void **state)
{
    enum log_stream failed;

    (void)state;
    stub_reset();
    assert_true(log_open(targets, 0, &failed));
    log_set_level(LOG_NOTICE);
    drain();
    wrap(LOG_ACCESS);
    wrap(LOG_DIAG);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    log_close();
    return 0;
}

static void test_streams(void **state)
{
    unsigned writes = stub_log_writes();

    (void)state;
    assert_false(log_flush(0));
    assert_int_equal(stub_log_writes(), writes);
    assert_true(log_line(LOG_ACCESS, TEXT("one")));
    assert_true(log_line(LOG_ACCESS, TEXT("two")));
    log_error("conn", "%s %u", "broke", 7u);
    assert_log(ACCESS, ""); /* nothing before the flush */
    assert_false(log_flush(0));
    assert_int_equal(stub_log_writes(), writes + 2);
    assert_log(ACCESS, "one\ntwo\n");
    assert_log(DIAG, "error conn: broke 7\n");
    assert_false(log_flush(0));
    assert_int_equal(stub_log_writes(), writes + 2);
}

static void test_levels(void **state)
{
    (void)state;
    log_error("a", "1");
    log_warn("a", "2");
    log_notice("a", "3");
    log_info("a", "4");
    log_debug("a", "5");
    log_set_level(LOG_INFO);
    log_info("a", "6");
    log_set_level(LOG_ERROR);
    log_warn("a", "7");
    assert_true(log_enabled(LOG_ERROR));
    assert_false(log_enabled(LOG_WARN));
    flush_all();
    assert_log(DIAG, "error a: 1\nwarn a: 2\nnotice a: 3\ninfo a: 6\n");
    log_set_level(LOG_TRACE_);
    stub_log_clear(DIAG);
    log_debug("a", "8");
    log_diag(LOG_TRACE_, "a", "9");
    flush_all();
    if (IS_ENABLED(CONFIG_LOG_DEBUG))
        assert_log(DIAG, "debug a: 8\ntrace a: 9\n");
    else
        assert_log(DIAG, "trace a: 9\n");
}

/* A peer's bytes cannot begin a line of their own, move a cursor or ring a bell. */
static void test_no_forgery(void **state)
{
    (void)state;
    log_warn("h1", "bad name <%s>", "x\r\nerror conn: forged\t\x1b[2J\x07\x7f\xc3\xa4\x9b");
    flush_all();
    assert_log(DIAG, "warn h1: bad name <x\\x0d\\x0aerror conn: forged\\x09\\x1b[2J\\x07\\x7f\\xc3\\xa4\\x9b>\n");
}

/* Every byte, alone: what is no printable ASCII is escaped, in both ways of logging. */
static void test_every_byte(void **state)
{
    (void)state;
    for (int c = 1; c < 256; c++) {
        char expected[32], storage[32];
        const char one[2] = {(char)c, '\0'};
        struct textbuf b;
        bool plain = c >= 0x20 && c < 0x7f;

        stub_log_clear(DIAG);
        log_warn("a", "%s", one);
        flush_all();
        snprintf(expected, sizeof(expected), plain ? "warn a: %c\n" : "warn a: \\x%02x\n", c);
        assert_true(text_eq(stub_log(DIAG), text_of(expected)));

        textbuf_init(&b, storage, sizeof(storage));
        log_escape(&b, text_make(one, 1));
        if (c == '"' || c == '\\')
            snprintf(expected, sizeof(expected), "\\%c", c);
        else
            snprintf(expected, sizeof(expected), plain ? "%c" : "\\x%02x", c);
        assert_string_equal(textbuf_z(&b), expected);
    }
}

/* In every room the escaped text is a prefix that ends between two bytes of the input. */
static void test_escape_cut(void **state)
{
    static const struct text input = TEXT_INIT("a\nb\"\\\x80z\0");
    static const char whole[] = "a\\x0ab\\\"\\\\\\x80z\\x00";
    static const bool ends[] = {1, 1, 0, 0, 0, 1, 1, 0, 1, 0, 1, 0, 0, 0, 1, 1, 0, 0, 0, 1};

    (void)state;
    for (size_t cap = 0; cap < sizeof(whole); cap++) {
        char storage[sizeof(whole)];
        struct textbuf b;
        size_t len = cap;

        while (!ends[len])
            len--;
        textbuf_init(&b, storage, cap);
        log_escape(&b, input);
        log_escape(&b, TEXT(""));
        assert_int_equal(b.full, cap < sizeof(whole) - 1);
        assert_true(text_eq(textbuf_text(&b), text_make(whole, len)));
    }
}

static void test_long_lines(void **state)
{
    static char big[2 * CONFIG_LOG_LINE];
    struct text got;

    (void)state;
    memset(big, 'y', sizeof(big));
    big[sizeof(big) - 1] = '\0';
    assert_true(log_line(LOG_ACCESS, text_make(big, sizeof(big) - 1)));
    log_error("sub", "%s", big);
    flush_all();
    got = stub_log(ACCESS);
    assert_int_equal(got.len, CONFIG_LOG_LINE + 1);
    assert_int_equal(got.ptr[CONFIG_LOG_LINE], '\n');
    got = stub_log(DIAG);
    assert_int_equal(got.len, CONFIG_LOG_LINE + 1);
    assert_int_equal(got.ptr[CONFIG_LOG_LINE], '\n');
    assert_true(text_starts(got, TEXT("error sub: yyy")));
    /* Escapes at the cut are whole or not there. */
    memset(big, '\x01', sizeof(big) - 1);
    stub_log_clear(DIAG);
    log_error("s", "%s", big);
    flush_all();
    got = stub_log(DIAG);
    assert_true(got.len <= CONFIG_LOG_LINE + 1 && got.len > CONFIG_LOG_LINE - 4);
    assert_true(text_eq(text_skip(got, got.len - 5), TEXT("\\x01\n")));
}

/* Without a sink lines go nowhere and are not counted. */
static void test_no_sink(void **state)
{
    enum log_stream failed;

    (void)state;
    log_close();
    assert_false(log_line(LOG_ACCESS, TEXT("gone")));
    assert_false(log_flush(0));
    assert_int_equal(log_lost(LOG_ACCESS), 0);
    assert_int_equal(stub_log_closed(), 2);
    assert_true(log_open(targets, 0, &failed));
    assert_true(log_line(LOG_ACCESS, TEXT("here")));
    flush_all();
    assert_log(ACCESS + 2, "here\n");
}

/* Lines that wait keep their order around the ring's end, however few bytes the sink takes. */
static void test_slow_sink(void **state)
{
    static char expected[65536];
    size_t len = 0;
    struct text got;

    (void)state;
    for (unsigned i = 0; i < 600; i++) {
        char line[CONFIG_LOG_LINE];
        size_t n = (size_t)snprintf(line, sizeof(line), "line %u %.*s", i, (int)(i % 37),
                                    "abcdefghijklmnopqrstuvwxyz0123456789-");

        assert_true(log_line(LOG_ACCESS, text_make(line, n)));
        memcpy(expected + len, line, n);
        len += n;
        expected[len++] = '\n';
        stub_log_answer(PORT_AGAIN, 0);
        assert_true(log_flush(0));
        stub_log_answer(PORT_OK, 1 + i % 5);
        for (unsigned k = 0; k < 12; k++)
            log_flush(0);
    }
    stub_log_answer(PORT_OK, 7);
    flush_all();
    got = stub_log(ACCESS);
    assert_int_equal(got.len, len);
    assert_memory_equal(got.ptr, expected, len);
}

/* A full ring loses the newest lines, whole, and tells how many before the next line that it takes. */
static void lose(enum log_stream stream, port_handle sink)
{
    char line[CONFIG_LOG_LINE];
    char report[64];
    uint32_t before = log_lost(stream);
    unsigned taken = 0;
    struct text rest, part;

    memset(line, 'x', sizeof(line));
    stub_log_answer(PORT_AGAIN, 0);
    while (log_line(stream, text_make(line, sizeof(line))))
        taken++;
    for (unsigned i = 0; i < 4; i++)
        assert_false(log_line(stream, text_make(line, sizeof(line))));
    assert_int_equal(log_lost(stream), before + 5);
    assert_true(log_flush(0));
    drain();
    log_line(stream, TEXT("after"));
    flush_all();
    assert_true(text_eq(stub_log(sink), TEXT("after\n"))); /* drain() took the report with the rest */

    /* Now look at it. */
    stub_log_clear(sink);
    stub_log_answer(PORT_AGAIN, 0);
    for (unsigned i = 0; i < taken + 3; i++)
        log_line(stream, text_make(line, sizeof(line)));
    /* There is room for a few bytes, but not for the report before them: the order of lines is true. */
    assert_int_equal(log_lost(stream), before + 8);
    stub_log_answer(PORT_OK, SIZE_MAX);
    flush_all();
    log_line(stream, TEXT("after"));
    flush_all();
    rest = stub_log(sink);
    for (unsigned i = 0; i < taken; i++) {
        assert_true(text_split(&rest, '\n', &part));
        assert_true(text_eq(part, text_make(line, sizeof(line))));
    }
    snprintf(report, sizeof(report), "log: 3 lines lost\nafter\n");
    assert_true(text_eq(rest, text_of(report)));
}

static void test_lost(void **state)
{
    uint32_t diag = log_lost(LOG_DIAG);
    uint32_t access;

    (void)state;
    lose(LOG_ACCESS, ACCESS);
    assert_int_equal(log_lost(LOG_DIAG), diag); /* each stream for itself */
    access = log_lost(LOG_ACCESS);
    lose(LOG_DIAG, DIAG);
    assert_int_equal(log_lost(LOG_ACCESS), access);
}

/* A short line must not slip in before the report when only it would fit. */
static void test_report_first(void **state)
{
    char line[CONFIG_LOG_LINE];
    struct text got;
    unsigned shorts = 0;

    (void)state;
    memset(line, 'x', sizeof(line));
    stub_log_answer(PORT_AGAIN, 0);
    while (log_line(LOG_ACCESS, text_make(line, sizeof(line))))
        continue;
    while (log_line(LOG_ACCESS, TEXT("s")) && shorts < 1000)
        shorts++;
    assert_true(shorts < 1000);
    stub_log_answer(PORT_OK, SIZE_MAX);
    flush_all();
    got = stub_log(ACCESS);
    /* Either the report came before the short ones, or no short one was taken. */
    for (size_t at = 0; at + 3 < got.len; at++)
        if (memcmp(got.ptr + at, "\ns\n", 3) == 0)
            assert_true(text_find(text_first(got, at), ':', 0) < at);
}

/* Lines of any length, a sink of any speed: what comes out is what was taken, in order, and between two lines stand
   reports of just the lines that were lost between them. */
static void test_random(void **state)
{
    static char taken[900 * 1024]; /* the lines taken; before each, how many were lost since the one before */
    static uint32_t lost_before[40000];
    uint32_t lines = 0, lost = 0, lost_all = 0;
    uint32_t before = log_lost(LOG_ACCESS);
    struct textbuf b;
    struct text rest, got, part, line;

    (void)state;
    stub_seed(5);
    textbuf_init(&b, taken, sizeof(taken));
    while (b.len < sizeof(taken) - 2 * CONFIG_LOG_LINE - CONFIG_LOG_RING) {
        char bytes[CONFIG_LOG_LINE];
        size_t len = stub_chance(3) == 0 ? 1 + stub_chance(30) : 1 + stub_chance(CONFIG_LOG_LINE);

        for (size_t i = 0; i < len; i++)
            bytes[i] = (char)('a' + (lines + i) % 26);
        if (log_line(LOG_ACCESS, text_make(bytes, len))) {
            textbuf_put(&b, text_make(bytes, len));
            textbuf_putc(&b, '\n');
            assert_true(lines < ARRAY_SIZE(lost_before));
            lost_before[lines++] = lost;
            lost = 0;
        } else {
            lost++;
            lost_all++;
        }
        if (lost_all < 3 || stub_chance(4) == 0) /* the ring fills first, then stays nearly full */
            stub_log_answer(PORT_AGAIN, 0);
        else
            stub_log_answer(PORT_OK, 1 + stub_chance(CONFIG_LOG_LINE));
        if (stub_chance(3) > 0)
            log_flush(0);
    }
    stub_log_answer(PORT_OK, SIZE_MAX);
    flush_all();
    assert_true(lost_all > 100);
    assert_int_equal(log_lost(LOG_ACCESS) - before, lost_all);
    rest = textbuf_text(&b);
    got = stub_log(ACCESS);
    for (uint32_t i = 0; i < lines; i++) {
        assert_true(text_split(&rest, '\n', &line));
        for (;;) {
            uint64_t n;

            assert_true(text_split(&got, '\n', &part));
            if (!text_starts(part, TEXT("log: ")))
                break;
            part = text_skip(part, 5);
            assert_true(text_to_u64(text_first(part, text_find(part, ' ', 0)), lost_before[i], &n));
            lost_before[i] -= (uint32_t)n;
        }
        assert_int_equal(lost_before[i], 0);
        assert_true(text_eq(part, line));
    }
}

/* A sink that fails loses what waited; the torn line is ended before the next one, and the loss is told. */
static void test_broken_sink(void **state)
{
    uint32_t before = log_lost(LOG_ACCESS);

    (void)state;
    log_line(LOG_ACCESS, TEXT("first"));
    log_line(LOG_ACCESS, TEXT("second"));
    log_line(LOG_ACCESS, TEXT("third"));
    stub_log_answer(PORT_OK, 9);
    assert_true(log_flush(0)); /* "first\nsec" */
    stub_log_answer(PORT_ERROR, 0);
    assert_false(log_flush(0));
    assert_int_equal(log_lost(LOG_ACCESS), before + 2);
    assert_false(log_flush(0)); /* a dead sink is not tried without a line */
    log_line(LOG_ACCESS, TEXT("fourth"));
    assert_false(log_flush(0));
    assert_int_equal(log_lost(LOG_ACCESS), before + 3); /* the report before it is no line, and is made again */
    stub_log_answer(PORT_OK, SIZE_MAX);
    log_line(LOG_ACCESS, TEXT("fifth"));
    assert_false(log_flush(0));
    assert_log(ACCESS, "first\nsec\nlog: 3 lines lost\nfifth\n");
    log_line(LOG_ACCESS, TEXT("sixth"));
    flush_all();
    assert_log(ACCESS, "first\nsec\nlog: 3 lines lost\nfifth\nsixth\n");
}

/* A report that the sink has is not made again, though what waits behind it is lost. */
static void test_broken_behind_report(void **state)
{
    uint32_t before = log_lost(LOG_ACCESS);

    (void)state;
    log_line(LOG_ACCESS, TEXT("first"));
    stub_log_answer(PORT_ERROR, 0);
    assert_false(log_flush(0));
    for (unsigned i = 0; i < 3; i++) {
        log_line(LOG_ACCESS, TEXT("next"));
        stub_log_answer(i == 2 ? PORT_OK : PORT_ERROR, i == 2 ? sizeof("log: 3 lines lost\n") - 1 : 0);
        assert_int_equal(log_flush(0), i == 2);
    }
    stub_log_answer(PORT_ERROR, 0);
    assert_false(log_flush(0));
    assert_int_equal(log_lost(LOG_ACCESS), before + 4);
    stub_log_answer(PORT_OK, SIZE_MAX);
    log_line(LOG_ACCESS, TEXT("last"));
    assert_false(log_flush(0));
    assert_log(ACCESS, "log: 3 lines lost\nlog: 1 lines lost\nlast\n");
}

/* A loss right at a line's end leaves no empty line. */
static void test_broken_between_lines(void **state)
{
    (void)state;
    log_line(LOG_ACCESS, TEXT("first"));
    log_line(LOG_ACCESS, TEXT("second"));
    stub_log_answer(PORT_OK, 6);
    assert_true(log_flush(0));
    stub_log_answer(PORT_ERROR, 0);
    assert_false(log_flush(0));
    stub_log_answer(PORT_OK, SIZE_MAX);
    log_line(LOG_ACCESS, TEXT("third"));
    assert_false(log_flush(0));
    assert_log(ACCESS, "first\nlog: 1 lines lost\nthird\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_streams, setup, teardown),
        cmocka_unit_test_setup_teardown(test_levels, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_forgery, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_byte, setup, teardown),
        cmocka_unit_test_setup_teardown(test_escape_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_sink, setup, teardown),
        cmocka_unit_test_setup_teardown(test_slow_sink, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(test_report_first, setup, teardown),
        cmocka_unit_test_setup_teardown(test_random, setup, teardown),
        cmocka_unit_test_setup_teardown(test_broken_sink, setup, teardown),
        cmocka_unit_test_setup_teardown(test_broken_behind_report, setup, teardown),
        cmocka_unit_test_setup_teardown(test_broken_between_lines, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
