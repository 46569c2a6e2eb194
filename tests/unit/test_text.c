/* Tests of slices of text and of bounded text buffers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/text.h"
#include "guard.h"

#define assert_text(t, literal) assert_true(text_eq(t, TEXT(literal)))

static void test_slices(void **state)
{
    const struct text none = {NULL, 0};
    struct text t = TEXT("hello");

    (void)state;
    assert_text(text_of("hello"), "hello");
    assert_int_equal(text_of("").len, 0);
    assert_text(text_first(t, 2), "he");
    assert_text(text_first(t, 9), "hello");
    assert_text(text_skip(t, 2), "llo");
    assert_int_equal(text_skip(t, 9).len, 0);
    assert_int_equal(text_skip(none, 1).len, 0);
    assert_true(text_eq(none, TEXT("")));
    assert_false(text_eq(t, TEXT("hellO")));
    assert_false(text_eq(t, TEXT("hell")));
    assert_true(text_starts(t, TEXT("hell")));
    assert_true(text_starts(t, none));
    assert_true(text_starts(none, none));
    assert_false(text_starts(none, t));
    assert_false(text_starts(t, TEXT("hello!")));
    assert_true(text_starts_nocase(t, TEXT("HEL")));
    assert_false(text_starts_nocase(t, TEXT("HEX")));
}

/* ASCII case only: bytes that differ by 0x20 but are no letters differ. */
static void test_case(void **state)
{
    (void)state;
    for (int a = 0; a < 256; a++) {
        for (int b = 0; b < 256; b++) {
            char ca = (char)a, cb = (char)b;
            int la = a >= 'A' && a <= 'Z' ? a + 32 : a;
            int lb = b >= 'A' && b <= 'Z' ? b + 32 : b;

            assert_int_equal(text_eq_nocase(text_make(&ca, 1), text_make(&cb, 1)), la == lb);
        }
    }
    assert_true(text_eq_nocase(TEXT("Content-LENGTH"), TEXT("content-length")));
    assert_false(text_eq_nocase(TEXT("a"), TEXT("ab")));
    assert_true(text_eq_nocase(TEXT(""), text_make(NULL, 0)));
}

static void test_trim(void **state)
{
    (void)state;
    assert_text(text_trim(guard_copy(TEXT(" \t a b\t "))), "a b");
    assert_text(text_trim(guard_copy(TEXT("x"))), "x");
    assert_int_equal(text_trim(guard_copy(TEXT(" \t \t"))).len, 0);
    assert_int_equal(text_trim(guard_copy(TEXT(""))).len, 0);
    /* OWS is SP and HTAB alone. */
    assert_text(text_trim(guard_copy(TEXT("\r\nx\v"))), "\r\nx\v");
}

static void test_find(void **state)
{
    struct text t = guard_copy(TEXT("abcabc"));

    (void)state;
    assert_int_equal(text_find(t, 'c', 0), 2);
    assert_int_equal(text_find(t, 'c', 2), 2);
    assert_int_equal(text_find(t, 'c', 3), 5);
    assert_int_equal(text_find(t, 'x', 0), 6);
    assert_int_equal(text_find(t, 'a', 6), 6);
    assert_int_equal(text_find(t, 'a', 99), 6);
    assert_int_equal(text_find(text_make(NULL, 0), 'a', 0), 0);
}

static void split_to(const char *input, const char *expected)
{
    char joined[64];
    struct textbuf b;
    struct text rest = guard_copy(text_of(input));
    struct text part;

    textbuf_init(&b, joined, sizeof(joined));
    while (text_split(&rest, ',', &part)) {
        textbuf_putc(&b, '<');
        textbuf_put(&b, part);
        textbuf_putc(&b, '>');
    }
    assert_string_equal(textbuf_z(&b), expected);
}

static void test_split(void **state)
{
    struct text none = {NULL, 0};
    struct text part;

    (void)state;
    split_to("a,,b", "<a><><b>");
    split_to("a,", "<a><>");
    split_to(",", "<><>");
    split_to("abc", "<abc>");
    split_to("", "<>");
    assert_false(text_split(&none, ',', &part));
}

