/* Keeps the addresses of backends' names fresh. */
#include "proxy/names.h"

#include "base/addr.h"
#include "base/arena.h"
#include "base/log.h"
#include "proxy/backend_addrs.h"

struct name {
    struct watch watch;
    struct backend *backend;
    port_lookup lookup; /* PORT_NO_LOOKUP: `timer` runs until the next */
    struct timer timer;
    struct timer_class timer_class; /* lasts as long as the name's time */
    uint32_t asked_at;
    bool in_vain; /* the last look-up gave nothing */
};

static struct name names[CONFIG_BACKENDS];
static unsigned name_count;
static struct arena *arena;
static _Alignas(ARENA_ALIGN) uint8_t storage[CONFIG_NAMES_ARENA];

/* ---- the resolver's memory ---- */

static void *memory_alloc(size_t size)
{
    return arena_alloc(arena, size);
}

static void memory_release(void *ptr)
{
    arena_free(arena, ptr);
}

static void *memory_resize(void *ptr, size_t size)
{
    return arena_realloc(arena, ptr, size);
}

/* ---- asking ---- */

static void rest(struct name *name, uint32_t seconds)
{
    timer_class_set(&name->timer_class, seconds * 1000);
    timer_set(&name->timer, &name->timer_class, loop_now());
}

static void ask(struct name *name)
{
    timer_cancel(&name->timer);
    name->asked_at = loop_now();
    name->lookup = port_lookup_start(name->backend->settings.host.ptr, &name->watch);
    if (name->lookup == PORT_NO_LOOKUP) { /* those that nobody wants any more still take the places */
        name->in_vain = true;
        rest(name, CONFIG_NAME_RETRY_S);
    }
}

static void on_timer(struct timer *timer)
{
    ask(container_of(timer, struct name, timer));
}

/* ---- answers ---- */

static void say_addresses(const struct backend_settings *s)
{
    char storage_[CONFIG_BACKEND_ADDRS * ADDR_TEXT];
    struct textbuf b;

    if (!log_enabled(LOG_NOTICE))
        return;
    textbuf_init(&b, storage_, sizeof(storage_));
    for (unsigned i = 0; i < s->addr_count; i++) {
        textbuf_put(&b, i > 0 ? TEXT(" ") : TEXT(""));
        addr_put(&b, &s->addrs[i], false);
    }
    log_notice("names", "%.*s: %.*s", TEXT_ARG(s->host), TEXT_ARG(textbuf_text(&b)));
}

static void take_addresses(struct name *name, const struct port_answer *answer)
{
    uint32_t ttl_s = answer->ttl_s;

    if (ttl_s < CONFIG_NAME_TTL_MIN_S)
        ttl_s = CONFIG_NAME_TTL_MIN_S;
    if (ttl_s > CONFIG_NAME_TTL_MAX_S)
        ttl_s = CONFIG_NAME_TTL_MAX_S;
    name->in_vain = false;
    rest(name, ttl_s);
    if (backend_addrs_set(name->backend, answer->addrs, answer->count))
        say_addresses(&name->backend->settings);
}

/* The first failure in a row is told as a warning, further ones at info. */
static void take_failure(struct name *name, const struct port_answer *answer)
{
    const struct backend_settings *s = &name->backend->settings;
    enum log_level level = name->in_vain ? LOG_INFO : LOG_WARN;

    log_diag(level, "names", "%.*s: %s%s", TEXT_ARG(s->host), answer->why,
             s->addr_count > 0 ? "; its addresses stay" : "");
    name->in_vain = true;
    rest(name, CONFIG_NAME_RETRY_S);
    if (s->addr_count == 0)
        backend_fail_queue(name->backend, CAUSE_NAME_UNKNOWN);
}

static void on_ready(struct watch *watch, unsigned ready)
{
    struct name *name = container_of(watch, struct name, watch);
    struct port_answer answer;

    (void)ready;
    if (name->lookup == PORT_NO_LOOKUP)
        return; /* it was ended in this pass */
    port_lookup_take(name->lookup, &answer);
    name->lookup = PORT_NO_LOOKUP;
    if (answer.kind == PORT_ANSWER_ADDRS)
        take_addresses(name, &answer);
    else
        take_failure(name, &answer);
}

/* ---- the whole ---- */

/* A backend has a name when the configuration gave it no address. */
static bool has_name(const struct backend *backend)
{
    return backend->settings.addr_count == 0;
}

static void add(struct backend *backend)
{
    struct name *name = &names[name_count++];

    *name = (struct name){.watch = {on_ready}, .backend = backend, .lookup = PORT_NO_LOOKUP};
    timer_init(&name->timer, on_timer);
    timer_class_init(&name->timer_class, "name", CONFIG_NAME_RETRY_S * 1000U);
    backend->looked_up = name;
}

bool names_start(const struct names_settings *settings, struct backend **backends, unsigned count)
{
    static const struct port_memory memory = {memory_alloc, memory_release, memory_resize};

    name_count = 0;
    for (unsigned i = 0; i < count; i++)
        if (has_name(backends[i]))
            add(backends[i]);
    if (name_count == 0)
        return true;
    arena = arena_init(storage, sizeof(storage), "names");
    if (!port_lookup_open(settings->servers, settings->server_count, &memory))
        return false;
    for (unsigned i = 0; i < name_count; i++)
        ask(&names[i]);
    return true;
}

void names_exit(void)
{
    for (unsigned i = 0; i < name_count; i++) {
        if (names[i].lookup != PORT_NO_LOOKUP)
            port_lookup_cancel(names[i].lookup);
        names[i].lookup = PORT_NO_LOOKUP;
        timer_cancel(&names[i].timer);
        timer_class_remove(&names[i].timer_class);
        names[i].backend->looked_up = NULL;
    }
    if (name_count > 0)
        port_lookup_close();
    name_count = 0;
}

void names_failed(struct backend *backend)
{
    struct name *name = backend->looked_up;

    if (name && name->lookup == PORT_NO_LOOKUP && loop_now() - name->asked_at >= CONFIG_NAME_RETRY_S * 1000U)
        ask(name);
}

bool names_unknown(const struct backend *backend)
{
    return backend->looked_up && backend->settings.addr_count == 0 && backend->looked_up->in_vain;
}
