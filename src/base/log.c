/* The logs: makes lines, and puts them into their rings. */
#include "base/log.h"

#include "base/log_ring.h"

/* Where each stream's lines wait. NULL: they are dropped. */
static struct log_ring *routes[LOG_STREAMS];
static enum log_level level_now = LOG_NOTICE;

/* Must not stand in a log as it is: it could begin a line, or move a terminal's cursor. */
static bool is_unsafe(char c)
{
    return (uint8_t)c < 0x20 || (uint8_t)c >= 0x7f;
}

void log_route(enum log_stream stream, struct log_ring *ring)
{
    routes[stream] = ring;
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

static bool add(enum log_stream stream, const struct log_mark *mark, struct text line)
{
    return routes[stream] && log_ring_add(routes[stream], mark, text_first(line, CONFIG_LOG_LINE));
}

bool log_line(enum log_stream stream, struct text line)
{
    static const struct log_mark mark = {SYSLOG_INFO, TEXT_INIT("access")};

    return add(stream, &mark, line);
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

static enum syslog_severity severity_of(enum log_level level)
{
    static const uint8_t severities[] = {SYSLOG_ERR, SYSLOG_WARNING, SYSLOG_NOTICE, SYSLOG_INFO};

    return level < ARRAY_SIZE(severities) ? (enum syslog_severity)severities[level] : SYSLOG_DEBUG;
}

void log_diag(enum log_level level, const char *subsystem, const char *format, ...)
{
    struct log_mark mark = {severity_of(level), TEXT("error")};
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
    add(LOG_DIAG, &mark, textbuf_text(&line));
}

uint32_t log_lost(enum log_stream stream)
{
    return routes[stream] ? routes[stream]->lost : 0;
}
