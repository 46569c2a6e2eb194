/* Tests of HTTP/2 sessions in arenas: two of them talk to each other in memory, run out of it, and keep what a socket
 * did not take. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/poison.h"
#include "base/pool.h"
#include "http/h2_session.h"

#define assert_text(t, literal) assert_true(text_eq(t, TEXT(literal)))

/* What one end has seen. */
struct end {
    struct h2_session h2;
    unsigned heads;
    unsigned ends;   /* END_STREAM */
    unsigned resets; /* streams closed with an error, and GOAWAYs with one */
    size_t body;
    char fields[4096]; /* "name: value\n" of the last header block */
    size_t fields_len;
};

static struct end client;
static struct end server;
static nghttp2_session_callbacks *callbacks;

static struct head head;
static char storage[CONFIG_REQUEST_HEAD + HEAD_ADDED];
static char other_storage[1024];

/* ---- what the sessions tell ---- */

static int on_begin(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
    struct end *e = user;

    (void)ng;
    (void)frame;
    e->fields_len = 0;
    return 0;
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
                     const uint8_t *value, size_t value_len, uint8_t flags, void *user)
{
    struct end *e = user;
    int n = snprintf(e->fields + e->fields_len, sizeof(e->fields) - e->fields_len, "%.*s: %.*s%s\n", (int)name_len,
                     (const char *)name, (int)value_len, (const char *)value,
                     (flags & NGHTTP2_NV_FLAG_NO_INDEX) != 0 ? " (never indexed)" : "");

    (void)ng;
    (void)frame;
    e->fields_len = min_size(e->fields_len + (size_t)n, sizeof(e->fields) - 1);
    return 0;
}

static int on_frame(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
    struct end *e = user;

    (void)ng;
    e->heads += frame->hd.type == NGHTTP2_HEADERS;
    if (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA)
        e->ends += (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    e->resets += frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR;
    return 0;
}

static int on_chunk(nghttp2_session *ng, uint8_t flags, int32_t stream, const uint8_t *bytes, size_t len, void *user)
{
    struct end *e = user;

    (void)flags;
    for (size_t i = 0; i < len; i++)
        assert_int_equal(bytes[i], (uint8_t)(e->body + i));
    e->body += len;
    return nghttp2_session_consume(ng, stream, len);
}

static int on_close(nghttp2_session *ng, int32_t stream, uint32_t code, void *user)
{
    struct end *e = user;

    (void)ng;
    (void)stream;
    e->resets += code != 0;
    return 0;
}

static int setup(void **state)
{
    (void)state;
    memset(&client, 0, sizeof(client));
    memset(&server, 0, sizeof(server));
    assert_true(h2_session_init());
    callbacks = h2_session_callbacks();
    assert_non_null(callbacks);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_fail_nth(0);
    h2_session_close(&client.h2);
    h2_session_close(&server.h2);
    h2_session_exit();
    assert_int_equal(pool_total_used(), 0);
    assert_int_equal(heap_strays(), 0);
    return 0;
}

/* ---- the wire ---- */

/* Everything that `from` has to send reaches `to`, through the gather. False: a session failed. */
static bool carry(struct end *from, struct end *to)
{
    while (h2_session_wants_write(&from->h2)) {
        static uint8_t wire[4 * CONFIG_OUTPUT_SIZE];
        struct gather *g = gather_begin();
        size_t len;

        if (!h2_session_pull(&from->h2, g))
            return false;
        len = gather_rest(g, 0, wire, sizeof(wire));
        assert_int_equal(len, g->total);
        assert_true(h2_session_keep(&from->h2, g, len));
        if (len == 0)
            return true; /* flow control */
        if (!h2_session_feed(&to->h2, wire, len))
            return false;
    }
    return true;
}

/* Both talk until neither has anything to say. */
static bool talk(void)
{
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t before = (uint64_t)client.body + server.body + client.heads + server.heads;
        bool quiet = !h2_session_wants_write(&client.h2) && !h2_session_wants_write(&server.h2);

        if (!carry(&client, &server) || !carry(&server, &client))
            return false;
        if (quiet && before == (uint64_t)client.body + server.body + client.heads + server.heads)
            return true;
    }
    fail_msg("they never end");
    return false;
}

