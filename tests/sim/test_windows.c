/* Windows by arithmetic: what is promised to peers is reserved, after every pass; what is borrowed fills a long path;
 * stalled streams cost others nothing; clients that know no window yet are paused and not reset. */
#include "core.h"

#include "base/pipe.h"
#include "base/poison.h"
#include "base/pool.h"
#include "base/slab.h"
#include "ops/server.h"
#include "side/h2_back_conn.h"
#include "side/h2_front_conn.h"

static const char slow_conf[] = "Listen 8080\n"
                                "ProxyPass \"/\" \"h2c://10.0.0.1:9000/\"\n"
                                "CustomLog \"-\"\n"
                                "ProxyTimeout 300\n"
                                "Timeout 300\n"
                                "LimitRequestBody 0\n"
                                "MaxKeepAliveRequests 0\n";

/* ---- the invariant ---- */

static struct pool *exchange_pool(void)
{
    for (struct pool *p = pool_next(NULL); p != NULL; p = pool_next(p))
        if (strcmp(p->name, "exchange") == 0)
            return p;
    return NULL;
}

/* Marks the items of a pool that are on its free list. */
static void mark_free(const struct pool *pool, bool *is_free)
{
    void *item = pool->free;

    while (item != NULL) {
        void *next;

        is_free[pool_index(pool, item)] = true;
        poison_open(item, sizeof(next));
        memcpy(&next, item, sizeof(next));
        poison_close(item, sizeof(next));
        item = next;
    }
}

static uint32_t most_promised; /* to one stream */

/* What a peer may still send on a stream, and what its pipe holds, fit into the pipe. */
static void check_promise(nghttp2_session *ng, const struct side *side, const struct message *in, int32_t initial,
                          const char *what)
{
    int32_t window = nghttp2_session_get_stream_local_window_size(ng, side->stream_id);
    int32_t settled = (int32_t)nghttp2_session_get_local_settings(ng, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE);

    if (window < 0 || settled != initial || in->state == MESSAGE_END || !in->pipe.open)
        return;
    if ((uint32_t)window > most_promised)
        most_promised = (uint32_t)window;
    if (in->pipe.size + (uint32_t)window > in->pipe.limit)
        sim_abort("%s, stream %d: %u bytes held and %d promised, but the limit is %u", what, side->stream_id,
                  in->pipe.size, window, in->pipe.limit);
}

static void check_exchange(struct exchange *ex)
{
    const struct h2_front *front = ex->front.self;
    const struct h2_back *back = ex->back.self;

    if (ex->state == EXCHANGE_DONE)
        return;
    if (ex->proto == PROTO_H2 && ex->front.ops != NULL && !ex->front.closed && exchange_wants_body(ex))
        check_promise(front->h2.ng, &ex->front, &ex->request, CONFIG_REQUEST_WINDOW, "request");
    if (ex->back.ops != NULL && ex->back.stream_id > 0)
        check_promise(back->h2.ng, &ex->back, &ex->response, CONFIG_RESPONSE_WINDOW, "response");
}

static void check_promises(void)
{
    static bool is_free[CONFIG_EXCHANGES];
    struct pool *pool = exchange_pool();
    struct pipe_stats pipes;

    pipe_stats(&pipes);
    if (pipes.lent > pipes.shared)
        sim_abort("%u blocks lent of %u", pipes.lent, pipes.shared);
    if (pool == NULL || pool->used == 0)
        return;
    memset(is_free, 0, sizeof(is_free));
    mark_free(pool, is_free);
    for (uint32_t i = 0; i < pool->fresh; i++)
        if (!is_free[i])
            check_exchange((struct exchange *)(void *)(pool->storage + i * pool->item_size));
}

static void watched_pass(int max_wait_ms)
{
    server_pass(max_wait_ms);
    check_promises();
}

static struct origin *begin(const struct sim_options *options)
{
    struct origin *origin = core_world(options);

    sim_use_pass(watched_pass);
    most_promised = 0;
    return origin;
}

/* ---- speed ---- */

#define ROUND_TRIP_MS 50

static const struct sim_options long_path = {
    .seed = 1, .latency_ms = ROUND_TRIP_MS / 2, .client_buffer = 16 << 20, .origin_buffer = 16 << 20};

/* The most that one body can borrow: slabs are short when less than a quarter of them is left. */
static uint64_t window_allowed(uint32_t guaranteed)
{
    uint64_t shared = (uint64_t)SLAB_COUNT * 3 / 4 * CONFIG_BODY_BLOCK + guaranteed;

    return shared < CONFIG_WINDOW_MAX ? shared : CONFIG_WINDOW_MAX;
}

