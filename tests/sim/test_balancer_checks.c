/* Balancers in the simulated world: members that are checked, and sessions that stay with theirs. */
#include "balanced.h"

#if IS_ENABLED(CONFIG_BALANCER)

/* ---- checks ---- */

#define CHECKED "hcmethod=HEAD hcinterval=2 hctimeout=1 hcfails=2 hcpasses=2 hcuri=/health "

/* A member that falls silent is found by checks; no client's request is its trial when it is back. */
static void checks(void **state)
{
    struct client *c[60];
    unsigned late;

    (void)state;
    balanced_world(1, 0);
    sim_describe("checks");
    for (unsigned n = 0; n < ARRAY_SIZE(c); n++)
        c[n] = core_asking("n=10", n < 4 ? n : 20000 + n * 500);
    core_start(LISTEN MEMBER(1, CHECKED) MEMBER(2, CHECKED "slowstart=1") CONF_END, NULL);
    sim_run(NULL, NULL, 1000);
    CHECK_INT(balanced_seen(0), 2);
    CHECK(core_contains(bytes_text(&origin_request(balanced_origins[0], 0)->head), ":path: /health\n"));
    CHECK(core_contains(bytes_text(&origin_request(balanced_origins[0], 0)->head), ":method: HEAD\n"));
    balanced_origins[0]->deaf = true;
    sim_run(NULL, NULL, 18000);
    CHECK(core_is_logged("10.0.0.1:9000: ejected: no answer to a check"));
    CHECK(!core_is_logged("10.0.0.2:9000: ejected"));
    sim_run(NULL, NULL, 21000);
    late = balanced_seen(1);
    CHECK(late > 20);
    CHECK_INT(balanced_seen(0), 2);
    balanced_origins[0]->deaf = false;
    core_run(60000);
    core_settle();
    CHECK(core_is_logged("10.0.0.1:9000: up again: checks passed"));
    for (unsigned n = 0; n < ARRAY_SIZE(c); n++)
        balanced_check(c[n]);
    CHECK_INT(core_line_count(), ARRAY_SIZE(c)); /* checks are not logged */
    core_end();
}

#define PINGED "hcmethod=PING hcinterval=2 hctimeout=1 hcfails=2 hcpasses=2 "

/* The same by PING: no request comes to a member for its checks, and one whose streams are all taken is asked, too. */
static void pings(void **state)
{
    struct client *c[60];

    (void)state;
    balanced_world(1, 0);
    sim_describe("pings");
    balanced_origins[0]->max_streams = 1;
    c[0] = core_asking("n=10&d=6000", 0);
    for (unsigned n = 1; n < ARRAY_SIZE(c); n++)
        c[n] = core_asking("n=10", n < 4 ? n : 20000 + n * 500);
    core_start(LISTEN MEMBER(1, PINGED "acquire=20000") MEMBER(2, PINGED) CONF_END, NULL);
    sim_run(NULL, NULL, 7000);
    CHECK(balanced_origins[0]->pings >= 3);
    CHECK(!core_is_logged("ejected"));
    balanced_origins[0]->paused = true;
    sim_run(NULL, NULL, 12000);
    CHECK(core_is_logged("10.0.0.1:9000: ejected: no answer to a check"));
    CHECK(!core_is_logged("10.0.0.2:9000: ejected"));
    CHECK(!core_is_logged("10.0.0.1:9000: up again"));
    balanced_origins[0]->paused = false;
    sim_progress();
    core_run(60000);
    core_settle();
    CHECK(core_is_logged("10.0.0.1:9000: up again: checks passed"));
    CHECK(balanced_seen(0) > 2);
    for (unsigned n = 0; n < ARRAY_SIZE(c); n++)
        balanced_check(c[n]);
    CHECK(origin_request(balanced_origins[0], 0) == NULL); /* a request of nobody's */
    CHECK_INT(core_line_count(), ARRAY_SIZE(c));
    core_end();
}