static bool greet(struct h2_session *s)
{
    static const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, CONFIG_H2_TABLE},
                                                      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1000},
                                                      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, CONFIG_REQUEST_WINDOW}};

    return nghttp2_submit_settings(s->ng, NGHTTP2_FLAG_NONE, settings, ARRAY_SIZE(settings)) == 0;
}

static bool open_both(void)
{
    return h2_session_open_client(&client.h2, callbacks, &client) && greet(&client.h2) &&
           h2_session_open_server(&server.h2, callbacks, &server) && greet(&server.h2);
}

/* ---- messages ---- */

struct body {
    size_t at, len;
};
static struct body bodies[2]; /* of the request, of the response */

static ssize_t on_body(nghttp2_session *ng, int32_t stream, uint8_t *buf, size_t cap, uint32_t *flags,
                       nghttp2_data_source *source, void *user)
{
    struct body *body = source->ptr;
    size_t n = min_size(cap, body->len - body->at);

    (void)ng;
    (void)stream;
    (void)user;
    for (size_t i = 0; i < n; i++)
        buf[i] = (uint8_t)(body->at + i);
    body->at += n;
    if (body->at == body->len)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

static void request_head(void)
{
    head_init(&head, storage, sizeof(storage));
    head_begin(&head, SECTION_REQUEST, 0);
    assert_true(head_store(&head, TEXT("POST"), &head.method));
    assert_true(head_store(&head, TEXT("http"), &head.scheme));
    assert_true(head_store(&head, TEXT("a.example"), &head.authority));
    assert_true(head_store(&head, TEXT("/path"), &head.path));
}

static struct section *response_head(unsigned status)
{
    head_init(&head, storage, sizeof(storage));
    return head_begin(&head, SECTION_FINAL, status);
}

/* Flags of a field that nghttp2 does not copy. */
#define KEPT (NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE)

static int32_t submit_request(size_t body)
{
    nghttp2_data_provider provider = {{.ptr = &bodies[0]}, on_body};
    nghttp2_nv *block;
    size_t count;

    request_head();
    bodies[0] = (struct body){0, body};
    block = h2_session_request_block(&head, &count);
    return nghttp2_submit_request(client.h2.ng, NULL, block, count, body > 0 ? &provider : NULL, NULL);
}

static int submit_response(int32_t stream, size_t body)
{
    nghttp2_data_provider provider = {{.ptr = &bodies[1]}, on_body};
    struct section *section = response_head(200);
    nghttp2_nv *block;
    size_t count;

    assert_true(head_add(&head, TEXT("server"), TEXT("test")));
    bodies[1] = (struct body){0, body};
    block = h2_session_response_block(&head, section, &count);
    return nghttp2_submit_response(server.h2.ng, stream, block, count, body > 0 ? &provider : NULL);
}

/* ---- tests ---- */

static void test_exchange(void **state)
{
    int32_t stream;

    (void)state;
    assert_true(open_both());
    stream = submit_request(100000);
    assert_true(stream > 0);
    assert_true(talk());
    assert_int_equal(server.heads, 1);
    assert_int_equal(server.body, 100000);
    assert_int_equal(server.ends, 1);
    assert_string_equal(server.fields, ":method: POST\n:scheme: http\n:authority: a.example\n:path: /path\n");
    assert_int_equal(submit_response(stream, 70000), 0);
    assert_true(talk());
    assert_int_equal(client.body, 70000);
    assert_int_equal(client.ends, 1);
    assert_string_equal(client.fields, ":status: 200\nserver: test\n");
    assert_int_equal(client.resets + server.resets, 0);
    assert_false(h2_session_over(&client.h2));
    assert_int_equal(nghttp2_submit_goaway(client.h2.ng, NGHTTP2_FLAG_NONE, 0, NGHTTP2_NO_ERROR, NULL, 0), 0);
    assert_int_equal(nghttp2_session_terminate_session(server.h2.ng, NGHTTP2_NO_ERROR), 0);
    assert_true(talk());
    assert_true(h2_session_over(&server.h2));
}

/* A closed session is closed: closing again, and asking for its memory, is harmless. */
static void test_closed(void **state)
{
    struct h2_session none = {0};

    (void)state;
    h2_session_close(&none);
    assert_int_equal(h2_session_memory(&none), 0);
    assert_true(h2_session_open_client(&client.h2, callbacks, &client));
    h2_session_close(&client.h2);
    assert_null(client.h2.ng);
    h2_session_close(&client.h2);
}

/* All leases are taken: the next session does not open, and one that closes makes room. */
static void test_no_lease(void **state)
{
    static struct h2_session all[CONFIG_H2_CLIENTS];
    struct h2_session more;

    (void)state;
    for (unsigned i = 0; i < CONFIG_H2_CLIENTS; i++)
        assert_true(h2_session_open_server(&all[i], callbacks, NULL));
    assert_false(h2_session_open_server(&more, callbacks, NULL));
    assert_null(more.ng);
    h2_session_close(&more);
    h2_session_close(&all[CONFIG_H2_CLIENTS / 2]);
    assert_true(h2_session_open_server(&more, callbacks, NULL));
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
    assert_true(open_both());
    assert_true(talk());
    idle[0] = h2_session_memory(&client.h2);
    idle[1] = h2_session_memory(&server.h2);
    for (unsigned i = 0; i < MOST_STREAMS; i++)
        assert_true(submit_request(0) > 0);
    assert_true(talk());
    assert_int_equal(server.heads, MOST_STREAMS);
    open[0] = h2_session_memory(&client.h2);
    open[1] = h2_session_memory(&server.h2);
    print_message("idle: client %zu, server %zu bytes; a stream: client %zu, server %zu bytes\n", idle[0], idle[1],
                  (open[0] - idle[0]) / MOST_STREAMS, (open[1] - idle[1]) / MOST_STREAMS);
    assert_true(idle[0] <= 10000 + H2_OWN_BLOCK && idle[1] <= 10000 + H2_OWN_BLOCK);
    assert_true((open[0] - idle[0]) / MOST_STREAMS <= H2_STREAM_COST);
    assert_true((open[1] - idle[1]) / MOST_STREAMS <= H2_STREAM_COST);
    assert_true(h2_session_has_room(&server.h2, MOST_STREAMS, CONFIG_HEAD_FIELDS, 0));
    for (unsigned i = 0; i < MOST_STREAMS; i++)
        assert_int_equal(submit_response((int32_t)(2 * i + 1), 0), 0);
    assert_true(talk());
    assert_int_equal(client.ends, MOST_STREAMS);
    print_message("with %u streams at once: server %u extents\n", MOST_STREAMS, server.h2.mem.extent_count);
    assert_int_equal(server.h2.mem.refused, 0);
    /* What is left when all streams are gone is what fills the compression tables. */
    assert_true(h2_session_memory(&client.h2) <= idle[0] + 16384);
    assert_true(h2_session_memory(&server.h2) <= idle[1] + 16384);
}

/* A request and its response whose fields fill the compression tables: `at` makes them new ones. */
static void fill_tables(unsigned at, size_t len)
{
    static char value[4096];
    struct section *section;
    nghttp2_nv *block;
    size_t count;
    int32_t stream;

    request_head();
    for (unsigned i = 0; i < 3; i++) {
        memset(value, 'x', len);
        snprintf(value, sizeof(value), "%u-%u", at, i);
        value[strlen(value)] = 'x';
        assert_true(head_add(&head, TEXT("x-request"), text_make(value, len)));
    }
    block = h2_session_request_block(&head, &count);
    stream = nghttp2_submit_request(client.h2.ng, NULL, block, count, NULL, NULL);
    assert_true(stream > 0);
    assert_true(talk());
    section = response_head(200);
    assert_true(head_add(&head, TEXT("x-response"), text_make(value, len)));
    block = h2_session_response_block(&head, section, &count);
    assert_int_equal(nghttp2_submit_response(server.h2.ng, stream, block, count, NULL), 0);
    assert_true(talk());
}

/* A session that has been busy for long, with small fields (the most entries) or big ones, still takes as many streams
 * as were promised. */
static void test_memory_when_busy(void **state)
{
    (void)state;
    for (size_t len = 4; len <= 260; len *= 4) {
        size_t busy;

        assert_true(open_both());
        for (unsigned i = 0; i < 300; i++)
            fill_tables(i, len);
        busy = h2_session_memory(&server.h2);
        for (unsigned i = 0; i < MOST_STREAMS; i++) {
            if (!h2_session_has_room(&server.h2, i, CONFIG_HEAD_FIELDS, 0))
                fail_msg("fields of %zu bytes: no room for stream %u: %zu bytes when idle, %zu now", len, i, busy,
                         h2_session_memory(&server.h2));
            assert_true(submit_request(0) > 0);
            assert_true(talk());
        }
        print_message("fields of %zu bytes: %zu bytes when idle, %zu with %u streams, %u extents\n", len, busy,
                      h2_session_memory(&server.h2), MOST_STREAMS, server.h2.mem.extent_count);
        assert_int_equal(server.h2.mem.refused, 0);
        assert_int_equal(teardown(NULL), 0);
        assert_int_equal(setup(NULL), 0);
    }
}

/* A whole conversation, of which every step may fail. */
static bool conversation(void)
{
    int32_t first, second;

    if (!open_both())
        return false;
    first = submit_request(0);
    if (first < 0 || !talk())
        return false;
    second = submit_request(40000);
    if (second < 0 || !talk())
        return false;
    if (submit_response(first, 0) != 0 || submit_response(second, 40000) != 0 || !talk())
        return false;
    return nghttp2_submit_ping(client.h2.ng, NGHTTP2_FLAG_NONE, NULL) == 0 &&
           nghttp2_session_terminate_session(server.h2.ng, NGHTTP2_NO_ERROR) == 0 && talk();
}

static bool is_whole(void)
{
    return client.ends == 2 && server.ends == 2 && client.body == 40000 && server.body == 40000 &&
           client.resets + server.resets == 0;
}

/* What the library gives up is told of by RST_STREAM, and a broken compression state by GOAWAY. */
static bool is_reset(void)
{
    return client.resets + server.resets > 0;
}

static uint32_t refusals(void)
{
    return client.h2.mem.refused + server.h2.mem.refused;
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
            fail_msg("allocation %u failed, and nobody said so: ends %u %u bodies %zu %zu resets %u %u", n, client.ends,
                     server.ends, client.body, server.body, client.resets, server.resets);
        arena_fail_nth(0);
        assert_int_equal(teardown(NULL), 0);
        assert_int_equal(setup(NULL), 0);
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
    callbacks = h2_session_callbacks();
    assert_non_null(callbacks);
}

/* As long as the session says that there is room, there is. Behind that it says that it is full. */
static void test_arena_full(void **state)
{
    unsigned streams = 0;

    (void)state;
    assert_true(open_both());
    assert_true(talk());
    while (streams < CONFIG_BACKEND_STREAMS && h2_session_has_room(&client.h2, streams, CONFIG_HEAD_FIELDS, 0)) {
        assert_true(submit_request(0) > 0);
        streams++;
    }
    assert_true(streams >= MOST_STREAMS);
    assert_int_equal(client.h2.mem.refused, 0);
    while (streams < 100000 && submit_request(0) > 0)
        streams++;
    print_message("%u requests before its memory is full\n", streams);
    assert_true(streams < 100000);
    assert_true(client.h2.mem.refused > 0);
}

/* ---- the unsent rest ---- */

static void fill(struct gather *g)
{
    assert_true(open_both());
    assert_true(submit_request(300) > 0);
    assert_true(h2_session_pull(&client.h2, g));
    assert_true(g->total > 300);
}

/* A write that takes any number of bytes, and then the rest in pieces of any size: nothing is lost or doubled. */
static void test_unsent(void **state)
{
    size_t total = 1;

    (void)state;
    for (size_t taken = 0; taken < total; taken++) {
        struct gather *g = gather_begin();
        static uint8_t wire[2048];
        size_t len;
        struct text rest;

        fill(g);
        total = g->total;
        len = gather_rest(g, 0, wire, taken);
        assert_int_equal(len, taken);
        assert_true(h2_session_keep(&client.h2, g, taken));
        assert_true(h2_session_wants_write(&client.h2));
        for (size_t piece = 1; (rest = h2_session_unsent(&client.h2)).len > 0; piece++) {
            size_t n = min_size(piece, rest.len);

            assert_int_equal(rest.len, total - len);
            memcpy(wire + len, rest.ptr, n);
            len += n;
            h2_session_sent(&client.h2, n);
        }
        assert_int_equal(len, total);
        assert_false(h2_session_wants_write(&client.h2));
        assert_true(h2_session_feed(&server.h2, wire, len));
        assert_int_equal(server.ends, 1);
        assert_int_equal(server.body, 300);
        assert_int_equal(teardown(NULL), 0);
        assert_int_equal(setup(NULL), 0);
    }
}

/* The largest write and the largest frame on top of it fit. */
static void test_unsent_most(void **state)
{
    static uint8_t bytes[CONFIG_OUTPUT_SIZE + H2_FRAME_MOST];
    struct gather *g = gather_begin();

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 31 >> 3);
    assert_true(open_both());
    assert_true(gather_ref(g, bytes, client.h2.output + H2_FRAME_MOST));
    assert_true(h2_session_keep(&client.h2, g, 0));
    assert_int_equal(h2_session_unsent(&client.h2).len, client.h2.output + H2_FRAME_MOST);
    assert_memory_equal(h2_session_unsent(&client.h2).ptr, bytes, client.h2.output + H2_FRAME_MOST);
    g = gather_begin();
    assert_true(gather_ref(g, bytes, server.h2.output + H2_FRAME_MOST));
    assert_true(h2_session_keep(&server.h2, g, 1));
    assert_int_equal(h2_session_unsent(&server.h2).len, server.h2.output + H2_FRAME_MOST - 1);
}

