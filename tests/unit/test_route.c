/* Tests of routes: which paths a prefix matches, which line wins, which is hidden. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "guard.h"
#include "proxy/backend.h"
#include "proxy/route.h"

/* Prefix, path, bytes matched. The first block is what httpd's alias_match answers. */
static const struct {
    struct text prefix, path;
    size_t matched;
} cases[] = {
    {TEXT_INIT("/app"), TEXT_INIT("/app"), 4},
    {TEXT_INIT("/app"), TEXT_INIT("/app/"), 4},
    {TEXT_INIT("/app"), TEXT_INIT("/app/x"), 4},
    {TEXT_INIT("/app"), TEXT_INIT("/apple"), 0},
    {TEXT_INIT("/app"), TEXT_INIT("/ap"), 0},
    {TEXT_INIT("/app"), TEXT_INIT("/"), 0},
    {TEXT_INIT("/app"), TEXT_INIT("/App"), 0},
    {TEXT_INIT("/app"), TEXT_INIT(""), 0},
    {TEXT_INIT("/app"), TEXT_INIT("//app/x"), 5},
    {TEXT_INIT("/app"), TEXT_INIT("///app"), 6},
    {TEXT_INIT("/app/"), TEXT_INIT("/app"), 0},
    {TEXT_INIT("/app/"), TEXT_INIT("/app/"), 5},
    {TEXT_INIT("/app/"), TEXT_INIT("/app/x"), 5},
    {TEXT_INIT("/app/"), TEXT_INIT("/app//x"), 6},
    {TEXT_INIT("/app//"), TEXT_INIT("/app/x"), 5},
    {TEXT_INIT("/app/"), TEXT_INIT("/apple/"), 0},
    {TEXT_INIT("//a//b"), TEXT_INIT("/a/b/c"), 4},
    {TEXT_INIT("/a/b"), TEXT_INIT("/a///b/c"), 6},
    {TEXT_INIT("/a/b"), TEXT_INIT("/ab"), 0},
    {TEXT_INIT("/"), TEXT_INIT("/"), 1},
    {TEXT_INIT("/"), TEXT_INIT("/x"), 1},
    {TEXT_INIT("/"), TEXT_INIT("//x"), 2},
    {TEXT_INIT("/"), TEXT_INIT("*"), 0},
    {TEXT_INIT(""), TEXT_INIT("/"), 0},
    /* percent-encoding: the same path for the backend, so the same for us */
    {TEXT_INIT("/app"), TEXT_INIT("/%61pp/x"), 6},
    {TEXT_INIT("/app"), TEXT_INIT("/%61%70%70"), 10},
    {TEXT_INIT("/a b"), TEXT_INIT("/a%20b/c"), 6},
    {TEXT_INIT("/a%20b"), TEXT_INIT("/a%20b/c"), 6},
    {TEXT_INIT("/a%c3%a4"), TEXT_INIT("/a%C3%A4"), 8},
    {TEXT_INIT("/app"), TEXT_INIT("/app%"), 0},
    {TEXT_INIT("/app"), TEXT_INIT("/app%2"), 0},
    {TEXT_INIT("/app"), TEXT_INIT("/ap%7"), 0},
    /* an encoded slash is no border */
    {TEXT_INIT("/app"), TEXT_INIT("/app%2Fx"), 0},
    {TEXT_INIT("/app/x"), TEXT_INIT("/app%2fx"), 0},
    {TEXT_INIT("/app"), TEXT_INIT("%2Fapp"), 0},
    {TEXT_INIT("/a%00"), TEXT_INIT("/a%2F"), 0},
};

static void test_match(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        size_t matched = route_match(cases[i].prefix, guard_copy(cases[i].path));

        if (matched != cases[i].matched)
            fail_msg("%.*s matches %zu of %.*s, not %zu", TEXT_ARG(cases[i].prefix), matched, TEXT_ARG(cases[i].path),
                     cases[i].matched);
        /* A prefix that ends at a page nobody may read. */
        assert_int_equal(route_match(guard_copy(cases[i].prefix), cases[i].path), cases[i].matched);
    }
}

static struct backend one, two;

static void add(struct route_table *table, struct text prefix, struct backend *backend)
{
    table->routes[table->count++] = (struct route){.prefix = prefix, .backend = backend};
}

