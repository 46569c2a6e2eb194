/* The sinks of the logs. */
#include "base/log_sink.h"

#define ACCESS_RING CONFIG_LOG_RING
/* Diagnostics are rarer than requests. */
#define DIAG_RING (CONFIG_LOG_RING / 4 > 8 * CONFIG_LOG_LINE ? CONFIG_LOG_RING / 4 : 8 * CONFIG_LOG_LINE)
/* A line, its head, and the report of lost ones before it, which has a head, too. */
#define LINE_MOST (CONFIG_LOG_LINE + 2 * SYSLOG_HEAD_MOST + 64)

static_assert(CONFIG_LOG_RING >= LINE_MOST, "CONFIG_LOG_RING: less than a line");
static_assert(DIAG_RING >= LINE_MOST, "CONFIG_LOG_RING: less than a line for diagnostics");

/* The most writes to a sink that is replaced. */
#define LAST_WRITES 64

static char access_bytes[ACCESS_RING];
static char diag_bytes[DIAG_RING];

static struct log_ring rings[LOG_SINKS] = {
    {.bytes = access_bytes, .cap = ACCESS_RING},
    {.bytes = diag_bytes, .cap = DIAG_RING},
};

static struct log_sink sinks[LOG_SINKS] = {
    {.ring = &rings[0], .handle = PORT_NO_HANDLE},
    {.ring = &rings[1], .handle = PORT_NO_HANDLE},
};

struct log_sink *log_sink(unsigned i)
{
    return &sinks[i];
}

size_t log_sink_pending(const struct log_sink *sink)
{
    return sink->target ? sink->ring->used : 0;
}

/* Whether what is lost may come back: then it is opened again. */
static bool comes_back(const struct log_sink *sink)
{
    return sink->target->to.kind == PORT_LOG_MESSAGES || sink->target->to.kind == PORT_LOG_SERIAL;
}

/* ---- pauses ---- */

static void pause(struct log_sink *sink, uint32_t now, uint32_t ms)
{
    sink->since = now;
    sink->pause_ms = ms;
}

/* It does not listen: it is tried again behind a pause, each longer than the one before. */
static void go_away(struct log_sink *sink, uint32_t now)
{
    uint32_t ms = sink->next_ms > 0 ? sink->next_ms : LOG_AWAY_MS;

    sink->trust = LOG_TRUSTED;
    pause(sink, now, ms);
    sink->next_ms = 2 * ms < LOG_AWAY_MOST_MS ? 2 * ms : LOG_AWAY_MOST_MS;
}

static void close_sink(struct log_sink *sink)
{
    if (sink->handle != PORT_NO_HANDLE)
        port_close(sink->handle, true);
    sink->handle = PORT_NO_HANDLE;
}

/* Whether it can be written to; opens it when its pause is over. */
static bool is_there(struct log_sink *sink, uint32_t now)
{
    if (sink->pause_ms > 0) {
        if (now - sink->since < sink->pause_ms)
            return false;
        sink->pause_ms = 0;
        sink->trust = sink->trust == LOG_PROBED ? LOG_TRUSTED : LOG_PROBING;
    }
    if (sink->handle != PORT_NO_HANDLE || port_log_open(&sink->target->to, &sink->handle) == PORT_OK)
        return true;
    go_away(sink, now);
    return false;
}

/* ---- writing ---- */

/* Nothing tells who sends datagrams to another host whether they arrive, but a refusal, which belongs to an earlier
   one. So behind a pause one line is sent, and a refusal waited for, before the others follow. */
static bool hears_late(const struct log_sink *sink)
{
    return sink->target->to.kind == PORT_LOG_MESSAGES && sink->target->to.addr.family != PORT_UNIX;
}

static enum log_drained taken(struct log_sink *sink, uint32_t now, size_t n)
{
    log_ring_taken(sink->ring, n);
    if (sink->trust == LOG_PROBING && hears_late(sink)) {
        sink->trust = LOG_PROBED;
        pause(sink, now, LOG_AWAY_MS);
        return LOG_AWAY;
    }
    sink->trust = LOG_TRUSTED;
    sink->next_ms = 0;
    return sink->ring->used > 0 ? LOG_MORE : LOG_DRAINED;
}

static enum log_drained failed(struct log_sink *sink, uint32_t now, enum port_fault fault)
{
    if (!comes_back(sink)) {
        log_ring_drop(sink->ring);
        return LOG_DRAINED;
    }
    if (hears_late(sink) && fault == PORT_FAULT_REFUSED) {
        log_ring_lost(sink->ring);
    } else {
        /* A line that fails the second time may itself be the reason. */
        if (sink->trust == LOG_PROBING && sink->target->to.kind == PORT_LOG_MESSAGES)
            log_ring_drop_line(sink->ring);
        close_sink(sink);
    }
    go_away(sink, now);
    return LOG_AWAY;
}

static enum log_drained write_once(struct log_sink *sink, uint32_t now)
{
    static char storage[LINE_MOST];
    bool messages = sink->target->to.kind == PORT_LOG_MESSAGES;
    struct text bytes = messages ? log_ring_line(sink->ring, storage, sizeof(storage)) : log_ring_bytes(sink->ring);
    size_t n = 0;

