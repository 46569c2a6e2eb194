/* WebSockets (RFC 6455, RFC 8441) through the core: what the client sends comes back from the origin, whichever version
 * of HTTP the client speaks; and how tunnels end, wait, and are refused. */
#include "core.h"

#include "base/arena.h"
#include "base/pipe.h"

#if IS_ENABLED(CONFIG_WEBSOCKET)

#define BIG 100000

static const char hasty[] = "Listen 8080\n"
                            "ProxyPass \"/\" \"h2c://10.0.0.1:9000/\"\n"
                            "CustomLog \"-\"\n"
                            "ProxyTimeout 2\n"
                            "Timeout 3\n"
                            "KeepAliveTimeout 2\n"
                            "RequestReadTimeout header=1 body=1\n";

/* One WebSocket, over either version. */
struct ws {
    uint32_t id;
    struct client *h1; /* one of them is NULL */
    struct h2_client *h2;
};

static bool has_proto(int proto)
{
    return proto == 1 || IS_ENABLED(CONFIG_H2_FRONT);
}

/* for (…) over the versions of HTTP that clients may speak in this build. */
#define EACH_PROTO(p)                                                                                                  \
    for (int p = 1; p <= 2; p++)                                                                                       \
        if (has_proto(p))

static struct ws ws_new(int proto, const struct h2_ask *ask)
{
    struct ws ws = {0, NULL, NULL};

    if (proto == 1) {
        ws.h1 = client_new(FRONT_PORT);
        ws.h1->start_at = ask->start_at;
        ws.id = client_ask(ws.h1, &ask->ask);
    } else {
        ws.h2 = h2_client_new(FRONT_PORT);
        ws.id = h2_client_ask(ws.h2, ask);
    }
    return ws;
}

static struct ws ws_echo(int proto, uint64_t body, const char *query, enum ask_tunnel tunnel)
{
    return ws_new(proto, &(struct h2_ask){.ask = {.query = query, .body = body, .tunnel = tunnel}});
}

static const struct response *ws_response(const struct ws *ws)
{
    return ws->h1 != NULL ? client_response(ws->h1, 0) : &h2_client_answer(ws->h2, 0)->response;
}

static unsigned ws_status(const struct ws *ws)
{
    return ws_response(ws)->status;
}

static bool ws_whole(const struct ws *ws, uint64_t body)
{
    const struct response *r = ws_response(ws);

    return r->status == (ws->h1 != NULL ? 101 : 200) && r->complete && r->from_origin && r->body == body;
}

/* It sees that its tunnel broke: a reset of the connection, or of the stream. */
static bool ws_broken(const struct ws *ws)
{
    if (ws_response(ws)->complete)
        return false;
    return ws->h1 != NULL ? ws->h1->end == CLIENT_RESET : h2_client_answer(ws->h2, 0)->reset > 0;
}

static struct origin *begin(const struct sim_options *options)
{
    struct origin *origin = core_world(options);

    origin->tunnels = true;
    return origin;
}

/* Who comes afterwards is served, with a tunnel, too; but for so many: a connection that is silent, or about to break
   off, may disappoint some before it is given up. */
static void check_alive(uint32_t after_ms, unsigned disappointed)
{
    while (disappointed-- > 0) {
        core_asking("n=70", 0);
        core_run(20000);
    }
    sim_run(NULL, NULL, after_ms);
    EACH_PROTO(proto)
    {
        struct client *plain = core_asking("n=70", 0);
        struct ws ws = ws_echo(proto, 300, NULL, TUNNEL_SHUT);

        core_run(20000);
        CHECK(ws_whole(&ws, 300));
        CHECK_INT(client_response(plain, 0)->status, 200);
    }
}

/* ---- echoes ---- */

