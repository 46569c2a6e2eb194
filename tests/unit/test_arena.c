/* Tests of arenas and of the heap functions that they serve. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "panics.h"
#include "port_stub.h"

#define SIZE 131072
#define SLOTS 400

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *ptr, size_t size);
void __wrap_free(void *ptr);

static _Alignas(ARENA_ALIGN) uint8_t storage[SIZE];

/* Live blocks of a random test, each filled with a pattern of its own. */
static struct slot {
    uint8_t *ptr;
    size_t len;
    uint8_t pattern;
} slots[SLOTS];

static struct arena_stats stats_of(const struct arena *arena)
{
    struct arena_stats stats;

    arena_stats(arena, &stats);
    return stats;
}

static void slot_fill(struct slot *slot)
{
    slot->pattern = (uint8_t)stub_chance(256);
    memset(slot->ptr, slot->pattern, slot->len);
}

static void slot_check(const struct slot *slot, size_t len)
{
    assert_int_equal((uintptr_t)slot->ptr % ARENA_ALIGN, 0);
    assert_true(slot->ptr >= storage && slot->ptr + slot->len <= storage + SIZE);
    for (size_t i = 0; i < len; i++)
        if (slot->ptr[i] != slot->pattern)
            fail_msg("byte %zu of %zu was overwritten", i, slot->len);
}

static void slot_free(struct arena *arena, struct slot *slot)
{
    slot_check(slot, slot->len);
    arena_free(arena, slot->ptr);
    slot->ptr = NULL;
}

static void test_smallest(void **state)
{
    (void)state;
    /* Whatever the size, blocks fill the arena up to its very end, and the end is not overrun. */
    for (size_t size = 1024; size < 1100; size++) {
        struct arena *arena = arena_init(storage, size, "small");
        struct arena_stats empty = stats_of(arena);
        void *all;
        unsigned count = 0;

        memset(storage + size, 0x5a, 64);
        assert_int_equal(empty.size, size);
        assert_int_equal(empty.used, 0);
        assert_int_equal(empty.blocks, 0);
        assert_true(empty.largest_free > 512 && empty.largest_free < size);
        all = arena_alloc(arena, empty.largest_free);
        assert_non_null(all);
        memset(all, 1, empty.largest_free);
        assert_true((uint8_t *)all + empty.largest_free <= storage + size);
        assert_true((uint8_t *)all + empty.largest_free + 16 > storage + size);
        assert_int_equal(stats_of(arena).largest_free, 0);
        assert_null(arena_alloc(arena, 0));
        arena_free(arena, all);
        assert_null(arena_alloc(arena, empty.largest_free + 1));
        while (arena_alloc(arena, 1) != NULL)
            count++;
        /* A block of up to 8 bytes costs 16, but that a rest below 32 stays with the last one. */
        assert_in_range(count, empty.largest_free / 16, empty.largest_free / 16 + 1);
        assert_int_equal(stats_of(arena).blocks, count);
        assert_int_equal(stats_of(arena).refused, 3);
        for (size_t i = 0; i < 64; i++)
            assert_int_equal(storage[size + i], 0x5a);
    }
}

static void test_overhead(void **state)
{
    struct arena *arena = arena_init(storage, SIZE, "test");
    size_t used = 0;

    (void)state;
    for (size_t len = 0; len < 2000; len++) {
        void *ptr = arena_alloc(arena, len);
        size_t cost = stats_of(arena).used - used;

        assert_non_null(ptr);
        memset(ptr, 1, len);
        assert_true(cost >= len + 8 && cost <= len + 8 + 15);
        arena_free(arena, ptr);
        used = stats_of(arena).used;
        assert_int_equal(used, 0);
    }
}

static void test_zero_size(void **state)
{
    struct arena *arena = arena_init(storage, SIZE, "test");
    void *a = arena_alloc(arena, 0);
    void *b = arena_calloc(arena, 0, 8);
    void *c = arena_realloc(arena, NULL, 0);

    (void)state;
    assert_true(a != NULL && b != NULL && c != NULL && a != b && b != c && a != c);
    a = arena_realloc(arena, a, 0);
    assert_non_null(a);
    arena_free(arena, NULL);
    arena_free(arena, a);
    arena_free(arena, b);
    arena_free(arena, c);
    assert_int_equal(stats_of(arena).used, 0);
}

