/* Listening sockets. No client slot free: none is polled, and a freed slot starts them again. Nobody is accepted to be
 * thrown out. */
#ifndef CULVERT_NET_LISTENER_H
#define CULVERT_NET_LISTENER_H

#include "net/loop.h"
#include "port.h"

struct listener;

/* Whether connections begin with a PROXY protocol header. */
enum listener_proxy {
    LISTENER_PROXY_DEFAULT, /* as RemoteIPProxyProtocol says; only while the configuration is read */
    LISTENER_PROXY_OFF,
    LISTENER_PROXY_ON,
    LISTENER_PROXY_OPTIONAL,
};

/* A Listen line. */
struct listener_settings {
    struct port_addr addr;
    uint16_t mode; /* of a unix socket's file */
    uint8_t proxy; /* enum listener_proxy */
    bool optional; /* the IPv6 half of "Listen PORT": a box without IPv6 goes on without it */
    bool tls;      /* https */
};

struct listener_ops {
    /* Whether a connection could be taken now. */
    bool (*room)(const struct listener_settings *settings);
    /* Takes an accepted handle over (room() was true just before). `peer` is the client; of a unix socket, which has no
       address of its own, the socket's. */
    void (*accept)(const struct listener_settings *settings, port_handle handle, const struct port_addr *peer);
};

/* Those of a configuration, and of the one that follows it. */
#define LISTENER_SLOTS (CONFIG_LISTENERS * (IS_ENABLED(CONFIG_RELOAD) ? 2 : 1))

/* Opens a listening socket, one of LISTENER_SLOTS, and polls it. The settings are copied, and with reloads the path of
   a unix socket, too, which clients' addresses point to. NULL: it failed, listener_fault says why. */
struct listener *listener_open(const struct listener_settings *settings, const struct listener_ops *ops);
/* Why listener_open failed. */
const char *listener_fault(void);

/* The one that listens on this address, or NULL. */
struct listener *listener_find(const struct port_addr *addr);
/* From now on it has other settings of the same address. */
void listener_change(struct listener *listener, const struct listener_settings *settings,
                     const struct listener_ops *ops);
/* Closes all but these; who waits to be accepted there is accepted, as far as there is room. */
void listener_close_others(struct listener *const *kept, unsigned count);

/* Starts polling again all listeners that had stopped for lack of room. Called by whoever frees a client slot. Costs
   nothing when none has stopped. */
void listener_resume(void);

/* Closes all listeners (drain, stop). */
void listener_close_all(void);

/* How many are open. */
unsigned listener_count(void);

#endif
