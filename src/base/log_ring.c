/* Rings of log lines. */
#include "base/log_ring.h"

#include "port.h"

#define REPORT_MAX 32 /* "log: 4294967295 lines lost" */

static_assert(CONFIG_LOG_LINE >= 64, "CONFIG_LOG_LINE: too short");

/* Copies bytes for which there is room to the end of the ring. */
static void ring_put(struct log_ring *ring, struct text t)
{
    uint32_t end = ring->from + ring->used;
    size_t part;

    if (end >= ring->cap)
        end -= ring->cap;
    part = min_size(t.len, ring->cap - end);
    if (part > 0)
        memcpy(ring->bytes + end, t.ptr, part);
    if (part < t.len)
        memcpy(ring->bytes, t.ptr + part, t.len - part);
    ring->used += (uint32_t)t.len;
}

static void put_head(const struct log_ring *ring, const struct log_mark *mark, struct textbuf *b)
{
    struct syslog_origin origin = {.host = ring->host, .process = ring->process, .msgid = mark->msgid};

    if (!IS_ENABLED(CONFIG_LOG_SYSLOG) || ring->syslog.form == SYSLOG_NONE)
        return;
    origin.wall_s = port_wall_s();
    if (ring->syslog.form == SYSLOG_BSD)
        origin.zone_s = port_zone_s(origin.wall_s);
    syslog_put_head(b, &ring->syslog, mark->severity, &origin);
}

/* The report of lines lost that nobody was told of yet, a whole line; empty when there are none. */
static struct text ring_report(const struct log_ring *ring, struct textbuf *b)
{
    static const struct log_mark mark = {SYSLOG_WARNING, TEXT_INIT("log")};

    if (ring->lost != ring->told) {
        put_head(ring, &mark, b);
        textbuf_put(b, TEXT("log: "));
        textbuf_put_u64(b, ring->lost - ring->told);
        textbuf_put(b, TEXT(" lines lost\n"));
    }
    return textbuf_text(b);
}

/* Puts what has to come before the next line: the end of a torn line and the report of lost ones. False when there is
   no room for it and for `more` bytes behind it. */
static bool ring_prepare(struct log_ring *ring, size_t more)
{
    char storage[SYSLOG_HEAD_MOST + REPORT_MAX];
    struct textbuf b;
    struct text report;

    textbuf_init(&b, storage, sizeof(storage));
    report = ring_report(ring, &b);
    if (ring->cap - ring->used < ring->torn + report.len + more)
        return false;
    if (ring->torn)
        ring_put(ring, TEXT("\n"));
    ring->torn = false;
    ring_put(ring, report);
    if (report.len > 0)
        ring->report = ring->used;
    ring->told = ring->lost;
    return true;
}

bool log_ring_add(struct log_ring *ring, const struct log_mark *mark, struct text line)
{
    char storage[SYSLOG_HEAD_MOST];
    struct textbuf head;

    textbuf_init(&head, storage, sizeof(storage));
    put_head(ring, mark, &head);
    if (!ring_prepare(ring, head.len + line.len + 1)) {
        ring->lost++;
        return false;
    }
    ring_put(ring, textbuf_text(&head));
    ring_put(ring, line);
    ring_put(ring, TEXT("\n"));
    return true;
}

struct text log_ring_bytes(const struct log_ring *ring)
{
    return text_make(ring->bytes + ring->from, min_size(ring->used, ring->cap - ring->from));
}

struct text log_ring_line(const struct log_ring *ring, char *storage, size_t cap)
{
    struct text part = log_ring_bytes(ring);
    size_t end = text_find(part, '\n', 0);
    struct textbuf b;

    if (end < part.len)
        return text_first(part, min_size(end, cap));
    textbuf_init(&b, storage, cap);
    textbuf_put(&b, part);
    part = text_make(ring->bytes, ring->used - part.len);
    textbuf_put(&b, text_first(part, text_find(part, '\n', 0)));
    return textbuf_text(&b);
}

static void ring_take(struct log_ring *ring, uint32_t n)
{
    ring->from += n;
    ring->used -= n;
    ring->report -= n < ring->report ? n : ring->report;
    /* An empty ring starts anew: lines that never wait long use the same few pages over and over. */
    if (ring->used == 0)
        ring->from = 0;
    else if (ring->from >= ring->cap)
        ring->from -= ring->cap;
}

void log_ring_taken(struct log_ring *ring, size_t n)
{
    uint32_t last = ring->from + (uint32_t)n - 1;

    if (n == 0)
        return;
    ring->cut = ring->bytes[last < ring->cap ? last : last - ring->cap] != '\n';
    ring_take(ring, (uint32_t)n);
    if (ring->report == 0)
        ring->heard = ring->told;
    ring_prepare(ring, 0);
}

/* Takes bytes up to a newline, with it. Returns whether there were any before it: an empty line is none, it only ended
   a torn one. */
static bool take_line(struct log_ring *ring)
{
    bool text = false;

    while (ring->used > 0) {
        bool newline = ring->bytes[ring->from] == '\n';

        ring_take(ring, 1);
        if (newline)
            break;
        text = true;
    }
    return text;
}

void log_ring_drop_line(struct log_ring *ring)
{
    if (take_line(ring))
        ring->lost++;
}

void log_ring_drop(struct log_ring *ring)
{
    ring->lost -= ring->report > 0; /* the report is no line */
    ring->told = ring->heard;
    while (ring->used > 0)
        log_ring_drop_line(ring);
    ring->torn = ring->cut;
}

void log_ring_lost(struct log_ring *ring)
{
    ring->lost++;
}

void log_ring_begin(struct log_ring *ring)
{
    if (ring->cut && !ring->torn && ring->used > 0)
        log_ring_drop_line(ring);
    ring->cut = false;
    ring->torn = false;
}