static void check_echo(int proto, const struct sim_options *options, enum ask_tunnel tunnel, bool early)
{
    struct origin *origin = begin(options);
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
    struct origin *origin = begin(&(struct sim_options){.seed = 1, .latency_ms = 2});
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
            begin(&(struct sim_options){.seed = 1, .client_buffer = 3000, .origin_buffer = 3000, .latency_ms = 1});
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
    struct origin *origin = begin(options);
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
    check_alive(0, 0);
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
        struct origin *origin = begin(&(struct sim_options){.seed = 1});
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
        check_alive(0, 0);
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
            struct origin *origin = begin(&(struct sim_options){.seed = 1});
            struct ws ws =
                theirs ? ws_echo(proto, 1000, "E=500", TUNNEL_STAYS) : ws_echo(proto, 1000, "r=2000", TUNNEL_SHUT);

            sim_describe("HTTP/%d, ended by the origin %d", proto, theirs);
            core_start(hasty, NULL);
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

            begin(&(struct sim_options){.seed = i + 1});
            ws = ws_echo(proto, 10000, breaks[i].query, TUNNEL_ECHO);
            sim_describe("HTTP/%d, %s", proto, breaks[i].query);
            core_start(hasty, NULL);
            core_run(10000);
            CHECK(ws_broken(&ws));
            CHECK_INT(sim_now() < 1000, 1);
            core_settle();
            core_check_field(ws.id, LINE_END, breaks[i].end);
            core_check_field(ws.id, LINE_WORD, breaks[i].word);
            check_alive(1000, 0);
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
        struct origin *origin = begin(&(struct sim_options){.seed = 1});

        ws = ws_echo(proto, 1000, NULL, TUNNEL_STAYS);
        sim_describe("HTTP/%d", proto);
        core_start(hasty, NULL);
        core_run(10000);
        CHECK(ws_broken(&ws));
        CHECK_INT(ws_response(&ws)->body, 1000);
        CHECK(sim_now() >= 2000 && sim_now() < 2200);
        CHECK(origin_request(origin, ws.id)->reset > 0);
        core_settle();
        core_check_field(ws.id, LINE_END, "TD");
        core_check_field(ws.id, LINE_WORD, "tunnel-idle");
        check_alive(0, 0);
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

        begin(&(struct sim_options){.seed = 1});
        ws = ws_echo(proto, 10, NULL, TUNNEL_SHUT);
        sim_describe("HTTP/%d", proto);
        if (ws.h1 != NULL) {
            ws.h1->piece = 1000;
            core_start(hasty, NULL);
            sim_run(NULL, NULL, 10);
            ws.h1->piece = 1;
            ws.h1->pause_ms = 1500;
        } else {
            h2_client_answer(ws.h2, 0)->ask.piece = 1;
            h2_client_answer(ws.h2, 0)->ask.pause_ms = 1500;
            core_start(hasty, NULL);
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
        struct origin *origin = begin(&(struct sim_options){.seed = 1});
        struct ws ws = ws_echo(proto, BIG, "p=1000&q=5", TUNNEL_ECHO);

        sim_describe("HTTP/%d", proto);
        if (ws.h1 != NULL)
            ws.h1->leave_after = 5000;
        else
            ws.h2->leave_after = 5000;
        core_start(hasty, NULL);
        core_run(10000);
        core_settle();
        CHECK(origin_request(origin, ws.id)->reset > 0);
        core_check_field(ws.id, LINE_END, "CD");
        check_alive(0, 0);
        CHECK_INT(origin->conn_count, 1);
        core_end();
    }
}

