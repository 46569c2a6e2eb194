/* Times of HTTP/2 clients' connections: one timer each, for what is waited for. */
#include "base/log.h"
#include "side/h2_front_conn.h"

static struct timer_class idle_class;
static struct timer_class head_class;
static struct timer_class write_class;
static struct timer_class room_class;

void h2_front_on_timer(struct timer *timer)
{
    struct h2_front *c = container_of(timer, struct h2_front, timer);

    switch (c->wait) {
    case H2_CLIENT_IDLE:
        c->wait = H2_CLIENT_NOTHING;
        if (c->end == H2_CLIENT_SERVES)
            h2_front_leave(c); /* without streams nothing can be on its way that a second step would save */
        else
            h2_front_lose(c, CAUSE_NONE);
        return;
    case H2_CLIENT_HEAD:
        log_info("h2_front", "a header block is too slow");
        h2_front_lose(c, CAUSE_CLIENT_TIMEOUT);
        return;
    case H2_CLIENT_WRITE: h2_front_lose(c, CAUSE_CLIENT_STALLED); return;
    case H2_CLIENT_ROOM:
        c->wait = H2_CLIENT_NOTHING;
        h2_room_tick(c);
        return;
    case H2_CLIENT_NOTHING: return;
    }
}

void h2_front_set_wait(struct h2_front *c)
{
    enum h2_front_wait wait = H2_CLIENT_NOTHING;
    struct timer_class *class = NULL;

    if (c->blocked) {
        wait = H2_CLIENT_WRITE;
        class = &write_class;
    } else if (list_linked(&c->parked) || c->lacks > 0 || h2_room_is_paused(c)) {
        wait = H2_CLIENT_ROOM;
        class = &room_class;
    } else if (c->block != 0 || (c->requests == 0 && !c->settled)) {
        wait = H2_CLIENT_HEAD;
        class = &head_class;
    } else if (c->open == 0) {
        wait = H2_CLIENT_IDLE;
        class = &idle_class;
    }
    if (wait == c->wait)
        return;
    c->wait = wait;
    if (class)
        timer_set(&c->timer, class, loop_now());
    else
        timer_cancel(&c->timer);
}

void h2_front_time_init(const struct front_settings *settings)
{
    timer_class_init(&idle_class, "h2-idle", settings->keepalive_ms);
    timer_class_init(&head_class, "h2-head", settings->head.initial_ms);
    timer_class_init(&write_class, "h2-write", settings->timeout_ms);
    timer_class_init(&room_class, "h2-room", (CONFIG_H2_WAIT_MS + H2_ROOM_TRIES - 1) / H2_ROOM_TRIES);
}

void h2_front_time_change(const struct front_settings *settings)
{
    timer_class_set(&idle_class, settings->keepalive_ms);
    timer_class_set(&head_class, settings->head.initial_ms);
    timer_class_set(&write_class, settings->timeout_ms);
}

void h2_front_time_exit(void)
{
    timer_class_remove(&idle_class);
    timer_class_remove(&head_class);
    timer_class_remove(&write_class);
    timer_class_remove(&room_class);
}
