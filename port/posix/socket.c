/* Sockets on POSIX: TCP over IPv4 and IPv6 (unix.c has the others), never blocking, without Nagle's delay. */
#define _GNU_SOURCE
#include "posix.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* Whether an accepted socket takes TCP_NODELAY over from its listener (as on Linux and the BSDs): asked once. */
static enum { NODELAY_UNKNOWN, NODELAY_INHERITED, NODELAY_SET_EACH } nodelay;

static socklen_t address_of(const struct port_addr *addr, union address *out)
{
    memset(out, 0, sizeof(*out));
    if (addr->family == PORT_IPV6) {
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons(addr->port);
        memcpy(&out->v6.sin6_addr, addr->ip, 16);
        return sizeof(out->v6);
    }
    out->v4.sin_family = AF_INET;
    out->v4.sin_port = htons(addr->port);
    memcpy(&out->v4.sin_addr, addr->ip, 4);
    return sizeof(out->v4);
}

static void address_read(const union address *in, struct port_addr *addr)
{
    memset(addr, 0, sizeof(*addr));
    if (in->any.sa_family == AF_INET6) {
        addr->family = PORT_IPV6;
        addr->port = ntohs(in->v6.sin6_port);
        memcpy(addr->ip, &in->v6.sin6_addr, 16);
    } else if (in->any.sa_family == AF_INET) {
        addr->family = PORT_IPV4;
        addr->port = ntohs(in->v4.sin_port);
        memcpy(addr->ip, &in->v4.sin_addr, 4);
    } else if (in->any.sa_family == AF_UNIX) {
        addr->family = PORT_UNIX;
    }
}

/* A new socket for an address's family, or -1 with the fault set by posix_fail. */
static int socket_of(const struct port_addr *addr, int type)
{
    int fd;

    if (addr->family != PORT_IPV4 && !(IS_ENABLED(CONFIG_IPV6) && addr->family == PORT_IPV6)) {
        posix_fail(EAFNOSUPPORT);
        return -1;
    }
    fd = socket(addr->family == PORT_IPV6 ? AF_INET6 : AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        posix_fail(errno);
        return -1;
    }
    return posix_fits(fd) ? fd : -1;
}

static int socket_open(const struct port_addr *addr)
{
    int one = 1;
    int fd = socket_of(addr, SOCK_STREAM);

    if (fd >= 0)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

/* Closes a socket that could not be used; the fault is that of errno. */
static enum port_result socket_give_up(int fd)
{
    enum port_result result = posix_fail(errno);

    close(fd);
    return result;
}

static enum port_result tcp_listen(const struct port_addr *addr, unsigned backlog, port_handle *out)
{
    union address address;
    socklen_t len = address_of(addr, &address);
    int one = 1;
    int fd = socket_open(addr);

    if (fd < 0)
        return PORT_ERROR;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0)
        return socket_give_up(fd);
    if (addr->family == PORT_IPV6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) != 0)
        return socket_give_up(fd);
    if (bind(fd, &address.any, len) != 0 || listen(fd, backlog > INT16_MAX ? INT16_MAX : (int)backlog) != 0)
        return socket_give_up(fd);
    *out = fd;
    return PORT_OK;
}

enum port_result port_listen(const struct port_addr *addr, unsigned backlog, unsigned mode, port_handle *out)
{
    *out = PORT_NO_HANDLE;
    return addr->family == PORT_UNIX ? posix_unix_listen(addr, backlog, mode, out) : tcp_listen(addr, backlog, out);
}

/* Switches Nagle's delay off for an accepted socket, where it is not off already. */
static void accepted_nodelay(int fd)
{
    int value = 0;
    socklen_t len = sizeof(value);

    if (nodelay == NODELAY_INHERITED)
        return;
    if (nodelay == NODELAY_UNKNOWN) {
        if (getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &len) == 0)
            nodelay = value != 0 ? NODELAY_INHERITED : NODELAY_SET_EACH;
    }
    if (nodelay != NODELAY_INHERITED) {
        value = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, sizeof(value));
    }
}

enum port_result port_accept(port_handle listener, port_handle *out, struct port_addr *peer)
{
    union address address;
    socklen_t len = sizeof(address);
    int fd;

    *out = PORT_NO_HANDLE;
    memset(&address, 0, sizeof(address));
    do
        fd = accept4(listener, &address.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    while (fd < 0 && errno == EINTR);
    if (fd < 0) {
        switch (errno) {
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM:
        case EBADF:
        case EINVAL:
        case ENOTSOCK: return posix_fail(errno);
        default: return PORT_AGAIN; /* none waits, or the one that waited failed on its way */
        }
    }
    if (!posix_fits(fd))
        return PORT_ERROR;
    address_read(&address, peer);
    if (peer->family != PORT_UNIX)
        accepted_nodelay(fd);
    *out = fd;
    return PORT_OK;
}

/* Keep-alive: a silent path is asked about after 15 s, and given up after 30 s; bytes that nobody acknowledges are,
   too. The PINGs of HTTP/2 are the finer means; these also see a path that is lost while nobody waits for anything. */
static const struct {
    int level, option, value;
} keep_alive[] = {
    {SOL_SOCKET, SO_KEEPALIVE, 1},
#ifdef TCP_KEEPIDLE
    {IPPROTO_TCP, TCP_KEEPIDLE, 15}, /* s */
    {IPPROTO_TCP, TCP_KEEPINTVL, 5}, /* s */
    {IPPROTO_TCP, TCP_KEEPCNT, 3},
#endif
#ifdef TCP_USER_TIMEOUT
    {IPPROTO_TCP, TCP_USER_TIMEOUT, 30000}, /* ms */
#endif
};

static void set_keep_alive(int fd)
{
    for (size_t i = 0; i < ARRAY_SIZE(keep_alive); i++) /* where it fails the connection works without */
        (void)setsockopt(fd, keep_alive[i].level, keep_alive[i].option, &keep_alive[i].value,
                         sizeof(keep_alive[i].value));
}

static enum port_result tcp_connect(const struct port_addr *addr, port_handle *out)
{
    union address address;
    socklen_t len = address_of(addr, &address);
    int fd = socket_open(addr);

