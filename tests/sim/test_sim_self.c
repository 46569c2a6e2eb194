/* The simulator itself: its network, clock, faults, reader and origins do what the other tests rely on. It runs without
 * the core: where one is needed, a few lines on the platform contract take its place. */
#include "base/arena.h"

#include "core.h"
#include "sim_origin_conn.h"

/* ---- the network ---- */

static void bytes_arrive_in_order(void **state)
{
    (void)state;
    for (uint32_t buffer = 1; buffer < 40; buffer += 13)
        for (uint32_t latency = 0; latency < 9; latency += 4) {
            struct link *link;
            uint64_t sent = 0;
            uint64_t got = 0;

            sim_begin(NULL);
            link = link_new(buffer, latency);
            while (got < 500) {
                uint8_t buf[64];
                size_t n;

                body_fill(1, sent, buf, sizeof(buf));
                n = link_write(link, CORE, buf, 1 + sim_chance(64));
                sent += n;
                CHECK(sent - got <= buffer);
                if (link_read(link, PEER, buf, 1 + sim_chance(64), &n) == PORT_OK) {
                    CHECK(n > 0 && body_is(1, got, buf, n));
                    got += n;
                } else {
                    CHECK_INT(n, 0);
                    sim_set_now(sim_now() + 1);
                }
            }
            CHECK(latency == 0 || sim_now() >= latency);
            link_close(link, CORE, false);
            link_close(link, PEER, false);
            sim_end();
        }
}

static void an_end_arrives_behind_the_bytes(void **state)
{
    struct link *link;
    char buf[8];
    size_t n;

    (void)state;
    sim_begin(NULL);
    link = link_new(100, 5);
    CHECK_INT(link_write(link, CORE, "abc", 3), 3);
    link_close(link, CORE, false);
    CHECK_INT(link_read(link, PEER, buf, 8, &n), PORT_AGAIN);
    CHECK_INT(links_next(), 5);
    sim_set_now(5);
    CHECK_INT(link_ready(link, PEER), PORT_READABLE | PORT_WRITABLE);
    CHECK_INT(link_read(link, PEER, buf, 8, &n), PORT_OK);
    CHECK_INT(n, 3);
    CHECK_INT(link_read(link, PEER, buf, 8, &n), PORT_END);
    CHECK_INT(link_write(link, PEER, "x", 1), 1); /* nobody is there: a reset comes back */
    CHECK_INT(link_read(link, PEER, buf, 8, &n), PORT_END);
    sim_set_now(15);
    CHECK(link_broken(link, PEER));
    CHECK_INT(link_read(link, PEER, buf, 8, &n), PORT_ERROR);
    CHECK_INT(link_write(link, PEER, "x", 1), 0);
    link_close(link, PEER, false);
    sim_end();
}

/* Closing with unread bytes, or aborting, is a reset; whether it takes arrived bytes away is the world's choice. */
static void resets(void **state)
{
    (void)state;
    for (int keeps = 0; keeps < 2; keeps++)
        for (int abort = 0; abort < 2; abort++) {
            struct link *link;
            char buf[8];
            size_t n;

            sim_begin(&(struct sim_options){.seed = 1, .reset_keeps = keeps != 0});
            link = link_new(100, 0);
            link_write(link, CORE, "answer", 6);
            link_write(link, PEER, "unread", abort ? 0 : 6);
            link_close(link, CORE, abort != 0);
            CHECK_INT(link_ready(link, PEER), PORT_READABLE | PORT_WRITABLE | PORT_BROKEN);
            CHECK_INT(link_read(link, PEER, buf, 8, &n), keeps ? PORT_OK : PORT_ERROR);
            CHECK_INT(n, keeps ? 6 : 0);
            link_close(link, PEER, false);
            sim_end();
        }
}

/* ---- the port ---- */

static port_handle listening(void)
{
    const struct port_addr addr = sim_addr(0, 0, 0, 0, 80);
    port_handle listener;

    CHECK_INT(port_listen(&addr, 10, 0, &listener), PORT_OK);
    return listener;
}

static void polls_and_time(void **state)
{
    struct port_event events[4];
    port_handle listener;
    struct link *link;

    (void)state;
    sim_begin(&(struct sim_options){.seed = 1, .start_ms = UINT32_MAX - 9});
    listener = listening();
    port_watch(listener, PORT_READABLE, &listener);
    CHECK_INT(port_poll(20, events, 4), 0);
    CHECK_INT(sim_now(), 20);
    CHECK_INT(port_now_ms(), 10);
    link = sim_connect(80);
    CHECK(sim_connect(81) == NULL);
    CHECK_INT(port_poll(20, events, 4), 1);
    CHECK(events[0].user == &listener && events[0].ready == PORT_READABLE);
    CHECK_INT(sim_now(), 20);
    port_close(listener, false); /* who waited is reset */
    CHECK(link_broken(link, PEER));
    link_close(link, PEER, false);
    sim_end();
}

