/* HTTP/2 conversations that break off at every byte, on either side: who is left sees an answer that is whole or
 * visibly cut, nothing stays behind, and the next client is served as if nothing had been. */
#include "core.h"

#include "base/pool.h"

static const char conf[] = "Listen 8080\n"
                           "ProxyPass \"/\" \"h2c://10.0.0.1:9000/\"\n"
                           "CustomLog \"-\"\n"
                           "ProxyTimeout 2\n"
                           "Timeout 3\n"
                           "KeepAliveTimeout 2\n"
                           "RequestReadTimeout header=1 body=1\n";

static const struct h2_ask asks[] = {
    {.ask = {.query = "n=50"}},
    {.ask = {.query = "n=90&l=0&t=1&d=1"}},
    {.ask = {.query = "n=9&l=0", .framing = ASK_CHUNKED, .body = 40, .trailers = "A: b\n"}},
    {.ask = {.query = "n=20&i=1", .framing = ASK_LENGTH, .body = 100}, .piece = 30},
    {.ask = {.method = "HEAD", .query = "n=5"}},
};

static struct h2_client *talker(void)
{
    struct h2_client *c = h2_client_new(FRONT_PORT);

    for (size_t i = 0; i < ARRAY_SIZE(asks); i++)
        h2_client_ask(c, &asks[i]);
    return c;
}

/* Who comes afterwards must be served, over HTTP/2 and over HTTP/1.1. A silent connection of the backend may disappoint
 * one more client before it is given up. */
static void check_alive(uint32_t after_ms, bool second)
{
    struct h2_client *c;
    struct client *other;

    if (second) {
        h2_client_get(h2_client_new(FRONT_PORT), "n=70");
        core_run(20000);
    }
    sim_run(NULL, NULL, after_ms);
    c = h2_client_new(FRONT_PORT);
    h2_client_get(c, "n=70");
    other = client_new(FRONT_PORT);
    client_ask(other, &(struct ask){.query = "n=70"});
    core_run(20000);
    CHECK_INT(h2_client_answers(c), 1);
    CHECK_INT(h2_client_answer(c, 0)->response.status, 200);
    CHECK_INT(client_response(other, 0)->status, 200);
    CHECK(client_response(other, 0)->complete);
}

/* ---- the client breaks off ---- */

static uint64_t cut_client(uint64_t at, enum cut cut, const struct sim_options *options)
{
    struct origin *origin = core_world(options);
    struct h2_client *c = talker();
    uint64_t sent;

    sim_describe("client cut %d behind %llu bytes", cut, (unsigned long long)at);
    c->cut = cut;
    c->cut_after = at;
    core_start(conf, NULL);
    core_run(30000);
    CHECK(origin->conn_count <= 1);
    if (at == CUT_NEVER)
        CHECK_INT(h2_client_answers(c), ARRAY_SIZE(asks));
    /* Nobody is kept waiting for ever: the longest time is the head's, the client's and the backend's together. */
    CHECK(at == CUT_NEVER || sim_now() < 8000);
    sent = c->sent;
    if (at % 16 == 0)
        check_alive(0, false);
    core_end();
    return sent;
}

static void client_cut_at_every_byte(void **state)
{
    static const enum cut cuts[] = {CUT_CLOSE, CUT_RESET, CUT_SHUTDOWN, CUT_STALL, CUT_GARBAGE};
    const uint64_t only = core_env("SIM_AT", CUT_NEVER), step = core_env("SIM_STEP", 1);
    uint64_t len = cut_client(CUT_NEVER, CUT_CLOSE, &(struct sim_options){.seed = 1});

    (void)state;
    for (size_t k = 0; k < ARRAY_SIZE(cuts); k++)
        for (uint64_t at = only == CUT_NEVER ? 0 : only; at <= (only == CUT_NEVER ? len : only); at += step)
            cut_client(at, cuts[k], &(struct sim_options){.seed = at + 1, .latency_ms = (uint32_t)(at % 3)});
}

/* ---- the client stops reading, or leaves while it reads ---- */

/* Connections of HTTP/2 clients that the core has. */
static uint32_t open_clients(void)
{
    for (const struct pool *p = pool_next(NULL); p != NULL; p = pool_next((struct pool *)(uintptr_t)p))
        if (strcmp(p->name, "h2_client") == 0)
            return p->used;
    return 0;
}

