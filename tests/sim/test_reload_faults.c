/* Reloads in the simulated world that are refused, that change listeners or balancers, and many of them, also where
 * calls of the platform fail. */
#include "net/listener.h"
#include "reload.h"

#include <stdio.h>

#if IS_ENABLED(CONFIG_RELOAD)

/* ---- what refuses ---- */

/* A configuration that is wrong changes nothing, and the log says where it is wrong. */
static void invalid(void **state)
{
    struct client *runs, *later;

    (void)state;
    reload_begin(NULL);
    runs = core_asking("n=10&d=1000", 0);
    later = core_asking("n=10", 600);
    core_start_file(TO_ONE);
    sim_run(NULL, NULL, 300);
    reload_refused(LISTEN "ProxyPass / " TWO "\nProxyPas / x\nTimeout never\n" TAIL,
                   IS_ENABLED(CONFIG_CONF_EXPLAIN)
                       ? "test.conf:3: 'ProxyPas': expected a directive: did you mean ProxyPass?"
                       : "test.conf:3: 'ProxyPas': expected a directive");
    CHECK(core_is_logged("test.conf:4: Timeout: 'never'"));
    CHECK(core_is_logged("2 errors"));
    reload_refused("", "expected one Listen at least");
    reload_refused(LISTEN "Include gone.conf\nProxyPass / " TWO "\n" TAIL,
                   IS_ENABLED(CONFIG_INCLUDE) ? "gone.conf': cannot be read" : "Include: needs CONFIG_INCLUDE");
    core_run(3000);
    reload_check(runs);
    reload_check(later);
    CHECK_INT(reload_one->conn_count, 1);
    CHECK_INT(reload_two->conn_count, 0);
    core_end();
}

/* ---- listeners ---- */

static struct client *at_port(uint16_t port)
{
    struct client *c = client_new(port);

    client_ask(c, &(struct ask){.query = "n=10"});
    return c;
}

static void listeners(void **state)
{
    struct client *stays, *first, *second;

    (void)state;
    reload_begin(NULL);
    stays = at_port(8080);
    stays->stays = true;
    core_start_file(TO_ONE);
    core_run(500);
    reload_to(LISTEN LISTEN_TOO "ProxyPass / " ONE "\n" TAIL);
    first = at_port(8080);
    second = at_port(8081);
    core_run(500);
    reload_check(first);
    reload_check(second);
    reload_to(LISTEN_TOO "ProxyPass / " ONE "\n" TAIL);
    client_ask(stays, &(struct ask){.query = "n=20"});
    first = at_port(8080);
    second = at_port(8081);
    core_run(500);
    reload_check(stays);
    CHECK_INT(first->end, CLIENT_REFUSED);
    reload_check(second);
    CHECK_INT(reload_one->conn_count, 1);
    core_end();
}

/* Who waits to be accepted where nobody will listen any more is served. */
static void waits_to_be_accepted(void **state)
{
    struct client *c;

    (void)state;
    reload_begin(NULL);
    core_start_file(TO_ONE);
    sim_run(NULL, NULL, 100);
    c = at_port(8080);
    core_reload(LISTEN_TOO "ProxyPass / " ONE "\n" TAIL);
    core_run(1000);
    reload_check(c);
    core_end();
}

/* A port that is in use makes the whole reload fail: nothing is different. */
static void port_in_use(void **state)
{
    struct client *c;

    (void)state;
    reload_begin(NULL);
    core_start_file(TO_ONE);
    sim_run(NULL, NULL, 100);
    sim_fail_nth(1, SIM_ERROR);
    reload_refused(LISTEN_TOO "ProxyPass / " TWO "\n" TAIL, "Listen 0.0.0.0:8081");
    c = at_port(8080);
    core_run(1000);
    reload_check(c);
    CHECK(reload_came(reload_one, c));
    core_end();
}

/* ---- balancers ---- */

#if IS_ENABLED(CONFIG_BALANCER)

#define MEMBER(n, keys) "BalancerMember balancer://app h2c://10.0.0." n ":9000 connectiontimeout=1 " keys "\n"
#define BALANCED LISTEN "ProxyPass / balancer://app/\n"

