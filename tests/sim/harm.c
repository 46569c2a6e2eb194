/* The loops that do harm at every place of a conversation. */
#include "harm.h"

#include "base/arena.h"

#include <stdio.h>

void harm_check_alive(uint32_t after_ms, unsigned disappointed)
{
    struct h2_client *h2 = NULL;
    struct client *h1;

    while (disappointed-- > 0) {
        core_asking("n=70", 0);
        core_run(20000);
    }
    sim_run(NULL, NULL, after_ms);
    if (IS_ENABLED(CONFIG_H2_FRONT)) {
        h2 = h2_client_new(FRONT_PORT);
        h2_client_get(h2, "n=70");
    }
    h1 = core_asking("n=70", 0);
    core_run(20000);
    CHECK_INT(client_response(h1, 0)->status, 200);
    CHECK(client_response(h1, 0)->complete);
    if (h2 != NULL) {
        CHECK_INT(h2_client_answers(h2), 1);
        CHECK_INT(h2_client_answer(h2, 0)->response.status, 200);
    }
}

/* ---- failures ---- */

static uint32_t step(void)
{
    return (uint32_t)core_env("SIM_STEP", 1);
}

/* Listeners rest for a second after an error, backends for less. */
#define REST_MS 1500

/* One run with a failing platform call. False when there was no nth call. */
static bool run_call(const struct harm *harm, uint32_t n, enum sim_fault fault, bool narrow)
{
    struct sim_options options = {.seed = n, .latency_ms = n % 3, .log_lossy = true};
    bool fired;

    if (narrow) /* writes are taken in part, and go on later */
        options.origin_buffer = options.client_buffer = 250;
    else
        options.chop = 60;
    harm->begin(0, &options);
    sim_describe("call %u fails so: %d, narrow %d", n, fault, narrow);
    sim_fail_nth(n, fault);
    if (core_try_start(core_hasty)) {
        core_run(30000);
        if (harm->check_ends != NULL)
            harm->check_ends();
        sim_run(NULL, NULL, 300);
        fired = sim_fault_fired();
        if (fault != SIM_ERROR || !fired)
            CHECK(harm->all_well());
        sim_fail_nth(0, fault);
        harm->check_alive(REST_MS, 0);
    } else {
        fired = sim_fault_fired();
        CHECK(fired && fault == SIM_ERROR);
    }
    core_end();
    return fired;
}

void harm_every_call(const struct harm *harm)
{
    static const enum sim_fault faults[] = {SIM_ERROR, SIM_AGAIN, SIM_SHORT};

    for (size_t f = 0; f < ARRAY_SIZE(faults); f++)
        for (int narrow = 0; narrow < 2; narrow++) {
            uint32_t n = 1;

            while (run_call(harm, n, faults[f], narrow != 0))
                n += step();
            print_message("%u calls\n", n - 1);
            assert_true(n > harm->least);
        }
}

/* One run with a failing allocation. False when there was no nth one. */
static bool run_allocation(const struct harm *harm, int kind, uint32_t n)
{
    bool fired;

    harm->begin(kind,
                &(struct sim_options){.seed = n, .latency_ms = n % 3, .chop = kind == 0 ? 60 : 0, .log_lossy = true});
    sim_describe("allocation %u fails, kind %d", n, kind);
    arena_fail_nth(n);
    if (core_try_start(core_hasty)) {
        core_run(30000);
        if (harm->check_ends != NULL)
            harm->check_ends();
        fired = !core_failure_waits(n);
        if (!fired)
            CHECK(harm->all_well());
        arena_fail_nth(0);
        harm->check_alive(REST_MS, 0);
    } else {
        fired = !core_failure_waits(n);
        CHECK(fired);
    }
    core_end();
    return fired;
}

void harm_every_allocation(const struct harm *harm, int kind)
{
    uint32_t n = 1;

    while (run_allocation(harm, kind, n))
        n += step();
    print_message("%u allocations\n", n - 1);
    assert_true(n > harm->least);
}

/* ---- cuts ---- */

struct sim_options harm_cut_options(uint64_t at)
{
    return (struct sim_options){.seed = at + 1, .latency_ms = (uint32_t)(at % 3), .reset_keeps = at % 2 == 0};
}

void harm_every_byte(const enum cut *cuts, size_t count, harm_cut run, int kind)
{
    const uint64_t only = core_env("SIM_AT", CUT_NEVER), len = run(kind, CUT_NEVER, CUT_CLOSE);

    for (size_t k = 0; k < count; k++)
        for (uint64_t at = only == CUT_NEVER ? 0 : only; at <= (only == CUT_NEVER ? len : only); at += step())
            run(kind, at, cuts[k]);
}

void harm_early_ends(void (*run)(const char *query))
{
    static const char *const queries[] = {"n=500&r=%u", "n=500&l=0&r=%u", "n=500&x=%u",    "n=500&l=0&x=%u&t=1",
                                          "n=300&L=%u", "n=500&r=%u&e=8", "n=500&r=%u&e=0"};
    static const unsigned places[] = {0, 1, 250, 499, 500, 501};

    for (size_t q = 0; q < ARRAY_SIZE(queries); q++)
        for (size_t p = 0; p < ARRAY_SIZE(places); p++) {
            char query[50];

            snprintf(query, sizeof(query), queries[q], places[p]);
            run(query);
        }
}
