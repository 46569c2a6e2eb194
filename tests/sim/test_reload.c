/* Reloads in the simulated world: what goes on, what changes, what refuses, and that no request is lost. */
#include "core.h"
#include "net/listener.h"

#include <stdio.h>

#if IS_ENABLED(CONFIG_RELOAD)

#define TAIL "CustomLog \"-\"\nLogLevel info\n"
#if CONFIG_LISTENERS >= 4
#define LISTEN "Listen 8080\n"
#define LISTEN_TOO "Listen 8081\n"
#define LISTEN_CALLS (IS_ENABLED(CONFIG_IPV6) ? 2 : 1) /* of the platform, for one more */
#else                                                  /* no room for two ports at IPv6, too */
#define LISTEN "Listen 0.0.0.0:8080\n"
#define LISTEN_TOO "Listen 0.0.0.0:8081\n"
#define LISTEN_CALLS 1
#endif
#define ONE "h2c://10.0.0.1:9000/"
#define TWO "h2c://10.0.0.2:9000/"

static const char to_one[] = LISTEN "ProxyPass / " ONE "\n" TAIL;
static const char to_two[] = LISTEN "ProxyPass / " TWO "\n" TAIL;
static const char to_one_wide[] = LISTEN "ProxyPass / " ONE " max=2\n" TAIL;

static struct origin *one, *two;

static void begin(const struct sim_options *options)
{
    one = core_world(options);
    two = origin_new(2, 9000);
}

static struct client *asking(const char *query, uint64_t at)
{
    struct client *c = client_new(FRONT_PORT);

    c->start_at = at;
    client_ask(c, &(struct ask){.query = query});
    return c;
}

static void check_ok(struct client *c)
{
    for (unsigned i = 0; i < c->reader.asked; i++) {
        CHECK_INT(client_response(c, i)->status, 200);
        CHECK(client_response(c, i)->complete);
    }
}

static bool came(struct origin *origin, struct client *c)
{
    return origin_request(origin, client_response(c, 0)->id) != NULL;
}

static bool is_logged(const char *what)
{
    struct text log = sim_log(""), w = text_of(what);

    for (size_t i = 0; i + w.len <= log.len; i++)
        if (text_starts(text_skip(log, i), w))
            return true;
    return false;
}

static bool is_read_again(void *user)
{
    (void)user;
    return is_logged("the configuration was read again");
}

static bool is_refused(void *user)
{
    (void)user;
    return is_logged("the configuration stays as it was");
}

/* Reads a configuration that is good. */
static void change_to(const char *conf)
{
    sim_log_forget("");
    core_reload(conf);
    CHECK(sim_run(is_read_again, NULL, 500));
}

static void refuse(const char *conf, const char *why)
{
    sim_log_forget("");
    core_reload(conf);
    CHECK(sim_run(is_refused, NULL, 500));
    if (!is_logged(why))
        sim_violation("the log does not say '%s': %.*s", why, TEXT_ARG(sim_log("")));
}

/* ---- what stays ---- */

/* The same backend keeps its connection, the client its own; what is new counts from the next request on. */
static void same_backend(void **state)
{
    struct client *c, *d;

    (void)state;
    begin(NULL);
    c = client_new(FRONT_PORT);
    c->stays = true;
    client_ask(c, &(struct ask){.query = "n=10"});
    core_start_file(to_one);
    core_run(1000);
    change_to(LISTEN "LimitRequestBody 100\nKeepAliveTimeout 3\nProxyPass /r " ONE "r\n" TAIL);
    client_ask(c, &(struct ask){.query = "n=20"});
    client_ask(c, &(struct ask){.query = "n=20", .framing = ASK_LENGTH, .body = 101});
    d = asking("n=30", 0);
    core_run(1000);
    CHECK_INT(client_response(c, 1)->status, 200);
    CHECK_INT(client_response(c, 2)->status, 413);
    check_ok(d);
    CHECK_INT(one->conn_count, 1);
    CHECK_INT(one->goaways, 0);
    core_end();
}

