/* Random scenarios with HTTP/1.1 clients: each seed is a world, an origin, clients, and mostly some misfortune. What
 * holds always is checked by the simulator: bodies are right or visibly cut, answers come in order and once, no request
 * is sent twice, nothing leaks, nothing spins, the next client is served. In calm scenarios all answers are complete,
 * too. */
#include "scenario.h"

#define RUNS 500

static struct client *clients[12];
static unsigned client_count;

/* An origin may be slow in small pieces. */
static void slow_down(const struct scenario *scenario)
{
    struct origin *origin = scenario->origin;

    if (often(20))
        origin->piece = 1 + scaled(3000);
    if (!(scenario->calm && (scenario->tiny || (origin->piece > 0 && origin->piece < 100))))
        origin->pause_ms = often(10) ? 1 : 0;
}

static void make_tunnel(struct scenario *scenario, struct client *c)
{
    struct ask ask;

    scenario_tunnel(scenario, &ask, false);
    client_ask(c, &ask);
    sim_free((void *)(uintptr_t)ask.query);
}

static void make_request(const struct scenario *scenario, struct client *c)
{
    static const char *const methods[] = {NULL, "HEAD", "DELETE", "OPTIONS", "PATCH"};
    struct bytes query = scenario_query(scenario);
    struct ask ask = {.query = (const char *)query.ptr};

    if (often(40)) {
        ask.framing = often(50) ? ASK_LENGTH : ASK_CHUNKED;
        ask.body = scenario_body(scenario);
        ask.chunk = 1 + scaled(4000);
        ask.expects = often(15);
        ask.trailers = often(30) ? "X-Last: 1\r\n" : NULL;
    } else {
        ask.method = methods[often(70) ? 0 : sim_chance(ARRAY_SIZE(methods))];
    }
    if (ask.framing != ASK_CHUNKED && !ask.expects)
        ask.http10 = often(10);
    if (often(10))
        ask.fields = "Connection: close\r\n";
    client_ask(c, &ask);
    sim_free(query.ptr);
}

static void make_client(struct scenario *scenario)
{
    struct client *c = client_new(FRONT_PORT);
    unsigned requests = between(1, 5);

    c->start_at = scaled(1000);
    c->pipelining = often(30);
    c->piece = often(30) ? 1 + scaled(3000) : 0;
    c->pause_ms = often(20) && !(scenario->calm && c->piece < 200) ? between(1, 5) : 0;
    c->read_piece = often(30) ? 1 + scaled(10000) : 0;
    c->read_pause_ms = often(20) && !(scenario->calm && c->read_piece < 200) ? between(1, 10) : 0;
    for (unsigned n = 1; n < requests; n++)
        make_request(scenario, c);
    if (often(20) && scenario_has_tunnels(scenario))
        make_tunnel(scenario, c);
    else
        make_request(scenario, c);
    if (scenario->calm)
        return;
    if (often(15)) {
        c->cut = (enum cut)between(CUT_CLOSE, CUT_STALL);
        c->cut_after = sim_chance((uint32_t)c->out.len + 1);
    }
    if (often(10))
        c->leave_after = 1 + scaled(60000);
    if (c->tunnel == TUNNEL_NONE && often(5))
        client_raw(c, "GARBAGE\r\n\r\n", 11, 1);
}

/* In a calm scenario every request is answered, in full, unless the connection was to end before it. */
static void check_calm(void)
{
    for (unsigned i = 0; i < client_count; i++)
        for (unsigned n = 0; n < clients[i]->reader.asked; n++) {
            const struct response *response = client_response(clients[i], n);

            CHECK(response->complete && response->from_origin);
            if (!response->complete || response->close)
                break;
        }
}

static void run(uint64_t seed)
{
    struct scenario scenario;

    scenario_begin(&scenario, seed);
    slow_down(&scenario);
    client_count = between(1, ARRAY_SIZE(clients));
    for (unsigned i = 0; i < client_count; i++) {
        make_client(&scenario);
        clients[i] = client_last();
    }
    scenario_run(&scenario, check_calm);
}

static void random_scenarios(void **state)
{
    (void)state;
    scenario_seeds(run, RUNS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_scenarios)};

    return CORE_RUN(tests);
}
