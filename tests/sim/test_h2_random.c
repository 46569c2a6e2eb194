/* Random scenarios with HTTP/2 clients, and HTTP/1.1 clients beside them: each seed is a world, an origin, clients with
 * many streams, and mostly some misfortune. What holds always is checked by the simulator; in calm scenarios all
 * answers are complete, too.
 *
 *     SIM_SEED=n        runs one seed, with its logs
 *     SIM_RUNS=n        runs seeds SIM_FIRST (1) and up, n of them */
#include "core.h"

#include "base/arena.h"

#include <stdio.h>

#define RUNS 250

struct scenario {
    bool calm; /* all answers must be complete */
    unsigned uploads;
    bool tiny; /* buffers of a few bytes: bodies are short */
    unsigned clients;
};

static bool often(unsigned percent)
{
    return sim_chance(100) < percent;
}

static uint32_t between(uint32_t least, uint32_t most)
{
    return least + sim_chance(most - least + 1);
}

/* Small numbers as likely as big ones. */
static uint32_t scaled(uint32_t most)
{
    uint32_t bits = 1 + sim_chance(20);
    uint32_t value = sim_chance(1u << bits);

    return value <= most ? value : sim_chance(most + 1);
}

static void make_world(struct scenario *scenario)
{
    scenario->calm = often(50);
    scenario->tiny = often(15);
    sim.client_buffer = scenario->tiny ? between(1, 40) : 500 + scaled(65536);
    sim.origin_buffer = scenario->tiny ? between(1, 40) : 500 + scaled(65536);
    sim.latency_ms = often(50) ? 0 : between(1, scenario->calm || scenario->tiny ? 2 : 40);
    sim.chop = often(30) ? 1 + scaled(5000) : 0;
    sim.again_percent = often(20) ? between(1, 50) : 0;
    sim.spurious = often(20);
    sim.reset_keeps = often(50);
    sim.start_ms = often(50) ? UINT32_MAX - scaled(60000) : scaled(1000000);
}

static void make_origin(const struct scenario *scenario, struct origin *origin)
{
    origin->window = often(30) ? 1 + scaled(200000) : 0;
    if (origin->window > 0 && !scenario->tiny) /* one window a round trip: it must get on */
        origin->window += 100 * (1 + sim.latency_ms);
    origin->max_frame = often(20) ? 16384 + scaled(100000) : 0;
    origin->piece = often(20) ? 200 + scaled(3000) : 0;
    origin->settings_after_ms = often(20) ? scaled(2000) : 0;
    origin->max_streams = often(30) ? between(1, 5) : 0;
    if (scenario->calm)
        return;
    origin->goaway_after = often(20) ? between(1, 8) : 0;
    origin->goaway_hard = often(50);
    if (often(30)) {
        static const enum cut cuts[] = {CUT_CLOSE, CUT_RESET, CUT_SHUTDOWN, CUT_STALL, CUT_GARBAGE};

        origin->cut = cuts[sim_chance(ARRAY_SIZE(cuts))];
        origin->cut_after = scaled(20000);
        origin->cut_conns = between(1, 3);
    }
    origin->no_ack = often(3);
    if (often(5))
        origin->host.mode = (enum host_mode)between(HOST_REFUSES, HOST_AT_ONCE);
}

/* A query for the origin; with misfortune when the scenario is not calm. */
static void make_query(const struct scenario *scenario, struct bytes *q)
{
    uint32_t size = scaled(scenario->tiny ? 300 : 60000);

    bytes_printf(q, "n=%u", size);
    if (often(30))
        bytes_printf(q, "&l=0");
    if (often(20))
        bytes_printf(q, "&t=1");
    if (often(20))
        bytes_printf(q, "&d=%u", scaled(300));
    if (often(20))
        bytes_printf(q, "&p=%u&q=%u", 1 + size / between(1, 20), between(0, 20));
    if (often(15))
        bytes_printf(q, "&i=%u", between(1, 3));
    if (often(10))
        bytes_printf(q, "&h=%u", scaled(scenario->tiny ? 100 : CONFIG_RESPONSE_HEAD / 3));
    if (often(20))
        bytes_printf(q, "&u=%u", 1 + scaled(20000));
    if (often(10))
        bytes_printf(q, "&s=%u", often(50) ? 404 : often(50) ? 204 : 304);
    if (often(10))
        bytes_printf(q, "&P=%u", between(1, 255));
    if (scenario->calm)
        return;
    if (often(10))
        bytes_printf(q, "&F=%u", between(1, 2));
    if (often(5))
        bytes_printf(q, "&r=%u&e=%u", scaled(size + 1), sim_chance(14));
    if (often(3))
        bytes_printf(q, "&R=1&e=%u", sim_chance(14));
    if (often(3))
        bytes_printf(q, "&x=%u", scaled(size + 1));
    if (often(3))
        bytes_printf(q, "&z=1");
    if (often(5))
        bytes_printf(q, "&L=%u", scaled(size + 10));
    if (often(5))
        bytes_printf(q, "&w=1%s", often(50) ? "&U=1" : often(50) ? "&W=1" : "");
    if (often(3))
        bytes_printf(q, "&g=1");
    if (often(2) && !scenario->tiny && sim.chop == 0) /* nghttp2 counts a CONTINUATION for each read of its header */
        bytes_printf(q, "&h=%u", between(20000, 90000));
}

