/* When the loop writes the logs. */
#include "net/log_drain.h"

#include "base/timer.h"
#include "net/loop.h"

/* Log lines are written when this many bytes wait (a quarter of a small ring), or this long after the first, or when a
   pass had nothing to do. */
#define LOG_BATCH (CONFIG_LOG_RING / 4 < 16384 ? CONFIG_LOG_RING / 4 : 16384)
#define LOG_DELAY_MS 100
/* A terminal or serial line that is full is left alone so long: it could be writable again after each byte. */
#define LOG_PACE_MS 20
/* The most writes to a sink in one pass: a pipe takes 4 KB a write, a daemon one line. */
#define LOG_WRITES 8
#define LOG_MESSAGES 64
/* How long the end may wait for sinks that are full. */
#define LOG_LAST_MS 250U
#define LOG_LAST_PASSES 256

enum drain_state {
    DRAIN_OPEN,    /* enough lines, or the timer */
    DRAIN_PACED,   /* the timer, then room */
    DRAIN_WATCHED, /* room */
    DRAIN_AWAY,    /* the timer, then another attempt */
};

static struct drain {
    enum drain_state state;
    bool due; /* it is written to in this pass, however few lines wait */
    struct watch watch;
    struct timer timer;
} drains[LOG_SINKS];

static struct timer_class delay_class, pace_class;
static bool classed; /* the classes are registered */

static void drain_open(struct drain *d)
{
    d->state = DRAIN_OPEN;
    d->due = true;
}

static const struct log_sink *sink_of(const struct drain *d)
{
    return log_sink((unsigned)(d - drains));
}

/* Waits for room. Where that cannot be watched it is tried again after the usual time. */
static void await_room(struct drain *d)
{
    d->state = DRAIN_WATCHED;
    if (!port_watch(sink_of(d)->handle, PORT_WRITABLE, &d->watch))
        timer_set(&d->timer, &delay_class, loop_now());
}

static void on_ready(struct watch *watch, unsigned ready)
{
    struct drain *d = container_of(watch, struct drain, watch);

    (void)ready;
    port_watch(sink_of(d)->handle, 0, NULL);
    drain_open(d);
}

static void on_timer(struct timer *timer)
{
    struct drain *d = container_of(timer, struct drain, timer);

    if (d->state == DRAIN_PACED)
        await_room(d);
    else
        drain_open(d);
}

void log_drain_init(void)
{
    for (unsigned i = 0; i < LOG_SINKS; i++) {
        struct drain *d = &drains[i];

        if (classed)
            timer_cancel(&d->timer);
        d->state = DRAIN_OPEN;
        d->due = false;
        d->watch.ready = on_ready;
        timer_init(&d->timer, on_timer);
    }
    if (classed) {
        timer_class_remove(&delay_class);
        timer_class_remove(&pace_class);
    }
    classed = true;
    timer_class_init(&delay_class, "log", LOG_DELAY_MS);
    timer_class_init(&pace_class, "log pace", LOG_PACE_MS);
}

/* The handle may be another one now, or none. */
static void drain_reset(struct drain *d)
{
    if (d->state == DRAIN_WATCHED && sink_of(d)->handle != PORT_NO_HANDLE)
        port_watch(sink_of(d)->handle, 0, NULL);
    timer_cancel(&d->timer);
    d->state = DRAIN_OPEN;
    d->due = log_sink_pending(sink_of(d)) > 0;
}

bool log_drain_open(const struct log_target targets[LOG_STREAMS], enum log_stream *failed)
{
    if (!log_open(targets, loop_now(), failed))
        return false;
    for (unsigned i = 0; i < LOG_SINKS; i++)
        drain_reset(&drains[i]);
    return true;
}

void log_drain_close(void)
{
    uint32_t start = port_now_ms();

    for (unsigned i = 0; i < LOG_SINKS; i++)
        drains[i].due = true;
    log_drain_pass(true);
    for (unsigned i = 0; i < LOG_LAST_PASSES && log_pending() > 0 && port_now_ms() - start < LOG_LAST_MS; i++)
        loop_pass((int)(LOG_LAST_MS - (port_now_ms() - start)));
    log_close();
    for (unsigned i = 0; i < LOG_SINKS; i++)
        drain_reset(&drains[i]);
}

static void drain_write(struct drain *d)
{
    struct log_sink *sink = log_sink((unsigned)(d - drains));
    bool messages = sink->target->to.kind == PORT_LOG_MESSAGES;

    timer_cancel(&d->timer);
    d->due = false;
    switch (log_sink_drain(sink, loop_now(), messages ? LOG_MESSAGES : LOG_WRITES)) {
    case LOG_DRAINED: break;
    case LOG_MORE: timer_set(&d->timer, &delay_class, loop_now()); break;
    case LOG_BLOCKED:
        if (messages) {
            await_room(d);
        } else {
            d->state = DRAIN_PACED;
            timer_set(&d->timer, &pace_class, loop_now());
        }
        break;
    case LOG_AWAY:
        d->state = DRAIN_AWAY;
        timer_set(&d->timer, &delay_class, loop_now());
        break;
    }
}

static void drain_pass(struct drain *d, bool idle)
{
    size_t pending = log_sink_pending(sink_of(d));

    if (d->state != DRAIN_OPEN)
        return;
    if (pending == 0) {
        d->due = false;
        timer_cancel(&d->timer);
    } else if (d->due || idle || pending >= LOG_BATCH) {
        drain_write(d);
    } else if (!timer_is_set(&d->timer)) {
        timer_set(&d->timer, &delay_class, loop_now());
    }
}

void log_drain_pass(bool idle)
{
    for (unsigned i = 0; i < LOG_SINKS; i++)
        drain_pass(&drains[i], idle);
}
