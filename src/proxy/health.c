/* The health of members: verdicts, pauses, trials, and the one clock of all of them. */
#include "proxy/health.h"

#include "base/log.h"

static struct balancer **all;
static unsigned all_count;

/* One timer for all members: few of them have something to wait for. The class has no other timers, so that it may last
   differently each time. */
static struct timer_class clock_class;
static struct timer clock;

static bool is_past(uint32_t at, uint32_t now)
{
    return (int32_t)(at - now) <= 0;
}

/* ---- states ---- */

static void say(const struct member *member, const char *text, const char *why)
{
    log_notice("balancer", "%.*s: %.*s: %s%s", TEXT_ARG(member->balancer->settings.name),
               TEXT_ARG(member->backend->settings.name), text, why);
}

static void enter(struct member *member, enum member_state state)
{
    member->state = state;
    member->since = loop_now();
}

/* How long a member that is ejected for the nth time in a row is left alone. */
static uint32_t pause_of(const struct member *member)
{
    const struct member_settings *settings = &member->settings;
    size_t most = member->check.state == CHECK_OFF ? settings->retry_ms
                                                   : min_size(settings->retry_ms, settings->check_interval_ms);
    size_t pause = min_size(CONFIG_EJECT_MS, most);
    uint32_t chance;

    for (uint32_t n = 1; n < member->ejections && pause < most; n++)
        pause = min_size(2 * pause, most);
    if (pause >= 4 && port_random(&chance, sizeof(chance)))
        pause -= chance % (pause / 4);
    return (uint32_t)pause;
}

static void schedule(void);

/* Sets the end of the pause: the next check, or a trial. */
static void set_pause(struct member *member)
{
    uint32_t pause = pause_of(member);

    if (member->check.state == CHECK_OFF)
        member->due = loop_now() + pause;
    else if (member->check.state == CHECK_IDLE)
        member->check.due = loop_now() + pause;
    log_info("balancer", "%.*s: %.*s: tried again in %u ms", TEXT_ARG(member->balancer->settings.name),
             TEXT_ARG(member->backend->settings.name), pause);
    schedule();
}

static void eject(struct member *member, const char *why, bool reachable, enum cause cause,
                  const struct exchange *except)
{
    if (member->state == MEMBER_EJECTED || member->settings.retry_ms == 0 ||
        (member->settings.flags & MEMBER_STEADY) != 0)
        return;
    /* One that held for long enough begins anew. */
    if (member->state == MEMBER_UP && loop_now() - member->since >= member->settings.retry_ms)
        member->ejections = 0;
    member->ejections++;
    member->reachable = reachable;
    member->check.row = 0;
    enter(member, MEMBER_EJECTED);
    say(member, "ejected: ", why);
    set_pause(member);
    balancer_evict(member, except, cause);
}

static void come_up(struct member *member, const char *why)
{
    enter(member, MEMBER_UP);
    member->row = 0;
    member->check.row = 0;
    member->ramps = member->settings.slow_ms > 0;
    member->score = 0;
    say(member, "up again: ", why);
}

void health_try(struct member *member)
{
    enter(member, MEMBER_TRIAL);
    say(member, "on trial", "");
    schedule();
}

bool health_waits(const struct member *member, uint32_t now, uint32_t *left)
{
    uint32_t due = member->check.state == CHECK_OFF ? member->due : member->check.due;

    *left = is_past(due, now) ? 0 : due - now;
    return member->state == MEMBER_EJECTED;
}

/* ---- what exchanges tell ---- */

/* Whether another member would take over. */
static bool has_deputy(const struct member *member)
{
    const struct balancer *balancer = member->balancer;

    for (unsigned i = 0; i < balancer->count; i++) {
        const struct member *other = &balancer->members[i];

        if (other != member && other->state == MEMBER_UP &&
            (other->settings.flags & (MEMBER_OFF | MEMBER_DRAINING)) == 0)
            return true;
    }
    return false;
}

/* It failed, but it is there: bad answers do not take the last one out of service. */
static void count_failure(struct member *member, const char *why, enum cause cause, const struct exchange *ex)
{
    uint32_t most = member->balancer->settings.fails;
    bool trial = member->state == MEMBER_TRIAL;
    bool spared = most == 0 || !has_deputy(member);

    member->row++;
    if (spared && trial)
        come_up(member, most == 0 ? "it answered" : "no other is");
    else if (!spared && (trial || member->row >= most))
        eject(member, why, true, cause, ex);
}

void health_failed(struct member *member, enum cause cause, const struct exchange *ex)
{
    const char *why = cause_info(cause)->word;

    switch (cause) {
    case CAUSE_BACKEND_DOWN:
    case CAUSE_CONNECT_REFUSED:
    case CAUSE_CONNECT_FAILED:
    case CAUSE_CONNECT_TIMEOUT:
    case CAUSE_BACKEND_SETTINGS: eject(member, why, false, cause, ex); return;
    case CAUSE_BACKEND_CLOSED:
    case CAUSE_BACKEND_RESET:
    case CAUSE_BACKEND_PROTOCOL:
    case CAUSE_BACKEND_HEAD:
    case CAUSE_BACKEND_LENGTH:
    case CAUSE_BACKEND_FIRST:
    case CAUSE_BACKEND_SILENT:
    case CAUSE_BACKEND_TIMEOUT: count_failure(member, why, cause, ex); return;
    default: return; /* full, or going: not ill */
    }
}

static bool fails_on(const struct balancer_settings *settings, unsigned status)
{
    for (unsigned i = 0; i < settings->status_count; i++)
        if (settings->statuses[i] == status)
            return true;
    return false;
}

