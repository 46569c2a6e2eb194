/* The listening sockets of the configuration that runs, and of one that is to follow it. */
#ifndef CULVERT_OPS_LISTENING_H
#define CULVERT_OPS_LISTENING_H

#include "ops/config.h"

/* Opens those of a configuration that are not open yet. False: one cannot be; reported, and what was opened is closed.
 */
bool listening_prepare(const struct config *config, config_report *report, void *user) MUST_USE;
/* The same configuration's sockets listen from now on, as it says; the others are closed. */
void listening_commit(const struct config *config);
/* Closes what listening_prepare has opened. */
void listening_abandon(void);

#endif
