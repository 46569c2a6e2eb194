/* Tests of slabs: what was lent can be taken, in any order and however the pieces lie; whole ones only of what is left.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/pool.h"
#include "base/slab.h"
#include "panics.h"
#include "port_stub.h"

#define COUNT (CONFIG_SLABS * SLAB_PIECES)

static void *taken[COUNT]; /* pieces */
static void *wholes[CONFIG_SLABS];
static uint32_t pieces;
static uint32_t whole;
static uint32_t lent;

static uint8_t mark_of(uint32_t i)
{
    return (uint8_t)(i * 7 + i / 251);
}

static void check(void)
{
    assert_int_equal(SLAB_COUNT, COUNT);
    assert_int_equal(slab_lent(), lent);
    assert_int_equal(slab_pieces(), pieces);
    assert_int_equal(slab_left(), COUNT - lent - whole * SLAB_PIECES);
}

static void lend(uint32_t n)
{
    bool ok = n <= COUNT - lent - whole * SLAB_PIECES;

    assert_int_equal(slab_lend(n), ok);
    lent += ok ? n : 0;
}

static void give_back(uint32_t n)
{
    slab_return(n);
    lent -= n;
}

/* Each is filled with a mark of its own, which must still be there when it goes. */
static void take_piece(void)
{
    uint8_t *piece = slab_take_piece();

    assert_non_null(piece);
    assert_true(slab_has(piece));
    assert_int_equal((uintptr_t)piece % sizeof(void *), 0);
    memset(piece, mark_of((uint32_t)(uintptr_t)piece), SLAB_PIECE);
    taken[pieces++] = piece;
}

static void assert_marked(const uint8_t *bytes, size_t n, uint8_t mark)
{
    for (size_t i = 0; i < n; i++)
        if (bytes[i] != mark)
            fail_msg("byte %zu was overwritten", i);
}

static void give_piece(uint32_t which)
{
    void *piece = taken[which];

    taken[which] = taken[--pieces];
    assert_marked(piece, SLAB_PIECE, mark_of((uint32_t)(uintptr_t)piece));
    slab_give_piece(piece);
}

static void take_whole(void)
{
    uint8_t *slab = slab_take();

    if (!slab)
        return;
    assert_true(slab_has(slab));
    assert_int_equal((uintptr_t)slab % 16, 0);
    memset(slab, mark_of((uint32_t)(uintptr_t)slab), SLAB_WHOLE);
    wholes[whole++] = slab;
}

static void give_whole(uint32_t which)
{
    void *slab = wholes[which];

    wholes[which] = wholes[--whole];
    assert_marked(slab, SLAB_WHOLE, mark_of((uint32_t)(uintptr_t)slab));
    slab_give(slab);
}

static void empty(void)
{
    while (pieces > 0)
        give_piece(pieces - 1);
    while (whole > 0)
        give_whole(whole - 1);
    give_back(lent);
    check();
    assert_int_equal(pool_total_used(), 0);
}

/* All that is there is lent, and can be taken; nothing is left for others. What is left over whole ones is not lent. */
static void test_all(void **state)
{
    (void)state;
    lend(COUNT + 1);
    lend(COUNT);
    check();
    take_whole();
    assert_int_equal(whole, 0);
    while (pieces < COUNT)
        take_piece();
    empty();
    for (uint32_t i = 0; i < CONFIG_SLABS; i++)
        take_whole();
    assert_int_equal(whole, CONFIG_SLABS);
    assert_null(slab_take());
    lend(1);
    assert_int_equal(lent, 0);
    empty();
}

/* Pieces that lie scattered over the slabs keep whole ones from being had, but not what was lent. */
static void test_scattered(void **state)
{
    (void)state;
    if (SLAB_PIECES < 2)
        skip();
    lend(COUNT);
    while (pieces < COUNT)
        take_piece();
    for (uint32_t i = COUNT; i-- > 0;)
        if (i % SLAB_PIECES != 0)
            give_piece(i);
    give_back(lent - pieces);
    assert_true(slab_left() >= SLAB_PIECES);
    take_whole();
    assert_int_equal(whole, 0);
    lend(COUNT - lent);
    while (pieces < COUNT)
        take_piece();
    empty();
}

/* A slab whose pieces have all come back is whole again. */
static void test_whole_again(void **state)
{
    (void)state;
    lend(COUNT);
    while (pieces < COUNT)
        take_piece();
    while (pieces > 0)
        give_piece(stub_chance(pieces));
    give_back(lent);
    for (uint32_t i = 0; i < CONFIG_SLABS; i++)
        take_whole();
    assert_int_equal(whole, CONFIG_SLABS);
    empty();
}

static void random_step(void)
{
    switch (stub_chance(8)) {
    case 0: lend(stub_chance(COUNT / 2 + 2)); break;
    case 1: give_back(stub_chance(lent - pieces + 1)); break;
    case 2: take_whole(); break;
    case 3:
        if (whole > 0)
            give_whole(stub_chance(whole));
        break;
    case 4:
    case 5:
        if (pieces < lent)
            take_piece();
        break;
    default:
        if (pieces > 0)
            give_piece(stub_chance(pieces));
    }
}

static void test_random(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 10; round++) {
        stub_seed(round);
        for (unsigned i = 0; i < 5000; i++) {
            random_step();
            check();
        }
        empty();
    }
}

static void not_lent(void)
{
    taken[0] = slab_take_piece();
}

static void in_use(void)
{
    lend(1);
    take_piece();
    slab_return(1);
}

static void of_elsewhere(void)
{
    slab_give_piece(taken);
}

static void within(void)
{
    lend(1);
    take_piece();
    slab_give_piece((uint8_t *)taken[0] + 8);
}

static void test_bugs_panic(void **state)
{
    (void)state;
    assert_true(panics(not_lent, "slab: a piece that was not lent"));
    assert_true(panics(in_use, "slab: pieces in use"));
    assert_true(panics(of_elsewhere, "slab: a piece of elsewhere"));
    assert_true(panics(within, "slab: a piece of elsewhere"));
    assert_int_equal(pool_total_used(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all),    cmocka_unit_test(test_scattered),  cmocka_unit_test(test_whole_again),
        cmocka_unit_test(test_random), cmocka_unit_test(test_bugs_panic),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
