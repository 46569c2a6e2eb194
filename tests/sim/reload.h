/* Reloads in the simulated world: configurations for two origins, and one that takes the place of another. */
#ifndef CULVERT_TESTS_RELOAD_H
#define CULVERT_TESTS_RELOAD_H

#include "core.h"

/* Parts of configurations: a port at the front, another one, the two origins, the logs. */
#if CONFIG_LISTENERS >= 4
#define LISTEN "Listen 8080\n"
#define LISTEN_TOO "Listen 8081\n"
#define LISTEN_CALLS (IS_ENABLED(CONFIG_IPV6) ? 2 : 1) /* of the platform, for one more */
#else                                                  /* no room for two ports at IPv6, too */
#define LISTEN "Listen 0.0.0.0:8080\n"
#define LISTEN_TOO "Listen 0.0.0.0:8081\n"
#define LISTEN_CALLS 1
#endif
#define ONE "h2c://10.0.0.1:9000/"
#define TWO "h2c://10.0.0.2:9000/"
#define TAIL "CustomLog \"-\"\nLogLevel info\n"

/* Whole ones: all paths to one origin, to the other one, and to the first with two connections. */
#define TO_ONE LISTEN "ProxyPass / " ONE "\n" TAIL
#define TO_TWO LISTEN "ProxyPass / " TWO "\n" TAIL
#define TO_ONE_WIDE LISTEN "ProxyPass / " ONE " max=2\n" TAIL

/* The origins 10.0.0.1 and 10.0.0.2 of the world that reload_begin made. */
extern struct origin *reload_one, *reload_two;

/* Begins a world, as core_world, with both. */
void reload_begin(const struct sim_options *options);

/* Reads a configuration that is good, within half a second; one that must be refused, of which the log says `why`. */
void reload_to(const char *conf);
void reload_refused(const char *conf, const char *why);
/* Whether the log says that one was taken. A condition of sim_run. */
bool reload_is_done(void *user);

/* All requests of a client were answered with 200, in full; its first one came to this origin. */
void reload_check(struct client *c);
bool reload_came(struct origin *origin, struct client *c);

#endif
