/* Balancers: the choice of a member. */
#include "proxy/balancer.h"

#include "base/pool.h"
#include "proxy/health.h"

static_assert(CONFIG_BALANCER_MEMBERS <= 32, "a member has a bit in a word");

POOL(balancer, struct balancer, BALANCER_SLOTS);

struct balancer *balancer_take(void)
{
    struct balancer *balancer = pool_take(&balancer_pool);

    if (balancer != NULL)
        memset(balancer, 0, sizeof(*balancer));
    return balancer;
}

void balancer_give(struct balancer *balancer)
{
    pool_give(&balancer_pool, balancer);
}

void balancer_init(struct balancer *balancer)
{
    for (unsigned i = 0; i < balancer->count; i++) {
        struct member *member = &balancer->members[i];

        member->balancer = balancer;
        member->state = MEMBER_UP;
        member->since = loop_now();
        member->ramps = false;
        member->score = 0;
        member->busy = 0;
        member->row = 0;
        member->ejections = 0;
        list_init(&member->carried);
    }
}

uint32_t member_weight(struct member *member, uint32_t now)
{
    uint32_t factor = member->settings.factor;
    uint32_t up = now - member->since;

    if (!member->ramps)
        return factor;
    if (up < member->settings.slow_ms)
        return (uint32_t)max_size(1, (size_t)((uint64_t)factor * up / member->settings.slow_ms));
    member->ramps = false;
    return factor;
}

/* ---- who can be chosen ---- */

/* How much is asked of a member. */
enum demand {
    DEMAND_FIT,   /* it takes exchanges, or its trial has nobody yet */
    DEMAND_TRIAL, /* nobody is fit: it is on trial, though its exchange has not ended */
    DEMAND_FORCE, /* nor that: it gave bad answers only, or its pause has lasted for its least */
    DEMANDS,
};

static bool is_usable(const struct member *member, const struct balancer_wish *wish, enum demand demand)
{
    unsigned index = (unsigned)(member - member->balancer->members);

    if ((member->settings.flags & MEMBER_OFF) != 0 || (wish->tried >> index & 1) != 0 ||
        !backend_takes(member->backend))
        return false;
    switch (member->state) {
    case MEMBER_UP: return demand == DEMAND_FIT;
    case MEMBER_TRIAL: return demand == DEMAND_TRIAL || (demand == DEMAND_FIT && member->busy == 0);
    case MEMBER_EJECTED:
        return demand == DEMAND_FORCE && (member->reachable || (member->check.state == CHECK_OFF &&
                                                                wish->now - member->since >= CONFIG_EJECT_MS));
    }
    return false;
}

/* One step of the search: the members of a set, its standbys or the others. */
struct tier {
    unsigned set;
    bool standby;
    enum demand demand;
};

static bool is_in_tier(const struct member *member, const struct tier *tier)
{
    bool standby = (member->settings.flags & MEMBER_STANDBY) != 0;

    return member->settings.set == tier->set && standby == tier->standby;
}

/* The members of a tier that share its exchanges, as bits: spares for as many as cannot be used. */
static uint32_t sharing(const struct balancer *balancer, const struct balancer_wish *wish, const struct tier *tier)
{
    uint32_t bits = 0;
    unsigned missing = 0;

    for (unsigned spare = 0; spare < 2; spare++) {
        for (unsigned i = 0; i < balancer->count; i++) {
            const struct member *member = &balancer->members[i];

            if (!is_in_tier(member, tier) || ((member->settings.flags & MEMBER_SPARE) != 0) != (spare == 1))
                continue;
            if ((member->settings.flags & MEMBER_DRAINING) == 0 && is_usable(member, wish, tier->demand) &&
                (spare == 0 || missing > 0)) {
                bits |= 1U << i;
                missing -= spare;
            } else if (spare == 0) {
                missing++;
            }
        }
    }
    return bits;
}

/* The members of a tier that a session can have: those with its route, drained ones, too. */
static uint32_t of_route(const struct balancer *balancer, const struct balancer_wish *wish, const struct tier *tier)
{
    uint32_t bits = 0;

    for (unsigned i = 0; i < balancer->count; i++) {
        const struct member *member = &balancer->members[i];

        if (is_in_tier(member, tier) && text_eq(member->settings.route, wish->route) &&
            is_usable(member, wish, tier->demand))
            bits |= 1U << i;
    }
    return bits;
}

/* ---- who is chosen ---- */

/* Whether `a` goes before `b`, which stands before it in the configuration. */
static bool is_better(struct member *a, struct member *b, uint32_t now)
{
    uint32_t weight_a = member_weight(a, now), weight_b = member_weight(b, now);

    if (a->balancer->settings.method == BALANCE_BYBUSYNESS) {
        uint64_t load_a = (uint64_t)a->busy * weight_b, load_b = (uint64_t)b->busy * weight_a;

        if (load_a != load_b)
            return load_a < load_b;
    }
    return a->score + (int32_t)weight_a > b->score + (int32_t)weight_b;
}

static struct member *best_of(struct balancer *balancer, uint32_t bits, uint32_t now)
{
    struct member *best = NULL;

    for (unsigned i = 0; i < balancer->count; i++) {
        struct member *member = &balancer->members[i];

        if ((bits >> i & 1) != 0 && (best == NULL || is_better(member, best, now)))
            best = member;
    }
    return best;
}

/* httpd's byrequests: each who could have gone gains its weight, who goes pays for all. So everyone's turns come as
   often as his weight says, and evenly spread; sessions count like other requests. */
static void charge(struct balancer *balancer, uint32_t bits, struct member *chosen, uint32_t now)
{
    int32_t total = 0;

    if ((bits >> (unsigned)(chosen - balancer->members) & 1) == 0)
        return; /* a drained one */
    for (unsigned i = 0; i < balancer->count; i++) {
        if ((bits >> i & 1) == 0)
            continue;
        balancer->members[i].score += (int32_t)member_weight(&balancer->members[i], now);
        total += (int32_t)member_weight(&balancer->members[i], now);
    }
    chosen->score -= total;
}

static struct member *pick_in(struct balancer *balancer, const struct balancer_wish *wish, const struct tier *tier)
{
    uint32_t bits = sharing(balancer, wish, tier);
    struct member *best = best_of(balancer, wish->route.len > 0 ? of_route(balancer, wish, tier) : bits, wish->now);

    if (best != NULL)
        charge(balancer, bits, best, wish->now);
    return best;
}

static unsigned highest_set(const struct balancer *balancer)
{
    unsigned set = 0;

    for (unsigned i = 0; i < balancer->count; i++)
        set = (unsigned)max_size(set, balancer->members[i].settings.set);
    return set;
}

struct member *balancer_pick(struct balancer *balancer, const struct balancer_wish *wish)
{
    unsigned sets = highest_set(balancer) + 1;
    unsigned demands = balancer->settings.force_recovery ? DEMANDS : DEMAND_TRIAL + 1;

    for (unsigned demand = DEMAND_FIT; demand < demands; demand++) {
        for (unsigned i = 0; i < sets * 2; i++) {
            struct tier tier = {i / 2, i % 2 == 1, (enum demand)demand};
            struct member *member = pick_in(balancer, wish, &tier);

            if (member == NULL)
                continue;
            if (member->state == MEMBER_EJECTED)
                health_try(member);
            return member;
        }
    }
    return NULL;
}
