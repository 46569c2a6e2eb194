/* Tests of pipes: what comes out is what went in, and no promise is ever broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/pipe.h"
#include "base/pool.h"
#include "base/slab.h"
#include "panics.h"
#include "port_stub.h"

#define BLOCK ((uint32_t)CONFIG_BODY_BLOCK)
#define PIPES (CONFIG_EXCHANGES + CONFIG_UPLOADS)
#define GUARANTEED_BLOCKS                                                                                              \
    (CONFIG_UPLOADS * (CONFIG_REQUEST_WINDOW / CONFIG_BODY_BLOCK + 1) +                                                \
     CONFIG_EXCHANGES * (CONFIG_RESPONSE_WINDOW / CONFIG_BODY_BLOCK + 1))
#define SHARED ((uint32_t)(CONFIG_SLABS * SLAB_PIECES))
#define CAPACITY (GUARANTEED_BLOCKS + SHARED)

static uint8_t scratch[CONFIG_WINDOW_MAX + CONFIG_REQUEST_WINDOW + CONFIG_RESPONSE_WINDOW];

/* A pipe with what it must hold: the bytes number `out` to `in` of an endless stream of its own. */
static struct model {
    struct pipe pipe;
    uint64_t in;
    uint64_t out;
    uint32_t limit;
    uint32_t guaranteed;
} models[PIPES];

static uint32_t lent; /* blocks that all models borrowed */

/* Byte number `at` of the stream of pipe `which`. It repeats too seldom to hide a shift by whole blocks. */
static uint8_t byte_at(unsigned which, uint64_t at)
{
    return (uint8_t)(at + at / 251 + which * 31);
}

static uint32_t window_of(unsigned which)
{
    return which % 2 == 0 && which < 2 * CONFIG_UPLOADS ? CONFIG_REQUEST_WINDOW : CONFIG_RESPONSE_WINDOW;
}

static struct pipe_stats stats_now(void)
{
    struct pipe_stats stats;

    pipe_stats(&stats);
    return stats;
}

static void assert_nothing_left(void)
{
    struct pipe_stats stats = stats_now();

    assert_int_equal(stats.used, 0);
    assert_int_equal(stats.lent, 0);
    assert_int_equal(pool_total_used(), 0);
}

/* ---- the model ---- */

static void model_check(unsigned which)
{
    const struct model *m = &models[which];
    const struct pipe *p = &m->pipe;
    uint32_t size = (uint32_t)(m->in - m->out);

    assert_int_equal(p->size, size);
    assert_int_equal(p->limit, m->limit);
    assert_int_equal(pipe_space(p), m->limit - size);
    assert_true(p->blocks <= m->limit / BLOCK + 1);
    assert_true(size == 0 ? p->blocks <= 1 : p->blocks >= (size + BLOCK - 1) / BLOCK);
    assert_int_equal(stats_now().lent, lent);
    assert_true(lent <= SHARED);
}

static void model_open(unsigned which)
{
    struct model *m = &models[which];

    m->in = m->out = 0;
    m->guaranteed = m->limit = window_of(which);
    pipe_open(&m->pipe, m->guaranteed);
    assert_true(m->pipe.open);
}

/* Blocks that a pipe may need for what it is guaranteed. */
static uint32_t guarantee_blocks(const struct model *m)
{
    return m->guaranteed / BLOCK + 1;
}

/* The same out of the slabs; a pipe of its own where these are short. */
static void model_open_lent(unsigned which)
{
    struct model *m = &models[which];
    uint32_t left = SHARED - lent;
    uint32_t most;

    m->guaranteed = window_of(which);
    most = left > SHARED / 8 ? (left - SHARED / 8) / guarantee_blocks(m) : 0;
    assert_int_equal(pipe_lendable(m->guaranteed), most);
    if (!pipe_open_lent(&m->pipe, m->guaranteed)) {
        assert_int_equal(most, 0);
        model_open(which);
        return;
    }
    assert_true(most > 0 && m->pipe.open);
    m->in = m->out = 0;
    m->limit = m->guaranteed;
    lent += guarantee_blocks(m);
}