/* An HTTP/2 client resets its stream alone. */
static void client_cancels(void **state)
{
    struct origin *origin = begin(&(struct sim_options){.seed = 1});
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

/* ---- no tunnel ---- */

/* What origins answer, or do, instead, and what the client and the log are told. */
static const struct {
    const char *query;
    unsigned status;
    const char *end;
} refusals[] = {
    {"s=403&n=500", 403, "--"},
    {"s=403&n=0", 403, "--"},
    {"s=426&n=500&l=0&d=20", 426, "--"},
    {"R=1&e=2", 502, "BW"},
    {"R=1&e=7", 502, "BW"},
    {"z=1", 504, "TW"},
    {"x=0&s=403", 403, "BD"},
    {"s=200&F=1&d=5", 0 /* 2xx */, ""},
};

static void origin_refuses(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(refusals); i++)
        EACH_PROTO(proto)
        {
            struct ws ws;

            begin(&(struct sim_options){.seed = i + 1});
            ws = ws_echo(proto, 3000, refusals[i].query, TUNNEL_SHUT);
            sim_describe("HTTP/%d, %s", proto, refusals[i].query);
            core_start(hasty, NULL);
            core_run(10000);
            core_settle();
            if (refusals[i].status == 0)
                CHECK(ws_whole(&ws, 3000));
            else
                CHECK_INT(ws_status(&ws), refusals[i].status);
            if (refusals[i].end[0] != '\0')
                core_check_field(ws.id, LINE_END, refusals[i].end);
            check_alive(1000, refusals[i].query[0] == 'z' ? 1 : 0);
            core_end();
        }
}

/* An answer whose Content-Length lies is cut, or never seen; and what follows on the connection is not taken for it. */
static void refusals_that_lie(void **state)
{
    static const char *const queries[] = {"s=403&n=500&L=100",     "s=403&n=500&L=900",
                                          "s=403&n=0&L=5",         "s=403&n=5&L=0",
                                          "s=403&n=500&L=900&t=1", "s=403&n=9000&L=500&p=500&q=1",
                                          "s=403&n=11&L=4&w=1&W=1"};

    (void)state;
    for (size_t q = 0; q < 8 * ARRAY_SIZE(queries); q++) /* in pieces, too */
        EACH_PROTO(proto)
        {
            const char *query = queries[q / 8];
            struct ws ws;

            begin(&(struct sim_options){.seed = q + 1, .origin_buffer = q % 8, .latency_ms = q % 4});
            ws = ws_echo(proto, 3000, query, TUNNEL_SHUT);
            /* An upload is in the way of the reset. */
            client_ask(client_new(FRONT_PORT), &(struct ask){.framing = ASK_LENGTH, .body = 3000});
            sim_describe("HTTP/%d, %s", proto, query);
            if (ws.h1 != NULL)
                ws.h1->stays = true; /* it would see more bytes */
            core_start(core_patient, NULL);
            core_run(600000);
            core_settle();
            CHECK(ws_status(&ws) == 403 || ws_status(&ws) == 502 ||
                  (ws_status(&ws) == 0 && ws.h1 != NULL && ws.h1->end != CLIENT_OPEN)); /* cut within its head */
            core_check_field(ws.id, LINE_WORD, "backend-length");
            core_end();
        }
}

/* SETTINGS that do not allow tunnels: nothing of it reaches the origin, whose requests pass. */
static void not_every_backend_takes_tunnels(void **state)
{
    (void)state;
    EACH_PROTO(proto)
    {
        struct origin *origin = core_world(&(struct sim_options){.seed = 1, .latency_ms = 3});
        struct ws first = ws_echo(proto, 100, NULL, TUNNEL_SHUT), second;
        struct client *plain;

        sim_describe("HTTP/%d", proto);
        origin->settings_after_ms = 50;
        core_start(hasty, NULL);
        core_run(10000);
        second = ws_echo(proto, 100, NULL, TUNNEL_SHUT);
        plain = core_asking("n=10", 0);
        core_run(10000);
        core_settle();
        CHECK_INT(ws_status(&first), 501);
        CHECK_INT(ws_status(&second), 501);
        core_check_field(first.id, LINE_WORD, "no-extended-connect");
        CHECK(origin_request(origin, first.id) == NULL && origin_request(origin, second.id) == NULL);
        core_check_served(plain);
        core_end();
    }
}

/* SETTINGS that come late are waited for; what can go without them does. */
static void late_settings(void **state)
{
    (void)state;
    EACH_PROTO(proto)
    {
        struct origin *origin = begin(&(struct sim_options){.seed = 1});
        struct ws ws = ws_echo(proto, 5000, NULL, TUNNEL_SHUT);

        sim_describe("HTTP/%d", proto);
        origin->settings_after_ms = 700;
        core_start(hasty, NULL);
        core_run(10000);
        CHECK(ws_whole(&ws, 5000));
        CHECK(sim_now() >= 700);
        core_end();
    }
}

