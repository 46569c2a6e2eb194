/* The simulated network: bytes in bounded buffers, on their way for a while, and the ends of connections. */
#include "sim_net.h"

#define FLIGHTS 64

/* One direction. Bytes [0, arrived) of `used` can be read. */
struct flow {
    uint8_t *ring;
    uint32_t cap, from, used, arrived;
    struct {
        uint64_t at;
        uint32_t len;
    } flights[FLIGHTS]; /* what is on its way, in order */
    unsigned flight_count;
    uint64_t last_at; /* nothing overtakes */
    uint64_t fin_at;  /* when the end arrives; SIM_NEVER: not sent */
    uint64_t sent;
};

struct link {
    struct link *next, *prev;
    uint32_t latency;
    struct flow flows[2]; /* by sender */
    bool open[2];
    uint64_t reset_at[2]; /* when that end learns of a reset */
};

static struct link *links;

struct link *link_new(uint32_t buffer, uint32_t latency_ms)
{
    struct link *link = sim_alloc(sizeof(*link));

    for (int i = 0; i < 2; i++) {
        link->flows[i].cap = buffer;
        link->flows[i].ring = sim_alloc(buffer);
        link->flows[i].fin_at = SIM_NEVER;
        link->reset_at[i] = SIM_NEVER;
        link->open[i] = true;
    }
    link->latency = latency_ms;
    link->next = links;
    if (links != NULL)
        links->prev = link;
    links = link;
    sim_progress();
    return link;
}

static void link_free(struct link *link)
{
    if (link->prev != NULL)
        link->prev->next = link->next;
    else
        links = link->next;
    if (link->next != NULL)
        link->next->prev = link->prev;
    sim_free(link->flows[0].ring);
    sim_free(link->flows[1].ring);
    sim_free(link);
}

void links_reset(void)
{
    links = NULL;
}

static void flow_update(struct flow *flow)
{
    unsigned landed = 0;

    while (landed < flow->flight_count && flow->flights[landed].at <= sim_now())
        flow->arrived += flow->flights[landed++].len;
    flow->flight_count -= landed;
    if (landed > 0)
        memmove(flow->flights, flow->flights + landed, flow->flight_count * sizeof(flow->flights[0]));
}

static void flow_empty(struct flow *flow)
{
    flow->used = 0;
    flow->arrived = 0;
    flow->flight_count = 0;
}

static void flow_put(struct flow *flow, const uint8_t *bytes, uint32_t len, uint64_t at)
{
    uint32_t end = (flow->from + flow->used) % flow->cap;
    uint32_t part = (uint32_t)min_size(len, flow->cap - end);

    memcpy(flow->ring + end, bytes, part);
    memcpy(flow->ring, bytes + part, len - part);
    flow->used += len;
    flow->sent += len;
    if (at < flow->last_at)
        at = flow->last_at;
    flow->last_at = at;
    if (flow->flight_count > 0 && flow->flights[flow->flight_count - 1].at == at) {
        flow->flights[flow->flight_count - 1].len += len;
    } else if (flow->flight_count == FLIGHTS) {
        flow->flights[FLIGHTS - 1].at = at;
        flow->flights[FLIGHTS - 1].len += len;
    } else {
        flow->flights[flow->flight_count].at = at;
        flow->flights[flow->flight_count++].len = len;
    }
    flow_update(flow);
}

static void flow_take(struct flow *flow, uint8_t *buf, uint32_t len)
{
    uint32_t part = (uint32_t)min_size(len, flow->cap - flow->from);

    memcpy(buf, flow->ring + flow->from, part);
    memcpy(buf + part, flow->ring, len - part);
    flow->from = (flow->from + len) % flow->cap;
    flow->used -= len;
    flow->arrived -= len;
}

static bool is_reset(const struct link *link, enum end end)
{
    return link->reset_at[end] <= sim_now();
}

static void reset_later(struct link *link, enum end end, uint64_t after_ms)
{
    uint64_t at = sim_now() + after_ms;

    if (at < link->reset_at[end])
        link->reset_at[end] = at;
}

size_t link_write(struct link *link, enum end end, const void *bytes, size_t len)
{
    struct flow *flow = &link->flows[end];

    if (!link->open[end] || flow->fin_at != SIM_NEVER)
        sim_abort("a write to an end that was closed or shut down");
    if (is_reset(link, end) || len == 0)
        return 0;
    if (!link->open[1 - end]) {
        /* Nobody is there any more: the bytes go out, and a reset comes back. */
        reset_later(link, end, 2 * link->latency);
        flow->sent += len;
        sim_progress();
        return len;
    }
    len = min_size(len, flow->cap - flow->used);
    if (len > 0) {
        flow_put(flow, bytes, (uint32_t)len, sim_now() + link->latency);
        sim_progress();
    }
    return len;
}

