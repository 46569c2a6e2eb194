/* Socket addresses as text. */
#ifndef CULVERT_BASE_ADDR_H
#define CULVERT_BASE_ADDR_H

#include "base/text.h"
#include "port.h"

/* Longest text of an address: an IPv6 one with an IPv4 tail, in brackets, with a port, and NUL. */
#define ADDR_TEXT 56

/* Parses a literal IPv4 (dotted quad, decimal, no leading zeros) or IPv6 address (RFC 4291, without brackets, no zone).
   The port is set to 0. False when it is neither. */
bool addr_parse(struct text t, struct port_addr *addr) MUST_USE;

/* Appends the address without its port (a unix socket's as "unix:/path"); IPv6 in RFC 5952's canonical form, in
   brackets when `brackets`. An IPv4-mapped IPv6 address is written as IPv4. */
void addr_put(struct textbuf *b, const struct port_addr *addr, bool brackets);

/* The same as fields show it (X-Forwarded-For; RFC 7239 6): what is no IP address is "unknown". */
void addr_put_node(struct textbuf *b, const struct port_addr *addr, bool brackets);

/* A network: the addresses whose first `bits` bits are those of addr. */
struct addr_net {
    struct port_addr addr; /* the other bits are 0 */
    uint8_t bits;
};

/* Parses "ADDRESS" or "ADDRESS/BITS". False when it is neither. */
bool addr_net_parse(struct text t, struct addr_net *net) MUST_USE;
/* Whether an address (its port does not count) is in the network. */
bool addr_net_has(const struct addr_net *net, const struct port_addr *addr);

bool addr_eq(const struct port_addr *a, const struct port_addr *b);

#endif
