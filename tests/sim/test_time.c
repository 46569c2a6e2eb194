/* Every timeout, at the clock's zero and across its wrap: it comes neither early nor late, with the right answer. */
#include "core.h"

#include "ops/server.h"
#include "side/h1_conn.h"

static const char conf[] = "Listen 8080\n"
                           "ProxyPass \"/\" \"h2c://10.0.0.1:9000/\" connectiontimeout=2\n"
                           "CustomLog \"-\"\n"
                           "ProxyTimeout 3\n"
                           "Timeout 4\n"
                           "KeepAliveTimeout 5\n"
                           "RequestReadTimeout header=2 body=6\n";

/* Each test runs from these clocks: the wrap comes at the start, within every timeout, and at its end. */
static const uint32_t starts[] = {
    0, UINT32_MAX, UINT32_MAX - 700, UINT32_MAX - 1999, UINT32_MAX - 3000, UINT32_MAX - 9500};

static struct origin *begin(size_t i)
{
    sim_describe("clock starts at %u", starts[i]);
    return core_world(&(struct sim_options){.seed = i + 1, .start_ms = starts[i]});
}

static void check_at(uint64_t is, uint64_t should)
{
    if (is < should || is > should + 20)
        sim_violation("it came at %llu ms, not at %llu", (unsigned long long)is, (unsigned long long)should);
}

static void check_status(struct client *c, unsigned n, unsigned status)
{
    CHECK_INT(client_response(c, n)->status, status);
}

#define EACH_START(i) for (size_t i = 0; i < ARRAY_SIZE(starts); i++)

static void request_head(void **state)
{
    (void)state;
    EACH_START(i)
    {
        struct client *silent;
        struct client *half;

        begin(i);
        silent = client_new(FRONT_PORT);
        silent->stays = true;
        half = client_new(FRONT_PORT);
        client_raw(half, "GET / HT", 8, 1);
        core_start(conf, NULL);
        sim_run(NULL, NULL, 5000);
        CHECK_INT(silent->end, CLIENT_ENDED);
        CHECK_INT(silent->received, 0);
        check_at(silent->ended_at, 2000);
        check_status(half, 0, 408);
        check_at(half->ended_at, 2000);
        core_end();
    }
}

/* Bytes lengthen the time, up to a maximum. */
static void request_head_rate(void **state)
{
    (void)state;
    EACH_START(i)
    {
        struct client *slow;
        struct client *slower;

        begin(i);
        slow = client_new(FRONT_PORT); /* 50 bytes a second for 4 seconds */
        slow->piece = 5;
        slow->pause_ms = 100;
        client_ask(slow,
                   &(struct ask){.fields = "X-Padding: 0123456789012345678901234567890123456789012345678901234567890123"
                                           "456789012345678901234567890123456789012345678901234567890123456789\r\n"});
        slower = client_new(FRONT_PORT); /* two bytes a second */
        slower->piece = 1;
        slower->pause_ms = 500;
        client_ask(slower, &(struct ask){.query = NULL});
        core_start(conf, "RequestReadTimeout header=2-10,MinRate=20\n");
        sim_run(NULL, NULL, 20000);
        check_status(slow, 0, 200);
        CHECK(slow->ended_at > 3000);
        check_status(slower, 0, 408);
        CHECK(slower->ended_at >= 2000 && slower->ended_at <= 4020);
        core_end();
    }
}

static void request_body(void **state)
{
    (void)state;
    EACH_START(i)
    for (int chunked = 0; chunked < 2; chunked++) {
        struct client *c;

        begin(i);
        c = client_new(FRONT_PORT);
        client_ask(c, &(struct ask){.framing = chunked ? ASK_CHUNKED : ASK_LENGTH, .body = 100});
        c->cut = CUT_STALL;
        c->cut_after = c->out.len - 30;
        core_start(conf, NULL);
        sim_run(NULL, NULL, 20000);
        check_status(c, 0, 408);
        check_at(c->ended_at, 6000);
        core_end();
    }
}

/* More than 4 GiB of one body have come, at some speed: those that come slowly still have the time of all that came. */
static void request_body_long(void **state)
{
    struct client *c;
    struct h1_conn *conn;

    (void)state;
    sim_describe("a body whose bytes are beyond 32 bits");
    core_world(&(struct sim_options){.seed = 1});
    c = client_new(FRONT_PORT);
    c->piece = 100;
    c->pause_ms = 100;
    client_ask(c, &(struct ask){.framing = ASK_LENGTH, .body = 10000});
    core_start(conf, "RequestReadTimeout header=2 body=2,MinRate=500\n");
    sim_run(NULL, NULL, 1000);
    conn = container_of(server_config()->site.users.next, struct exchange, site_node)->front.self;
    conn->read_bytes += UINT32_MAX - 2000; /* in five days */
    conn->read_start -= 5 * 24 * 3600 * 1000U;
    core_run(20000);
    check_status(c, 0, 200);
    core_end();
}

