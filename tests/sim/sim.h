/* A simulated world: the platform contract over virtual time and sockets in memory, with peers that follow scripts.
 *
 * Nothing here is left to chance that the seed does not decide, so every run can be repeated. Time moves only when
 * nobody has anything to do. The core's port calls are checked: a handle that was closed, an empty read or a pass that
 * spins ends the program. A scenario goes
 *
 *     sim_begin(&options); ... peers, core ... sim_run(done, user, ms); ... sim_end();
 *
 * and all memory of the world belongs to it: sim_end gives everything back. */
#ifndef CULVERT_TESTS_SIM_H
#define CULVERT_TESTS_SIM_H

#include "base/text.h"
#include "port.h"

struct sim_options {
    uint64_t seed;
    uint32_t start_ms;      /* the core's clock at the start */
    uint32_t client_buffer; /* bytes that a client's connection holds in each direction (0: 64 KiB) */
    uint32_t origin_buffer; /* the same for an origin's connection */
    uint32_t latency_ms;    /* each way */
    uint32_t chop;          /* not 0: each read and write of the core moves at most 1..chop bytes, by chance */
    uint32_t again_percent; /* of reads and writes that could move bytes and answer PORT_AGAIN instead */
    bool spurious;          /* polls report readiness that is not there now and then */
    bool reset_keeps;       /* bytes that arrived before a reset can still be read; else it takes them away */
    bool no_ended;          /* PORT_ENDED is never said */
    bool refuse_process;    /* the user cannot be become, nor a pid file be had */
    bool log_stuck;         /* sinks take nothing */
    bool log_lossy;         /* lines may be missing in the log at the end */
};

/* Begins a world. NULL: seed 1, clock 0, roomy buffers, no latency. */
void sim_begin(const struct sim_options *options);
/* Ends it. The core must have closed all its handles, and no violation may have been noted: ends the program otherwise.
 */
void sim_end(void);
/* The same, without a look at it: the test says nothing. */
void sim_leave(void);
/* The options in force; may be changed while the world runs. */
extern struct sim_options sim;

/* ---- chance and time ---- */

/* 0 <= result < below (> 0). */
uint32_t sim_chance(uint32_t below);
/* Virtual milliseconds since sim_begin. */
uint64_t sim_now(void);
#define SIM_NEVER UINT64_MAX

/* ---- memory that sim_end gives back (the real heap, zeroed) ---- */

void *sim_alloc(size_t size);
void *sim_realloc(void *ptr, size_t size);
/* An array of `count` elements that gets room for one more at least. */
void *sim_grow(void *ptr, size_t count, size_t size);
void sim_free(void *ptr);

/* Bytes that grow. */
struct bytes {
    uint8_t *ptr;
    size_t len, cap;
};
void bytes_put(struct bytes *b, const void *ptr, size_t len);
void bytes_printf(struct bytes *b, const char *format, ...) PRINTF_LIKE(2, 3);
struct text bytes_text(const struct bytes *b);

/* ---- faults and findings ---- */

enum sim_fault {
    SIM_ERROR, /* the call answers PORT_ERROR (port_random: false); a socket is dead from then on */
    SIM_AGAIN, /* PORT_AGAIN, though it could have moved something; calls without that answer go on */
    SIM_SHORT, /* at most one byte is moved */
};
/* The nth (1 = next) call of listen, accept, connect, connect_result, read, writev, random, log_open or log_write from
   now on fails so, once. 0: none. */
void sim_fail_nth(uint32_t n, enum sim_fault fault);
/* Whether it has happened since sim_fail_nth. */
bool sim_fault_fired(void);

/* Notes that an invariant is broken: sim_end lets the test fail with all notes. */
void sim_violation(const char *format, ...) PRINTF_LIKE(1, 2);
/* The same, when a condition does not hold or two numbers differ. For tests: unlike cmocka's asserts they let the
   scenario go on to its end, so that the next one finds a clean world. */
