/* Tests of pools. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/pool.h"
#include "panics.h"
#include "port_stub.h"

struct thing {
    char bytes[40];
};

#define THINGS 7
POOL(thing, struct thing, THINGS);
POOL(letter, char, 3); /* smaller than the link of a free item */
POOL(unused, struct thing, 2);

static bool pool_registered(const struct pool *wanted)
{
    unsigned times = 0;

    for (struct pool *pool = pool_next(NULL); pool != NULL; pool = pool_next(pool))
        times += pool == wanted;
    assert_true(times <= 1);
    return times == 1;
}

static void test_take_all(void **state)
{
    struct thing *things[THINGS];

    (void)state;
    assert_false(pool_registered(&thing_pool));
    for (unsigned i = 0; i < THINGS; i++) {
        things[i] = pool_take(&thing_pool);
        assert_non_null(things[i]);
        assert_int_equal((uintptr_t)things[i] % sizeof(void *), 0);
        assert_int_equal(pool_index(&thing_pool, things[i]), i);
        memset(things[i], (int)i, sizeof(*things[i]));
    }
    assert_true(pool_registered(&thing_pool));
    assert_false(pool_registered(&unused_pool));
    assert_null(pool_take(&thing_pool));
    assert_null(pool_take(&thing_pool));
    assert_int_equal(thing_pool.refused, 2);
    assert_int_equal(thing_pool.used, THINGS);
    for (unsigned i = 0; i < THINGS; i++)
        for (size_t k = 0; k < sizeof(things[i]->bytes); k++)
            assert_int_equal(things[i]->bytes[k], i);
    for (unsigned i = 0; i < THINGS; i++)
        pool_give(&thing_pool, things[i]);
    assert_int_equal(thing_pool.used, 0);
    assert_int_equal(thing_pool.peak, THINGS);
    assert_int_equal(pool_total_used(), 0);
}

/* The last one given is the first one taken, and fresh storage is not touched before all given ones are in use. */
static void test_reuse(void **state)
{
    char *a = pool_take(&letter_pool);
    char *b = pool_take(&letter_pool);

    (void)state;
    pool_give(&letter_pool, a);
    pool_give(&letter_pool, b);
    assert_ptr_equal(pool_take(&letter_pool), b);
    assert_ptr_equal(pool_take(&letter_pool), a);
    assert_int_equal(letter_pool.fresh, 2);
    assert_int_equal(pool_total_used(), 2);
    pool_give(&letter_pool, b);
    pool_give(&letter_pool, a);
    a = pool_take(&letter_pool);
    assert_int_equal(letter_pool.peak, 2); /* the most ever, not the last */
    pool_give(&letter_pool, a);
    assert_int_equal(pool_total_used(), 0);
}

/* Random taking and giving against a map of what is out. */
static void test_random(void **state)
{
    struct thing *out[THINGS];
    unsigned count = 0;

    (void)state;
    stub_seed(1);
    for (unsigned i = 0; i < 20000; i++) {
        if (stub_chance(2) == 0) {
            struct thing *t = pool_take(&thing_pool);

            assert_int_equal(t == NULL, count == THINGS);
            for (unsigned k = 0; k < count; k++)
                assert_ptr_not_equal(out[k], t);
            if (t != NULL)
                out[count++] = t;
        } else if (count > 0) {
            unsigned at = stub_chance(count);

            pool_give(&thing_pool, out[at]);
            out[at] = out[--count];
        }
        assert_int_equal(thing_pool.used, count);
    }
    while (count > 0)
        pool_give(&thing_pool, out[--count]);
    assert_int_equal(pool_total_used(), 0);
}

static void give_elsewhere(void)
{
    static struct thing other;

    pool_give(&thing_pool, &other);
}

static void give_middle(void)
{
    struct thing *t = pool_take(&thing_pool);

    pool_give(&thing_pool, &t->bytes[8]);
}

static void give_never_taken(void)
{
    pool_give(&unused_pool, unused_pool_storage);
}

static void give_twice(void)
{
    struct thing *a = pool_take(&thing_pool);
    struct thing *b = pool_take(&thing_pool);
    struct thing *c = pool_take(&thing_pool);

    pool_give(&thing_pool, a);
    pool_give(&thing_pool, b);
    (void)c;
    pool_give(&thing_pool, a);
}

static void test_bugs_panic(void **state)
{
    (void)state;
    assert_true(panics(give_elsewhere, "thing: an item of elsewhere"));
    assert_true(panics(give_middle, "thing: an item of elsewhere"));
    assert_true(panics(give_never_taken, "never taken"));
    if (IS_ENABLED(CONFIG_POISON))
        assert_true(panics(give_twice, "given back twice"));
    assert_int_equal(pool_total_used(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_take_all),
        cmocka_unit_test(test_reuse),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_bugs_panic),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