/* A member comes and goes; the others keep their connections, and one that is ejected stays so. */
static void members(void **state)
{
    struct client *runs;

    (void)state;
    reload_begin(NULL);
    reload_one->host.mode = HOST_REFUSES;
    core_start_file(BALANCED MEMBER("1", "retry=60") TAIL);
    core_asking("n=1", 0);
    core_run(3000);
    sim_run(NULL, NULL, 300);
    CHECK(core_is_logged("10.0.0.1:9000: ejected: connect-refused"));
    reload_one->host.mode = HOST_ACCEPTS;
    reload_to(BALANCED MEMBER("1", "retry=60") MEMBER("2", "") TAIL);
    for (unsigned i = 0; i < 4; i++)
        core_asking("n=1", sim_now());
    runs = core_asking("n=10&d=3000", sim_now());
    sim_run(NULL, NULL, 500);
    CHECK_INT(reload_two->request_count, 5);
    reload_to(BALANCED MEMBER("1", "") TAIL);
    sim_run(NULL, NULL, 600);
    core_asking("n=1", sim_now());
    core_run(5000);
    sim_run(NULL, NULL, 300);
    reload_check(runs);
    CHECK_INT(reload_one->request_count, 1);
    CHECK_INT(reload_two->open_conns, 0);
    core_end();
}

/* What a member carries counts when its balancer has another member from now on. */
static void busyness_goes_on(void **state)
{
    (void)state;
    reload_begin(NULL);
    for (unsigned i = 0; i < 4; i++)
        core_asking("n=10&d=3000", 0);
    core_start_file(BALANCED "ProxySet balancer://app lbmethod=bybusyness\n" MEMBER("1", "") TAIL);
    sim_run(NULL, NULL, 300);
    reload_to(BALANCED "ProxySet balancer://app lbmethod=bybusyness\n" MEMBER("1", "") MEMBER("2", "") TAIL);
    for (unsigned i = 0; i < 4; i++)
        core_asking("n=10&d=3000", sim_now());
    core_run(10000);
    CHECK_INT(reload_one->request_count, 4);
    CHECK_INT(reload_two->request_count, 4);
    CHECK_INT(reload_one->conn_count, 1);
    core_end();
}

/* An exchange of a balancer that is gone moves on to its other members. */
static void moves_in_the_old_one(void **state)
{
    struct client *c;

    (void)state;
    reload_begin(NULL);
    reload_one->host.mode = HOST_SILENT;
    c = core_asking("n=10", 0);
    core_start_file(BALANCED MEMBER("1", "lbset=0") MEMBER("2", "lbset=1") TAIL);
    sim_run(NULL, NULL, 300);
    reload_to(TO_TWO);
    core_run(5000);
    reload_check(c);
    CHECK(reload_came(reload_two, c));
    core_end();
}

/* Checks of a balancer that is gone end, those of one that follows go on. */
static void checks(void **state)
{
    unsigned before;

    (void)state;
    reload_begin(NULL);
    core_start_file(BALANCED MEMBER("1", "hcmethod=HEAD hcinterval=1") MEMBER("2", "hcmethod=HEAD hcinterval=1") TAIL);
    sim_run(NULL, NULL, 2500);
    CHECK(reload_one->request_count > 0 && reload_two->request_count > 0);
    reload_to(BALANCED MEMBER("2", "hcmethod=HEAD hcinterval=1") TAIL);
    before = reload_one->request_count;
    sim_run(NULL, NULL, 3000);
    CHECK_INT(reload_one->request_count, before);
    CHECK(reload_two->requests[0].tries > 3 || reload_two->request_count > 3);
    core_end();
}

#endif

/* ---- many, and faults ---- */

static const char *const all[] = {
    TO_ONE,
    TO_TWO,
    TO_ONE_WIDE,
    LISTEN LISTEN_TOO "ProxyPass /x/ " TWO "\nProxyPass / " ONE "\n" TAIL,
    LISTEN "Oops\n" TAIL,
#if IS_ENABLED(CONFIG_BALANCER)
    BALANCED MEMBER("1", "") MEMBER("2", "hcmethod=HEAD hcinterval=1") TAIL,
    BALANCED MEMBER("2", "hcmethod=HEAD hcinterval=1") TAIL,
#endif
};