static void make_request(struct scenario *scenario, struct h2_client *c)
{
    static const char *const methods[] = {NULL, "HEAD", "DELETE", "OPTIONS", "PATCH"};
    struct bytes query = {NULL, 0, 0};
    struct h2_ask ask = {.ask = {.query = NULL}};

    make_query(scenario, &query);
    bytes_put(&query, "", 1);
    ask.ask.query = (const char *)query.ptr;
    ask.start_at = often(50) ? 0 : scaled(1000);
    if (often(40) && !(scenario->calm && scenario->uploads >= CONFIG_UPLOADS)) {
        scenario->uploads++;
        ask.ask.framing = often(50) ? ASK_LENGTH : ASK_CHUNKED;
        ask.ask.body = scaled(scenario->tiny ? 300 : 60000);
        ask.ask.expects = often(15);
        ask.ask.trailers = often(30) ? "X-Last: 1\n" : NULL;
        ask.piece = often(30) ? 20 + scaled(5000) : 0;
        ask.pause_ms = often(20) ? between(0, 2) : 0;
    } else {
        ask.ask.method = methods[often(70) ? 0 : sim_chance(ARRAY_SIZE(methods))];
    }
    if (often(10))
        ask.ask.fields = "cookie: a=1\ncookie: b=2; c=3\nx-more: 1\n";
    if (!scenario->calm && often(10)) {
        ask.cancel = often(50) ? CANCEL_SENT : CANCEL_RECEIVED;
        ask.cancel_at = scaled(20000);
    }
    if (!scenario->calm && often(4))
        ask.stall_after = 1 + scaled(20000);
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
        struct bytes query = {NULL, 0, 0};

        make_query(scenario, &query);
        bytes_put(&query, "", 1);
        client_ask(c, &(struct ask){.query = (const char *)query.ptr});
        sim_free(query.ptr);
    }
}

static void make_misfortune(const struct scenario *scenario)
{
    if (scenario->calm)
        return;
    sim.log_lossy = true;
    if (often(30))
        sim_fail_nth(5 + scaled(2000), (enum sim_fault)sim_chance(3));
    if (often(20))
        arena_fail_nth(60 + scaled(2000));
}

/* What may happen at any time and costs no request: a configuration that is read again, a backend that says goodbye in
   two steps, a window of another size. */
static void disturb(struct origin *origin)
{
    static const char *const confs[] = {core_patient, core_patient_pair};

    sim_run(NULL, NULL, scaled(600));
    switch (sim_chance(3)) {
    case 0: core_reload(confs[sim_chance(2)]); break;
    case 1: origin_goaway_with(origin, INT32_MAX, NGHTTP2_NO_ERROR); break;
    default: origin_setting(origin, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 100 * (1 + sim.latency_ms) + scaled(200000));
    }
}

/* In a calm scenario every request is answered, in full. */
static void check_calm(const struct scenario *scenario, struct h2_client **clients)
{
    for (unsigned i = 0; i < scenario->clients; i++) {
        CHECK_INT(clients[i]->goaways, 0);
        for (unsigned n = 0; n < clients[i]->asked; n++)
            CHECK(clients[i]->answers[n]->response.complete && clients[i]->answers[n]->response.from_origin);
    }
}

static void run(uint64_t seed)
{
    struct scenario scenario = {.calm = false};
    struct h2_client *clients[6];
    struct origin *origin;

    origin = core_world(&(struct sim_options){.seed = seed});
    make_world(&scenario);
    sim_describe("SIM_SEED=%llu%s%s", (unsigned long long)seed, scenario.calm ? ", calm" : "",
                 scenario.tiny ? ", tiny" : "");
    make_origin(&scenario, origin);
    scenario.clients = between(1, (uint32_t)min_size(ARRAY_SIZE(clients), CONFIG_H2_CLIENTS));
    for (unsigned i = 0; i < scenario.clients; i++)
        clients[i] = make_client(&scenario);
    if (often(50))
        make_other(&scenario);
    if (scenario.calm)
        core_start_file(core_patient);
    else
        core_start(core_plain, "Timeout 5\nProxyTimeout 4\nKeepAliveTimeout 3\nRequestReadTimeout header=3 body=3\n");
    make_misfortune(&scenario);
    if (!scenario.calm && often(10)) {
        sim_run(NULL, NULL, scaled(2000));
        sim_ask(often(70) ? PORT_ASK_DRAIN : PORT_ASK_STOP);
        core_run_until_ended(60000);
    } else {
        while (scenario.calm && often(40))
            disturb(origin);
        core_run(1200000);
        core_settle();
        if (scenario.calm)
            check_calm(&scenario, clients);
    }
    core_end();
}

static void random_scenarios(void **state)
{
    uint64_t only = core_env("SIM_SEED", 0);
    uint64_t first = only > 0 ? only : core_env("SIM_FIRST", 1);
    uint64_t runs = only > 0 ? 1 : core_env("SIM_RUNS", RUNS);

    (void)state;
    for (uint64_t seed = first; seed < first + runs; seed++) {
        if (runs > RUNS && seed % 1000 == 0)
            print_message("seed %llu\n", (unsigned long long)seed);
        run(seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_scenarios)};

    return CORE_RUN(tests);
}
