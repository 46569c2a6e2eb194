/* A log's target, as the configuration names it. */
#ifndef CULVERT_BASE_LOG_TARGET_H
#define CULVERT_BASE_LOG_TARGET_H

#include "base/syslog.h"
#include "port.h"

/* Its texts are the configuration's. */
struct log_target {
    struct port_log to;
    struct syslog_settings syslog; /* of PORT_LOG_MESSAGES */
};

/* Whether both are one place, where lines look the same. */
bool log_target_same(const struct log_target *a, const struct log_target *b);
/* Whether lines look the same in both. */
bool log_target_same_form(const struct log_target *a, const struct log_target *b);
/* Appends it in the grammar of CustomLog ("syslog:local3:culvert,/dev/log"). */
void log_target_put(struct textbuf *b, const struct log_target *target);

#endif
