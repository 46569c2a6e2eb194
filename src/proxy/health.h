/* The health of balancers' members: who is ejected, for how long, and how it returns.
 *
 * Passive health comes from exchanges: a member that cannot be connected to is ejected at once, one that fails
 * `maxfails` times in a row (5xx, resets, lost connections, timeouts) as long as another one is up. The pause doubles
 * from CONFIG_EJECT_MS with each ejection in a row, up to retry=, less up to a quarter by chance so that members do not
 * return all at once. After it one exchange is the trial. Active health (proxy/health_check) sends requests of its own
 * (hcmethod=): then no client's request is the trial, and checks decide. Every change is told in the log. */
#ifndef CULVERT_PROXY_HEALTH_H
#define CULVERT_PROXY_HEALTH_H

#include "proxy/balancer.h"

#if IS_ENABLED(CONFIG_BALANCER)

/* Takes all balancers into service (the configuration filled them, and keeps them), and out again. */
void health_start(struct balancer **balancers, unsigned count);
void health_stop(void);
/* The same balancers and others from now on: those that are new are made ready, and follow one of the same name; the
   checks of those that are gone end. */
void health_change(struct balancer **balancers, unsigned count);
/* Ends the checks: the server drains, and waits for no exchange of ours. */
void health_quiet(void);

/* An exchange failed at a member, which may eject it. ex: it is not moved by that. */
void health_failed(struct member *member, enum cause cause, const struct exchange *ex);
/* A member answered with a final status. */
void health_answered(struct member *member, unsigned status);

/* An ejected member is to be tried before its time. */
void health_try(struct member *member);

/* Whether a member is ejected; *left: ms until it is tried. */
bool health_waits(const struct member *member, uint32_t now, uint32_t *left);

/* ---- between health.c and health_check.c ---- */

/* A check came to its end, passed or failed for `why`: judges the member, and says when the next one is due. */
void health_checked(struct member *member, bool passed, const char *why);

void health_check_init(struct member *member);
/* Begins a check; health_checked comes later, never from within. False: no exchange is free. */
bool health_check_start(struct member *member) MUST_USE;
/* Ends the one that runs, without a word. Harmless when there is none. */
void health_check_stop(struct member *member);

#else

static inline void health_start(struct balancer **balancers, unsigned count)
{
    (void)balancers;
    (void)count;
}

static inline void health_stop(void)
{
}

static inline void health_change(struct balancer **balancers, unsigned count)
{
    (void)balancers;
    (void)count;
}

static inline void health_quiet(void)
{
}

static inline bool health_waits(const struct member *member, uint32_t now, uint32_t *left)
{
    (void)member, (void)now;
    *left = 0;
    return false;
}

#endif

#endif
