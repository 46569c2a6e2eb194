/* The pool of backend connections: its fair and bounded queue, and connections that retire. */
#include "core.h"

#include "ops/server.h"
#include "side/h2_back_conn.h"

#include <stdlib.h>

/* One backend with these keys. */
static void start(const char *keys)
{
    core_start_backend(keys, "MaxKeepAliveRequests 0\nKeepAliveTimeout 300\n");
}

static unsigned stream_of(uint32_t id)
{
    return (unsigned)strtoul(core_line_field(core_line(id), LINE_STREAM).ptr, NULL, 10);
}

/* A client with many requests at once, and others with one each, at a backend that takes one at a time: the others' are
 * served in their turn, not behind all of the first one's. */
static void fair_queue(void **state)
{
    const unsigned many = CONFIG_H2_STREAMS < CONFIG_EXCHANGES - 4 ? CONFIG_H2_STREAMS : CONFIG_EXCHANGES - 4;
    struct origin *origin = core_world(&(struct sim_options){.seed = 1});
    struct h2_client *greedy = h2_client_new(FRONT_PORT);
    struct client *others[3];

    (void)state;
    sim_describe("fair queue");
    origin->max_streams = 1;
    greedy->concurrent = many;
    for (unsigned i = 0; i < many; i++)
        h2_client_get(greedy, "n=10&d=20");
    for (unsigned i = 0; i < ARRAY_SIZE(others); i++)
        others[i] = core_asking("n=10&d=20", 30);
    start("acquire=60s");
    core_run(120000);
    core_settle();
    CHECK_INT(h2_client_answers(greedy), many);
    for (unsigned i = 0; i < ARRAY_SIZE(others); i++) {
        uint32_t id = others[i]->reader.responses[0].id;

        CHECK_INT(client_response(others[i], 0)->status, 200);
        CHECK(stream_of(id) <= 2 * (2 + CONFIG_EARLY_STREAMS + 2 * ARRAY_SIZE(others)) + 1);
        CHECK(client_response(others[i], 0)->complete);
    }
    CHECK_INT(origin->conn_count, 1);
    for (unsigned i = 0; i < origin->request_count; i++)
        CHECK_INT(origin->requests[i].tries - origin->requests[i].refused, 1);
    core_end();
}

/* The queue has a bound: who finds it full is told at once. */
static void full_queue(void **state)
{
    struct origin *origin = core_world(&(struct sim_options){.seed = 1});
    struct client *clients[6];

    (void)state;
    sim_describe("full queue");
    origin->max_streams = 1;
    for (unsigned i = 0; i < ARRAY_SIZE(clients); i++)
        clients[i] = core_asking("n=10&d=500", (uint64_t)i * 20);
    start("maxqueue=2");
    core_run(60000);
    core_settle();
    for (unsigned i = 0; i < ARRAY_SIZE(clients); i++) {
        const struct response *response = client_response(clients[i], 0);

        CHECK_INT(response->status, i < 3 ? 200 : 503);
        if (i < 3)
            continue;
        core_check_field(response->id, LINE_END, "PQ");
        core_check_field(response->id, LINE_WORD, "queue-full");
        CHECK(clients[i]->ended_at < 400);
        CHECK(origin_request(origin, response->id) == NULL);
    }
    core_end();
}

