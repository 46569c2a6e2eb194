/* Timeouts. All timers of one class last equally long, so a class is a FIFO whose head expires first: setting,
 * cancelling and expiring are O(1), with no heap and no wheel. Time is the port's wrapping millisecond clock, handed
 * in. */
#ifndef CULVERT_BASE_TIMER_H
#define CULVERT_BASE_TIMER_H

#include "base/list.h"

struct timer;
/* What happens when a timer expires. It is off its class by then, so fn may set it again, or reuse its owner's memory.
 */
typedef void timer_fn(struct timer *timer);

/* Longest duration: 24 days, and 18 hours of lateness until it would look like the future. */
#define TIMER_MAX_MS 0x7bffffffu

struct timer_class {
    struct list timers;   /* of struct timer, soonest first */
    struct list node;     /* in the registry */
    uint32_t duration_ms; /* 0: timers of this class never expire */
    const char *name;
};

/* A timer, embedded in its owner (container_of in fn). Zero-initialised memory is not valid: use timer_init. */
struct timer {
    struct list node;
    uint32_t at;    /* when it expires; when it was set, if it never does */
    uint32_t lasts; /* from its setting to `at`; 0: never expires */
    timer_fn *fn;
};

/* Registers a class (timer_class_remove ends that). duration_ms is cut to TIMER_MAX_MS; 0: its timers never expire. */
void timer_class_init(struct timer_class *c, const char *name, uint32_t duration_ms);
/* Changes the duration at any time. Timers already set keep their end or are shortened to the new duration, whichever
   comes first; one that would never have expired does so the new duration after the latest time this module was told.
   O(timers). */
void timer_class_set(struct timer_class *c, uint32_t duration_ms);
void timer_class_remove(struct timer_class *c); /* must be empty, else it panics */

void timer_init(struct timer *t, timer_fn *fn);
/* (Re)starts a timer: it expires c->duration_ms from `now`. It may move from one class to another. `now` may be a
   little older than that of an earlier call (the order is kept). In a class of duration 0 it counts as set, but never
   expires. */
void timer_set(struct timer *t, struct timer_class *c, uint32_t now);
void timer_cancel(struct timer *t); /* harmless when not set */
bool timer_is_set(const struct timer *t);

/* Milliseconds until the next timer expires, 0 when one is due, -1 when none ever does. For port_poll. O(classes). */
int timer_next(uint32_t now);

/* Takes every due timer off and calls its fn; a fn may set and cancel any timer (a due one that is cancelled is not
   called any more), and one set anew with the same `now` expires in a later call at the earliest (no endless loop).
   Timers of one class expire in order; classes in the order of their registration. fn must not call timer_expire.
   Returns how many were called. */
unsigned timer_expire(uint32_t now);

/* Forgets all classes, with their timers (tests). */
void timer_reset_all(void);

#endif
