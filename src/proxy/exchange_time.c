/* The times of an exchange: what it waits for, who let the time run out, and what that ends it with. */
#include "proxy/exchange.h"

/* The most that nothing may move while the client is who is waited for. */
static struct timer_class client_class;

void exchange_init(uint32_t client_ms)
{
    timer_class_init(&client_class, "client", client_ms);
    cause_forget();
}

void exchange_set_client_time(uint32_t client_ms)
{
    timer_class_set(&client_class, client_ms);
}

void exchange_exit(void)
{
    timer_class_remove(&client_class);
}

/* Who has let the time run out: nothing moved, in either direction. */
static enum cause late_cause(const struct exchange *ex)
{
    if (ex->back.ops && exchange_is_tunnel(ex))
        return CAUSE_TUNNEL_IDLE; /* half-closed, too */
    if (!ex->back.ops || ex->response.state == MESSAGE_END)
        return CAUSE_CLIENT_STALLED; /* the response is complete, it only waits to be taken */
    if (ex->request.pipe.size > 0)
        return CAUSE_BACKEND_TIMEOUT; /* the backend does not take the body */
    if (ex->state == EXCHANGE_BODY)
        return ex->back.window > 0 || ex->response.pipe.size == 0 ? CAUSE_BACKEND_TIMEOUT : CAUSE_CLIENT_STALLED;
    /* A WebSocket's client says nothing before it is answered. */
    return ex->tunnel || ex->request.state == MESSAGE_END ? CAUSE_BACKEND_TIMEOUT : CAUSE_CLIENT_TIMEOUT;
}

/* The backend's time has run out. A client has a time of its own: HTTP/1.1's front watches it for its connection, but
   an HTTP/2 client may stall one stream among others. */
static void on_late(struct exchange *ex, enum cause cause)
{
    if (cause_info(cause)->status == 504 || cause == CAUSE_TUNNEL_IDLE || ex->late) {
        exchange_fail(ex, cause);
    } else if (ex->proto == PROTO_H2) {
        ex->late = true;
        timer_set(&ex->timer, &client_class, loop_now());
    } else {
        exchange_touch(ex);
    }
}

static void on_timer(struct timer *timer)
{
    struct exchange *ex = container_of(timer, struct exchange, timer);

    if (exchange_is_waiting(ex)) {
        exchange_fail(ex, ex->state == EXCHANGE_QUEUED ? CAUSE_QUEUE_TIMEOUT : CAUSE_CONNECT_TIMEOUT);
        return;
    }
    switch (ex->state) {
    case EXCHANGE_WAITING:
    case EXCHANGE_BODY: on_late(ex, late_cause(ex)); return;
    case EXCHANGE_ANSWERED:
        exchange_set_cause(ex, CAUSE_CLIENT_STALLED);
        exchange_cut(ex);
        return;
    case EXCHANGE_READING:
    case EXCHANGE_QUEUED:
    case EXCHANGE_CONNECTING:
    case EXCHANGE_DONE: return;
    }
}

/* The backend lives, but its answer took too long. */
static void on_first(struct timer *timer)
{
    struct exchange *ex = container_of(timer, struct exchange, first);

    exchange_fail(ex, CAUSE_BACKEND_FIRST);
}

static void on_whole(struct timer *timer)
{
    exchange_fail(container_of(timer, struct exchange, whole), CAUSE_REQUEST_TIME);
}

void exchange_init_timers(struct exchange *ex)
{
    timer_init(&ex->timer, on_timer);
    timer_init(&ex->first, on_first);
    timer_init(&ex->whole, on_whole);
}

void exchange_await_response(struct exchange *ex)
{
    ex->state = EXCHANGE_WAITING;
    exchange_touch(ex);
    exchange_await_first(ex);
}

void exchange_await_first(struct exchange *ex)
{
    bool given = ex->tunnel || (ex->request.state == MESSAGE_END && ex->request.pipe.size == 0);

    if (given && ex->state == EXCHANGE_WAITING && ex->backend->settings.first_ms > 0 && !timer_is_set(&ex->first))
        timer_set(&ex->first, ex->backend->first_class, loop_now());
}

void exchange_touch(struct exchange *ex)
{
    ex->late = false;
    if (ex->state == EXCHANGE_WAITING || ex->state == EXCHANGE_BODY)
        timer_set(&ex->timer, ex->backend->timeout_class, loop_now());
    else if (ex->state == EXCHANGE_ANSWERED)
        timer_set(&ex->timer, &client_class, loop_now());
}