static void test_zeroed(void **state)
{
    struct arena *arena = arena_init(storage, SIZE, "test");
    uint8_t *dirty = arena_alloc(arena, 3000);
    uint8_t *clean;

    (void)state;
    memset(dirty, 0xff, 3000);
    arena_free(arena, dirty);
    clean = arena_calloc(arena, 30, 100);
    assert_ptr_equal(clean, dirty);
    for (size_t i = 0; i < 3000; i++)
        assert_int_equal(clean[i], 0);
    assert_null(arena_calloc(arena, SIZE_MAX / 2, 3));
    assert_null(arena_calloc(arena, SIZE_MAX, SIZE_MAX));
    assert_null(arena_alloc(arena, SIZE_MAX));
    assert_null(arena_alloc(arena, SIZE_MAX - 15));
    /* What does not fit into 32 bits, where a size can have more. */
    assert_null(arena_alloc(arena, SIZE_MAX > UINT32_MAX ? (size_t)(UINT64_C(1) << 32) : SIZE_MAX / 2));
    assert_null(arena_realloc(arena, clean, SIZE_MAX));
    assert_int_equal(stats_of(arena).refused, 6);
    arena_free(arena, clean);
    assert_int_equal(stats_of(arena).blocks, 0);
}

static void test_resize(void **state)
{
    struct arena *arena = arena_init(storage, SIZE, "test");
    uint8_t *a = arena_alloc(arena, 100);
    uint8_t *b;
    uint8_t *wall;

    (void)state;
    memset(a, 7, 100);
    assert_ptr_equal(arena_realloc(arena, a, 5000), a); /* grows where it stands */
    wall = arena_alloc(arena, 16);
    assert_ptr_equal(arena_realloc(arena, a, 200), a); /* and shrinks there */
    b = arena_realloc(arena, a, 6000);                 /* but not through the next block */
    assert_ptr_not_equal(b, a);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(b[i], 7);
    assert_null(arena_realloc(arena, b, SIZE));
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(b[i], 7);
    assert_int_equal(stats_of(arena).blocks, 2);
    /* A gap of just the right size is enough, and one byte more is too much: 5,008 bytes up to the wall, with a head.
     */
    a = arena_alloc(arena, 200);
    assert_true(a < wall);
    assert_ptr_equal(arena_realloc(arena, a, 5000), a);
    a = arena_realloc(arena, a, 5001);
    assert_true(a > wall);
    arena_free(arena, a);
    arena_free(arena, wall);
    arena_free(arena, b);
    assert_int_equal(stats_of(arena).used, 0);
    assert_int_equal(stats_of(arena).largest_free, stats_of(arena_init(storage, SIZE, "test")).largest_free);
}

/* Small freed blocks are handed out again as they are, but joined when a bigger one is wanted, or has to grow. */
static void test_small_blocks(void **state)
{
    struct arena *arena = arena_init(storage, 8192, "test");
    size_t whole = stats_of(arena).largest_free;
    uint8_t *keep = arena_alloc(arena, 1);
    uint8_t *small[200];
    unsigned count = 0;
    void *big;

    (void)state;
    while (count < ARRAY_SIZE(small) && (small[count] = arena_alloc(arena, 40)) != NULL)
        count++;
    assert_in_range(count, 100, 199);
    arena_free(arena, small[7]);
    arena_free(arena, small[3]);
    assert_ptr_equal(arena_alloc(arena, 40), small[3]); /* the last one first */
    assert_ptr_equal(arena_alloc(arena, 33), small[7]); /* of the same class */
    assert_null(arena_alloc(arena, 33));
    arena_free(arena, small[7]);
    arena_free(arena, small[8]);
    big = arena_alloc(arena, 88); /* both together, with the head between them */
    assert_ptr_equal(big, small[7]);
    arena_free(arena, big);
    small[7] = arena_alloc(arena, 40);
    small[8] = arena_alloc(arena, 40);
    arena_free(arena, small[8]);
    assert_ptr_equal(arena_realloc(arena, small[7], 88), small[7]); /* grows into one that waits */
    arena_free(arena, small[7]);
    for (unsigned i = 0; i < count; i++)
        if (i != 7 && i != 8)
            arena_free(arena, small[i]);
    assert_int_equal(stats_of(arena).blocks, 1);
    big = arena_alloc(arena, whole - 16);
    assert_non_null(big); /* all that was small is one again */
    arena_free(arena, big);
    arena_free(arena, keep);
    assert_int_equal(stats_of(arena).largest_free, whole);
}

