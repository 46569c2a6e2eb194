/* Sockets and readiness of include/port.h in the simulated world. Misuse of the contract ends the program. */
#include "sim_net.h"

#define SLOTS 4096
#define BACKLOG 128

enum slot_kind { SLOT_FREE, SLOT_LISTENER, SLOT_CONNECTING, SLOT_LINK };

struct slot {
    enum slot_kind kind;
    uint32_t generation; /* so that a closed handle is never valid again */
    unsigned interest;
    void *user;
    struct port_addr addr; /* listener: its own; connecting: the host's */
    struct link *backlog[BACKLOG];
    struct port_addr peers[BACKLOG];
    unsigned waiting;
    struct link *link;
    bool dead; /* an injected error killed it */
    uint16_t local;
    uint64_t connect_at; /* when the connect ends */
    enum port_fault connect_fault;
};

static struct slot slots[SLOTS];
static unsigned slots_used; /* slots below this may be in use */
static unsigned rotor;      /* where the next poll begins to look */
static uint16_t next_port;
static struct sim_host *hosts;

void sim_port_reset(void)
{
    for (unsigned i = 0; i < slots_used; i++)
        slots[i].kind = SLOT_FREE;
    slots_used = 0;
    rotor = 0;
    next_port = 40000;
    hosts = NULL;
    sim_lookup_reset();
}

static enum port_result fail(enum port_fault why)
{
    sim_set_fault(why);
    return PORT_ERROR;
}

/* ---- handles: 12 bits of index, the rest generation ---- */

static port_handle handle_of(const struct slot *slot)
{
    return (port_handle)((slot->generation & 0x7ffff) << 12 | (uint32_t)(slot - slots));
}

static struct slot *slot_new(enum slot_kind kind)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        struct slot *slot = &slots[i];
        uint32_t generation = slot->generation + 1;

        if (slot->kind != SLOT_FREE)
            continue;
        *slot = (struct slot){.kind = kind, .generation = generation};
        if (i >= slots_used)
            slots_used = i + 1;
        sim_progress();
        return slot;
    }
    sim_abort("the simulator is out of handles");
}

static struct slot *slot_of(port_handle handle, const char *what)
{
    struct slot *slot = &slots[(uint32_t)handle & (SLOTS - 1)];

    if (handle < 0 || slot->kind == SLOT_FREE || handle_of(slot) != handle)
        sim_abort("%s of a handle that is not open: %d", what, (int)handle);
    return slot;
}

static struct slot *link_slot_of(port_handle handle, const char *what)
{
    struct slot *slot = slot_of(handle, what);

    if (slot->kind != SLOT_LINK)
        sim_abort("%s of a handle that is no connection", what);
    return slot;
}

unsigned sim_open_handles(void)
{
    unsigned count = 0;

    for (unsigned i = 0; i < slots_used; i++)
        count += slots[i].kind != SLOT_FREE;
    return count;
}

/* ---- sockets ---- */

struct port_addr sim_addr(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port)
{
    return (struct port_addr){.ip = {a, b, c, d}, .port = port, .family = PORT_IPV4};
}

void sim_add_host(struct sim_host *host)
{
    host->next = hosts;
    hosts = host;
}

