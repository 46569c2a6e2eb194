/* A balancer and its members in the simulated world: three origins, two of which are usually in use. */
#ifndef CULVERT_TESTS_BALANCED_H
#define CULVERT_TESTS_BALANCED_H

#include "core.h"

/* Parts of configurations: a port at the front and all paths to the balancer; a member, origin n from 1 on; the logs.
 */
#define LISTEN "Listen 8080\nProxyPass / balancer://app/\n"
#define MEMBER(n, keys) "BalancerMember balancer://app h2c://10.0.0." #n ":9000 connectiontimeout=1 " keys "\n"
#define CONF_END "CustomLog \"-\"\nLogLevel info\n"

/* The origins of the world that balanced_world made: 10.0.0.1 and so on, at port 9000. */
#define BALANCED_ORIGINS 3
extern struct origin *balanced_origins[BALANCED_ORIGINS];

/* Begins a world with all of them. */
void balanced_world(uint64_t seed, uint32_t latency_ms);

/* From now on an origin (from 0) meets connections so, and those that it has are broken off. */
void balanced_kill(unsigned origin, enum host_mode mode);

/* How often a request may have been processed, at all origins. */
unsigned balanced_processed(uint32_t id);
/* How often the first request of a client came to an origin; how many requests of clients did, checks apart. */
unsigned balanced_tries(unsigned origin, struct client *c);
unsigned balanced_seen(unsigned origin);

/* A client's first request was answered with 200, in full, and processed once. */
void balanced_check(struct client *c);

#endif
