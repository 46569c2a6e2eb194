/* Tests of heads in memory: storage, sections, fields, and methods. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "http/head.h"

#define assert_text(t, literal) assert_true(text_eq(t, TEXT(literal)))

static struct head head;
static char storage[256];

static int setup(void **state)
{
    (void)state;
    memset(&head, 0xa5, sizeof(head)); /* head_init must not count on zeroes */
    memset(storage, '#', sizeof(storage));
    head_init(&head, storage, sizeof(storage));
    return 0;
}

static void test_init(void **state)
{
    static char large[70000];

    (void)state;
    assert_int_equal(head.cap, sizeof(storage));
    assert_int_equal(head.used, 0);
    assert_int_equal(head.method_id, METHOD_OTHER);
    assert_int_equal(head_text(&head, head.path).len, 0);
    assert_null(head_last(&head));
    head_init(&head, large, sizeof(large));
    assert_int_equal(head.cap, 65535);
}

static void test_fields(void **state)
{
    struct section *section = head_begin(&head, SECTION_FINAL, 200);
    unsigned seen = 0;

    (void)state;
    assert_ptr_equal(head_last(&head), section);
    assert_int_equal(section->kind, SECTION_FINAL);
    assert_int_equal(section->status, 200);
    assert_true(head_add(&head, TEXT("server"), TEXT("x")));
    assert_true(head_add_id(&head, FIELD_SET_COOKIE, TEXT("a=1")));
    assert_true(head_add(&head, TEXT("x-empty"), text_make(NULL, 0)));
    assert_true(head_add_id(&head, FIELD_SET_COOKIE, TEXT("b=2")));
    assert_int_equal(section->count, 4);
    assert_int_equal(head.fields[0].id, FIELD_SERVER);
    assert_int_equal(head.fields[2].id, FIELD_OTHER);
    assert_text(field_name_of(&head, &head.fields[1]), "set-cookie");
    assert_text(field_value_of(&head, &head.fields[3]), "b=2");
    assert_text(field_value_of(&head, &head.fields[2]), "");
    assert_text(text_make(head.text, head.used), "server: x\r\nset-cookie: a=1\r\nx-empty: \r\nset-cookie: b=2\r\n");

    assert_ptr_equal(head_find(&head, section, FIELD_SET_COOKIE, NULL), &head.fields[1]);
    assert_ptr_equal(head_find(&head, section, FIELD_SET_COOKIE, &head.fields[1]), &head.fields[3]);
    assert_null(head_find(&head, section, FIELD_SET_COOKIE, &head.fields[3]));
    assert_null(head_find(&head, section, FIELD_DATE, NULL));

    assert_int_equal(head_drop(&head, section, FIELD_SET_COOKIE), 2);
    assert_int_equal(head_drop(&head, section, FIELD_SET_COOKIE), 0);
    assert_null(head_find(&head, section, FIELD_SET_COOKIE, NULL));
    /* Without braces, before an else: the macro is one statement. */
    if (section->count > 0)
        HEAD_EACH(f, &head, section)
    seen += 1U << (f - head.fields);
    else fail();
    assert_int_equal(seen, 1 | 4);
}

/* All dropped, none at all, and a field that is appended during the walk. */
static void test_each(void **state)
{
    struct section *section = head_begin(&head, SECTION_FINAL, 200);
    unsigned seen = 0;

    (void)state;
    HEAD_EACH(f, &head, section)
    fail();
    assert_true(head_add(&head, TEXT("a"), TEXT("")));
    HEAD_EACH(f, &head, section)
    {
        assert_true(head_add(&head, TEXT("b"), TEXT("")));
        seen++;
    }
    assert_int_equal(seen, 1);
    assert_int_equal(section->count, 2);
    head.fields[0].dropped = head.fields[1].dropped = true;
    HEAD_EACH(f, &head, section)
    fail();
}

static void test_replace(void **state)
{
    struct section *section = head_begin(&head, SECTION_FINAL, 302);
    struct field *field;

    (void)state;
    assert_true(head_add_id(&head, FIELD_LOCATION, TEXT("http://b:81/x")));
    field = head_find(&head, section, FIELD_LOCATION, NULL);
    assert_true(head_replace(&head, field, TEXT("/x")));
    assert_text(field_value_of(&head, field), "/x");
    assert_text(field_name_of(&head, field), "location");
    assert_false(head_replace(&head, field, text_make(storage, sizeof(storage))));
    assert_text(field_value_of(&head, field), "/x");
}

/* Nothing changes when a thing does not fit, at every length near the end of the storage. */
static void test_full(void **state)
{
    static char filler[sizeof(storage)];
    struct span span = {7, 7};

    (void)state;
    memset(filler, 'x', sizeof(filler));
    for (size_t room = 0; room < 20; room++) {
        head_init(&head, storage, sizeof(storage) - 1);
        storage[sizeof(storage) - 1] = '!';
        assert_true(head_store(&head, text_make(filler, head.cap - room), &span));
        head_begin(&head, SECTION_FINAL, 200);
        /* "name: value\r\n" has 13 octets. */
        assert_int_equal(head_add(&head, TEXT("name"), TEXT("value")), room >= 13);
        assert_int_equal(head.field_count, room >= 13);
        assert_int_equal(head.used, head.cap - (room >= 13 ? room - 13 : room));
        assert_int_equal(storage[sizeof(storage) - 1], '!');
    }
    assert_false(head_add(&head, TEXT("x"), text_make(filler, SIZE_MAX - 2)));
    assert_false(head_store(&head, text_make(filler, SIZE_MAX), &span));
    head_init(&head, storage, 4);
    span = (struct span){7, 7};
    assert_false(head_store(&head, TEXT("12345"), &span));
    assert_int_equal(span.at, 7);
    assert_true(head_store(&head, TEXT("1234"), &span));
    assert_int_equal(span.at, 0);
    assert_int_equal(span.len, 4);
    assert_true(head_store(&head, text_make(NULL, 0), &span));
    assert_int_equal(span.at, 4);
    assert_int_equal(span.len, 0);
}

