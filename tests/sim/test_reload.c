/* Reloads in the simulated world, for requests: what goes on, what changes, and that none is lost. */
#include "reload.h"

#include <stdio.h>

#if IS_ENABLED(CONFIG_RELOAD)

/* ---- what stays ---- */

/* The same backend keeps its connection, the client its own; what is new counts from the next request on. */
static void same_backend(void **state)
{
    struct client *c, *d;

    (void)state;
    reload_begin(NULL);
    c = client_new(FRONT_PORT);
    c->stays = true;
    client_ask(c, &(struct ask){.query = "n=10"});
    core_start_file(TO_ONE);
    core_run(1000);
    reload_to(LISTEN "LimitRequestBody 100\nKeepAliveTimeout 3\nProxyPass /r " ONE "r\n" TAIL);
    client_ask(c, &(struct ask){.query = "n=20"});
    client_ask(c, &(struct ask){.query = "n=20", .framing = ASK_LENGTH, .body = 101});
    d = core_asking("n=30", 0);
    core_run(1000);
    CHECK_INT(client_response(c, 1)->status, 200);
    CHECK_INT(client_response(c, 2)->status, 413);
    reload_check(d);
    CHECK_INT(reload_one->conn_count, 1);
    CHECK_INT(reload_one->goaways, 0);
    core_end();
}

/* The body of a request that runs has the limit that it began with; the next one the new limit. */
static void limit_of_running_request(void **state)
{
    struct client *c;

    (void)state;
    reload_begin(NULL);
    c = client_new(FRONT_PORT);
    c->piece = 400;
    c->pause_ms = 100;
    client_ask(c, &(struct ask){.query = "n=1", .framing = ASK_CHUNKED, .body = 3000, .chunk = 100});
    client_ask(c, &(struct ask){.query = "n=1", .framing = ASK_CHUNKED, .body = 3000, .chunk = 100});
    core_start_file(TO_ONE);
    sim_run(NULL, NULL, 300);
    reload_to(LISTEN "LimitRequestBody 1000\nProxyPass / " ONE "\n" TAIL);
    core_run(5000);
    CHECK_INT(client_response(c, 0)->status, 200);
    CHECK_INT(client_response(c, 1)->status, 413);
    core_end();
}

/* ---- what changes ---- */

/* Old requests end on the old configuration: before their response, in it, and while they wait for a stream. Then the
   old backend is told goodbye. */
static void changed_backend(void **state)
{
    static const char *const nexts[] = {TO_TWO, TO_ONE_WIDE};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(nexts); i++) {
        struct client *waits, *reads, *queued, *later;

        reload_begin(&(struct sim_options){.latency_ms = 3});
        sim_describe("next %u", i);
        reload_one->max_streams = 2;
        waits = core_asking("n=10&d=2000", 0);
        reads = core_asking("n=90000&p=10000&q=200", 0);
        queued = core_asking("n=10", 100);
        later = core_asking("n=10", 700);
        core_start_file(TO_ONE);
        sim_run(NULL, NULL, 300);
        reload_to(nexts[i]);
        core_run(10000);
        sim_run(NULL, NULL, 300);
        reload_check(waits);
        reload_check(reads);
        reload_check(queued);
        reload_check(later);
        CHECK(reload_came(reload_one, waits) && reload_came(reload_one, reads) && reload_came(reload_one, queued));
        CHECK(reload_came(i == 0 ? reload_two : reload_one, later));
        CHECK_INT(reload_one->conn_count, i == 0 ? 1 : 2);
        CHECK_INT(reload_one->goaways, 1);
        CHECK_INT(reload_one->open_conns, i);
        CHECK(core_is_logged("10.0.0.1:9000: gone"));
        core_end();
    }
}