/* A tunnel holds its place among the origin's streams for as long as it lives: the next one waits for it. */
static void full_backend_is_waited_for(void **state)
{
    (void)state;
    EACH_PROTO(proto)
    {
        struct origin *origin = begin(&(struct sim_options){.seed = 1});
        struct ws first = ws_echo(proto, 5000, "p=500&q=100", TUNNEL_SHUT);
        struct ws second =
            ws_new(proto, &(struct h2_ask){.ask = {.body = 5000, .tunnel = TUNNEL_SHUT}, .start_at = 100});

        sim_describe("HTTP/%d", proto);
        origin->max_streams = 1;
        core_start(core_patient, NULL);
        sim_run(NULL, NULL, 500);
        CHECK_INT(ws_status(&second), 0);
        CHECK(origin_request(origin, second.id) == NULL);
        core_run(60000);
        CHECK(ws_whole(&first, 5000));
        CHECK(ws_whole(&second, 5000));
        CHECK_INT(origin->most_streams, 1);
        core_end();
    }
}

/* ---- shutting down ---- */

static void drain_waits_for_tunnels(void **state)
{
    (void)state;
    EACH_PROTO(proto)
    {
        struct ws ws;

        begin(&(struct sim_options){.seed = 1});
        ws = ws_echo(proto, 5000, "p=500&q=100", TUNNEL_ECHO);
        sim_describe("HTTP/%d", proto);
        core_start(core_patient, NULL);
        sim_run(NULL, NULL, 300);
        sim_ask(PORT_ASK_DRAIN);
        core_run_until_ended(60000);
        sim_run(NULL, NULL, 100);
        CHECK(ws_whole(&ws, 5000));
        core_check_field(ws.id, LINE_END, "--");
        core_end();
    }
}

/* The drain's own time, or a stop, ends a tunnel that does not end. */
static void stop_cuts_tunnels(void **state)
{
    (void)state;
    EACH_PROTO(proto)
    {
        struct ws ws;

        begin(&(struct sim_options){.seed = 1});
        ws = ws_echo(proto, 5000, NULL, TUNNEL_STAYS);
        sim_describe("HTTP/%d", proto);
        core_start(core_patient, "GracefulShutdownTimeout 3\n");
        sim_run(NULL, NULL, 300);
        sim_ask(PORT_ASK_DRAIN);
        core_run_until_ended(10000);
        CHECK(sim_now() >= 3000);
        sim_run(NULL, NULL, 100);
        CHECK(!ws_response(&ws)->complete);
        core_end();
    }
}

/* ---- failures at every place ---- */

/* A tunnel of each kind and a request beside them. */
struct scene {
    struct ws ws[3];
    struct client *plain;
};

static void scene_begin(struct scene *scene, const struct sim_options *options)
{
    begin(options);
    scene->ws[0] = ws_echo(1, 400, NULL, TUNNEL_SHUT);
    scene->ws[1] = ws_echo(IS_ENABLED(CONFIG_H2_FRONT) ? 2 : 1, 300, "p=100&q=1", TUNNEL_ECHO);
    scene->ws[2] = ws_echo(IS_ENABLED(CONFIG_H2_FRONT) ? 2 : 1, 200, "E=50", TUNNEL_SHUT);
    scene->plain = core_asking("n=300", 1);
}

static bool all_well(const struct scene *scene)
{
    return ws_whole(&scene->ws[0], 400) && ws_whole(&scene->ws[1], 300) && ws_whole(&scene->ws[2], 50) &&
           client_response(scene->plain, 0)->complete;
}

/* Every tunnel has an end, whatever that is. */
static void check_ends(const struct scene *scene)
{
    for (size_t i = 0; i < ARRAY_SIZE(scene->ws); i++) {
        const struct ws *ws = &scene->ws[i];

        CHECK(ws->h1 != NULL ? ws->h1->end != CLIENT_OPEN
                             : ws->h2->end != CLIENT_OPEN || h2_client_answer(ws->h2, 0)->state == H2_ASK_OVER);
    }
}