static void listener_and_connection(void **state)
{
    struct port_event events[4];
    struct port_addr peer;
    port_handle listener, handle, none;
    struct link *link;
    char buf[4];
    size_t n;

    (void)state;
    sim_begin(&(struct sim_options){.seed = 1, .latency_ms = 3});
    listener = listening();
    link = sim_connect(80);
    CHECK_INT(port_accept(listener, &handle, &peer), PORT_OK);
    CHECK_INT(port_accept(listener, &none, &peer), PORT_AGAIN);
    CHECK_INT(port_local(handle), 80);
    port_watch(handle, PORT_READABLE, &handle);
    link_write(link, PEER, "hello", 5);
    CHECK_INT(port_poll(2, events, 4), 0);
    CHECK_INT(port_poll(1, events, 4), 1);
    CHECK(events[0].user == &handle);
    CHECK_INT(port_read(handle, buf, 4, &n), PORT_OK);
    CHECK_INT(n, 4);
    port_watch(handle, 0, NULL);
    CHECK_INT(port_poll(0, events, 4), 0);
    CHECK_INT(sim_open_handles(), 2);
    port_close(handle, false);
    port_close(listener, false);
    link_close(link, PEER, false);
    sim_end();
}

static void connects(void **state)
{
    (void)state;
    for (unsigned mode = HOST_ACCEPTS; mode <= HOST_AT_ONCE; mode++) {
        struct port_event events[4];
        struct origin *origin;
        port_handle handle;
        enum port_result result;

        sim_begin(&(struct sim_options){.seed = 1, .latency_ms = 5});
        origin = origin_new(1, 9000);
        origin->host.mode = (enum host_mode)mode;
        result = port_connect(&origin->host.addr, &handle);
        CHECK_INT(result, mode == HOST_AT_ONCE ? PORT_OK : mode == HOST_UNREACHABLE ? PORT_ERROR : PORT_AGAIN);
        CHECK_INT(handle == PORT_NO_HANDLE, mode == HOST_UNREACHABLE);
        if (result == PORT_AGAIN) {
            port_watch(handle, PORT_WRITABLE, &handle);
            CHECK_INT(port_connect_result(handle), PORT_AGAIN);
            CHECK_INT(port_poll(0, events, 4), 0);
            sim_run(NULL, NULL, 10);
            CHECK_INT(port_poll(0, events, 4), mode != HOST_SILENT);
            CHECK_INT(port_connect_result(handle), mode == HOST_ACCEPTS   ? PORT_OK
                                                   : mode == HOST_REFUSES ? PORT_ERROR
                                                                          : PORT_AGAIN);
        }
        CHECK_INT(origin->host.connects, 1);
        CHECK_INT(origin->conn_count, mode == HOST_ACCEPTS || mode == HOST_AT_ONCE);
        if (handle != PORT_NO_HANDLE)
            port_close(handle, false);
        sim_run(NULL, NULL, 20);
        CHECK_INT(origin->open_conns, 0);
        sim_end();
    }
}

/* ---- faults ---- */

static void faults(void **state)
{
    static const enum sim_fault kinds[] = {SIM_ERROR, SIM_AGAIN, SIM_SHORT};

    (void)state;
    for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
        static const enum port_result answers[] = {PORT_ERROR, PORT_AGAIN, PORT_OK};
        struct port_addr peer;
        port_handle listener, handle;
        struct link *link;
        char buf[4];
        size_t n;

        sim_begin(NULL);
        listener = listening();
        link = sim_connect(80);
        port_accept(listener, &handle, &peer);
        link_write(link, PEER, "abcdef", 6);
        sim_fail_nth(2, kinds[k]);
        CHECK_INT(port_read(handle, buf, 2, &n), PORT_OK);
        CHECK(!sim_fault_fired());
        CHECK_INT(port_read(handle, buf, 2, &n), answers[k]);
        CHECK(sim_fault_fired());
        CHECK_INT(n, kinds[k] == SIM_SHORT ? 1 : 0);
        CHECK_INT(port_read(handle, buf, 2, &n),
                  kinds[k] == SIM_ERROR ? PORT_ERROR : PORT_OK); /* dead sockets stay dead */
        port_close(handle, false);
        CHECK_INT(link_broken(link, PEER), true); /* there were unread bytes, or it is dead */
        link_close(link, PEER, false);
        port_close(listener, false);
        sim_end();
    }
}

