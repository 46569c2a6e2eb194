/* Exchanges at balancers: who carries one, where it goes when that fails, and what its member is told. */
#include "proxy/exchange.h"
#include "proxy/health.h"
#include "proxy/sticky.h"

static struct balancer *balancer_of(const struct exchange *ex)
{
    return ex->balanced.member->balancer;
}

static void take(struct exchange *ex, struct member *member)
{
    balancer_leave(ex);
    ex->balanced.member = member;
    exchange_use_backend(ex, member->backend);
    list_push_back(&member->carried, &ex->balanced.node);
    member->busy++;
}

void balancer_leave(struct exchange *ex)
{
    if (!list_linked(&ex->balanced.node))
        return;
    list_remove(&ex->balanced.node);
    ex->balanced.member->busy--;
    balancer_drop_step(ex->balanced.member->balancer);
}

static bool has_route(const struct balancer *balancer, struct text route)
{
    for (unsigned i = 0; i < balancer->count; i++)
        if (text_eq(balancer->members[i].settings.route, route))
            return true;
    return false;
}

bool balancer_choose(struct exchange *ex)
{
    struct balancer *balancer = ex->route->balancer;
    struct balancer_wish wish = {.now = loop_now()};
    struct member *member = NULL;

    wish.route = sticky_route(&balancer->settings, &ex->request.head);
    if (wish.route.len > 0) {
        member = balancer_pick(balancer, &wish);
        ex->balanced.sticky = member != NULL;
        if (member == NULL && balancer->settings.no_failover && has_route(balancer, wish.route))
            return false;
        wish.route = TEXT("");
    }
    if (member == NULL)
        member = balancer_pick(balancer, &wish);
    if (member == NULL)
        return false;
    take(ex, member);
    return true;
}

/* ---- another member ---- */

size_t balancer_room(const struct balancer *balancer, const struct exchange *ex)
{
    size_t path = 0, name = 0;

    for (unsigned i = 0; i < balancer->count; i++) {
        path = max_size(path, balancer->members[i].settings.path.len);
        name = max_size(name, balancer->members[i].backend->settings.authority.len);
    }
    return path + ex->route->path.len + 1 + ex->client_path.len + name + sizeof("https");
}

void balancer_reserve(struct exchange *ex)
{
    size_t room;

    if (ex->balanced.member == NULL || balancer_of(ex)->count <= 1)
        return;
    room = balancer_room(balancer_of(ex), ex);
    exchange_make_room(&ex->request, room);
    ex->balanced.room = head_reserve(&ex->request.head, room);
}

/* Whether another member may do better. Nothing of the request has been processed. */
static bool is_curable(enum cause cause)
{
    switch (cause) {
    case CAUSE_BACKEND_DOWN:
    case CAUSE_CONNECT_REFUSED:
    case CAUSE_CONNECT_FAILED:
    case CAUSE_CONNECT_TIMEOUT:
    case CAUSE_BACKEND_CLOSED:
    case CAUSE_BACKEND_REFUSED:
    case CAUSE_BACKEND_GOAWAY:
    case CAUSE_BACKEND_PROTOCOL:
    case CAUSE_BACKEND_SETTINGS:
    case CAUSE_BACKEND_TIMEOUT:
    case CAUSE_BACKEND_SILENT:
    case CAUSE_QUEUE_TIMEOUT:
    case CAUSE_QUEUE_FULL:
    case CAUSE_NO_ROOM: return true;
    default: return false;
    }
}

/* The next member for an exchange that its member has failed; NULL: none. */
static struct member *next_member(const struct exchange *ex, struct balancer_wish *wish)
{
    struct balancer *balancer = balancer_of(ex);
    struct member *member = NULL;

    if (ex->balanced.sticky) {
        wish->route = ex->balanced.member->settings.route;
        member = balancer_pick(balancer, wish);
        if (member != NULL || balancer->settings.no_failover)
            return member;
        wish->route = TEXT("");
    }
    return balancer_pick(balancer, wish);
}

/* How often an exchange may move on. */
static uint32_t attempts_of(const struct exchange *ex)
{
    const struct balancer *balancer = balancer_of(ex);

    return balancer->settings.attempts > 0 ? balancer->settings.attempts : balancer->count;
}

