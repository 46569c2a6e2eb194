/* The simulated network: connections between the core and its peers, with bounded buffers and latency. */
#ifndef CULVERT_TESTS_SIM_NET_H
#define CULVERT_TESTS_SIM_NET_H

#include "sim.h"

/* The two ends of a connection. */
enum end { CORE, PEER };

struct link;

/* A new connection whose buffers hold `buffer` bytes each way. */
struct link *link_new(uint32_t buffer, uint32_t latency_ms);

/* Takes up to len bytes from `end`. Returns how many; 0: no room, or reset (ask link_broken). */
size_t link_write(struct link *link, enum end end, const void *bytes, size_t len);

/* PORT_OK, PORT_AGAIN, PORT_END, or PORT_ERROR for a reset. */
enum port_result link_read(struct link *link, enum end end, void *buf, size_t cap, size_t *n);

/* The same, but the bytes stay. */
enum port_result link_peek(struct link *link, enum end end, void *buf, size_t cap, size_t *n);

/* Ends what `end` sends. */
void link_shutdown(struct link *link, enum end end);

/* Closes an end. As on a real host, unread bytes at that time, and bytes that arrive later, make it a reset. The link
   is gone when both ends are closed. */
void link_close(struct link *link, enum end end, bool abort);

/* What poll would say. */
unsigned link_ready(struct link *link, enum end end);
/* Whether the other end has ended its side, so far as this one can know; there may be bytes to read before that. */
bool link_ended(const struct link *link, enum end end);
bool link_broken(struct link *link, enum end end);

/* When the next thing arrives at either end; SIM_NEVER when nothing is on its way. */
uint64_t links_next(void);
void links_reset(void);

/* Bytes that `end` has sent so far. */
uint64_t link_sent(const struct link *link, enum end end);

/* ---- who listens ---- */

enum host_mode {
    HOST_ACCEPTS,
    HOST_REFUSES,     /* a reset answers the SYN */
    HOST_SILENT,      /* nothing answers */
    HOST_UNREACHABLE, /* port_connect fails at once */
    HOST_AT_ONCE,     /* port_connect succeeds at once */
};

/* A peer that accepts connections of the core. */
struct sim_host {
    struct sim_host *next;
    struct port_addr addr;
    enum host_mode mode;
    uint32_t connects; /* attempts */
    void (*accept)(struct sim_host *host, struct link *link, uint16_t core_port);
};
void sim_add_host(struct sim_host *host);
struct sim_host *sim_find_host(const struct port_addr *addr);

/* Connects a client to a listening port of the core from 192.0.2.x. NULL: nobody listens, or the backlog is full. */
struct link *sim_connect(uint16_t port);

/* Brings connections of the core under way to their end. True when one was. */
bool sim_port_step(void);
uint64_t sim_port_next(void);

struct port_addr sim_addr(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port);

#endif
