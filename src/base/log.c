/* The logs: lines in static rings, and their sinks. */
#include "base/log.h"

#define ACCESS_RING CONFIG_LOG_RING
/* Diagnostics are rarer than requests. */
#define DIAG_RING (CONFIG_LOG_RING / 4 > 8 * CONFIG_LOG_LINE ? CONFIG_LOG_RING / 4 : 8 * CONFIG_LOG_LINE)
#define REPORT_MAX 32 /* "log: 4294967295 lines lost" and its newline */

static_assert(CONFIG_LOG_LINE >= 64, "CONFIG_LOG_LINE: too short");
static_assert(CONFIG_LOG_RING >= 2 * (CONFIG_LOG_LINE + 1) + REPORT_MAX, "CONFIG_LOG_RING: less than two lines");
static_assert(DIAG_RING >= 2 * (CONFIG_LOG_LINE + 1) + REPORT_MAX,
              "CONFIG_LOG_RING: less than two lines for diagnostics");

/* Bytes that wait for a sink. Invariants: from < cap, used <= cap. Only whole lines go in. */
struct log_ring {
    char *bytes;
    uint32_t cap;
    uint32_t from; /* where the oldest byte stands */
    uint32_t used;
    uint32_t lost; /* lines, ever */
    uint32_t told; /* of `lost`, what report lines told (or were made to tell) */
    bool cut;      /* what the sink has ends within a line */
    bool torn;     /* and the rest of that line is lost: a newline has to come first */
    port_handle sink;
};

static char access_bytes[ACCESS_RING];
static char diag_bytes[DIAG_RING];

static struct log_ring rings[LOG_STREAMS] = {
    [LOG_ACCESS] = {.bytes = access_bytes, .cap = ACCESS_RING, .sink = PORT_NO_HANDLE},
    [LOG_DIAG] = {.bytes = diag_bytes, .cap = DIAG_RING, .sink = PORT_NO_HANDLE},
};

static enum log_level level_now = LOG_NOTICE;

/* Must not stand in a log as it is: it could begin a line, or move a terminal's cursor. */
static bool is_unsafe(char c)
{
    return (uint8_t)c < 0x20 || (uint8_t)c >= 0x7f;
}

void log_set_sink(enum log_stream stream, port_handle sink)
{
    rings[stream].sink = sink;
    rings[stream].cut = false;
    rings[stream].torn = false;
}

void log_set_level(enum log_level level)
{
    level_now = level;
}

bool log_enabled(enum log_level level)
{
    return level <= level_now;
}

const char *log_level_name(enum log_level level)
{
    static const char *const names[] = {"error", "warn", "notice", "info", "debug", "trace"};

    return (size_t)level < ARRAY_SIZE(names) ? names[level] : "?";
}

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

/* The report of lines lost that nobody was told of yet; empty when there are none. */
static struct text ring_report(const struct log_ring *ring, struct textbuf *b)
{
    if (ring->lost != ring->told) {
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
    char storage[REPORT_MAX];
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
    ring->told = ring->lost;
    return true;
}

bool log_line(enum log_stream stream, struct text line)
{
    struct log_ring *ring = &rings[stream];

    if (ring->sink == PORT_NO_HANDLE)
        return false;
    line = text_first(line, CONFIG_LOG_LINE);
    if (!ring_prepare(ring, line.len + 1)) {
        ring->lost++;
        return false;
    }
    ring_put(ring, line);
    ring_put(ring, TEXT("\n"));
    return true;
}

/* Appends \xHH if all of it fits, else b is full. */
static void put_escape(struct textbuf *b, char c)
{
    static const char digits[] = "0123456789abcdef";
    const char escape[4] = {'\\', 'x', digits[(uint8_t)c >> 4], digits[(uint8_t)c & 15]};

    if (b->cap - b->len < sizeof(escape))
        b->full = true;
    else
        textbuf_put(b, text_make(escape, sizeof(escape)));
}

void log_escape(struct textbuf *b, struct text t)
{
    size_t plain = 0; /* bytes before i that wait to be copied as they are */

    for (size_t i = 0; i < t.len && !b->full; i++) {
        char c = t.ptr[i];

        if (!is_unsafe(c) && c != '"' && c != '\\') {
            plain++;
            continue;
        }
        textbuf_put(b, text_make(t.ptr + i - plain, plain));
        plain = 0;
        if (is_unsafe(c)) {
            put_escape(b, c);
        } else if (b->cap - b->len < 2) {
            b->full = true;
        } else {
            textbuf_putc(b, '\\');
            textbuf_putc(b, c);
        }
    }
    if (plain > 0)
        textbuf_put(b, text_make(t.ptr + t.len - plain, plain));
}

void log_diag(enum log_level level, const char *subsystem, const char *format, ...)
{
    char raw[CONFIG_LOG_LINE + 1];
    char safe[CONFIG_LOG_LINE];
    struct textbuf text;
    struct textbuf line;
    va_list args;

    if (!log_enabled(level))
        return;
    textbuf_init(&text, raw, sizeof(raw));
    va_start(args, format);
    textbuf_vprintf(&text, format, args);
    va_end(args);
    textbuf_init(&line, safe, sizeof(safe));
    textbuf_putz(&line, log_level_name(level));
    textbuf_putc(&line, ' ');
    textbuf_putz(&line, subsystem);
    textbuf_put(&line, TEXT(": "));
    for (size_t i = 0; i < text.len && !line.full; i++) {
        if (is_unsafe(raw[i]))
            put_escape(&line, raw[i]);
        else
            textbuf_putc(&line, raw[i]);
    }
    log_line(LOG_DIAG, textbuf_text(&line));
}

static void ring_take(struct log_ring *ring, uint32_t n)
{
    ring->from += n;
    ring->used -= n;
    /* An empty ring starts anew: lines that never wait long use the same few pages over and over. */
    if (ring->used == 0)
        ring->from = 0;
    else if (ring->from >= ring->cap)
        ring->from -= ring->cap;
}

/* The sink failed: all that waits is lost. A report that waited is one of the lost lines. An empty line is none: it
   only ended a torn one. */
static void ring_drop(struct log_ring *ring)
{
    bool text = false;

    while (ring->used > 0) {
        bool newline = ring->bytes[ring->from] == '\n';

        if (newline && text)
            ring->lost++;
        text = !newline;
        ring_take(ring, 1);
    }
    ring->torn = ring->cut;
}

/* Writes once. True when bytes remain. */
static bool ring_flush(struct log_ring *ring)
{
    uint32_t len = (uint32_t)min_size(ring->used, ring->cap - ring->from);
    size_t n = 0;

    if (len == 0 || ring->sink == PORT_NO_HANDLE)
        return false;
    switch (port_log_write(ring->sink, ring->bytes + ring->from, len, &n)) {
    case PORT_OK:
        n = min_size(n, len);
        if (n > 0)
            ring->cut = ring->bytes[ring->from + n - 1] != '\n';
        ring_take(ring, (uint32_t)n);
        ring_prepare(ring, 0);
        break;
    case PORT_AGAIN: break;
    default: ring_drop(ring); break;
    }
    return ring->used > 0;
}

bool log_flush(void)
{
    bool more = false;

    for (size_t i = 0; i < LOG_STREAMS; i++)
        more = ring_flush(&rings[i]) || more;
    return more;
}

size_t log_pending(void)
{
    size_t pending = 0;

    for (size_t i = 0; i < LOG_STREAMS; i++)
        pending += rings[i].sink == PORT_NO_HANDLE ? 0 : rings[i].used;
    return pending;
}

uint32_t log_lost(enum log_stream stream)
{
    return rings[stream].lost;
}