    switch (port_log_write(sink->handle, bytes.ptr, bytes.len, &n)) {
    case PORT_OK: return taken(sink, now, messages ? bytes.len + 1 : min_size(n, bytes.len));
    case PORT_AGAIN: return LOG_BLOCKED;
    case PORT_END: log_ring_drop_line(sink->ring); return sink->ring->used > 0 ? LOG_MORE : LOG_DRAINED;
    case PORT_ERROR: break;
    }
    return failed(sink, now, port_error());
}

enum log_drained log_sink_drain(struct log_sink *sink, uint32_t now, unsigned most)
{
    enum log_drained result = LOG_MORE;

    if (log_sink_pending(sink) == 0)
        return LOG_DRAINED;
    if (!is_there(sink, now))
        return LOG_AWAY;
    for (unsigned i = 0; i < most && result == LOG_MORE; i++)
        result = write_once(sink, now);
    return result;
}

/* ---- opening ---- */

struct opened {
    const struct log_target *target; /* NULL: no sink */
    port_handle handle;
    bool kept; /* it is the one that is open */
};

static bool open_one(const struct log_sink *sink, const struct log_target *target, struct opened *out)
{
    *out = (struct opened){.target = target, .handle = PORT_NO_HANDLE};
    if (sink->target && target->to.kind != PORT_LOG_FILE && log_target_same(sink->target, target)) {
        out->handle = sink->handle;
        out->kept = true;
        return true;
    }
    return port_log_open(&target->to, &out->handle) == PORT_OK || target->to.kind == PORT_LOG_MESSAGES;
}

/* The host's name, if a message can have it. */
static struct text host_name(void)
{
    struct text host = text_of(port_host_name());

    for (size_t i = 0; i < host.len; i++)
        if (host.ptr[i] <= ' ' || host.ptr[i] > '~')
            return TEXT("");
    return host;
}

static void ring_use(struct log_ring *ring, const struct log_target *target)
{
    if (!IS_ENABLED(CONFIG_LOG_SYSLOG))
        return;
    ring->syslog = target->syslog;
    ring->host = host_name();
    ring->process = port_process();
}

static void replace(struct log_sink *sink, const struct opened *with, uint32_t now)
{
    if (!with->kept) {
        if (log_sink_drain(sink, now, LAST_WRITES) != LOG_DRAINED &&
            (!with->target || !log_target_same_form(sink->target, with->target)))
            log_ring_drop(sink->ring);
        log_ring_begin(sink->ring);
        close_sink(sink);
        sink->pause_ms = 0;
        sink->next_ms = 0;
        sink->trust = LOG_TRUSTED;
    }
    sink->target = with->target;
    sink->handle = with->handle;
    if (sink->target)
        ring_use(sink->ring, sink->target);
    if (sink->target && sink->handle == PORT_NO_HANDLE && sink->pause_ms == 0)
        go_away(sink, now);
}

bool log_open(const struct log_target targets[LOG_STREAMS], uint32_t now, enum log_stream *failed_stream)
{
    bool shared = log_target_same(&targets[LOG_ACCESS], &targets[LOG_DIAG]);
    struct opened opened[LOG_SINKS] = {{NULL, PORT_NO_HANDLE, false}, {NULL, PORT_NO_HANDLE, false}};

    for (unsigned i = 0; i < (shared ? 1U : LOG_SINKS); i++) {
        if (open_one(&sinks[i], &targets[i], &opened[i]))
            continue;
        *failed_stream = (enum log_stream)i;
        for (unsigned k = 0; k < i; k++)
            if (!opened[k].kept && opened[k].handle != PORT_NO_HANDLE)
                port_close(opened[k].handle, true);
        return false;
    }
    for (unsigned i = 0; i < LOG_SINKS; i++)
        replace(&sinks[i], &opened[i], now);
    log_route(LOG_ACCESS, &rings[0]);
    log_route(LOG_DIAG, shared ? &rings[0] : &rings[1]);
    return true;
}

void log_close(void)
{
    for (unsigned i = 0; i < LOG_SINKS; i++) {
        struct log_sink *sink = &sinks[i];

        log_route((enum log_stream)i, NULL);
        if (sink->handle != PORT_NO_HANDLE)
            port_close(sink->handle, false);
        *sink = (struct log_sink){.ring = sink->ring, .handle = PORT_NO_HANDLE};
        *sink->ring = (struct log_ring){.bytes = sink->ring->bytes, .cap = sink->ring->cap};
    }
}

size_t log_pending(void)
{
    size_t pending = 0;

    for (unsigned i = 0; i < LOG_SINKS; i++)
        pending += log_sink_pending(&sinks[i]);
    return pending;
}

bool log_flush(uint32_t now)
{
    for (unsigned i = 0; i < LOG_SINKS; i++)
        log_sink_drain(&sinks[i], now, 1);
    return log_pending() > 0;
}