static void model_close(unsigned which)
{
    struct model *m = &models[which];

    lent -= (m->limit - m->guaranteed) / BLOCK + (m->pipe.lent ? guarantee_blocks(m) : 0);
    m->in = m->out = 0;
    m->limit = m->guaranteed = 0;
    pipe_close(&m->pipe);
    pipe_close(&m->pipe);
    assert_false(m->pipe.open);
}

static void model_write(unsigned which, uint32_t len)
{
    struct model *m = &models[which];

    for (uint32_t i = 0; i < len; i++)
        scratch[i] = byte_at(which, m->in + i);
    pipe_write(&m->pipe, scratch, len);
    m->in += len;
}

/* Fills up to len bytes through pipe_room; stops after the first piece when told to. */
static void model_fill(unsigned which, uint32_t len, bool once)
{
    struct model *m = &models[which];

    do {
        size_t room;
        uint8_t *to = pipe_room(&m->pipe, &room);
        uint32_t part = (uint32_t)min_size(room, len);

        assert_true((to == NULL) == (room == 0));
        assert_true((room == 0) == (pipe_space(&m->pipe) == 0));
        assert_true(room <= pipe_space(&m->pipe) && room <= BLOCK);
        if (to == NULL)
            return;
        for (uint32_t i = 0; i < part; i++)
            to[i] = byte_at(which, m->in + i);
        pipe_filled(&m->pipe, part);
        m->in += part;
        len -= part;
    } while (len > 0 && !once);
}

/* Looks at any part of the pipe through any number of segments. */
static void model_peek(unsigned which)
{
    const struct model *m = &models[which];
    uint32_t size = (uint32_t)(m->in - m->out);
    size_t skip = stub_chance(4) == 0 ? 0 : stub_chance(size + 2);
    size_t want = stub_chance(4) == 0 ? SIZE_MAX : stub_chance(size + 2);
    unsigned max = stub_chance(6);
    struct port_iov iov[8];
    size_t total, sum = 0;
    unsigned count = pipe_peek(&m->pipe, skip, want, iov, max, &total);

    assert_true(count <= max);
    for (unsigned i = 0; i < count; i++) {
        assert_true(iov[i].len > 0);
        for (size_t k = 0; k < iov[i].len; k++)
            if (iov[i].base[k] != byte_at(which, m->out + skip + sum + k))
                fail_msg("pipe %u: wrong byte at %zu", which, skip + sum + k);
        sum += iov[i].len;
    }
    assert_int_equal(sum, total);
    if (skip >= size || want == 0 || max == 0)
        assert_int_equal(total, 0);
    else
        assert_true(total == min_size(want, size - skip) || count == max);
}

static void model_take(unsigned which, uint32_t len)
{
    struct model *m = &models[which];

    if (stub_chance(2) == 0) {
        pipe_consume(&m->pipe, len);
        m->out += len;
        return;
    }
    assert_int_equal(pipe_read(&m->pipe, scratch, len), min_size(len, m->in - m->out));
    for (uint32_t i = 0; i < len; i++)
        if (scratch[i] != byte_at(which, m->out + i))
            fail_msg("pipe %u: wrong byte read", which);
    m->out += len;
}

/* Whether a pipe is lent what it is guaranteed. */
static bool lodgers(void)
{
    for (unsigned i = 0; i < PIPES; i++)
        if (models[i].pipe.open && models[i].pipe.lent)
            return true;
    return false;
}

static void model_borrow(unsigned which, uint32_t want)
{
    struct model *m = &models[which];
    uint32_t room = m->limit < CONFIG_WINDOW_MAX ? (CONFIG_WINDOW_MAX - m->limit) / BLOCK : 0;
    uint32_t left = SHARED - lent;
    uint32_t most = (uint32_t)min_size((left + 1) / 2, left > SHARED / 4 ? left - SHARED / 4 : 0);
    uint32_t expected = (uint32_t)min_size(min_size(want / BLOCK, room), most);

    assert_int_equal(pipe_borrow(&m->pipe, want), expected * BLOCK);
    m->limit += expected * BLOCK;
    lent += expected;
    assert_int_equal(pipe_short(), SHARED - lent < SHARED / (lodgers() ? 2 : 4));
}

