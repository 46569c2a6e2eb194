/* Draining the logs: when the loop writes them. Lines are written in batches, at the latest a moment after they came; a
 * sink that is full is left alone until it is writable, one that is away until its pause is over. So a slow sink costs
 * no pass of the loop more than it takes writes. */
#ifndef CULVERT_NET_LOG_DRAIN_H
#define CULVERT_NET_LOG_DRAIN_H

#include "base/log_sink.h"

/* Called by loop_init. */
void log_drain_init(void);

/* log_open, at loop_now(). */
bool log_drain_open(const struct log_target targets[LOG_STREAMS], enum log_stream *failed);
/* Writes what the sinks take (a quarter of a second at most for those that are full), and closes them (log_close). Only
   when nothing else is served any more: passes of the loop are made. */
void log_drain_close(void);

/* At the end of a pass. idle: it had nothing to do. */
void log_drain_pass(bool idle);

#endif
