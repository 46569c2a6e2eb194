/* Listening sockets: accept what there is room for, and rest while there is none. */
#include "net/listener.h"

#include "base/addr.h"
#include "base/log.h"
#include "base/timer.h"

#define BACKLOG 511
/* Connections taken for one readiness: a flood of them does not starve those that are served. */
#define ACCEPT_BATCH 16
/* How long a listener rests when the platform is out of descriptors or buffers; also the least time between two
 * warnings. */
#define REST_MS 1000
/* Different paths of unix sockets in the process's life, with reloads. */
#define PATHS ((size_t)CONFIG_LISTENERS * 4)

struct listener {
    struct watch watch;
    const struct listener_ops *ops;
    struct listener_settings settings;
    port_handle handle;
    bool open;   /* this slot is in use */
    bool paused; /* not polled; counted in paused_count */
};

/* Not a POOL: a slot is never given back while an event of the same pass may still point to it. */
static struct listener listeners[LISTENER_SLOTS];
static unsigned open_count;
static unsigned paused_count;
static struct timer_class rest_class;
static struct timer rest_timer;
static uint32_t warned_at;
static bool warned;
static bool no_place; /* the last listener_open failed for that */

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

        if (!listener->ops->room(&listener->settings)) {
            listener_pause(listener);
            return;
        }
        switch (port_accept(listener->handle, &handle, &peer)) {
        case PORT_OK:
            listener->ops->accept(&listener->settings, handle,
                                  peer.family == PORT_UNIX ? &listener->settings.addr : &peer);
            break;
        case PORT_AGAIN: return;
        default: listener_rest(listener); return;
        }
    }
}

static struct listener *listener_slot(void)
{
    for (unsigned i = 0; i < LISTENER_SLOTS; i++)
        if (!listeners[i].open)
            return &listeners[i];
    return NULL;
}

/* A place for the path of a unix socket that stays when the configuration that named it is gone: addresses of clients
   point to it, also when nobody listens there any more. Places are never given back; the same path has the same one.
   False: none is left. */
static bool keep_path(const char *path, const char **kept)
{
    static char paths[PATHS][PORT_PATH_MAX + 1];
    size_t i = 0;

    *kept = path;
    if (!IS_ENABLED(CONFIG_RELOAD))
        return true;
    if (!IS_ENABLED(CONFIG_UNIX_SOCKETS))
        return true;
    while (i < PATHS && paths[i][0] != '\0' && strcmp(paths[i], path) != 0)
        i++;
    if (i == PATHS)
        return false;
    memcpy(paths[i], path, strlen(path) + 1);
    *kept = paths[i];
    return true;
}

struct listener *listener_open(const struct listener_settings *settings, const struct listener_ops *ops)
{
    struct listener *listener = listener_slot();
    const char *path = NULL;
    port_handle handle;

    no_place = listener == NULL || (settings->addr.family == PORT_UNIX && !keep_path(settings->addr.path, &path));
    if (no_place || port_listen(&settings->addr, BACKLOG, settings->mode, &handle) != PORT_OK)
        return NULL;
    *listener =
        (struct listener){.watch = {listener_ready}, .open = true, .handle = handle, .ops = ops, .settings = *settings};
    if (path != NULL)
        listener->settings.addr.path = path;
    if (open_count++ == 0) {
        timer_class_init(&rest_class, "listener", REST_MS);
        timer_init(&rest_timer, rest_over);
    }
    port_watch(handle, PORT_READABLE, &listener->watch);
    return listener;
}

void listener_resume(void)
{
    for (unsigned i = 0; i < LISTENER_SLOTS && paused_count > 0; i++) {
        struct listener *listener = &listeners[i];

        if (!listener->paused)
            continue;
        listener->paused = false;
        paused_count--;
        port_watch(listener->handle, PORT_READABLE, &listener->watch);
    }
}

static void listener_close(struct listener *listener)
{
    port_close(listener->handle, false);
    listener->open = false;
    paused_count -= listener->paused;
    listener->paused = false;
    if (--open_count > 0)
        return;
    timer_cancel(&rest_timer);
    timer_class_remove(&rest_class);
}

void listener_close_all(void)
{
    for (unsigned i = 0; i < LISTENER_SLOTS; i++)
        if (listeners[i].open)
            listener_close(&listeners[i]);
}

const char *listener_fault(void)
{
    return no_place ? "too many sockets, or paths of unix sockets, since the start" : port_fault_text(port_error());
}

struct listener *listener_find(const struct port_addr *addr)
{
    for (unsigned i = 0; i < LISTENER_SLOTS; i++)
        if (listeners[i].open && addr_eq(&listeners[i].settings.addr, addr))
            return &listeners[i];
    return NULL;
}

void listener_change(struct listener *listener, const struct listener_settings *settings,
                     const struct listener_ops *ops)
{
    struct port_addr addr = listener->settings.addr; /* its path stays where it is */

    if (addr.family == PORT_UNIX && listener->settings.mode != settings->mode)
        log_warn("listener", "unix:%s: another mode= counts from the next start on", addr.path);
    listener->settings = *settings;
    listener->settings.addr = addr;
    listener->ops = ops;
}

void listener_close_others(struct listener *const *kept, unsigned count)
{
    for (unsigned i = 0; i < LISTENER_SLOTS; i++) {
        unsigned k = 0;

        while (k < count && kept[k] != &listeners[i])
            k++;
        if (!listeners[i].open || k < count)
            continue;
        for (unsigned batch = 0; batch < BACKLOG / ACCEPT_BATCH && !listeners[i].paused; batch++)
            listener_ready(&listeners[i].watch, PORT_READABLE);
        listener_close(&listeners[i]);
    }
}

unsigned listener_count(void)
{
    return open_count;
}