#define CHECK(condition) ((condition) ? (void)0 : sim_violation("%s:%d: %s", __FILE__, __LINE__, #condition))
#define CHECK_INT(is, should) sim_check_int(__FILE__, __LINE__, #is, (long long)(is), (long long)(should))
void sim_check_int(const char *file, int line, const char *what, long long is, long long should);
/* How many there were; they are forgotten (for tests of the simulator itself). */
unsigned sim_violations_expected(void);
/* Ends the program: the world cannot go on. */
_Noreturn void sim_abort(const char *format, ...) PRINTF_LIKE(1, 2);
/* A text that stands before every report (the scenario's name and seed). */
void sim_describe(const char *format, ...) PRINTF_LIKE(1, 2);
/* The same text. */
const char *sim_description(void);

/* ---- the world's run ---- */

/* Somebody who acts by himself: a client, an origin. */
struct sim_peer {
    struct sim_peer *next;
    bool (*step)(struct sim_peer *peer); /* acts at this moment; true when it did anything */
    uint64_t wake_at;                    /* when it wants to act for reasons of time (SIM_NEVER: never) */
};
void sim_add_peer(struct sim_peer *peer);

/* What drives the core: one pass, waiting at most max_wait_ms. NULL: there is no core, time just passes. */
void sim_use_pass(void (*pass)(int max_wait_ms));

/* Runs peers and core until done (may be NULL) says so, or `ms` of virtual time have passed. Returns what done said
   last (NULL: true). A core that passes again and again while nothing changes is ended as spinning. */
bool sim_run(bool (*done)(void *user), void *user, uint32_t ms);
/* How many passes the core has made. */
uint64_t sim_passes(void);
/* Something happened: who moves bytes or makes and ends connections says so (against the spinning alarm). */
void sim_progress(void);

/* ---- what the core asks the platform ---- */

void sim_ask(unsigned asked);                           /* what port_asked answers next */
void sim_add_file(const char *path, const char *textz); /* for port_read_file, or what it is from now on; both must
                                                            outlive the world */
/* A name, or what it is from now on: the answer, its time, and after how long it comes (UINT32_MAX: never). The name
   must outlive the world. */
void sim_set_name(const char *name, enum port_answer_kind kind, uint32_t ttl_s, uint32_t delay_ms,
                  const struct port_addr *addrs, unsigned count);
void sim_add_name(const char *name, const struct port_addr *addrs, unsigned count); /* at once, for an hour */
unsigned sim_lookups(const char *name); /* how often the running core asked for it */
struct text sim_log(const char *name);  /* what was written to the sink of this name (sim_platform.c) */
struct text sim_printed(void);
void sim_log_forget(const char *name);
unsigned sim_log_writes(void);   /* calls of port_log_write so far */
unsigned sim_open_handles(void); /* the core's, sinks not counted */
unsigned sim_open_sinks(void);
/* Whether a sink can be opened, and why writes to it fail (PORT_FAULT_NONE: they do not). */
void sim_sink(const char *name, bool present, enum port_fault why);

/* What became of the process. */
struct sim_process {
    uint32_t uid, gid; /* 0: as it was started */
    bool in_chroot;
    bool owns;            /* files were to be the user's ... */
    unsigned owned_sinks; /* ... when so many logs were open */
    unsigned handles;     /* open when it became the user */
    unsigned sinks;
    bool pid_open;
    unsigned pid_files;
};
const struct sim_process *sim_process(void);

/* ---- for the world's own files ---- */

enum sim_injected { SIM_GO_ON, SIM_DO_ERROR, SIM_DO_AGAIN, SIM_DO_SHORT };
/* Counts a call that may fail and says what to do. */
enum sim_injected sim_inject(void);
void sim_set_now(uint64_t now);
void sim_port_reset(void);
void sim_lookup_reset(void);
unsigned sim_lookup_report(struct port_event *events, unsigned max);
uint64_t sim_lookup_next(void);
void sim_platform_reset(void);
void sim_process_reset(void);
void sim_set_fault(enum port_fault why);
bool sim_is_asked(void);
bool sim_sink_close(port_handle handle); /* false: no sink */
bool sim_sink_watch(port_handle handle, unsigned interest, void *user);
unsigned sim_sink_collect(struct port_event *events, unsigned max);

#endif