/* One run with a failing platform call. False when there was no nth call. */
static bool run_io(uint32_t n, enum sim_fault fault, bool narrow)
{
    struct scene scene;
    struct sim_options options = {.seed = n, .latency_ms = n % 3, .log_lossy = true, .chop = narrow ? 0 : 60};
    bool fired;

    if (narrow)
        options.origin_buffer = 250;
    scene_begin(&scene, &options);
    sim_describe("call %u fails so: %d, narrow %d", n, fault, narrow);
    sim_fail_nth(n, fault);
    if (core_try_start(hasty)) {
        core_run(30000);
        check_ends(&scene);
        sim_run(NULL, NULL, 300);
        fired = sim_fault_fired();
        if (fault != SIM_ERROR || !fired)
            CHECK(all_well(&scene));
        sim_fail_nth(0, fault);
        check_alive(1500, 0);
    } else {
        fired = sim_fault_fired();
        CHECK(fired && fault == SIM_ERROR);
    }
    core_end();
    return fired;
}

static void every_call_fails(void **state)
{
    static const enum sim_fault faults[] = {SIM_ERROR, SIM_AGAIN, SIM_SHORT};

    (void)state;
    for (size_t f = 0; f < ARRAY_SIZE(faults); f++)
        for (int narrow = 0; narrow < 2; narrow++) {
            uint32_t n = 1;

            while (run_io(n, faults[f], narrow != 0))
                n += (uint32_t)core_env("SIM_STEP", 1);
            print_message("%u calls\n", n - 1);
            assert_true(n > 20);
        }
}

/* Whether the failure that arena_fail_nth(n) ordered has not happened yet: then it happens here. */
static bool still_waits(uint32_t n)
{
    static _Alignas(16) uint8_t storage[4096];
    struct arena *arena = arena_init(storage, sizeof(storage), "probe");

    for (uint32_t i = 0; i < n; i++) {
        void *ptr = arena_alloc(arena, 16);

        if (ptr == NULL)
            return true;
        arena_free(arena, ptr);
    }
    return false;
}

static bool run_memory(uint32_t n)
{
    struct scene scene;
    bool fired;

    scene_begin(&scene, &(struct sim_options){.seed = n, .latency_ms = n % 3, .chop = 60, .log_lossy = true});
    sim_describe("allocation %u fails", n);
    arena_fail_nth(n);
    if (core_try_start(hasty)) {
        core_run(30000);
        check_ends(&scene);
        fired = !still_waits(n);
        if (!fired)
            CHECK(all_well(&scene));
        arena_fail_nth(0);
        check_alive(1500, 0);
    } else {
        fired = !still_waits(n);
        CHECK(fired);
    }
    core_end();
    return fired;
}

static void every_allocation_fails(void **state)
{
    uint32_t n = 1;

    (void)state;
    while (run_memory(n))
        n += (uint32_t)core_env("SIM_STEP", 1);
    print_message("%u allocations\n", n - 1);
    assert_true(n > 20);
}

/* ---- cut at every byte ---- */

static const enum cut cuts[] = {CUT_CLOSE, CUT_RESET, CUT_SHUTDOWN, CUT_STALL};

