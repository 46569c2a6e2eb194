/* PROXY protocol headers in the simulated world: slow, in pieces, late, cut, and more than there is room for. */
#include "core.h"

#include <stdio.h>
#include <string.h>

static const char conf[] = "Listen 0.0.0.0:8080 proxy=On\n"
                           "Listen 0.0.0.0:8081 proxy=Optional\n"
                           "Listen 0.0.0.0:8082\n"
                           "ProxyPass \"/\" \"h2c://10.0.0.1:9000/\"\n"
                           "RequestReadTimeout header=2 body=6\n"
                           "RemoteIPTrustedProxy 192.0.2.0/24\n"
                           "CustomLog \"-\"\n";

static const char v1[] = "PROXY TCP4 198.51.100.9 203.0.113.1 1234 80\r\n";

/* A client whose connection begins with `header`, and its request. */
static struct client *ask_behind(uint16_t port, const char *header, uint32_t *id)
{
    struct client *c = client_new(port);

    client_raw(c, header, strlen(header), 0);
    *id = client_ask(c, &(struct ask){.query = "len=10"});
    return c;
}

static void check_client(uint32_t id, const char *expected)
{
    struct text client = core_line_field(core_line(id), LINE_CLIENT);

    if (!text_eq(client, text_of(expected)))
        sim_violation("the log says client %.*s, not %s", TEXT_ARG(client), expected);
}

/* Whatever pieces it comes in, no byte behind the header is lost. */
static void pieces(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        static const uint16_t ports[] = {8080, 8081};
        uint32_t ids[4];
        struct client *clients[4];

        sim_describe("seed %llu", (unsigned long long)seed);
        core_world(&(struct sim_options){
            .seed = seed, .chop = seed % 3 == 0 ? 0 : 9, .again_percent = seed % 4 * 10, .spurious = seed % 2 == 0});
        for (size_t i = 0; i < ARRAY_SIZE(clients); i++) {
            clients[i] = ask_behind(ports[i % 2], v1, &ids[i]);
            clients[i]->piece = (seed + i) % 7;
            clients[i]->pause_ms = (uint32_t)(seed % 5);
        }
        core_start(conf, NULL);
        core_run(20000);
        core_settle();
        for (size_t i = 0; i < ARRAY_SIZE(clients); i++) {
            CHECK_INT(client_response(clients[i], 0)->status, 200);
            check_client(ids[i], "198.51.100.9");
        }
        core_end();
    }
}

static void optional(void **state)
{
    (void)state;
    for (size_t piece = 0; piece < 6; piece++) {
        uint32_t id;
        struct client *c;

        core_world(NULL);
        c = client_new(8081);
        c->piece = piece;
        c->pause_ms = 10;
        id = client_ask(c, &(struct ask){.method = "PROPFIND", .query = "len=10"});
        core_start(conf, NULL);
        core_run(20000);
        core_settle();
        CHECK_INT(client_response(c, 0)->status, 200);
        CHECK(text_starts(core_line_field(core_line(id), LINE_CLIENT), TEXT("192.0.2.")));
        core_end();
    }
}

static void late(void **state)
{
    struct client *silent, *half;

    (void)state;
    core_world(NULL);
    silent = client_new(8080);
    silent->stays = true;
    half = client_new(8081);
    half->stays = true;
    client_raw(half, "PRO", 3, 0);
    core_start(conf, NULL);
    sim_run(NULL, NULL, 5000);
    CHECK_INT(silent->end, CLIENT_RESET);
    CHECK(silent->ended_at >= 2000 && silent->ended_at <= 2020);
    CHECK_INT(half->end, CLIENT_RESET);
    CHECK(half->ended_at >= 2000 && half->ended_at <= 2020);
    core_end();
}

static void refused(void **state)
{
    static const char *const begins[] = {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "PROXY TCP4 1.2.3.4\r\n", "\r\n\r\nx"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(begins); i++) {
        struct client *c;

        core_world(NULL);
        c = client_new(8080);
        c->stays = true;
        client_raw(c, begins[i], strlen(begins[i]), 0);
        core_start(conf, NULL);
        sim_run(NULL, NULL, 100);
        CHECK_INT(c->end, CLIENT_RESET);
        CHECK_INT(c->received, 0);
        CHECK(text_find(sim_log(""), ':', 0) < sim_log("").len);
        core_end();
    }
}

/* More connections than there are places for headers: the others wait, and all are served. */
static void crowd(void **state)
{
    enum { MANY = CONFIG_CLIENTS < 120 ? CONFIG_CLIENTS : 120 };
    struct client *clients[MANY];
    uint32_t id;

    (void)state;
    core_world(NULL);
    for (size_t i = 0; i < MANY; i++) {
        clients[i] = ask_behind(8080, v1, &id);
        clients[i]->piece = 20;
        clients[i]->pause_ms = 100;
    }
    core_start(conf, NULL);
    core_run(60000);
    for (size_t i = 0; i < MANY; i++)
        CHECK_INT(client_response(clients[i], 0)->status, 200);
    core_end();
}

/* A stop while headers are owed leaves nothing. */
static void stopped(void **state)
{
    (void)state;
    core_world(NULL);
    for (int i = 0; i < 5; i++) {
        struct client *c = client_new((uint16_t)(8080 + i % 2));

        c->stays = true;
        client_raw(c, "PRO", (size_t)i % 4, 0);
    }
    core_start(conf, NULL);
    sim_run(NULL, NULL, 500);
    core_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces),  cmocka_unit_test(optional), cmocka_unit_test(late),
        cmocka_unit_test(refused), cmocka_unit_test(crowd),    cmocka_unit_test(stopped),
    };

    return IS_ENABLED(CONFIG_PROXY_PROTOCOL) ? CORE_RUN(tests) : 0;
}
