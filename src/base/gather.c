/* Gathers the segments of one write. */
#include "base/gather.h"

#include "base/panic.h"

static uint8_t output[CONFIG_OUTPUT_SIZE]; /* the process's one output buffer */
static struct gather the_gather;

struct gather *gather_begin(void)
{
    the_gather.count = 0;
    the_gather.total = 0;
    the_gather.made = 0;
    the_gather.joins = false;
    return &the_gather;
}

size_t gather_room(const struct gather *g)
{
    return g->joins || g->count < PORT_IOV_MAX ? sizeof(output) - g->made : 0;
}

uint8_t *gather_space(struct gather *g)
{
    return output + g->made;
}

void gather_made(struct gather *g, size_t n)
{
    if (n > gather_room(g))
        panic("gather", "more was made than there is room");
    if (n == 0)
        return;
    if (g->joins)
        g->iov[g->count - 1].len += n;
    else
        g->iov[g->count++] = (struct port_iov){.base = output + g->made, .len = n};
    g->joins = true;
    g->made += n;
    g->total += n;
}

bool gather_put(struct gather *g, const void *bytes, size_t len)
{
    if (len > gather_room(g))
        return false;
    if (len > 0)
        memcpy(gather_space(g), bytes, len);
    gather_made(g, len);
    return true;
}

bool gather_ref(struct gather *g, const void *bytes, size_t len)
{
    if (len == 0)
        return true;
    if (g->count == PORT_IOV_MAX)
        return false;
    g->iov[g->count++] = (struct port_iov){.base = bytes, .len = len};
    g->joins = false;
    g->total += len;
    return true;
}

size_t gather_rest(const struct gather *g, size_t skip, void *buf, size_t cap)
{
    uint8_t *to = buf;
    size_t done = 0;

    for (unsigned i = 0; i < g->count && done < cap; i++) {
        const struct port_iov *iov = &g->iov[i];
        size_t part;

        if (skip >= iov->len) {
            skip -= iov->len;
            continue;
        }
        part = min_size(iov->len - skip, cap - done);
        memcpy(to + done, iov->base + skip, part);
        done += part;
        skip = 0;
    }
    return done;
}