/* ---- header blocks ---- */

static struct text value_at(const nghttp2_nv *block, size_t i)
{
    return text_make(block[i].value, block[i].valuelen);
}

static void test_crumbs(void **state)
{
    static const struct {
        const char *cookie;
        size_t crumbs;
    } cases[] = {{"a=1", 1},  {"a=1; b=2", 2},  {"a=1; b=2; c=3", 3}, {"a=1;b=2", 1},
                 {"a=1;", 1}, {"a=1; ", 1},     {"; a=1", 2},         {";", 1},
                 {"", 1},     {"a=1;  b=2", 2}, {"a=1; b=2;c; d", 2}};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct textbuf joined;
        char text[64];
        nghttp2_nv *block;
        size_t count;

        request_head();
        assert_true(head_add(&head, TEXT("cookie"), text_of(cases[i].cookie)));
        assert_true(head_add(&head, TEXT("x"), TEXT("y; z")));
        block = h2_session_request_block(&head, &count);
        assert_int_equal(count, 4 + cases[i].crumbs + 1);
        textbuf_init(&joined, text, sizeof(text));
        for (size_t n = 0; n < cases[i].crumbs; n++) {
            if (n > 0)
                textbuf_put(&joined, TEXT("; "));
            textbuf_put(&joined, value_at(block, 4 + n));
            assert_int_equal(block[4 + n].flags, KEPT | NGHTTP2_NV_FLAG_NO_INDEX);
        }
        assert_true(text_eq(textbuf_text(&joined), text_of(cases[i].cookie)));
        assert_text(value_at(block, count - 1), "y; z");
    }
}

