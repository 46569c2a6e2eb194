/* The memory of HTTP/2 sessions: the block for frames that all share, extents, large blocks, and what happens without.
 */
#include "base/arena.h"
#include "base/pool.h"
#include "base/slab.h"
#include "http/h2_session.h"

#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SESSIONS (CONFIG_H2_CLIENTS + CONFIG_BACKEND_CONNS)

static struct h2_session a, b, peer_a, peer_b;
static nghttp2_session_callbacks *callbacks;
static char text[2048];
static struct head head;

static int setup(void **state)
{
    (void)state;
    assert_true(h2_session_init());
    callbacks = h2_session_callbacks();
    assert_non_null(callbacks);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    h2_session_close(&a);
    h2_session_close(&b);
    h2_session_close(&peer_a);
    h2_session_close(&peer_b);
    h2_session_exit();
    assert_int_equal(pool_total_used(), 0);
    return 0;
}

/* ---- one block ---- */

/* Bytes of one write, which ends in `wire`. */
static size_t write_once(struct h2_session *s, uint8_t *wire, size_t cap)
{
    struct gather *g = gather_begin();
    size_t len;

    assert_true(h2_session_pull(s, g));
    len = gather_rest(g, 0, wire, cap);
    assert_int_equal(len, g->total);
    assert_true(h2_session_keep(s, g, len));
    return len;
}

static void request(struct h2_session *s, const char *path)
{
    nghttp2_nv *block;
    size_t count;

    head_init(&head, text, sizeof(text));
    head_begin(&head, SECTION_REQUEST, 0);
    assert_true(head_store(&head, TEXT("GET"), &head.method));
    assert_true(head_store(&head, TEXT("http"), &head.scheme));
    assert_true(head_store(&head, TEXT("a.example"), &head.authority));
    assert_true(head_store(&head, text_make(path, strlen(path)), &head.path));
    block = h2_session_request_block(&head, &count);
    assert_true(nghttp2_submit_request(s->ng, NULL, block, count, NULL, NULL) > 0);
}

/* Two conversations, frame by frame in turn: neither sees a byte of the other's. The first frames of a client, its
   preface among them, wait while the other session sends. */
static void test_shared_block(void **state)
{
    static uint8_t wire[2][4096];
    size_t len[2];

    (void)state;
    assert_true(h2_session_open_client(&a, callbacks, NULL));
    assert_true(h2_session_open_client(&b, callbacks, NULL));
    assert_true(h2_session_open_server(&peer_a, callbacks, NULL));
    assert_true(h2_session_open_server(&peer_b, callbacks, NULL));
    assert_int_equal(nghttp2_submit_settings(b.ng, 0, NULL, 0), 0);
    assert_int_equal(nghttp2_submit_settings(a.ng, 0, NULL, 0), 0);
    assert_int_equal(nghttp2_submit_settings(peer_a.ng, 0, NULL, 0), 0);
    assert_int_equal(nghttp2_submit_settings(peer_b.ng, 0, NULL, 0), 0);
    for (unsigned i = 0; i < 20; i++) {
        request(&b, "/of-b");
        len[1] = write_once(&b, wire[1], sizeof(wire[1]));
        request(&a, "/of-a");
        len[0] = write_once(&a, wire[0], sizeof(wire[0]));
        if (i == 0)
            assert_memory_equal(wire[0], NGHTTP2_CLIENT_MAGIC, NGHTTP2_CLIENT_MAGIC_LEN);
        assert_true(h2_session_feed(&peer_a, wire[0], len[0]));
        assert_true(h2_session_feed(&peer_b, wire[1], len[1]));
        for (int32_t stream = 1; stream <= (int32_t)(2 * i + 1); stream += 2) {
            assert_non_null(nghttp2_session_find_stream(peer_a.ng, stream));
            assert_non_null(nghttp2_session_find_stream(peer_b.ng, stream));
        }
        len[1] = write_once(&peer_b, wire[1], sizeof(wire[1]));
        len[0] = write_once(&peer_a, wire[0], sizeof(wire[0]));
        assert_true(h2_session_feed(&a, wire[0], len[0]));
        assert_true(h2_session_feed(&b, wire[1], len[1]));
    }
    assert_true(nghttp2_session_want_read(a.ng) && nghttp2_session_want_read(b.ng));
}

/* ---- extents ---- */

static alignas(ARENA_ALIGN) uint8_t own[SESSIONS][2048];
static struct h2_mem mems[SESSIONS];

/* Takes blocks of 1,000 bytes until there are no more. Returns how many. */
static unsigned exhaust(struct h2_mem *m)
{
    nghttp2_mem hooks = h2_mem_hooks(m);
    unsigned count = 0;

    while (hooks.malloc(1000, m))
        count++;
    return count;
}