/* The body of a request that runs has the limit that it began with; the next one the new limit. */
static void limit_of_running_request(void **state)
{
    struct client *c;

    (void)state;
    begin(NULL);
    c = client_new(FRONT_PORT);
    c->piece = 400;
    c->pause_ms = 100;
    client_ask(c, &(struct ask){.query = "n=1", .framing = ASK_CHUNKED, .body = 3000, .chunk = 100});
    client_ask(c, &(struct ask){.query = "n=1", .framing = ASK_CHUNKED, .body = 3000, .chunk = 100});
    core_start_file(to_one);
    sim_run(NULL, NULL, 300);
    change_to(LISTEN "LimitRequestBody 1000\nProxyPass / " ONE "\n" TAIL);
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
    static const char *const nexts[] = {to_two, to_one_wide};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(nexts); i++) {
        struct client *waits, *reads, *queued, *later;

        begin(&(struct sim_options){.latency_ms = 3});
        sim_describe("next %u", i);
        one->max_streams = 2;
        waits = asking("n=10&d=2000", 0);
        reads = asking("n=90000&p=10000&q=200", 0);
        queued = asking("n=10", 100);
        later = asking("n=10", 700);
        core_start_file(to_one);
        sim_run(NULL, NULL, 300);
        change_to(nexts[i]);
        core_run(10000);
        sim_run(NULL, NULL, 300);
        check_ok(waits);
        check_ok(reads);
        check_ok(queued);
        check_ok(later);
        CHECK(came(one, waits) && came(one, reads) && came(one, queued));
        CHECK(came(i == 0 ? two : one, later));
        CHECK_INT(one->conn_count, i == 0 ? 1 : 2);
        CHECK_INT(one->goaways, 1);
        CHECK_INT(one->open_conns, i);
        CHECK(is_logged("10.0.0.1:9000: gone"));
        core_end();
    }
}

/* The same over HTTP/2, where one client has requests of both configurations at once. */
static void changed_backend_h2(void **state)
{
    struct h2_client *c;

    (void)state;
    begin(&(struct sim_options){.latency_ms = 2});
    c = h2_client_new(FRONT_PORT);
    for (unsigned i = 0; i < 6; i++)
        h2_client_ask(
            c, &(struct h2_ask){.ask = {.query = i % 2 ? "n=3000&d=900" : "n=50000&p=5000&q=50"}, .start_at = i * 200});
    core_start_file(to_one);
    sim_run(NULL, NULL, 500);
    change_to(to_two);
    core_run(10000);
    sim_run(NULL, NULL, 300);
    CHECK_INT(h2_client_answers(c), 6);
    CHECK_INT(one->request_count, 3);
    CHECK_INT(two->request_count, 3);
    CHECK_INT(one->open_conns, 0);
    core_end();
}

/* All connections are in use by backends that left: who comes waits for one. */
static void no_room_at_first(void **state)
{
    struct client *busy[CONFIG_BACKEND_CONNS], *later;
    char conf[200];

    (void)state;
    CORE_NEEDS(CONFIG_CLIENTS > CONFIG_BACKEND_CONNS);
    begin(NULL);
    one->max_streams = 1;
    snprintf(conf, sizeof(conf), LISTEN "ProxyPass / " ONE " max=%d\n" TAIL, CONFIG_BACKEND_CONNS);
    for (unsigned i = 0; i < CONFIG_BACKEND_CONNS; i++)
        busy[i] = asking("n=10&d=2000", 0);
    core_start_file(conf);
    sim_run(NULL, NULL, 500);
    CHECK_INT(one->open_conns, CONFIG_BACKEND_CONNS);
    change_to(to_two);
    later = asking("n=10", 0);
    core_run(10000);
    for (unsigned i = 0; i < CONFIG_BACKEND_CONNS; i++)
        check_ok(busy[i]);
    check_ok(later);
    CHECK(came(two, later));
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
    begin(NULL);
    two->host.mode = HOST_SILENT;
    waits = asking("n=10&d=1500", 0);
    reads = asking("n=50000&p=1000&q=100", 0);
    fails = client_new(FRONT_PORT);
    client_ask(fails, &(struct ask){.path = "/two/", .query = "n=1"});
    later = asking("n=10", 900);
    core_start_file(LISTEN MARK("a") "ProxyPass /two/ " TWO " connectiontimeout=1\nProxyPass / " ONE "\n" TAIL);
    sim_run(NULL, NULL, 200);
    change_to(LISTEN MARK("b") "ProxyPass / " ONE "\n" TAIL);
    core_run(10000);
    check_ok(waits);
    check_ok(reads);
    check_ok(later);
    check_mark(waits, "a");
    check_mark(reads, "a");
    CHECK_INT(client_response(fails, 0)->status, 504);
    check_mark(fails, "a");
    check_mark(later, "b");
    CHECK_INT(one->conn_count, 1);
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
        begin(NULL);
        sim_describe("patient %d", patient);
        snprintf(query, sizeof(query), "n=10&d=%d", patient ? 3000 : CONFIG_DRAIN_S * 1000 + 20000);
        slow = asking(query, 0);
        second = asking("n=10", 1500);
        third = asking("n=10", CONFIG_DRAIN_S * 1000 + 3000);
        core_start_file(LISTEN MARK("a") "ProxyPass / " ONE "\n" TAIL);
        sim_run(NULL, NULL, 500);
        change_to(LISTEN MARK("b") "ProxyPass / " ONE "\n" TAIL);
        sim_log_forget("");
        core_reload(LISTEN MARK("c") "ProxyPass / " ONE "\n" TAIL);
        sim_run(NULL, NULL, 2000);
        CHECK(!is_read_again(NULL));
        CHECK(is_logged("waits for requests"));
        core_run(60000);
        check_ok(slow);
        check_mark(slow, patient ? "a" : "b");
        check_mark(second, "b");
        check_mark(third, "c");
        CHECK(is_read_again(NULL));
        core_end();
    }
}