/* No more than 64 blocks wait to be joined, so that joining them takes a bounded time. */
static void test_small_bound(void **state)
{
    struct arena *arena = arena_init(storage, 8192, "test");
    uint8_t *small[100];
    void *wall;

    (void)state;
    for (unsigned i = 0; i < 100; i++)
        small[i] = arena_alloc(arena, 40);
    wall = arena_alloc(arena, stats_of(arena).largest_free);
    assert_int_equal(stats_of(arena).largest_free, 0);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 64; i++)
            arena_free(arena, small[i]);
        assert_int_equal(stats_of(arena).largest_free, 0); /* none is joined */
        for (unsigned i = 64; i-- > 0;)
            assert_ptr_equal(arena_alloc(arena, 40), small[i]);
    }
    for (unsigned i = 0; i < 100; i++)
        arena_free(arena, small[i]);
    assert_int_equal(stats_of(arena).largest_free, (100 - 64) * 48 - 8);
    arena_free(arena, wall);
    assert_int_equal(stats_of(arena).used, 0);
}

/* Mostly small sizes, some of some kilobytes, seldom a sixth of the arena. */
static size_t random_size(void)
{
    switch (stub_chance(20)) {
    case 0: return stub_chance(SIZE / 6);
    case 1:
    case 2: return stub_chance(3000);
    default: return stub_chance(300);
    }
}

static void random_step(struct arena *arena, struct slot *slot)
{
    size_t len = random_size();
    uint8_t *ptr;

    if (slot->ptr == NULL) {
        slot->ptr = stub_chance(4) == 0 ? arena_calloc(arena, 1, len) : arena_alloc(arena, len);
        slot->len = len;
        if (slot->ptr != NULL)
            slot_fill(slot);
    } else if (stub_chance(4) == 0) {
        ptr = arena_realloc(arena, slot->ptr, len);
        if (ptr == NULL) {
            slot_check(slot, slot->len);
            return;
        }
        slot->ptr = ptr;
        slot_check(slot, min_size(len, slot->len));
        slot->len = len;
        slot_fill(slot);
    } else {
        slot_free(arena, slot);
    }
}

/* Random work: no block overlaps another, nothing is lost, and with everything freed the arena is whole again. */
static void test_random(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 20; round++) {
        struct arena *arena = arena_init(storage, SIZE, "test");
        size_t whole = stats_of(arena).largest_free;
        unsigned live = 0;
        struct arena_stats stats;

        stub_seed(round);
        for (unsigned i = 0; i < 3000; i++) {
            random_step(arena, &slots[stub_chance(SLOTS)]);
            stats = stats_of(arena);
            assert_true(stats.used <= stats.peak && stats.peak < SIZE);
            assert_true(stats.largest_free <= whole - stats.used);
        }
        for (unsigned i = 0; i < SLOTS; i++) {
            live += slots[i].ptr != NULL;
            if (slots[i].ptr != NULL)
                slot_check(&slots[i], slots[i].len);
        }
        assert_int_equal(stats_of(arena).blocks, live);
        for (unsigned i = 0; i < SLOTS; i++)
            if (slots[i].ptr != NULL)
                slot_free(arena, &slots[i]);
        stats = stats_of(arena);
        assert_int_equal(stats.used, 0);
        assert_int_equal(stats.blocks, 0);
        assert_int_equal(stats.largest_free, whole);
    }
}

/* What an h2 session does: a few blocks for its life, one of 16,394 bytes that comes and goes, and streams of a handful
   of small blocks that begin and end in any order. It is never refused with a tenth of the arena to spare. */