/* Slabs that sessions which take one after the other all that they get have: never more than are left. */
static unsigned expected_slabs(unsigned left)
{
    return (left + 1) / 2;
}

/* Sessions take all that they can get, each as much as it leaves: all others still get the extent that is kept for
   them, and what is given back can be had again. */
static void test_extents(void **state)
{
    unsigned left = CONFIG_SLABS;
    unsigned alone;
    unsigned least;

    (void)state;
    for (unsigned i = 0; i < SESSIONS; i++)
        h2_mem_open(&mems[i], own[i], sizeof(own[i]));
    alone = exhaust(&mems[0]);
    left -= expected_slabs(left);
    assert_int_equal(mems[0].extent_count, 1 + expected_slabs(CONFIG_SLABS));
    least = (CONFIG_H2_EXTENT - 640) / 1008;
    for (unsigned i = 1; i < SESSIONS; i++) {
        assert_true(exhaust(&mems[i]) >= least);
        assert_int_equal(mems[i].extent_count, 1 + expected_slabs(left));
        assert_true(mems[i].refused > 0);
        left -= expected_slabs(left);
    }
    assert_int_equal(slab_left(), left * SLAB_PIECES);
    assert_false(h2_mem_reserve(&mems[SESSIONS - 1], (size_t)CONFIG_H2_EXTENT * (mems[SESSIONS - 1].extent_count + 1)));
    for (unsigned i = 0; i < SESSIONS; i++)
        h2_mem_close(&mems[i]);
    assert_int_equal(pool_total_used(), 0);
    h2_mem_open(&mems[0], own[0], sizeof(own[0]));
    assert_int_equal(exhaust(&mems[0]), alone);
    h2_mem_close(&mems[0]);
}

/* Room that is said to be there is: also in many small extents, each with a head and an end that nothing fits into. */
static void test_room(void **state)
{
    static const size_t sizes[] = {152, 232, 360}; /* about those of frames, streams and heads; 8 more in an arena */

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        nghttp2_mem hooks;
        size_t room;

        h2_mem_open(&mems[0], own[0], sizeof(own[0]));
        hooks = h2_mem_hooks(&mems[0]);
        while (h2_mem_reserve(&mems[0], h2_mem_room(&mems[0]) + 1))
            ;
        room = h2_mem_room(&mems[0]);
        assert_true(room > (size_t)mems[0].extent_count * (CONFIG_H2_EXTENT - 1024));
        for (size_t taken = 0; taken + sizes[i] + 8 <= room; taken += sizes[i] + 8)
            assert_non_null(hooks.malloc(sizes[i], &mems[0]));
        assert_int_equal(mems[0].refused, 0);
        h2_mem_close(&mems[0]);
    }
}

/* What is to be large takes a large block, once, and never the last one; what may be an entry of a table does not. */
static void test_want_large(void **state)
{
    const size_t size = CONFIG_H2_TABLE + 1;
    nghttp2_mem hooks;
    void *ptr;

    (void)state;
    h2_mem_open(&mems[0], own[0], sizeof(own[0]));
    hooks = h2_mem_hooks(&mems[0]);
    assert_false(h2_mem_want_large(&mems[0], size - 1));
    assert_true(h2_mem_want_large(&mems[0], size));
    hooks.free(hooks.malloc(size - 1, &mems[0]), &mems[0]);
    assert_int_equal(h2_large_left(), CONFIG_H2_LARGE_BLOCKS);
    ptr = hooks.malloc(size, &mems[0]);
    assert_int_equal(h2_large_left(), CONFIG_H2_LARGE_BLOCKS - 1);
    hooks.free(ptr, &mems[0]);
    assert_true(h2_mem_has_piece(&mems[0], size));
    assert_false(h2_mem_has_piece(&mems[0], H2_LARGE + 1));
    assert_int_equal(h2_large_left(), CONFIG_H2_LARGE_BLOCKS);
    h2_mem_close(&mems[0]);
}

/* When no extent is left but its own, a session that took as many streams as it has room for can still reset half of
   them at once. */
static void test_resets(void **state)
{
    static uint8_t wire[65536];
    uint32_t streams = 0;
    uint32_t lent;

    (void)state;
    assert_true(h2_session_open_client(&a, callbacks, NULL));
    assert_true(h2_session_open_server(&peer_a, callbacks, NULL));
    assert_int_equal(nghttp2_submit_settings(peer_a.ng, 0, NULL, 0), 0); /* it takes any number */
    assert_true(h2_session_feed(&a, wire, write_once(&peer_a, wire, sizeof(wire))));
    lent = slab_left(); /* bodies have all slabs */
    assert_true(slab_lend(lent));
    while (h2_session_has_room(&a, streams, head.field_count, head.used)) {
        request(&a, "/of-a");
        streams++;
        write_once(&a, wire, sizeof(wire));
    }
    print_message("%u streams\n", streams);
    assert_true(streams > 0);
    for (uint32_t i = 0; i < (streams + 1) / 2; i++)
        assert_int_equal(nghttp2_submit_rst_stream(a.ng, 0, (int32_t)(2 * i + 1), NGHTTP2_CANCEL), 0);
    assert_int_equal(a.mem.refused, 0);
    slab_return(lent);
}

