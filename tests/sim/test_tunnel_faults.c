/* WebSockets while every platform call and every allocation fails once, and connections break off behind every byte:
 * each tunnel is whole or visibly broken, nothing stays behind, and the next client is served. */
#include "base/arena.h"
#include "sim_ws.h"

#if IS_ENABLED(CONFIG_WEBSOCKET)

/* ---- failures at every place ---- */

/* A tunnel of each kind and a request beside them. */
struct scene {
    struct ws ws[3];
    struct client *plain;
};

static void scene_begin(struct scene *scene, const struct sim_options *options)
{
    ws_world(options);
    scene->ws[0] = ws_echo(1, 400, NULL, TUNNEL_SHUT);
    scene->ws[1] = ws_echo(IS_ENABLED(CONFIG_H2_FRONT) ? 2 : 1, 300, "p=100&q=1", TUNNEL_ECHO);
    scene->ws[2] = ws_echo(IS_ENABLED(CONFIG_H2_FRONT) ? 2 : 1, 200, "E=50", TUNNEL_SHUT);
    scene->plain = core_asking("n=300", 1);
}

static bool all_well(const struct scene *scene)
{
    return ws_whole(&scene->ws[0], 400) && ws_whole(&scene->ws[1], 300) && ws_whole(&scene->ws[2], 50) &&
           client_response(scene->plain, 0)->complete;
}

/* Every tunnel has an end, whatever that is. */
static void check_ends(const struct scene *scene)
{
    for (size_t i = 0; i < ARRAY_SIZE(scene->ws); i++) {
        const struct ws *ws = &scene->ws[i];

        CHECK(ws->h1 != NULL ? ws->h1->end != CLIENT_OPEN
                             : ws->h2->end != CLIENT_OPEN || h2_client_answer(ws->h2, 0)->state == H2_ASK_OVER);
    }
}

/* One run with a failing platform call. False when there was no nth call. */
static bool run_io(uint32_t n, enum sim_fault fault, bool narrow)
{
    struct scene scene;
    struct sim_options options = {.seed = n, .latency_ms = n % 3, .log_lossy = true, .chop = narrow ? 0 : 60};
    bool fired;

    if (narrow)
        options.origin_buffer = 250;
    scene_begin(&scene, &options);
    sim_describe("call %u fails so: %d, narrow %d", n, fault, narrow);
    sim_fail_nth(n, fault);
    if (core_try_start(ws_hasty)) {
        core_run(30000);
        check_ends(&scene);
        sim_run(NULL, NULL, 300);
        fired = sim_fault_fired();
        if (fault != SIM_ERROR || !fired)
            CHECK(all_well(&scene));
        sim_fail_nth(0, fault);
        ws_check_alive(1500, 0);
    } else {
        fired = sim_fault_fired();
        CHECK(fired && fault == SIM_ERROR);
    }
    core_end();
    return fired;
}

static void every_call_fails(void **state)
{
    static const enum sim_fault faults[] = {SIM_ERROR, SIM_AGAIN, SIM_SHORT};

    (void)state;
    for (size_t f = 0; f < ARRAY_SIZE(faults); f++)
        for (int narrow = 0; narrow < 2; narrow++) {
            uint32_t n = 1;

            while (run_io(n, faults[f], narrow != 0))
                n += (uint32_t)core_env("SIM_STEP", 1);
            print_message("%u calls\n", n - 1);
            assert_true(n > 20);
        }
}

static bool run_memory(uint32_t n)
{
    struct scene scene;
    bool fired;

    scene_begin(&scene, &(struct sim_options){.seed = n, .latency_ms = n % 3, .chop = 60, .log_lossy = true});
    sim_describe("allocation %u fails", n);
    arena_fail_nth(n);
    if (core_try_start(ws_hasty)) {
        core_run(30000);
        check_ends(&scene);
        fired = !core_failure_waits(n);
        if (!fired)
            CHECK(all_well(&scene));
        arena_fail_nth(0);
        ws_check_alive(1500, 0);
    } else {
        fired = !core_failure_waits(n);
        CHECK(fired);
    }
    core_end();
    return fired;
}

static void every_allocation_fails(void **state)
{
    uint32_t n = 1;

    (void)state;
    while (run_memory(n))
        n += (uint32_t)core_env("SIM_STEP", 1);
    print_message("%u allocations\n", n - 1);
    assert_true(n > 20);
}

/* ---- cut at every byte ---- */