    if (fd < 0)
        return PORT_ERROR;
    set_keep_alive(fd);
    if (connect(fd, &address.any, len) == 0) {
        *out = fd;
        return PORT_OK;
    }
    if (errno != EINPROGRESS && errno != EINTR)
        return socket_give_up(fd);
    *out = fd;
    return PORT_AGAIN;
}

enum port_result port_connect(const struct port_addr *addr, port_handle *out)
{
    *out = PORT_NO_HANDLE;
    return addr->family == PORT_UNIX ? posix_unix_connect(addr, out) : tcp_connect(addr, out);
}

enum port_result posix_udp_open(const struct port_addr *addr, port_handle *out)
{
    union address address;
    socklen_t len = address_of(addr, &address);
    int fd = socket_of(addr, SOCK_DGRAM);

    if (fd < 0)
        return PORT_ERROR;
    if (connect(fd, &address.any, len) != 0)
        return socket_give_up(fd);
    *out = fd;
    return PORT_OK;
}

enum port_result port_connect_result(port_handle handle)
{
    union address address;
    socklen_t len = sizeof(address);
    int error = 0;
    socklen_t error_len = sizeof(error);

    if (getsockopt(handle, SOL_SOCKET, SO_ERROR, &error, &error_len) != 0)
        return posix_fail(errno);
    if (error != 0)
        return posix_fail(error);
    if (getpeername(handle, &address.any, &len) == 0)
        return PORT_OK;
    return errno == ENOTCONN ? PORT_AGAIN : posix_fail(errno);
}

static enum port_result receive(port_handle handle, void *buf, size_t cap, int flags, size_t *n)
{
    ssize_t got;

    *n = 0;
    do
        got = recv(handle, buf, cap, flags);
    while (got < 0 && errno == EINTR);
    if (got > 0) {
        *n = (size_t)got;
        return PORT_OK;
    }
    if (got == 0)
        return PORT_END;
    return errno == EAGAIN || errno == EWOULDBLOCK ? PORT_AGAIN : posix_fail(errno);
}

enum port_result port_read(port_handle handle, void *buf, size_t cap, size_t *n)
{
    return receive(handle, buf, cap, 0, n);
}

enum port_result port_peek(port_handle handle, void *buf, size_t cap, size_t *n)
{
    return receive(handle, buf, cap, MSG_PEEK, n);
}

/* sendmsg of at most PORT_IOV_MAX segments, without SIGPIPE. */
static ssize_t send_segments(port_handle handle, const struct port_iov *iov, unsigned count)
{
    struct iovec parts[PORT_IOV_MAX];
    struct msghdr message;

    if (count > PORT_IOV_MAX)
        count = PORT_IOV_MAX;
    for (unsigned i = 0; i < count; i++)
        parts[i] = (struct iovec){.iov_base = (void *)(uintptr_t)iov[i].base, .iov_len = iov[i].len};
    memset(&message, 0, sizeof(message));
    message.msg_iov = parts;
    /* An int for musl, a size_t for glibc: 16 bits become either without a loss. */
    message.msg_iovlen = (uint16_t)count;
    return sendmsg(handle, &message, MSG_NOSIGNAL);
}

enum port_result port_writev(port_handle handle, const struct port_iov *iov, unsigned count, size_t *n)
{
    ssize_t taken;

    *n = 0;
    do
        taken = count == 1 ? send(handle, iov[0].base, iov[0].len, MSG_NOSIGNAL) : send_segments(handle, iov, count);
    while (taken < 0 && errno == EINTR);
    if (taken > 0) {
        *n = (size_t)taken;
        return PORT_OK;
    }
    /* Linux answers ENOBUFS to nobody here; elsewhere it means a full queue for a moment. */
    return taken == 0 || errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS ? PORT_AGAIN : posix_fail(errno);
}

void port_shutdown(port_handle handle)
{
    shutdown(handle, SHUT_WR);
}

void port_close(port_handle handle, bool abort)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    if (handle < 0)
        return;
    posix_watch_forget(handle);
    posix_unix_forget(handle);
    posix_serial_forget(handle, abort);
    if (!posix_log_forget(handle))
        return;
    if (abort)
        setsockopt(handle, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    close(handle);
}

uint16_t port_local(port_handle handle)
{
    union address address;
    socklen_t len = sizeof(address);
    struct port_addr local;

    memset(&address, 0, sizeof(address));
    if (getsockname(handle, &address.any, &len) != 0)
        return 0;
    address_read(&address, &local);
    return local.port;
}
