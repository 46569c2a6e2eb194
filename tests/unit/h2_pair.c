/* Two HTTP/2 sessions in arenas that talk to each other in memory. */
#include "h2_pair.h"

struct pair_end pair_client, pair_server;
nghttp2_session_callbacks *pair_callbacks;
struct head pair_head;

static char storage[CONFIG_REQUEST_HEAD + HEAD_ADDED];

/* ---- what the sessions tell ---- */

static int on_begin(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
    struct pair_end *e = user;

    (void)ng;
    (void)frame;
    e->fields_len = 0;
    return 0;
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
                     const uint8_t *value, size_t value_len, uint8_t flags, void *user)
{
    struct pair_end *e = user;
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
    struct pair_end *e = user;

    (void)ng;
    e->heads += frame->hd.type == NGHTTP2_HEADERS;
    if (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA)
        e->ends += (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    e->resets += frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR;
    return 0;
}

static int on_chunk(nghttp2_session *ng, uint8_t flags, int32_t stream, const uint8_t *bytes, size_t len, void *user)
{
    struct pair_end *e = user;

    (void)flags;
    for (size_t i = 0; i < len; i++)
        assert_int_equal(bytes[i], (uint8_t)(e->body + i));
    e->body += len;
    return nghttp2_session_consume(ng, stream, len);
}

static int on_close(nghttp2_session *ng, int32_t stream, uint32_t code, void *user)
{
    struct pair_end *e = user;

    (void)ng;
    (void)stream;
    e->resets += code != 0;
    return 0;
}

int pair_setup(void **state)
{
    (void)state;
    memset(&pair_client, 0, sizeof(pair_client));
    memset(&pair_server, 0, sizeof(pair_server));
    assert_true(h2_session_init());
    pair_callbacks = h2_session_callbacks();
    assert_non_null(pair_callbacks);
    nghttp2_session_callbacks_set_on_begin_headers_callback(pair_callbacks, on_begin);
    nghttp2_session_callbacks_set_on_header_callback(pair_callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(pair_callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(pair_callbacks, on_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(pair_callbacks, on_close);
    return 0;
}

int pair_teardown(void **state)
{
    (void)state;
    arena_fail_nth(0);
    h2_session_close(&pair_client.h2);
    h2_session_close(&pair_server.h2);
    h2_session_exit();
    assert_int_equal(pool_total_used(), 0);
    assert_int_equal(heap_strays(), 0);
    return 0;
}

/* ---- the wire ---- */

/* Everything that `from` has to send reaches `to`, through the gather. False: a session failed. */
static bool carry(struct pair_end *from, struct pair_end *to)
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

bool pair_talk(void)
{
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t before = (uint64_t)pair_client.body + pair_server.body + pair_client.heads + pair_server.heads;
        bool quiet = !h2_session_wants_write(&pair_client.h2) && !h2_session_wants_write(&pair_server.h2);

        if (!carry(&pair_client, &pair_server) || !carry(&pair_server, &pair_client))
            return false;
        if (quiet && before == (uint64_t)pair_client.body + pair_server.body + pair_client.heads + pair_server.heads)
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

bool pair_open(void)
{
    return h2_session_open_client(&pair_client.h2, pair_callbacks, &pair_client) && greet(&pair_client.h2) &&
           h2_session_open_server(&pair_server.h2, pair_callbacks, &pair_server) && greet(&pair_server.h2);
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

void pair_request_head(void)
{
    head_init(&pair_head, storage, sizeof(storage));
    head_begin(&pair_head, SECTION_REQUEST, 0);
    assert_true(head_store(&pair_head, TEXT("POST"), &pair_head.method));
    assert_true(head_store(&pair_head, TEXT("http"), &pair_head.scheme));
    assert_true(head_store(&pair_head, TEXT("a.example"), &pair_head.authority));
    assert_true(head_store(&pair_head, TEXT("/path"), &pair_head.path));
}

struct section *pair_response_head(unsigned status)
{
    head_init(&pair_head, storage, sizeof(storage));
    return head_begin(&pair_head, SECTION_FINAL, status);
}

int32_t pair_request(size_t body)
{
    nghttp2_data_provider provider = {{.ptr = &bodies[0]}, on_body};
    nghttp2_nv *block;
    size_t count;

    pair_request_head();
    bodies[0] = (struct body){0, body};
    block = h2_session_request_block(&pair_head, &count);
    return nghttp2_submit_request(pair_client.h2.ng, NULL, block, count, body > 0 ? &provider : NULL, NULL);
}

int pair_response(int32_t stream, size_t body)
{
    nghttp2_data_provider provider = {{.ptr = &bodies[1]}, on_body};
    struct section *section = pair_response_head(200);
    nghttp2_nv *block;
    size_t count;

    assert_true(head_add(&pair_head, TEXT("server"), TEXT("test")));
    bodies[1] = (struct body){0, body};
    block = h2_session_response_block(&pair_head, section, &count);
    return nghttp2_submit_response(pair_server.h2.ng, stream, block, count, body > 0 ? &provider : NULL);
}
