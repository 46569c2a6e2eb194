/* Writes the state of the proxy to the log. */
#include "ops/stats.h"

#include "base/log.h"
#include "base/pipe.h"
#include "base/pool.h"
#include "net/loop.h"
#include "proxy/cause.h"
#include "proxy/exchange.h"
#include "proxy/health.h"
#include "proxy/names.h"

#include <stdarg.h>

/* What stands before a line's text. */
#define MARK "notice state: "
/* Bytes of one item: names are the longest part. */
#define ITEM_MAX 160

/* Items of one kind, as many on a line as fit. Each line begins with the same words. */
struct row {
    struct text title;
    char storage[CONFIG_LOG_LINE];
    struct textbuf line;
    bool empty;
};

static void row_begin(struct row *row, struct text title)
{
    row->title = text_first(title, CONFIG_LOG_LINE / 2);
    row->empty = true;
    textbuf_init(&row->line, row->storage, sizeof(row->storage) - sizeof(MARK));
    textbuf_put(&row->line, row->title);
}

static void row_end(struct row *row)
{
    if (!row->empty)
        log_notice("state", "%.*s", TEXT_ARG(textbuf_text(&row->line)));
}

static void row_put(struct row *row, const char *format, ...) PRINTF_LIKE(2, 3);

static void row_put(struct row *row, const char *format, ...)
{
    char storage[ITEM_MAX];
    struct textbuf item;
    va_list args;

    textbuf_init(&item, storage, sizeof(storage));
    va_start(args, format);
    textbuf_vprintf(&item, format, args);
    va_end(args);
    if (!row->empty && row->line.cap - row->line.len < item.len + 2) {
        row_end(row);
        row_begin(row, row->title);
    }
    textbuf_put(&row->line, row->empty ? TEXT(" ") : TEXT("; "));
    textbuf_put(&row->line, textbuf_text(&item));
    row->empty = false;
}

/* ---- memory ---- */

static void put_pools(void)
{
    struct pipe_stats pipes;
    struct row row;

    row_begin(&row, TEXT("pools (used/peak/size/refused):"));
    for (const struct pool *p = pool_next(NULL); p != NULL; p = pool_next((struct pool *)(uintptr_t)p))
        row_put(&row, "%s %u/%u/%u/%u", p->name, p->used, p->peak, p->count, p->refused);
    pipe_stats(&pipes);
    row_put(&row, "body blocks lent %u/%u", pipes.lent, pipes.shared);
    row_end(&row);
}

/* ---- backends ---- */

static const char *backend_word(const struct backend *backend)
{
    if (backend->retiring)
        return "retires";
    if (backend->calm)
        return "asked for calm";
    if (backend_is_up(backend))
        return "up";
    if (names_unknown(backend))
        return "name unknown";
    if (backend->backing_off)
        return "down";
    LIST_EACH (node, &backend->conns)
        if (container_of(node, struct backend_conn, node)->state == BACKEND_CONNECTING)
            return "connecting";
    return "not connected";
}

static void put_conn(struct row *row, const struct backend_conn *conn)
{
    if (conn->state == BACKEND_CONNECTING)
        row_put(row, "connecting");
    else
        row_put(row, "port %u %s %u/%u streams, %u served, heard %u ms ago", conn->local_port,
                conn->state == BACKEND_CLOSING ? "closing"
                : conn->probed                 ? "asked by PING"
                                               : "open",
                conn->streams, conn->limit, conn->served, loop_now() - conn->heard);
}

static void put_backend(const struct backend *backend)
{
    char storage[ITEM_MAX];
    struct textbuf title;
    struct row row;
    uint32_t streams = 0;

    LIST_EACH (node, &backend->conns)
        streams += container_of(node, struct backend_conn, node)->streams;
    textbuf_init(&title, storage, sizeof(storage));
    textbuf_printf(&title, "backend %.*s:", TEXT_ARG(backend->settings.name));
    row_begin(&row, textbuf_text(&title));
    row_put(&row, "%s, %u of %u connections, %u streams, %u waiting", backend_word(backend), backend->conn_count,
            backend->settings.max, streams, backend->queue.length);
    LIST_EACH (node, &backend->conns)
        put_conn(&row, container_of(node, struct backend_conn, node));
    row_end(&row);
}