/* Gives the exchange, which no back has, to another member. False: there is none, and nothing has changed. */
static bool move(struct exchange *ex, enum cause cause)
{
    struct balanced *balanced = &ex->balanced;
    const struct balancer *balancer = balancer_of(ex);
    struct balancer_wish wish = {.now = loop_now()};
    struct member *member;

    if (balanced->room.len == 0)
        return false;
    wish.tried = balanced->tried | 1U << (unsigned)(balanced->member - balancer->members);
    member = next_member(ex, &wish);
    if (member == NULL) { /* one that was full then may not be now */
        wish.tried = 1U << (unsigned)(balanced->member - balancer->members);
        member = next_member(ex, &wish);
    }
    if (member == NULL)
        return false;
    backend_withdraw(ex);
    balanced->tried = wish.tried;
    balanced->moves++;
    balanced->sticky = balanced->sticky && text_eq(member->settings.route, balanced->member->settings.route);
    take(ex, member);
    exchange_retarget(ex);
    ex->back_port = 0;
    ex->back_stream = 0;
    ex->back_reused = false;
    ex->retries++;
    ex->retry_cause = cause;
    backend_submit(ex->backend, ex);
    return true;
}

/* Whether the member could not even be reached. */
static bool is_down(enum cause cause)
{
    return cause == CAUSE_BACKEND_DOWN || cause == CAUSE_CONNECT_REFUSED || cause == CAUSE_CONNECT_FAILED ||
           cause == CAUSE_CONNECT_TIMEOUT;
}

/* Whether no member can be used. */
static bool is_deserted(const struct exchange *ex)
{
    const struct balancer *balancer = balancer_of(ex);

    if (ex->balanced.sticky && balancer->settings.no_failover)
        return true;
    for (unsigned i = 0; i < balancer->count; i++)
        if ((balancer->members[i].settings.flags & MEMBER_OFF) == 0 && balancer->members[i].state != MEMBER_EJECTED &&
            backend_takes(balancer->members[i].backend))
            return false;
    return true;
}

enum cause balancer_move(struct exchange *ex, enum cause cause)
{
    if (ex->balanced.member == NULL || !is_curable(cause))
        return cause;
    balancer_failed(ex, cause);
    if (exchange_is_draining())
        return cause;
    if (exchange_is_whole(ex) && ex->balanced.moves < attempts_of(ex) && move(ex, cause))
        return CAUSE_NONE;
    return is_down(cause) && is_deserted(ex) ? CAUSE_NO_MEMBER : cause;
}

void balancer_evict(struct member *member, const struct exchange *except, enum cause cause)
{
    LIST_EACH_SAFE (node, &member->carried) {
        struct exchange *ex = container_of(node, struct exchange, balanced.node);

        if (ex != except && (ex->state == EXCHANGE_QUEUED || ex->state == EXCHANGE_CONNECTING) &&
            exchange_is_whole(ex) && ex->balanced.moves < attempts_of(ex))
            (void)move(ex, cause); /* or it waits on */
    }
}

/* ---- what a member is told ---- */

void balancer_failed(struct exchange *ex, enum cause cause)
{
    if (ex->balanced.member != NULL)
        health_failed(ex->balanced.member, cause, ex);
}

bool balancer_answered(struct exchange *ex, unsigned status)
{
    const struct member *member = ex->balanced.member;
    const struct balancer_settings *settings;

    if (member == NULL)
        return true;
    health_answered(ex->balanced.member, status);
    settings = &member->balancer->settings;
    if (settings->set_cookie.len == 0 || ex->balanced.sticky || member->settings.route.len == 0)
        return true;
    if (ex->route == NULL)
        return true; /* the configuration has its path no more */
    return sticky_set(settings, &ex->response.head, member->settings.route, ex->route->prefix);
}

unsigned balancer_retry_after(const struct exchange *ex)
{
    const struct balancer *balancer = ex->balanced.member != NULL ? ex->balanced.member->balancer
                                      : ex->route != NULL         ? ex->route->balancer
                                                                  : NULL;
    uint32_t now = loop_now(), least = 1000;
    bool known = false;

    for (unsigned i = 0; balancer != NULL && i < balancer->count; i++) {
        uint32_t left;

        if (!health_waits(&balancer->members[i], now, &left) || (known && left >= least))
            continue;
        least = left;
        known = true;
    }
    return (unsigned)max_size(1, (least + 999) / 1000);
}
