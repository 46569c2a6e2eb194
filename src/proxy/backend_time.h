/* Timer classes of backends: those that last equally long are one, so that the loop has few to look at. */
#ifndef CULVERT_PROXY_BACKEND_TIME_H
#define CULVERT_PROXY_BACKEND_TIME_H

#include "base/timer.h"

/* How many one backend takes at most. */
#define BACKEND_TIMES 11

/* A class of this duration (0: its timers never expire). It is given back once for each taking, when none of the
 * taker's timers is set any more. */
struct timer_class *backend_time_take(uint32_t duration_ms);
void backend_time_give(struct timer_class *c);

#endif
