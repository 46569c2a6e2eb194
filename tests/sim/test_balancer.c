/* Balancers in the simulated world: members that fail, return and are checked. */
#include "core.h"

#include <stdio.h>

#if IS_ENABLED(CONFIG_BALANCER)

#define ORIGINS 3
#define CONF_END "CustomLog \"-\"\nLogLevel info\n"
#define MEMBER(n, keys) "BalancerMember balancer://app h2c://10.0.0." #n ":9000 connectiontimeout=1 " keys "\n"
#define LISTEN "Listen 8080\nProxyPass / balancer://app/\n"

static const char two[] = LISTEN MEMBER(1, "") MEMBER(2, "") CONF_END;

static struct origin *origins[ORIGINS];

static void world(uint64_t seed, uint32_t latency_ms)
{
    origins[0] = core_world(&(struct sim_options){.seed = seed, .latency_ms = latency_ms});
    for (unsigned i = 1; i < ORIGINS; i++)
        origins[i] = origin_new((uint8_t)(i + 1), 9000);
}

static struct client *ask_at(uint64_t start_at, const struct ask *ask)
{
    struct client *c = client_new(FRONT_PORT);

    c->start_at = start_at;
    client_ask(c, ask);
    return c;
}

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

static unsigned tries(unsigned origin, struct client *c)
{
    const struct origin_request *r = origin_request(origins[origin], client_first_id(c));

    return r != NULL ? r->tries : 0;
}

static void check_ok(struct client *c)
{
    CHECK_INT(client_response(c, 0)->status, 200);
    CHECK(client_response(c, 0)->complete);
    CHECK_INT(processed(client_first_id(c)), 1);
}

static bool contains(struct text t, const char *what)
{
    struct text w = text_of(what);

    for (size_t i = 0; i + w.len <= t.len; i++)
        if (text_starts(text_skip(t, i), w))
            return true;
    return false;
}

static bool is_logged(const char *what)
{
    return contains(sim_log(""), what);
}

/* Requests of clients that reached an origin. */
static unsigned seen(unsigned origin)
{
    unsigned count = 0;

    for (unsigned i = 0; i < origins[origin]->request_count; i++)
        count += origins[origin]->requests[i].id != 0;
    return count;
}

static void kill_origin(unsigned i, enum host_mode mode)
{
    origins[i]->host.mode = mode;
    origin_break(origins[i], true);
}

/* ---- the share of each ---- */

static void shares(void **state)
{
    static const struct {
        const char *keys;
        unsigned first;
    } cases[] = {{"", 20}, {"loadfactor=3", 30}, {"status=+D", 0}, {"status=+H", 0}, {"lbset=1", 0}};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct bytes conf = {NULL, 0, 0};
        struct client *c;

        world(i + 1, 0);
        sim_describe("shares: %s", cases[i].keys);
        c = client_new(FRONT_PORT);
        for (unsigned n = 0; n < 40; n++)
            client_ask(c, &(struct ask){.query = "n=10"});
        bytes_printf(&conf,
                     LISTEN "<Proxy \"balancer://app\">\nBalancerMember h2c://10.0.0.1:9000 %s\n"
                            "BalancerMember h2c://10.0.0.2:9000\n</Proxy>\n" CONF_END,
                     cases[i].keys);
        bytes_put(&conf, "", 1);
        core_start((const char *)conf.ptr, NULL);
        core_run(60000);
        CHECK_INT(client_answers(c), 40);
        CHECK_INT(seen(0), cases[i].first);
        CHECK_INT(seen(1), 40 - cases[i].first);
        core_end();
    }
}

/* ---- failover ---- */

