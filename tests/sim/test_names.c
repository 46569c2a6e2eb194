/* Names of backends while the proxy runs: their time, new addresses, failures, and never a wait. */
#include "core.h"

#include <stdio.h>
#include <string.h>

#define NAME "origin.example"
#define NEVER UINT32_MAX
#define TTL 10

static const char conf[] = "Listen 8080\n"
                           "ProxyPass \"/\" \"h2c://" NAME ":9000/\" connectiontimeout=1\n"
                           "KeepAliveTimeout 600\n"
                           "CustomLog \"-\"\n"
                           "LogLevel info\n";

static struct origin *first, *second;
static struct port_addr one, two;

static void begin(void)
{
    first = core_world(NULL);
    second = origin_new(2, 9000);
    one = sim_addr(10, 0, 0, 1, 0);
    two = sim_addr(10, 0, 0, 2, 0);
}

static struct client *asking(const char *query, uint64_t at, uint32_t *id)
{
    struct client *c = client_new(FRONT_PORT);

    c->start_at = at;
    *id = client_ask(c, &(struct ask){.query = query});
    return c;
}

static void check_line(uint32_t id, const char *word)
{
    if (!text_eq(core_line_field(core_line(id), LINE_WORD), text_of(word)))
        sim_violation("the log does not say %s: %.*s", word, TEXT_ARG(core_line(id)));
}

/* When its time is over the name is looked up again. Streams on the old address go on to their end, new ones go to the
   new address. */
static void moved(void **state)
{
    struct client *old, *next, *last;
    uint32_t ids[3];

    (void)state;
    begin();
    sim_set_name(NAME, PORT_ANSWER_ADDRS, TTL, 0, &one, 1);
    old = asking("n=1000&d=20000", 100, &ids[0]);
    next = asking("n=10", 12000, &ids[1]);
    last = asking("n=10", 25000, &ids[2]);
    core_start(conf, NULL);
    sim_run(NULL, NULL, 5000);
    CHECK_INT(sim_lookups(NAME), 1);
    sim_set_name(NAME, PORT_ANSWER_ADDRS, TTL, 500, &two, 1);
    core_run(40000);
    core_settle();
    CHECK_INT(client_response(old, 0)->status, 200);
    CHECK(client_response(old, 0)->complete);
    CHECK_INT(client_response(next, 0)->status, 200);
    CHECK_INT(client_response(last, 0)->status, 200);
    CHECK_INT(first->conn_count, 1);
    CHECK_INT(first->request_count, 1);
    CHECK_INT(second->conn_count, 1);
    CHECK_INT(second->request_count, 2);
    CHECK_INT(sim_lookups(NAME), 3);
    core_end();
}

/* The same addresses in another order, or one more, drain nothing. */
static void turned(void **state)
{
    struct client *a, *b;
    uint32_t ids[2];

    (void)state;
    begin();
    sim_set_name(NAME, PORT_ANSWER_ADDRS, TTL, 0, (struct port_addr[]){one, two}, 2);
    a = asking("n=10", 100, &ids[0]);
    b = asking("n=10", 30000, &ids[1]);
    core_start(conf, NULL);
    sim_run(NULL, NULL, 5000);
    sim_set_name(NAME, PORT_ANSWER_ADDRS, TTL, 0, (struct port_addr[]){two, one, sim_addr(10, 0, 0, 3, 0)}, 3);
    core_run(40000);
    CHECK_INT(client_response(a, 0)->status, 200);
    CHECK_INT(client_response(b, 0)->status, 200);
    CHECK_INT(first->conn_count, 1);
    CHECK_INT(second->conn_count, 0);
    core_end();
}

/* A look-up that fails leaves the addresses, and is tried again. */
static void failing(void **state)
{
    static const enum port_answer_kind kinds[] = {PORT_ANSWER_FAILED, PORT_ANSWER_UNKNOWN};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        struct client *a, *b;
        uint32_t ids[2];

        begin();
        sim_set_name(NAME, PORT_ANSWER_ADDRS, TTL, 0, &one, 1);
        a = asking("n=10", 100, &ids[0]);
        b = asking("n=10", 18000, &ids[1]);
        core_start(conf, NULL);
        sim_run(NULL, NULL, 5000);
        sim_set_name(NAME, kinds[i], 0, 100, NULL, 0);
        core_run(40000);
        CHECK_INT(client_response(a, 0)->status, 200);
        CHECK_INT(client_response(b, 0)->status, 200);
        CHECK_INT(first->conn_count, 1);
        CHECK_INT(sim_lookups(NAME), 3);
        CHECK(text_find(sim_log(""), ';', 0) < sim_log("").len);
        core_end();
    }
}

