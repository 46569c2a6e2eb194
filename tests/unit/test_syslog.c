/* Tests of the calendar and of the heads of syslog messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/calendar.h"
#include "base/syslog.h"

/* Against the C library, over some 8,000 years. */
static void test_calendar(void **state)
{
    (void)state;
    /* As far as this C library's time_t goes. */
    int64_t last = sizeof(time_t) < 8 ? INT32_MAX : 253402300799;

    for (int64_t s = 0; s < last; s += 86399 * 37 + 1) {
        struct calendar c = calendar_of(s);
        time_t at = (time_t)s;
        const struct tm *tm = gmtime(&at);

        assert_int_equal(c.year, tm->tm_year + 1900);
        assert_int_equal(c.month, tm->tm_mon);
        assert_int_equal(c.day, tm->tm_mday);
        assert_int_equal(c.weekday, tm->tm_wday);
        assert_int_equal(c.hour, tm->tm_hour);
        assert_int_equal(c.minute, tm->tm_min);
        assert_int_equal(c.second, tm->tm_sec);
    }
}

static void test_facilities(void **state)
{
    uint8_t facility = 99;

    (void)state;
    assert_true(syslog_facility(TEXT("Local3"), &facility));
    assert_int_equal(facility, 19);
    assert_true(syslog_facility(TEXT("kern"), &facility));
    assert_int_equal(facility, 0);
    assert_true(syslog_facility(TEXT("ftp"), &facility));
    assert_int_equal(facility, 11);
    assert_false(syslog_facility(TEXT(""), &facility));
    assert_false(syslog_facility(TEXT("local"), &facility));
    assert_false(syslog_facility(TEXT("local33"), &facility));
    assert_true(syslog_tag_ok(TEXT("a")));
    assert_false(syslog_tag_ok(TEXT("")));
    assert_false(syslog_tag_ok(TEXT("a b")));
    assert_false(syslog_tag_ok(TEXT("a[b]")));
    assert_true(syslog_tag_ok(TEXT("12345678901234567890123456789012")));
    assert_false(syslog_tag_ok(TEXT("123456789012345678901234567890123")));
}

static void assert_head(const struct syslog_settings *settings, enum syslog_severity severity,
                        const struct syslog_origin *origin, const char *expected)
{
    char storage[SYSLOG_HEAD_MOST + 1];
    struct textbuf b;

    textbuf_init(&b, storage, sizeof(storage));
    syslog_put_head(&b, settings, severity, origin);
    assert_string_equal(textbuf_z(&b), expected);
    assert_false(b.full);
}

/* RFC 3164 4.1: priority is facility * 8 + severity; the day has two places; local time. */
static void test_bsd(void **state)
{
    struct syslog_settings local3 = {SYSLOG_BSD, 19, TEXT("culvert")};
    struct syslog_origin origin = {.wall_s = 1793874033, .zone_s = 3600, .host = TEXT("box"), .process = 42};

    (void)state;
    assert_head(&local3, SYSLOG_INFO, &origin, "<158>Nov  5 11:20:33 culvert[42]: ");
    origin.zone_s = -11 * 3600;
    assert_head(&local3, SYSLOG_ERR, &origin, "<155>Nov  4 23:20:33 culvert[42]: ");
    origin.wall_s += 10 * 86400;
    origin.zone_s = 0;
    assert_head(&local3, SYSLOG_DEBUG, &origin, "<159>Nov 15 10:20:33 culvert[42]: ");
    origin.wall_s = 0; /* a box without a clock: the daemon says when it came */
    assert_head(&(struct syslog_settings){SYSLOG_BSD, 0, TEXT("t")}, SYSLOG_ERR, &origin, "<3>t[42]: ");
}

/* RFC 5424 6. */
static void test_ietf(void **state)
{
    struct syslog_settings local3 = {SYSLOG_IETF, 19, TEXT("culvert")};
    struct syslog_origin origin = {
        .wall_s = 1793874033, .zone_s = 3600, .host = TEXT("box"), .process = 42, .msgid = TEXT("access")};
    char long_host[SYSLOG_HOST_MOST + 9], expected[256];

    (void)state;
    assert_head(&local3, SYSLOG_INFO, &origin, "<158>1 2026-11-05T10:20:33Z box culvert 42 access - ");
    origin.wall_s = 0;
    origin.host = TEXT("");
    assert_head(&local3, SYSLOG_WARNING, &origin, "<156>1 - - culvert 42 access - ");
    /* The longest there is. */
    memset(long_host, 'h', sizeof(long_host));
    origin = (struct syslog_origin){.wall_s = 253402300799,
                                    .host = text_make(long_host, sizeof(long_host)),
                                    .process = UINT32_MAX,
                                    .msgid = TEXT("access")};
    snprintf(expected, sizeof(expected),
             "<191>1 9999-12-31T23:59:59Z %.*s 12345678901234567890123456789012 4294967295 access - ", SYSLOG_HOST_MOST,
             long_host);
    assert_head(&(struct syslog_settings){SYSLOG_IETF, 23, TEXT("12345678901234567890123456789012")}, SYSLOG_DEBUG,
                &origin, expected);
    assert_head(&(struct syslog_settings){SYSLOG_NONE, 23, TEXT("x")}, SYSLOG_DEBUG, &origin, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calendar),
        cmocka_unit_test(test_facilities),
        cmocka_unit_test(test_bsd),
        cmocka_unit_test(test_ietf),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
