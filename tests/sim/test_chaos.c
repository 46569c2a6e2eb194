/* Everything at once: clients of both HTTP versions, and a balancer of three origins that are killed, stopped,
 * restarted, refuse streams and send GOAWAY of all kinds. No request is processed twice; one that provably was not
 * processed is answered, unless a rule says why not; no body ends cleanly and short; pools end empty.
 *
 *     SIM_SEED=n        runs one seed; SIM_LOG=1 shows its logs
 *     SIM_RUNS=n        runs seeds SIM_FIRST (1) and up, n of them
 * "make seeds" runs many. */
#include "scenario.h"

#include <stdio.h>

#if IS_ENABLED(CONFIG_BALANCER)

#define RUNS 40
#define ORIGINS 3
#define CLIENTS 20
#define REQUESTS 3 /* of a client, at most */
#define STRIKES 25
#define MOVES 3  /* maxattempts=: as many as there are members */
#define STEADY 2 /* this origin is never killed or stopped */

/* A request that was asked. */
struct asked {
    uint32_t id;
    bool strict;   /* idempotent and without a body */
    bool answered; /* with a final head of an origin */
};

/* What became of all requests of all seeds. */
enum fate {
    FATE_ANSWERED, /* by an origin */
    FATE_AGAIN,    /* of these, after another try */
    FATE_PERHAPS,  /* it may have been processed: not sent again */
    FATE_USED_UP,  /* all tries were refused */
    FATE_AWAY,     /* turned away: no member, no room */
    FATE_LEFT,     /* by its client, or behind one that was cut */
    FATES,
};
static uint64_t fates[FATES];
static uint64_t seed_now;
/* In a clear seed all that is sent arrives at once, and what arrived before a reset is read: a request that was lost
   had reached an origin. */
static bool clear;

static struct origin *origins[ORIGINS];
static struct asked asked[CLIENTS * REQUESTS];
static unsigned asked_count;

/* ---- the world ---- */

static void make_world(void)
{
    struct origin *first = core_world(&(struct sim_options){.seed = seed_now});

    sim_describe("SIM_SEED=%llu", (unsigned long long)seed_now);
    clear = often(25);
    sim.latency_ms = clear ? 0 : sim_chance(4);
    sim.start_ms = often(50) ? UINT32_MAX - sim_chance(5000) : 0;
    sim.reset_keeps = clear || often(50);
    sim.chop = !clear && often(10) ? 200 + sim_chance(2000) : 0;
    sim.no_ended = !clear && often(50);
    sim.again_percent = !clear && often(10) ? 20 : 0;
    for (unsigned i = 0; i < ORIGINS; i++) {
        struct origin *o = i == 0 ? first : origin_new((uint8_t)(i + 1), 9000);

        origins[i] = o;
        o->max_streams = 1 + sim_chance(8);
        o->window = often(20) ? 500 + sim_chance(70000) : 0;
        o->settings_after_ms = !clear && often(20) ? sim_chance(50) : 0;
        o->goaway_after = often(20) ? 2 + sim_chance(10) : 0;
        o->goaway_hard = often(50);
    }
}

static const char *make_query(bool sick)
{
    static const char *const usual[] = {"n=100",     "n=5000&p=1000&q=20", "b=50&n=10", "d=80&n=20", "n=3000&l=0&d=5",
                                        "n=200&t=1", "F=1&n=10",           "F=2&n=5",   "i=1&n=9",   "n=40000"};
    static const char *const bad[] = {"s=503&n=10", "R=1&e=2", "n=3000&r=1000", "n=3000&x=500", "R=1&e=11", "g=1&n=10"};

    return sick && often(15) ? bad[sim_chance(ARRAY_SIZE(bad))] : usual[sim_chance(ARRAY_SIZE(usual))];
}

static struct ask make_ask(bool sick)
{
    static const char *const methods[] = {"GET", "HEAD", "DELETE", "OPTIONS"};
    struct ask ask = {.query = make_query(sick)};

    if (often(20)) {
        ask.framing = often(50) ? ASK_LENGTH : ASK_CHUNKED;
        ask.body = sim_chance(often(70) ? 500 : 30000);
    } else {
        ask.method = methods[often(80) ? 0 : sim_chance(ARRAY_SIZE(methods))];
    }
    return ask;
}

static void note_asked(uint32_t id, const struct ask *ask)
{
    asked[asked_count++] = (struct asked){.id = id, .strict = ask->framing == ASK_NONE};
}

static struct client *make_h1(bool sick, unsigned count)
{
    struct client *c = client_new(FRONT_PORT);

    c->start_at = sim_chance(1000);
    c->pipelining = often(20);
    for (unsigned n = 0; n < count; n++) {
        struct ask ask = make_ask(sick);

        note_asked(client_ask(c, &ask), &ask);
    }
    if (often(5))
        c->leave_after = 1 + sim_chance(8000);
    return c;
}

