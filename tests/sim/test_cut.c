/* Conversations that break off at every byte, on either side: who is left sees an answer that is whole or visibly cut,
 * and the next client is served as if nothing had been. */
#include "harm.h"

/* ---- the client breaks off ---- */

static struct client *talker(bool pipelining)
{
    struct client *c = client_new(FRONT_PORT);

    c->pipelining = pipelining;
    client_ask(c, &(struct ask){.query = "n=50"});
    client_ask(
        c, &(struct ask){.query = "n=9&l=0", .framing = ASK_CHUNKED, .body = 40, .chunk = 17, .trailers = "A: b\r\n"});
    client_ask(c, &(struct ask){.query = "n=3", .framing = ASK_LENGTH, .body = 30});
    return c;
}

/* How many requests were sent whole. */
static unsigned whole_requests(const struct client *c)
{
    unsigned n = 0;

    while (n < c->reader.asked && c->reader.responses[n].asked_at <= c->sent)
        n++;
    return n;
}

static uint64_t cut_client(int kind, uint64_t at, enum cut cut)
{
    const bool pipelining = at % 2 == 0;
    const struct sim_options options = harm_cut_options(at);
    struct origin *origin = core_world(&options);
    struct client *c = talker(pipelining);
    uint64_t sent;

    (void)kind;
    sim_describe("client cut %d behind %llu bytes, pipelining %d", cut, (unsigned long long)at, pipelining);
    c->cut = cut;
    c->cut_after = at;
    core_start(core_hasty, NULL);
    core_run(30000);
    if (cut == CUT_SHUTDOWN && !pipelining)
        CHECK_INT(client_answers(c), whole_requests(c));
    if (cut == CUT_STALL && c->end != CLIENT_LEFT)
        CHECK(client_answers(c) >= whole_requests(c));
    CHECK(origin->conn_count <= 1);
    sent = c->sent;
    if (at % 16 == 0)
        harm_check_alive(0, 0);
    core_end();
    return sent;
}

static void client_cut_at_every_byte(void **state)
{
    static const enum cut cuts[] = {CUT_CLOSE, CUT_RESET, CUT_SHUTDOWN, CUT_STALL};

    (void)state;
    harm_every_byte(cuts, ARRAY_SIZE(cuts), cut_client, 0);
}

/* ---- the client stops reading, or leaves while it reads ---- */

static void client_leaves_at_every_byte(void **state)
{
    uint64_t total = 0;

    (void)state;
    for (uint64_t at = 0;; at++) {
        struct client *c;

        core_world(&(struct sim_options){.seed = at + 1, .client_buffer = 50});
        sim_describe("client leaves behind %llu bytes", (unsigned long long)at);
        c = talker(at % 2 == 0);
        c->leave_after = at > 0 ? at : CUT_NEVER;
        core_start(core_hasty, NULL);
        core_run(30000);
        if (at % 16 == 1)
            harm_check_alive(0, 0);
        total = at == 0 ? c->received : total;
        core_end();
        if (at > total)
            break;
    }
}

/* ---- the origin breaks off ---- */

static const struct ask asks[] = {
    {.query = "n=50"},
    {.query = "n=90&l=0&t=1&d=1"},
    {.query = "n=60&l=0", .http10 = true},
    {.query = "n=20&i=1", .framing = ASK_CHUNKED, .body = 100},
    {.query = "n=30", .framing = ASK_LENGTH, .body = 30, .http10 = true},
};

/* Sends all asks at once over one connection. */
static uint64_t cut_origin(int kind, uint64_t at, enum cut cut)
{
    const struct sim_options options = harm_cut_options(at);
    struct origin *origin = core_world(&options);
    struct client *clients[ARRAY_SIZE(asks)];
    uint64_t sent;

    (void)kind;
    sim_describe("origin cut %d behind %llu bytes", cut, (unsigned long long)at);
    origin->cut = cut;
    origin->cut_after = at;
    origin->cut_conns = 1;
    for (size_t i = 0; i < ARRAY_SIZE(asks); i++) {
        clients[i] = client_new(FRONT_PORT);
        client_ask(clients[i], &asks[i]);
    }
    core_start(core_hasty, NULL);
    core_run(30000);
    for (size_t i = 0; i < ARRAY_SIZE(asks); i++) {
        const struct response *response = client_response(clients[i], 0);

        /* A reset is the only way to tell an HTTP/1.0 client that the body was cut; it may destroy what it has not
         * read. */
        if (response->status == 0 && asks[i].http10 && clients[i]->end == CLIENT_RESET)
            continue;
        CHECK(response->status == 200 || response->status == 502 || response->status == 503 || response->status == 504);
        CHECK(response->status == 200 || response->complete);
        if (at == CUT_NEVER)
            CHECK(response->status == 200 && response->complete);
    }
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

/* ---- the plans of origins that end a response early ---- */

static void ends_early(const char *query)
{
    for (int http10 = 0; http10 < 2; http10++) {
        struct client *c;

        core_world(&(struct sim_options){.seed = 1});
        c = client_new(FRONT_PORT);
        sim_describe("origin ends early: %s, HTTP/1.%d", query, !http10);
        client_ask(c, &(struct ask){.query = query, .http10 = http10 != 0});
        core_start(core_hasty, NULL);
        core_run(30000);
        CHECK(client_response(c, 0)->status >= 200);
        CHECK(!client_response(c, 0)->from_origin || !client_response(c, 0)->complete ||
              client_response(c, 0)->body == client_response(c, 0)->whole);
        harm_check_alive(1000, 0);
        core_end();
    }
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
