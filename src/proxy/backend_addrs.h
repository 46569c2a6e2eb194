/* A backend's addresses: in which order connections to them are tried (RFC 8305). */
#ifndef CULVERT_PROXY_BACKEND_ADDRS_H
#define CULVERT_PROXY_BACKEND_ADDRS_H

#include "proxy/backend.h"

void backend_addrs_init(struct backend *backend);
void backend_addrs_exit(struct backend *backend);

/* Begins a connection: to the address that worked last, or the first. While it tries, the next address gets its turn
   after CONFIG_CONNECT_ATTEMPT_MS, and at once when it fails; the first to be up stays, the others are closed. When all
   failed: backend_unreachable. */
void backend_connect(struct backend *backend);

/* A connection came up, or never did (and is off the backend's list). */
void backend_addrs_opened(struct backend_conn *conn);
void backend_addrs_failed(struct backend_conn *conn, enum cause cause);

/* The backend has these addresses from now on (at most CONFIG_BACKEND_ADDRS; their port is set here). Connections to
   others take no new streams and close when theirs are done. Returns whether anything changed. */
bool backend_addrs_set(struct backend *backend, const struct port_addr *addrs, unsigned count);

/* Puts addresses into the order in which they are tried: IPv6 and IPv4 by turns (RFC 8305 4). */
void backend_addrs_order(struct port_addr *addrs, unsigned count);

/* ---- backend.c ---- */

/* No address could be reached: what waits fails, unless a connection still lives to serve it. */
void backend_unreachable(struct backend *backend, enum cause cause);
/* All that wait now fail. */
void backend_fail_queue(struct backend *backend, enum cause cause);

#endif