static const enum cut cuts[] = {CUT_CLOSE, CUT_RESET, CUT_SHUTDOWN, CUT_STALL};

/* Returns how many bytes the client sent. */
static uint64_t cut_client(int proto, uint64_t at, enum cut cut)
{
    struct origin *origin =
        ws_world(&(struct sim_options){.seed = at + 1, .latency_ms = (uint32_t)(at % 3), .reset_keeps = at % 2 == 0});
    struct ws ws = ws_echo(proto, 60, NULL, at % 4 < 2 ? TUNNEL_SHUT : TUNNEL_ECHO);
    uint64_t sent;

    sim_describe("HTTP/%d client cut %d behind %llu bytes", proto, cut, (unsigned long long)at);
    if (ws.h1 != NULL) {
        ws.h1->cut = cut;
        ws.h1->cut_after = at;
    } else {
        ws.h2->cut = cut;
        ws.h2->cut_after = at;
    }
    core_start(ws_hasty, NULL);
    core_run(30000);
    CHECK(origin->conn_count <= 1);
    CHECK(at == CUT_NEVER || sim_now() < 8000);
    if (at == CUT_NEVER)
        CHECK(ws_whole(&ws, 60));
    /* What was sent before its side ended has come back. */
    if (ws.h1 != NULL && cut == CUT_SHUTDOWN && ws_status(&ws) == 101)
        CHECK(ws_response(&ws)->complete);
    sent = ws.h1 != NULL ? ws.h1->sent : ws.h2->sent;
    if (at % 16 == 0)
        ws_check_alive(0, 0);
    core_end();
    return sent;
}

static void client_cut_at_every_byte(void **state)
{
    const uint64_t only = core_env("SIM_AT", CUT_NEVER), step = core_env("SIM_STEP", 1);

    (void)state;
    EACH_PROTO(proto)
    {
        uint64_t len = cut_client(proto, CUT_NEVER, CUT_CLOSE);

        for (size_t k = 0; k < ARRAY_SIZE(cuts); k++)
            for (uint64_t at = only == CUT_NEVER ? 0 : only; at <= (only == CUT_NEVER ? len : only); at += step)
                cut_client(proto, at, cuts[k]);
    }
}

/* A tunnel of each version over one backend connection. Returns how many bytes the origin sent. */
static uint64_t cut_origin(uint64_t at, enum cut cut)
{
    struct origin *origin =
        ws_world(&(struct sim_options){.seed = at + 1, .latency_ms = (uint32_t)(at % 3), .reset_keeps = at % 2 == 0});
    struct ws ws[2];
    uint64_t sent;

    sim_describe("origin cut %d behind %llu bytes", cut, (unsigned long long)at);
    origin->cut = cut;
    origin->cut_after = at;
    origin->cut_conns = 1;
    for (int i = 0; i < 2; i++)
        ws[i] = ws_echo(IS_ENABLED(CONFIG_H2_FRONT) ? i + 1 : 1, 60, NULL, TUNNEL_SHUT);
    core_start(ws_hasty, NULL);
    core_run(30000);
    for (int i = 0; i < 2; i++) {
        unsigned status = ws_status(&ws[i]);

        CHECK(ws_whole(&ws[i], 60) || ws_broken(&ws[i]) || status >= 500);
        CHECK(status < 500 || ws_response(&ws[i])->complete);
        if (at == CUT_NEVER)
            CHECK(ws_whole(&ws[i], 60));
    }
    sent = origin->most_sent;
    if (at % 16 == 0)
        ws_check_alive(1000, cut == CUT_STALL ? 2 : origin->open_conns);
    core_end();
    return sent;
}

static void origin_cut_at_every_byte(void **state)
{
    const uint64_t only = core_env("SIM_AT", CUT_NEVER), step = core_env("SIM_STEP", 1);
    uint64_t len = cut_origin(CUT_NEVER, CUT_CLOSE);

    (void)state;
    for (int k = CUT_CLOSE; k <= CUT_GARBAGE; k++)
        for (uint64_t at = only == CUT_NEVER ? 0 : only; at <= (only == CUT_NEVER ? len : only); at += step)
            cut_origin(at, (enum cut)k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_fails),
        cmocka_unit_test(every_allocation_fails),
        cmocka_unit_test(client_cut_at_every_byte),
        cmocka_unit_test(origin_cut_at_every_byte),
    };

    return CORE_RUN(tests);
}

#else

int main(void)
{
    return 0;
}

#endif
