/* Random scenarios with HTTP/2 clients, and HTTP/1.1 clients beside them: each seed is a world, an origin, clients with
 * many streams, and mostly some misfortune. What holds always is checked by the simulator; in calm scenarios all
 * answers are complete, too. */
#include "scenario.h"

#define RUNS 250

static struct h2_client *clients[6];
static unsigned client_count;
static unsigned uploads;

/* What a client does to its stream, when it is not calm. */
static void make_misfortune(const struct scenario *scenario, struct h2_ask *ask)
{
    if (!scenario->calm && often(10)) {
        ask->cancel = often(50) ? CANCEL_SENT : CANCEL_RECEIVED;
        ask->cancel_at = scaled(20000);
    }
    if (!scenario->calm && often(4))
        ask->stall_after = 1 + scaled(20000);
}

static void make_tunnel(struct scenario *scenario, struct h2_client *c)
{
    struct h2_ask ask = {.start_at = often(50) ? 0 : scaled(1000)};

    uploads++;
    scenario_tunnel(scenario, &ask.ask, true);
    ask.piece = often(30) ? 20 + scaled(5000) : 0;
    make_misfortune(scenario, &ask);
    h2_client_ask(c, &ask);
    sim_free((void *)(uintptr_t)ask.ask.query);
}

static void make_request(const struct scenario *scenario, struct h2_client *c)
{
    static const char *const methods[] = {NULL, "HEAD", "DELETE", "OPTIONS", "PATCH"};
    struct bytes query = scenario_query(scenario);
    struct h2_ask ask = {.ask = {.query = (const char *)query.ptr}};

    ask.start_at = often(50) ? 0 : scaled(1000);
    if (often(40) && !(scenario->calm && uploads >= CONFIG_UPLOADS)) {
        uploads++;
        ask.ask.framing = often(50) ? ASK_LENGTH : ASK_CHUNKED;
        ask.ask.body = scenario_body(scenario);
        ask.ask.expects = often(15);
        ask.ask.trailers = often(30) ? "X-Last: 1\n" : NULL;
        ask.piece = often(30) ? 20 + scaled(5000) : 0;
        ask.pause_ms = often(20) ? between(0, 2) : 0;
    } else {
        ask.ask.method = methods[often(70) ? 0 : sim_chance(ARRAY_SIZE(methods))];
    }
    if (often(10))
        ask.ask.fields = "cookie: a=1\ncookie: b=2; c=3\nx-more: 1\n";
    make_misfortune(scenario, &ask);
    h2_client_ask(c, &ask);
    sim_free(query.ptr);
}

static struct h2_client *make_client(struct scenario *scenario)
{
    struct h2_client *c = h2_client_new(FRONT_PORT);
    unsigned requests = between(1, 12);

    c->start_at = scaled(1000);
    c->concurrent = often(50) ? 0 : between(1, 5);
    c->piece = often(30) ? 100 + scaled(3000) : 0;
    c->pause_ms = often(20) && !scenario->calm ? between(1, 5) : 0;
    c->read_piece = often(30) ? 200 + scaled(10000) : 0;
    c->read_pause_ms = often(20) && !scenario->tiny ? between(0, 3) : 0;
    c->window = often(30) ? (int64_t)(200 + scaled(1000000)) : often(5) ? 0 : -1;
    c->padding = often(20) ? between(1, 255) : 0;
    c->no_ack = often(5);
    c->deaf_until = often(10) ? c->start_at + scaled(400) : 0;
    for (unsigned n = 0; n < requests; n++)
        if (often(7) && scenario_has_tunnels(scenario) && !(scenario->calm && uploads >= CONFIG_UPLOADS))
            make_tunnel(scenario, c);
        else
            make_request(scenario, c);
    if (scenario->calm)
        return c;
    if (often(15)) {
        c->cut = (enum cut)between(CUT_CLOSE, CUT_GARBAGE);
        c->cut_after = scaled(100000);
    }
    if (often(10))
        c->leave_after = 1 + scaled(60000);
    return c;
}

/* HTTP/1.1 beside them, with nothing special. */
static void make_other(const struct scenario *scenario)
{
    struct client *c = client_new(FRONT_PORT);

    for (unsigned n = between(1, 3); n > 0; n--) {
        struct bytes query = scenario_query(scenario);

        client_ask(c, &(struct ask){.query = (const char *)query.ptr});
        sim_free(query.ptr);
    }
}

static void check_calm(void)
{
    for (unsigned i = 0; i < client_count; i++) {
        CHECK_INT(clients[i]->goaways, 0);
        for (unsigned n = 0; n < clients[i]->asked; n++)
            CHECK(clients[i]->answers[n]->response.complete && clients[i]->answers[n]->response.from_origin);
    }
}

static void run(uint64_t seed)
{
    struct scenario scenario;

    scenario_begin(&scenario, seed);
    uploads = 0;
    client_count = between(1, (uint32_t)min_size(ARRAY_SIZE(clients), CONFIG_H2_CLIENTS));
    for (unsigned i = 0; i < client_count; i++)
        clients[i] = make_client(&scenario);
    if (often(50))
        make_other(&scenario);
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
