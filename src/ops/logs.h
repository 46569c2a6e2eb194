/* The logs of the running server: the sinks that a configuration names. */
#ifndef CULVERT_OPS_LOGS_H
#define CULVERT_OPS_LOGS_H

#include "ops/config.h"

/* Opens the sinks of CustomLog and ErrorLog in place of those that are open, and sets LogLevel. All or nothing: when
   one cannot be opened it is reported, false is returned, and the logs go on as before. With the same configuration
   again files are opened anew, as logrotate wants it. The configuration must stay until the next call or logs_close. */
bool logs_open(const struct config *config, config_report *report, void *user);

/* The same for the configuration that runs: its files are opened anew. A fault is logged. */
void logs_reopen(const struct config *config);

/* Writes what the sinks take (waits a moment for those that are busy) and closes them. */
void logs_close(void);

#endif