static void test_index_full(void **state)
{
    struct section *section = head_begin(&head, SECTION_FINAL, 200);
    struct span name, value = {0, 0};

    (void)state;
    assert_true(head_store(&head, TEXT("te"), &name));
    for (unsigned i = 0; i < CONFIG_HEAD_FIELDS; i++)
        assert_true(head_add_span(&head, name, value));
    assert_int_equal(section->count, CONFIG_HEAD_FIELDS);
    assert_int_equal(head.fields[CONFIG_HEAD_FIELDS - 1].id, FIELD_TE);
    assert_false(head_add_span(&head, name, value));
    assert_false(head_add(&head, TEXT("a"), TEXT("")));
    assert_false(head_add_id(&head, FIELD_TE, TEXT("")));
    assert_int_equal(section->count, CONFIG_HEAD_FIELDS);
    assert_int_equal(head.used, 2);
}

/* A response: the storage starts anew when all sections have been passed on, and not before. */
static void test_response_sections(void **state)
{
    (void)state;
    for (int i = 0; i < HEAD_SECTIONS; i++)
        assert_non_null(head_begin(&head, SECTION_INTERIM, 103));
    assert_null(head_begin(&head, SECTION_FINAL, 200));
    head.section_sent = HEAD_SECTIONS - 1;
    assert_null(head_begin(&head, SECTION_FINAL, 200));
    assert_true(head_add(&head, TEXT("link"), TEXT("x")));
    head.section_sent = HEAD_SECTIONS;
    assert_ptr_equal(head_begin(&head, SECTION_FINAL, 200), &head.sections[0]);
    assert_int_equal(head.section_sent, 0);
    assert_int_equal(head.used, 0);
    assert_int_equal(head.field_count, 0);
    assert_true(head_add(&head, TEXT("a"), TEXT("b")));
    assert_int_equal(head.sections[0].count, 1);
    /* The head is on its way, the trailers come: two sections. */
    assert_ptr_equal(head_begin(&head, SECTION_TRAILERS, 0), &head.sections[1]);
    assert_int_equal(head.sections[1].first, 1);
    assert_text(field_value_of(&head, &head.fields[0]), "b");
}

/* A request: what stands in the storage stays, whatever was passed on. */
static void test_request_sections(void **state)
{
    (void)state;
    assert_non_null(head_begin(&head, SECTION_REQUEST, 0));
    assert_true(head_add(&head, TEXT("a"), TEXT("b")));
    head.section_sent = 1;
    assert_ptr_equal(head_begin(&head, SECTION_TRAILERS, 0), &head.sections[1]);
    assert_int_equal(head.section_sent, 1);
    assert_true(head_add(&head, TEXT("c"), TEXT("d")));
    assert_text(field_value_of(&head, &head.fields[0]), "b");
    head.section_sent = 2;
    assert_ptr_equal(head_begin(&head, SECTION_TRAILERS, 0), &head.sections[2]);
    head_clear(&head);
    assert_int_equal(head.section_count, 0);
    assert_int_equal(head.used, 0);
    assert_ptr_equal(head.text, storage);
}

static void test_methods(void **state)
{
    static const struct {
        struct text name;
        enum method method;
        bool idempotent;
    } cases[] = {
        {TEXT_INIT("GET"), METHOD_GET, true},        {TEXT_INIT("HEAD"), METHOD_HEAD, true},
        {TEXT_INIT("POST"), METHOD_POST, false},     {TEXT_INIT("PUT"), METHOD_PUT, true},
        {TEXT_INIT("DELETE"), METHOD_DELETE, true},  {TEXT_INIT("OPTIONS"), METHOD_OPTIONS, true},
        {TEXT_INIT("PATCH"), METHOD_PATCH, false},   {TEXT_INIT("CONNECT"), METHOD_CONNECT, false},
        {TEXT_INIT("TRACE"), METHOD_TRACE, true},    {TEXT_INIT("get"), METHOD_OTHER, false},
        {TEXT_INIT("GEX"), METHOD_OTHER, false},     {TEXT_INIT("PUX"), METHOD_OTHER, false},
        {TEXT_INIT("HEAX"), METHOD_OTHER, false},    {TEXT_INIT("LOCK"), METHOD_OTHER, false},
        {TEXT_INIT("PATCX"), METHOD_OTHER, false},   {TEXT_INIT("MERGE"), METHOD_OTHER, false},
        {TEXT_INIT("DELETX"), METHOD_OTHER, false},  {TEXT_INIT("OPTIONX"), METHOD_OTHER, false},
        {TEXT_INIT("CONNECX"), METHOD_OTHER, false}, {TEXT_INIT("PROPFIND"), METHOD_OTHER, false},
        {TEXT_INIT("G"), METHOD_OTHER, false},       {TEXT_INIT(""), METHOD_OTHER, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(method_lookup(cases[i].name), cases[i].method);
        assert_int_equal(method_idempotent(cases[i].method), cases[i].idempotent);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_init, setup),
        cmocka_unit_test_setup(test_fields, setup),
        cmocka_unit_test_setup(test_each, setup),
        cmocka_unit_test_setup(test_replace, setup),
        cmocka_unit_test_setup(test_full, setup),
        cmocka_unit_test_setup(test_index_full, setup),
        cmocka_unit_test_setup(test_response_sections, setup),
        cmocka_unit_test_setup(test_request_sections, setup),
        cmocka_unit_test(test_methods),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
