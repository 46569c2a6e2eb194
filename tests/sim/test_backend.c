/* Many clients over few backend connections: limits, queues, retries, GOAWAY, addresses, and streams that do not hinder
 * each other. */
#include "core.h"

#include "base/pipe.h"

#include <stdio.h>

static const char slow_conf[] = "Listen 8080\n"
                                "ProxyPass \"/\" \"h2c://10.0.0.1:9000/\"\n"
                                "CustomLog \"-\"\n"
                                "ProxyTimeout 30\n"
                                "Timeout 300\n";

static void check_all(struct client **clients, unsigned count, unsigned status)
{
    for (unsigned i = 0; i < count; i++)
        for (unsigned n = 0; n < clients[i]->reader.asked; n++) {
            CHECK_INT(client_response(clients[i], n)->status, status);
            CHECK(client_response(clients[i], n)->complete);
        }
}

static void many_clients_one_connection(void **state)
{
    struct client *clients[CONFIG_CLIENTS < 64 ? CONFIG_CLIENTS : 64];
    struct origin *origin = core_world(&(struct sim_options){.seed = 1, .latency_ms = 2});

    (void)state;
    sim_describe("many clients");
    for (unsigned i = 0; i < ARRAY_SIZE(clients); i++) {
        clients[i] = client_new(FRONT_PORT);
        for (unsigned n = 0; n < 10; n++)
            client_ask(clients[i], &(struct ask){.query = "n=200&d=3"});
    }
    core_start(core_plain, NULL);
    core_run(60000);
    check_all(clients, ARRAY_SIZE(clients), 200);
    CHECK_INT(origin->conn_count, 1);
    CHECK_INT(origin->most_streams, min_size(ARRAY_SIZE(clients), CONFIG_BACKEND_STREAMS));
    core_end();
}

/* More clients than there are slots: they wait to be accepted, and all are served. */
static void more_clients_than_slots(void **state)
{
    static struct client *clients[CONFIG_CLIENTS + 100];
    struct origin *origin = core_world(NULL);

    (void)state;
    sim_describe("more clients than slots");
    for (unsigned i = 0; i < ARRAY_SIZE(clients); i++)
        clients[i] = core_asking("n=10&d=50", i / 100 * 2); /* the backlog is bounded, too */
    core_start(core_plain, NULL);
    core_run(60000);
    check_all(clients, ARRAY_SIZE(clients), 200);
    CHECK_INT(origin->conn_count, 1);
    CHECK(origin->most_streams <= CONFIG_BACKEND_STREAMS);
    core_end();
}

static void peers_limit_of_streams(void **state)
{
    (void)state;
    for (uint32_t limit = 1; limit < 8; limit += 3)
        for (uint32_t late = 0; late < 2; late++) {
            struct client *clients[40];
            struct origin *origin = core_world(&(struct sim_options){.seed = limit});

            sim_describe("at most %u streams, SETTINGS late %u", limit, late);
            origin->max_streams = limit;
            origin->settings_after_ms = late * 100;
            for (unsigned i = 0; i < ARRAY_SIZE(clients); i++)
                clients[i] = core_asking("n=100&d=2", 0);
            core_start(core_plain, NULL);
            core_run(60000);
            check_all(clients, ARRAY_SIZE(clients), 200);
            CHECK_INT(origin->conn_count, 1);
            CHECK(origin->most_streams <= (late ? CONFIG_EARLY_STREAMS : limit));
            core_end();
        }
}

/* What a backend refuses since it takes fewer streams than were opened before it said so, is sent again with its body.
 */
static void bodies_beyond_the_limit(void **state)
{
    (void)state;
    for (uint32_t limit = 1; limit < 4; limit += 2)
        for (uint32_t late = 0; late < 3; late++) {
            struct client *clients[CONFIG_UPLOADS < 8 ? CONFIG_UPLOADS : 8];
            struct origin *origin = core_world(&(struct sim_options){.seed = limit, .latency_ms = 20});

            sim_describe("bodies, at most %u streams, SETTINGS late %u", limit, late);
            origin->max_streams = limit;
            origin->settings_after_ms = late * 30;
            for (unsigned i = 0; i < ARRAY_SIZE(clients); i++) {
                clients[i] = client_new(FRONT_PORT);
                client_ask(clients[i],
                           &(struct ask){.query = "n=100&d=2", .framing = ASK_CHUNKED, .body = 20000 * (i % 3)});
            }
            core_start(core_plain, NULL);
            core_run(60000);
            check_all(clients, ARRAY_SIZE(clients), 200);
            CHECK_INT(origin->conn_count, 1);
            CHECK(origin->most_streams <= (late ? CONFIG_EARLY_STREAMS : limit));
            core_end();
        }
}

