/* Tests of gathering the segments of one write. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/gather.h"
#include "panics.h"
#include "port_stub.h"

/* What a write of all segments would send. */
static struct text sent(const struct gather *g)
{
    static char bytes[CONFIG_OUTPUT_SIZE + 65536];
    size_t len = 0;

    for (unsigned i = 0; i < g->count; i++) {
        assert_true(g->iov[i].len > 0);
        memcpy(bytes + len, g->iov[i].base, g->iov[i].len);
        len += g->iov[i].len;
    }
    assert_int_equal(len, g->total);
    return text_make(bytes, len);
}

static void test_order(void **state)
{
    struct gather *g = gather_begin();

    (void)state;
    assert_int_equal(g->count, 0);
    assert_int_equal(gather_room(g), CONFIG_OUTPUT_SIZE);
    assert_int_equal(gather_segments(g), PORT_IOV_MAX);
    assert_true(gather_put(g, "", 0));
    assert_true(gather_ref(g, NULL, 0));
    assert_int_equal(g->count, 0);
    assert_true(gather_put(g, "ab", 2));
    assert_true(gather_put(g, "cd", 2));
    assert_int_equal(g->count, 1); /* made bytes join */
    assert_true(gather_ref(g, "EF", 2));
    assert_true(gather_ref(g, "GH", 2));
    assert_int_equal(g->count, 3);
    memcpy(gather_space(g), "ij", 2);
    gather_made(g, 2);
    gather_made(g, 0);
    assert_true(gather_put(g, "k", 1));
    assert_int_equal(g->count, 4);
    assert_int_equal(gather_room(g), CONFIG_OUTPUT_SIZE - 7);
    assert_true(text_eq(sent(g), TEXT("abcdEFGHijk")));
    assert_ptr_equal(gather_begin(), g);
    assert_int_equal(g->total, 0);
    assert_int_equal(gather_room(g), CONFIG_OUTPUT_SIZE);
}

static void test_full_buffer(void **state)
{
    static uint8_t big[CONFIG_OUTPUT_SIZE + 1];
    struct gather *g = gather_begin();

    (void)state;
    assert_false(gather_put(g, big, sizeof(big)));
    assert_int_equal(g->total, 0);
    assert_true(gather_put(g, big, sizeof(big) - 1));
    assert_int_equal(gather_room(g), 0);
    assert_false(gather_put(g, big, 1));
    assert_true(gather_put(g, big, 0));
    assert_true(gather_ref(g, "x", 1));
    assert_int_equal(g->total, CONFIG_OUTPUT_SIZE + 1);
}

static void test_full_segments(void **state)
{
    struct gather *g = gather_begin();

    (void)state;
    for (unsigned i = 0; i < PORT_IOV_MAX; i++)
        assert_true(gather_ref(g, "ab", 2));
    assert_int_equal(gather_segments(g), 0);
    assert_int_equal(gather_room(g), 0);
    assert_false(gather_ref(g, "x", 1));
    assert_false(gather_put(g, "x", 1));
    assert_int_equal(g->total, 2 * PORT_IOV_MAX);
    /* The last segment is made: more bytes join it. */
    g = gather_begin();
    for (unsigned i = 0; i < PORT_IOV_MAX - 1; i++)
        assert_true(gather_ref(g, "ab", 2));
    assert_true(gather_put(g, "x", 1));
    assert_int_equal(gather_room(g), CONFIG_OUTPUT_SIZE - 1);
    assert_true(gather_put(g, "y", 1));
    assert_int_equal(g->count, PORT_IOV_MAX);
    assert_false(gather_ref(g, "z", 1));
}

/* The rest behind every partial write is right, and a small place for it is never overrun. */
static void test_rest(void **state)
{
    struct gather *g = gather_begin();
    char rest[32];

    (void)state;
    assert_int_equal(gather_rest(g, 0, rest, sizeof(rest)), 0);
    assert_true(gather_put(g, "abc", 3));
    assert_true(gather_ref(g, "DEFG", 4));
    assert_true(gather_put(g, "h", 1));
    assert_true(gather_ref(g, "IJ", 2));
    for (size_t skip = 0; skip <= 12; skip++) {
        for (size_t cap = 0; cap <= 12; cap++) {
            size_t expected = min_size(skip < 10 ? 10 - skip : 0, cap);

            memset(rest, '?', sizeof(rest));
            assert_int_equal(gather_rest(g, skip, rest, cap), expected);
            if (expected > 0)
                assert_memory_equal(rest, &"abcDEFGhIJ"[skip], expected);
            assert_int_equal(rest[expected], '?');
        }
    }
}

static void make_too_much(void)
{
    gather_made(gather_begin(), CONFIG_OUTPUT_SIZE + 1);
}

static void test_bugs_panic(void **state)
{
    (void)state;
    assert_true(panics(make_too_much, "gather: "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order), cmocka_unit_test(test_full_buffer), cmocka_unit_test(test_full_segments),
        cmocka_unit_test(test_rest),  cmocka_unit_test(test_bugs_panic),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
