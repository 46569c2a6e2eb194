/* The logs: lines of the access log and of diagnostics. They wait in static rings (log_ring.h) until their sinks
 * (log_sink.h) take them, and never block forwarding.
 *
 * Lines are bounded (CONFIG_LOG_LINE) and control bytes escaped. A line that does not fit into the ring is lost,
 * counted, and reported by a line of its own as soon as there is room. */
#ifndef CULVERT_BASE_LOG_H
#define CULVERT_BASE_LOG_H

#include "base/text.h"
#include "port.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_NOTICE, LOG_INFO, LOG_DEBUG_, LOG_TRACE_ };

enum log_stream { LOG_ACCESS, LOG_DIAG, LOG_STREAMS };

struct log_ring;
/* Chooses where a stream's lines wait (NULL, as at the start: they are dropped uncounted). For log_sink.c. */
void log_route(enum log_stream stream, struct log_ring *ring);
/* Diagnostics above this level (LOG_NOTICE at the start) are left out. */
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);

/* "error", "warn", "notice", "info", "debug", "trace": as they stand in the log and in LogLevel. */
const char *log_level_name(enum log_level level);

/* Writes "level subsystem: text" to the diagnostics (an id and a cause belong in the text), if the level is enabled.
   Control bytes and bytes from 0x7f on are escaped as \xHH, so that an argument may come from a peer. Cut at
   CONFIG_LOG_LINE bytes. Use the macros. */
void log_diag(enum log_level level, const char *subsystem, const char *format, ...) PRINTF_LIKE(3, 4);

/* Appends a line (without its newline) to a stream's ring, cut at CONFIG_LOG_LINE bytes. It must have no control bytes
   (log_escape). Returns false when it was lost. */
bool log_line(enum log_stream stream, struct text line);

/* Lines of the stream's ring lost since the start, for want of room or because the sink failed. Each is also told by a
   line "log: N lines lost" as soon as there is room. */
uint32_t log_lost(enum log_stream stream);

#define log_error(subsystem, ...) log_diag(LOG_ERROR, subsystem, __VA_ARGS__)
#define log_warn(subsystem, ...) log_diag(LOG_WARN, subsystem, __VA_ARGS__)
#define log_notice(subsystem, ...) log_diag(LOG_NOTICE, subsystem, __VA_ARGS__)
#define log_info(subsystem, ...)                                                                                       \
    do {                                                                                                               \
        if (log_enabled(LOG_INFO))                                                                                     \
            log_diag(LOG_INFO, subsystem, __VA_ARGS__);                                                                \
    } while (0)
/* Compiled out, but still checked by the compiler, without CONFIG_LOG_DEBUG. */
#define log_debug(subsystem, ...)                                                                                      \
    do {                                                                                                               \
        if (IS_ENABLED(CONFIG_LOG_DEBUG) && log_enabled(LOG_DEBUG_))                                                   \
            log_diag(LOG_DEBUG_, subsystem, __VA_ARGS__);                                                              \
    } while (0)

/* Appends t with control bytes and bytes from 0x7f on escaped as \xHH, and `"` and `\` as \" and \\ (so a log line
   cannot be forged). An escape is never cut in the middle: where the room ends, b is full. */
void log_escape(struct textbuf *b, struct text t);

#endif