static void model_give_back(unsigned which, uint32_t most, uint32_t floor)
{
    struct model *m = &models[which];
    uint32_t sure = m->pipe.lent ? (uint32_t)min_size(m->pipe.blocks, guarantee_blocks(m)) : m->pipe.own;
    uint32_t pieces = m->pipe.blocks - sure; /* in use: they stay */
    uint32_t keep = (uint32_t)max_size(max_size(floor, m->guaranteed + pieces * BLOCK), m->in - m->out);
    uint32_t expected = m->limit > keep ? (uint32_t)min_size(most, m->limit - keep) / BLOCK : 0;

    assert_int_equal(pipe_give_back(&m->pipe, most, floor), expected * BLOCK);
    m->limit -= expected * BLOCK;
    lent -= expected;
}

/* ---- the tests ---- */

static void test_basics(void **state)
{
    struct pipe p = {.open = false};
    struct port_iov iov[4];
    size_t total;
    char out[8];

    (void)state;
    pipe_close(&p); /* harmless */
    assert_int_equal(pipe_space(&p), 0);
    assert_int_equal(pipe_borrow(&p, 10 * BLOCK), 0);
    assert_int_equal(pipe_peek(&p, 0, 10, iov, 4, &total), 0);
    assert_int_equal(total, 0);
    pipe_open(&p, CONFIG_REQUEST_WINDOW);
    assert_int_equal(pipe_space(&p), CONFIG_REQUEST_WINDOW);
    assert_int_equal(p.blocks, 0); /* an empty pipe holds none */
    pipe_write(&p, "hello, ", 7);
    pipe_write(&p, "world", 5);
    assert_int_equal(pipe_peek(&p, 7, 3, iov, 4, &total), 1);
    assert_memory_equal(iov[0].base, "wor", 3);
    pipe_consume(&p, 3);
    assert_int_equal(pipe_read(&p, out, 4), 4);
    assert_memory_equal(out, "lo, ", 4);
    assert_int_equal(pipe_read(&p, out, sizeof(out)), 5);
    assert_int_equal(pipe_read(&p, out, sizeof(out)), 0);
    assert_int_equal(p.blocks, 0);
    assert_int_equal(stats_now().used, 0);
    pipe_write(&p, "x", 1);
    pipe_close(&p);
    assert_int_equal(p.limit, 0);
    assert_nothing_left();
}

/* A peeked segment stays where it is while more is written behind it. */
static void test_peek_stays(void **state)
{
    struct port_iov iov[1];
    size_t total;

    (void)state;
    model_open(0);
    model_write(0, 10);
    pipe_peek(&models[0].pipe, 0, 10, iov, 1, &total);
    model_write(0, CONFIG_REQUEST_WINDOW - 10);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(iov[0].base[i], byte_at(0, i));
    model_take(0, CONFIG_REQUEST_WINDOW);
    model_close(0);
    assert_nothing_left();
}

/* Draining and looking that end right between two blocks. */
static void test_borders(void **state)
{
    struct port_iov iov[4];
    size_t total;

    (void)state;
    lent = 0;
    model_open(0);
    if (models[0].limit < 2 * BLOCK)
        model_borrow(0, 2 * BLOCK);
    if (models[0].limit >= 2 * BLOCK) {
        model_write(0, 2 * BLOCK);
        assert_int_equal(pipe_peek(&models[0].pipe, BLOCK, SIZE_MAX, iov, 4, &total), 1);
        assert_int_equal(iov[0].len, BLOCK);
        assert_int_equal(iov[0].base[0], byte_at(0, BLOCK));
        assert_int_equal(pipe_peek(&models[0].pipe, BLOCK - 1, 2, iov, 4, &total), 2);
        assert_int_equal(iov[0].len + iov[1].len, 2);
        pipe_consume(&models[0].pipe, BLOCK);
        assert_int_equal(models[0].pipe.blocks, 1);
        assert_int_equal(pipe_peek(&models[0].pipe, 0, SIZE_MAX, iov, 4, &total), 1);
        assert_int_equal(iov[0].base[0], byte_at(0, BLOCK));
        pipe_write(&models[0].pipe, "x", 1); /* begins a block */
        assert_int_equal(models[0].pipe.blocks, 2);
        pipe_consume(&models[0].pipe, BLOCK);
        assert_int_equal(models[0].pipe.blocks, 1);
        assert_int_equal(pipe_peek(&models[0].pipe, 0, SIZE_MAX, iov, 4, &total), 1);
        assert_int_equal(iov[0].base[0], 'x');
    }
    model_close(0);
    assert_nothing_left();
}

