/* Log sinks on POSIX: the standard streams, files, serial lines (log_serial.c) and syslog daemons (log_syslog.c). */
#define _GNU_SOURCE
#include "posix.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* A device that reports room has room for at least this (a serial line's buffer, a terminal's). */
#define DEVICE_ROOM 256

/* How a sink is written without blocking. The standard streams may be shared with other processes, so O_NONBLOCK, which
   belongs to the shared description, is not set on them. */
enum sink_kind {
    SINK_PLAIN = 0, /* write(2): a regular file, or opened by us and not blocking */
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

static enum port_result file_open(const char *path, port_handle *out)
{
    int fd;

    do
        fd = posix_open_to_give(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0640);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return posix_fail(errno);
    if (!posix_fits(fd))
        return PORT_ERROR;
    if (!posix_give_file(fd)) {
        int error = errno;

        close(fd);
        return posix_fail(error);
    }
    *out = fd;
    return PORT_OK;
}

enum port_result port_log_open(const struct port_log *log, port_handle *out)
{
    *out = PORT_NO_HANDLE;
    switch ((enum port_log_kind)log->kind) {
    case PORT_LOG_STDERR: *out = STDERR_FILENO; return PORT_OK;
    case PORT_LOG_STDOUT: *out = STDOUT_FILENO; return PORT_OK;
    case PORT_LOG_FILE: return file_open(log->path, out);
    case PORT_LOG_SERIAL: return posix_serial_open(log->path, log->speed, out);
    case PORT_LOG_MESSAGES: return posix_syslog_open(&log->addr, out);
    }
    return posix_fail(EINVAL);
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
    if (taken == 0 || errno == EAGAIN || errno == EWOULDBLOCK)
        return PORT_AGAIN;
    return errno == EMSGSIZE ? PORT_END : posix_fail(errno);
}