/* Extents that are empty go back; those in use stay. */
static void test_trim(void **state)
{
    nghttp2_mem hooks;
    void *kept, *gone;

    (void)state;
    h2_mem_open(&mems[0], own[0], sizeof(own[0]));
    hooks = h2_mem_hooks(&mems[0]);
    kept = hooks.malloc(CONFIG_H2_EXTENT - 700, &mems[0]);
    gone = hooks.malloc(CONFIG_H2_EXTENT - 700, &mems[0]);
    assert_true(kept && gone);
    assert_int_equal(mems[0].extent_count, 2);
    memset(kept, 'k', CONFIG_H2_EXTENT - 700);
    hooks.free(gone, &mems[0]);
    h2_mem_trim(&mems[0]);
    assert_int_equal(mems[0].extent_count, 1);
    kept = hooks.realloc(kept, CONFIG_H2_EXTENT + 100, &mems[0]); /* a large block now */
    assert_non_null(kept);
    assert_int_equal(((uint8_t *)kept)[CONFIG_H2_EXTENT - 701], 'k');
    h2_mem_trim(&mems[0]);
    assert_int_equal(mems[0].extent_count, 0);
    hooks.free(kept, &mems[0]);
    assert_int_equal(pool_total_used(), 0);
    h2_mem_close(&mems[0]);
}

/* ---- large blocks ---- */

static uint8_t *larges[CONFIG_H2_LARGE_BLOCKS];

/* nghttp2 never gets the last large block: it is for the rest of a write. */
static void test_last_large(void **state)
{
    nghttp2_mem hooks;
    unsigned count = 0;

    (void)state;
    h2_mem_open(&mems[0], own[0], sizeof(own[0]));
    hooks = h2_mem_hooks(&mems[0]);
    mems[0].opening = false;
    while (hooks.malloc(H2_LARGE, &mems[0]))
        count++;
    assert_int_equal(count, CONFIG_H2_LARGE_BLOCKS - 1);
    assert_int_equal(h2_large_left(), 1);
    larges[0] = h2_large_take();
    assert_non_null(larges[0]);
    assert_null(h2_large_take());
    h2_large_give(larges[0]);
    h2_mem_close(&mems[0]);
}

/* While a session receives nothing has to be kept, so it may take the last one: a field that is large does not cost its
   connection when all other memory is used up. */
static void test_last_large_received(void **state)
{
    static char value[CONFIG_H2_TABLE + 100];
    static uint8_t wire[2 * sizeof(value) + 4096];
    static char large_text[sizeof(value) + 1024];
    struct section *section;
    unsigned held = 0;
    nghttp2_nv *block;
    nghttp2_mem hooks;
    size_t count;
    size_t len;

    (void)state;
    assert_true(h2_session_open_client(&a, callbacks, NULL));
    assert_true(h2_session_open_server(&peer_a, callbacks, NULL));
    assert_int_equal(nghttp2_submit_settings(peer_a.ng, 0, NULL, 0), 0);
    assert_int_equal(nghttp2_submit_settings(a.ng, 0, NULL, 0), 0);
    request(&a, "/large");
    assert_true(h2_session_feed(&peer_a, wire, write_once(&a, wire, sizeof(wire))));
    head_init(&head, large_text, sizeof(large_text));
    section = head_begin(&head, SECTION_FINAL, 200);
    memset(value, 'X', sizeof(value)); /* 8 bits in Huffman's code, too */
    assert_true(head_add(&head, TEXT("set-cookie"), text_make(value, sizeof(value))));
    block = h2_session_response_block(&head, section, &count);
    assert_true(h2_session_takes_head(&peer_a, &head));
    assert_int_equal(nghttp2_submit_response(peer_a.ng, 1, block, count, NULL), 0);
    len = write_once(&peer_a, wire, sizeof(wire));
    assert_true(len > sizeof(value));
    hooks = h2_mem_hooks(&a.mem);
    a.mem.opening = false;
    while (hooks.malloc(CONFIG_H2_TABLE, &a.mem))
        continue;
    while (h2_large_left() > 1)
        assert_non_null(larges[held++] = h2_large_take());
    assert_true(h2_session_feed(&a, wire, len));
    assert_int_equal(a.mem.refused, 1); /* where it was exhausted */
    assert_int_equal(h2_large_left(), 1);
    while (held > 0)
        h2_large_give(larges[--held]);
}

