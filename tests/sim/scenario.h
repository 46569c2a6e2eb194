/* What random scenarios have in common: chance, a world and an origin made of it, queries, misfortune, and the run. A
 * calm scenario has no misfortune: every request must be answered in full, whatever happens that costs none.
 *
 *     SIM_SEED=n        runs one seed
 *     SIM_LOG=1         shows its logs
 *     SIM_RUNS=n        runs seeds SIM_FIRST (1) and up, n of them */
#ifndef CULVERT_TESTS_SIM_SCENARIO_H
#define CULVERT_TESTS_SIM_SCENARIO_H

#include "core.h"

struct scenario {
    struct origin *origin;
    bool calm;
    bool tiny; /* buffers of a few bytes: bodies are short */
    unsigned tunnels;
};

/* ---- chance, out of the world's seed ---- */

bool often(unsigned percent);
/* Both may come. */
uint32_t between(uint32_t least, uint32_t most);
/* 0 to most, small numbers as likely as big ones. */
uint32_t scaled(uint32_t most);

/* ---- what is made of it ---- */

/* A world and its origin; what one kind of clients needs beyond is set by the test. */
void scenario_begin(struct scenario *scenario, uint64_t seed);
/* Most bytes of a body. */
uint32_t scenario_body(const struct scenario *scenario);
/* A query for the origin, NUL-terminated. The caller gives its `ptr` to sim_free. */
struct bytes scenario_query(const struct scenario *scenario);
/* Whether one more request may be a WebSocket: each holds the memory of an upload for as long as it lives. */
bool scenario_has_tunnels(const struct scenario *scenario);
/* Makes a WebSocket of a request, instead of a query and a body; for HTTP/2 when `h2`. Its `query` is given to sim_free
   by the caller. */
void scenario_tunnel(struct scenario *scenario, struct ask *ask, bool h2);

/* Starts the core and runs the world to its end. `check` (after a calm one) looks whether all was answered. */
void scenario_run(const struct scenario *scenario, void (*check)(void));

/* Runs one seed, or as many as asked for; `runs`: usually. */
void scenario_seeds(void (*run)(uint64_t seed), uint64_t runs);

#endif
