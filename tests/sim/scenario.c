/* Random scenarios. */
#include "scenario.h"

#include "base/arena.h"

/* ---- chance ---- */

bool often(unsigned percent)
{
    return sim_chance(100) < percent;
}

uint32_t between(uint32_t least, uint32_t most)
{
    return least + sim_chance(most - least + 1);
}

uint32_t scaled(uint32_t most)
{
    uint32_t bits = 1 + sim_chance(20);
    uint32_t value = sim_chance(1u << bits);

    return value <= most ? value : sim_chance(most + 1);
}

/* ---- world and origin ---- */

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

/* A window with which a body gets on, though only one goes out in a round trip. */
static uint32_t some_window(void)
{
    return 100 * (1 + sim.latency_ms) + scaled(200000);
}

static void make_origin(const struct scenario *scenario, struct origin *origin)
{
    static const enum cut cuts[] = {CUT_CLOSE, CUT_RESET, CUT_SHUTDOWN, CUT_STALL, CUT_GARBAGE};

    origin->window = often(30) ? some_window() : 0;
    origin->max_frame = often(20) ? 16384 + scaled(100000) : 0;
    origin->piece = often(20) ? 200 + scaled(3000) : 0;
    origin->settings_after_ms = often(20) ? scaled(2000) : 0;
    origin->max_streams = often(30) ? between(1, 5) : 0;
    origin->tunnels = IS_ENABLED(CONFIG_WEBSOCKET) && (scenario->calm || often(90));
    if (scenario->calm)
        return;
    origin->goaway_after = often(20) ? between(1, 8) : 0;
    origin->goaway_hard = often(50);
    if (often(30)) {
        origin->cut = cuts[sim_chance(ARRAY_SIZE(cuts))];
        origin->cut_after = scaled(20000);
        origin->cut_conns = between(1, 3);
    }
    origin->no_ack = often(3);
    if (often(5))
        origin->host.mode = (enum host_mode)between(HOST_REFUSES, HOST_AT_ONCE);
}

void scenario_begin(struct scenario *scenario, uint64_t seed)
{
    *scenario = (struct scenario){.origin = core_world(&(struct sim_options){.seed = seed})};
    make_world(scenario);
    sim_describe("SIM_SEED=%llu%s%s", (unsigned long long)seed, scenario->calm ? ", calm" : "",
                 scenario->tiny ? ", tiny" : "");
    make_origin(scenario, scenario->origin);
}

/* ---- queries ---- */

uint32_t scenario_body(const struct scenario *scenario)
{
    return scaled(scenario->tiny ? 300 : 60000);
}

static void put_misfortune(const struct scenario *scenario, uint32_t size, struct bytes *q)
{
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

struct bytes scenario_query(const struct scenario *scenario)
{
    struct bytes q = {NULL, 0, 0};
    uint32_t size = scenario_body(scenario);

    bytes_printf(&q, "n=%u", size);
    if (often(30))
        bytes_printf(&q, "&l=0");
    if (often(20))
        bytes_printf(&q, "&t=1");
    if (often(20))
        bytes_printf(&q, "&d=%u", scaled(300));
    if (often(20))
        bytes_printf(&q, "&b=%u", scaled(300));
    if (often(20))
        bytes_printf(&q, "&p=%u&q=%u", 1 + size / between(1, 20), between(0, 20));
    if (often(15))
        bytes_printf(&q, "&i=%u", between(1, 3));
    if (often(10))
        bytes_printf(&q, "&h=%u", scaled(scenario->tiny ? 100 : CONFIG_RESPONSE_HEAD / 3));
    if (often(20))
        bytes_printf(&q, "&u=%u", 1 + scaled(20000));
    if (often(10))
        bytes_printf(&q, "&s=%u", often(50) ? 404 : often(50) ? 204 : 304);
    if (often(10))
        bytes_printf(&q, "&P=%u", between(1, 255));
    if (!scenario->calm)
        put_misfortune(scenario, size, &q);
    bytes_put(&q, "", 1);
    return q;
}

/* ---- tunnels ---- */

bool scenario_has_tunnels(const struct scenario *scenario)
{
    return IS_ENABLED(CONFIG_WEBSOCKET) && !(scenario->calm && scenario->tunnels >= CONFIG_UPLOADS / 2);
}

void scenario_tunnel(struct scenario *scenario, struct ask *ask, bool h2)
{
    struct bytes q = {NULL, 0, 0};
    uint32_t size = scenario_body(scenario);
    bool refused = often(10), ended = often(15);

    scenario->tunnels++;
    bytes_printf(&q, "d=%u", often(20) ? scaled(300) : 0);
    if (refused)
        bytes_printf(&q, "&s=%u&n=%u", often(50) ? 403 : 426, scenario_body(scenario));
    if (ended)
        bytes_printf(&q, "&E=%u", scaled(size));
    if (often(20))
        bytes_printf(&q, "&p=%u&q=%u", 1 + size / between(1, 20), between(0, 20));
    if (often(15))
        bytes_printf(&q, "&i=%u", between(1, 3));
    if (often(20))
        bytes_printf(&q, "&u=%u", 1 + scaled(20000));
    if (often(10))
        bytes_printf(&q, "&P=%u", between(1, 255));
    if (!scenario->calm)
        put_misfortune(scenario, size, &q);
    bytes_put(&q, "", 1);
    *ask = (struct ask){.query = (const char *)q.ptr, .body = size};
    ask->tunnel = often(50) ? TUNNEL_SHUT : often(80) || h2 ? TUNNEL_ECHO : TUNNEL_LEAVE;
    if (!scenario->calm && !ended && often(10))
        ask->tunnel = TUNNEL_STAYS;
    ask->tunnel_early = (h2 || (scenario->calm && !refused)) && often(20);
}

/* ---- the run ---- */

/* The nth call or allocation fails, and lines of the log may be lost. */
static void make_misfortune(void)
{
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
    default: origin_setting(origin, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, some_window());
    }
}

void scenario_run(const struct scenario *scenario, void (*check)(void))
{
    if (scenario->calm) {
        core_start_file(core_patient);
        while (often(40))
            disturb(scenario->origin);
        core_run(1200000);
        core_settle();
        check();
        core_end();
        return;
    }
    core_start(core_plain, "Timeout 5\nProxyTimeout 4\nKeepAliveTimeout 3\nRequestReadTimeout header=3 body=3\n");
    make_misfortune();
    if (often(10)) {
        sim_run(NULL, NULL, scaled(2000));
        sim_ask(often(70) ? PORT_ASK_DRAIN : PORT_ASK_STOP);
        core_run_until_ended(60000);
    } else {
        core_run(1200000);
    }
    core_end();
}

void scenario_seeds(void (*run)(uint64_t seed), uint64_t runs)
{
    uint64_t only = core_env("SIM_SEED", 0);
    uint64_t first = only > 0 ? only : core_env("SIM_FIRST", 1);
    uint64_t count = only > 0 ? 1 : core_env("SIM_RUNS", runs);

    for (uint64_t seed = first; seed < first + count; seed++) {
        if (count > runs && seed % 1000 == 0)
            print_message("seed %llu\n", (unsigned long long)seed);
        run(seed);
    }
}
