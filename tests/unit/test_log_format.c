/* Tests of the formats of LogFormat: what is taken, into which parts, and what is refused; and of times. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "guard.h"
#include "proxy/log_format.h"
#include "proxy/log_time.h"

#if IS_ENABLED(CONFIG_LOG_FORMAT)

static struct log_format format;
static struct log_fault fault;

static void good(const char *text)
{
    struct text copy = guard_copy(text_of(text));

    if (!log_format_parse(&format, copy, &fault))
        fail_msg("%s: expected %s at %.*s", text, fault.expected, TEXT_ARG(fault.at));
}

static void bad(const char *text, const char *at, const char *expected)
{
    struct text copy = guard_copy(text_of(text));

    assert_false(log_format_parse(&format, copy, &fault));
    assert_int_equal(format.part_count, 0);
    if (!text_eq(fault.at, text_of(at)))
        fail_msg("%s: refused at '%.*s'", text, TEXT_ARG(fault.at));
    if (strncmp(fault.expected, expected, strlen(expected)) != 0)
        fail_msg("%s: expected %s", text, fault.expected);
}

/* The only part of a format is this token. */
static const struct log_part *only(const char *text, enum log_token token)
{
    good(text);
    assert_int_equal(format.part_count, 1);
    assert_int_equal(format.parts[0].token, token);
    return &format.parts[0];
}

static void assert_span(struct span span, const char *text)
{
    assert_true(text_eq(text_first(text_skip(format.text, span.at), span.len), text_of(text)));
}

