/* Header and RequestHeader: rules applied to heads. */
#include "proxy/header_edit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#if IS_ENABLED(CONFIG_HEADER_EDIT)

static char storage[4096];
static struct head head;
static struct header_rules rules;

static void rule(enum header_op op, bool request, bool always, const char *name, const char *value)
{
    rules.rules[rules.count++] = (struct header_rule){
        .op = (uint8_t)op, .request = request, .always = always, .name = text_of(name), .value = text_of(value)};
}

static void begin(enum section_kind kind)
{
    memset(&rules, 0, sizeof(rules));
    head_init(&head, storage, sizeof(storage));
    assert_non_null(head_begin(&head, kind, kind == SECTION_FINAL ? 200 : 0));
    assert_true(head_add(&head, TEXT("x-a"), TEXT("one")));
    assert_true(head_add(&head, TEXT("x-b"), TEXT("two")));
    assert_true(head_add(&head, TEXT("x-a"), TEXT("three")));
}

/* "name=value " of all fields that are left. */
static void assert_fields(const char *wanted)
{
    char shown[512];
    struct textbuf b;

    textbuf_init(&b, shown, sizeof(shown));
    HEAD_EACH(f, &head, head_last(&head))
    {
        textbuf_put(&b, field_name_of(&head, f));
        textbuf_putc(&b, '=');
        textbuf_put(&b, field_value_of(&head, f));
        textbuf_putc(&b, ' ');
    }
    assert_string_equal(textbuf_z(&b), wanted);
}

static void test_operations(void **state)
{
    (void)state;
    begin(SECTION_REQUEST);
    rule(HEADER_SET, true, false, "x-a", "new");
    rule(HEADER_APPEND, true, false, "x-b", "more");
    rule(HEADER_APPEND, true, false, "x-c", "first");
    rule(HEADER_ADD, true, false, "x-b", "again");
    rule(HEADER_SET, false, true, "x-d", "not for requests");
    assert_true(header_edit_request(&head, &rules, NULL));
    assert_fields("x-b=two, more x-a=new x-c=first x-b=again ");
    begin(SECTION_REQUEST);
    rule(HEADER_UNSET, true, false, "x-a", "");
    rule(HEADER_UNSET, true, false, "x-none", "");
    assert_true(header_edit_request(&head, &rules, NULL));
    assert_fields("x-b=two ");
}

static void test_local(void **state)
{
    (void)state;
    begin(SECTION_FINAL);
    rule(HEADER_SET, false, false, "x-a", "backend's");
    rule(HEADER_SET, false, true, "x-c", "always");
    rule(HEADER_SET, true, false, "x-d", "for requests");
    assert_true(header_edit_response(&head, head_last(&head), &rules, NULL, true));
    assert_fields("x-a=one x-b=two x-a=three x-c=always ");
    assert_true(header_edit_response(&head, head_last(&head), &rules, NULL, false));
    assert_fields("x-b=two x-a=backend's x-c=always ");
}

/* A client in clear has no facts: what it sent itself is dropped all the same. */
static void test_facts(void **state)
{
    (void)state;
    begin(SECTION_REQUEST);
    rule(HEADER_SET, true, false, "x-a", "%{SSL_CLIENT_S_DN}s");
    rule(HEADER_SET, true, false, "x-c", "100%% of %{SSL_PROTOCOL}s");
    assert_true(header_edit_request(&head, &rules, NULL));
    assert_fields("x-b=two x-c=100% of ");
}

static void test_formats(void **state)
{
    static const char *const bad[] = {
        "%", "a%", "%t", "%{SSL_CLIENT_S_DN}e", "%{SSL_CLIENT_S_DN}", "%{}s", "%{SSL_X}s", "%{SSL_PROTOCOL"};
    size_t longest;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        if (header_format_ok(text_of(bad[i]), &longest))
            fail_msg("%s", bad[i]);
    }
    assert_true(header_format_ok(TEXT("a%%b"), &longest));
    assert_int_equal(longest, 3);
    assert_true(header_format_ok(TEXT("%{SSL_PROTOCOL}s/%{SSL_CIPHER}s"), &longest));
    assert_true(longest > 1000);
}

/* No room: told, at every size. */
static void test_full(void **state)
{
    (void)state;
    for (size_t cap = 40; cap < 120; cap++) {
        char small[120];
        bool ok;

        begin(SECTION_REQUEST);
        head_init(&head, small, cap);
        assert_non_null(head_begin(&head, SECTION_REQUEST, 0));
        assert_true(head_add(&head, TEXT("x-b"), TEXT("two")));
        rule(HEADER_SET, true, false, "x-a", "0123456789012345678901234567890123456789");
        ok = header_edit_request(&head, &rules, NULL);
        assert_int_equal(ok, cap >= head.used && head.field_count == 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_operations), cmocka_unit_test(test_local),
                                       cmocka_unit_test(test_facts), cmocka_unit_test(test_formats),
                                       cmocka_unit_test(test_full)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
#else
int main(void)
{
    return 0;
}
#endif