/* The same over HTTP/2, where one client has requests of both configurations at once. */
static void changed_backend_h2(void **state)
{
    struct h2_client *c;

    (void)state;
    reload_begin(&(struct sim_options){.latency_ms = 2});
    c = h2_client_new(FRONT_PORT);
    for (unsigned i = 0; i < 6; i++)
        h2_client_ask(
            c, &(struct h2_ask){.ask = {.query = i % 2 ? "n=3000&d=900" : "n=50000&p=5000&q=50"}, .start_at = i * 200});
    core_start_file(TO_ONE);
    sim_run(NULL, NULL, 500);
    reload_to(TO_TWO);
    core_run(10000);
    sim_run(NULL, NULL, 300);
    CHECK_INT(h2_client_answers(c), 6);
    CHECK_INT(reload_one->request_count, 3);
    CHECK_INT(reload_two->request_count, 3);
    CHECK_INT(reload_one->open_conns, 0);
    core_end();
}

/* All connections are in use by backends that left: who comes waits for one. */
static void no_room_at_first(void **state)
{
    struct client *busy[CONFIG_BACKEND_CONNS], *later;
    char conf[200];

    (void)state;
    CORE_NEEDS(CONFIG_CLIENTS > CONFIG_BACKEND_CONNS);
    reload_begin(NULL);
    reload_one->max_streams = 1;
    snprintf(conf, sizeof(conf), LISTEN "ProxyPass / " ONE " max=%d\n" TAIL, CONFIG_BACKEND_CONNS);
    for (unsigned i = 0; i < CONFIG_BACKEND_CONNS; i++)
        busy[i] = core_asking("n=10&d=2000", 0);
    core_start_file(conf);
    sim_run(NULL, NULL, 500);
    CHECK_INT(reload_one->open_conns, CONFIG_BACKEND_CONNS);
    reload_to(TO_TWO);
    later = core_asking("n=10", 0);
    core_run(10000);
    for (unsigned i = 0; i < CONFIG_BACKEND_CONNS; i++)
        reload_check(busy[i]);
    reload_check(later);
    CHECK(reload_came(reload_two, later));
    core_end();
}

#if IS_ENABLED(CONFIG_HEADER_EDIT)

#define MARK(n) "Header always set X-Conf " n "\n"

static void check_mark(struct client *c, const char *mark)
{
    CHECK(text_eq(response_field(&client_response(c, 0)->head, "x-conf"), text_of(mark)));
}

/* A response is mapped by the configuration that its request had; one of the proxy's own, too. A reload does not wait
   for a body. */
static void old_ones_finish_on_the_old(void **state)
{
    struct client *waits, *reads, *fails, *later;

    (void)state;
    reload_begin(NULL);
    reload_two->host.mode = HOST_SILENT;
    waits = core_asking("n=10&d=1500", 0);
    reads = core_asking("n=50000&p=1000&q=100", 0);
    fails = client_new(FRONT_PORT);
    client_ask(fails, &(struct ask){.path = "/two/", .query = "n=1"});
    later = core_asking("n=10", 900);
    core_start_file(LISTEN MARK("a") "ProxyPass /two/ " TWO " connectiontimeout=1\nProxyPass / " ONE "\n" TAIL);
    sim_run(NULL, NULL, 200);
    reload_to(LISTEN MARK("b") "ProxyPass / " ONE "\n" TAIL);
    core_run(10000);
    reload_check(waits);
    reload_check(reads);
    reload_check(later);
    check_mark(waits, "a");
    check_mark(reads, "a");
    CHECK_INT(client_response(fails, 0)->status, 504);
    check_mark(fails, "a");
    check_mark(later, "b");
    CHECK_INT(reload_one->conn_count, 1);
    core_end();
}

/* A third configuration waits for requests of the first, since their slot is its own: for a while only, then the second
   maps their responses. None is lost. */
