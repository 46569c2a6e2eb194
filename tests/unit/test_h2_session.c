/* Tests of HTTP/2 sessions: messages both ways, what a socket did not take, header blocks, and faults of the peer. */
#include "base/poison.h"
#include "h2_pair.h"

#define assert_text(t, literal) assert_true(text_eq(t, TEXT(literal)))

static void test_exchange(void **state)
{
    int32_t stream;

    (void)state;
    assert_true(pair_open());
    stream = pair_request(100000);
    assert_true(stream > 0);
    assert_true(pair_talk());
    assert_int_equal(pair_server.heads, 1);
    assert_int_equal(pair_server.body, 100000);
    assert_int_equal(pair_server.ends, 1);
    assert_string_equal(pair_server.fields, ":method: POST\n:scheme: http\n:authority: a.example\n:path: /path\n");
    assert_int_equal(pair_response(stream, 70000), 0);
    assert_true(pair_talk());
    assert_int_equal(pair_client.body, 70000);
    assert_int_equal(pair_client.ends, 1);
    assert_string_equal(pair_client.fields, ":status: 200\nserver: test\n");
    assert_int_equal(pair_client.resets + pair_server.resets, 0);
    assert_false(h2_session_over(&pair_client.h2));
    assert_int_equal(nghttp2_submit_goaway(pair_client.h2.ng, NGHTTP2_FLAG_NONE, 0, NGHTTP2_NO_ERROR, NULL, 0), 0);
    assert_int_equal(nghttp2_session_terminate_session(pair_server.h2.ng, NGHTTP2_NO_ERROR), 0);
    assert_true(pair_talk());
    assert_true(h2_session_over(&pair_server.h2));
}

/* A closed session is closed: closing again, and asking for its memory, is harmless. */
static void test_closed(void **state)
{
    struct h2_session none = {0};

    (void)state;
    h2_session_close(&none);
    assert_int_equal(h2_session_memory(&none), 0);
    assert_true(h2_session_open_client(&pair_client.h2, pair_callbacks, &pair_client));
    h2_session_close(&pair_client.h2);
    assert_null(pair_client.h2.ng);
    h2_session_close(&pair_client.h2);
}

/* ---- the unsent rest ---- */

static void fill(struct gather *g)
{
    assert_true(pair_open());
    assert_true(pair_request(300) > 0);
    assert_true(h2_session_pull(&pair_client.h2, g));
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
        assert_true(h2_session_keep(&pair_client.h2, g, taken));
        assert_true(h2_session_wants_write(&pair_client.h2));
        for (size_t piece = 1; (rest = h2_session_unsent(&pair_client.h2)).len > 0; piece++) {
            size_t n = min_size(piece, rest.len);

            assert_int_equal(rest.len, total - len);
            memcpy(wire + len, rest.ptr, n);
            len += n;
            h2_session_sent(&pair_client.h2, n);
        }
        assert_int_equal(len, total);
        assert_false(h2_session_wants_write(&pair_client.h2));
        assert_true(h2_session_feed(&pair_server.h2, wire, len));
        assert_int_equal(pair_server.ends, 1);
        assert_int_equal(pair_server.body, 300);
        assert_int_equal(pair_teardown(NULL), 0);
        assert_int_equal(pair_setup(NULL), 0);
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
    assert_true(pair_open());
    assert_true(gather_ref(g, bytes, pair_client.h2.output + H2_FRAME_MOST));
    assert_true(h2_session_keep(&pair_client.h2, g, 0));
    assert_int_equal(h2_session_unsent(&pair_client.h2).len, pair_client.h2.output + H2_FRAME_MOST);
    assert_memory_equal(h2_session_unsent(&pair_client.h2).ptr, bytes, pair_client.h2.output + H2_FRAME_MOST);
    g = gather_begin();
    assert_true(gather_ref(g, bytes, pair_server.h2.output + H2_FRAME_MOST));
    assert_true(h2_session_keep(&pair_server.h2, g, 1));
    assert_int_equal(h2_session_unsent(&pair_server.h2).len, pair_server.h2.output + H2_FRAME_MOST - 1);
}

/* ---- header blocks ---- */

/* Flags of a field that nghttp2 does not copy. */
#define KEPT (NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE)

static struct text value_at(const nghttp2_nv *block, size_t i)
{
    return text_make(block[i].value, block[i].valuelen);
}

