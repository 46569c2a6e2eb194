/* Listening sockets. No client slot free: none is polled, and a freed slot starts them again. Nobody is accepted to be
 * thrown out. */
#ifndef CULVERT_NET_LISTENER_H
#define CULVERT_NET_LISTENER_H

#include "net/loop.h"
#include "port.h"

struct listener;

struct listener_ops {
    /* Whether a connection could be taken now. */
    bool (*room)(void);
    /* Takes an accepted handle over (room() was true just before). `user` is the listener's. */
    void (*accept)(void *user, port_handle handle, const struct port_addr *peer);
};

/* Opens a listening socket, one of CONFIG_LISTENERS, and polls it. NULL: no slot (the configuration admits no more than
   there are), or the port failed (port_error()). */
struct listener *listener_open(const struct port_addr *addr, const struct listener_ops *ops, void *user);

/* Starts polling again all listeners that had stopped for lack of room. Called by whoever frees a client slot. Costs
   nothing when none has stopped. */
void listener_resume(void);

/* Closes all listeners (drain, stop). */
void listener_close_all(void);

/* How many are open. */
unsigned listener_count(void);

#endif
