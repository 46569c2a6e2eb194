/* The core in the simulated world: started from a configuration text, run, stopped, and looked at afterwards. */
#ifndef CULVERT_TESTS_CORE_H
#define CULVERT_TESTS_CORE_H

#include "sim_h2_client.h"
#include "sim_origin.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define FRONT_PORT 8080

/* The usual configuration: a listener on FRONT_PORT and one origin at 10.0.0.1:9000 for all paths. */
extern const char core_plain[];
/* The same, and nobody gives up who waits: for a slow peer, or for a backend that takes few streams. */
extern const char core_patient[];
/* The same with up to two backend connections. */
extern const char core_patient_pair[];
/* The same with short times: whoever waits in vain knows it within seconds. */
extern const char core_hasty[];

/* Begins a world with `options` (NULL: the plain one) and an origin at 10.0.0.1:9000. */
struct origin *core_world(const struct sim_options *options);

/* Starts the core with `conf` and, behind it, `more` (NULL: nothing). Ends the program when that fails. */
void core_start(const char *conf, const char *more);
/* The same as with core_plain, with these keys of its ProxyPass. */
void core_start_backend(const char *keys, const char *more);
/* As core_start, but may fail: false, and nothing is left open. */
bool core_try_start(const char *conf);

/* Leaves the world, and the test as one that is skipped: this build has no room, or no code, for what it shows. With
   SIM_ANY=1 in the environment core_start does so when the core says which option a configuration lacks. */
void core_skip(const char *why);

/* The same from a file, which core_reload changes and asks to read again. `conf` must outlive the world. */
void core_start_file(const char *conf);
void core_reload(const char *conf);

/* The last error that was reported at a start. */
struct text core_error(void);

/* A client of FRONT_PORT that asks once, from `start_at` on. */
struct client *core_asking(const char *query, uint64_t start_at);
struct client *core_ask_at(uint64_t start_at, const struct ask *ask);

/* Runs until all clients are done; a violation when they are not within `ms` of virtual time. */
void core_run(uint32_t ms);

/* The same, until the core says that it has ended (drained or stopped). */
void core_run_until_ended(uint32_t ms);

/* Lets the log be written: from now on the world does not hesitate. */
void core_settle(void);

/* Stops the core and ends the world: checks that all pools are empty, that no handle is open, the access log's lines,
   and that no invariant was broken. */
void core_end(void);

/* The access log's line of a request id; empty with NULL ptr when there is none. More than one is a violation. */
struct text core_line(uint32_t id);
/* Field n (from 0) of a log line; the quoted request is one field. */
struct text core_line_field(struct text line, unsigned n);
enum core_line_fields {
    LINE_CLIENT,
    LINE_PROTO,
    LINE_REQUEST,
    LINE_STATUS,
    LINE_BYTES,
    LINE_MS,
    LINE_BACKEND,
    LINE_PORT,
    LINE_BACK_STATUS,
    LINE_STREAM,
    LINE_NEW,
    LINE_RETRY,
    LINE_END,
    LINE_WORD, /* when it did not end well */
    LINE_FIELDS,
};
unsigned core_line_count(void);
/* Whether a text has `what` in it; the log of errors has. */
bool core_contains(struct text text, const char *what);
bool core_is_logged(const char *what);
/* Violations when that field is another, and when a client's first request was not answered with 200, in full. */
void core_check_field(uint32_t id, unsigned field, const char *should);
void core_check_served(struct client *c);

/* Skips the test, before it makes its world, where the configuration of this build is too small for what it shows. */
#define CORE_NEEDS(condition)                                                                                          \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            print_message("skipped: this build does not have " #condition "\n");                                       \
            skip();                                                                                                    \
        }                                                                                                              \
    } while (0)

/* Whether the failure that arena_fail_nth(n) ordered has not happened yet: then it happens here. */
bool core_failure_waits(uint32_t n);

/* A value from the environment, for replays. */
uint64_t core_env(const char *name, uint64_t otherwise);

/* cmocka_run_group_tests for one array, of which SIM_TEST may choose a pattern. */
#define CORE_RUN(tests) (core_filter(), cmocka_run_group_tests(tests, NULL, NULL))
void core_filter(void);

#endif