/* Nobody knows the name when the box starts: it starts, answers 503, and serves once the name is known. */
static void unknown_at_start(void **state)
{
    struct client *early, *vain, *late;
    uint32_t ids[3];

    (void)state;
    begin();
    sim_set_name(NAME, PORT_ANSWER_FAILED, 0, 1000, NULL, 0);
    early = asking("n=10", 100, &ids[0]); /* waits for the first answer */
    vain = asking("n=10", 2000, &ids[1]);
    late = asking("n=10", 13000, &ids[2]);
    core_start(conf, NULL);
    sim_run(NULL, NULL, 6500);
    sim_set_name(NAME, PORT_ANSWER_ADDRS, TTL, 100, &one, 1);
    core_run(40000);
    core_settle();
    CHECK_INT(client_response(early, 0)->status, 503);
    CHECK(early->ended_at >= 1000 || early->end == CLIENT_LEFT);
    check_line(ids[0], "name-unknown");
    CHECK_INT(client_response(vain, 0)->status, 503);
    check_line(ids[1], "name-unknown");
    CHECK_INT(client_response(late, 0)->status, 200);
    core_end();
}

/* A request that comes before the first answer waits for it. */
static void first_answer(void **state)
{
    struct client *c;
    uint32_t id;

    (void)state;
    begin();
    sim_set_name(NAME, PORT_ANSWER_ADDRS, TTL, 3000, &one, 1);
    c = asking("n=10", 100, &id);
    core_start(conf, NULL);
    core_run(40000);
    CHECK_INT(client_response(c, 0)->status, 200);
    core_end();
}

/* An answer that never comes stops nobody but those who wait for that name, and these only for acquire=. */
static void silent(void **state)
{
    struct client *waiting, *other;
    uint32_t id;

    (void)state;
    begin();
    sim_set_name(NAME, PORT_ANSWER_FAILED, 0, NEVER, NULL, 0);
    waiting = client_new(FRONT_PORT);
    id = client_ask(waiting, &(struct ask){.query = "n=10"});
    other = client_new(FRONT_PORT);
    client_ask(other, &(struct ask){.path = "/other/", .query = "n=10"});
    core_start("Listen 8080\nProxyPass /other/ h2c://10.0.0.2:9000/\nProxyPass / h2c://" NAME ":9000/ acquire=2000\n"
               "CustomLog -\n",
               NULL);
    core_run(20000);
    core_settle();
    CHECK_INT(client_response(waiting, 0)->status, 504);
    check_line(id, "connect-timeout");
    CHECK_INT(client_response(other, 0)->status, 200);
    CHECK_INT(second->request_count, 1);
    core_end();
}

/* No address can be reached: the name is looked up before its time is over, but not at each failure. */
static void unreachable(void **state)
{
    struct client *c[40];
    uint32_t id;

    (void)state;
    begin();
    first->host.mode = HOST_REFUSES;
    sim_set_name(NAME, PORT_ANSWER_ADDRS, 3600, 0, &one, 1);
    for (unsigned i = 0; i < ARRAY_SIZE(c); i++)
        c[i] = asking("n=10", 500 * i, &id);
    core_start(conf, NULL);
    sim_run(NULL, NULL, 4000);
    CHECK_INT(sim_lookups(NAME), 1);
    sim_set_name(NAME, PORT_ANSWER_ADDRS, 3600, 0, &two, 1);
    core_run(40000);
    CHECK_INT(sim_lookups(NAME), 2);
    CHECK_INT(client_response(c[0], 0)->status, 502);
    CHECK_INT(client_response(c[ARRAY_SIZE(c) - 1], 0)->status, 200);
    core_end();
}

/* A stop at any moment of a look-up, and a TTL of nothing, which counts as NAME_TTL_MIN_S. */
static void stopped(void **state)
{
    (void)state;
    for (uint32_t ms = 0; ms < 30; ms += 3) {
        begin();
        sim_set_name(NAME, PORT_ANSWER_ADDRS, 0, 10, &one, 1);
        core_start(conf, NULL);
        sim_run(NULL, NULL, ms);
        core_end();
    }
    begin();
    sim_set_name(NAME, PORT_ANSWER_ADDRS, 0, 0, &one, 1);
    core_start(conf, NULL);
    sim_run(NULL, NULL, 10 * CONFIG_NAME_TTL_MIN_S * 1000 + 500);
    CHECK_INT(sim_lookups(NAME), 11);
    core_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moved),        cmocka_unit_test(turned),  cmocka_unit_test(failing),
        cmocka_unit_test(first_answer), cmocka_unit_test(silent),  cmocka_unit_test(unknown_at_start),
        cmocka_unit_test(unreachable),  cmocka_unit_test(stopped),
    };

    return IS_ENABLED(CONFIG_CARES) ? CORE_RUN(tests) : 0;
}