static void chance_is_the_seeds(void **state)
{
    uint32_t first[20];
    unsigned same = 0;

    (void)state;
    for (uint64_t seed = 1; seed < 4; seed++) {
        sim_begin(&(struct sim_options){.seed = seed / 2});
        for (unsigned i = 0; i < 20; i++) {
            uint32_t number = sim_chance(1000);

            if (seed > 1)
                same += number == first[i];
            first[i] = number;
        }
        sim_end();
    }
    assert_true(same >= 20 && same < 30); /* of the seeds 0, 1, 1 */
}

/* ---- the suspicious reader ---- */

/* Feeds answers to `asked` requests with ids from 1 on; whole, then byte by byte. Returns how many findings there were.
 */
static unsigned findings(const char *bytes, unsigned asked, bool reset, unsigned *complete)
{
    unsigned found[2];

    for (unsigned piecemeal = 0; piecemeal < 2; piecemeal++) {
        struct reader reader = {.responses = NULL};
        size_t len = strlen(bytes);

        sim_begin(NULL);
        *complete = 0;
        for (unsigned i = 0; i < asked; i++)
            reader_ask(&reader, i + 1, false);
        for (size_t at = 0; at < len; at += piecemeal ? 1 : len)
            reader_feed(&reader, (const uint8_t *)bytes + at, piecemeal ? 1 : len);
        reader_end(&reader, reset);
        for (unsigned i = 0; i < asked; i++)
            *complete += reader.responses[i].complete;
        found[piecemeal] = sim_violations_expected();
        sim_end();
    }
    assert_int_equal(found[0], found[1]);
    return found[0];
}

