/* A balancer and its members in the simulated world: three origins, two of which are usually in use. */
#include "balanced.h"

struct origin *balanced_origins[BALANCED_ORIGINS];

void balanced_world(uint64_t seed, uint32_t latency_ms)
{
    balanced_origins[0] = core_world(&(struct sim_options){.seed = seed, .latency_ms = latency_ms});
    for (unsigned i = 1; i < BALANCED_ORIGINS; i++)
        balanced_origins[i] = origin_new((uint8_t)(i + 1), 9000);
}

void balanced_kill(unsigned origin, enum host_mode mode)
{
    balanced_origins[origin]->host.mode = mode;
    origin_break(balanced_origins[origin], true);
}

unsigned balanced_processed(uint32_t id)
{
    unsigned count = 0;

    for (unsigned i = 0; i < BALANCED_ORIGINS; i++) {
        const struct origin_request *r = origin_request(balanced_origins[i], id);

        count += r != NULL ? r->tries - r->refused : 0;
    }
    return count;
}

unsigned balanced_tries(unsigned origin, struct client *c)
{
    const struct origin_request *r = origin_request(balanced_origins[origin], client_first_id(c));

    return r != NULL ? r->tries : 0;
}

unsigned balanced_seen(unsigned origin)
{
    unsigned count = 0;

    for (unsigned i = 0; i < balanced_origins[origin]->request_count; i++)
        count += balanced_origins[origin]->requests[i].id != 0;
    return count;
}

void balanced_check(struct client *c)
{
    CHECK_INT(client_response(c, 0)->status, 200);
    CHECK(client_response(c, 0)->complete);
    CHECK_INT(balanced_processed(client_first_id(c)), 1);
}