/* ---- balancers ---- */

static void put_member(struct row *row, const struct member *member)
{
    static const struct {
        uint8_t flag;
        const char *word;
    } flags[] = {{MEMBER_OFF, " (off)"},
                 {MEMBER_STANDBY, " (standby)"},
                 {MEMBER_SPARE, " (spare)"},
                 {MEMBER_DRAINING, " (draining)"}};
    const char *flag = "";
    struct text name = member->backend->settings.name;
    uint32_t left;

    for (size_t i = ARRAY_SIZE(flags); i-- > 0;)
        if ((member->settings.flags & flags[i].flag) != 0)
            flag = flags[i].word;
    if (health_waits(member, loop_now(), &left))
        row_put(row, "%.*s%s ejected, tried in %u ms", TEXT_ARG(name), flag, left);
    else
        row_put(row, "%.*s%s %s, %u requests, %u failures in a row", TEXT_ARG(name), flag,
                member->state == MEMBER_TRIAL ? "on trial" : "up", member->busy, member->row);
}

static void put_balancer(const struct balancer *balancer)
{
    char storage[ITEM_MAX];
    struct textbuf title;
    struct row row;

    textbuf_init(&title, storage, sizeof(storage));
    textbuf_put(&title, balancer->settings.name);
    textbuf_putc(&title, ':');
    row_begin(&row, textbuf_text(&title));
    for (unsigned i = 0; i < balancer->count; i++)
        put_member(&row, &balancer->members[i]);
    row_end(&row);
}

/* ---- ends ---- */

static void put_causes(void)
{
    struct row row;

    row_begin(&row, TEXT("requests since the start:"));
    row_put(&row, "%u well", cause_count(CAUSE_NONE));
    for (unsigned i = CAUSE_NONE + 1; i < CAUSES; i++)
        if (cause_count((enum cause)i) > 0)
            row_put(&row, "%s %u", cause_info((enum cause)i)->word, cause_count((enum cause)i));
    row_end(&row);
}

/* Two logs with one target share a ring, which counts what it loses once. */
static void put_lost(const struct config *config)
{
    if (log_target_same(&config->logs[LOG_ACCESS], &config->logs[LOG_DIAG]))
        log_notice("state", "log lines lost: %u access and diagnostics", log_lost(LOG_DIAG));
    else
        log_notice("state", "log lines lost: %u access, %u diagnostics", log_lost(LOG_ACCESS), log_lost(LOG_DIAG));
}

/* LogLevel, or notice when that would leave the state out. */
static enum log_level raise_level(void)
{
    unsigned level = LOG_ERROR;

    while (level < LOG_TRACE_ && log_enabled((enum log_level)(level + 1)))
        level++;
    if (level < LOG_NOTICE)
        log_set_level(LOG_NOTICE);
    return (enum log_level)level;
}

void stats_write(const struct config *config, bool draining)
{
    enum log_level level = raise_level();

    log_notice("state", "%s, %u requests in progress", draining ? "draining" : "running", exchange_count());
    put_pools();
    for (unsigned i = 0; i < config->backend_count; i++)
        put_backend(config->backends[i]);
    for (unsigned i = 0; IS_ENABLED(CONFIG_BALANCER) && i < config->balancer_count; i++)
        put_balancer(config->balancers[i]);
    if (backend_dropped() > 0)
        log_notice("state", "%u backends that the configuration has not finish what they carry", backend_dropped());
    put_causes();
    put_lost(config);
    log_set_level(level);
}
