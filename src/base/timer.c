/* Timeouts: one FIFO for each class of equal duration. */
#include "base/timer.h"

#include "base/panic.h"

static struct list classes = LIST_INIT(classes); /* of struct timer_class */
static uint32_t latest;                          /* the time that was handed in last */

/* Whether `at` has come. Both wrap: only their difference counts. */
static bool is_due(uint32_t at, uint32_t now)
{
    return (int32_t)(now - at) >= 0;
}

static struct timer *timer_of(struct list *node)
{
    return container_of(node, struct timer, node);
}

static struct timer_class *class_of(struct list *node)
{
    return container_of(node, struct timer_class, node);
}

/* The class's timer that expires first, or NULL when none ever does. Those that never do were set behind all others. */
static struct timer *class_first(struct timer_class *c)
{
    struct timer *t;

    if (list_empty(&c->timers))
        return NULL;
    t = timer_of(c->timers.next);
    return t->lasts > 0 ? t : NULL;
}

void timer_class_init(struct timer_class *c, const char *name, uint32_t duration_ms)
{
    *c = (struct timer_class){.name = name, .duration_ms = (uint32_t)min_size(duration_ms, TIMER_MAX_MS)};
    list_init(&c->timers);
    list_push_back(&classes, &c->node);
}

void timer_class_set(struct timer_class *c, uint32_t duration_ms)
{
    uint32_t lasts = (uint32_t)min_size(duration_ms, TIMER_MAX_MS);

    c->duration_ms = lasts;
    if (lasts == 0)
        return;
    /* The order stays: each timer's end is its start plus the least duration since then, so a later start ends later.
     */
    LIST_EACH (node, &c->timers) {
        struct timer *t = timer_of(node);

        if (t->lasts == 0) {
            t->at = latest + lasts;
            t->lasts = lasts;
        } else if (t->lasts > lasts) {
            t->at -= t->lasts - lasts;
            t->lasts = lasts;
        }
    }
}

void timer_class_remove(struct timer_class *c)
{
    if (!list_empty(&c->timers))
        panic("timer", "a class that is in use was removed");
    list_remove(&c->node);
}

void timer_init(struct timer *t, timer_fn *fn)
{
    *t = (struct timer){.fn = fn};
    list_init(&t->node);
}

void timer_set(struct timer *t, struct timer_class *c, uint32_t now)
{
    struct list *before;

    latest = now;
    t->lasts = c->duration_ms;
    t->at = now + c->duration_ms;
    list_remove(&t->node);
    before = c->timers.prev;
    /* The last one is the place, but for a caller whose clock is a little behind: then the order is worth a step or
     * two. */
    while (t->lasts > 0 && before != &c->timers && (int32_t)(timer_of(before)->at - t->at) > 0)
        before = before->prev;
    list_push_front(before, &t->node);
}

void timer_cancel(struct timer *t)
{
    list_remove(&t->node);
}

bool timer_is_set(const struct timer *t)
{
    return list_linked(&t->node);
}

int timer_next(uint32_t now)
{
    int next = -1;

    latest = now;
    LIST_EACH (node, &classes) {
        const struct timer *t = class_first(class_of(node));
        int left;

        if (t == NULL)
            continue;
        if (is_due(t->at, now))
            return 0;
        left = (int)(t->at - now);
        if (next < 0 || left < next)
            next = left;
    }
    return next;
}

/* Moves every due timer to `due`. */
static void timer_collect(struct list *due, uint32_t now)
{
    LIST_EACH (node, &classes) {
        struct timer_class *c = class_of(node);
        struct timer *t;

        while ((t = class_first(c)) != NULL && is_due(t->at, now)) {
            list_remove(&t->node);
            list_push_back(due, &t->node);
        }
    }
}

unsigned timer_expire(uint32_t now)
{
    struct list due = LIST_INIT(due);
    struct list *node;
    unsigned called = 0;

    latest = now;
    timer_collect(&due, now);
    while ((node = list_pop_front(&due)) != NULL) {
        struct timer *t = timer_of(node);

        called++;
        t->fn(t);
    }
    return called;
}

void timer_reset_all(void)
{
    struct list *node;

    while ((node = list_pop_front(&classes)) != NULL) {
        struct list *timers = &class_of(node)->timers;

        while (!list_empty(timers))
            list_remove(timers->next);
    }
}