#endif

/* ---- what refuses ---- */

/* A configuration that is wrong changes nothing, and the log says where it is wrong. */
static void invalid(void **state)
{
    struct client *runs, *later;

    (void)state;
    begin(NULL);
    runs = asking("n=10&d=1000", 0);
    later = asking("n=10", 600);
    core_start_file(to_one);
    sim_run(NULL, NULL, 300);
    refuse(LISTEN "ProxyPass / " TWO "\nProxyPas / x\nTimeout never\n" TAIL,
           IS_ENABLED(CONFIG_CONF_EXPLAIN) ? "test.conf:3: 'ProxyPas': expected a directive: did you mean ProxyPass?"
                                           : "test.conf:3: 'ProxyPas': expected a directive");
    CHECK(is_logged("test.conf:4: Timeout: 'never'"));
    CHECK(is_logged("2 errors"));
    refuse("", "expected one Listen at least");
    refuse(LISTEN "Include gone.conf\nProxyPass / " TWO "\n" TAIL,
           IS_ENABLED(CONFIG_INCLUDE) ? "gone.conf': cannot be read" : "Include: needs CONFIG_INCLUDE");
    core_run(3000);
    check_ok(runs);
    check_ok(later);
    CHECK_INT(one->conn_count, 1);
    CHECK_INT(two->conn_count, 0);
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
    begin(NULL);
    stays = at_port(8080);
    stays->stays = true;
    core_start_file(to_one);
    core_run(500);
    change_to(LISTEN LISTEN_TOO "ProxyPass / " ONE "\n" TAIL);
    first = at_port(8080);
    second = at_port(8081);
    core_run(500);
    check_ok(first);
    check_ok(second);
    change_to(LISTEN_TOO "ProxyPass / " ONE "\n" TAIL);
    client_ask(stays, &(struct ask){.query = "n=20"});
    first = at_port(8080);
    second = at_port(8081);
    core_run(500);
    check_ok(stays);
    CHECK_INT(first->end, CLIENT_REFUSED);
    check_ok(second);
    CHECK_INT(one->conn_count, 1);
    core_end();
}

