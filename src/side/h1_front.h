/* The HTTP/1.1 front: clients' connections, each with one live exchange at most. Pipelined input waits in the socket.
 */
#ifndef CULVERT_SIDE_H1_FRONT_H
#define CULVERT_SIDE_H1_FRONT_H

#include "net/listener.h"
#include "side/front.h"

/* What listener_open is given. */
extern const struct listener_ops h1_front_listener;

/* Takes an accepted connection: `peer` is its client, `local` where that connected to. listener_ops.room was true, or a
   place is reserved. */
void h1_front_accept(const struct listener_settings *listen, port_handle handle, const struct port_addr *peer,
                     const struct port_addr *local);
/* Keeps a place for a connection that will come, and gives it back. */
void h1_front_reserve(void);
void h1_front_unreserve(void);

/* Prepares timers. `settings` must live as long as the front. */
void h1_front_init(const struct front_settings *settings);
/* Has other settings from now on: requests that have begun keep their limits, times that run are shortened at most. */
void h1_front_change(const struct front_settings *settings);
/* Takes the timers out of service; no client may be left. */
void h1_front_exit(void);

/* Begins to drain: idle connections close now, the others after their response. */
void h1_front_drain(void);
/* Closes all connections now. */
void h1_front_stop(void);

/* Clients connected now. */
uint32_t h1_front_count(void);

#endif
