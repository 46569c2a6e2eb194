/* WebSockets (RFC 6455, RFC 8441) through the core: what the client sends comes back from the origin, whichever version
 * of HTTP the client speaks; who does not read is waited for; either side ends by itself; and what ends them else. */
#include "base/pipe.h"
#include "sim_ws.h"

#if IS_ENABLED(CONFIG_WEBSOCKET)

#define BIG 100000

/* ---- echoes ---- */

static void check_echo(int proto, const struct sim_options *options, enum ask_tunnel tunnel, bool early)
{
    struct origin *origin = ws_world(options);
    struct ws ws = ws_new(proto, &(struct h2_ask){.ask = {.body = BIG, .tunnel = tunnel, .tunnel_early = early}});
    const struct origin_request *r;

    sim_describe("HTTP/%d, buffers %u and %u, latency %u, chop %u, tunnel %d, early %d", proto, options->client_buffer,
                 options->origin_buffer, options->latency_ms, options->chop, tunnel, early);
    core_start(core_patient, NULL);
    core_run(600000);
    core_settle();
    CHECK(ws_whole(&ws, BIG));
    r = origin_request(origin, ws.id);
    CHECK(r != NULL && r->tunnel && r->ended && r->body == BIG && r->reset == 0);
    core_check_field(ws.id, LINE_STATUS, proto == 1 ? "101" : "200");
    core_check_field(ws.id, LINE_BYTES, "100000");
    core_check_field(ws.id, LINE_END, "--");
    core_end();
}

static void echoes_whole(void **state)
{
    static const struct sim_options worlds[] = {
        {.seed = 1},
        {.seed = 2, .latency_ms = 20},
        {.seed = 3, .client_buffer = 700, .origin_buffer = 700},
        {.seed = 4, .client_buffer = 400, .chop = 300, .latency_ms = 1},
        {.seed = 5, .origin_buffer = 400, .chop = 3000, .again_percent = 30, .spurious = true},
    };
    static const enum ask_tunnel ends[] = {TUNNEL_SHUT, TUNNEL_ECHO, TUNNEL_LEAVE};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(worlds); i++)
        for (size_t e = 0; e < ARRAY_SIZE(ends); e++)
            EACH_PROTO(proto)
    if (proto == 1 || ends[e] != TUNNEL_LEAVE)
        check_echo(proto, &worlds[i], ends[e], i % 2 == 1);
}

/* Both versions, and plain requests among them; all over one backend connection. */
static void tunnels_beside_requests(void **state)
{
    struct origin *origin = ws_world(&(struct sim_options){.seed = 1, .latency_ms = 2});
    struct client *plain = client_new(FRONT_PORT);
    struct ws ws[4];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(ws); i++)
        ws[i] =
            ws_echo(IS_ENABLED(CONFIG_H2_FRONT) ? 1 + (int)i % 2 : 1, 20000, i == 3 ? "p=500&q=3" : NULL, TUNNEL_ECHO);
    for (unsigned n = 0; n < 10; n++)
        client_ask(plain, &(struct ask){.query = "n=5000"});
    core_start(core_patient, NULL);
    core_run(600000);
    for (size_t i = 0; i < ARRAY_SIZE(ws); i++)
        CHECK(ws_whole(&ws[i], 20000));
    CHECK_INT(client_answers(plain), 10);
    CHECK_INT(origin->conn_count, 1);
    core_end();
}

/* ---- back-pressure ---- */

/* A client that reads nothing: the origin is soon asked for nothing more, and memory stays where it is. */
static void who_does_not_read_is_waited_for(void **state)
{
    (void)state;
    EACH_PROTO(proto)
    {
        struct origin *origin =
            ws_world(&(struct sim_options){.seed = 1, .client_buffer = 3000, .origin_buffer = 3000, .latency_ms = 1});
        struct ws ws = ws_echo(proto, 10 * BIG, NULL, TUNNEL_ECHO);
        struct pipe_stats before, after;
        uint64_t came;

        sim_describe("HTTP/%d", proto);
        core_start(core_patient, NULL);
        sim_run(NULL, NULL, 20);
        if (ws.h1 != NULL)
            ws.h1->read_stop = ws.h1->received;
        else
            ws.h2->read_stop = ws.h2->received;
        sim_run(NULL, NULL, 2000);
        pipe_stats(&before);
        came = origin_request(origin, ws.id)->body;
        CHECK(came < 9 * BIG);
        sim_run(NULL, NULL, 20000);
        pipe_stats(&after);
        CHECK_INT(after.used, before.used);
        CHECK_INT(origin_request(origin, ws.id)->body, came);
        core_asking("n=5000", 0); /* others do not feel it */
        CHECK(sim_run(NULL, NULL, 1000));
        core_check_served(client_last());
        if (ws.h1 != NULL)
            ws.h1->read_stop = CUT_NEVER;
        else
            ws.h2->read_stop = CUT_NEVER;
        core_run(600000);
        CHECK(ws_whole(&ws, 10 * BIG));
        core_end();
    }
}

