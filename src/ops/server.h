/* The server: everything started in order from a configuration, run pass by pass, drained or stopped. What main() and
 * the simulator's tests share. */
#ifndef CULVERT_OPS_SERVER_H
#define CULVERT_OPS_SERVER_H

#include "ops/config.h"

/* Reads the configuration out of `path`, or out of `content` (then `path` is its name in messages) when content.ptr is
   not NULL, and opens logs, listeners and backends. port_init must have been called. False: reported, and nothing is
   left open. */
bool server_start(const char *path, struct text content, config_report *report, void *user);

/* What ProxyVia Full names, "Culvert/1.0". Must live as long as the server; before server_start. */
void server_set_product(struct text name);

/* Only reads and checks the configuration, and the certificates and keys that it names. Not while the server runs, or
   before it does. */
bool server_check(const char *path, config_report *report, void *user);

/* One pass of the loop: waits at most max_wait_ms (negative: no limit). Heeds what the operator asks (port_asked). */
void server_pass(int max_wait_ms);

/* Begins to end: no new connections, idle ones close, requests in progress finish within CONFIG_DRAIN_S seconds. */
void server_drain(void);

/* Whether nothing is left to be done: drained, or told to stop. */
bool server_done(void);

/* Closes everything at once; logs whether all pools are empty. Returns that. */
bool server_stop(void);

/* The configuration in force. */
const struct config *server_config(void);

#endif