/* Connections that retire: requests one after the other, and how many connections they took. */
static void retirement(void **state)
{
    static const struct {
        const char *keys;
        uint32_t pause_ms; /* between two requests */
        unsigned conns;    /* of 10 requests */
    } cases[] = {
        {"", 10, 1},           {"maxrequests=1", 10, 10}, {"maxrequests=4", 10, 3},
        {"ttl=200ms", 100, 1}, {"ttl=200ms", 300, 10},    {"maxage=250ms", 100, 4},
        {"ttl=0", 90000, 1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct origin *origin = core_world(&(struct sim_options){.seed = i + 1});

        sim_describe("retirement %zu: '%s'", i, cases[i].keys);
        for (unsigned n = 0; n < 10; n++)
            (void)core_asking("n=10", n * (uint64_t)cases[i].pause_ms);
        start(cases[i].keys);
        core_run(1000000);
        core_settle();
        CHECK_INT(origin->conn_count, cases[i].conns);
        CHECK(origin->goaways + 1 >= cases[i].conns); /* each said goodbye; the last one may live */
        CHECK_INT(origin->request_count, 10);
        for (unsigned n = 0; n < origin->request_count; n++)
            CHECK_INT(origin->requests[n].tries, 1);
        core_end();
    }
}

/* What runs on a connection that retires is finished, and its successor serves meanwhile, beyond max=. */
static void retiring_finishes(void **state)
{
    static const char *const keys[] = {"maxrequests=1", "maxage=300ms"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        struct origin *origin = core_world(&(struct sim_options){.seed = i + 1});
        struct client *slow = core_asking("n=5000&p=100&q=50", 0);
        struct client *other = core_asking("n=10", 600);

        sim_describe("retiring with a request: %s", keys[i]);
        start(keys[i]);
        core_run(60000);
        core_settle();
        CHECK_INT(client_response(slow, 0)->status, 200);
        CHECK(client_response(slow, 0)->complete);
        CHECK_INT(client_response(other, 0)->status, 200);
        CHECK(other->ended_at < slow->ended_at);
        CHECK_INT(origin->conn_count, 2);
        CHECK_INT(origin->most_streams, 1);
        core_end();
    }
}

/* The one connection of a world with one connection. */
static struct h2_back *the_connection(void)
{
    return container_of(server_config()->backends[0]->conns.next, struct h2_back, base.node);
}

/* Stream identifiers end at 2^31 - 1: the connection retires, and another goes on. */
static void stream_ids_run_out(void **state)
{
    struct origin *origin = core_world(&(struct sim_options){.seed = 1, .latency_ms = 1});
    struct client *clients[6];
    unsigned last = 0, last_but_one = 0, first = 0;

    (void)state;
    sim_describe("stream identifiers run out");
    for (unsigned i = 0; i < ARRAY_SIZE(clients); i++)
        clients[i] = core_asking("n=10&d=50", i < 1 ? 0 : 200);
    start("");
    sim_run(NULL, NULL, 150);
    CHECK_INT(nghttp2_session_set_next_stream_id(the_connection()->h2.ng, INT32_MAX - 2), 0);
    core_run(10000);
    core_settle();
    for (unsigned i = 0; i < ARRAY_SIZE(clients); i++) {
        CHECK_INT(client_response(clients[i], 0)->status, 200);
        core_check_field(client_response(clients[i], 0)->id, LINE_RETRY, "-");
    }
    /* Who comes at the same time may be served in any order. */
    for (unsigned i = 1; i < ARRAY_SIZE(clients); i++) {
        last += stream_of(client_response(clients[i], 0)->id) == INT32_MAX;
        last_but_one += stream_of(client_response(clients[i], 0)->id) == INT32_MAX - 2;
        first += stream_of(client_response(clients[i], 0)->id) == 1;
    }
    CHECK_INT(last_but_one, 1);
    CHECK_INT(last, 1);
    CHECK_INT(first, 1);
    CHECK_INT(origin->conn_count, 2);
    for (unsigned i = 0; i < origin->request_count; i++)
        CHECK_INT(origin->requests[i].tries, 1);
    core_end();
}

/* Writes are numbered, and the numbers wrap: a request that left with one of those around the wrap counts as sent, and
 * is not sent again when the connection breaks. */
static void write_numbers_wrap(void **state)
{
    (void)state;
    for (uint32_t before = 0; before < 4; before++) {
        struct origin *origin = core_world(&(struct sim_options){.seed = 1});
        struct client *lost = core_asking("z=1", 200);

        sim_describe("the number of a write wraps: %u before", before);
        (void)core_asking("n=10", 0);
        start("");
        sim_run(NULL, NULL, 150);
        the_connection()->batch = UINT32_MAX - 2 * before;
        sim_run(NULL, NULL, 150);
        origin_break(origin, false);
        core_run(10000);
        core_settle();
        CHECK_INT(client_response(lost, 0)->status, 502);
        core_check_field(client_response(lost, 0)->id, LINE_RETRY, "-");
        CHECK_INT(origin_request(origin, client_response(lost, 0)->id)->tries, 1);
        core_end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fair_queue),        cmocka_unit_test(full_queue),         cmocka_unit_test(retirement),
        cmocka_unit_test(retiring_finishes), cmocka_unit_test(stream_ids_run_out), cmocka_unit_test(write_numbers_wrap),
    };

    return CORE_RUN(tests);
}
