/* Names of the simulated world: what they are, and how long it takes to learn that. */
#include "sim_net.h"

#define NAMES 8

static struct sim_name {
    const char *name;
    struct port_answer answer;
    uint32_t delay_ms;
    unsigned asked;
} names[NAMES];
static unsigned name_count;

static struct lookup {
    bool used, reported;
    void *user;
    uint64_t at; /* when the answer comes; SIM_NEVER: never */
    struct port_answer answer;
} lookups[CONFIG_BACKENDS];

static struct sim_name *name_of(const char *name)
{
    for (unsigned i = 0; i < name_count; i++)
        if (strcmp(names[i].name, name) == 0)
            return &names[i];
    if (name_count == NAMES)
        sim_abort("more names than the simulator has room for");
    names[name_count] = (struct sim_name){.name = name};
    names[name_count].answer.kind = PORT_ANSWER_UNKNOWN;
    return &names[name_count++];
}

void sim_set_name(const char *name, enum port_answer_kind kind, uint32_t ttl_s, uint32_t delay_ms,
                  const struct port_addr *addrs, unsigned count)
{
    struct sim_name *n = name_of(name);

    n->delay_ms = delay_ms;
    n->answer = (struct port_answer){.kind = kind, .ttl_s = ttl_s, .count = (uint8_t)count, .why = "simulated"};
    for (unsigned i = 0; i < count && i < CONFIG_BACKEND_ADDRS; i++)
        n->answer.addrs[i] = addrs[i];
}

void sim_add_name(const char *name, const struct port_addr *addrs, unsigned count)
{
    sim_set_name(name, PORT_ANSWER_ADDRS, 3600, 0, addrs, count);
}

unsigned sim_lookups(const char *name)
{
    return name_of(name)->asked;
}

unsigned port_resolve(const char *name, uint16_t port, struct port_addr *addrs, unsigned max)
{
    const struct port_answer *answer = &name_of(name)->answer;
    unsigned count = 0;

    for (; count < answer->count && count < max; count++) {
        addrs[count] = answer->addrs[count];
        addrs[count].port = port;
    }
    return count;
}

/* ---- while the loop runs ---- */

void sim_lookup_reset(void)
{
    name_count = 0;
    memset(lookups, 0, sizeof(lookups));
}

bool port_lookup_open(const struct port_addr *servers, unsigned count, const struct port_memory *memory)
{
    void *probe = memory->alloc(100);

    (void)servers, (void)count;
    if (!probe)
        return false;
    memory->release(memory->resize(probe, 200));
    return true;
}

void port_lookup_close(void)
{
    for (unsigned i = 0; i < CONFIG_BACKENDS; i++)
        if (lookups[i].used)
            sim_violation("a look-up is neither taken nor cancelled");
}

port_lookup port_lookup_start(const char *name, void *user)
{
    struct sim_name *n = name_of(name);

    n->asked++;
    for (unsigned i = 0; i < CONFIG_BACKENDS; i++) {
        if (lookups[i].used)
            continue;
        lookups[i] = (struct lookup){.used = true, .user = user, .answer = n->answer};
        lookups[i].at = n->delay_ms == UINT32_MAX ? SIM_NEVER : sim_now() + n->delay_ms;
        return (port_lookup)i;
    }
    sim_abort("more look-ups than there can be");
}

void port_lookup_take(port_lookup lookup, struct port_answer *answer)
{
    if (lookup < 0 || !lookups[lookup].used || !lookups[lookup].reported)
        sim_abort("an answer is taken that was not reported");
    *answer = lookups[lookup].answer;
    lookups[lookup].used = false;
}

void port_lookup_cancel(port_lookup lookup)
{
    if (lookup < 0 || !lookups[lookup].used)
        sim_abort("a look-up is cancelled that there is not");
    lookups[lookup].used = false;
}

unsigned sim_lookup_report(struct port_event *events, unsigned max)
{
    unsigned count = 0;

    for (unsigned i = 0; i < CONFIG_BACKENDS && count < max; i++) {
        if (!lookups[i].used || lookups[i].reported || lookups[i].at > sim_now())
            continue;
        lookups[i].reported = true;
        events[count++] = (struct port_event){lookups[i].user, PORT_READABLE};
        sim_progress();
    }
    return count;
}

uint64_t sim_lookup_next(void)
{
    uint64_t next = SIM_NEVER;

    for (unsigned i = 0; i < CONFIG_BACKENDS; i++)
        if (lookups[i].used && !lookups[i].reported && lookups[i].at < next)
            next = lookups[i].at;
    return next;
}