/* Bytes in a second, once it is under way, against what the window allows. */
static void check_rate(const char *what, uint64_t bytes, uint64_t ms, uint32_t guaranteed)
{
    uint64_t rate = bytes * 1000 / ms;
    uint64_t window = window_allowed(guaranteed);
    uint64_t allowed = window * 1000 / ROUND_TRIP_MS;

    print_message("%s over %u ms: %.1f Mbit/s, the window allows %.1f\n", what, ROUND_TRIP_MS, (double)rate * 8e-6,
                  (double)allowed * 8e-6);
    /* Small windows are granted by halves; who alone makes the shared blocks short gives back and borrows again. */
    CHECK(rate * 10 >=
          allowed * (window == CONFIG_WINDOW_MAX && window / 8 >= UINT64_C(4) * CONFIG_BODY_BLOCK ? 8 : 5));
    if (window >= UINT64_C(320) * 1024)
        CHECK(rate * 8 >= 50000000);
}

static void download_speed(void **state)
{
    struct h2_client *c;
    uint64_t from;

    (void)state;
    begin(&long_path);
    sim_describe("download over a long path");
    c = h2_client_new(FRONT_PORT);
    c->window = 1 << 24;
    h2_client_get(c, "n=1000000000");
    core_start(slow_conf, NULL);
    sim_run(NULL, NULL, 1500);
    from = h2_client_answer(c, 0)->response.body;
    sim_run(NULL, NULL, 1000);
    check_rate("a download", h2_client_answer(c, 0)->response.body - from, 1000, CONFIG_RESPONSE_WINDOW);
    h2_client_close(c, false);
    core_end();
}

static void upload_speed(void **state)
{
    struct origin *origin;
    struct h2_client *c;
    uint64_t from;
    uint32_t id;

    (void)state;
    origin = begin(&long_path);
    sim_describe("upload over a long path");
    origin->window = 1 << 24;
    c = h2_client_new(FRONT_PORT);
    id = h2_client_ask(c, &(struct h2_ask){.ask = {.framing = ASK_LENGTH, .body = 1000000000}});
    core_start(slow_conf, NULL);
    sim_run(NULL, NULL, 1500);
    from = origin_request(origin, id)->body;
    sim_run(NULL, NULL, 1000);
    check_rate("an upload", origin_request(origin, id)->body - from, 1000, CONFIG_REQUEST_WINDOW);
    h2_client_close(c, false);
    core_end();
}

/* ---- stalled streams ---- */

#define ACTIVE 99

/* Whether one session can have the memory for all streams that a client may open: what it has when idle, with full
   tables, and each stream's; from its arena and the extents that it can borrow beside bodies, less what a small one
   cannot use. */
#define SESSION_MOST (CONFIG_H2_FRONT_ARENA_BASE + (CONFIG_H2_EXTENT - 1024) * (1 + (CONFIG_SLABS / 4 + 1) / 2))
#define ALL_FIT                                                                                                        \
    (SESSION_MOST >=                                                                                                   \
     16384 + 4 * CONFIG_H2_TABLE + 40 * CONFIG_HEAD_FIELDS + CONFIG_H2_STREAMS * (H2_STREAM_COST + H2_FRAME_COST))

/* Whether one client can have as many bodies on their way as streams: two thirds, of all but an eighth. */
#define ALL_UPLOAD (CONFIG_UPLOADS - CONFIG_UPLOADS / 8 >= CONFIG_H2_STREAMS * 3 / 2 + 1)

static struct h2_client *race;

static bool race_is_over(void *user)
{
    (void)user;
    return h2_client_answers(race) == ACTIVE;
}

/* ACTIVE streams finish beside one that stalls; returns when. */
static uint64_t run_race(const struct h2_ask *stalled, const struct h2_ask *active)
{
    uint64_t end;

    begin(&(struct sim_options){.seed = 1, .latency_ms = 5})->window = 200000;
    sim_describe("race, stalled %d", stalled != NULL);
    race = h2_client_new(FRONT_PORT);
    if (stalled != NULL)
        h2_client_ask(race, stalled);
    for (unsigned i = 0; i < ACTIVE; i++) {
        struct h2_ask ask = *active;

        ask.start_at = 200;
        h2_client_ask(race, &ask);
    }
    core_start(slow_conf, NULL);
    sim_run(race_is_over, NULL, 120000);
    CHECK_INT(h2_client_answers(race), ACTIVE);
    for (unsigned i = stalled != NULL; i < race->asked; i++)
        CHECK_INT(race->answers[i]->response.status, 200);
    for (unsigned i = 0; i < race->asked && ALL_FIT && (active->ask.body == 0 || ALL_UPLOAD);
         i++) /* none was refused */
        CHECK_INT(race->answers[i]->tries, 1);
    end = sim_now();
    h2_client_close(race, false);
    core_end();
    return end;
}