static void reader(void **state)
{
    static const struct {
        const char *bytes;
        unsigned asked, findings, complete;
        bool reset;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", 1, 0, 1, false},
        {"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok", 1, 0, 0, false},
        {"HTTP/1.1 200 OK\r\n\r\nok", 1, 0, 1, false},
        {"HTTP/1.1 200 OK\r\n\r\nok", 1, 0, 0, true},
        {"HTTP/1.1 103 Early\r\na: b\r\n\r\nHTTP/1.1 204 No\r\n\r\n", 1, 0, 1, false},
        {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 1, 0, 1, false},
        {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n", 1, 0, 0, false},
        {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nokx\r\n0\r\n\r\n", 1, 1, 0, false},
        {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxx\r\n", 1, 1, 0, false},
        {"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n", 1, 1, 1, false},
        {"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 2, 0, 2, false},
        {"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok", 1, 1, 0, false},
        {"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\nok", 1, 1, 0, false},
        {"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\nok", 1, 1, 0, false},
        {"HTTP/1.1 200 OK\r\nx-id: 1\r\nx-size: 2\r\ncontent-length: 0\r\n\r\n", 1, 1, 1, false},
        {"HTTP/1.1 200 OK\r\nx-id: 1\r\nx-size: 2\r\ncontent-length: 2\r\n\r\n??", 1, 1, 0, false},
        {"HTTP/1.1 200 OK\r\nx-id: 2\r\nx-size: 0\r\ncontent-length: 0\r\n\r\n", 1, 1, 0, false},
        {"HTTP/1.1 200 OK\ncontent-length: 2\n\nok", 1, 1, 0, false},
        {"HTTP/1.1 200 OK\r\nno field\r\n\r\n", 1, 1, 0, false},
        {"HTTP/1.1 200 OK\r\nkeep-alive: 5\r\n\r\n", 1, 1, 0, false},
        {"ok", 1, 0, 0, false},
        {"ICY 200 OK\r\n\r\n", 1, 1, 0, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        unsigned complete;
        unsigned found = findings(cases[i].bytes, cases[i].asked, cases[i].reset, &complete);

        if (found != cases[i].findings || complete != cases[i].complete)
            fail_msg("case %zu: %u findings, %u complete", i, found, complete);
    }
}

/* ---- origins ---- */

struct plain_h2 {
    nghttp2_session *session;
    port_handle handle;
    uint64_t body;
    uint32_t resets;
    uint32_t closed;
    bool wrong;
};

static int got_chunk(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *bytes, size_t len,
                     void *user)
{
    struct plain_h2 *client = user;

    (void)session;
    (void)flags;
    (void)stream;
    client->wrong = client->wrong || !body_is(7, client->body, bytes, len);
    client->body += len;
    return 0;
}

static int got_close(nghttp2_session *session, int32_t stream, uint32_t code, void *user)
{
    struct plain_h2 *client = user;

    (void)session;
    (void)stream;
    client->closed++;
    client->resets += code != 0;
    return 0;
}

static void *client_alloc(size_t size, void *user)
{
    (void)user;
    return sim_alloc(size);
}

static void client_free(void *ptr, void *user)
{
    (void)user;
    sim_free(ptr);
}

static void *client_calloc(size_t count, size_t size, void *user)
{
    (void)user;
    return sim_alloc(count * size);
}

static void *client_realloc(void *ptr, size_t size, void *user)
{
    (void)user;
    return sim_realloc(ptr, size);
}

static void client_pump(struct plain_h2 *client)
{
    const uint8_t *bytes;
    uint8_t buf[4096];
    ssize_t len;
    size_t n;

    while ((len = nghttp2_session_mem_send(client->session, &bytes)) > 0) {
        const struct port_iov iov = {bytes, (size_t)len};

        CHECK_INT(port_writev(client->handle, &iov, 1, &n), PORT_OK);
        CHECK_INT(n, len);
    }
    while (port_read(client->handle, buf, sizeof(buf), &n) == PORT_OK)
        CHECK_INT(nghttp2_session_mem_recv(client->session, buf, n), n);
}

/* One request with this query; ends when the stream is closed or 10 s have passed. */
static void h2_ask(const char *query, struct plain_h2 *client, struct origin **origin)
{
    static _Alignas(16) uint8_t storage[8192];
    nghttp2_mem mem = {NULL, client_alloc, client_free, client_calloc, client_realloc};
    struct arena *before = arena_enter(arena_init(storage, sizeof(storage), "self"));
    nghttp2_session_callbacks *callbacks;
    struct bytes path = {NULL, 0, 0};
    nghttp2_nv head[] = {{(uint8_t *)":method", (uint8_t *)"GET", 7, 3, 0},
                         {(uint8_t *)":scheme", (uint8_t *)"http", 7, 4, 0},
                         {(uint8_t *)":path", NULL, 5, 0, 0},
                         {(uint8_t *)":authority", (uint8_t *)"o", 10, 1, 0}};

    sim_begin(NULL);
    *origin = origin_new(1, 9000);
    (*origin)->host.mode = HOST_AT_ONCE;
    assert_int_equal(nghttp2_session_callbacks_new(&callbacks), 0);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, got_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, got_close);
    *client = (struct plain_h2){.session = NULL};
    assert_int_equal(nghttp2_session_client_new3(&client->session, callbacks, client, NULL, &mem), 0);
    arena_leave(before);
    CHECK_INT(port_connect(&(*origin)->host.addr, &client->handle), PORT_OK);
    nghttp2_submit_settings(client->session, NGHTTP2_FLAG_NONE, NULL, 0);
    bytes_printf(&path, "/r/7?%s", query);
    head[2].value = path.ptr;
    head[2].valuelen = path.len;
    nghttp2_submit_request(client->session, NULL, head, 4, NULL, NULL);
    while (client->closed == 0 && sim_now() < 10000) {
        client_pump(client);
        sim_run(NULL, NULL, 1);
        if (client->closed == 0 && (*origin)->open_conns == 0 && (*origin)->conn_count > 0)
            break;
    }
    client_pump(client);
}

static void h2_done(struct plain_h2 *client)
{
    port_close(client->handle, false);
    nghttp2_session_del(client->session);
    sim_end();
}

static void origins(void **state)
{
    static const struct {
        const char *query;
        uint64_t body;
        unsigned closed, resets;
        uint64_t at_least_ms;
    } cases[] = {
        {"n=0", 0, 1, 0, 0},           {"n=1000", 1000, 1, 0, 0},       {"n=1000&l=0&t=1", 1000, 1, 0, 0},
        {"n=100&d=50", 100, 1, 0, 50}, {"n=30&p=10&q=7", 30, 1, 0, 14}, {"n=0&l=0&t=1&b=9", 0, 1, 0, 9},
        {"n=100&r=40", 40, 1, 1, 0},   {"R=1&e=8", 0, 1, 1, 0},         {"n=100&x=40", 40, 0, 0, 0},
        {"z=1", 0, 0, 0, 9990},        {"n=50&i=3", 50, 1, 0, 0},       {"F=1", 0, 1, 1, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct plain_h2 client;
        struct origin *origin;

        h2_ask(cases[i].query, &client, &origin);
        sim_describe("origin: %s", cases[i].query);
        CHECK(!client.wrong);
        CHECK_INT(client.body, cases[i].body);
        CHECK_INT(client.closed, cases[i].closed);
        CHECK_INT(client.resets, cases[i].resets);
        CHECK(sim_now() >= cases[i].at_least_ms);
        CHECK_INT(origin_request(origin, 7)->tries, 1);
        h2_done(&client);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_arrive_in_order),
        cmocka_unit_test(an_end_arrives_behind_the_bytes),
        cmocka_unit_test(resets),
        cmocka_unit_test(polls_and_time),
        cmocka_unit_test(listener_and_connection),
        cmocka_unit_test(connects),
        cmocka_unit_test(faults),
        cmocka_unit_test(chance_is_the_seeds),
        cmocka_unit_test(reader),
        cmocka_unit_test(origins),
    };

    return CORE_RUN(tests);
}
