/* ENHANCE_YOUR_CALM: pauses that grow while they do not help. */
#include "proxy/backend_calm.h"

#include "base/log.h"

/* The pause is RETRY_BACKOFF_MS, and doubles so often at most. */
#define CALM_DOUBLINGS 5
#define CALM_LEAST CONFIG_RETRY_BACKOFF_MS
#define CALM_MOST (CONFIG_RETRY_BACKOFF_MS << CALM_DOUBLINGS)

static void on_calm_over(struct timer *timer)
{
    struct backend *backend = container_of(timer, struct backend, calm_timer);

    backend->calm = false;
    loop_mark(&backend->pump);
}

void backend_calm_init(struct backend *backend)
{
    backend->calm = false;
    backend->calm_until = loop_now();
    timer_init(&backend->calm_timer, on_calm_over);
    timer_class_init(&backend->calm_class, "backend-calm", 0); /* there was no pause */
}

void backend_calm_exit(struct backend *backend)
{
    timer_cancel(&backend->calm_timer);
    timer_class_remove(&backend->calm_class);
}

void backend_conn_calm(struct backend_conn *conn)
{
    struct backend *backend = conn->backend;
    uint32_t last = backend->calm_class.duration_ms;
    uint32_t pause = CALM_LEAST;

    if (backend->calm)
        return; /* what was begun before the pause says the same */
    /* Soon behind the last pause: that one was too short. */
    if (loop_now() - backend->calm_until < last)
        pause = (uint32_t)min_size((size_t)last * 2, CALM_MOST);
    log_info("backend", "%.*s: ENHANCE_YOUR_CALM: a pause of %u ms", TEXT_ARG(backend->settings.name), pause);
    timer_class_set(&backend->calm_class, pause);
    backend->calm = true;
    backend->calm_until = loop_now() + pause;
    timer_set(&backend->calm_timer, &backend->calm_class, loop_now());
}

static uint32_t left_of(const struct timer *timer)
{
    int32_t left = timer_is_set(timer) ? (int32_t)(timer->at - loop_now()) : 0;

    return left > 0 ? (uint32_t)left : 0;
}

unsigned backend_retry_after_s(const struct backend *backend)
{
    size_t ms = max_size(left_of(&backend->calm_timer), left_of(&backend->backoff));

    return (unsigned)max_size(1, (ms + 999) / 1000);
}