/* Returns how many bytes the client sent. */
static uint64_t cut_client(int proto, uint64_t at, enum cut cut)
{
    struct origin *origin =
        begin(&(struct sim_options){.seed = at + 1, .latency_ms = (uint32_t)(at % 3), .reset_keeps = at % 2 == 0});
    struct ws ws = ws_echo(proto, 60, NULL, at % 4 < 2 ? TUNNEL_SHUT : TUNNEL_ECHO);
    uint64_t sent;

    sim_describe("HTTP/%d client cut %d behind %llu bytes", proto, cut, (unsigned long long)at);
    if (ws.h1 != NULL) {
        ws.h1->cut = cut;
        ws.h1->cut_after = at;
    } else {
        ws.h2->cut = cut;
        ws.h2->cut_after = at;
    }
    core_start(hasty, NULL);
    core_run(30000);
    CHECK(origin->conn_count <= 1);
    CHECK(at == CUT_NEVER || sim_now() < 8000);
    if (at == CUT_NEVER)
        CHECK(ws_whole(&ws, 60));
    /* What was sent before its side ended has come back. */
    if (ws.h1 != NULL && cut == CUT_SHUTDOWN && ws_status(&ws) == 101)
        CHECK(ws_response(&ws)->complete);
    sent = ws.h1 != NULL ? ws.h1->sent : ws.h2->sent;
    if (at % 16 == 0)
        check_alive(0, 0);
    core_end();
    return sent;
}

static void client_cut_at_every_byte(void **state)
{
    const uint64_t only = core_env("SIM_AT", CUT_NEVER), step = core_env("SIM_STEP", 1);

    (void)state;
    EACH_PROTO(proto)
    {
        uint64_t len = cut_client(proto, CUT_NEVER, CUT_CLOSE);

        for (size_t k = 0; k < ARRAY_SIZE(cuts); k++)
            for (uint64_t at = only == CUT_NEVER ? 0 : only; at <= (only == CUT_NEVER ? len : only); at += step)
                cut_client(proto, at, cuts[k]);
    }
}

/* A tunnel of each version over one backend connection. Returns how many bytes the origin sent. */
static uint64_t cut_origin(uint64_t at, enum cut cut)
{
    struct origin *origin =
        begin(&(struct sim_options){.seed = at + 1, .latency_ms = (uint32_t)(at % 3), .reset_keeps = at % 2 == 0});
    struct ws ws[2];
    uint64_t sent;

    sim_describe("origin cut %d behind %llu bytes", cut, (unsigned long long)at);
    origin->cut = cut;
    origin->cut_after = at;
    origin->cut_conns = 1;
    for (int i = 0; i < 2; i++)
        ws[i] = ws_echo(IS_ENABLED(CONFIG_H2_FRONT) ? i + 1 : 1, 60, NULL, TUNNEL_SHUT);
    core_start(hasty, NULL);
    core_run(30000);
    for (int i = 0; i < 2; i++) {
        unsigned status = ws_status(&ws[i]);

        CHECK(ws_whole(&ws[i], 60) || ws_broken(&ws[i]) || status >= 500);
        CHECK(status < 500 || ws_response(&ws[i])->complete);
        if (at == CUT_NEVER)
            CHECK(ws_whole(&ws[i], 60));
    }
    sent = origin->most_sent;
    if (at % 16 == 0)
        check_alive(1000, cut == CUT_STALL ? 2 : origin->open_conns);
    core_end();
    return sent;
}

static void origin_cut_at_every_byte(void **state)
{
    const uint64_t only = core_env("SIM_AT", CUT_NEVER), step = core_env("SIM_STEP", 1);
    uint64_t len = cut_origin(CUT_NEVER, CUT_CLOSE);

    (void)state;
    for (int k = CUT_CLOSE; k <= CUT_GARBAGE; k++)
        for (uint64_t at = only == CUT_NEVER ? 0 : only; at <= (only == CUT_NEVER ? len : only); at += step)
            cut_origin(at, (enum cut)k);
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
        cmocka_unit_test(origin_refuses),
        cmocka_unit_test(refusals_that_lie),
        cmocka_unit_test(not_every_backend_takes_tunnels),
        cmocka_unit_test(late_settings),
        cmocka_unit_test(full_backend_is_waited_for),
        cmocka_unit_test(drain_waits_for_tunnels),
        cmocka_unit_test(stop_cuts_tunnels),
        cmocka_unit_test(every_call_fails),
        cmocka_unit_test(every_allocation_fails),
        cmocka_unit_test(client_cut_at_every_byte),
        cmocka_unit_test(origin_cut_at_every_byte),
    };

    return CORE_RUN(tests);
}

#else

int main(void)
{
    return 0;
}

#endif
