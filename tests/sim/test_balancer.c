/* Balancers in the simulated world: the share of each member, and members that fail and return. */
#include "balanced.h"

#include <stdio.h>

#if IS_ENABLED(CONFIG_BALANCER)

static const char two[] = LISTEN MEMBER(1, "") MEMBER(2, "") CONF_END;

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

        balanced_world(i + 1, 0);
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
        CHECK_INT(balanced_seen(0), cases[i].first);
        CHECK_INT(balanced_seen(1), 40 - cases[i].first);
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

        balanced_world(1, 1);
        sim_describe("failover: %s", cases[i].word);
        balanced_origins[0]->host.mode = cases[i].mode;
        for (unsigned n = 0; n < ARRAY_SIZE(c); n++)
            c[n] = core_asking("n=100", 0);
        core_start(two, NULL);
        core_run(20000);
        core_settle();
        for (unsigned n = 0; n < ARRAY_SIZE(c); n++) {
            struct text retry = core_line_field(core_line(client_first_id(c[n])), LINE_RETRY);

            balanced_check(c[n]);
            CHECK(text_eq(core_line_field(core_line(client_first_id(c[n])), LINE_BACKEND), TEXT("10.0.0.2:9000")));
            moved += core_contains(retry, cases[i].word);
        }
        CHECK_INT(moved, 5); /* those that waited there moved all at once */
        snprintf(line, sizeof(line), "balancer://app: 10.0.0.1:9000: ejected: %s", cases[i].word);
        CHECK(core_is_logged(line));
        CHECK(balanced_origins[0]->host.connects <= 1);
        core_end();
    }
}

/* Nobody is there: 503 at once, and when to come again. */
static void all_down(void **state)
{
    struct client *c[10];

    (void)state;
    balanced_world(1, 0);
    sim_describe("all down");
    balanced_origins[0]->host.mode = balanced_origins[1]->host.mode = HOST_REFUSES;
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
    CHECK_INT(balanced_origins[0]->host.connects, 1);
    CHECK_INT(balanced_origins[1]->host.connects, 1);
    core_end();
}

/* Its pauses double and are bounded; when it is back it is on trial and then up. */
static void back_off_and_return(void **state)
{
    struct client *c[240];

    (void)state;
    balanced_world(1, 0);
    sim_describe("back-off and return");
    balanced_origins[0]->host.mode = HOST_REFUSES;
    for (unsigned n = 0; n < ARRAY_SIZE(c); n++)
        c[n] = core_asking("n=10", n * 250);
    core_start(LISTEN MEMBER(1, "retry=8") MEMBER(2, "") CONF_END, NULL);
    sim_run(NULL, NULL, 40000);
    /* 1, 2, 4, 8, 8, 8, ... seconds, up to a quarter less */
    CHECK(balanced_origins[0]->host.connects >= 6 && balanced_origins[0]->host.connects <= 9);
    CHECK(!core_is_logged("up again"));
    balanced_origins[0]->host.mode = HOST_ACCEPTS;
    core_run(60000);
    core_settle();
    for (unsigned n = 0; n < ARRAY_SIZE(c); n++)
        balanced_check(c[n]);
    CHECK(core_is_logged("10.0.0.1:9000: on trial"));
    CHECK(core_is_logged("10.0.0.1:9000: up again: it answered"));
    CHECK(balanced_seen(0) >= 15);
    core_end();
}