/* ---- half-closed ---- */

/* The origin ends its side and goes on taking: all of what the client sends, and its end. */
static void check_their_end(int proto, const char *query, const struct sim_options *options)
{
    struct origin *origin = ws_world(options);
    struct ws ws = ws_echo(proto, BIG, query, TUNNEL_SHUT);
    const struct origin_request *r;

    sim_describe("HTTP/%d, %s, latency %u, buffer %u", proto, query, options->latency_ms, options->origin_buffer);
    if (ws.h2 != NULL)
        ws.h2->stays = true; /* who closes takes what is under way with him */
    core_start(core_patient, NULL);
    core_run(600000);
    sim_run(NULL, NULL, 10000);
    core_settle();
    CHECK(ws_response(&ws)->complete);
    r = origin_request(origin, ws.id);
    CHECK(r->ended && r->reset == 0);
    CHECK_INT(r->body, BIG);
    core_check_field(ws.id, LINE_END, "--");
    ws_check_alive(0, 0);
    core_end();
}

static void origin_ends_its_side(void **state)
{
    static const char *const queries[] = {"E=0", "E=1000", "E=99999", "E=1000&u=50"};
    static const struct sim_options worlds[] = {
        {.seed = 1},
        {.seed = 2, .latency_ms = 3},
        {.seed = 3, .origin_buffer = 300, .latency_ms = 1},
        {.seed = 4, .origin_buffer = 500, .client_buffer = 500, .again_percent = 30, .chop = 400},
    };

    (void)state;
    for (size_t q = 0; q < ARRAY_SIZE(queries); q++)
        for (size_t w = 0; w < ARRAY_SIZE(worlds); w++)
            EACH_PROTO(proto)
    check_their_end(proto, queries[q], &worlds[w]);
}

/* The origin ends its side, and soon after its connection: the client learns that nobody takes its bytes. */
static void origin_ends_its_side_and_goes(void **state)
{
    (void)state;
    EACH_PROTO(proto)
    {
        struct origin *origin = ws_world(&(struct sim_options){.seed = 1});
        struct ws ws = ws_echo(proto, 1000, "E=500", TUNNEL_STAYS);

        sim_describe("HTTP/%d", proto);
        core_start(core_patient, NULL);
        sim_run(NULL, NULL, 100);
        CHECK_INT(ws_response(&ws)->body, 500);
        origin_break(origin, false);
        sim_run(NULL, NULL, 100);
        CHECK(ws_response(&ws)->complete);
        CHECK(ws.h1 != NULL || h2_client_answer(ws.h2, 0)->state == H2_ASK_OVER);
        core_settle();
        core_check_field(ws.id, LINE_END, "--");
        if (ws.h1 != NULL) /* it was told by the end alone that there was */
            client_close(ws.h1, false);
        ws_check_alive(0, 0);
        core_end();
    }
}

/* One side has ended, and the other neither ends nor says anything. */
static void half_closed_and_idle(void **state)
{
    (void)state;
    for (int theirs = 0; theirs < 2; theirs++)
        EACH_PROTO(proto)
        {
            struct origin *origin = ws_world(&(struct sim_options){.seed = 1});
            struct ws ws =
                theirs ? ws_echo(proto, 1000, "E=500", TUNNEL_STAYS) : ws_echo(proto, 1000, "r=2000", TUNNEL_SHUT);

            sim_describe("HTTP/%d, ended by the origin %d", proto, theirs);
            core_start(core_hasty, NULL);
            sim_run(NULL, NULL, 10000);
            CHECK(ws.h1 != NULL ? ws.h1->end != CLIENT_OPEN : h2_client_answer(ws.h2, 0)->state == H2_ASK_OVER);
            CHECK(origin_request(origin, ws.id)->reset > 0);
            core_check_field(ws.id, LINE_WORD, "tunnel-idle");
            core_end();
        }
}

/* ---- ends ---- */

/* What the origin does within the tunnel, and what the log says of it. */
static const struct {
    const char *query, *end, *word;
} breaks[] = {
    {"r=5000&e=2", "BD", "backend-reset"},
    {"r=5000&e=8", "BD", "backend-reset"},
    {"r=0", "BD", "backend-reset"},
    {"x=5000", "BD", "backend-closed"},
};

