/* Readiness by epoll(7): the kernel keeps the table, so that a wait costs nothing for connections that are idle. */
#define _GNU_SOURCE
#include "posix.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

/* Events of one epoll_wait; the kernel keeps the others, and everybody has a turn. */
#define EVENTS_MOST 256

static int queue = -1;
static int wake_pipe = -1;
static struct {
    void *user;
    bool known; /* to the queue */
} watched[POSIX_HANDLES];

bool posix_watch_init(int wake)
{
    struct epoll_event event = {.events = EPOLLIN, .data = {.fd = wake}};

    wake_pipe = wake;
    queue = epoll_create1(EPOLL_CLOEXEC);
    return queue >= 0 && posix_fits(queue) && epoll_ctl(queue, EPOLL_CTL_ADD, wake, &event) == 0;
}

void posix_watch_forget(port_handle handle)
{
    struct epoll_event none = {.events = 0};

    if (handle < 0 || handle >= POSIX_HANDLES || !watched[handle].known)
        return;
    watched[handle].known = false;
    epoll_ctl(queue, EPOLL_CTL_DEL, handle, &none);
}

bool port_watch(port_handle handle, unsigned interest, void *user)
{
    struct epoll_event event = {.data = {.fd = handle}};

    if (handle < 0 || handle >= POSIX_HANDLES)
        return false;
    if (interest == 0) {
        /* epoll(7) would report errors of a handle even if it asked for nothing. */
        posix_watch_forget(handle);
        return true;
    }
    event.events = ((interest & PORT_READABLE) != 0 ? (uint32_t)(EPOLLIN | EPOLLRDHUP) : 0u) |
                   ((interest & PORT_WRITABLE) != 0 ? (uint32_t)EPOLLOUT : 0u);
    if (epoll_ctl(queue, watched[handle].known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, handle, &event) != 0)
        return false;
    watched[handle].known = true;
    watched[handle].user = user;
    return true;
}

static unsigned ready_of(uint32_t events)
{
    return ((events & EPOLLIN) != 0 ? PORT_READABLE : 0u) | ((events & EPOLLOUT) != 0 ? PORT_WRITABLE : 0u) |
           ((events & (EPOLLERR | EPOLLHUP)) != 0 ? PORT_BROKEN : 0u) | ((events & EPOLLRDHUP) != 0 ? PORT_ENDED : 0u);
}

/* Empties the pipe that signals write to. */
static void wake_drain(void)
{
    char bytes[64];
    ssize_t n;

    do
        n = read(wake_pipe, bytes, sizeof(bytes));
    while (n == (ssize_t)sizeof(bytes) || (n < 0 && errno == EINTR));
}

unsigned port_poll(int timeout_ms, struct port_event *events, unsigned max)
{
    struct epoll_event ready[EVENTS_MOST];
    int count = epoll_wait(queue, ready, max < EVENTS_MOST ? (int)max : EVENTS_MOST, posix_lookup_wait(timeout_ms));
    unsigned found = 0;

    for (int i = 0; i < count; i++) {
        int fd = ready[i].data.fd;

        if (fd == wake_pipe) {
            wake_drain();
            continue;
        }
        if (!posix_lookup_note(watched[fd].user, ready_of(ready[i].events)))
            events[found++] = (struct port_event){watched[fd].user, ready_of(ready[i].events)};
    }
    return found + posix_lookup_report(events + found, max - found);
}