static const struct route *find(const struct route_table *table, struct text path)
{
    size_t matched;

    return route_find(table, guard_copy(path), &matched);
}

static void test_first_wins(void **state)
{
    static struct route_table table;
    size_t matched = 77;

    (void)state;
    assert_null(find(&table, TEXT("/")));
    add(&table, TEXT("/app/private"), NULL);
    add(&table, TEXT("/app"), &one);
    add(&table, TEXT("/app/x"), &two);
    add(&table, TEXT("/"), &two);
    assert_ptr_equal(find(&table, TEXT("/app")), &table.routes[1]);
    assert_ptr_equal(find(&table, TEXT("/app/x")), &table.routes[1]);
    assert_ptr_equal(find(&table, TEXT("/apple")), &table.routes[3]);
    assert_ptr_equal(find(&table, TEXT("/app/privateer")), &table.routes[1]);
    assert_ptr_equal(route_find(&table, TEXT("//app//y"), &matched), &table.routes[1]);
    assert_int_equal(matched, 5);
    /* OPTIONS * */
    assert_ptr_equal(find(&table, TEXT("*")), &table.routes[3]);
    table.count = 3;
    assert_null(find(&table, TEXT("*")));
    assert_null(find(&table, TEXT("/other")));
}

/* However the path is spelt: what a backend could read as an excluded path is excluded. */
static void test_exclusion(void **state)
{
    static const struct text refused[] = {
        TEXT_INIT("/app/private"),         TEXT_INIT("/app/private/"),        TEXT_INIT("/app/private/x"),
        TEXT_INIT("//app///private/x"),    TEXT_INIT("/app/%70rivate"),       TEXT_INIT("/app/privat%65/x"),
        TEXT_INIT("/app%2Fprivate"),       TEXT_INIT("/app/private%2Fx"),     TEXT_INIT("/app%2f%2Fprivate%2fx"),
        TEXT_INIT("/app/%2Fprivate%2f"),   TEXT_INIT("/%61pp/%2F/%70rivate"), TEXT_INIT("/app/private;x"),
        TEXT_INIT("/app;v=1/private;w/x"), TEXT_INIT("/app%3bv/private%3B"),  TEXT_INIT("/;/app/private"),
    };
    static struct route_table table;

    (void)state;
    add(&table, TEXT("/app/private"), NULL);
    add(&table, TEXT("/"), &one);
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
        if (find(&table, refused[i]) != NULL)
            fail_msg("%.*s is not excluded", TEXT_ARG(refused[i]));
    assert_non_null(find(&table, TEXT("/app/private2")));
    assert_non_null(find(&table, TEXT("/app/private%32")));
    assert_non_null(find(&table, TEXT("/app")));
    assert_non_null(find(&table, TEXT("/app;/privat")));
    assert_non_null(find(&table, TEXT("/x;/app/private")));
}

static void test_hidden(void **state)
{
    static const struct {
        struct text earlier, later;
        bool hidden;
    } pairs[] = {
        {TEXT_INIT("/"), TEXT_INIT("/app"), true},       {TEXT_INIT("/app"), TEXT_INIT("/"), false},
        {TEXT_INIT("/app"), TEXT_INIT("/app"), true},    {TEXT_INIT("/app"), TEXT_INIT("/app/"), true},
        {TEXT_INIT("/app/"), TEXT_INIT("/app"), false},  {TEXT_INIT("/app"), TEXT_INIT("/app/x"), true},
        {TEXT_INIT("/app"), TEXT_INIT("/apple"), false}, {TEXT_INIT("/app/x"), TEXT_INIT("/app"), false},
        {TEXT_INIT("//app"), TEXT_INIT("/app/"), true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
        struct route_table table = {.count = 0};

        add(&table, TEXT("/elsewhere"), &one);
        add(&table, pairs[i].earlier, i % 2 ? &one : NULL);
        add(&table, pairs[i].later, &two);
        assert_ptr_equal(route_hidden_by(&table, 2), pairs[i].hidden ? &table.routes[1] : NULL);
        assert_null(route_hidden_by(&table, 0));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_match),
        cmocka_unit_test(test_first_wins),
        cmocka_unit_test(test_exclusion),
        cmocka_unit_test(test_hidden),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