static void origin_breaks_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(breaks); i++)
        EACH_PROTO(proto)
        {
            struct ws ws;

            ws_world(&(struct sim_options){.seed = i + 1});
            ws = ws_echo(proto, 10000, breaks[i].query, TUNNEL_ECHO);
            sim_describe("HTTP/%d, %s", proto, breaks[i].query);
            core_start(core_hasty, NULL);
            core_run(10000);
            CHECK(ws_broken(&ws));
            CHECK_INT(sim_now() < 1000, 1);
            core_settle();
            core_check_field(ws.id, LINE_END, breaks[i].end);
            core_check_field(ws.id, LINE_WORD, breaks[i].word);
            ws_check_alive(1000, 0);
            core_end();
        }
}

/* Nothing moves: the backend's timeout ends it. */
static void idle_ends(void **state)
{
    (void)state;
    EACH_PROTO(proto)
    {
        struct ws ws;
        struct origin *origin = ws_world(&(struct sim_options){.seed = 1});

        ws = ws_echo(proto, 1000, NULL, TUNNEL_STAYS);
        sim_describe("HTTP/%d", proto);
        core_start(core_hasty, NULL);
        core_run(10000);
        CHECK(ws_broken(&ws));
        CHECK_INT(ws_response(&ws)->body, 1000);
        CHECK(sim_now() >= 2000 && sim_now() < 2200);
        CHECK(origin_request(origin, ws.id)->reset > 0);
        core_settle();
        core_check_field(ws.id, LINE_END, "TD");
        core_check_field(ws.id, LINE_WORD, "tunnel-idle");
        ws_check_alive(0, 0);
        core_end();
    }
}

/* One byte now and then keeps it, for longer than any timeout. */
static void slow_is_not_idle(void **state)
{
    (void)state;
    EACH_PROTO(proto)
    {
        struct ws ws;

        ws_world(&(struct sim_options){.seed = 1});
        ws = ws_echo(proto, 10, NULL, TUNNEL_SHUT);
        sim_describe("HTTP/%d", proto);
        if (ws.h1 != NULL) {
            ws.h1->piece = 1000;
            core_start(core_hasty, NULL);
            sim_run(NULL, NULL, 10);
            ws.h1->piece = 1;
            ws.h1->pause_ms = 1500;
        } else {
            h2_client_answer(ws.h2, 0)->ask.piece = 1;
            h2_client_answer(ws.h2, 0)->ask.pause_ms = 1500;
            core_start(core_hasty, NULL);
        }
        core_run(60000);
        CHECK(ws_whole(&ws, 10));
        core_end();
    }
}

/* The client goes within the tunnel: the origin is told at once, and its connection lives on. */
static void client_goes(void **state)
{
    (void)state;
    EACH_PROTO(proto)
    {
        struct origin *origin = ws_world(&(struct sim_options){.seed = 1});
        struct ws ws = ws_echo(proto, BIG, "p=1000&q=5", TUNNEL_ECHO);

        sim_describe("HTTP/%d", proto);
        if (ws.h1 != NULL)
            ws.h1->leave_after = 5000;
        else
            ws.h2->leave_after = 5000;
        core_start(core_hasty, NULL);
        core_run(10000);
        core_settle();
        CHECK(origin_request(origin, ws.id)->reset > 0);
        core_check_field(ws.id, LINE_END, "CD");
        ws_check_alive(0, 0);
        CHECK_INT(origin->conn_count, 1);
        core_end();
    }
}

/* An HTTP/2 client resets its stream alone. */
static void client_cancels(void **state)
{
    struct origin *origin = ws_world(&(struct sim_options){.seed = 1});
    struct h2_client *c = h2_client_new(FRONT_PORT);
    uint32_t id = h2_client_ask(
        c,
        &(struct h2_ask){.ask = {.body = 3000, .tunnel = TUNNEL_STAYS}, .cancel = CANCEL_RECEIVED, .cancel_at = 3000});

    (void)state;
    h2_client_ask(c, &(struct h2_ask){.ask = {.body = BIG, .tunnel = TUNNEL_ECHO}});
    core_start(core_plain, NULL);
    core_run(60000);
    core_settle();
    CHECK_INT(origin_request(origin, id)->reset, NGHTTP2_CANCEL + 1);
    core_check_field(id, LINE_END, "CD");
    CHECK_INT(h2_client_answer(c, 1)->response.body, BIG);
    CHECK(h2_client_answer(c, 1)->response.complete);
    core_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(echoes_whole),
        cmocka_unit_test(tunnels_beside_requests),
        cmocka_unit_test(who_does_not_read_is_waited_for),
        cmocka_unit_test(origin_ends_its_side),
        cmocka_unit_test(origin_ends_its_side_and_goes),
        cmocka_unit_test(half_closed_and_idle),
        cmocka_unit_test(origin_breaks_it),
        cmocka_unit_test(idle_ends),
        cmocka_unit_test(slow_is_not_idle),
        cmocka_unit_test(client_goes),
        cmocka_unit_test(client_cancels),
    };

    return CORE_RUN(tests);
}

#else

int main(void)
{
    return 0;
}

#endif