static uint64_t client_reads(uint64_t at, bool leaves)
{
    struct h2_client *c;
    uint64_t received;

    core_world(&(struct sim_options){.seed = at + 1, .client_buffer = 50});
    sim_describe("client reads %llu bytes, then leaves %d", (unsigned long long)at, leaves);
    c = talker();
    if (leaves && at > 0)
        c->leave_after = at;
    else if (!leaves)
        c->read_stop = at;
    core_start(conf, NULL);
    if (leaves) {
        core_run(30000);
    } else { /* it would not see that the core has closed */
        sim_run(NULL, NULL, 10000);
        CHECK_INT(open_clients(), 0);
        h2_client_close(c, false);
    }
    if (at % 16 == 1)
        check_alive(0, false);
    received = c->received;
    core_end();
    return received;
}

static void client_leaves_at_every_byte(void **state)
{
    uint64_t total = client_reads(0, true);

    (void)state;
    for (uint64_t at = 1; at <= total; at++) {
        client_reads(at, true);
        client_reads(at, false);
    }
}

/* ---- the origin breaks off ---- */

/* Sends all asks at once over one connection. Returns how many bytes the origin sent. */
static uint64_t cut_origin(uint64_t at, enum cut cut, const struct sim_options *options)
{
    struct origin *origin = core_world(options);
    struct h2_client *c = talker();
    uint64_t sent;

    sim_describe("origin cut %d behind %llu bytes", cut, (unsigned long long)at);
    origin->cut = cut;
    origin->cut_after = at;
    origin->cut_conns = 1;
    core_start(conf, NULL);
    core_run(30000);
    for (unsigned i = 0; i < ARRAY_SIZE(asks); i++) {
        const struct h2_answer *a = h2_client_answer(c, i);
        unsigned status = a->response.status;

        /* Answered, or reset: never left alone, and the client's connection is not to blame. */
        CHECK(a->response.complete || a->reset > 0);
        CHECK(status == 0 || status == 200 || status == 502 || status == 503 || status == 504);
        CHECK(status == 0 || status == 200 || a->response.complete);
        if (at == CUT_NEVER)
            CHECK(status == 200 && a->response.complete);
    }
    CHECK_INT(c->end, CLIENT_LEFT);
    CHECK_INT(c->goaways, 0);
    sent = origin->most_sent;
    if (at % 16 == 0)
        check_alive(1000, cut == CUT_STALL);
    core_end();
    return sent;
}

static void origin_cut_at_every_byte(void **state)
{
    static const enum cut cuts[] = {CUT_CLOSE, CUT_RESET, CUT_STALL, CUT_SHUTDOWN, CUT_GARBAGE};
    const uint64_t only = core_env("SIM_AT", CUT_NEVER), step = core_env("SIM_STEP", 1);
    uint64_t len = cut_origin(CUT_NEVER, CUT_CLOSE, &(struct sim_options){.seed = 1});

    (void)state;
    for (size_t k = 0; k < ARRAY_SIZE(cuts); k++)
        for (uint64_t at = only == CUT_NEVER ? 0 : only; at <= (only == CUT_NEVER ? len : only); at += step)
            cut_origin(at, cuts[k], &(struct sim_options){.seed = at + 1, .reset_keeps = at % 2 == 0});
}

/* ---- what origins end early ---- */

static void origin_ends_early(void **state)
{
    static const char *const queries[] = {"n=500&r=%u", "n=500&l=0&r=%u", "n=500&x=%u",    "n=500&l=0&x=%u&t=1",
                                          "n=300&L=%u", "n=500&r=%u&e=8", "n=500&r=%u&e=0"};
    static const unsigned places[] = {0, 1, 250, 499, 500, 501};

    (void)state;
    for (size_t q = 0; q < ARRAY_SIZE(queries); q++)
        for (size_t p = 0; p < ARRAY_SIZE(places); p++) {
            struct h2_client *c;
            struct bytes query = {NULL, 0, 0};
            const struct h2_answer *a;

            core_world(&(struct sim_options){.seed = 1});
            c = h2_client_new(FRONT_PORT);
            bytes_printf(&query, queries[q], places[p]);
            bytes_put(&query, "", 1);
            sim_describe("origin ends early: %s", (const char *)query.ptr);
            h2_client_get(c, (const char *)query.ptr);
            core_start(conf, NULL);
            core_run(30000);
            a = h2_client_answer(c, 0);
            CHECK(a->response.complete || a->reset > 0);
            CHECK(!a->response.from_origin || !a->response.complete || a->response.body == a->response.whole);
            check_alive(1000, false);
            core_end();
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(client_cut_at_every_byte),
        cmocka_unit_test(client_leaves_at_every_byte),
        cmocka_unit_test(origin_cut_at_every_byte),
        cmocka_unit_test(origin_ends_early),
    };

    return CORE_RUN(tests);
}