static void test_crumbs(void **state)
{
    static const struct {
        const char *cookie;
        size_t crumbs;
        const char *joined; /* NULL: as it was */
    } cases[] = {{"a=1", 1, NULL},
                 {"a=1; b=2", 2, NULL},
                 {"a=1; b=2; c=3", 3, NULL},
                 {"a=1;b=2", 1, NULL},
                 {"a=1;", 1, NULL},
                 {"; a=1", 2, NULL},
                 {";", 1, NULL},
                 {"", 1, NULL},
                 {"a=1; b=2;c; d", 2, NULL},
                 {"a=1; ; b=2", 3, NULL},
                 /* A crumb neither begins nor ends with white space (RFC 9113 8.2.1). */
                 {"a=1; ", 1, "a=1;"},
                 {"a=1;  b=2", 2, "a=1; b=2"},
                 {"a=1 ; b=2", 2, "a=1; b=2"},
                 {"a=1; \tb=2; ; ", 3, "a=1; b=2; ;"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct textbuf joined;
        char text[64];
        nghttp2_nv *block;
        size_t count;

        pair_request_head();
        assert_true(head_add(&pair_head, TEXT("cookie"), text_of(cases[i].cookie)));
        assert_true(head_add(&pair_head, TEXT("x"), TEXT("y; z")));
        block = h2_session_request_block(&pair_head, &count);
        assert_int_equal(count, 4 + cases[i].crumbs + 1);
        textbuf_init(&joined, text, sizeof(text));
        for (size_t n = 0; n < cases[i].crumbs; n++) {
            if (n > 0)
                textbuf_put(&joined, TEXT("; "));
            textbuf_put(&joined, value_at(block, 4 + n));
            assert_int_equal(block[4 + n].flags, KEPT | NGHTTP2_NV_FLAG_NO_INDEX);
        }
        assert_true(text_eq(textbuf_text(&joined), text_of(cases[i].joined ? cases[i].joined : cases[i].cookie)));
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
    pair_request_head();
    assert_true(head_add(&pair_head, TEXT("cookie"), text_make(cookie, len)));
    for (unsigned i = 1; i < CONFIG_HEAD_FIELDS; i++)
        assert_true(head_add(&pair_head, TEXT("cookie"), TEXT("d=1; e=2")));
    block = h2_session_request_block(&pair_head, &count);
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
    pair_request_head();
    assert_true(head_store(&pair_head, TEXT("websocket"), &pair_head.protocol));
    assert_true(head_add(&pair_head, TEXT("host"), TEXT("gone")));
    assert_true(head_add(&pair_head, TEXT("authorization"), TEXT("secret")));
    assert_true(head_add(&pair_head, TEXT("accept"), TEXT("*/*")));
    pair_head.fields[0].dropped = true;
    block = h2_session_request_block(&pair_head, &count);
    assert_int_equal(count, 7);
    assert_text(value_at(block, 4), "websocket");
    assert_text(value_at(block, 5), "secret");
    assert_int_equal(block[5].flags, KEPT | NGHTTP2_NV_FLAG_NO_INDEX);
    assert_int_equal(block[6].flags, KEPT);

    section = pair_response_head(404);
    assert_true(head_add(&pair_head, TEXT("server"), TEXT("x")));
    block = h2_session_response_block(&pair_head, section, &count);
    assert_int_equal(count, 2);
    assert_text(value_at(block, 0), "404");
    assert_text(value_at(block, 1), "x");
    assert_int_equal(block[1].flags, NGHTTP2_NV_FLAG_NO_COPY_NAME);
    section = head_begin(&pair_head, SECTION_TRAILERS, 0);
    assert_true(head_add(&pair_head, TEXT("grpc-status"), TEXT("0")));
    block = h2_session_trailer_block(&pair_head, section, &count);
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
    assert_true(pair_open());
    assert_true(pair_talk());
    assert_true(h2_session_feed(&pair_client.h2, garbage, sizeof(garbage)));
    g = gather_begin();
    assert_true(h2_session_pull(&pair_client.h2, g));
    assert_true(g->total >= 17);
    assert_true(h2_session_over(&pair_client.h2));
    h2_session_close(&pair_server.h2);
    assert_true(h2_session_open_server(&pair_server.h2, pair_callbacks, &pair_server));
    assert_false(
        h2_session_feed(&pair_server.h2, (const uint8_t *)"GET / HTTP/1.1\r\n\r\n0123456789", 28)); /* no preface */
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
    static char other_storage[1024];
    nghttp2_nv *block;
    size_t count;
    int32_t gone;

    (void)state;
    assert_true(pair_open());
    assert_true(pair_talk());
    head_init(&pair_head, other_storage, sizeof(other_storage));
    head_begin(&pair_head, SECTION_REQUEST, 0);
    assert_true(head_store(&pair_head, TEXT("GET"), &pair_head.method));
    assert_true(head_store(&pair_head, TEXT("http"), &pair_head.scheme));
    assert_true(head_store(&pair_head, TEXT("b.example"), &pair_head.authority));
    assert_true(head_store(&pair_head, TEXT("/gone"), &pair_head.path));
    block = h2_session_request_block(&pair_head, &count);
    gone = nghttp2_submit_request(pair_client.h2.ng, NULL, block, count, NULL, NULL);
    assert_true(gone > 0);
    assert_int_equal(nghttp2_submit_rst_stream(pair_client.h2.ng, NGHTTP2_FLAG_NONE, gone, NGHTTP2_CANCEL), 0);
    poison_close(other_storage, sizeof(other_storage)); /* a look at it stops the test */
    assert_true(pair_request(0) > 0);
    assert_true(pair_talk());
    poison_open(other_storage, sizeof(other_storage));
    assert_int_equal(pair_server.heads, 1);
    assert_string_equal(pair_server.fields, ":method: POST\n:scheme: http\n:authority: a.example\n:path: /path\n");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, pair_setup, pair_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_exchange), TEST(test_closed),      TEST(test_unsent), TEST(test_unsent_most),
        TEST(test_crumbs),   TEST(test_many_crumbs), TEST(test_blocks), TEST(test_reset_before_sent),
        TEST(test_garbage),  TEST(test_library),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