static void test_session(void **state)
{
    enum { STREAMS = 100, PARTS = 4, ROUNDS = 20000 };
    static const size_t parts[PARTS] = {200, 40, 24, 16};
    static struct slot streams[STREAMS][PARTS];
    const size_t fixed = 9000, big = 16394, stream = 200 + 40 + 24 + 16 + PARTS * 16;
    const size_t need = fixed + big + STREAMS * stream + 200;
    struct arena *arena = arena_init(storage, need + need / 10, "h2");
    size_t whole = stats_of(arena).largest_free;
    void *base = arena_alloc(arena, fixed);
    void *drain = NULL;

    (void)state;
    stub_seed(3);
    assert_non_null(base);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct slot *s = streams[stub_chance(STREAMS)];

        for (unsigned k = 0; k < PARTS; k++) {
            if (s[k].ptr == NULL) {
                s[k].ptr = arena_alloc(arena, parts[k]);
                s[k].len = parts[k];
                assert_non_null(s[k].ptr);
                slot_fill(&s[k]);
            } else {
                slot_free(arena, &s[k]);
            }
        }
        if (drain == NULL && stub_chance(3) == 0) {
            drain = arena_alloc(arena, big);
            assert_non_null(drain);
        } else if (drain != NULL && stub_chance(3) == 0) {
            arena_free(arena, drain);
            drain = NULL;
        }
    }
    assert_int_equal(stats_of(arena).refused, 0);
    for (unsigned i = 0; i < STREAMS; i++)
        for (unsigned k = 0; k < PARTS; k++)
            if (streams[i][k].ptr != NULL)
                slot_free(arena, &streams[i][k]);
    arena_free(arena, drain);
    arena_free(arena, base);
    assert_int_equal(stats_of(arena).largest_free, whole);
}

static void test_fail_nth(void **state)
{
    struct arena *arena = arena_init(storage, SIZE, "test");
    void *a;
    void *b;

    (void)state;
    arena_fail_nth(1);
    assert_null(arena_alloc(arena, 1));
    a = arena_alloc(arena, 1);
    assert_non_null(a);
    arena_fail_nth(3);
    b = arena_calloc(arena, 1, 1);
    assert_non_null(b);
    a = arena_realloc(arena, a, 1000);
    assert_non_null(a);
    assert_ptr_equal(arena_realloc(arena, a, 10), a); /* shrinking does not count */
    assert_null(arena_realloc(arena, a, 2000));
    a = arena_realloc(arena, a, 2000);
    assert_non_null(a);
    arena_fail_nth(1);
    arena_fail_nth(0);
    assert_non_null(arena_alloc(arena, 1));
    assert_int_equal(stats_of(arena).refused, 2);
}

/* What has no room in one arena comes from the other, and goes back there. */
static void test_spill(void **state)
{
    struct arena *small = arena_init(storage, 2048, "small");
    struct arena *spill = arena_init(storage + SIZE / 2, SIZE / 2, "spill");
    struct arena *outer = arena_enter(small);
    uint8_t *here = __wrap_malloc(100);
    uint8_t *there;

    (void)state;
    assert_null(__wrap_malloc(4000));
    arena_spill(small, spill);
    there = __wrap_malloc(4000);
    assert_true(there >= storage + SIZE / 2);
    assert_true(here < storage + 2048);
    memset(there, 7, 4000);
    there = __wrap_realloc(there, 20000);
    assert_true(there >= storage + SIZE / 2 && there[3999] == 7);
    here = __wrap_realloc(here, 5000); /* it moves */
    assert_true(here >= storage + SIZE / 2);
    assert_int_equal(stats_of(small).blocks, 0);
    assert_null(__wrap_malloc(SIZE)); /* neither has room */
    assert_false(arena_is_empty(spill));
    __wrap_free(here);
    __wrap_free(there);
    assert_true(arena_is_empty(spill));
    arena_spill(small, NULL);
    assert_null(__wrap_malloc(4000));
    arena_leave(outer);
}

/* Two arenas in turn; entering nests. */
static void test_heap(void **state)
{
    struct arena *one = arena_init(storage, SIZE / 2, "one");
    struct arena *two = arena_init(storage + SIZE / 2, SIZE / 2, "two");
    struct arena *outer = arena_enter(one);
    struct arena *inner;
    uint8_t *a = __wrap_malloc(100);
    uint8_t *b;

    (void)state;
    assert_null(outer);
    assert_ptr_equal(arena_current(), one);
    inner = arena_enter(two);
    b = __wrap_calloc(10, 10);
    b = __wrap_realloc(b, 200);
    assert_int_equal(b[99], 0);
    assert_true(a < storage + SIZE / 2 && b >= storage + SIZE / 2);
    __wrap_free(b);
    __wrap_free(NULL);
    assert_int_equal(stats_of(two).blocks, 0);
    arena_leave(inner);
    assert_ptr_equal(arena_current(), one);
    __wrap_free(a);
    assert_int_equal(stats_of(one).blocks, 0);
    arena_leave(outer);
    assert_null(arena_current());
    __wrap_free(NULL);
    assert_int_equal(heap_strays(), 0);
}