static struct h2_client *make_h2(bool sick, unsigned count)
{
    struct h2_client *c = h2_client_new(FRONT_PORT);

    c->start_at = sim_chance(1000);
    c->concurrent = often(50) ? 0 : 1 + sim_chance(4);
    for (unsigned n = 0; n < count; n++) {
        struct h2_ask ask = {.ask = make_ask(sick), .start_at = often(50) ? 0 : sim_chance(2000)};

        if (often(3)) {
            ask.cancel = often(50) ? CANCEL_SENT : CANCEL_RECEIVED;
            ask.cancel_at = sim_chance(3000);
        }
        note_asked(h2_client_ask(c, &ask), &ask.ask);
    }
    return c;
}

static void start(bool sick)
{
    struct bytes more = {NULL, 0, 0};

    bytes_printf(&more, "Timeout 20\nProxyTimeout 3\n");
    if (often(50))
        bytes_printf(&more, "ProxySet balancer://app lbmethod=bybusyness\n");
    if (sick)
        bytes_printf(&more, "ProxySet balancer://app maxfails=%u\n", 1 + sim_chance(4));
    for (unsigned i = 0; i < ORIGINS; i++)
        bytes_printf(&more,
                     "BalancerMember balancer://app h2c://10.0.0.%u:9000 connectiontimeout=1 max=%u retry=%u%s%s\n",
                     i + 1, 1 + sim_chance(2), 1 + sim_chance(4), often(30) ? " ping=500ms pingtimeout=1" : "",
                     often(10)   ? " hcmethod=PING hcinterval=1 hctimeout=1 hcfails=2"
                     : often(20) ? " hcmethod=HEAD hcinterval=1 hctimeout=1 hcfails=2 hcpasses=1"
                                 : "");
    bytes_put(&more, "", 1);
    core_start("Listen 8080\nProxyPass / balancer://app/\nCustomLog \"-\"\nLogLevel info\n", (const char *)more.ptr);
    sim_free(more.ptr);
}

/* ---- what happens to it ---- */

static void kill_origin(struct origin *o, enum host_mode mode)
{
    o->host.mode = mode;
    o->paused = false;
    origin_break(o, often(80));
}

static void send_goaway(struct origin *o)
{
    switch (sim_chance(5)) {
    case 0: origin_goaway(o); return;
    case 1: origin_goaway_unanswered(o, NGHTTP2_NO_ERROR); return;
    case 2: origin_goaway_unanswered(o, often(50) ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_INTERNAL_ERROR); return;
    case 3: origin_goaway_with(o, -1, NGHTTP2_ENHANCE_YOUR_CALM); return;
    default: /* the first step of two; the second comes with another strike, or never */
        origin_goaway_with(o, INT32_MAX, NGHTTP2_NO_ERROR);
        return;
    }
}

/* Something happens at a moment. */
static void strike(void)
{
    struct origin *o = origins[sim_chance(STEADY)];

    switch (sim_chance(10)) {
    case 0: kill_origin(o, HOST_REFUSES); return;
    case 1: kill_origin(o, often(50) ? HOST_SILENT : HOST_UNREACHABLE); return;
    case 2: kill_origin(o, HOST_ACCEPTS); return;
    case 3: o->paused = !clear; return;
    case 4: sim.latency_ms = clear ? 0 : sim_chance(often(80) ? 5 : 40); return;
    case 5:
        origin_setting(origins[sim_chance(ORIGINS)], NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, sim_chance(6));
        return;
    case 6:
        if (!clear)
            origin_freeze(o);
        return;
    case 7: send_goaway(origins[sim_chance(ORIGINS)]); return;
    default:
        o->host.mode = HOST_ACCEPTS;
        o->paused = false;
        return;
    }
}

/* ---- what is true afterwards ---- */

/* How often a request may have been processed, at all origins. */
static unsigned processed(uint32_t id)
{
    unsigned count = 0;

    for (unsigned i = 0; i < ORIGINS; i++) {
        const struct origin_request *r = origin_request(origins[i], id);

        count += r != NULL ? r->tries - r->refused : 0;
    }
    return count;
}

static bool log_says(const char *before, unsigned origin, const char *behind)
{
    struct text rest = sim_log("");
    struct text line;
    char what[64];

    snprintf(what, sizeof(what), "%s10.0.0.%u:9000: %s", before, origin + 1, behind);
    while (text_split(&rest, '\n', &line))
        for (size_t i = 0; i < line.len; i++)
            if (text_starts(text_skip(line, i), text_of(what)))
                return true;
    return false;
}

/* Whether there was a time when it was no member to move to. */
static bool was_unusable(unsigned origin)
{
    return log_says("", origin, "ejected") || log_says("backend: ", origin, "connect-");
}

/* Whether a request has moved on as often as maxattempts= allows; or, when there was no other member to move to, was
   tried again as often as retries= allows. */