static bool same_addr(const struct port_addr *a, const struct port_addr *b)
{
    if (a->family != b->family || a->port != b->port)
        return false;
    return a->family == PORT_UNIX ? strcmp(a->path, b->path) == 0 : memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

struct sim_host *sim_find_host(const struct port_addr *addr)
{
    for (struct sim_host *host = hosts; host != NULL; host = host->next)
        if (same_addr(&host->addr, addr))
            return host;
    return NULL;
}

enum port_result port_listen(const struct port_addr *addr, unsigned backlog, unsigned mode, port_handle *out)
{
    struct slot *slot;

    (void)backlog, (void)mode;
    *out = PORT_NO_HANDLE;
    if (sim_inject() == SIM_DO_ERROR)
        return fail(PORT_FAULT_DENIED);
    for (unsigned i = 0; i < slots_used; i++)
        if (slots[i].kind == SLOT_LISTENER && same_addr(&slots[i].addr, addr))
            return fail(PORT_FAULT_IN_USE);
    slot = slot_new(SLOT_LISTENER);
    slot->addr = *addr;
    *out = handle_of(slot);
    return PORT_OK;
}

struct link *sim_connect(uint16_t port)
{
    for (unsigned i = 0; i < slots_used; i++) {
        struct slot *slot = &slots[i];
        struct link *link;

        if (slot->kind != SLOT_LISTENER || slot->addr.port != port || slot->waiting == BACKLOG)
            continue;
        link = link_new(sim.client_buffer, sim.latency_ms);
        slot->peers[slot->waiting] = sim_addr(192, 0, 2, (uint8_t)(1 + next_port % 250), next_port);
        next_port++;
        slot->backlog[slot->waiting++] = link;
        return link;
    }
    return NULL;
}

enum port_result port_accept(port_handle listener, port_handle *out, struct port_addr *peer)
{
    struct slot *from = slot_of(listener, "accept");
    enum sim_injected injected = sim_inject();
    struct slot *slot;

    *out = PORT_NO_HANDLE;
    if (from->kind != SLOT_LISTENER)
        sim_abort("accept of a handle that is no listener");
    if (injected == SIM_DO_ERROR)
        return fail(PORT_FAULT_LIMIT);
    if (from->waiting == 0 || injected == SIM_DO_AGAIN)
        return PORT_AGAIN;
    slot = slot_new(SLOT_LINK);
    slot->link = from->backlog[0];
    slot->local = from->addr.port;
    *peer = from->peers[0];
    from->waiting--;
    memmove(from->backlog, from->backlog + 1, from->waiting * sizeof(from->backlog[0]));
    memmove(from->peers, from->peers + 1, from->waiting * sizeof(from->peers[0]));
    *out = handle_of(slot);
    return PORT_OK;
}

/* The connection comes to be; the host has its end at once. */
static void connect_done(struct slot *slot)
{
    struct sim_host *host = sim_find_host(&slot->addr);

    if (host == NULL || host->mode == HOST_REFUSES || host->accept == NULL) {
        slot->connect_fault = PORT_FAULT_REFUSED;
        return;
    }
    slot->kind = SLOT_LINK;
    slot->link = link_new(sim.origin_buffer, sim.latency_ms);
    host->accept(host, slot->link, slot->local);
}

enum port_result port_connect(const struct port_addr *addr, port_handle *out)
{
    struct sim_host *host = sim_find_host(addr);
    enum sim_injected injected = sim_inject();
    struct slot *slot;

    *out = PORT_NO_HANDLE;
    if (host != NULL)
        host->connects++;
    if (injected == SIM_DO_ERROR || (host != NULL && host->mode == HOST_UNREACHABLE))
        return fail(PORT_FAULT_UNREACHABLE);
    slot = slot_new(SLOT_CONNECTING);
    slot->addr = *addr;
    slot->local = next_port++;
    slot->connect_at = host != NULL && host->mode == HOST_SILENT ? SIM_NEVER : sim_now() + 2 * sim.latency_ms;
    *out = handle_of(slot);
    if (host == NULL || host->mode != HOST_AT_ONCE)
        return PORT_AGAIN;
    connect_done(slot);
    return PORT_OK;
}

bool sim_port_step(void)
{
    bool moved = false;

    for (unsigned i = 0; i < slots_used; i++) {
        struct slot *slot = &slots[i];

        if (slot->kind != SLOT_CONNECTING || slot->connect_fault != PORT_FAULT_NONE || slot->connect_at > sim_now())
            continue;
        connect_done(slot);
        sim_progress();
        moved = true;
    }
    return moved;
}

uint64_t sim_port_next(void)
{
    uint64_t next = sim_lookup_next();

    for (unsigned i = 0; i < slots_used; i++)
        if (slots[i].kind == SLOT_CONNECTING && slots[i].connect_fault == PORT_FAULT_NONE && slots[i].connect_at < next)
            next = slots[i].connect_at;
    return next;
}

enum port_result port_connect_result(port_handle handle)
{
    struct slot *slot = slot_of(handle, "connect_result");
    enum sim_injected injected = sim_inject();

    if (slot->kind != SLOT_CONNECTING && slot->kind != SLOT_LINK)
        sim_abort("connect_result of a handle that never connected");
    if (injected == SIM_DO_ERROR || slot->dead) {
        slot->dead = true;
        return fail(PORT_FAULT_TIMEOUT);
    }
    if (injected == SIM_DO_AGAIN)
        return PORT_AGAIN;
    if (slot->connect_fault != PORT_FAULT_NONE)
        return fail(slot->connect_fault);
    return slot->kind == SLOT_LINK ? PORT_OK : PORT_AGAIN;
}

/* What happens to a read or write: the most bytes it may move, or the answer it gives instead. */
static enum port_result io_begin(struct slot *slot, size_t *most)
{
    enum sim_injected injected = sim_inject();

    if (injected == SIM_DO_ERROR)
        slot->dead = true;
    if (slot->dead)
        return fail(PORT_FAULT_RESET);
    if (injected == SIM_DO_AGAIN)
        return PORT_AGAIN;
    if (injected == SIM_DO_SHORT)
        *most = 1;
    else if (sim.chop > 0)
        *most = min_size(*most, 1 + sim_chance(sim.chop));
    return PORT_OK;
}

enum port_result port_read(port_handle handle, void *buf, size_t cap, size_t *n)
{
    struct slot *slot = link_slot_of(handle, "read");
    enum port_result result;

    *n = 0;
    if (cap == 0)
        sim_abort("a read into nothing");
    result = io_begin(slot, &cap);
    if (result == PORT_OK)
        result = link_read(slot->link, CORE, buf, cap, n);
    return result == PORT_ERROR ? fail(PORT_FAULT_RESET) : result;
}

enum port_result port_peek(port_handle handle, void *buf, size_t cap, size_t *n)
{
    struct slot *slot = link_slot_of(handle, "peek");
    enum port_result result;

    *n = 0;
    if (cap == 0)
        sim_abort("a peek into nothing");
    result = io_begin(slot, &cap);
    if (result == PORT_OK)
        result = link_peek(slot->link, CORE, buf, cap, n);
    return result == PORT_ERROR ? fail(PORT_FAULT_RESET) : result;
}

enum port_result port_writev(port_handle handle, const struct port_iov *iov, unsigned count, size_t *n)
{
    struct slot *slot = link_slot_of(handle, "write");
    size_t total = 0;
    enum port_result result;

    *n = 0;
    if (count == 0 || count > PORT_IOV_MAX)
        sim_abort("a write of %u segments", count);
    for (unsigned i = 0; i < count; i++)
        total += iov[i].len;
    if (total == 0)
        sim_abort("a write of nothing");
    result = io_begin(slot, &total);
    if (result != PORT_OK)
        return result;
    for (unsigned i = 0; i < count && total > 0; i++) {
        size_t part = min_size(iov[i].len, total);
        size_t taken = part > 0 ? link_write(slot->link, CORE, iov[i].base, part) : 0;

        *n += taken;
        total -= part;
        if (taken < part)
            break;
    }
    if (*n > 0)
        return PORT_OK;
    return link_broken(slot->link, CORE) ? fail(PORT_FAULT_RESET) : PORT_AGAIN;
}

void port_shutdown(port_handle handle)
{
    struct slot *slot = link_slot_of(handle, "shutdown");

    link_shutdown(slot->link, CORE);
}

void port_close(port_handle handle, bool abort)
{
    struct slot *slot;

    if (sim_sink_close(handle))
        return;
    slot = slot_of(handle, "close");
    if (slot->kind == SLOT_LINK)
        link_close(slot->link, CORE, abort || slot->dead);
    /* Who waited to be accepted is reset. */
    for (unsigned i = 0; slot->kind == SLOT_LISTENER && i < slot->waiting; i++)
        link_close(slot->backlog[i], CORE, true);
    slot->kind = SLOT_FREE;
    sim_progress();
}

uint16_t port_local(port_handle handle)
{
    return slot_of(handle, "local port")->local;
}

/* ---- readiness ---- */

bool port_watch(port_handle handle, unsigned interest, void *user)
{
    struct slot *slot;

    if (sim_sink_watch(handle, interest, user))
        return true;
    slot = slot_of(handle, "watch");
    if ((interest & ~(unsigned)(PORT_READABLE | PORT_WRITABLE)) != 0)
        sim_abort("watch: an interest that is none: %u", interest);
    slot->interest = interest;
    slot->user = user;
    return true;
}

static unsigned slot_ready(struct slot *slot)
{
    switch (slot->kind) {
    case SLOT_LISTENER: return slot->waiting > 0 ? PORT_READABLE : 0;
    case SLOT_CONNECTING:
        return slot->connect_fault != PORT_FAULT_NONE ? PORT_READABLE | PORT_WRITABLE | PORT_BROKEN : 0;
    case SLOT_LINK: return slot->dead ? PORT_READABLE | PORT_WRITABLE | PORT_BROKEN : link_ready(slot->link, CORE);
    default: return 0;
    }
}

static unsigned collect(struct port_event *events, unsigned max)
{
    unsigned count = 0;

    for (unsigned looked = 0; looked < slots_used && count < max; looked++) {
        struct slot *slot = &slots[rotor++ % slots_used];
        unsigned ready;

        if (slot->kind == SLOT_FREE || slot->interest == 0)
            continue;
        ready = slot_ready(slot) & (slot->interest | (unsigned)PORT_BROKEN);
        if ((ready & PORT_READABLE) != 0 && slot->kind == SLOT_LINK && link_ended(slot->link, CORE) && !sim.no_ended)
            ready |= PORT_ENDED;
        if (ready == 0 && sim.spurious && slot->kind != SLOT_CONNECTING && sim_chance(16) == 0)
            ready = slot->interest;
        if (ready != 0)
            events[count++] = (struct port_event){slot->user, ready};
    }
    count += sim_sink_collect(events + count, max - count);
    return count + sim_lookup_report(events + count, max - count);
}

unsigned port_poll(int timeout_ms, struct port_event *events, unsigned max)
{
    unsigned count;

    if (max == 0)
        sim_abort("a poll for no events");
    count = collect(events, max);
    if (count > 0 || sim_is_asked() || timeout_ms == 0)
        return count;
    if (timeout_ms < 0)
        sim_abort("a poll without end");
    sim_set_now(sim_now() + (uint64_t)timeout_ms);
    return collect(events, max);
}
