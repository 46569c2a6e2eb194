/* Listening sockets: accept what there is room for, and rest while there is none. */
#include "net/listener.h"

#include "base/log.h"
#include "base/timer.h"

#define BACKLOG 511
/* Connections taken for one readiness: a flood of them does not starve those that are served. */
#define ACCEPT_BATCH 16
/* How long a listener rests when the platform is out of descriptors or buffers; also the least time between two
 * warnings. */
#define REST_MS 1000

struct listener {
    struct watch watch;
    const struct listener_ops *ops;
    const struct listener_settings *settings;
    port_handle handle;
    bool open;   /* this slot is in use */
    bool paused; /* not polled; counted in paused_count */
};

/* Not a POOL: a slot is never given back while an event of the same pass may still point to it. */
static struct listener listeners[CONFIG_LISTENERS];
static unsigned open_count;
static unsigned paused_count;
static struct timer_class rest_class;
static struct timer rest_timer;
static uint32_t warned_at;
static bool warned;

static void rest_over(struct timer *timer)
{
    (void)timer;
    listener_resume();
}

static void listener_pause(struct listener *listener)
{
    if (listener->paused)
        return;
    listener->paused = true;
    paused_count++;
    port_watch(listener->handle, 0, &listener->watch);
}

/* The platform has no room: rests, and tells it at most once in REST_MS. */
static void listener_rest(struct listener *listener)
{
    listener_pause(listener);
    timer_set(&rest_timer, &rest_class, loop_now());
    if (warned && loop_now() - warned_at < REST_MS)
        return;
    warned = true;
    warned_at = loop_now();
    log_warn("listener", "cannot accept: %s; trying again in %u ms", port_fault_text(port_error()), (unsigned)REST_MS);
}

static void listener_ready(struct watch *watch, unsigned ready)
{
    struct listener *listener = container_of(watch, struct listener, watch);

    (void)ready;
    for (unsigned i = 0; i < ACCEPT_BATCH && listener->open; i++) {
        struct port_addr peer;
        port_handle handle;

        if (!listener->ops->room(listener->settings)) {
            listener_pause(listener);
            return;
        }
        switch (port_accept(listener->handle, &handle, &peer)) {
        case PORT_OK:
            listener->ops->accept(listener->settings, handle,
                                  peer.family == PORT_UNIX ? &listener->settings->addr : &peer);
            break;
        case PORT_AGAIN: return;
        default: listener_rest(listener); return;
        }
    }
}

static struct listener *listener_slot(void)
{
    for (unsigned i = 0; i < CONFIG_LISTENERS; i++)
        if (!listeners[i].open)
            return &listeners[i];
    return NULL;
}

struct listener *listener_open(const struct listener_settings *settings, const struct listener_ops *ops)
{
    struct listener *listener = listener_slot();
    port_handle handle;

    if (listener == NULL || port_listen(&settings->addr, BACKLOG, settings->mode, &handle) != PORT_OK)
        return NULL;
    *listener =
        (struct listener){.watch = {listener_ready}, .open = true, .handle = handle, .ops = ops, .settings = settings};
    if (open_count++ == 0) {
        timer_class_init(&rest_class, "listener", REST_MS);
        timer_init(&rest_timer, rest_over);
    }
    port_watch(handle, PORT_READABLE, &listener->watch);
    return listener;
}

void listener_resume(void)
{
    for (unsigned i = 0; i < CONFIG_LISTENERS && paused_count > 0; i++) {
        struct listener *listener = &listeners[i];

        if (!listener->paused)
            continue;
        listener->paused = false;
        paused_count--;
        port_watch(listener->handle, PORT_READABLE, &listener->watch);
    }
}

void listener_close_all(void)
{
    if (open_count == 0)
        return;
    for (unsigned i = 0; i < CONFIG_LISTENERS; i++) {
        if (listeners[i].open)
            port_close(listeners[i].handle, false);
        listeners[i].open = false;
        listeners[i].paused = false;
    }
    open_count = 0;
    paused_count = 0;
    timer_cancel(&rest_timer);
    timer_class_remove(&rest_class);
}

unsigned listener_count(void)
{
    return open_count;
}
