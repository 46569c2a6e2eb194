/* HTTP/2 conversations that break off at every byte, on either side: who is left sees an answer that is whole or
 * visibly cut, nothing stays behind, and the next client is served as if nothing had been. */
#include "harm.h"

#include "base/pool.h"

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

/* ---- the client breaks off ---- */

static uint64_t cut_client(int kind, uint64_t at, enum cut cut)
{
    const struct sim_options options = harm_cut_options(at);
    struct origin *origin = core_world(&options);
    struct h2_client *c = talker();
    uint64_t sent;

    (void)kind;
    sim_describe("client cut %d behind %llu bytes", cut, (unsigned long long)at);
    c->cut = cut;
    c->cut_after = at;
    core_start(core_hasty, NULL);
    core_run(30000);
    CHECK(origin->conn_count <= 1);
    if (at == CUT_NEVER)
        CHECK_INT(h2_client_answers(c), ARRAY_SIZE(asks));
    /* Nobody is kept waiting for ever: the longest time is the head's, the client's and the backend's together. */
    CHECK(at == CUT_NEVER || sim_now() < 8000);
    sent = c->sent;
    if (at % 16 == 0)
        harm_check_alive(0, 0);
    core_end();
    return sent;
}

static void client_cut_at_every_byte(void **state)
{
    static const enum cut cuts[] = {CUT_CLOSE, CUT_RESET, CUT_SHUTDOWN, CUT_STALL, CUT_GARBAGE};

    (void)state;
    harm_every_byte(cuts, ARRAY_SIZE(cuts), cut_client, 0);
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
    core_start(core_hasty, NULL);
    if (leaves) {
        core_run(30000);
    } else { /* it would not see that the core has closed */
        sim_run(NULL, NULL, 10000);
        CHECK_INT(open_clients(), 0);
        h2_client_close(c, false);
    }
    if (at % 16 == 1)
        harm_check_alive(0, 0);
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

/* Sends all asks at once over one connection. */
static uint64_t cut_origin(int kind, uint64_t at, enum cut cut)
{
    const struct sim_options options = harm_cut_options(at);
    struct origin *origin = core_world(&options);
    struct h2_client *c = talker();
    uint64_t sent;

    (void)kind;
    sim_describe("origin cut %d behind %llu bytes", cut, (unsigned long long)at);
    origin->cut = cut;
    origin->cut_after = at;
    origin->cut_conns = 1;
    core_start(core_hasty, NULL);
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
        harm_check_alive(1000, cut == CUT_STALL ? 1 : 0);
    core_end();
    return sent;
}

static void origin_cut_at_every_byte(void **state)
{
    static const enum cut cuts[] = {CUT_CLOSE, CUT_RESET, CUT_STALL, CUT_SHUTDOWN, CUT_GARBAGE};

    (void)state;
    harm_every_byte(cuts, ARRAY_SIZE(cuts), cut_origin, 0);
}

/* ---- what origins end early ---- */

static void ends_early(const char *query)
{
    struct h2_client *c;
    const struct h2_answer *a;

    core_world(&(struct sim_options){.seed = 1});
    c = h2_client_new(FRONT_PORT);
    sim_describe("origin ends early: %s", query);
    h2_client_get(c, query);
    core_start(core_hasty, NULL);
    core_run(30000);
    a = h2_client_answer(c, 0);
    CHECK(a->response.complete || a->reset > 0);
    CHECK(!a->response.from_origin || !a->response.complete || a->response.body == a->response.whole);
    harm_check_alive(1000, 0);
    core_end();
}

static void origin_ends_early(void **state)
{
    (void)state;
    harm_early_ends(ends_early);
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
