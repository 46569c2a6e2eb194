/* Tests of field names, their rules, values and lists. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "guard.h"
#include "http/field.h"

#define assert_text(t, literal) assert_true(text_eq(t, TEXT(literal)))

/* Every known name is found, and nothing that differs from it in one byte or in length. */
static void test_lookup(void **state)
{
    char near[64];

    (void)state;
    for (unsigned id = FIELD_OTHER + 1; id < FIELD_IDS; id++) {
        struct text name = field_name((enum field_id)id);

        assert_true(name.len > 0 && name.len < sizeof(near));
        assert_int_equal(field_lookup(guard_copy(name)), id);
        assert_int_equal(field_lookup(guard_copy(text_first(name, name.len - 1))), FIELD_OTHER);
        memcpy(near, name.ptr, name.len);
        near[name.len] = name.ptr[name.len - 1];
        assert_int_equal(field_lookup(guard_copy(text_make(near, name.len + 1))), FIELD_OTHER);
        for (size_t i = 0; i < name.len; i++) {
            near[i] = (char)(near[i] ^ 1);
            assert_int_equal(field_lookup(guard_copy(text_make(near, name.len))), FIELD_OTHER);
            near[i] = (char)(near[i] ^ 1);
        }
    }
    assert_int_equal(field_lookup(guard_copy(TEXT(""))), FIELD_OTHER);
    assert_int_equal(field_lookup(text_make(NULL, 0)), FIELD_OTHER);
    assert_int_equal(field_lookup(TEXT("accept")), FIELD_OTHER);
    assert_int_equal(field_lookup(TEXT("\xff\xff")), FIELD_OTHER);
    assert_int_equal(field_lookup(TEXT("host")), FIELD_HOST);
    assert_int_equal(field_name(FIELD_OTHER).len, 0);
    assert_int_equal(field_name(FIELD_IDS).len, 0);
    assert_text(field_name(FIELD_X_FORWARDED_PROTO), "x-forwarded-proto");
}

static void test_rules(void **state)
{
    static const char hop[] = "connection http2-settings keep-alive proxy-connection te transfer-encoding upgrade ";
    static const char single[] = "authorization content-length host ";
    static const char in_trailers[] = "link server ";
    char found_hop[200] = "", found_single[200] = "", found_trailer[200] = "";

    (void)state;
    for (unsigned id = FIELD_OTHER + 1; id < FIELD_IDS; id++) {
        unsigned rules = field_rules((enum field_id)id);
        struct text name = field_name((enum field_id)id);

        if ((rules & FIELD_HOP) != 0)
            strncat(strncat(found_hop, name.ptr, name.len), " ", 2);
        if ((rules & FIELD_SINGLE) != 0)
            strncat(strncat(found_single, name.ptr, name.len), " ", 2);
        if ((rules & FIELD_NO_TRAILER) == 0)
            strncat(strncat(found_trailer, name.ptr, name.len), " ", 2);
    }
    assert_string_equal(found_hop, hop);
    assert_string_equal(found_single, single);
    assert_string_equal(found_trailer, in_trailers);
    assert_int_equal(field_rules(FIELD_OTHER), 0);
    assert_int_equal(field_rules(FIELD_IDS), 0);
}

/* The table is text_is_tchar and text_lower in one. */
static void test_name_table(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        char expected = (char)(text_is_tchar((char)c) ? text_lower((char)c) : 0);

        assert_int_equal((char)field_name_table[c], expected);
    }
}

/* Each byte at each place of values that are shorter and longer than a machine word. */
static void test_values(void **state)
{
    char value[40];

    (void)state;
    for (size_t len = 1; len < sizeof(value); len++) {
        for (size_t at = 0; at < len; at++) {
            memset(value, 'x', len);
            for (int c = 0; c < 256; c++) {
                bool control = (c < 0x20 && c != '\t') || c == 0x7f;
                bool blank = (c == ' ' || c == '\t') && (at == 0 || at == len - 1);
                struct text t;

                value[at] = (char)c;
                t = guard_copy(text_make(value, len));
                assert_int_equal(field_value_ok(t), !control && !blank);
                assert_ptr_equal(field_value_end(t.ptr, t.ptr + len), t.ptr + (control ? at : len));
            }
        }
    }
    assert_true(field_value_ok(TEXT("")));
    assert_true(field_value_ok(text_make(NULL, 0)));
    /* The first control byte counts, also behind tabs. */
    assert_false(field_value_ok(TEXT("a\tb\tc\td\te\tf\tg\th\ti\x01j\tk\x7fl")));
    assert_true(field_value_ok(TEXT("a\tb\tc\td\te\tf\tg\th\ti \xff\x80\t~")));
}

/* Takes a list to pieces and joins them with '|'. */
static void list_to(const char *list, const char *expected)
{
    struct text rest = guard_copy(text_of(list)), element;
    struct textbuf b;
    char joined[200];

    textbuf_init(&b, joined, sizeof(joined));
    while (field_list_next(&rest, &element)) {
        textbuf_put(&b, element);
        textbuf_putc(&b, '|');
    }
    assert_string_equal(textbuf_z(&b), expected);
    assert_false(field_list_next(&rest, &element));
}

static void test_lists(void **state)
{
    (void)state;
    list_to("", "");
    list_to(" ,\t, ", "");
    list_to("a", "a|");
    list_to(" a , b,c\t", "a|b|c|");
    list_to("a,,b, ,", "a|b|");
    list_to("a;q=\"1,2\", b", "a;q=\"1,2\"|b|");
    list_to("\"a\\\",b\",c", "\"a\\\",b\"|c|");
    list_to("a\\,b", "a\\|b|"); /* a backslash counts in quotes only */
    list_to("\"open, x", "\"open, x|");
    list_to("\"end\\", "\"end\\|");
}

static void test_list_has(void **state)
{
    (void)state;
    assert_true(field_list_has(guard_copy(TEXT("keep-alive, Close")), TEXT("close")));
    assert_true(field_list_has(TEXT("trailers;q=0.5"), TEXT("trailers")));
    assert_true(field_list_has(TEXT("gzip, trailers ;q=0.5"), TEXT("trailers")));
    assert_false(field_list_has(TEXT("closed, xclose, clos"), TEXT("close")));
    assert_false(field_list_has(TEXT("a=\"x, close\""), TEXT("close")));
    assert_false(field_list_has(TEXT(""), TEXT("close")));
    assert_false(field_list_has(text_make(NULL, 0), TEXT("close")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lookup), cmocka_unit_test(test_rules), cmocka_unit_test(test_name_table),
        cmocka_unit_test(test_values), cmocka_unit_test(test_lists), cmocka_unit_test(test_list_has),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