static void third_waits(void **state)
{
    for (int patient = 0; patient < 2; patient++) {
        struct client *slow, *second, *third;
        char query[40];

        (void)state;
        reload_begin(NULL);
        sim_describe("patient %d", patient);
        snprintf(query, sizeof(query), "n=10&d=%d", patient ? 3000 : CONFIG_DRAIN_S * 1000 + 20000);
        slow = core_asking(query, 0);
        second = core_asking("n=10", 1500);
        third = core_asking("n=10", CONFIG_DRAIN_S * 1000 + 3000);
        core_start_file(LISTEN MARK("a") "ProxyPass / " ONE "\n" TAIL);
        sim_run(NULL, NULL, 500);
        reload_to(LISTEN MARK("b") "ProxyPass / " ONE "\n" TAIL);
        sim_log_forget("");
        core_reload(LISTEN MARK("c") "ProxyPass / " ONE "\n" TAIL);
        sim_run(NULL, NULL, 2000);
        CHECK(!reload_is_done(NULL));
        CHECK(core_is_logged("waits for requests"));
        core_run(60000);
        reload_check(slow);
        check_mark(slow, patient ? "a" : "b");
        check_mark(second, "b");
        check_mark(third, "c");
        CHECK(reload_is_done(NULL));
        core_end();
    }
}

#endif

/* ---- names ---- */

#if IS_ENABLED(CONFIG_CARES)

static void names(void **state)
{
    struct port_addr addr;
    struct client *c;

    (void)state;
    reload_begin(NULL);
    addr = sim_addr(10, 0, 0, 2, 0);
    sim_set_name("b.example", PORT_ANSWER_ADDRS, 60, 200, &addr, 1);
    core_start_file(TO_ONE);
    sim_run(NULL, NULL, 100);
    reload_to(LISTEN "ProxyPass / h2c://b.example:9000/\n" TAIL);
    c = core_asking("n=10", 0);
    core_run(3000);
    reload_check(c);
    CHECK(reload_came(reload_two, c));
    reload_to(LISTEN "Timeout 30\nProxyTimeout 60\nProxyPass / h2c://b.example:9000/\n" TAIL);
    c = core_asking("n=10", 0);
    core_run(3000);
    reload_check(c);
    CHECK_INT(sim_lookups("b.example"), 1);
    CHECK_INT(reload_two->conn_count, 1);
    reload_to(LISTEN "Resolver 192.0.2.1\nProxyTimeout 60\nProxyPass / h2c://b.example:9000/\n" TAIL);
    c = core_asking("n=10", 0);
    core_run(3000);
    reload_check(c);
    CHECK_INT(reload_two->conn_count, 1);
    reload_to(TO_ONE);
    c = core_asking("n=10", 0);
    core_run(3000);
    CHECK(reload_came(reload_one, c));
    core_end();
}

#endif

/* ---- the end ---- */

/* GracefulShutdownTimeout of the last configuration counts; what runs on an old one finishes, too. */
static void drain(void **state)
{
    struct client *old, *late;
    uint64_t from;

    (void)state;
    reload_begin(NULL);
    old = core_asking("n=10&d=1000", 0);
    late = core_asking("n=10&d=9000", 0);
    core_start_file(TO_ONE);
    sim_run(NULL, NULL, 100);
    reload_to(LISTEN "GracefulShutdownTimeout 3\nProxyPass / " TWO "\n" TAIL);
    from = sim_now();
    sim_ask(PORT_ASK_DRAIN);
    core_run_until_ended(4000);
    CHECK(sim_now() - from >= 3000);
    reload_check(old);
    CHECK_INT(client_response(late, 0)->status, 0);
    core_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_backend),
        cmocka_unit_test(limit_of_running_request),
        cmocka_unit_test(changed_backend),
        cmocka_unit_test(changed_backend_h2),
        cmocka_unit_test(no_room_at_first),
#if IS_ENABLED(CONFIG_HEADER_EDIT)
        cmocka_unit_test(old_ones_finish_on_the_old),
        cmocka_unit_test(third_waits),
#endif
#if IS_ENABLED(CONFIG_CARES)
        cmocka_unit_test(names),
#endif
        cmocka_unit_test(drain),
    };

    return CORE_RUN(tests);
}

#else

int main(void)
{
    return 0;
}

#endif
