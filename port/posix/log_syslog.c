/* Syslog daemons as log sinks: datagrams to a unix socket, or to another host over UDP. */
#define _GNU_SOURCE
#include "posix.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static enum port_result local_open(const char *path, port_handle *out)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    int fd;

    if (len > PORT_PATH_MAX || len >= sizeof(address.sun_path))
        return posix_fail(EINVAL);
    memcpy(address.sun_path, path, len);
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return posix_fail(errno);
    if (!posix_fits(fd))
        return PORT_ERROR;
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        enum port_result result = posix_fail(errno);

        close(fd);
        return result;
    }
    *out = fd;
    return PORT_OK;
}

enum port_result posix_syslog_open(const struct port_addr *addr, port_handle *out)
{
    if (addr->family == PORT_UNIX)
        return local_open(addr->path, out);
    return IS_ENABLED(CONFIG_LOG_REMOTE) ? posix_udp_open(addr, out) : posix_fail(EAFNOSUPPORT);
}
