/* Files on POSIX: the configuration, and the operator's terminal. */
#define _GNU_SOURCE
#include "posix.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

static void stamp_put(uint64_t *stamp, uint64_t part)
{
    *stamp = (*stamp ^ part) * 0x9e3779b97f4a7c15U;
    *stamp ^= *stamp >> 29;
}

bool port_file_stamp(const char *path, uint64_t *stamp)
{
    struct stat info;

    *stamp = 0;
    if (stat(path, &info) != 0)
        return false;
    stamp_put(stamp, (uint64_t)info.st_dev);
    stamp_put(stamp, (uint64_t)info.st_ino);
    stamp_put(stamp, (uint64_t)info.st_size);
    stamp_put(stamp, (uint64_t)info.st_mtim.tv_sec);
    stamp_put(stamp, (uint64_t)info.st_mtim.tv_nsec);
    stamp_put(stamp, (uint64_t)info.st_ctim.tv_sec);
    stamp_put(stamp, (uint64_t)info.st_ctim.tv_nsec);
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