static ssize_t endless(nghttp2_session *ng, int32_t stream, uint8_t *buf, size_t len, uint32_t *flags,
                       nghttp2_data_source *source, void *user)
{
    (void)ng;
    (void)stream;
    (void)flags;
    (void)source;
    len = min_size(len, ((struct h2_session *)user)->most / 2);
    memset(buf, 'd', len);
    return (ssize_t)len;
}

/* Trailers that wait for the body's end have memory promised to them once, then: not when their section comes, too. */
static void test_trailers_promised_once(void **state)
{
    struct section *trailers;

    (void)state;
    assert_true(h2_session_open_server(&peer_a, callbacks, NULL));
    head_init(&head, text, sizeof(text));
    assert_non_null(head_begin(&head, SECTION_FINAL, 200));
    head.section_sent = head.section_count;
    trailers = head_begin(&head, SECTION_TRAILERS, 0);
    assert_true(trailers && head_add(&head, TEXT("x-check"), TEXT("42")));
    assert_true(h2_session_takes_head(&peer_a, &head));
    assert_int_equal(peer_a.heads, 0);
    assert_int_equal(peer_a.promised, 0);
    assert_true(h2_session_takes_trailers(&peer_a, &head, trailers));
    assert_int_equal(peer_a.heads, 1);
    assert_true(peer_a.promised > 0);
}

/* Without a large block writes are small, and what is not taken of them is kept whole; with one they are large. A head
   that a small rest cannot keep is not taken. */
static void test_no_large(void **state)
{
    nghttp2_data_provider provider = {.read_callback = endless};
    static uint8_t wire[4096];
    static char value[1200];
    struct section *section;
    struct gather *g;
    nghttp2_nv *block;
    size_t count;
    size_t n;

    (void)state;
    memset(value, 'v', sizeof(value));
    assert_true(h2_session_open_client(&a, callbacks, NULL));
    assert_true(h2_session_open_server(&peer_a, callbacks, &peer_a));
    assert_int_equal(nghttp2_submit_settings(peer_a.ng, 0, NULL, 0), 0);
    assert_int_equal(nghttp2_submit_settings(a.ng, 0, NULL, 0), 0);
    request(&a, "/endless");
    n = write_once(&a, wire, sizeof(wire));
    assert_true(h2_session_feed(&peer_a, wire, n));
    request(&a, "/large");
    n = write_once(&a, wire, sizeof(wire));
    assert_true(h2_session_feed(&peer_a, wire, n));
    for (unsigned i = 0; i < CONFIG_H2_LARGE_BLOCKS; i++)
        assert_non_null(larges[i] = h2_large_take());
    head_init(&head, text, sizeof(text));
    section = head_begin(&head, SECTION_FINAL, 200);
    assert_true(h2_session_takes_head(&peer_a, &head));
    block = h2_session_response_block(&head, section, &count);
    assert_int_equal(nghttp2_submit_response(peer_a.ng, 1, block, count, &provider), 0);
    g = gather_begin();
    assert_true(h2_session_pull(&peer_a, g));
    assert_in_range(g->total, 1, CONFIG_H2_FRONT_REST);
    n = g->total;
    assert_true(h2_session_keep(&peer_a, g, 0));
    assert_int_equal(h2_session_unsent(&peer_a).len, n);
    h2_session_sent(&peer_a, n);
    if (sizeof(value) > CONFIG_H2_FRONT_REST) {
        assert_true(head_add(&head, TEXT("x-large"), text_make(value, sizeof(value))));
        assert_false(h2_session_takes_head(&peer_a, &head));
        h2_large_give(larges[0]);
        assert_false(h2_session_takes_head(&peer_a, &head)); /* the last one is for what is received */
        h2_large_give(larges[1]);
        assert_true(h2_session_takes_head(&peer_a, &head));
        assert_non_null(peer_a.large);
        block = h2_session_response_block(&head, section, &count);
        assert_int_equal(nghttp2_submit_response(peer_a.ng, 3, block, count, NULL), 0);
        larges[0] = NULL;
    }
    for (unsigned i = larges[0] ? 0 : 2; i < CONFIG_H2_LARGE_BLOCKS; i++)
        h2_large_give(larges[i]);
    g = gather_begin();
    assert_true(h2_session_pull(&peer_a, g));
    assert_true(g->total > CONFIG_H2_FRONT_REST);
    assert_true(h2_session_keep(&peer_a, g, g->total));
    assert_null(peer_a.large);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_shared_block),
        TEST(test_extents),
        TEST(test_room),
        TEST(test_want_large),
        TEST(test_resets),
        TEST(test_trim),
        TEST(test_last_large),
        TEST(test_last_large_received),
        TEST(test_trailers_promised_once),
        TEST(test_no_large),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