/* Up to max= connections are opened, and no more, when the first is full. */
static void several_connections(void **state)
{
    const unsigned max = CONFIG_BACKEND_CONNS < 3 ? CONFIG_BACKEND_CONNS : 3;
    struct client *clients[12];
    struct origin *origin = core_world(NULL);
    struct bytes conf = {NULL, 0, 0};

    (void)state;
    sim_describe("max=%u", max);
    bytes_printf(&conf, "Listen 8080\nProxyPass \"/\" \"h2c://10.0.0.1:9000/\" max=%u\nCustomLog \"-\"\n", max);
    bytes_put(&conf, "", 1);
    origin->max_streams = 2;
    for (unsigned i = 0; i < ARRAY_SIZE(clients); i++)
        clients[i] = core_asking("n=100&d=50", i < 2 ? 0 : 10);
    core_start((const char *)conf.ptr, NULL);
    core_run(60000);
    check_all(clients, ARRAY_SIZE(clients), 200);
    CHECK_INT(origin->conn_count, max);
    CHECK_INT(origin->most_streams, 2);
    core_end();
}

/* What was refused is sent again, what was refused too often is not. */
static void refused_streams(void **state)
{
    static const struct {
        const char *query;
        struct ask ask;
        unsigned status, tries;
    } cases[] = {
        {"F=1", {.query = "F=1&n=50"}, 200, 2},
        {"F=1 with a body", {.query = "F=1&n=50", .framing = ASK_LENGTH, .body = 10}, 0, 0},
        {"F=2", {.query = "F=2&n=50"}, 200, 3},
        {"F=9", {.query = "F=9"}, 502, 3},
        {"R=1 CANCEL", {.query = "R=1&e=8"}, 502, 1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct origin *origin = core_world(NULL);
        struct client *c = client_new(FRONT_PORT);
        uint32_t id = client_ask(c, &cases[i].ask);

        sim_describe("refused: %s", cases[i].query);
        core_start(core_plain, NULL);
        core_run(10000);
        core_settle();
        if (cases[i].status != 0) {
            CHECK_INT(client_response(c, 0)->status, cases[i].status);
            CHECK_INT(origin_request(origin, id)->tries, cases[i].tries);
            CHECK(text_starts(core_line_field(core_line(id), LINE_RETRY), cases[i].tries > 2   ? TEXT("2")
                                                                          : cases[i].tries > 1 ? TEXT("1")
                                                                                               : TEXT("-")));
        } else { /* its body may have left or not: never a broken one (the origin checks) */
            CHECK(client_response(c, 0)->status == 200 || client_response(c, 0)->status == 502);
        }
        CHECK_INT(origin->conn_count, 1);
        core_end();
    }
}

/* GOAWAY: what is below its last id ends there, the next request opens a new connection, what is above is sent again.
 */
static void goaway(void **state)
{
    (void)state;
    for (int hard = 0; hard < 2; hard++)
        for (uint32_t after = 1; after < 6; after++) {
            struct client *clients[10];
            struct origin *origin = core_world(&(struct sim_options){.seed = after, .latency_ms = 5});

            sim_describe("GOAWAY behind %u requests, hard %d", after, hard);
            origin->goaway_after = after;
            origin->goaway_hard = hard != 0;
            for (unsigned i = 0; i < ARRAY_SIZE(clients); i++)
                clients[i] = core_asking("n=300&p=100&q=7", i / 3 * 60);
            core_start(core_plain, NULL);
            core_run(60000);
            for (unsigned i = 0; i < ARRAY_SIZE(clients); i++) {
                const struct response *response = client_response(clients[i], 0);

                /* One retry is allowed; its connection may say GOAWAY, too. */
                CHECK(response->complete && (response->status == 200 || response->status == 502));
                if (after > 3)
                    CHECK_INT(response->status, 200);
            }
            CHECK(origin->conn_count >= 2);
            core_end();
        }
}

/* A connection that the origin ends while it is idle harms nobody. */
static void idle_end(void **state)
{
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        struct origin *origin = core_world(NULL);
        struct client *first = core_asking("n=10", 0);
        struct client *second = core_asking("n=10", 200);

        sim_describe("idle end %d", kind);
        core_start(core_plain, NULL);
        sim_run(NULL, NULL, 100);
        if (kind < 2)
            origin_break(origin, kind == 1);
        else
            origin_goaway(origin);
        core_run(10000);
        check_all(&first, 1, 200);
        check_all(&second, 1, 200);
        CHECK_INT(origin->conn_count, 2);
        core_end();
    }
}

