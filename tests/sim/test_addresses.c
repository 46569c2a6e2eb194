/* The addresses of a backend's name: their order, who comes second, and who wins. */
#include "core.h"

#include "base/addr.h"
#include "proxy/backend_addrs.h"

#include <stdio.h>
#include <string.h>

static const char conf[] = "Listen 8080\n"
                           "ProxyPass \"/\" \"h2c://origin.example:9000/\" connectiontimeout=2\n"
                           "KeepAliveTimeout 60\n"
                           "CustomLog \"-\"\n";

#define HOSTS 3

static struct origin *origins[HOSTS];

/* A world with origin.example at 10.0.0.1 to 10.0.0.3. */
static void begin(const struct sim_options *options, const enum host_mode modes[HOSTS])
{
    struct port_addr addrs[HOSTS];

    for (uint8_t i = 0; i < HOSTS; i++) {
        origins[i] = i == 0 ? core_world(options) : origin_new((uint8_t)(i + 1), 9000);
        origins[i]->host.mode = modes[i];
        addrs[i] = sim_addr(10, 0, 0, (uint8_t)(i + 1), 0);
    }
    sim_add_name("origin.example", addrs, HOSTS);
}

static struct client *asking(uint64_t at)
{
    struct client *c = client_new(FRONT_PORT);

    c->start_at = at;
    client_ask(c, &(struct ask){.query = "n=10"});
    return c;
}

static void check_between(uint64_t is, uint64_t from, uint64_t to)
{
    if (is < from || is > to)
        sim_violation("it came at %llu ms, not from %llu to %llu", (unsigned long long)is, (unsigned long long)from,
                      (unsigned long long)to);
}

/* Silent addresses cost CONNECT_ATTEMPT_MS each, not the connection timeout. */
static void staggered(void **state)
{
    (void)state;
    /* Each attempt is one of the connections that a build has. */
    for (unsigned silent = 0; silent < HOSTS && silent < CONFIG_BACKEND_CONNS; silent++) {
        enum host_mode modes[HOSTS] = {HOST_ACCEPTS, HOST_ACCEPTS, HOST_ACCEPTS};
        struct client *first, *second;

        sim_describe("%u silent addresses", silent);
        for (unsigned i = 0; i < silent; i++)
            modes[i] = HOST_SILENT;
        begin(NULL, modes);
        first = asking(0);
        second = asking(6000);
        core_start(conf, "ProxyTimeout 3\n");
        core_run(20000);
        CHECK_INT(client_response(first, 0)->status, 200);
        check_between(first->ended_at, silent * CONFIG_CONNECT_ATTEMPT_MS, silent * CONFIG_CONNECT_ATTEMPT_MS + 20);
        CHECK_INT(client_response(second, 0)->status, 200);
        check_between(second->ended_at, 6000, 6020);
        for (unsigned i = 0; i < HOSTS; i++) {
            CHECK_INT(origins[i]->host.connects, i <= silent ? 1 : 0);
            CHECK_INT(origins[i]->conn_count, i == silent ? 1 : 0);
        }
        core_end();
    }
}

/* Who fails at once makes place at once, and the one that won is the first to be asked the next time. */
static void remembered(void **state)
{
    struct client *first, *second;

    (void)state;
    begin(NULL, (enum host_mode[]){HOST_REFUSES, HOST_UNREACHABLE, HOST_ACCEPTS});
    first = asking(0);
    second = asking(5000);
    core_start(conf, NULL);
    sim_run(NULL, NULL, 1000);
    CHECK_INT(client_response(first, 0)->status, 200);
    check_between(first->ended_at, 0, 20);
    origin_break(origins[2], false);
    core_run(20000);
    CHECK_INT(client_response(second, 0)->status, 200);
    CHECK_INT(origins[0]->host.connects, 1);
    CHECK_INT(origins[1]->host.connects, 1);
    CHECK_INT(origins[2]->host.connects, 2);
    core_end();
}

/* Two that are on their way: the first to be up stays, the other is closed, and no failure is counted. */
static void outrun(void **state)
{
    struct client *c;

    (void)state;
    /* A connect takes 2 * 200 ms, so the second begins before the first is up. */
    begin(&(struct sim_options){.seed = 1, .latency_ms = 200},
          (enum host_mode[]){HOST_ACCEPTS, HOST_ACCEPTS, HOST_ACCEPTS});
    c = asking(0);
    core_start(conf, NULL);
    core_run(20000);
    CHECK_INT(client_response(c, 0)->status, 200);
    CHECK_INT(origins[0]->host.connects, 1);
    CHECK_INT(origins[1]->host.connects, 1);
    CHECK_INT(origins[2]->host.connects, 0);
    CHECK_INT(origins[0]->request_count, 1);
    CHECK_INT(origins[1]->request_count, 0);
    core_end();
}

/* All silent: each was asked once, and the client knows after the time of the last. */
static void none(void **state)
{
    struct client *c;

    (void)state;
    CORE_NEEDS(CONFIG_BACKEND_CONNS >= HOSTS);
    begin(NULL, (enum host_mode[]){HOST_SILENT, HOST_SILENT, HOST_SILENT});
    c = asking(0);
    core_start(conf, NULL);
    core_run(20000);
    CHECK_INT(client_response(c, 0)->status, 504);
    check_between(c->ended_at, 2000 + 2 * CONFIG_CONNECT_ATTEMPT_MS, 2020 + 2 * CONFIG_CONNECT_ATTEMPT_MS);
    for (unsigned i = 0; i < HOSTS; i++)
        CHECK_INT(origins[i]->host.connects, 1);
    core_end();
}

/* The client leaves while addresses are tried; a stop comes while they are. */
static void left(void **state)
{
    (void)state;
    for (unsigned stop = 0; stop < 2; stop++) {
        struct client *c;

        begin(NULL, (enum host_mode[]){HOST_SILENT, HOST_SILENT, HOST_ACCEPTS});
        c = asking(0);
        core_start(conf, NULL);
        sim_run(NULL, NULL, 100);
        if (stop == 0) {
            client_close(c, true);
            sim_run(NULL, NULL, 10000);
        }
        core_end();
    }
}

static void order(void **state)
{
    struct port_addr addrs[5];

    (void)state;
    for (uint8_t i = 0; i < ARRAY_SIZE(addrs); i++) {
        addrs[i] = sim_addr(10, 0, 0, i, 0);
        addrs[i].family = i >= 3 ? PORT_IPV6 : PORT_IPV4;
    }
    backend_addrs_order(addrs, ARRAY_SIZE(addrs));
    for (uint8_t i = 0; i < ARRAY_SIZE(addrs); i++) {
        static const uint8_t expected[] = {3, 0, 4, 1, 2};

        assert_int_equal(addrs[i].ip[3], expected[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(staggered), cmocka_unit_test(remembered), cmocka_unit_test(outrun),
        cmocka_unit_test(none),      cmocka_unit_test(left),       cmocka_unit_test(order),
    };

    return CORE_RUN(tests);
}
