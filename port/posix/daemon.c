/* The background: leaving the terminal, and the file with the process's number. */
#define _GNU_SOURCE
#include "posix.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PID_PATH_MAX 255

static int ready_pipe = -1; /* to the parent that waits */
static int pid_file = -1;
static char pid_path[PID_PATH_MAX + 1];

/* The parent: waits for the child's word, and ends as it went. */
static _Noreturn void wait_for_child(int from, pid_t child)
{
    char byte;
    int status = 0;
    ssize_t n;

    /* The terminal's signals are meant for both while the child starts. */
    (void)signal(SIGINT, SIG_DFL);
    (void)signal(SIGTERM, SIG_DFL);
    do
        n = read(from, &byte, 1);
    while (n < 0 && errno == EINTR);
    if (n == 1)
        _exit(0);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    if (WIFSIGNALED(status))
        port_print(true, "culvert: error: ended by a signal while it started\n");
    _exit(1);
}

bool port_detach(void)
{
    int ends[2];
    pid_t child;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    child = fork();
    if (child < 0) {
        close(ends[0]);
        close(ends[1]);
        return false;
    }
    if (child > 0) {
        close(ends[1]);
        wait_for_child(ends[0], child);
    }
    close(ends[0]);
    ready_pipe = ends[1];
    setsid();
    return true;
}

/* A regular file stays; a terminal or a pipe would be held open by a process that nobody sees. */
static void let_go(int fd, int null)
{
    struct stat info;

    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
        dup2(null, fd);
}

void port_detached(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (ready_pipe < 0)
        return;
    for (int fd = STDIN_FILENO; null >= 0 && fd <= STDERR_FILENO; fd++)
        let_go(fd, null);
    if (null > STDERR_FILENO)
        close(null);
    posix_log_init();
    while (write(ready_pipe, "r", 1) < 0 && errno == EINTR)
        continue;
    close(ready_pipe);
    ready_pipe = -1;
}

/* A second name of somebody's file would empty that one. */
static bool is_alone(int fd)
{
    struct stat info;

    if (fstat(fd, &info) != 0 || (S_ISREG(info.st_mode) && info.st_nlink == 1))
        return true;
    errno = ELOOP;
    return false;
}

enum port_result port_pid_open(const char *path)
{
    char number[16];
    int len = snprintf(number, sizeof(number), "%ld\n", (long)getpid());
    int fd;

    if (strlen(path) >= sizeof(pid_path))
        return posix_fail(ENAMETOOLONG);
    /* A link could lead root anywhere. */
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK, 0644);
    if (fd < 0)
        return posix_fail(errno);
    if (!posix_fits(fd))
        return PORT_ERROR;
    if (!is_alone(fd) || flock(fd, LOCK_EX | LOCK_NB) != 0 || ftruncate(fd, 0) != 0 ||
        write(fd, number, (size_t)len) != len) {
        int error = errno == EWOULDBLOCK ? EADDRINUSE : errno;

        close(fd);
        return posix_fail(error);
    }
    memcpy(pid_path, path, strlen(path) + 1);
    pid_file = fd;
    return PORT_OK;
}

void port_pid_close(void)
{
    struct stat ours, there;

    if (pid_file < 0)
        return;
    /* Who has no right to remove it any more leaves it empty. */
    if (fstat(pid_file, &ours) == 0 && lstat(pid_path, &there) == 0 && ours.st_dev == there.st_dev &&
        ours.st_ino == there.st_ino)
        unlink(pid_path);
    if (ftruncate(pid_file, 0) != 0)
        errno = 0;
    close(pid_file);
    pid_file = -1;
}
