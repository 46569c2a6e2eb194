/* Unix sockets: their files are replaced when they are stale, and removed with their listeners. */
#define _GNU_SOURCE
#include "posix.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Those of a configuration, and of the one that follows it. */
#define SOCKET_FILES (CONFIG_LISTENERS * (IS_ENABLED(CONFIG_RELOAD) ? 2 : 1))

/* A listener's file. It is removed only if it is still the one that was made. */
static struct socket_file {
    int fd; /* 0: this entry is free (0 is a standard stream's) */
    dev_t device;
    ino_t inode;
    char path[PORT_PATH_MAX + 1];
} files[SOCKET_FILES];
static unsigned file_count;

static bool address_of(const struct port_addr *addr, struct sockaddr_un *out)
{
    size_t len = addr->path != NULL ? strlen(addr->path) : 0;

    memset(out, 0, sizeof(*out));
    out->sun_family = AF_UNIX;
    if (len == 0 || len > PORT_PATH_MAX || len >= sizeof(out->sun_path)) {
        posix_fail(EINVAL);
        return false;
    }
    memcpy(out->sun_path, addr->path, len);
    return true;
}

static int socket_open(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        posix_fail(errno);
    else if (!posix_fits(fd))
        fd = -1;
    return fd;
}

static enum port_result give_up(int fd, int error)
{
    close(fd);
    return posix_fail(error);
}

/* Whether the file is a socket that nobody listens on: who connects is refused. */
static bool is_stale(const struct sockaddr_un *address)
{
    struct stat status;
    bool refused;
    int fd;

    if (lstat(address->sun_path, &status) != 0 || !S_ISSOCK(status.st_mode))
        return false;
    fd = socket_open();
    if (fd < 0)
        return false;
    refused = connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 && errno == ECONNREFUSED;
    close(fd);
    return refused;
}

/* Binds with the file's permissions as they shall be from its first moment on. */
static int bind_file(int fd, const struct sockaddr_un *address, unsigned mode)
{
    mode_t before = umask((mode_t)(0777 & ~mode));
    int result = bind(fd, (const struct sockaddr *)address, sizeof(*address));
    int error = errno;

    umask(before);
    errno = error;
    return result;
}

static struct socket_file *free_entry(void)
{
    for (unsigned i = 0; i < SOCKET_FILES; i++)
        if (files[i].fd == 0)
            return &files[i];
    return NULL;
}

enum port_result posix_unix_listen(const struct port_addr *addr, unsigned backlog, unsigned mode, port_handle *out)
{
    struct socket_file *file = free_entry();
    struct sockaddr_un address;
    struct stat status;
    int fd;

    if (file == NULL)
        return posix_fail(EMFILE);
    if (!address_of(addr, &address) || (fd = socket_open()) < 0)
        return PORT_ERROR;
    if (bind_file(fd, &address, mode) != 0) {
        if (errno != EADDRINUSE)
            return give_up(fd, errno);
        if (!is_stale(&address))
            return give_up(fd, EADDRINUSE);
        if (unlink(address.sun_path) != 0 || bind_file(fd, &address, mode) != 0)
            return give_up(fd, errno);
    }
    if (listen(fd, backlog > INT16_MAX ? INT16_MAX : (int)backlog) != 0 || !posix_give_socket(address.sun_path) ||
        lstat(address.sun_path, &status) != 0) {
        int error = errno;

        unlink(address.sun_path);
        return give_up(fd, error);
    }
    *file = (struct socket_file){.fd = fd, .device = status.st_dev, .inode = status.st_ino};
    memcpy(file->path, address.sun_path, strlen(address.sun_path));
    file_count++;
    *out = fd;
    return PORT_OK;
}

void posix_unix_forget(port_handle handle)
{
    struct stat status;

    for (unsigned i = 0; file_count > 0 && i < SOCKET_FILES; i++) {
        struct socket_file *file = &files[i];

        if (file->fd != handle || handle == 0)
            continue;
        if (lstat(file->path, &status) == 0 && status.st_dev == file->device && status.st_ino == file->inode)
            unlink(file->path);
        file->fd = 0;
        file_count--;
        return;
    }
}

enum port_result posix_unix_connect(const struct port_addr *addr, port_handle *out)
{
    struct sockaddr_un address;
    int fd;

    if (!address_of(addr, &address) || (fd = socket_open()) < 0)
        return PORT_ERROR;
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0) {
        *out = fd;
        return PORT_OK;
    }
    /* EAGAIN: the listener's queue is full. There is nothing to wait for, so that is a refusal. */
    if (errno != EINPROGRESS && errno != EINTR)
        return give_up(fd, errno == EAGAIN ? ECONNREFUSED : errno);
    *out = fd;
    return PORT_AGAIN;
}