/* A member that cannot be connected to: nobody notices, and for a while nobody goes there. */
static void failover(void **state)
{
    static const struct {
        enum host_mode mode;
        const char *word;
    } cases[] = {
        {HOST_REFUSES, "connect-refused"}, {HOST_SILENT, "connect-timeout"}, {HOST_UNREACHABLE, "connect-failed"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct client *c[10];
        unsigned moved = 0;
        char line[100];

        world(1, 1);
        sim_describe("failover: %s", cases[i].word);
        origins[0]->host.mode = cases[i].mode;
        for (unsigned n = 0; n < ARRAY_SIZE(c); n++)
            c[n] = core_asking("n=100", 0);
        core_start(two, NULL);
        core_run(20000);
        core_settle();
        for (unsigned n = 0; n < ARRAY_SIZE(c); n++) {
            struct text retry = core_line_field(core_line(client_first_id(c[n])), LINE_RETRY);

            check_ok(c[n]);
            CHECK(text_eq(core_line_field(core_line(client_first_id(c[n])), LINE_BACKEND), TEXT("10.0.0.2:9000")));
            moved += contains(retry, cases[i].word);
        }
        CHECK_INT(moved, 5); /* those that waited there moved all at once */
        snprintf(line, sizeof(line), "balancer://app: 10.0.0.1:9000: ejected: %s", cases[i].word);
        CHECK(is_logged(line));
        CHECK(origins[0]->host.connects <= 1);
        core_end();
    }
}

/* Nobody is there: 503 at once, and when to come again. */
static void all_down(void **state)
{
    struct client *c[10];

    (void)state;
    world(1, 0);
    sim_describe("all down");
    origins[0]->host.mode = origins[1]->host.mode = HOST_REFUSES;
    for (unsigned n = 0; n < ARRAY_SIZE(c); n++)
        c[n] = core_asking("n=100", n * 20);
    core_start(two, NULL);
    core_run(20000);
    core_settle();
    for (unsigned n = 0; n < ARRAY_SIZE(c); n++) {
        struct text line = core_line(client_first_id(c[n]));

        CHECK_INT(client_response(c[n], 0)->status, 503);
        CHECK(text_eq(response_field(&client_response(c[n], 0)->head, "retry-after"), TEXT("1")));
        CHECK(text_eq(core_line_field(line, LINE_WORD), TEXT("no-member")));
    }
    CHECK_INT(origins[0]->host.connects, 1);
    CHECK_INT(origins[1]->host.connects, 1);
    core_end();
}

/* Its pauses double and are bounded; when it is back it is on trial and then up. */
static void back_off_and_return(void **state)
{
    struct client *c[240];

    (void)state;
    world(1, 0);
    sim_describe("back-off and return");
    origins[0]->host.mode = HOST_REFUSES;
    for (unsigned n = 0; n < ARRAY_SIZE(c); n++)
        c[n] = core_asking("n=10", n * 250);
    core_start(LISTEN MEMBER(1, "retry=8") MEMBER(2, "") CONF_END, NULL);
    sim_run(NULL, NULL, 40000);
    /* 1, 2, 4, 8, 8, 8, ... seconds, up to a quarter less */
    CHECK(origins[0]->host.connects >= 6 && origins[0]->host.connects <= 9);
    CHECK(!is_logged("up again"));
    origins[0]->host.mode = HOST_ACCEPTS;
    core_run(60000);
    core_settle();
    for (unsigned n = 0; n < ARRAY_SIZE(c); n++)
        check_ok(c[n]);
    CHECK(is_logged("10.0.0.1:9000: on trial"));
    CHECK(is_logged("10.0.0.1:9000: up again: it answered"));
    CHECK(seen(0) >= 15);
    core_end();
}

/* When nobody can be used an ejected member is tried before its time. */
static void forced_recovery(void **state)
{
    (void)state;
    for (int on = 0; on < 2; on++) {
        struct client *c[20];

        world(1, 0);
        sim_describe("forced recovery %d", on);
        origins[0]->host.mode = HOST_REFUSES;
        for (unsigned n = 0; n < ARRAY_SIZE(c); n++)
            c[n] = core_asking("n=10", n * 1000);
        core_start(on ? LISTEN MEMBER(1, "") CONF_END
                      : LISTEN "ProxySet balancer://app forcerecovery=Off\n" MEMBER(1, "") CONF_END,
                   NULL);
        sim_run(NULL, NULL, 10500);
        origins[0]->host.mode = HOST_ACCEPTS;
        core_run(60000);
        CHECK(client_response(c[10], 0)->status == 503);
        CHECK_INT(client_response(c[11], 0)->status, on ? 200 : 503); /* else its third pause ends after 15 s at most */
        CHECK_INT(client_response(c[17], 0)->status, 200);
        core_end();
    }
}

/* A member dies with requests in progress and requests that wait for a stream: those that waited move, those that may
   have been processed get 502. */
static void death_with_a_queue(void **state)
{
    struct client *c[20];
    unsigned lost = 0, moved = 0;

    (void)state;
    world(1, 1);
    sim_describe("death with a queue");
    origins[0]->max_streams = 1;
    for (unsigned n = 0; n < ARRAY_SIZE(c); n++)
        c[n] = core_asking("b=1500&n=10", n < 4 ? n * 10 : 100);
    core_start(two, NULL);
    sim_run(NULL, NULL, 500);
    kill_origin(0, HOST_REFUSES);
    core_run(60000);
    core_settle();
    for (unsigned n = 0; n < ARRAY_SIZE(c); n++) {
        struct text retry = core_line_field(core_line(client_first_id(c[n])), LINE_RETRY);

        CHECK(processed(client_first_id(c[n])) <= 1);
        if (tries(0, c[n]) > 0) {
            lost++;
            CHECK_INT(tries(1, c[n]), 0);
        } else {
            check_ok(c[n]);
        }
        moved += text_starts(retry, TEXT("1:connect-refused"));
    }
    CHECK(lost >= 1 && lost <= 2);
    CHECK_INT(moved, 10 - lost);
    core_end();
}

/* REFUSED_STREAM: the other member takes it, and nobody is ejected. */
static void refused(void **state)
{
    struct client *c[8];

    (void)state;
    world(1, 0);
    sim_describe("refused");
    origins[1]->max_streams = 100;
    for (unsigned n = 0; n < ARRAY_SIZE(c); n++)
        c[n] = core_asking(n % 2 == 0 ? "F=1&n=10" : "n=10", n * 100);
    core_start(LISTEN MEMBER(1, "") MEMBER(2, "") MEMBER(3, "") CONF_END, NULL);
    core_run(20000);
    core_settle();
    for (unsigned n = 1; n < ARRAY_SIZE(c); n += 2)
        check_ok(c[n]);
    CHECK(!is_logged("ejected"));
    for (unsigned n = 0; n < ARRAY_SIZE(c); n += 2) {
        struct text line = core_line(client_first_id(c[n]));

        CHECK(text_eq(core_line_field(line, LINE_RETRY), TEXT("3:backend-refused")) ||
              text_eq(core_line_field(line, LINE_RETRY), TEXT("2:backend-refused")));
        CHECK(tries(0, c[n]) >= 1 && tries(1, c[n]) >= 1 && tries(2, c[n]) >= 1);
    }
    core_end();
}

/* Each member hangs at its own path: the target is written anew. */
static void targets(void **state)
{
    struct client *c[4];

    (void)state;
    world(1, 0);
    sim_describe("targets");
    origins[0]->host.mode = HOST_REFUSES;
    for (unsigned n = 0; n < ARRAY_SIZE(c); n++)
        c[n] = ask_at(0, &(struct ask){.path = "/app/x/", .query = "n=10"});
    core_start("Listen 8080\nProxyPass /app balancer://app/base\n"
               "BalancerMember balancer://app h2c://10.0.0.1:9000/a/very/long/path/of/its/own\n"
               "BalancerMember balancer://app h2c://10.0.0.2:9000/b/\n" CONF_END,
               NULL);
    core_run(20000);
    for (unsigned n = 0; n < ARRAY_SIZE(c); n++) {
        struct text head;
        char path[64];

        check_ok(c[n]);
        head = bytes_text(&origin_request(origins[1], client_first_id(c[n]))->head);
        snprintf(path, sizeof(path), ":path: /b/base/x/r/%u?n=10\n", client_first_id(c[n]));
        CHECK(contains(head, path));
        CHECK(contains(head, ":authority: 10.0.0.2:9000\n"));
        CHECK(contains(head, ":scheme: http\n"));
    }
    core_end();
}

/* A body that came before its request moved is held, and arrives whole. */
static void bodies_move(void **state)
{
    struct client *c[4];

    (void)state;
    world(1, 1);
    sim_describe("bodies move");
    origins[0]->host.mode = HOST_SILENT;
    for (unsigned n = 0; n < ARRAY_SIZE(c); n++)
        c[n] = ask_at(0, &(struct ask){.query = "n=10",
                                       .framing = n < 2 ? ASK_LENGTH : ASK_CHUNKED,
                                       .body = n % 2 == 0 ? 1000 : 200000,
                                       .trailers = n == 2 ? "x-end: yes\r\n" : NULL});
    core_start(two, NULL);
    core_run(20000);
    for (unsigned n = 0; n < ARRAY_SIZE(c); n++)
        check_ok(c[n]);
    core_end();
}

/* ---- bad answers ---- */

static void bad_answers(void **state)
{
    struct client *bad[12], *good[6];

    (void)state;
    world(1, 0);
    sim_describe("bad answers");
    for (unsigned n = 0; n < ARRAY_SIZE(bad); n++)
        bad[n] = core_asking("s=500&n=10", n * 20);
    for (unsigned n = 0; n < ARRAY_SIZE(good); n++)
        good[n] = core_asking("n=10", 500 + n * 10);
    core_start(two, "ProxySet balancer://app maxfails=3\n");
    core_run(20000);
    for (unsigned n = 0; n < ARRAY_SIZE(bad); n++) {
        CHECK_INT(client_response(bad[n], 0)->status, 500);
        CHECK_INT(processed(client_first_id(bad[n])), 1);
    }
    for (unsigned n = 0; n < ARRAY_SIZE(good); n++)
        check_ok(good[n]);
    CHECK_INT(seen(0), 3); /* out after three; the last one stays */
    CHECK(is_logged("10.0.0.1:9000: ejected: status 500"));
    CHECK(!is_logged("10.0.0.2:9000: ejected"));
    core_end();
}

static void fail_on_status(void **state)
{
    struct client *c[4];

    (void)state;
    world(1, 0);
    sim_describe("failonstatus");
    for (unsigned n = 0; n < ARRAY_SIZE(c); n++)
        c[n] = core_asking(n == 0 ? "s=418" : "n=10", n * 20);
    core_start(two, "ProxySet balancer://app failonstatus=418,503\n");
    core_run(20000);
    CHECK_INT(client_response(c[0], 0)->status, 418);
    CHECK_INT(seen(0), 1);
    CHECK_INT(seen(1), 3);
    core_end();
}

/* ---- checks ---- */

#define CHECKED "hcmethod=HEAD hcinterval=2 hctimeout=1 hcfails=2 hcpasses=2 hcuri=/health "

/* A member that falls silent is found by checks; no client's request is its trial when it is back. */
static void checks(void **state)
{
    struct client *c[60];
    unsigned late;

    (void)state;
    world(1, 0);
    sim_describe("checks");
    for (unsigned n = 0; n < ARRAY_SIZE(c); n++)
        c[n] = core_asking("n=10", n < 4 ? n : 20000 + n * 500);
    core_start(LISTEN MEMBER(1, CHECKED) MEMBER(2, CHECKED "slowstart=1") CONF_END, NULL);
    sim_run(NULL, NULL, 1000);
    CHECK_INT(seen(0), 2);
    CHECK(contains(bytes_text(&origin_request(origins[0], 0)->head), ":path: /health\n"));
    CHECK(contains(bytes_text(&origin_request(origins[0], 0)->head), ":method: HEAD\n"));
    origins[0]->deaf = true;
    sim_run(NULL, NULL, 18000);
    CHECK(is_logged("10.0.0.1:9000: ejected: no answer to a check"));
    CHECK(!is_logged("10.0.0.2:9000: ejected"));
    sim_run(NULL, NULL, 21000);
    late = seen(1);
    CHECK(late > 20);
    CHECK_INT(seen(0), 2);
    origins[0]->deaf = false;
    core_run(60000);
    core_settle();
    CHECK(is_logged("10.0.0.1:9000: up again: checks passed"));
    for (unsigned n = 0; n < ARRAY_SIZE(c); n++)
        check_ok(c[n]);
    CHECK_INT(core_line_count(), ARRAY_SIZE(c)); /* checks are not logged */
    core_end();
}

#define PINGED "hcmethod=PING hcinterval=2 hctimeout=1 hcfails=2 hcpasses=2 "

/* The same by PING: no request comes to a member for its checks, and one whose streams are all taken is asked, too. */
static void pings(void **state)
{
    struct client *c[60];

    (void)state;
    world(1, 0);
    sim_describe("pings");
    origins[0]->max_streams = 1;
    c[0] = core_asking("n=10&d=6000", 0);
    for (unsigned n = 1; n < ARRAY_SIZE(c); n++)
        c[n] = core_asking("n=10", n < 4 ? n : 20000 + n * 500);
    core_start(LISTEN MEMBER(1, PINGED "acquire=20000") MEMBER(2, PINGED) CONF_END, NULL);
    sim_run(NULL, NULL, 7000);
    CHECK(origins[0]->pings >= 3);
    CHECK(!is_logged("ejected"));
    origins[0]->paused = true;
    sim_run(NULL, NULL, 12000);
    CHECK(is_logged("10.0.0.1:9000: ejected: no answer to a check"));
    CHECK(!is_logged("10.0.0.2:9000: ejected"));
    CHECK(!is_logged("10.0.0.1:9000: up again"));
    origins[0]->paused = false;
    sim_progress();
    core_run(60000);
    core_settle();
    CHECK(is_logged("10.0.0.1:9000: up again: checks passed"));
    CHECK(seen(0) > 2);
    for (unsigned n = 0; n < ARRAY_SIZE(c); n++)
        check_ok(c[n]);
    CHECK(origin_request(origins[0], 0) == NULL); /* a request of nobody's */
    CHECK_INT(core_line_count(), ARRAY_SIZE(c));
    core_end();
}

/* Without clients a connection is opened for PINGs. One whose path is lost is replaced by the next check. */
static void pings_alone(void **state)
{
    (void)state;
    world(1, 0);
    sim_describe("pings alone");
    core_start(LISTEN MEMBER(1, PINGED) MEMBER(2, PINGED) CONF_END, NULL);
    sim_run(NULL, NULL, 3000);
    CHECK_INT(origins[0]->conn_count, 1);
    CHECK_INT(origins[0]->pings, 2);
    origin_freeze(origins[0]);
    origin_goaway(origins[1]);
    sim_run(NULL, NULL, 8000);
    CHECK_INT(origins[0]->conn_count, 2);
    CHECK_INT(origins[1]->conn_count, 2);
    CHECK(is_logged("10.0.0.1:9000: check failed: no answer to a check"));
    CHECK(!is_logged("ejected"));
    kill_origin(0, HOST_REFUSES);
    sim_run(NULL, NULL, 8000);
    core_settle();
    CHECK(is_logged("10.0.0.1:9000: ejected: connect-refused") || is_logged("10.0.0.1:9000: ejected: backend-down"));
    core_end();
}

/* Checks that run when the proxy drains or stops harm nobody. */
static void checks_end(void **state)
{
    (void)state;
    for (int how = 0; how < 4; how++) {
        world(1, 0);
        sim_describe("checks end %d", how);
        origins[0]->deaf = true;
        origins[1]->host.mode = HOST_SILENT;
        core_start(how < 2 ? LISTEN MEMBER(1, CHECKED) MEMBER(2, CHECKED) CONF_END
                           : LISTEN MEMBER(1, PINGED) MEMBER(2, PINGED) CONF_END,
                   NULL);
        sim_run(NULL, NULL, 500);
        if (how % 2 == 1) {
            sim_ask(PORT_ASK_DRAIN);
            core_run_until_ended(1000);
        }
        core_end();
    }
}

/* ---- sessions ---- */

#define STICKY LISTEN "ProxySet balancer://app stickysession=SID|sid " /* ... */
#define ROUTED MEMBER(1, "route=a") MEMBER(2, "route=b") CONF_END

static void sessions(void **state)
{
    struct client *c[12];

    (void)state;
    world(1, 0);
    sim_describe("sessions");
    for (unsigned n = 0; n < ARRAY_SIZE(c); n++)
        c[n] = ask_at(0, n % 3 == 0   ? &(struct ask){.query = "n=10", .fields = "Cookie: x=y; SID=1.b\r\n"}
                         : n % 3 == 1 ? &(struct ask){.query = "n=10&sid=1.b"}
                                      : &(struct ask){.query = "n=10", .fields = "Cookie: SID=1.c\r\n"});
    core_start(STICKY "stickycookie=SID\n" ROUTED, NULL);
    core_run(20000);
    for (unsigned n = 0; n < ARRAY_SIZE(c); n++) {
        struct text cookie = response_field(&client_response(c[n], 0)->head, "set-cookie");

        check_ok(c[n]);
        if (n % 3 < 2)
            CHECK_INT(tries(1, c[n]), 1);
        if (n % 3 < 2)
            CHECK(cookie.ptr == NULL);
        else
            CHECK(text_eq(cookie,
                          tries(0, c[n]) > 0 ? TEXT("SID=.a; Path=/; HttpOnly") : TEXT("SID=.b; Path=/; HttpOnly")));
    }
    core_end();
}

static void sessions_without_their_member(void **state)
{
    (void)state;
    for (int no = 0; no < 2; no++) {
        struct client *c[4];

        world(1, 0);
        sim_describe("sessions without their member, nofailover %d", no);
        origins[1]->host.mode = HOST_REFUSES;
        for (unsigned n = 0; n < ARRAY_SIZE(c); n++)
            c[n] = ask_at(n * 10, &(struct ask){.query = "n=10", .fields = "Cookie: SID=1.b\r\n"});
        core_start(no ? STICKY "nofailover=On\n" ROUTED : STICKY "nofailover=Off\n" ROUTED, NULL);
        core_run(20000);
        for (unsigned n = 0; n < ARRAY_SIZE(c); n++) {
            CHECK_INT(client_response(c[n], 0)->status, no ? 503 : 200);
            CHECK_INT(tries(0, c[n]), no ? 0 : 1);
        }
        core_end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares),
        cmocka_unit_test(failover),
        cmocka_unit_test(all_down),
        cmocka_unit_test(back_off_and_return),
        cmocka_unit_test(forced_recovery),
        cmocka_unit_test(death_with_a_queue),
        cmocka_unit_test(refused),
        cmocka_unit_test(targets),
        cmocka_unit_test(bodies_move),
        cmocka_unit_test(bad_answers),
        cmocka_unit_test(fail_on_status),
        cmocka_unit_test(checks),
        cmocka_unit_test(pings),
        cmocka_unit_test(pings_alone),
        cmocka_unit_test(checks_end),
        cmocka_unit_test(sessions),
        cmocka_unit_test(sessions_without_their_member),
    };

    return CORE_RUN(tests);
}

#else

int main(void)
{
    return 0;
}

#endif
