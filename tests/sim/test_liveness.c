/* Connections that die without a word, and those that only look so: PING before new work and while answers are awaited,
 * and SETTINGS that do not come or are not acknowledged. */
#include "core.h"

static const char conf[] = "Listen 8080\n"
                           "ProxyPass \"/\" \"h2c://10.0.0.1:9000/\" ping=5 pingtimeout=10 ttl=300\n"
                           "CustomLog \"-\"\n"
                           "LogLevel info\n"
                           "Timeout 300\n";

static unsigned tries_of(struct origin *origin, const struct client *c)
{
    const struct origin_request *r = origin_request(origin, client_first_id(c));

    return r ? r->tries : 0;
}

/* An idle connection whose path is lost: the next request is asked for by PING first, and goes to a new connection. */
static void idle_and_dead(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct origin *origin =
            core_world(&(struct sim_options){.seed = 1, .start_ms = i > 0 ? UINT32_MAX - 7000 : 0, .latency_ms = 20});
        struct client *first = core_asking("n=10", 0);
        struct client *second = core_asking("n=10", 8000);

        sim_describe("idle and dead");
        core_start(conf, NULL);
        sim_run(NULL, NULL, 1000);
        origin_freeze(origin);
        core_run(60000);
        core_settle();
        core_check_served(first);
        core_check_served(second);
        CHECK(second->ended_at >= 8000 + CONFIG_PING_TIMEOUT_MS);
        CHECK(second->ended_at <= 8000 + CONFIG_PING_TIMEOUT_MS + 500);
        CHECK_INT(tries_of(origin, second), 1);
        CHECK_INT(origin->conn_count, 2);
        core_check_field(client_first_id(second), LINE_RETRY, "-");
        core_check_field(client_first_id(second), LINE_NEW, "N");
        core_end();
    }
}

/* The same connection alive: one round trip more, and it serves. */
static void idle_and_alive(void **state)
{
    struct origin *origin = core_world(&(struct sim_options){.seed = 1, .latency_ms = 20});
    struct client *first = core_asking("n=10", 0);
    struct client *early = core_asking("n=10", 4000);
    struct client *late = core_asking("n=10", 12000);

    (void)state;
    sim_describe("idle and alive");
    core_start(conf, NULL);
    sim_run(NULL, NULL, 11000);
    CHECK_INT(origin->pings, 0);
    core_run(60000);
    core_settle();
    core_check_served(first);
    core_check_served(early);
    core_check_served(late);
    CHECK_INT(origin->pings, 1);
    CHECK_INT(origin->conn_count, 1);
    CHECK(late->ended_at - 12000 > early->ended_at - 4000);
    CHECK(late->ended_at - 12000 <= early->ended_at - 4000 + 45);
    core_check_field(client_first_id(late), LINE_NEW, "R");
    core_end();
}

/* Requests that keep coming cost no PING. */
static void busy(void **state)
{
    struct origin *origin = core_world(&(struct sim_options){.seed = 1, .latency_ms = 20});

    (void)state;
    sim_describe("busy");
    for (unsigned i = 0; i < 60; i++)
        (void)core_asking("n=10", (uint64_t)i * 500);
    core_start(conf, NULL);
    core_run(60000);
    CHECK_INT(origin->pings, 0);
    CHECK_INT(origin->conn_count, 1);
    core_end();
}

/* The path is lost while an answer is awaited: the request may have been processed, so it fails, within seconds and not
 * with the timeout; others that come meanwhile are served by a new connection. */
static void awaited_and_dead(void **state)
{
    struct origin *origin = core_world(&(struct sim_options){.seed = 1, .latency_ms = 20});
    struct client *waits = core_asking("z=1", 0);
    struct client *body = core_asking("n=100000&p=1000&q=100", 0);
    struct client *meanwhile = core_asking("n=10", 9000);

    (void)state;
    sim_describe("awaited and dead");
    core_start(conf, NULL);
    sim_run(NULL, NULL, 1000);
    origin_freeze(origin);
    core_run(60000);
    core_settle();
    CHECK_INT(client_response(waits, 0)->status, 504);
    CHECK(waits->ended_at > 15000 && waits->ended_at <= 1000 + 10000 + 11000 + 500);
    core_check_field(client_first_id(waits), LINE_END, "TW");
    core_check_field(client_first_id(waits), LINE_WORD, "backend-silent");
    core_check_field(client_first_id(waits), LINE_RETRY, "-");
    CHECK_INT(tries_of(origin, waits), 1);
    CHECK_INT(client_response(body, 0)->status, 200);
    CHECK(!client_response(body, 0)->complete);
    core_check_field(client_first_id(body), LINE_END, "TD");
    CHECK_INT(tries_of(origin, body), 1);
    core_check_served(meanwhile);
    CHECK(meanwhile->ended_at < 9000 + CONFIG_PING_TIMEOUT_MS + 500);
    CHECK_INT(tries_of(origin, meanwhile), 1);
    CHECK_INT(origin->conn_count, 2);
    core_end();
}

/* An answer that takes long, from a backend that answers PINGs: it is waited for, and few PINGs are sent, since servers
 * count them. */
static void awaited_and_alive(void **state)
{
    struct origin *origin = core_world(&(struct sim_options){.seed = 1, .latency_ms = 20});
    struct client *slow = core_asking("n=10&d=250000", 0);

    (void)state;
    sim_describe("awaited and alive");
    core_start(conf, NULL);
    core_run(300000);
    core_settle();
    core_check_served(slow);
    CHECK_INT(origin->pings, 3);
    CHECK_INT(origin->conn_count, 1);
    CHECK_INT(tries_of(origin, slow), 1);
    core_end();
}

/* ping=0: nobody is asked. */
static void no_pings(void **state)
{
    struct origin *origin = core_world(&(struct sim_options){.seed = 1});
    struct client *slow = core_asking("n=10&d=50000", 0);
    struct client *late = core_asking("n=10", 40000);

    (void)state;
    sim_describe("no pings");
    core_start("Listen 8080\nProxyPass \"/\" \"h2c://10.0.0.1:9000/\" ping=0\nCustomLog \"-\"\n", NULL);
    core_run(300000);
    core_settle();
    core_check_served(slow);
    core_check_served(late);
    CHECK_INT(origin->pings, 0);
    core_end();
}

/* Our SETTINGS are never acknowledged: what runs is finished, what comes later takes a new connection. */
static void no_acknowledgement(void **state)
{
    struct origin *origin = core_world(&(struct sim_options){.seed = 1, .latency_ms = 1});
    struct client *slow = core_asking("n=10&d=5000", 0);
    struct client *late = core_asking("n=10", 4000);

    (void)state;
    sim_describe("no acknowledgement");
    origin->no_ack = true;
    core_start("Listen 8080\nProxyPass \"/\" \"h2c://10.0.0.1:9000/\" settingstimeout=3\nCustomLog \"-\"\n", NULL);
    core_run(60000);
    core_settle();
    core_check_served(slow);
    core_check_served(late);
    CHECK_INT(origin->conn_count, 2);
    core_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idle_and_dead),      cmocka_unit_test(idle_and_alive),    cmocka_unit_test(busy),
        cmocka_unit_test(awaited_and_dead),   cmocka_unit_test(awaited_and_alive), cmocka_unit_test(no_pings),
        cmocka_unit_test(no_acknowledgement),
    };

    return CORE_RUN(tests);
}