/* When nobody can be used an ejected member is tried before its time. */
static void forced_recovery(void **state)
{
    (void)state;
    for (int on = 0; on < 2; on++) {
        struct client *c[20];

        balanced_world(1, 0);
        sim_describe("forced recovery %d", on);
        balanced_origins[0]->host.mode = HOST_REFUSES;
        for (unsigned n = 0; n < ARRAY_SIZE(c); n++)
            c[n] = core_asking("n=10", n * 1000);
        core_start(on ? LISTEN MEMBER(1, "") CONF_END
                      : LISTEN "ProxySet balancer://app forcerecovery=Off\n" MEMBER(1, "") CONF_END,
                   NULL);
        sim_run(NULL, NULL, 10500);
        balanced_origins[0]->host.mode = HOST_ACCEPTS;
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
    balanced_world(1, 1);
    sim_describe("death with a queue");
    balanced_origins[0]->max_streams = 1;
    for (unsigned n = 0; n < ARRAY_SIZE(c); n++)
        c[n] = core_asking("b=1500&n=10", n < 4 ? n * 10 : 100);
    core_start(two, NULL);
    sim_run(NULL, NULL, 500);
    balanced_kill(0, HOST_REFUSES);
    core_run(60000);
    core_settle();
    for (unsigned n = 0; n < ARRAY_SIZE(c); n++) {
        struct text retry = core_line_field(core_line(client_first_id(c[n])), LINE_RETRY);

        CHECK(balanced_processed(client_first_id(c[n])) <= 1);
        if (balanced_tries(0, c[n]) > 0) {
            lost++;
            CHECK_INT(balanced_tries(1, c[n]), 0);
        } else {
            balanced_check(c[n]);
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
    balanced_world(1, 0);
    sim_describe("refused");
    balanced_origins[1]->max_streams = 100;
    for (unsigned n = 0; n < ARRAY_SIZE(c); n++)
        c[n] = core_asking(n % 2 == 0 ? "F=1&n=10" : "n=10", n * 100);
    core_start(LISTEN MEMBER(1, "") MEMBER(2, "") MEMBER(3, "") CONF_END, NULL);
    core_run(20000);
    core_settle();
    for (unsigned n = 1; n < ARRAY_SIZE(c); n += 2)
        balanced_check(c[n]);
    CHECK(!core_is_logged("ejected"));
    for (unsigned n = 0; n < ARRAY_SIZE(c); n += 2) {
        struct text line = core_line(client_first_id(c[n]));

        CHECK(text_eq(core_line_field(line, LINE_RETRY), TEXT("3:backend-refused")) ||
              text_eq(core_line_field(line, LINE_RETRY), TEXT("2:backend-refused")));
        CHECK(balanced_tries(0, c[n]) >= 1 && balanced_tries(1, c[n]) >= 1 && balanced_tries(2, c[n]) >= 1);
    }
    core_end();
}

/* Each member hangs at its own path: the target is written anew. */
static void targets(void **state)
{
    struct client *c[4];

    (void)state;
    balanced_world(1, 0);
    sim_describe("targets");
    balanced_origins[0]->host.mode = HOST_REFUSES;
    for (unsigned n = 0; n < ARRAY_SIZE(c); n++)
        c[n] = core_ask_at(0, &(struct ask){.path = "/app/x/", .query = "n=10"});
    core_start("Listen 8080\nProxyPass /app balancer://app/base\n"
               "BalancerMember balancer://app h2c://10.0.0.1:9000/a/very/long/path/of/its/own\n"
               "BalancerMember balancer://app h2c://10.0.0.2:9000/b/\n" CONF_END,
               NULL);
    core_run(20000);
    for (unsigned n = 0; n < ARRAY_SIZE(c); n++) {
        struct text head;
        char path[64];

        balanced_check(c[n]);
        head = bytes_text(&origin_request(balanced_origins[1], client_first_id(c[n]))->head);
        snprintf(path, sizeof(path), ":path: /b/base/x/r/%u?n=10\n", client_first_id(c[n]));
        CHECK(core_contains(head, path));
        CHECK(core_contains(head, ":authority: 10.0.0.2:9000\n"));
        CHECK(core_contains(head, ":scheme: http\n"));
    }
    core_end();
}

/* A body that came before its request moved is held, and arrives whole. */
static void bodies_move(void **state)
{
    struct client *c[4];

    (void)state;
    balanced_world(1, 1);
    sim_describe("bodies move");
    balanced_origins[0]->host.mode = HOST_SILENT;
    for (unsigned n = 0; n < ARRAY_SIZE(c); n++)
        c[n] = core_ask_at(0, &(struct ask){.query = "n=10",
                                            .framing = n < 2 ? ASK_LENGTH : ASK_CHUNKED,
                                            .body = n % 2 == 0 ? 1000 : 200000,
                                            .trailers = n == 2 ? "x-end: yes\r\n" : NULL});
    core_start(two, NULL);
    core_run(20000);
    for (unsigned n = 0; n < ARRAY_SIZE(c); n++)
        balanced_check(c[n]);
    core_end();
}

/* ---- bad answers ---- */

static void bad_answers(void **state)
{
    struct client *bad[12], *good[6];

    (void)state;
    balanced_world(1, 0);
    sim_describe("bad answers");
    for (unsigned n = 0; n < ARRAY_SIZE(bad); n++)
        bad[n] = core_asking("s=500&n=10", n * 20);
    for (unsigned n = 0; n < ARRAY_SIZE(good); n++)
        good[n] = core_asking("n=10", 500 + n * 10);
    core_start(two, "ProxySet balancer://app maxfails=3\n");
    core_run(20000);
    for (unsigned n = 0; n < ARRAY_SIZE(bad); n++) {
        CHECK_INT(client_response(bad[n], 0)->status, 500);
        CHECK_INT(balanced_processed(client_first_id(bad[n])), 1);
    }
    for (unsigned n = 0; n < ARRAY_SIZE(good); n++)
        balanced_check(good[n]);
    CHECK_INT(balanced_seen(0), 3); /* out after three; the last one stays */
    CHECK(core_is_logged("10.0.0.1:9000: ejected: status 500"));
    CHECK(!core_is_logged("10.0.0.2:9000: ejected"));
    core_end();
}

static void fail_on_status(void **state)
{
    struct client *c[4];

    (void)state;
    balanced_world(1, 0);
    sim_describe("failonstatus");
    for (unsigned n = 0; n < ARRAY_SIZE(c); n++)
        c[n] = core_asking(n == 0 ? "s=418" : "n=10", n * 20);
    core_start(two, "ProxySet balancer://app failonstatus=418,503\n");
    core_run(20000);
    CHECK_INT(client_response(c[0], 0)->status, 418);
    CHECK_INT(balanced_seen(0), 1);
    CHECK_INT(balanced_seen(1), 3);
    core_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares),          cmocka_unit_test(failover),
        cmocka_unit_test(all_down),        cmocka_unit_test(back_off_and_return),
        cmocka_unit_test(forced_recovery), cmocka_unit_test(death_with_a_queue),
        cmocka_unit_test(refused),         cmocka_unit_test(targets),
        cmocka_unit_test(bodies_move),     cmocka_unit_test(bad_answers),
        cmocka_unit_test(fail_on_status),
    };

    return CORE_RUN(tests);
}

#else

int main(void)
{
    return 0;
}

#endif