static void answered_badly(struct member *member, unsigned status, bool at_once)
{
    char storage[24];
    struct textbuf b;

    textbuf_init(&b, storage, sizeof(storage));
    textbuf_putz(&b, "status ");
    textbuf_put_u64(&b, status);
    if (at_once)
        eject(member, textbuf_z(&b), true, CAUSE_BACKEND_DOWN, NULL);
    else
        count_failure(member, textbuf_z(&b), CAUSE_BACKEND_DOWN, NULL);
}

void health_answered(struct member *member, unsigned status)
{
    bool at_once = fails_on(&member->balancer->settings, status);

    if (at_once || status >= 500) {
        answered_badly(member, status, at_once);
        return;
    }
    member->row = 0;
    if (member->state == MEMBER_TRIAL)
        come_up(member, "it answered");
}

/* ---- what checks tell ---- */

static void check_passed(struct member *member)
{
    struct check *check = &member->check;

    check->due = loop_now() + member->settings.check_interval_ms;
    if (member->state != MEMBER_EJECTED) {
        check->row = 0;
        return;
    }
    if (++check->row >= member->settings.passes)
        come_up(member, "checks passed");
    else
        check->due = loop_now() + (uint32_t)min_size(CONFIG_EJECT_MS, member->settings.check_interval_ms);
}

static void check_failed(struct member *member, const char *why)
{
    struct check *check = &member->check;

    log_info("balancer", "%.*s: %.*s: check failed: %s", TEXT_ARG(member->balancer->settings.name),
             TEXT_ARG(member->backend->settings.name), why);
    check->due = loop_now() + member->settings.check_interval_ms;
    if (member->state == MEMBER_EJECTED) {
        check->row = 0;
        member->ejections++;
        set_pause(member);
    } else if (++check->row >= member->settings.fails) {
        eject(member, why, false, CAUSE_BACKEND_DOWN, NULL);
    }
}

void health_checked(struct member *member, bool passed, const char *why)
{
    member->check.state = CHECK_IDLE;
    if (passed)
        check_passed(member);
    else
        check_failed(member, why);
    schedule();
}

/* ---- the clock ---- */

/* When a member wants the clock. False: never. */
static bool member_due(const struct member *member, uint32_t *due)
{
    *due = member->check.state == CHECK_OFF ? member->due : member->check.due;
    return member->check.state != CHECK_OFF || member->state == MEMBER_EJECTED;
}

static void schedule(void)
{
    uint32_t now = loop_now(), least = 0;
    bool any = false;

    for (unsigned i = 0; i < all_count; i++) {
        for (unsigned k = 0; k < all[i]->count; k++) {
            uint32_t due, left;

            if (!member_due(&all[i]->members[k], &due))
                continue;
            left = is_past(due, now) ? 0 : due - now;
            if (!any || left < least)
                least = left;
            any = true;
        }
    }
    timer_cancel(&clock);
    if (!any)
        return;
    timer_class_set(&clock_class, (uint32_t)max_size(1, least));
    timer_set(&clock, &clock_class, now);
}

static void serve(struct member *member)
{
    uint32_t due;

    if (!member_due(member, &due) || !is_past(due, loop_now()))
        return;
    if (member->check.state == CHECK_OFF) {
        health_try(member);
    } else if (member->check.state == CHECK_RUNNING) {
        health_check_stop(member);
        health_checked(member, false, "no answer to a check");
    } else if (health_check_start(member)) {
        member->check.state = CHECK_RUNNING;
        member->check.due = loop_now() + member->settings.check_timeout_ms;
    } else {
        member->check.due = loop_now() + CONFIG_EJECT_MS; /* clients go first */
    }
}

static void on_clock(struct timer *timer)
{
    (void)timer;
    for (unsigned i = 0; i < all_count; i++)
        for (unsigned k = 0; k < all[i]->count; k++)
            serve(&all[i]->members[k]);
    schedule();
}

static void begin(struct balancer *balancer)
{
    balancer_init(balancer);
    for (unsigned i = 0; i < balancer->count; i++)
        health_check_init(&balancer->members[i]);
}

void health_start(struct balancer **balancers, unsigned count)
{
    all = balancers;
    all_count = count;
    timer_class_init(&clock_class, "health", 1);
    timer_init(&clock, on_clock);
    for (unsigned i = 0; i < count; i++)
        begin(all[i]);
    schedule();
}

static void end_checks(struct balancer *balancer)
{
    for (unsigned i = 0; i < balancer->count; i++) {
        struct member *member = &balancer->members[i];

        backend_pulse_forget(member->backend, &member->check.task);
        health_check_stop(member);
        if (member->check.state != CHECK_OFF)
            member->due = loop_now();
        member->check.state = CHECK_OFF;
    }
}

static bool is_among(struct balancer **balancers, unsigned count, const struct balancer *balancer)
{
    for (unsigned i = 0; i < count; i++)
        if (balancers[i] == balancer)
            return true;
    return false;
}

static void follow_namesake(struct balancer *balancer)
{
    for (unsigned i = 0; i < all_count; i++)
        if (text_eq_nocase(all[i]->settings.name, balancer->settings.name))
            balancer_follow(balancer, all[i]);
}

void health_change(struct balancer **balancers, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (is_among(all, all_count, balancers[i]))
            continue;
        begin(balancers[i]);
        follow_namesake(balancers[i]);
    }
    for (unsigned i = 0; i < all_count; i++)
        if (!is_among(balancers, count, all[i]))
            end_checks(all[i]);
    all = balancers;
    all_count = count;
    schedule();
}

void health_quiet(void)
{
    for (unsigned i = 0; i < all_count; i++)
        end_checks(all[i]);
}

void health_stop(void)
{
    health_quiet();
    all_count = 0;
    timer_cancel(&clock);
    timer_class_remove(&clock_class);
}