/* Who waits to be accepted where nobody will listen any more is served. */
static void waits_to_be_accepted(void **state)
{
    struct client *c;

    (void)state;
    begin(NULL);
    core_start_file(to_one);
    sim_run(NULL, NULL, 100);
    c = at_port(8080);
    core_reload(LISTEN_TOO "ProxyPass / " ONE "\n" TAIL);
    core_run(1000);
    check_ok(c);
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
    begin(NULL);
    one->host.mode = HOST_REFUSES;
    core_start_file(BALANCED MEMBER("1", "retry=60") TAIL);
    asking("n=1", 0);
    core_run(3000);
    sim_run(NULL, NULL, 300);
    CHECK(is_logged("10.0.0.1:9000: ejected: connect-refused"));
    one->host.mode = HOST_ACCEPTS;
    change_to(BALANCED MEMBER("1", "retry=60") MEMBER("2", "") TAIL);
    for (unsigned i = 0; i < 4; i++)
        asking("n=1", sim_now());
    runs = asking("n=10&d=3000", sim_now());
    sim_run(NULL, NULL, 500);
    CHECK_INT(two->request_count, 5);
    change_to(BALANCED MEMBER("1", "") TAIL);
    sim_run(NULL, NULL, 600);
    asking("n=1", sim_now());
    core_run(5000);
    sim_run(NULL, NULL, 300);
    check_ok(runs);
    CHECK_INT(one->request_count, 1);
    CHECK_INT(two->open_conns, 0);
    core_end();
}

/* What a member carries counts when its balancer has another member from now on. */
static void busyness_goes_on(void **state)
{
    (void)state;
    begin(NULL);
    for (unsigned i = 0; i < 4; i++)
        asking("n=10&d=3000", 0);
    core_start_file(BALANCED "ProxySet balancer://app lbmethod=bybusyness\n" MEMBER("1", "") TAIL);
    sim_run(NULL, NULL, 300);
    change_to(BALANCED "ProxySet balancer://app lbmethod=bybusyness\n" MEMBER("1", "") MEMBER("2", "") TAIL);
    for (unsigned i = 0; i < 4; i++)
        asking("n=10&d=3000", sim_now());
    core_run(10000);
    CHECK_INT(one->request_count, 4);
    CHECK_INT(two->request_count, 4);
    CHECK_INT(one->conn_count, 1);
    core_end();
}

/* An exchange of a balancer that is gone moves on to its other members. */
static void moves_in_the_old_one(void **state)
{
    struct client *c;

    (void)state;
    begin(NULL);
    one->host.mode = HOST_SILENT;
    c = asking("n=10", 0);
    core_start_file(BALANCED MEMBER("1", "lbset=0") MEMBER("2", "lbset=1") TAIL);
    sim_run(NULL, NULL, 300);
    change_to(to_two);
    core_run(5000);
    check_ok(c);
    CHECK(came(two, c));
    core_end();
}

/* Checks of a balancer that is gone end, those of one that follows go on. */
static void checks(void **state)
{
    unsigned before;

    (void)state;
    begin(NULL);
    core_start_file(BALANCED MEMBER("1", "hcmethod=HEAD hcinterval=1") MEMBER("2", "hcmethod=HEAD hcinterval=1") TAIL);
    sim_run(NULL, NULL, 2500);
    CHECK(one->request_count > 0 && two->request_count > 0);
    change_to(BALANCED MEMBER("2", "hcmethod=HEAD hcinterval=1") TAIL);
    before = one->request_count;
    sim_run(NULL, NULL, 3000);
    CHECK_INT(one->request_count, before);
    CHECK(two->requests[0].tries > 3 || two->request_count > 3);
    core_end();
}

#endif

/* ---- names ---- */

#if IS_ENABLED(CONFIG_CARES)

static void names(void **state)
{
    struct port_addr addr;
    struct client *c;

    (void)state;
    begin(NULL);
    addr = sim_addr(10, 0, 0, 2, 0);
    sim_set_name("b.example", PORT_ANSWER_ADDRS, 60, 200, &addr, 1);
    core_start_file(to_one);
    sim_run(NULL, NULL, 100);
    change_to(LISTEN "ProxyPass / h2c://b.example:9000/\n" TAIL);
    c = asking("n=10", 0);
    core_run(3000);
    check_ok(c);
    CHECK(came(two, c));
    change_to(LISTEN "Timeout 30\nProxyTimeout 60\nProxyPass / h2c://b.example:9000/\n" TAIL);
    c = asking("n=10", 0);
    core_run(3000);
    check_ok(c);
    CHECK_INT(sim_lookups("b.example"), 1);
    CHECK_INT(two->conn_count, 1);
    change_to(LISTEN "Resolver 192.0.2.1\nProxyTimeout 60\nProxyPass / h2c://b.example:9000/\n" TAIL);
    c = asking("n=10", 0);
    core_run(3000);
    check_ok(c);
    CHECK_INT(two->conn_count, 1);
    change_to(to_one);
    c = asking("n=10", 0);
    core_run(3000);
    CHECK(came(one, c));
    core_end();
}