/* A read that brought nothing leaves no block behind. */
static void test_room_unused(void **state)
{
    size_t len;

    (void)state;
    model_open(0);
    assert_non_null(pipe_room(&models[0].pipe, &len));
    assert_int_equal(len, min_size(BLOCK, CONFIG_REQUEST_WINDOW));
    pipe_filled(&models[0].pipe, 0);
    assert_int_equal(stats_now().used, 0);
    model_write(0, CONFIG_REQUEST_WINDOW);
    assert_null(pipe_room(&models[0].pipe, &len));
    assert_int_equal(len, 0);
    model_close(0);
    assert_nothing_left();
}

/* The worst case at once: all pipes are open, all that can be lent is lent, and every pipe has a first block drained
   but for one byte, is full, and so has a last block with hardly a byte in it. Then each block of the pool is in use
   and none is missing. */
static void test_worst_case(void **state)
{
    size_t most = 0;
    uint32_t got;

    (void)state;
    lent = 0;
    for (unsigned i = 0; i < PIPES; i++) {
        model_open(i);
        most += (CONFIG_WINDOW_MAX - models[i].guaranteed) / BLOCK;
    }
    do {
        got = lent;
        for (unsigned i = 0; i < PIPES; i++)
            model_borrow(i, CONFIG_WINDOW_MAX);
    } while (lent != got);
    assert_int_equal(stats_now().shared, SHARED);
    assert_int_equal(lent, min_size(SHARED - SHARED / 4, most));
    for (unsigned i = 0; i < PIPES; i++) {
        model_write(i, models[i].limit);
        model_take(i, BLOCK - 1);
        model_write(i, BLOCK - 1);
        model_check(i);
        assert_int_equal(models[i].pipe.blocks, models[i].limit / BLOCK + 1);
    }
    assert_int_equal(stats_now().used, GUARANTEED_BLOCKS + lent);
    for (unsigned i = 0; i < PIPES; i++)
        model_take(i, models[i].limit);
    assert_int_equal(stats_now().used, 0);
    for (unsigned i = 0; i < PIPES; i++)
        model_close(i);
    assert_int_equal(lent, 0);
    assert_nothing_left();
}

/* One random step on one pipe. Lengths lean to the extremes: all, none, a block and one byte more or less. */
static uint32_t random_len(uint32_t most)
{
    uint32_t len;

    switch (stub_chance(4)) {
    case 0: len = most; break;
    case 1: len = BLOCK - 1 + stub_chance(3); break;
    case 2: len = stub_chance(40); break;
    default: len = stub_chance(most + 1); break;
    }
    return (uint32_t)min_size(len, most);
}

static void random_step(unsigned which)
{
    struct model *m = &models[which];
    uint32_t size = (uint32_t)(m->in - m->out);
    uint32_t space = m->limit - size;

    if (!m->pipe.open) {
        if (stub_chance(3) == 0)
            model_open_lent(which);
        else
            model_open(which);
        return;
    }
    switch (stub_chance(16)) {
    case 0: model_close(which); break;
    case 1:
    case 2:
    case 3: model_borrow(which, stub_chance(2) == 0 ? CONFIG_WINDOW_MAX : stub_chance(4 * BLOCK)); break;
    case 4:
    case 5:
        model_give_back(which, stub_chance(2) == 0 ? UINT32_MAX : stub_chance(4 * BLOCK), random_len(m->limit));
        break;
    case 6:
    case 7:
    case 8: model_write(which, random_len(space)); break;
    case 9:
    case 10: model_fill(which, random_len(space), false); break;
    case 11: model_fill(which, random_len(space), true); break;
    case 12: model_peek(which); break;
    default: model_take(which, random_len(size)); break;
    }
}