static bool is_used_up(struct text line)
{
    struct text retry = core_line_field(line, LINE_RETRY);
    struct text backend = core_line_field(line, LINE_BACKEND);
    uint64_t count;

    if (!text_to_u64(text_first(retry, text_find(retry, ':', 0)), UINT32_MAX, &count))
        return false;
    for (unsigned i = 0; i < ORIGINS && count < MOVES; i++) {
        char name[32];

        snprintf(name, sizeof(name), "10.0.0.%u:9000", i + 1);
        if (!text_eq(backend, text_of(name)) && !was_unusable(i))
            return false;
    }
    return count >= CONFIG_RETRIES;
}

static enum fate fate_of(const struct asked *a)
{
    static const char *const perhaps[] = {"backend-closed",   "backend-silent",   "backend-timeout", "response-timeout",
                                          "backend-settings", "backend-protocol", "backend-length"};
    static const char *const away[] = {"no-member", "queue-timeout", "queue-full", "no-room", "backend-calm"};
    struct text line = core_line(a->id);
    struct text word = core_line_field(line, LINE_WORD);
    struct text retry = core_line_field(line, LINE_RETRY);

    if (a->answered)
        return retry.len > 0 && retry.ptr[0] != '-' ? FATE_AGAIN : FATE_ANSWERED;
    if (line.ptr == NULL || text_starts(word, TEXT("client-")))
        return FATE_LEFT;
    if (processed(a->id) > 0)
        return FATE_PERHAPS;
    for (unsigned i = 0; i < ARRAY_SIZE(perhaps) && !clear; i++)
        if (text_eq(word, text_of(perhaps[i])))
            return FATE_PERHAPS;
    if (is_used_up(line))
        return FATE_USED_UP;
    for (unsigned i = 0; i < ARRAY_SIZE(away); i++)
        if (text_eq(word, text_of(away[i])))
            return FATE_AWAY;
    if (a->strict)
        sim_violation("nobody processed this, and it was not answered: %.*s", TEXT_ARG(line));
    return FATE_PERHAPS; /* a part of its body had left */
}

static void check_asked(void)
{
    for (unsigned i = 0; i < asked_count; i++) {
        if (processed(asked[i].id) > 1)
            sim_violation("request %u was processed %u times", asked[i].id, processed(asked[i].id));
        fates[fate_of(&asked[i])]++;
    }
}

static struct asked *asked_of(uint32_t id)
{
    for (unsigned i = 0; i < asked_count; i++)
        if (asked[i].id == id)
            return &asked[i];
    return NULL;
}

static void take_answer(const struct response *r)
{
    struct asked *a = asked_of(r->id);

    a->answered = r->status != 0 && r->from_origin;
}

static void one_seed(void)
{
    struct client *h1[CLIENTS];
    struct h2_client *h2[CLIENTS];
    unsigned h2_count, h1_count;
    bool sick;

    asked_count = 0;
    make_world();
    sick = !clear && often(30);
    h2_count = sim_chance((uint32_t)min_size(CLIENTS, CONFIG_H2_CLIENTS) + 1);
    h1_count = CLIENTS - h2_count;
    for (unsigned i = 0; i < h1_count; i++)
        h1[i] = make_h1(sick, 1 + sim_chance(REQUESTS));
    for (unsigned i = 0; i < h2_count; i++)
        h2[i] = make_h2(sick, 1 + sim_chance(REQUESTS));
    start(sick);
    for (unsigned i = 0; i < STRIKES; i++) {
        sim_run(NULL, NULL, 20 + sim_chance(200));
        strike();
    }
    core_run(120000);
    core_settle();
    for (unsigned i = 0; i < h1_count; i++)
        for (unsigned n = 0; n < h1[i]->reader.asked; n++)
            take_answer(client_response(h1[i], n));
    for (unsigned i = 0; i < h2_count; i++)
        for (unsigned n = 0; n < h2[i]->asked; n++)
            take_answer(&h2_client_answer(h2[i], n)->response);
    check_asked();
    core_end();
}

static void chaos(void **state)
{
    uint64_t only = core_env("SIM_SEED", 0);
    uint64_t first = only > 0 ? only : core_env("SIM_FIRST", 1);
    uint64_t end = first + (only > 0 ? 1 : core_env("SIM_RUNS", RUNS));

    (void)state;
    for (seed_now = first; seed_now < end; seed_now++)
        one_seed();
}

/* Behind the test, also when a signal ended it. */
static int tell(void **state)
{
    static const char *const names[FATES] = {"answered",      "answered-again", "perhaps-processed",
                                             "tries-used-up", "turned-away",    "left"};

    (void)state;
    printf("chaos:");
    for (unsigned i = 0; i < FATES; i++)
        printf(" %s %llu", names[i], (unsigned long long)fates[i]);
    printf(" last-seed %llu\n", (unsigned long long)seed_now);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(chaos, tell)};

    return CORE_RUN(tests);
}

#else

int main(void)
{
    return 0;
}

#endif
