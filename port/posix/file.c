/* Files on POSIX: the configuration, the log sinks, and the operator's terminal. */
#define _GNU_SOURCE
#include "posix.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* A device that reports room has room for at least this (a serial line's buffer, a terminal's). */
#define DEVICE_ROOM 256

/* How a sink is written without blocking. The standard streams may be shared with other processes, so O_NONBLOCK, which
   belongs to the shared description, is not set on them. */
enum sink_kind {
    SINK_PLAIN = 0, /* write(2): a regular file, or opened by us with O_NONBLOCK */
    SINK_PIPE,      /* ask poll(2), then at most PIPE_BUF bytes */
    SINK_SOCKET,    /* send(2) with MSG_DONTWAIT */
    SINK_DEVICE,    /* ask poll(2), then at most DEVICE_ROOM bytes */
};
static enum sink_kind standard_kinds[STDERR_FILENO + 1];

static enum sink_kind sink_kind_of(int fd)
{
    struct stat info;

    if (fstat(fd, &info) != 0 || S_ISREG(info.st_mode))
        return SINK_PLAIN;
    if (S_ISFIFO(info.st_mode))
        return SINK_PIPE;
    return S_ISSOCK(info.st_mode) ? SINK_SOCKET : SINK_DEVICE;
}

void posix_log_init(void)
{
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        standard_kinds[fd] = sink_kind_of(fd);
}

bool posix_log_forget(port_handle handle)
{
    return handle > STDERR_FILENO;
}

enum port_result port_log_open(const char *name, port_handle *out)
{
    int fd;

    *out = PORT_NO_HANDLE;
    if (name[0] == '\0') {
        *out = STDERR_FILENO;
        return PORT_OK;
    }
    if (strcmp(name, "-") == 0) {
        *out = STDOUT_FILENO;
        return PORT_OK;
    }
    do
        fd = open(name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0640);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return posix_fail(errno);
    if (!posix_fits(fd))
        return PORT_ERROR;
    *out = fd;
    return PORT_OK;
}

/* Whether a pipe or device takes bytes now. */
static bool sink_has_room(int fd)
{
    struct pollfd one = {.fd = fd, .events = POLLOUT};

    /* A pipe without a reader has POLLERR: the write tells. */
    return poll(&one, 1, 0) > 0;
}

static ssize_t sink_write(port_handle sink, enum sink_kind kind, const void *buf, size_t len)
{
    if (kind == SINK_SOCKET)
        return send(sink, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (kind == SINK_PIPE)
        len = min_size(len, PIPE_BUF);
    if (kind == SINK_DEVICE)
        len = min_size(len, DEVICE_ROOM);
    if (kind != SINK_PLAIN && !sink_has_room(sink)) {
        errno = EAGAIN;
        return -1;
    }
    return write(sink, buf, len);
}

enum port_result port_log_write(port_handle sink, const void *buf, size_t len, size_t *n)
{
    enum sink_kind kind = sink <= STDERR_FILENO ? standard_kinds[sink] : SINK_PLAIN;
    ssize_t taken;

    *n = 0;
    do
        taken = sink_write(sink, kind, buf, len);
    while (taken < 0 && errno == EINTR);
    if (taken > 0) {
        *n = (size_t)taken;
        return PORT_OK;
    }
    return taken == 0 || errno == EAGAIN || errno == EWOULDBLOCK ? PORT_AGAIN : posix_fail(errno);
}

/* Reads until cap bytes or the end. Returns false with errno set when that fails. */
static bool read_all(int fd, char *buf, size_t cap, size_t *n)
{
    while (*n < cap) {
        ssize_t got = read(fd, buf + *n, cap - *n);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return false;
        if (got == 0)
            break;
        *n += (size_t)got;
    }
    return true;
}

enum port_result port_read_file(const char *path, void *buf, size_t cap, size_t *n)
{
    enum port_result result = PORT_OK;
    size_t more = 0;
    char extra;
    int fd;

    *n = 0;
    do
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return posix_fail(errno);
    if (!read_all(fd, buf, cap, n) || (*n == cap && !read_all(fd, &extra, 1, &more)))
        result = posix_fail(errno);
    else if (more > 0)
        result = PORT_END;
    close(fd);
    return result;
}

void port_print(bool err, const char *textz)
{
    int fd = err ? STDERR_FILENO : STDOUT_FILENO;
    size_t len = strlen(textz);

    while (len > 0) {
        ssize_t n = write(fd, textz, len);

        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            struct pollfd one = {.fd = fd, .events = POLLOUT};

            poll(&one, 1, -1);
        } else if (n < 0 && errno != EINTR) {
            return;
        } else if (n > 0) {
            textz += n;
            len -= (size_t)n;
        }
    }
}
