/* Keeps the addresses of backends' names fresh. */
#include "proxy/names.h"

#include "base/addr.h"
#include "base/arena.h"
#include "base/log.h"
#include "proxy/backend_addrs.h"

struct name {
    struct watch watch;
    struct backend *backend; /* NULL: this place is free */
    port_lookup lookup;      /* PORT_NO_LOOKUP: `timer` runs until the next */
    struct timer timer;
    struct timer_class timer_class; /* lasts as long as the name's time */
    uint32_t asked_at;
    bool in_vain; /* the last look-up gave nothing */
};

static struct name names[CONFIG_BACKENDS];
static const struct names_settings *settings; /* of the resolver that is open; NULL: it is not */
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
    if (settings != NULL)
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
    return backend->looked_up != NULL || backend->settings.addr_count == 0;
}

static bool is_among(struct backend **backends, unsigned count, const struct backend *backend)
{
    for (unsigned i = 0; i < count; i++)
        if (backends[i] == backend)
            return true;
    return false;
}

/* There is a place for each backend of a configuration. */
static void add(struct backend *backend)
{
    struct name *name = names;

    while (name->backend != NULL)
        name++;
    *name = (struct name){.watch = {on_ready}, .backend = backend, .lookup = PORT_NO_LOOKUP};
    timer_init(&name->timer, on_timer);
    timer_class_init(&name->timer_class, "name", CONFIG_NAME_RETRY_S * 1000U);
    backend->looked_up = name;
    ask(name);
}

static void end_lookup(struct name *name)
{
    if (name->lookup != PORT_NO_LOOKUP)
        port_lookup_cancel(name->lookup);
    name->lookup = PORT_NO_LOOKUP;
    timer_cancel(&name->timer);
}

static void drop(struct name *name)
{
    if (name->backend == NULL)
        return;
    end_lookup(name);
    timer_class_remove(&name->timer_class);
    name->backend->looked_up = NULL;
    name->backend = NULL;
}

static bool same_servers(const struct names_settings *a, const struct names_settings *b)
{
    for (unsigned i = 0; i < a->server_count && i < b->server_count; i++)
        if (!addr_eq(&a->servers[i], &b->servers[i]))
            return false;
    return a->server_count == b->server_count;
}

static bool open_resolver(const struct names_settings *wanted)
{
    static const struct port_memory memory = {memory_alloc, memory_release, memory_resize};

    arena = arena_init(storage, sizeof(storage), "names");
    if (!port_lookup_open(wanted->servers, wanted->server_count, &memory))
        return false;
    settings = wanted;
    return true;
}

static void close_resolver(void)
{
    if (settings != NULL)
        port_lookup_close();
    settings = NULL;
}

bool names_start(const struct names_settings *wanted, struct backend **backends, unsigned count)
{
    /* Now, since a reload that brings the first name should not need the C library's heap. */
    if (IS_ENABLED(CONFIG_RELOAD) && settings == NULL && !open_resolver(wanted))
        return false;
    for (unsigned i = 0; i < count; i++) {
        if (backends[i]->looked_up != NULL || !has_name(backends[i]))
            continue;
        if (settings == NULL && !open_resolver(wanted))
            return false;
        add(backends[i]);
    }
    return true;
}

bool names_change(const struct names_settings *wanted, struct backend **backends, unsigned count)
{
    bool anew = settings != NULL && !same_servers(settings, wanted);

    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        if (names[i].backend != NULL && !is_among(backends, count, names[i].backend))
            drop(&names[i]);
        else if (names[i].backend != NULL && anew)
            end_lookup(&names[i]);
    }
    if (anew) {
        close_resolver();
        if (!open_resolver(wanted))
            return false;
        for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
            if (names[i].backend != NULL)
                ask(&names[i]);
    } else if (settings != NULL) {
        settings = wanted;
    }
    return names_start(wanted, backends, count);
}

void names_exit(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
        drop(&names[i]);
    close_resolver();
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