enum port_result link_read(struct link *link, enum end end, void *buf, size_t cap, size_t *n)
{
    struct flow *flow = &link->flows[1 - end];

    *n = 0;
    if (!link->open[end])
        sim_abort("a read from a closed end");
    flow_update(flow);
    if (is_reset(link, end) && !sim.reset_keeps)
        flow_empty(flow);
    if (flow->arrived > 0) {
        *n = min_size(cap, flow->arrived);
        flow_take(flow, buf, (uint32_t)*n);
        sim_progress();
        return PORT_OK;
    }
    if (is_reset(link, end))
        return PORT_ERROR;
    return flow->used == 0 && flow->fin_at <= sim_now() ? PORT_END : PORT_AGAIN;
}

enum port_result link_peek(struct link *link, enum end end, void *buf, size_t cap, size_t *n)
{
    struct flow *flow = &link->flows[1 - end];

    *n = 0;
    flow_update(flow);
    if (is_reset(link, end))
        return PORT_ERROR;
    for (uint8_t *to = buf; *n < cap && *n < flow->arrived; ++*n)
        to[*n] = flow->ring[(flow->from + *n) % flow->cap];
    if (*n > 0)
        return PORT_OK;
    return flow->used == 0 && flow->fin_at <= sim_now() ? PORT_END : PORT_AGAIN;
}

void link_shutdown(struct link *link, enum end end)
{
    struct flow *flow = &link->flows[end];

    if (flow->fin_at != SIM_NEVER)
        return;
    flow->fin_at = sim_now() + link->latency;
    if (flow->fin_at < flow->last_at)
        flow->fin_at = flow->last_at;
    sim_progress();
}

void link_close(struct link *link, enum end end, bool abort)
{
    struct flow *in = &link->flows[1 - end];

    if (!link->open[end])
        sim_abort("a second close of an end");
    sim_progress();
    link->open[end] = false;
    if (!link->open[1 - end]) {
        link_free(link);
        return;
    }
    flow_update(in);
    if (abort || in->arrived > 0) {
        /* What had not arrived yet is lost with it. */
        struct flow *out = &link->flows[end];

        flow_update(out);
        out->used = out->arrived;
        out->flight_count = 0;
        reset_later(link, 1 - end, link->latency);
    } else if (in->used > 0) {
        reset_later(link, 1 - end, in->last_at - sim_now() + link->latency);
    }
    flow_empty(in);
    link_shutdown(link, end);
}

unsigned link_ready(struct link *link, enum end end)
{
    struct flow *in = &link->flows[1 - end];
    struct flow *out = &link->flows[end];
    unsigned ready = 0;

    flow_update(in);
    if (is_reset(link, end))
        return PORT_READABLE | PORT_WRITABLE | PORT_BROKEN;
    if (in->arrived > 0 || (in->used == 0 && in->fin_at <= sim_now()))
        ready |= PORT_READABLE;
    if (out->used < out->cap || !link->open[1 - end])
        ready |= PORT_WRITABLE;
    if (in->fin_at <= sim_now() && out->fin_at <= sim_now())
        ready |= PORT_BROKEN;
    return ready;
}

bool link_ended(const struct link *link, enum end end)
{
    return link->flows[1 - end].fin_at <= sim_now();
}

bool link_broken(struct link *link, enum end end)
{
    return is_reset(link, end);
}

static void earlier(uint64_t *next, uint64_t at)
{
    if (at > sim_now() && at < *next)
        *next = at;
}

uint64_t links_next(void)
{
    uint64_t next = SIM_NEVER;

    for (const struct link *link = links; link != NULL; link = link->next)
        for (int i = 0; i < 2; i++) {
            if (link->flows[i].flight_count > 0)
                earlier(&next, link->flows[i].flights[0].at);
            if (link->flows[i].fin_at != SIM_NEVER)
                earlier(&next, link->flows[i].fin_at);
            if (link->reset_at[i] != SIM_NEVER)
                earlier(&next, link->reset_at[i]);
        }
    return next;
}

uint64_t link_sent(const struct link *link, enum end end)
{
    return link->flows[end].sent;
}