/* Names have several addresses: the next is tried when one fails. */
static void addresses(void **state)
{
    (void)state;
    for (unsigned mode = HOST_ACCEPTS; mode <= HOST_AT_ONCE; mode++) {
        const struct port_addr addrs[] = {sim_addr(10, 0, 0, 1, 0), sim_addr(10, 0, 0, 2, 0)};
        struct origin *first = core_world(NULL);
        struct origin *second = origin_new(2, 9000);
        struct client *c;
        bool works = mode == HOST_ACCEPTS || mode == HOST_AT_ONCE;

        sim_describe("first address: mode %u", mode);
        first->host.mode = (enum host_mode)mode;
        sim_add_name("origin.example", addrs, 2);
        c = core_asking("n=10", 0);
        core_start("Listen 8080\nProxyPass \"/\" \"h2c://origin.example:9000/\" connectiontimeout=1\nCustomLog \"-\"\n",
                   NULL);
        core_run(20000);
        check_all(&c, 1, 200);
        CHECK_INT(first->conn_count, works ? 1 : 0);
        CHECK_INT(second->conn_count, works ? 0 : 1);
        core_end();
    }
}

/* A client that does not read holds no more than its own window, and its siblings on the same connection are served at
 * full speed. */
static void stalled_sibling(void **state)
{
    struct origin *origin = core_world(&(struct sim_options){.seed = 1, .latency_ms = 1});
    struct client *stalled;
    struct client *others[10];
    struct pipe_stats pipes;

    (void)state;
    sim_describe("stalled sibling");
    stalled = client_new(FRONT_PORT);
    stalled->read_stop = 0;
    client_ask(stalled, &(struct ask){.query = "n=9000000"});
    for (unsigned i = 0; i < ARRAY_SIZE(others); i++)
        others[i] = core_asking("n=300000", 100);
    core_start(slow_conf, NULL);
    sim_run(NULL, NULL, 2000);
    check_all(others, ARRAY_SIZE(others), 200);
    pipe_stats(&pipes);
    CHECK(pipes.used * CONFIG_BODY_BLOCK <= CONFIG_WINDOW_MAX + CONFIG_BODY_BLOCK);
    CHECK_INT(origin->conn_count, 1);
    client_close(stalled, false);
    core_end();
}

/* The same for uploads that an origin does not take. */
static void stalled_upload(void **state)
{
    struct origin *origin = core_world(&(struct sim_options){.seed = 1, .latency_ms = 1});
    struct client *stalled = client_new(FRONT_PORT);
    struct client *other = client_new(FRONT_PORT);
    struct pipe_stats pipes;

    (void)state;
    sim_describe("stalled upload");
    client_ask(stalled, &(struct ask){.query = "U=1", .framing = ASK_LENGTH, .body = 9000000});
    other->start_at = 100;
    client_ask(other, &(struct ask){.query = "n=5", .framing = ASK_CHUNKED, .body = 300000});
    core_start(slow_conf, NULL);
    sim_run(NULL, NULL, 4000);
    check_all(&other, 1, 200);
    pipe_stats(&pipes);
    CHECK(pipes.used * CONFIG_BODY_BLOCK <= CONFIG_WINDOW_MAX + CONFIG_BODY_BLOCK);
    CHECK(stalled->sent < 2000000);
    CHECK_INT(origin->conn_count, 1);
    client_close(stalled, false);
    core_end();
}