static void check_race(const char *what, const struct h2_ask *stalled, const struct h2_ask *active)
{
    uint64_t alone = run_race(NULL, active);
    uint64_t beside = run_race(stalled, active);

    print_message("%s: 99 in %u ms alone, in %u ms beside a stalled one\n", what, (unsigned)alone, (unsigned)beside);
    /* A build in which one body can borrow nearly all there is can only finish; with few streams or bodies, one less
       counts. */
    if (CONFIG_WINDOW_MAX <= SLAB_COUNT * CONFIG_BODY_BLOCK / 4)
        assert_true(beside * 100 <= alone * (110 + 100 / min_size(CONFIG_H2_STREAMS, CONFIG_UPLOADS)));
}

static void stalled_download(void **state)
{
    (void)state;
    check_race("downloads", &(struct h2_ask){.ask = {.query = "n=9000000"}, .stall_after = 1},
               &(struct h2_ask){.ask = {.query = "n=100000"}});
}

static void stalled_upload(void **state)
{
    (void)state;
    check_race("uploads", &(struct h2_ask){.ask = {.query = "U=1", .framing = ASK_LENGTH, .body = 9000000}},
               &(struct h2_ask){.ask = {.framing = ASK_LENGTH, .body = 100000}});
}

/* All of them stall, more than can borrow: memory stays within the pool, and who comes then is served. */
static void all_stall(void **state)
{
    /* Those who come then have streams of the one connection to the backend, and exchanges, too. */
    const size_t stalled = min_size(CONFIG_H2_STREAMS, min_size(CONFIG_BACKEND_STREAMS, CONFIG_EXCHANGES) - 2);
    struct h2_client *c;
    struct h2_client *other;
    struct pipe_stats pipes;

    (void)state;
    CORE_NEEDS(CONFIG_H2_CLIENTS >= 2 && CONFIG_BACKEND_STREAMS > 2 && CONFIG_EXCHANGES > 2);
    begin(&(struct sim_options){.seed = 1, .latency_ms = 1});
    sim_describe("all stall");
    c = h2_client_new(FRONT_PORT);
    c->window = 1 << 20;
    for (unsigned i = 0; i < stalled; i++)
        h2_client_ask(c, &(struct h2_ask){.ask = {.query = "n=90000000"}, .stall_after = 300000 + 7000 * i});
    other = h2_client_new(FRONT_PORT);
    other->start_at = 3000;
    h2_client_get(other, "n=1000000");
    h2_client_ask(other, &(struct h2_ask){.ask = {.framing = ASK_CHUNKED, .body = 1000000}});
    core_start(slow_conf, NULL);
    sim_run(NULL, NULL, 8000);
    CHECK_INT(h2_client_answers(other), 2);
    pipe_stats(&pipes);
    print_message("%u stalled streams hold %u blocks, %u of %u lent\n", (unsigned)stalled, pipes.used, pipes.lent,
                  pipes.shared);
    h2_client_close(c, false);
    core_end();
}

/* ---- windows that are not known yet ---- */

