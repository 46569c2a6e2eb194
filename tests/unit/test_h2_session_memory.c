/* Tests of the memory of HTTP/2 sessions: what they take, what there is room for, and that any of it may be refused. */
#include "h2_pair.h"

/* All leases are taken: the next session does not open, and one that closes makes room. */
static void test_no_lease(void **state)
{
    static struct h2_session all[CONFIG_H2_CLIENTS];
    struct h2_session more;

    (void)state;
    for (unsigned i = 0; i < CONFIG_H2_CLIENTS; i++)
        assert_true(h2_session_open_server(&all[i], pair_callbacks, NULL));
    assert_false(h2_session_open_server(&more, pair_callbacks, NULL));
    assert_null(more.ng);
    h2_session_close(&more);
    h2_session_close(&all[CONFIG_H2_CLIENTS / 2]);
    assert_true(h2_session_open_server(&more, pair_callbacks, NULL));
    h2_session_close(&more);
    for (unsigned i = 0; i < CONFIG_H2_CLIENTS; i++)
        h2_session_close(&all[i]);
}

#define MOST_STREAMS                                                                                                   \
    ((unsigned)(CONFIG_H2_STREAMS < CONFIG_BACKEND_STREAMS ? CONFIG_H2_STREAMS : CONFIG_BACKEND_STREAMS))

/* What the arenas are dimensioned for. */
static void test_memory(void **state)
{
    size_t idle[2];
    size_t open[2];

    (void)state;
    assert_true(pair_open());
    assert_true(pair_talk());
    idle[0] = h2_session_memory(&pair_client.h2);
    idle[1] = h2_session_memory(&pair_server.h2);
    for (unsigned i = 0; i < MOST_STREAMS; i++)
        assert_true(pair_request(0) > 0);
    assert_true(pair_talk());
    assert_int_equal(pair_server.heads, MOST_STREAMS);
    open[0] = h2_session_memory(&pair_client.h2);
    open[1] = h2_session_memory(&pair_server.h2);
    print_message("idle: client %zu, server %zu bytes; a stream: client %zu, server %zu bytes\n", idle[0], idle[1],
                  (open[0] - idle[0]) / MOST_STREAMS, (open[1] - idle[1]) / MOST_STREAMS);
    assert_true(idle[0] <= 10000 + H2_OWN_BLOCK && idle[1] <= 10000 + H2_OWN_BLOCK);
    assert_true((open[0] - idle[0]) / MOST_STREAMS <= H2_STREAM_COST);
    assert_true((open[1] - idle[1]) / MOST_STREAMS <= H2_STREAM_COST);
    assert_true(h2_session_has_room(&pair_server.h2, MOST_STREAMS, CONFIG_HEAD_FIELDS, 0));
    for (unsigned i = 0; i < MOST_STREAMS; i++)
        assert_int_equal(pair_response((int32_t)(2 * i + 1), 0), 0);
    assert_true(pair_talk());
    assert_int_equal(pair_client.ends, MOST_STREAMS);
    print_message("with %u streams at once: server %u extents\n", MOST_STREAMS, pair_server.h2.mem.extent_count);
    assert_int_equal(pair_server.h2.mem.refused, 0);
    /* What is left when all streams are gone is what fills the compression tables. */
    assert_true(h2_session_memory(&pair_client.h2) <= idle[0] + 16384);
    assert_true(h2_session_memory(&pair_server.h2) <= idle[1] + 16384);
}

/* A request and its response whose fields fill the compression tables: `at` makes them new ones. */
static void fill_tables(unsigned at, size_t len)
{
    static char value[4096];
    struct section *section;
    nghttp2_nv *block;
    size_t count;
    int32_t stream;

    pair_request_head();
    for (unsigned i = 0; i < 3; i++) {
        memset(value, 'x', len);
        snprintf(value, sizeof(value), "%u-%u", at, i);
        value[strlen(value)] = 'x';
        assert_true(head_add(&pair_head, TEXT("x-request"), text_make(value, len)));
    }
    block = h2_session_request_block(&pair_head, &count);
    stream = nghttp2_submit_request(pair_client.h2.ng, NULL, block, count, NULL, NULL);
    assert_true(stream > 0);
    assert_true(pair_talk());
    section = pair_response_head(200);
    assert_true(head_add(&pair_head, TEXT("x-response"), text_make(value, len)));
    block = h2_session_response_block(&pair_head, section, &count);
    assert_int_equal(nghttp2_submit_response(pair_server.h2.ng, stream, block, count, NULL), 0);
    assert_true(pair_talk());
}

/* A session that has been busy for long, with small fields (the most entries) or big ones, still takes as many streams
 * as were promised. */