static void test_decimal(void **state)
{
    static const char *const bad[] = {
        "", "-1", "+1", " 1", "1 ", "1a", "0x1", "18446744073709551616", "99999999999999999999999", ":", "/"};
    uint64_t value = 7;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_false(text_to_u64(guard_copy(text_of(bad[i])), UINT64_MAX, &value));
    assert_int_equal(value, 7);
    assert_true(text_to_u64(guard_copy(TEXT("18446744073709551615")), UINT64_MAX, &value));
    assert_true(value == UINT64_MAX);
    assert_true(text_to_u64(guard_copy(TEXT("000000000000000000000000000042")), UINT64_MAX, &value));
    assert_int_equal(value, 42);
    assert_true(text_to_u64(TEXT("0"), 0, &value));
    assert_int_equal(value, 0);
    /* Every bound is exact. */
    for (uint64_t max = 0; max < 130; max++) {
        for (uint64_t n = 0; n < 140; n++) {
            char digits[8];
            int len = snprintf(digits, sizeof(digits), "%u", (unsigned)n);

            assert_int_equal(text_to_u64(text_make(digits, (size_t)len), max, &value), n <= max);
            if (n <= max)
                assert_true(value == n);
        }
    }
}

static void test_hex(void **state)
{
    static const char *const bad[] = {"", "g", "0x1", "-1", " a", "a ", "10000000000000000", "@", "`", "G"};
    uint64_t value = 7;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_false(text_hex_to_u64(guard_copy(text_of(bad[i])), UINT64_MAX, &value));
    assert_int_equal(value, 7);
    assert_true(text_hex_to_u64(guard_copy(TEXT("FfFfFfFffFFFffff")), UINT64_MAX, &value));
    assert_true(value == UINT64_MAX);
    assert_true(text_hex_to_u64(TEXT("00000000000000000000001aB"), UINT64_MAX, &value));
    assert_int_equal(value, 0x1ab);
    for (uint64_t max = 0; max < 300; max += 7) {
        for (uint64_t n = 0; n < 300; n++) {
            char digits[8];
            int len = snprintf(digits, sizeof(digits), "%x", (unsigned)n);

            assert_int_equal(text_hex_to_u64(text_make(digits, (size_t)len), max, &value), n <= max);
        }
    }
}

static void test_token(void **state)
{
    static const char others[] = "!#$%&'*+-.^_`|~";

    (void)state;
    for (int c = 0; c < 256; c++) {
        bool alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        bool expected = alnum || (c != 0 && strchr(others, c) != NULL);

        assert_int_equal(text_is_tchar((char)c), expected);
    }
    assert_true(text_is_token(guard_copy(TEXT("GET"))));
    assert_false(text_is_token(guard_copy(TEXT(""))));
    assert_false(text_is_token(guard_copy(TEXT("a b"))));
    assert_false(text_is_token(guard_copy(TEXT("a:"))));
    assert_false(text_is_token(guard_copy(TEXT("a\0"))));
}

/* The buffer is a prefix of all that was put, for every capacity; nothing is written behind it. */
static void test_prefix(void **state)
{
    static const char whole[] = "abc-12345678901234567890-0-ffffffffffffffff-z";

    (void)state;
    for (size_t cap = 0; cap <= sizeof(whole); cap++) {
        struct text storage = guard_copy(text_make(whole, cap));
        struct textbuf b;

        memset((char *)(uintptr_t)storage.ptr, '?', cap);
        textbuf_init(&b, (char *)(uintptr_t)storage.ptr, cap);
        textbuf_put(&b, TEXT("ab"));
        textbuf_putc(&b, 'c');
        textbuf_putz(&b, "-");
        textbuf_put_u64(&b, 12345678901234567890u);
        textbuf_put(&b, TEXT("-"));
        textbuf_put_u64(&b, 0);
        textbuf_put(&b, TEXT(""));
        textbuf_put(&b, TEXT("-"));
        textbuf_put_hex(&b, UINT64_MAX);
        textbuf_put(&b, TEXT("-z"));
        assert_int_equal(b.len, min_size(cap, sizeof(whole) - 1));
        assert_int_equal(b.full, cap < sizeof(whole) - 1);
        assert_true(text_eq(textbuf_text(&b), text_make(whole, b.len)));
    }
}