/* More crumbs than the array holds: the last one is what is left, and nothing is lost. */
static void test_many_crumbs(void **state)
{
    static char cookie[3000];
    size_t len = 0;
    size_t joined = 0;
    nghttp2_nv *block;
    size_t count;

    (void)state;
    while (len + 5 < sizeof(cookie) && len + 5 < CONFIG_REQUEST_HEAD) {
        memcpy(cookie + len, "c=1; ", 5);
        len += 5;
    }
    len -= 2;
    request_head();
    assert_true(head_add(&head, TEXT("cookie"), text_make(cookie, len)));
    for (unsigned i = 1; i < CONFIG_HEAD_FIELDS; i++)
        assert_true(head_add(&head, TEXT("cookie"), TEXT("d=1; e=2")));
    block = h2_session_request_block(&head, &count);
    assert_true(count > 4 + CONFIG_HEAD_FIELDS);
    assert_true(count <= 5 + CONFIG_HEAD_FIELDS + 64);
    for (size_t i = 4; i < count; i++) {
        assert_int_equal(block[i].flags, KEPT | NGHTTP2_NV_FLAG_NO_INDEX);
        joined += block[i].valuelen;
    }
    /* Each split took two bytes away. */
    assert_int_equal(joined, len + (CONFIG_HEAD_FIELDS - 1) * 8 - 2 * (count - 4 - CONFIG_HEAD_FIELDS));
}

