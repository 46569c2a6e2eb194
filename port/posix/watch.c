/* Readiness by poll(2). The table persists, so that setting an interest costs no system call. */
#define _GNU_SOURCE
#include "posix.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#ifndef POLLRDHUP /* Linux has it */
#define POLLRDHUP 0
#endif

/* Slot 0 is the pipe that signals write to. The others are dense, in no order; the user of slot i is users[i]. */
static struct pollfd slots[POSIX_HANDLES + 1];
static void *users[POSIX_HANDLES + 1];
static unsigned slot_count = 0;         /* in use, with slot 0 */
static uint32_t slot_of[POSIX_HANDLES]; /* by handle; 0: none */
static unsigned start = 1;              /* where the next search for events begins */

bool posix_watch_init(int wake)
{
    slots[0] = (struct pollfd){.fd = wake, .events = POLLIN};
    slot_count = 1;
    return true;
}

void posix_watch_forget(port_handle handle)
{
    uint32_t slot = handle >= 0 && handle < POSIX_HANDLES ? slot_of[handle] : 0;
    unsigned last;

    if (slot == 0)
        return;
    slot_of[handle] = 0;
    last = --slot_count;
    if (slot == last)
        return;
    slots[slot] = slots[last];
    users[slot] = users[last];
    slot_of[slots[slot].fd] = slot;
}

bool port_watch(port_handle handle, unsigned interest, void *user)
{
    uint32_t slot;

    if (handle < 0 || handle >= POSIX_HANDLES)
        return false;
    if (interest == 0) {
        /* poll(2) would report errors of a slot even if it asked for nothing. */
        posix_watch_forget(handle);
        return true;
    }
    slot = slot_of[handle];
    if (slot == 0) {
        slot = slot_count++;
        slot_of[handle] = slot;
        slots[slot].fd = handle;
    }
    slots[slot].events = (short)(((interest & PORT_READABLE) != 0 ? POLLIN | POLLRDHUP : 0) |
                                 ((interest & PORT_WRITABLE) != 0 ? POLLOUT : 0));
    users[slot] = user;
    return true;
}

static unsigned ready_of(short revents)
{
    return ((revents & POLLIN) != 0 ? PORT_READABLE : 0u) | ((revents & POLLOUT) != 0 ? PORT_WRITABLE : 0u) |
           ((revents & (POLLERR | POLLHUP | POLLNVAL)) != 0 ? PORT_BROKEN : 0u) |
           ((revents & POLLRDHUP) != 0 ? PORT_ENDED : 0u);
}

/* Empties the pipe that signals write to. */
static void wake_drain(void)
{
    char bytes[64];
    ssize_t n;

    do
        n = read(slots[0].fd, bytes, sizeof(bytes));
    while (n == (ssize_t)sizeof(bytes) || (n < 0 && errno == EINTR));
}

unsigned port_poll(int timeout_ms, struct port_event *events, unsigned max)
{
    int ready = poll(slots, slot_count, posix_lookup_wait(timeout_ms));
    unsigned found = 0;
    unsigned at;

    if (ready > 0 && slots[0].revents != 0) {
        wake_drain();
        ready--;
    }
    /* The search goes on where the last one ended: with more events than `max` everybody has a turn. */
    at = start < slot_count ? start : 1;
    for (unsigned looked = 1; looked < slot_count && ready > 0 && found < max; looked++) {
        if (slots[at].revents != 0) {
            if (!posix_lookup_note(users[at], ready_of(slots[at].revents)))
                events[found++] = (struct port_event){users[at], ready_of(slots[at].revents)};
            ready--;
        }
        at = at + 1 < slot_count ? at + 1 : 1;
    }
    start = at;
    return found + posix_lookup_report(events + found, max - found);
}
