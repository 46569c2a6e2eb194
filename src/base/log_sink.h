/* Sinks: where the logs' lines go, and how they get there without ever blocking.
 *
 * A sink owns its handle and its ring. Two streams with the same target share one sink, so that their lines keep their
 * order and none is torn. A stream of bytes (a file, a terminal, a serial line) takes what it takes; a syslog daemon
 * takes messages, one a line. A sink that can come back (a daemon, a serial line) is opened again after a pause that
 * doubles; its lines wait meanwhile. */
#ifndef CULVERT_BASE_LOG_SINK_H
#define CULVERT_BASE_LOG_SINK_H

#include "base/log.h"
#include "base/log_ring.h"
#include "base/log_target.h"

#define LOG_SINKS LOG_STREAMS

/* The pause before a sink that went away is tried again, at first and at most. */
#define LOG_AWAY_MS 125U
#define LOG_AWAY_MOST_MS 16000U

/* What is known of a sink behind a pause. */
enum log_trust {
    LOG_TRUSTED, /* it takes what it is given */
    LOG_PROBING, /* the next line tells */
    LOG_PROBED,  /* that line was sent, and was not refused until its pause is over */
};

struct log_sink {
    struct log_ring *ring;
    const struct log_target *target; /* NULL: none */
    port_handle handle;              /* PORT_NO_HANDLE: it could not be opened */
    uint32_t since, pause_ms;        /* its pause; 0: none */
    uint32_t next_ms;                /* how long the next one is */
    enum log_trust trust;
};

/* How a drain ended. */
enum log_drained {
    LOG_DRAINED, /* nothing waits */
    LOG_MORE,    /* lines wait, and it goes on at any time */
    LOG_BLOCKED, /* they wait for room: until the handle is writable */
    LOG_AWAY,    /* they wait for the sink: until its pause is over */
};

/* Opens the sinks of all streams, in place of those that are open: all of them, or, when one cannot be opened, none
   (false: *failed is its stream, port_error() says why; nothing has changed). A file is opened anew even when its name
   is the same (it may have been renamed); other sinks that stay the same are kept. A syslog daemon that is not there is
   no failure. Lines that wait for an old sink are written to it as far as it takes them now; then they go to the new
   one when it wants them in the same form, else they are lost and counted. The targets must stay until the next call.
   `now`: as port_now_ms. */
bool log_open(const struct log_target targets[LOG_STREAMS], uint32_t now, enum log_stream *failed);
/* Closes all; what waits is forgotten. */
void log_close(void);
struct log_sink *log_sink(unsigned i); /* i < LOG_SINKS */
/* Bytes that wait for it. */
size_t log_sink_pending(const struct log_sink *sink);

/* Writes, at most `most` times (a message is one), what the sink takes at `now`. */
enum log_drained log_sink_drain(struct log_sink *sink, uint32_t now, unsigned most);

/* All sinks: bytes that wait; one write to each (true when bytes remain). */
size_t log_pending(void);
bool log_flush(uint32_t now);

#endif