static void keep_alive(void **state)
{
    (void)state;
    EACH_START(i)
    {
        struct client *c;

        begin(i);
        c = client_new(FRONT_PORT);
        c->stays = true;
        client_ask(c, &(struct ask){.query = "d=1000"});
        core_start(conf, NULL);
        sim_run(NULL, NULL, 20000);
        check_status(c, 0, 200);
        CHECK_INT(c->end, CLIENT_ENDED);
        check_at(c->ended_at, 6000);
        core_end();
    }
}

static void queue(void **state)
{
    (void)state;
    EACH_START(i)
    {
        struct origin *origin = begin(i);
        struct client *first;
        struct client *second;

        origin->max_streams = 1;
        first = client_new(FRONT_PORT);
        client_ask(first, &(struct ask){.query = "z=1"});
        second = client_new(FRONT_PORT);
        second->start_at = 100;
        client_ask(second, &(struct ask){.query = NULL});
        core_start(conf, "ProxyTimeout 100\n");
        sim_run(NULL, NULL, CONFIG_QUEUE_TIMEOUT_MS + 1000);
        check_status(second, 0, 503);
        check_at(second->ended_at, 100 + CONFIG_QUEUE_TIMEOUT_MS);
        client_close(first, false);
        core_end();
    }
}

static void connecting(void **state)
{
    (void)state;
    EACH_START(i)
    {
        struct origin *origin = begin(i);
        struct client *c = client_new(FRONT_PORT);

        origin->host.mode = HOST_SILENT;
        client_ask(c, &(struct ask){.query = NULL});
        core_start(conf, NULL);
        sim_run(NULL, NULL, 5000);
        check_status(c, 0, 504);
        check_at(c->ended_at, 2000);
        core_end();
    }
}

static void settings(void **state)
{
    (void)state;
    EACH_START(i)
    {
        struct origin *origin = begin(i);
        struct client *c = client_new(FRONT_PORT);

        origin->settings_after_ms = 1000000;
        client_ask(c, &(struct ask){.query = NULL});
        core_start(conf, "ProxyTimeout 100\n");
        sim_run(NULL, NULL, CONFIG_SETTINGS_TIMEOUT_S * 1000 + 2000);
        check_status(c, 0, 504);
        check_at(c->ended_at, CONFIG_SETTINGS_TIMEOUT_S * 1000);
        CHECK_INT(origin->open_conns, 0);
        core_end();
    }
}

static void response(void **state)
{
    (void)state;
    EACH_START(i)
    {
        struct client *silent;
        struct client *stalls;
        struct client *slow;

        begin(i);
        silent = client_new(FRONT_PORT);
        client_ask(silent, &(struct ask){.query = "z=1"});
        stalls = client_new(FRONT_PORT);
        client_ask(stalls, &(struct ask){.query = "n=100&p=10&q=100000&d=1000"});
        slow = client_new(FRONT_PORT); /* a sign of life within each timeout is enough */
        client_ask(slow, &(struct ask){.query = "n=50&p=10&q=2500&d=2500"});
        core_start(conf, NULL);
        sim_run(NULL, NULL, 20000);
        check_status(silent, 0, 504);
        check_at(silent->ended_at, 3000);
        check_status(stalls, 0, 200);
        CHECK(!client_response(stalls, 0)->complete);
        check_at(stalls->ended_at, 4000);
        CHECK(client_response(slow, 0)->complete);
        core_end();
    }
}

/* A client that takes no bytes is given up; nobody else is. */
static void client_stalls(void **state)
{
    (void)state;
    EACH_START(i)
    {
        struct origin *origin = begin(i);
        struct client *stalled;
        struct client *slow;
        uint64_t ms = 0;

        stalled = client_new(FRONT_PORT);
        stalled->read_stop = 1000;
        client_ask(stalled, &(struct ask){.query = "n=3000000"});
        slow = client_new(FRONT_PORT);
        slow->read_piece = 60000;
        slow->read_pause_ms = 500;
        client_ask(slow, &(struct ask){.query = "n=1500000"});
        core_start(conf, NULL);
        sim_run(NULL, NULL, 60000);
        CHECK(client_response(slow, 0)->complete);
        CHECK(!client_response(stalled, 0)->complete);
        core_settle();
        CHECK(text_to_u64(core_line_field(core_line(1), LINE_MS), UINT32_MAX, &ms));
        check_at(ms, 4000);
        CHECK(text_eq(core_line_field(core_line(1), LINE_END), TEXT("CD")) ||
              text_eq(core_line_field(core_line(1), LINE_END), TEXT("TD")));
        CHECK(origin_request(origin, 1)->reset != 0 || origin_request(origin, 1)->lost);
        core_end();
    }
}