static void stray_malloc(void)
{
    (void)__wrap_malloc(1);
}

static void stray_calloc(void)
{
    (void)__wrap_calloc(1, 1);
}

static void stray_realloc(void)
{
    (void)__wrap_realloc(NULL, 1);
}

static void stray_free(void)
{
    __wrap_free(storage);
}

static void test_strays(void **state)
{
    (void)state;
    if (IS_ENABLED(CONFIG_HEAP_GUARD)) {
        assert_true(panics(stray_malloc, "heap: "));
        assert_true(panics(stray_calloc, "heap: "));
        assert_true(panics(stray_realloc, "heap: "));
        assert_true(panics(stray_free, "heap: "));
    } else {
        assert_null(__wrap_malloc(1));
        assert_null(__wrap_calloc(1, 1));
        assert_null(__wrap_realloc(storage, 1));
        __wrap_free(storage);
        assert_int_equal(heap_strays(), 4);
    }
}

static struct arena *victim;
static uint8_t *first, *second, *third;

static int setup_victim(void **state)
{
    (void)state;
    victim = arena_init(storage, SIZE, "victim");
    first = arena_alloc(victim, 100);
    second = arena_alloc(victim, 100);
    third = arena_alloc(victim, 100);
    return 0;
}

static void free_elsewhere(void)
{
    static _Alignas(16) uint8_t other[64];

    arena_free(victim, other + 16);
}

static void free_head(void)
{
    arena_free(victim, storage);
}

static void free_unaligned(void)
{
    arena_free(victim, second + 8);
}

static void free_middle(void)
{
    memset(second, 0, 100);
    arena_free(victim, second + 16);
}

static void free_twice(void)
{
    arena_free(victim, second);
    arena_free(victim, second);
}

static void free_twice_joined(void)
{
    arena_free(victim, first);
    arena_free(victim, second);
    arena_free(victim, second);
}

static void free_twice_big(void)
{
    uint8_t *a = arena_alloc(victim, 2000);
    uint8_t *b = arena_alloc(victim, 2000);

    arena_free(victim, a);
    arena_free(victim, b);
    arena_free(victim, b);
}

static void realloc_freed(void)
{
    arena_free(victim, second);
    second = arena_realloc(victim, second, 300);
}

/* The head of the third block, by the hand of a library that writes too far. */
static void overrun(void)
{
    volatile uint8_t *head = third - 8;

    for (int i = 0; i < 8; i++)
        head[i] = 'x';
    arena_free(victim, third);
}

static void overrun_behind(void)
{
    volatile uint8_t *head = third - 8;

    for (int i = 0; i < 8; i++)
        head[i] = 'x';
    arena_free(victim, second);
}

static void small_storage(void)
{
    (void)arena_init(storage, 1023, "small");
}

static void unaligned_storage(void)
{
    (void)arena_init(storage + 8, 2048, "unaligned");
}

static void test_bugs_panic(void **state)
{
    (void)state;
    assert_true(panics(free_elsewhere, "victim: a pointer from elsewhere"));
    assert_true(panics(free_head, "from elsewhere"));
    assert_true(panics(free_unaligned, "from elsewhere"));
    assert_true(panics(free_middle, "is no block"));
    assert_true(panics(free_twice, "freed twice"));
    assert_true(panics(free_twice_joined, "freed twice"));
    assert_true(panics(free_twice_big, "freed twice"));
    assert_true(panics(realloc_freed, "freed twice"));
    assert_true(panics(overrun, "overwritten"));
    assert_true(panics(overrun_behind, "over its end"));
    assert_true(panics(small_storage, "bad storage"));
    assert_true(panics(unaligned_storage, "bad storage"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_smallest),    cmocka_unit_test(test_overhead),
        cmocka_unit_test(test_zero_size),   cmocka_unit_test(test_zeroed),
        cmocka_unit_test(test_resize),      cmocka_unit_test(test_small_blocks),
        cmocka_unit_test(test_small_bound), cmocka_unit_test(test_random),
        cmocka_unit_test(test_session),     cmocka_unit_test(test_fail_nth),
        cmocka_unit_test(test_spill),       cmocka_unit_test(test_heap),
        cmocka_unit_test(test_strays),      cmocka_unit_test_setup(test_bugs_panic, setup_victim),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