/* Big bodies through small windows and slow peers, both ways. */
static void big_bodies(void **state)
{
    static const struct {
        uint32_t window, max_frame;
        size_t piece;
        uint32_t pause_ms;
    } origins[] = {{0, 0, 0, 0},         {1, 0, 0, 0},    {100, 0, 0, 0},
                   {70000, 20000, 0, 0}, {0, 0, 3000, 1}, {1 << 20, 1 << 20, 0, 0}};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(origins); i++) {
        struct origin *origin = core_world(&(struct sim_options){.seed = i + 1, .latency_ms = i % 2});
        struct client *clients[3];

        sim_describe("big bodies %zu", i);
        origin->window = origins[i].window;
        origin->max_frame = origins[i].max_frame;
        origin->piece = origins[i].piece;
        origin->pause_ms = origins[i].pause_ms;
        clients[0] = core_asking("n=1000000", 0);
        clients[1] = client_new(FRONT_PORT);
        client_ask(
            clients[1],
            &(struct ask){.query = "n=3", .framing = ASK_CHUNKED, .body = i == 1 ? 3000 : 400000, .chunk = 3000});
        clients[2] = client_new(FRONT_PORT);
        clients[2]->read_piece = 10000;
        clients[2]->read_pause_ms = 3;
        client_ask(clients[2],
                   &(struct ask){.query = "n=400000&l=0", .framing = ASK_LENGTH, .body = i == 1 ? 3000 : 400000});
        core_start(slow_conf, NULL);
        core_run(600000);
        check_all(clients, 3, 200);
        CHECK_INT(origin->conn_count, 1);
        core_end();
    }
}

/* A log that nobody reads holds up nobody. */
static void stuck_log(void **state)
{
    struct client *c;

    (void)state;
    core_world(&(struct sim_options){.seed = 1, .log_stuck = true});
    sim_describe("stuck log");
    c = client_new(FRONT_PORT);
    for (unsigned n = 0; n < 5000; n++)
        client_ask(c, &(struct ask){.query = NULL});
    core_start(core_plain, "MaxKeepAliveRequests 0\n");
    core_run(60000);
    check_all(&c, 1, 200);
    core_end();
}

/* Bytes that a backend may send before anything of them has been read. */
#define LAST_WORDS (CONFIG_RESPONSE_WINDOW < 5000 ? CONFIG_RESPONSE_WINDOW : 5000)

static bool has_answered(void *user)
{
    const struct origin *origin = user;

    return origin->most_sent > LAST_WORDS;
}

/* A write fails because the backend is gone, while its last words have not been read yet: they count. */
static void last_words(void **state)
{
    struct origin *origin = core_world(&(struct sim_options){.seed = 1, .reset_keeps = true});
    struct client *first = client_new(FRONT_PORT), *second = client_new(FRONT_PORT);
    char query[24];

    (void)state;
    sim_describe("last words");
    snprintf(query, sizeof(query), "n=%u&d=50", (unsigned)LAST_WORDS);
    client_ask(first, &(struct ask){.query = query});
    second->start_at = 50;
    client_ask(second, &(struct ask){.query = "n=10"});
    core_start(core_plain, NULL);
    sim_run(NULL, NULL, 10);
    sim.chop = 500;
    CHECK(sim_run(has_answered, origin, 1000));
    origin_break(origin, true);
    core_run(10000);
    for (unsigned n = 0; n < 2; n++) {
        struct client *c = n == 0 ? first : second;

        CHECK_INT(client_response(c, 0)->status, 200);
        CHECK(client_response(c, 0)->complete);
    }
    CHECK_INT(origin->conn_count, 2);
    core_end();
}

static bool has_sent(void *user)
{
    const struct origin *origin = user;

    return origin->most_sent > 300;
}

/* A backend answers and closes its connection. What waits for the stream does not go there after the answer. */
static void last_answer(void **state)
{
    struct origin *origin = core_world(NULL);
    struct client *clients[4];

    (void)state;
    sim_describe("last answer");
    origin->max_streams = 1;
    for (unsigned i = 0; i < ARRAY_SIZE(clients); i++)
        clients[i] = core_asking("n=300&d=50", 0);
    core_start(core_plain, NULL);
    CHECK(sim_run(has_sent, origin, 1000));
    origin_break(origin, false);
    core_run(10000);
    check_all(clients, ARRAY_SIZE(clients), 200);
    CHECK_INT(origin->conn_count, 2);
    core_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_clients_one_connection),
        cmocka_unit_test(more_clients_than_slots),
        cmocka_unit_test(peers_limit_of_streams),
        cmocka_unit_test(bodies_beyond_the_limit),
        cmocka_unit_test(several_connections),
        cmocka_unit_test(refused_streams),
        cmocka_unit_test(goaway),
        cmocka_unit_test(idle_end),
        cmocka_unit_test(addresses),
        cmocka_unit_test(stalled_sibling),
        cmocka_unit_test(stalled_upload),
        cmocka_unit_test(big_bodies),
        cmocka_unit_test(last_words),
        cmocka_unit_test(last_answer),
        cmocka_unit_test(stuck_log), /* last: the next world would tell of the lines that it lost */
    };

    return CORE_RUN(tests);
}