static void backend_idle(void **state)
{
    (void)state;
    EACH_START(i)
    {
        struct origin *origin = begin(i);
        struct client *c = client_new(FRONT_PORT);

        client_ask(c, &(struct ask){.query = NULL});
        core_start(conf, NULL);
        sim_run(NULL, NULL, CONFIG_BACKEND_IDLE_S * 1000 - 100);
        CHECK_INT(origin->open_conns, 1);
        sim_run(NULL, NULL, 200);
        CHECK_INT(origin->open_conns, 0);
        CHECK_INT(origin->goaways, 1);
        core_end();
    }
}

/* A backend that refuses is not tried again at once. */
static void back_off(void **state)
{
    (void)state;
    EACH_START(i)
    {
        struct origin *origin = begin(i);
        struct client *c[3];

        origin->host.mode = HOST_REFUSES;
        for (unsigned k = 0; k < 3; k++) {
            c[k] = client_new(FRONT_PORT);
            c[k]->start_at = k == 0 ? 0 : k == 1 ? CONFIG_RETRY_BACKOFF_MS / 2 : CONFIG_RETRY_BACKOFF_MS + 10;
            client_ask(c[k], &(struct ask){.query = NULL});
        }
        core_start(conf, NULL);
        sim_run(NULL, NULL, CONFIG_RETRY_BACKOFF_MS / 2 + 1);
        origin->host.mode = HOST_ACCEPTS;
        core_run(10000);
        check_status(c[0], 0, 502);
        check_status(c[1], 0, 503);
        check_status(c[2], 0, 200);
        CHECK_INT(origin->host.connects, 2);
        core_end();
    }
}

static bool drained(void *user)
{
    (void)user;
    return server_done();
}

/* Requests in progress end well, new ones find nobody, and what never ends is cut. */
static void drain(void **state)
{
    (void)state;
    EACH_START(i)
    for (int endless = 0; endless < 2; endless++) {
        struct client *idle;
        struct client *busy;
        struct client *late;

        begin(i);
        idle = client_new(FRONT_PORT);
        idle->stays = true;
        client_ask(idle, &(struct ask){.query = NULL});
        busy = client_new(FRONT_PORT);
        busy->stays = true;
        client_ask(busy, &(struct ask){.query = endless ? "z=1" : "n=100&p=10&q=100&d=500"});
        late = client_new(FRONT_PORT);
        late->start_at = 300;
        client_ask(late, &(struct ask){.query = NULL});
        core_start(conf, "ProxyTimeout 100\n");
        sim_run(NULL, NULL, 200);
        CHECK_INT(idle->end, CLIENT_OPEN);
        sim_ask(PORT_ASK_DRAIN);
        CHECK(sim_run(drained, NULL, CONFIG_DRAIN_S * 1000 + 1000));
        check_at(sim_now(), endless ? 200 + CONFIG_DRAIN_S * 1000 : 1400);
        CHECK_INT(idle->end, CLIENT_ENDED);
        CHECK_INT(late->end, CLIENT_REFUSED);
        if (!endless) {
            CHECK(client_response(busy, 0)->complete);
            CHECK_INT(busy->end, CLIENT_ENDED);
        }
        core_end();
    }
}

static void stop(void **state)
{
    (void)state;
    EACH_START(i)
    {
        struct client *c;

        begin(i);
        c = client_new(FRONT_PORT);
        client_ask(c, &(struct ask){.query = "z=1"});
        core_start(conf, NULL);
        sim_run(NULL, NULL, 200);
        sim_ask(PORT_ASK_STOP);
        CHECK(sim_run(drained, NULL, 10));
        core_end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_head), cmocka_unit_test(request_head_rate),
        cmocka_unit_test(request_body), cmocka_unit_test(request_body_long),
        cmocka_unit_test(keep_alive),   cmocka_unit_test(queue),
        cmocka_unit_test(connecting),   cmocka_unit_test(settings),
        cmocka_unit_test(response),     cmocka_unit_test(client_stalls),
        cmocka_unit_test(backend_idle), cmocka_unit_test(back_off),
        cmocka_unit_test(drain),        cmocka_unit_test(stop),
    };

    return CORE_RUN(tests);
}