/* Without clients a connection is opened for PINGs. One whose path is lost is replaced by the next check. */
static void pings_alone(void **state)
{
    (void)state;
    balanced_world(1, 0);
    sim_describe("pings alone");
    core_start(LISTEN MEMBER(1, PINGED) MEMBER(2, PINGED) CONF_END, NULL);
    sim_run(NULL, NULL, 3000);
    CHECK_INT(balanced_origins[0]->conn_count, 1);
    CHECK_INT(balanced_origins[0]->pings, 2);
    origin_freeze(balanced_origins[0]);
    origin_goaway(balanced_origins[1]);
    sim_run(NULL, NULL, 8000);
    CHECK_INT(balanced_origins[0]->conn_count, 2);
    CHECK_INT(balanced_origins[1]->conn_count, 2);
    CHECK(core_is_logged("10.0.0.1:9000: check failed: no answer to a check"));
    CHECK(!core_is_logged("ejected"));
    balanced_kill(0, HOST_REFUSES);
    sim_run(NULL, NULL, 8000);
    core_settle();
    CHECK(core_is_logged("10.0.0.1:9000: ejected: connect-refused") ||
          core_is_logged("10.0.0.1:9000: ejected: backend-down"));
    core_end();
}

/* Checks that run when the proxy drains or stops harm nobody. */
static void checks_end(void **state)
{
    (void)state;
    for (int how = 0; how < 4; how++) {
        balanced_world(1, 0);
        sim_describe("checks end %d", how);
        balanced_origins[0]->deaf = true;
        balanced_origins[1]->host.mode = HOST_SILENT;
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
    balanced_world(1, 0);
    sim_describe("sessions");
    for (unsigned n = 0; n < ARRAY_SIZE(c); n++)
        c[n] = core_ask_at(0, n % 3 == 0   ? &(struct ask){.query = "n=10", .fields = "Cookie: x=y; SID=1.b\r\n"}
                              : n % 3 == 1 ? &(struct ask){.query = "n=10&sid=1.b"}
                                           : &(struct ask){.query = "n=10", .fields = "Cookie: SID=1.c\r\n"});
    core_start(STICKY "stickycookie=SID\n" ROUTED, NULL);
    core_run(20000);
    for (unsigned n = 0; n < ARRAY_SIZE(c); n++) {
        struct text cookie = response_field(&client_response(c[n], 0)->head, "set-cookie");

        balanced_check(c[n]);
        if (n % 3 < 2)
            CHECK_INT(balanced_tries(1, c[n]), 1);
        if (n % 3 < 2)
            CHECK(cookie.ptr == NULL);
        else
            CHECK(text_eq(cookie, balanced_tries(0, c[n]) > 0 ? TEXT("SID=.a; Path=/; HttpOnly")
                                                              : TEXT("SID=.b; Path=/; HttpOnly")));
    }
    core_end();
}

static void sessions_without_their_member(void **state)
{
    (void)state;
    for (int no = 0; no < 2; no++) {
        struct client *c[4];

        balanced_world(1, 0);
        sim_describe("sessions without their member, nofailover %d", no);
        balanced_origins[1]->host.mode = HOST_REFUSES;
        for (unsigned n = 0; n < ARRAY_SIZE(c); n++)
            c[n] = core_ask_at(n * 10, &(struct ask){.query = "n=10", .fields = "Cookie: SID=1.b\r\n"});
        core_start(no ? STICKY "nofailover=On\n" ROUTED : STICKY "nofailover=Off\n" ROUTED, NULL);
        core_run(20000);
        for (unsigned n = 0; n < ARRAY_SIZE(c); n++) {
            CHECK_INT(client_response(c[n], 0)->status, no ? 503 : 200);
            CHECK_INT(balanced_tries(0, c[n]), no ? 0 : 1);
        }
        core_end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checks),     cmocka_unit_test(pings),    cmocka_unit_test(pings_alone),
        cmocka_unit_test(checks_end), cmocka_unit_test(sessions), cmocka_unit_test(sessions_without_their_member),
    };

    return CORE_RUN(tests);
}

#else

int main(void)
{
    return 0;
}

#endif