/* Dropped fields stay behind, secrets are never indexed, and only what outlives the frame is not copied. */
static void test_blocks(void **state)
{
    struct section *section;
    nghttp2_nv *block;
    size_t count;

    (void)state;
    request_head();
    assert_true(head_store(&head, TEXT("websocket"), &head.protocol));
    assert_true(head_add(&head, TEXT("host"), TEXT("gone")));
    assert_true(head_add(&head, TEXT("authorization"), TEXT("secret")));
    assert_true(head_add(&head, TEXT("accept"), TEXT("*/*")));
    head.fields[0].dropped = true;
    block = h2_session_request_block(&head, &count);
    assert_int_equal(count, 7);
    assert_text(value_at(block, 4), "websocket");
    assert_text(value_at(block, 5), "secret");
    assert_int_equal(block[5].flags, KEPT | NGHTTP2_NV_FLAG_NO_INDEX);
    assert_int_equal(block[6].flags, KEPT);

    section = response_head(404);
    assert_true(head_add(&head, TEXT("server"), TEXT("x")));
    block = h2_session_response_block(&head, section, &count);
    assert_int_equal(count, 2);
    assert_text(value_at(block, 0), "404");
    assert_text(value_at(block, 1), "x");
    assert_int_equal(block[1].flags, NGHTTP2_NV_FLAG_NO_COPY_NAME);
    section = head_begin(&head, SECTION_TRAILERS, 0);
    assert_true(head_add(&head, TEXT("grpc-status"), TEXT("0")));
    block = h2_session_trailer_block(&head, section, &count);
    assert_int_equal(count, 1);
    assert_text(text_make(block[0].name, block[0].namelen), "grpc-status");
    assert_int_equal(block[0].flags, NGHTTP2_NV_FLAG_NONE);
}

