/* Conversations that break off at every byte, on either side: who is left sees an answer that is whole or visibly cut,
 * and the next client is served as if nothing had been. */
#include "core.h"

static const char conf[] = "Listen 8080\n"
                           "ProxyPass \"/\" \"h2c://10.0.0.1:9000/\"\n"
                           "CustomLog \"-\"\n"
                           "ProxyTimeout 2\n"
                           "Timeout 3\n"
                           "KeepAliveTimeout 2\n"
                           "RequestReadTimeout header=1 body=1\n";

/* Who comes afterwards must be served. A silent connection may disappoint one more client before it is given up. */
static void check_alive(uint32_t after_ms, bool second)
{
    struct client *c;

    if (second) {
        client_ask(client_new(FRONT_PORT), &(struct ask){.query = "n=70"});
        core_run(20000);
    }
    sim_run(NULL, NULL, after_ms);
    c = client_new(FRONT_PORT);
    client_ask(c, &(struct ask){.query = "n=70"});
    core_run(20000);
    CHECK_INT(client_response(c, 0)->status, 200);
    CHECK(client_response(c, 0)->complete);
}

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

static void cut_client(uint64_t at, enum cut cut, bool pipelining, const struct sim_options *options)
{
    struct origin *origin = core_world(options);
    struct client *c = talker(pipelining);

    sim_describe("client cut %d behind %llu bytes, pipelining %d", cut, (unsigned long long)at, pipelining);
    c->cut = cut;
    c->cut_after = at;
    core_start(conf, NULL);
    core_run(30000);
    if (cut == CUT_SHUTDOWN && !pipelining)
        CHECK_INT(client_answers(c), whole_requests(c));
    if (cut == CUT_STALL && c->end != CLIENT_LEFT)
        CHECK(client_answers(c) >= whole_requests(c));
    CHECK(origin->conn_count <= 1);
    if (at % 16 == 0)
        check_alive(0, false);
    core_end();
}

static void client_cut_at_every_byte(void **state)
{
    static const enum cut cuts[] = {CUT_CLOSE, CUT_RESET, CUT_SHUTDOWN, CUT_STALL};
    size_t len;

    (void)state;
    sim_begin(NULL);
    len = talker(true)->out.len;
    sim_end();
    for (size_t k = 0; k < ARRAY_SIZE(cuts); k++)
        for (uint64_t at = 0; at <= len; at++)
            cut_client(at, cuts[k], at % 2 == 0,
                       &(struct sim_options){.seed = at + 1, .latency_ms = (uint32_t)(at % 3)});
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
        core_start(conf, NULL);
        core_run(30000);
        if (at % 16 == 1)
            check_alive(0, false);
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

/* Sends all asks at once over one connection. Returns how many bytes the origin sent. */
static uint64_t cut_origin(uint64_t at, enum cut cut, const struct sim_options *options)
{
    struct origin *origin = core_world(options);
    struct client *clients[ARRAY_SIZE(asks)];
    uint64_t sent;

    sim_describe("origin cut %d behind %llu bytes", cut, (unsigned long long)at);
    origin->cut = cut;
    origin->cut_after = at;
    origin->cut_conns = 1;
    for (size_t i = 0; i < ARRAY_SIZE(asks); i++) {
        clients[i] = client_new(FRONT_PORT);
        client_ask(clients[i], &asks[i]);
    }
    core_start(conf, NULL);
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

/* ---- the plans of origins that end a response early ---- */

static void origin_ends_early(void **state)
{
    static const char *const queries[] = {"n=500&r=%u", "n=500&l=0&r=%u", "n=500&x=%u",    "n=500&l=0&x=%u&t=1",
                                          "n=300&L=%u", "n=500&r=%u&e=8", "n=500&r=%u&e=0"};
    static const unsigned places[] = {0, 1, 250, 499, 500, 501};

    (void)state;
    for (size_t q = 0; q < ARRAY_SIZE(queries); q++)
        for (size_t p = 0; p < ARRAY_SIZE(places); p++)
            for (int http10 = 0; http10 < 2; http10++) {
                struct client *c;
                struct bytes query = {NULL, 0, 0};

                core_world(&(struct sim_options){.seed = 1});
                c = client_new(FRONT_PORT);
                bytes_printf(&query, queries[q], places[p]);
                bytes_put(&query, "", 1);
                sim_describe("origin ends early: %s, HTTP/1.%d", (const char *)query.ptr, !http10);
                client_ask(c, &(struct ask){.query = (const char *)query.ptr, .http10 = http10 != 0});
                core_start(conf, NULL);
                core_run(30000);
                CHECK(client_response(c, 0)->status >= 200);
                CHECK(!client_response(c, 0)->from_origin || !client_response(c, 0)->complete ||
                      client_response(c, 0)->body == client_response(c, 0)->whole);
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