static void test_memory_when_busy(void **state)
{
    (void)state;
    for (size_t len = 4; len <= 260; len *= 4) {
        size_t busy;

        assert_true(pair_open());
        for (unsigned i = 0; i < 300; i++)
            fill_tables(i, len);
        busy = h2_session_memory(&pair_server.h2);
        for (unsigned i = 0; i < MOST_STREAMS; i++) {
            if (!h2_session_has_room(&pair_server.h2, i, CONFIG_HEAD_FIELDS, 0))
                fail_msg("fields of %zu bytes: no room for stream %u: %zu bytes when idle, %zu now", len, i, busy,
                         h2_session_memory(&pair_server.h2));
            assert_true(pair_request(0) > 0);
            assert_true(pair_talk());
        }
        print_message("fields of %zu bytes: %zu bytes when idle, %zu with %u streams, %u extents\n", len, busy,
                      h2_session_memory(&pair_server.h2), MOST_STREAMS, pair_server.h2.mem.extent_count);
        assert_int_equal(pair_server.h2.mem.refused, 0);
        assert_int_equal(pair_teardown(NULL), 0);
        assert_int_equal(pair_setup(NULL), 0);
    }
}

/* A whole conversation, of which every step may fail. */
static bool conversation(void)
{
    int32_t first, second;

    if (!pair_open())
        return false;
    first = pair_request(0);
    if (first < 0 || !pair_talk())
        return false;
    second = pair_request(40000);
    if (second < 0 || !pair_talk())
        return false;
    if (pair_response(first, 0) != 0 || pair_response(second, 40000) != 0 || !pair_talk())
        return false;
    return nghttp2_submit_ping(pair_client.h2.ng, NGHTTP2_FLAG_NONE, NULL) == 0 &&
           nghttp2_session_terminate_session(pair_server.h2.ng, NGHTTP2_NO_ERROR) == 0 && pair_talk();
}

static bool is_whole(void)
{
    return pair_client.ends == 2 && pair_server.ends == 2 && pair_client.body == 40000 && pair_server.body == 40000 &&
           pair_client.resets + pair_server.resets == 0;
}

/* What the library gives up is told of by RST_STREAM, and a broken compression state by GOAWAY. */
static bool is_reset(void)
{
    return pair_client.resets + pair_server.resets > 0;
}

static uint32_t refusals(void)
{
    return pair_client.h2.mem.refused + pair_server.h2.mem.refused;
}

/* The nth allocation fails: a call says so, a stream is reset, or the conversation is whole all the same. Never is half
 * of it taken for the whole. */
static void test_every_allocation_fails(void **state)
{
    unsigned told = 0;
    bool fired = true;
    uint32_t n = 0;

    (void)state;
    while (fired) {
        bool ok;

        n++;
        arena_fail_nth(n);
        ok = conversation();
        fired = !ok || refusals() > 0;
        told += !ok;
        if (ok && !is_whole() && !is_reset())
            fail_msg("allocation %u failed, and nobody said so: ends %u %u bodies %zu %zu resets %u %u", n,
                     pair_client.ends, pair_server.ends, pair_client.body, pair_server.body, pair_client.resets,
                     pair_server.resets);
        arena_fail_nth(0);
        assert_int_equal(pair_teardown(NULL), 0);
        assert_int_equal(pair_setup(NULL), 0);
    }
    print_message("%u allocations, %u failures told\n", n - 1, told);
    assert_true(n > 30);
}

/* A session whose options or callbacks find no memory is not made. */
static void test_init_fails(void **state)
{
    (void)state;
    h2_session_exit();
    arena_fail_nth(1);
    assert_false(h2_session_init());
    h2_session_exit();
    assert_true(h2_session_init());
    arena_fail_nth(1);
    assert_null(h2_session_callbacks());
    pair_callbacks = h2_session_callbacks();
    assert_non_null(pair_callbacks);
}

/* As long as the session says that there is room, there is. Behind that it says that it is full. */
static void test_arena_full(void **state)
{
    unsigned streams = 0;

    (void)state;
    assert_true(pair_open());
    assert_true(pair_talk());
    while (streams < CONFIG_BACKEND_STREAMS && h2_session_has_room(&pair_client.h2, streams, CONFIG_HEAD_FIELDS, 0)) {
        assert_true(pair_request(0) > 0);
        streams++;
    }
    assert_true(streams >= MOST_STREAMS);
    assert_int_equal(pair_client.h2.mem.refused, 0);
    while (streams < 100000 && pair_request(0) > 0)
        streams++;
    print_message("%u requests before its memory is full\n", streams);
    assert_true(streams < 100000);
    assert_true(pair_client.h2.mem.refused > 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, pair_setup, pair_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_no_lease),   TEST(test_memory),     TEST(test_memory_when_busy), TEST(test_every_allocation_fails),
        TEST(test_init_fails), TEST(test_arena_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
