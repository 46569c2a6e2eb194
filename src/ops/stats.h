/* The state of the proxy in some lines of the log, as the operator asks for it (SIGUSR1): what is used of each pool,
 * what each backend and member does, how requests ended, what the log lost. */
#ifndef CULVERT_OPS_STATS_H
#define CULVERT_OPS_STATS_H

#include "ops/config.h"

#if IS_ENABLED(CONFIG_STATE)

/* Writes it to the diagnostics, whatever LogLevel is. How many lines it takes is bounded: a few, and for each backend
   as many as its connections fill. What does not fit into the log's ring is lost and counted there, as always. */
void stats_write(const struct config *config, bool draining);

#else

static inline void stats_write(const struct config *config, bool draining)
{
    (void)config;
    (void)draining;
}

#endif

#endif
