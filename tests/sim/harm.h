/* Harm at every place: each call of the platform and each allocation that fails, each byte behind which a conversation
 * breaks off. Tests say what happens in the world, and what must hold afterwards. */
#ifndef CULVERT_TESTS_HARM_H
#define CULVERT_TESTS_HARM_H

#include "core.h"

/* Who comes afterwards is served, over HTTP/1.1 and HTTP/2, after so many milliseconds; but for `disappointed` who come
   at once: a connection that is silent, or about to break off, takes them with it before it is given up. */
void harm_check_alive(uint32_t after_ms, unsigned disappointed);

/* A world of some clients, for failures at every place. `kind` tells its variants apart. */
struct harm {
    void (*begin)(int kind, const struct sim_options *options); /* makes the world and its clients */
    bool (*all_well)(void);                                     /* whether all went as if nothing had failed */
    void (*check_ends)(void); /* whatever failed: every client knows its end; or NULL */
    void (*check_alive)(uint32_t after_ms, unsigned disappointed);
    unsigned least; /* so many places there are at least */
};

/* Runs kind 0 once for every call of the platform that can fail, and every way to fail: with an error, which may harm,
   and with EAGAIN or a part of what was asked for, which may not. */
void harm_every_call(const struct harm *harm);
/* Runs the kind once for every allocation. */
void harm_every_allocation(const struct harm *harm, int kind);

/* A conversation that is cut `at` so many bytes (CUT_NEVER: not at all). Returns how many were sent. */
typedef uint64_t (*harm_cut)(int kind, uint64_t at, enum cut cut);

/* Runs it uncut, and then cut in each of these ways at every byte. SIM_AT chooses one place, SIM_STEP fewer. */
void harm_every_byte(const enum cut *cuts, size_t count, harm_cut run, int kind);
/* The options of such a run: latency and what a reset destroys differ from byte to byte. */
struct sim_options harm_cut_options(uint64_t at);

/* Runs it for responses that their origin ends early, at places of each kind. */
void harm_early_ends(void (*run)(const char *query));

#endif
