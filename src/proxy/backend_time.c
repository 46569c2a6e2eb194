/* Shared timer classes. */
#include "proxy/backend_time.h"

#include "base/panic.h"

struct backend_time {
    struct timer_class c; /* first */
    uint32_t users;       /* 0: free */
};

static struct backend_time times[CONFIG_BACKENDS * BACKEND_TIMES];

struct timer_class *backend_time_take(uint32_t duration_ms)
{
    struct backend_time *unused = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
        if (times[i].users == 0 && !unused)
            unused = &times[i];
        if (times[i].users == 0 || times[i].c.duration_ms != duration_ms)
            continue;
        times[i].users++;
        return &times[i].c;
    }
    if (unused) {
        timer_class_init(&unused->c, "backend", duration_ms);
        unused->users = 1;
        return &unused->c;
    }
    panic("backend_time_take", "a backend takes more than BACKEND_TIMES");
}

void backend_time_give(struct timer_class *c)
{
    struct backend_time *time = container_of(c, struct backend_time, c);

    if (--time->users == 0)
        timer_class_remove(c);
}