/* Once something was cut off, nothing shorter slips in behind the gap. */
static void test_full_stays(void **state)
{
    char storage[8];
    struct textbuf b;

    (void)state;
    textbuf_init(&b, storage, sizeof(storage));
    textbuf_printf(&b, "%s", "abc");
    textbuf_printf(&b, "%s", "defghijk");
    assert_true(b.full);
    assert_int_equal(b.len, 7);
    textbuf_putc(&b, '!');
    textbuf_put(&b, TEXT("!"));
    textbuf_put_u64(&b, 1);
    textbuf_printf(&b, "!");
    assert_text(textbuf_text(&b), "abcdefg");
}

static void test_printf(void **state)
{
    char storage[64];
    struct textbuf b;

    (void)state;
    textbuf_init(&b, storage, sizeof(storage));
    textbuf_printf(&b, "%s %d %5u|%x %c %llu %zu%%", "s", -1, 42u, 255u, 'c', 18446744073709551615ull, (size_t)9);
    textbuf_printf(&b, "%.*s", TEXT_ARG(text_first(TEXT("cut off"), 3)));
    assert_string_equal(textbuf_z(&b), "s -1    42|ff c 18446744073709551615 9%cut");
    assert_false(b.full);
    textbuf_init(&b, storage, 3);
    textbuf_printf(&b, "%s", "ab");
    assert_false(b.full);
    assert_text(textbuf_text(&b), "ab");
    textbuf_printf(&b, "%s", "");
    assert_false(b.full);
    textbuf_init(&b, storage, 3); /* the NUL of vsnprintf has no room */
    textbuf_printf(&b, "%s", "abc");
    assert_true(b.full);
    assert_text(textbuf_text(&b), "ab");
    textbuf_init(&b, storage, 0);
    textbuf_printf(&b, "x");
    assert_true(b.full);
}

static void test_z(void **state)
{
    char storage[4];
    struct textbuf b;

    (void)state;
    textbuf_init(&b, storage, sizeof(storage));
    textbuf_putz(&b, "abc");
    assert_string_equal(textbuf_z(&b), "abc");
    assert_false(b.full);
    textbuf_putc(&b, 'd');
    assert_false(b.full);
    assert_string_equal(textbuf_z(&b), "abc");
    assert_true(b.full);
    assert_int_equal(b.len, 3);
}

static void test_numbers(void **state)
{
    static const uint64_t values[] = {0,           1,           9,           10,           99,        100,
                                      4294967295u, 4294967296u, 4294967299u, 42949672960u, UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        char storage[32], expected[32];
        struct textbuf b;

        textbuf_init(&b, storage, sizeof(storage));
        textbuf_put_u64(&b, values[i]);
        snprintf(expected, sizeof(expected), "%llu", (unsigned long long)values[i]);
        assert_string_equal(textbuf_z(&b), expected);
        textbuf_init(&b, storage, sizeof(storage));
        textbuf_put_hex(&b, values[i]);
        snprintf(expected, sizeof(expected), "%llx", (unsigned long long)values[i]);
        assert_string_equal(textbuf_z(&b), expected);
    }
}

/* Around each power of ten, with every room that may be left: all digits, or the first ones and `full`. */
static void test_number_borders(void **state)
{
    uint64_t power = 1;

    (void)state;
    for (unsigned digits = 1; digits <= 20; digits++, power *= 10) {
        for (uint64_t value = power - 1; value <= power; value++) {
            char expected[32];
            size_t len = (size_t)snprintf(expected, sizeof(expected), "%llu", (unsigned long long)value);

            for (size_t cap = 0; cap <= len + 10; cap++) {
                struct text storage = guard_copy(text_first(TEXT("??????????????????????????????"), cap));
                struct textbuf b;

                textbuf_init(&b, (char *)(uintptr_t)storage.ptr, cap);
                textbuf_put_u64(&b, value);
                assert_int_equal(b.len, min_size(cap, len));
                assert_int_equal(b.full, cap < len);
                assert_true(text_eq(textbuf_text(&b), text_make(expected, b.len)));
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_number_borders),
        cmocka_unit_test(test_slices),
        cmocka_unit_test(test_case),
        cmocka_unit_test(test_trim),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_decimal),
        cmocka_unit_test(test_hex),
        cmocka_unit_test(test_token),
        cmocka_unit_test(test_prefix),
        cmocka_unit_test(test_full_stays),
        cmocka_unit_test(test_printf),
        cmocka_unit_test(test_z),
        cmocka_unit_test(test_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