#endif

/* ---- many, and faults ---- */

static const char *const all[] = {
    to_one,
    to_two,
    to_one_wide,
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

        begin(&(struct sim_options){.seed = seed, .latency_ms = seed % 4, .chop = seed % 3 ? 0 : 300});
        sim_describe("many");
        /* Where connections are few, many wait for one, and begin on it before its backend has said how many it takes.
           One that is refused when a part of its body has left is not sent again. */
        one->max_streams = CONFIG_BACKEND_CONNS < 8 ? CONFIG_EARLY_STREAMS : 3;
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
        core_start_file(to_one);
        for (unsigned i = 0; i < 60; i++) {
            core_reload(all[sim_chance(ARRAY_SIZE(all))]);
            sim_run(NULL, NULL, sim_chance(200));
        }
        core_run(60000);
        for (unsigned i = 0; i < ARRAY_SIZE(clients); i++)
            check_ok(clients[i]);
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
    begin(NULL);
    core_start_file(to_one);
    sim_run(NULL, NULL, 100);
    listeners = listener_count();
    sim_sink("/none/error", false, PORT_FAULT_NOT_FOUND);
    refuse(LISTEN_TOO "ProxyPass / " TWO "\nCustomLog /access\nErrorLog /none/error\n", "ErrorLog /none/error: ");
    CHECK_INT(listener_count(), listeners);
    c = at_port(8080);
    core_run(1000);
    check_ok(c);
    CHECK(came(one, c));
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

    begin(&(struct sim_options){.seed = n, .log_lossy = true});
    sim_describe("call %u fails so: %d", n, fault);
    runs = asking("n=300&d=100", 0);
    core_start_file(to_one);
    sim_run(NULL, NULL, 50);
    core_reload(LISTEN LISTEN_TOO "ProxyPass /x/ " ONE "\nProxyPass / " TWO "\n" FILES);
    sim_fail_nth(n, fault);
    sim_run(NULL, NULL, 30);
    fired = sim_fault_fired();
    sim_fail_nth(0, fault);
    later = asking("n=30", 0);
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

/* A port that is in use makes the whole reload fail: nothing is different. */
static void port_in_use(void **state)
{
    struct client *c;

    (void)state;
    begin(NULL);
    core_start_file(to_one);
    sim_run(NULL, NULL, 100);
    sim_fail_nth(1, SIM_ERROR);
    refuse(LISTEN_TOO "ProxyPass / " TWO "\n" TAIL, "Listen 0.0.0.0:8081");
    c = at_port(8080);
    core_run(1000);
    check_ok(c);
    CHECK(came(one, c));
    core_end();
}

/* ---- the end ---- */

/* GracefulShutdownTimeout of the last configuration counts; what runs on an old one finishes, too. */
static void drain(void **state)
{
    struct client *old, *late;
    uint64_t from;

    (void)state;
    begin(NULL);
    old = asking("n=10&d=1000", 0);
    late = asking("n=10&d=9000", 0);
    core_start_file(to_one);
    sim_run(NULL, NULL, 100);
    change_to(LISTEN "GracefulShutdownTimeout 3\nProxyPass / " TWO "\n" TAIL);
    from = sim_now();
    sim_ask(PORT_ASK_DRAIN);
    core_run_until_ended(4000);
    CHECK(sim_now() - from >= 3000);
    check_ok(old);
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
        cmocka_unit_test(invalid),
        cmocka_unit_test(listeners),
        cmocka_unit_test(waits_to_be_accepted),
#if IS_ENABLED(CONFIG_BALANCER)
        cmocka_unit_test(members),
        cmocka_unit_test(busyness_goes_on),
        cmocka_unit_test(moves_in_the_old_one),
        cmocka_unit_test(checks),
#endif
#if IS_ENABLED(CONFIG_CARES)
        cmocka_unit_test(names),
#endif
        cmocka_unit_test(many),
        cmocka_unit_test(every_call_fails),
        cmocka_unit_test(port_in_use),
#if IS_ENABLED(CONFIG_LOG_FILE)
        cmocka_unit_test(log_cannot_be_opened),
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