/* ---- faults of the peer ---- */

/* What is no HTTP/2 ends the session with a GOAWAY: no failure of ours, but the end. */
static void test_garbage(void **state)
{
    static uint8_t garbage[100];
    struct gather *g;

    (void)state;
    memset(garbage, 0xff, sizeof(garbage));
    assert_true(open_both());
    assert_true(talk());
    assert_true(h2_session_feed(&client.h2, garbage, sizeof(garbage)));
    g = gather_begin();
    assert_true(h2_session_pull(&client.h2, g));
    assert_true(g->total >= 17);
    assert_true(h2_session_over(&client.h2));
    h2_session_close(&server.h2);
    assert_true(h2_session_open_server(&server.h2, callbacks, &server));
    assert_false(h2_session_feed(&server.h2, (const uint8_t *)"GET / HTTP/1.1\r\n\r\n0123456789", 28)); /* no preface */
}

static void test_library(void **state)
{
    (void)state;
    assert_true(strlen(h2_session_library()) >= 5);
}

/* Heads of requests are not copied, so HEADERS that wait when their stream is reset must never be made: the head may be
   another's by then. The one beside it is sent. */
static void test_reset_before_sent(void **state)
{
    nghttp2_nv *block;
    size_t count;
    int32_t gone;

    (void)state;
    assert_true(open_both());
    assert_true(talk());
    head_init(&head, other_storage, sizeof(other_storage));
    head_begin(&head, SECTION_REQUEST, 0);
    assert_true(head_store(&head, TEXT("GET"), &head.method));
    assert_true(head_store(&head, TEXT("http"), &head.scheme));
    assert_true(head_store(&head, TEXT("b.example"), &head.authority));
    assert_true(head_store(&head, TEXT("/gone"), &head.path));
    block = h2_session_request_block(&head, &count);
    gone = nghttp2_submit_request(client.h2.ng, NULL, block, count, NULL, NULL);
    assert_true(gone > 0);
    assert_int_equal(nghttp2_submit_rst_stream(client.h2.ng, NGHTTP2_FLAG_NONE, gone, NGHTTP2_CANCEL), 0);
    poison_close(other_storage, sizeof(other_storage)); /* a look at it stops the test */
    assert_true(submit_request(0) > 0);
    assert_true(talk());
    poison_open(other_storage, sizeof(other_storage));
    assert_int_equal(server.heads, 1);
    assert_string_equal(server.fields, ":method: POST\n:scheme: http\n:authority: a.example\n:path: /path\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_exchange),         TEST(test_closed),
        TEST(test_no_lease),         TEST(test_memory),
        TEST(test_memory_when_busy), TEST(test_every_allocation_fails),
        TEST(test_init_fails),       TEST(test_arena_full),
        TEST(test_unsent),           TEST(test_unsent_most),
        TEST(test_crumbs),           TEST(test_many_crumbs),
        TEST(test_blocks),           TEST(test_reset_before_sent),
        TEST(test_garbage),          TEST(test_library),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