/* No order of opening, filling, draining, borrowing and giving back ever lacks a block. First few pipes, so that each
   is busy and they lend from each other; then all of them. */
static void test_random(void **state)
{
    (void)state;
    lent = 0;
    for (unsigned round = 0; round < 6; round++) {
        unsigned pipes = (unsigned)min_size(round % 2 == 0 ? 5 : PIPES, PIPES);

        stub_seed(round);
        for (unsigned i = 0; i < 4000; i++) {
            unsigned which = stub_chance(pipes);

            random_step(which);
            model_check(which);
            assert_true(stats_now().used <= CAPACITY);
        }
        for (unsigned i = 0; i < pipes; i++)
            if (models[i].pipe.open)
                model_close(i);
        assert_int_equal(lent, 0);
        assert_nothing_left();
    }
}

/* What was promised to the peer is never taken away. */
static void test_give_back(void **state)
{
    (void)state;
    lent = 0;
    if (SHARED < 4 || CONFIG_WINDOW_MAX < CONFIG_REQUEST_WINDOW + 2 * CONFIG_BODY_BLOCK)
        skip();
    model_open(0);
    model_borrow(0, 2 * BLOCK + BLOCK - 1); /* whole blocks only */
    assert_int_equal(models[0].limit, CONFIG_REQUEST_WINDOW + 2 * BLOCK);
    model_give_back(0, BLOCK - 1, 0);
    model_give_back(0, UINT32_MAX, CONFIG_REQUEST_WINDOW + BLOCK + 1);
    assert_int_equal(models[0].limit, CONFIG_REQUEST_WINDOW + 2 * BLOCK);
    model_give_back(0, UINT32_MAX, CONFIG_REQUEST_WINDOW + BLOCK);
    assert_int_equal(models[0].limit, CONFIG_REQUEST_WINDOW + BLOCK);
    model_write(0, models[0].limit);
    model_give_back(0, UINT32_MAX, 0); /* what is in it stays in it, though the floor is wrong */
    assert_int_equal(models[0].limit, CONFIG_REQUEST_WINDOW + BLOCK);
    model_take(0, models[0].limit);
    model_give_back(0, UINT32_MAX, 0);
    model_give_back(0, UINT32_MAX, 0);
    assert_int_equal(models[0].limit, CONFIG_REQUEST_WINDOW);
    model_close(0);
    assert_nothing_left();
}

static void write_too_much(void)
{
    model_open(0);
    pipe_write(&models[0].pipe, scratch, CONFIG_REQUEST_WINDOW + 1);
}

static void fill_too_much(void)
{
    size_t len;

    model_open(0);
    (void)pipe_room(&models[0].pipe, &len);
    pipe_filled(&models[0].pipe, len + 1);
}

static void consume_too_much(void)
{
    model_open(0);
    model_write(0, 10);
    pipe_consume(&models[0].pipe, 11);
}

static void open_too_many(void)
{
    static struct pipe extra;

    for (unsigned i = 0; i < PIPES; i++)
        model_open(i);
    pipe_open(&extra, 0);
}

static void open_no_block(void)
{
    pipe_open(&models[0].pipe, BLOCK + 1);
}

static void test_bugs_panic(void **state)
{
    (void)state;
    assert_true(panics(write_too_much, "pipe: more was written"));
    assert_true(panics(fill_too_much, "pipe: more was filled"));
    assert_true(panics(consume_too_much, "pipe: more was consumed"));
    assert_true(panics(open_too_many, "pipe: a guarantee"));
    assert_true(panics(open_no_block, "pipe: a guarantee"));
    assert_nothing_left();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_basics),      cmocka_unit_test(test_peek_stays), cmocka_unit_test(test_borders),
        cmocka_unit_test(test_room_unused), cmocka_unit_test(test_worst_case), cmocka_unit_test(test_random),
        cmocka_unit_test(test_give_back),   cmocka_unit_test(test_bugs_panic),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