/* 65,535 bytes on a stream before the SETTINGS are acknowledged, and an origin that takes them slowly. */
static void early_bytes(void **state)
{
    static const struct {
        uint64_t body;
        const char *query;
        uint64_t deaf_until;
        unsigned streams;
        bool no_ack;
    } cases[] = {
        {65535, "n=5&u=300", 400, 1, false},  {65535, "n=5", 0, 1, true},          {65535, "n=5&u=500", 0, 1, true},
        {200000, "n=5&u=900", 400, 1, false}, {200000, "n=5&u=900", 0, 1, true},   {65535, "n=5&u=300", 300, 4, false},
        {65535, "n=5&u=300", 0, 4, true},     {65535, "n=5&d=200", 3000, 1, true}, {20000, "n=70000", 50, 8, true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        for (uint32_t buffer = 2000; buffer < 300000; buffer *= 10) {
            struct origin *origin;
            struct h2_client *c;
            struct h2_client *other;

            origin = begin(&(struct sim_options){.seed = i + 1, .latency_ms = 2, .client_buffer = buffer});
            sim_describe("early bytes %zu, buffers of %u", i, buffer);
            c = h2_client_new(FRONT_PORT);
            c->deaf_until = cases[i].deaf_until;
            c->no_ack = cases[i].no_ack;
            for (unsigned n = 0; n < cases[i].streams; n++)
                h2_client_ask(c, &(struct h2_ask){
                                     .ask = {.query = cases[i].query, .framing = ASK_LENGTH, .body = cases[i].body}});
            other = h2_client_new(FRONT_PORT);
            other->start_at = 100;
            h2_client_get(other, "n=3000");
            core_start(slow_conf, NULL);
            core_run(100000);
            CHECK_INT(h2_client_answers(c), cases[i].streams);
            CHECK_INT(c->goaways, 0);
            CHECK_INT(h2_client_answers(other), 1);
            CHECK(other->ended_at < 150);
            for (unsigned n = 0; n < cases[i].streams; n++)
                CHECK_INT(origin_request(origin, h2_client_answer(c, n)->response.id)->body, cases[i].body);
            core_end();
        }
}

/* A client's early body waits for a stream of the backend, which another request of its own has, and that waits for
   window or for more of its body: what comes is read on, though the SETTINGS are not acknowledged. */
static void early_bytes_in_the_way(void **state)
{
    static const struct ask others[] = {{.query = "n=300000"}, {.query = "n=5", .framing = ASK_LENGTH, .body = 50000}};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        struct origin *origin = begin(&(struct sim_options){.seed = i + 1, .latency_ms = 2, .client_buffer = 300000});
        struct h2_client *c = h2_client_new(FRONT_PORT);

        sim_describe("early bytes in the way of %s", others[i].query);
        origin->max_streams = 1;
        h2_client_ask(c, &(struct h2_ask){.ask = others[i]});
        h2_client_ask(c, &(struct h2_ask){.ask = {.query = "n=5", .framing = ASK_LENGTH, .body = 60000}});
        core_start(slow_conf, NULL);
        core_run(100000);
        CHECK_INT(h2_client_answers(c), 2);
        CHECK_INT(h2_client_answer(c, 0)->response.status, 200);
        CHECK_INT(h2_client_answer(c, 1)->response.status, 200);
        CHECK(c->ended_at < 3000);
        core_end();
    }
}

/* ---- padding ---- */

/* Padding takes window, too (RFC 9113 6.1): it comes back, in both directions. */
static void padding(void **state)
{
    (void)state;
    for (uint32_t padding = 1; padding < 256; padding += 127)
        for (uint32_t piece = 0; piece < 100; piece += 33) {
            struct h2_client *c;
            struct bytes query = {NULL, 0, 0};

            begin(&(struct sim_options){.seed = padding, .latency_ms = 1});
            bytes_printf(&query, "n=%u&P=%u", 400 * CONFIG_RESPONSE_WINDOW / 100, padding);
            if (piece > 0)
                bytes_printf(&query, "&p=%u", piece);
            bytes_put(&query, "", 1);
            sim_describe("padding %u, pieces of %u, %s", padding, piece, (const char *)query.ptr);
            c = h2_client_new(FRONT_PORT);
            c->padding = padding;
            h2_client_ask(c, &(struct h2_ask){.ask = {.query = (const char *)query.ptr,
                                                      .framing = ASK_CHUNKED,
                                                      .body = 4 * CONFIG_REQUEST_WINDOW},
                                              .piece = piece});
            h2_client_ask(c, &(struct h2_ask){.ask = {.query = (const char *)query.ptr,
                                                      .framing = ASK_LENGTH,
                                                      .body = 4 * CONFIG_REQUEST_WINDOW},
                                              .piece = piece});
            core_start(slow_conf, NULL);
            core_run(100000);
            CHECK_INT(h2_client_answers(c), 2);
            CHECK(sim_now() < 20000);
            core_end();
        }
}

/* The window would suffice for the body, but not for its padding, and the origin is slow. */
static void padding_takes_the_rest(void **state)
{
    (void)state;
    for (uint32_t padding = 40; padding < 256; padding += 40) {
        struct origin *origin;
        struct h2_client *c;

        origin = begin(&(struct sim_options){.seed = padding, .latency_ms = 2});
        origin->window = 400;
        sim_describe("padding %u takes the rest", padding);
        c = h2_client_new(FRONT_PORT);
        c->padding = padding;
        h2_client_ask(
            c, &(struct h2_ask){.ask = {.framing = ASK_LENGTH, .body = CONFIG_REQUEST_WINDOW * 15 / 16}, .piece = 100});
        core_start(slow_conf, NULL);
        core_run(100000);
        CHECK_INT(h2_client_answers(c), 1);
        core_end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(download_speed),
        cmocka_unit_test(upload_speed),
        cmocka_unit_test(stalled_download),
        cmocka_unit_test(stalled_upload),
        cmocka_unit_test(all_stall),
        cmocka_unit_test(early_bytes),
        cmocka_unit_test(early_bytes_in_the_way),
        cmocka_unit_test(padding),
        cmocka_unit_test(padding_takes_the_rest),
    };

    return CORE_RUN(tests);
}
