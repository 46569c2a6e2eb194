/* Host names on POSIX, looked up at start-up. */
#define _GNU_SOURCE
#include "posix.h"

#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

/* Makes a port_addr of a result. False when its family is not used here. */
static bool resolved(const struct addrinfo *info, uint16_t port, struct port_addr *addr)
{
    memset(addr, 0, sizeof(*addr));
    addr->port = port;
    if (info->ai_family == AF_INET) {
        struct sockaddr_in v4;

        memcpy(&v4, info->ai_addr, sizeof(v4));
        memcpy(addr->ip, &v4.sin_addr, 4);
        addr->family = PORT_IPV4;
        return true;
    }
    if (IS_ENABLED(CONFIG_IPV6) && info->ai_family == AF_INET6) {
        struct sockaddr_in6 v6;

        memcpy(&v6, info->ai_addr, sizeof(v6));
        memcpy(addr->ip, &v6.sin6_addr, 16);
        addr->family = PORT_IPV6;
        return true;
    }
    return false;
}

static bool known(const struct port_addr *addrs, unsigned count, const struct port_addr *addr)
{
    for (unsigned i = 0; i < count; i++)
        if (addrs[i].family == addr->family && memcmp(addrs[i].ip, addr->ip, sizeof(addr->ip)) == 0)
            return true;
    return false;
}

static unsigned lookup(const char *name, uint16_t port, struct port_addr *addrs, unsigned max)
{
    const struct addrinfo hints = {.ai_family = IS_ENABLED(CONFIG_IPV6) ? AF_UNSPEC : AF_INET,
                                   .ai_socktype = SOCK_STREAM};
    struct addrinfo *results = NULL;
    struct port_addr addr;
    unsigned count = 0;

    if (getaddrinfo(name, NULL, &hints, &results) != 0)
        return 0;
    for (const struct addrinfo *info = results; info != NULL && count < max; info = info->ai_next)
        if (resolved(info, port, &addr) && !known(addrs, count, &addr))
            addrs[count++] = addr;
    freeaddrinfo(results);
    return count;
}

unsigned port_resolve(const char *name, uint16_t port, struct port_addr *addrs, unsigned max)
{
    return IS_ENABLED(CONFIG_RESOLVE) ? lookup(name, port, addrs, max) : 0;
}