/* Whatever comes after whatever, at any time: every request is answered well, and nothing is left over. */
static void many(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct client *clients[40];
        struct h2_client *h2;

        reload_begin(&(struct sim_options){.seed = seed, .latency_ms = seed % 4, .chop = seed % 3 ? 0 : 300});
        sim_describe("many");
        /* Where connections are few, many wait for one, and begin on it before its backend has said how many it takes.
           One that is refused when a part of its body has left is not sent again. */
        reload_one->max_streams = CONFIG_BACKEND_CONNS < 8 ? CONFIG_EARLY_STREAMS : 8;
        h2 = h2_client_new(FRONT_PORT);
        for (unsigned i = 0; i < ARRAY_SIZE(clients); i++) {
            char query[64];

            snprintf(query, sizeof(query), "n=%u&p=2000&q=%u&d=%u", sim_chance(20000), sim_chance(100),
                     sim_chance(400));
            clients[i] = client_new(FRONT_PORT);
            clients[i]->start_at = sim_chance(5000);
            client_ask(clients[i], &(struct ask){.query = query});
            /* No more bodies than can be on their way: they may all wait at once. */
            client_ask(clients[i], &(struct ask){.query = query,
                                                 .framing = i < CONFIG_UPLOADS ? ASK_CHUNKED : ASK_NONE,
                                                 .body = i < CONFIG_UPLOADS ? sim_chance(5000) : 0});
            h2_client_ask(h2, &(struct h2_ask){.ask = {.query = query}, .start_at = sim_chance(5000)});
        }
        core_start_file(TO_ONE);
        for (unsigned i = 0; i < 60; i++) {
            core_reload(all[sim_chance(ARRAY_SIZE(all))]);
            sim_run(NULL, NULL, sim_chance(200));
        }
        core_run(60000);
        for (unsigned i = 0; i < ARRAY_SIZE(clients); i++)
            reload_check(clients[i]);
        CHECK_INT(h2_client_answers(h2), ARRAY_SIZE(clients));
        core_end();
    }
}

#if IS_ENABLED(CONFIG_LOG_FILE)
#define FILES "CustomLog /access\nErrorLog /error\n"
#define FILE_CALLS 2

/* A log that cannot be opened: the port that was opened before is closed again, and lines go where they went. */
static void log_cannot_be_opened(void **state)
{
    struct client *c;
    unsigned listeners;

    (void)state;
    reload_begin(NULL);
    core_start_file(TO_ONE);
    sim_run(NULL, NULL, 100);
    listeners = listener_count();
    sim_sink("/none/error", false, PORT_FAULT_NOT_FOUND);
    reload_refused(LISTEN_TOO "ProxyPass / " TWO "\nCustomLog /access\nErrorLog /none/error\n",
                   "ErrorLog /none/error: ");
    CHECK_INT(listener_count(), listeners);
    c = at_port(8080);
    core_run(1000);
    reload_check(c);
    CHECK(reload_came(reload_one, c));
    CHECK_INT(sim_log("/access").len, 0);
    core_end();
}
#else
#define FILES "CustomLog \"-\"\n"
#define FILE_CALLS 0
#endif

/* One run in which the nth call of the platform from the reload on fails. False: there was none. */
static bool run_fault(uint32_t n, enum sim_fault fault)
{
    struct client *runs, *later;
    bool fired;

    reload_begin(&(struct sim_options){.seed = n, .log_lossy = true});
    sim_describe("call %u fails so: %d", n, fault);
    runs = core_asking("n=300&d=100", 0);
    core_start_file(TO_ONE);
    sim_run(NULL, NULL, 50);
    core_reload(LISTEN LISTEN_TOO "ProxyPass /x/ " ONE "\nProxyPass / " TWO "\n" FILES);
    sim_fail_nth(n, fault);
    sim_run(NULL, NULL, 30);
    fired = sim_fault_fired();
    sim_fail_nth(0, fault);
    later = core_asking("n=30", 0);
    core_run(20000);
    CHECK_INT(client_response(runs, 0)->status, 200);
    CHECK_INT(client_response(later, 0)->status, 200);
    core_end();
    return fired;
}

static void every_call_fails(void **state)
{
    static const enum sim_fault faults[] = {SIM_ERROR, SIM_AGAIN, SIM_SHORT};

    (void)state;
    for (size_t f = 0; f < ARRAY_SIZE(faults); f++) {
        uint32_t n = 1;

        while (run_fault(n, faults[f]))
            n++;
        print_message("%u calls\n", n - 1);
        assert_true(n > LISTEN_CALLS + FILE_CALLS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(invalid),
        cmocka_unit_test(listeners),
        cmocka_unit_test(waits_to_be_accepted),
        cmocka_unit_test(port_in_use),
#if IS_ENABLED(CONFIG_BALANCER)
        cmocka_unit_test(members),
        cmocka_unit_test(busyness_goes_on),
        cmocka_unit_test(moves_in_the_old_one),
        cmocka_unit_test(checks),
#endif
        cmocka_unit_test(many),
        cmocka_unit_test(every_call_fails),
#if IS_ENABLED(CONFIG_LOG_FILE)
        cmocka_unit_test(log_cannot_be_opened),
#endif
    };

    return CORE_RUN(tests);
}

#else

int main(void)
{
    return 0;
}

#endif
