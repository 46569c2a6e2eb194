/* The loop: waits for readiness and time, serves what is ready, then the run list, then reclaims what ended.
 *
 * One pass: port_poll; every watch that is ready (reads only: they mark tasks); due timers; the run list (fronts, then
 * backs, so that all frames of a pass leave in one write of each backend connection); the reclaim list; the logs.
 * Nothing is freed before the reclaim list. */
#ifndef CULVERT_NET_LOOP_H
#define CULVERT_NET_LOOP_H

#include "base/list.h"
#include "port.h"

/* What port_watch gets as its user: the loop calls ready(watch, set of enum port_ready). */
struct watch {
    void (*ready)(struct watch *watch, unsigned ready);
};

/* Tasks of a lower rank are served before those of a higher one in each round. */
enum task_rank { TASK_FRONT, TASK_BACK, TASK_RANKS };

/* The most rounds over the run list in one pass: a request that came in and its way to the backend take one, a response
   and its way to the client take one. What still waits then is served in the next pass, which does not wait. */
#define LOOP_ROUNDS 4

enum task_state {
    TASK_IDLE,      /* on no list */
    TASK_MARKED,    /* on the run list */
    TASK_RECLAIMED, /* on the reclaim list: it is not marked any more */
};

/* Something that waits to be served in this pass. Embedded in its owner. */
struct task {
    struct list node;
    void (*run)(struct task *task);
    uint8_t rank;
    uint8_t state; /* enum task_state */
};

/* Empties all lists and takes the time. Called before everything else of this module; may be called again (tests). */
void loop_init(void);

void task_init(struct task *task, enum task_rank rank, void (*run)(struct task *task));

/* Puts a task on the run list (once; harmless when it is there). It is served in this pass, or in the next when the
   pass's budget of rounds (LOOP_ROUNDS) is used up. A task that is marked while it runs is served again. A task on the
   reclaim list is not marked. */
void loop_mark(struct task *task);
/* Takes a task off every list. */
void loop_unmark(struct task *task);
/* Calls reclaim->run once at the end of this pass, when nobody holds a pointer on the stack any more. A task on the run
   list moves to the reclaim list. From a task's run on, its memory may be gone. */
void loop_reclaim(struct task *reclaim);

/* The clock as of this pass (milliseconds, wraps): what all timers are set with. */
uint32_t loop_now(void);

/* One pass. Waits at most max_wait_ms (negative: as long as timers allow). */
void loop_pass(int max_wait_ms);

#endif