static void test_tokens(void **state)
{
    static const struct {
        const char *text;
        enum log_token token;
    } cases[] = {
        {"%h", LOG_CLIENT},
        {"%a", LOG_CLIENT},
        {"%A", LOG_LOCAL},
        {"%l", LOG_NONE},
        {"%u", LOG_NONE},
        {"%t", LOG_TIME},
        {"%r", LOG_REQUEST},
        {"%s", LOG_STATUS},
        {"%>s", LOG_STATUS},
        {"%<s", LOG_STATUS},
        {"%b", LOG_BYTES_CLF},
        {"%B", LOG_BYTES},
        {"%D", LOG_US},
        {"%T", LOG_SECONDS},
        {"%{s}T", LOG_SECONDS},
        {"%{ms}T", LOG_MS},
        {"%{us}T", LOG_US},
        {"%m", LOG_METHOD},
        {"%U", LOG_PATH},
        {"%q", LOG_QUERY},
        {"%H", LOG_PROTOCOL},
        {"%p", LOG_PORT},
        {"%{canonical}p", LOG_PORT},
        {"%{local}p", LOG_PORT},
        {"%{remote}p", LOG_PEER_PORT},
        {"%P", LOG_PROCESS},
        {"%v", LOG_SERVER},
        {"%V", LOG_HOST},
        {"%{host}i", LOG_HOST},
        {"%{Host}o", LOG_FIELD},
        {"%{proxy-source-port}n", LOG_BACK_PORT},
        {"%{proxy-status}n", LOG_BACK_STATUS},
        {"%{proxy-stream-id}n", LOG_BACK_STREAM},
        {"%{proxy-retry}n", LOG_RETRY},
        {"%{proxy-error}n", LOG_ERROR_WORD},
        {"%{proxy-backend}n", LOG_BACK_NAME},
        {"%{proxy-end}n", LOG_END},
        {"%{proxy-line}n", LOG_COMPACT},
        {"\\t", LOG_TAB},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        (void)only(cases[i].text, cases[i].token);
}

static void test_text(void **state)
{
    (void)state;
    assert_span(only("a b", LOG_TEXT)->text, "a b");
    assert_span(only("a\\b", LOG_TEXT)->text, "a\\b");
    assert_span(only("\\", LOG_TEXT)->text, "\\");
    good("100%% \\\\x");
    assert_int_equal(format.part_count, 3); /* what stands for itself is one piece with what is before it */
    assert_span(format.parts[0].text, "100");
    assert_span(format.parts[1].text, "% ");
    assert_span(format.parts[2].text, "\\x");
}

static void test_fields(void **state)
{
    const struct log_part *part = only("%400,501{User-Agent}i", LOG_FIELD);

    (void)state;
    assert_span(part->only, "400,501");
    assert_false(part->unless);
    assert_int_equal(format.field_count, 1);
    assert_span(format.fields[0].name, "User-Agent");
    part = only("%!200s", LOG_STATUS);
    assert_span(part->only, "200");
    assert_true(part->unless);
    good("%{A}i%{a}i%{A}o%{B}i%{a}o");
    assert_int_equal(format.field_count, 3); /* a in both directions, b */
    assert_int_equal(format.parts[0].field, format.parts[1].field);
    assert_int_equal(format.parts[2].field, format.parts[4].field);
    assert_true(format.fields[format.parts[2].field].response);
    assert_false(format.fields[format.parts[3].field].response);
}

/* What stands behind a part is room that it leaves. */
static void test_tails(void **state)
{
    (void)state;
    good("%r abc%s");
    assert_int_equal(format.parts[2].tail, 0);
    assert_int_equal(format.parts[1].tail, 5); /* three digits, and what tells that they were cut */
    assert_int_equal(format.parts[0].tail, 9);
}

#define TOKENS "%%, %a, "

static void test_refused(void **state)
{
    (void)state;
    bad("", "", "a format that is not empty");
    bad("%", "%", TOKENS);
    bad("a%", "%", TOKENS);
    bad("%z", "%z", TOKENS);
    bad("%h %{x}C", "%{x}C", TOKENS);
    bad("%{", "%{", "a name in braces");
    bad("%{}i", "%{}", "a name in braces");
    bad("%{a", "%{a", "a name in braces");
    bad("%{a b}i", "%{a b}i", "the name of a field");
    bad("%i", "%i", "the name of a field");
    bad("%{proxy-statu}n", "%{proxy-statu}n", "a note: ");
    bad("%n", "%n", "a note: ");
    bad("%{m}T", "%{m}T", "a unit: ");
    bad("%{x}p", "%{x}p", "whose port: ");
    bad("%{x}s", "%{x}s", "nothing in braces");
    bad("%{c}a", "%{c}a", "nothing in braces");
    bad("%{%Q}t", "%{%Q}t", "a time: ");
    bad("%{%}t", "%{%}t", "a time: ");
    bad("%40s", "%40", "statuses of three digits");
    bad("%4000s", "%4000", "statuses of three digits");
    bad("%400,s", "%400,", "statuses of three digits");
    bad("%,s", "%,", TOKENS);
    bad("%!s", "%!", "statuses of three digits");
    bad("%200", "%200", TOKENS);
    bad("a\nb", "\n", "no control bytes");
    bad("a\x7f", "\x7f", "no control bytes");
    bad("a\\nb", "\\n", "no end of a line");
    bad("\\r", "\\r", "no end of a line");
}

static void test_bounds(void **state)
{
    char text[4 * (CONFIG_LOG_PARTS + 1) + 1], fields[16 * (CONFIG_LOG_FIELDS + 1)];
    size_t len = 0;

    (void)state;
    for (unsigned i = 0; i < CONFIG_LOG_PARTS; i++)
        len += (size_t)sprintf(text + len, "%%h");
    good(text);
    strcpy(text + len, "%s");
    bad(text, "%s", "fewer parts");
    strcpy(text + len, "x");
    bad(text, "x", "fewer parts");
    len = 0;
    for (unsigned i = 0; i < CONFIG_LOG_FIELDS; i++)
        len += (size_t)sprintf(fields + len, "%%{a%u}i", i);
    good(fields);
    strcpy(fields + len, "%{b}o");
    bad(fields, "%{b}o", "fewer fields");
    strcpy(fields + len, "%{A0}i");
    good(fields);
}

/* Any bytes end in an answer, and a good format's parts lie within it. */
static void test_any(void **state)
{
    static const char alphabet[] = "%{}>!,\\0123hrstTinoapx-";
    char text[32];

    (void)state;
    srand(1);
    for (unsigned round = 0; round < 100000; round++) {
        size_t len = (size_t)rand() % sizeof(text);

        for (size_t i = 0; i < len; i++)
            text[i] = alphabet[(size_t)rand() % (sizeof(alphabet) - 1)];
        if (!log_format_parse(&format, text_make(text, len), &fault)) {
            assert_true(fault.at.ptr >= text && fault.at.ptr + fault.at.len <= text + len);
            continue;
        }
        for (unsigned i = 0; i < format.part_count; i++)
            assert_true(format.parts[i].text.at + format.parts[i].text.len <= (int)len &&
                        format.parts[i].token < LOG_TOKENS && format.parts[i].field < CONFIG_LOG_FIELDS);
    }
}

static void assert_time(const char *form, int64_t wall_s, int32_t zone_s, const char *expected)
{
    char storage[80];
    struct textbuf b;

    textbuf_init(&b, storage, sizeof(storage));
    log_time_put(&b, text_of(form), wall_s, zone_s);
    assert_string_equal(textbuf_z(&b), expected);
    assert_true(form[0] == '\0' || log_time_ok(text_of(form)));
}

static void test_time(void **state)
{
    (void)state;
    assert_time("", 1764074571, 0, "[25/Nov/2025:12:42:51 +0000]");
    assert_time("", 1764074571, 5400, "[25/Nov/2025:14:12:51 +0130]");
    assert_time("", 1764074571, -12600, "[25/Nov/2025:09:12:51 -0330]");
    assert_int_equal(strlen("[25/Nov/2025:12:42:51 +0000]"), LOG_TIME_MOST);
    assert_time("sec", 1764074571, 3600, "1764074571");
    assert_time("%FT%T%z", 1764074571, 0, "2025-11-25T12:42:51+0000");
    assert_time("%a %b %e %d %H:%M:%S %y%Y%m %% %j.", 951782400, 0, "Tue Feb 29 29 00:00:00 00200002 % 060.");
    assert_time("%e %j", 1767225600, 0, " 1 001");
    assert_time("%j", 1767225599, 0, "365");
    assert_time("%j", 1735603200, 0, "366");
    assert_false(log_time_ok(TEXT("")));
    assert_false(log_time_ok(TEXT("%")));
    assert_false(log_time_ok(TEXT("%F%")));
    assert_false(log_time_ok(TEXT("%E")));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens), cmocka_unit_test(test_text),    cmocka_unit_test(test_fields),
        cmocka_unit_test(test_tails),  cmocka_unit_test(test_refused), cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_any),    cmocka_unit_test(test_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    return 0;
}

#endif
