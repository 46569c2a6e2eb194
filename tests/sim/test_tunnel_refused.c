/* WebSockets that are refused, that wait for their backend, and that are there when the core shuts down. */
#include "sim_ws.h"

#if IS_ENABLED(CONFIG_WEBSOCKET)

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

            ws_world(&(struct sim_options){.seed = i + 1});
            ws = ws_echo(proto, 3000, refusals[i].query, TUNNEL_SHUT);
            sim_describe("HTTP/%d, %s", proto, refusals[i].query);
            core_start(core_hasty, NULL);
            core_run(10000);
            core_settle();
            if (refusals[i].status == 0)
                CHECK(ws_whole(&ws, 3000));
            else
                CHECK_INT(ws_status(&ws), refusals[i].status);
            if (refusals[i].end[0] != '\0')
                core_check_field(ws.id, LINE_END, refusals[i].end);
            ws_check_alive(1000, refusals[i].query[0] == 'z' ? 1 : 0);
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

            ws_world(&(struct sim_options){.seed = q + 1, .origin_buffer = q % 8, .latency_ms = q % 4});
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
        core_start(core_hasty, NULL);
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
        struct origin *origin = ws_world(&(struct sim_options){.seed = 1});
        struct ws ws = ws_echo(proto, 5000, NULL, TUNNEL_SHUT);

        sim_describe("HTTP/%d", proto);
        origin->settings_after_ms = 700;
        core_start(core_hasty, NULL);
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
        struct origin *origin = ws_world(&(struct sim_options){.seed = 1});
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

        ws_world(&(struct sim_options){.seed = 1});
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

        ws_world(&(struct sim_options){.seed = 1});
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(origin_refuses),
        cmocka_unit_test(refusals_that_lie),
        cmocka_unit_test(not_every_backend_takes_tunnels),
        cmocka_unit_test(late_settings),
        cmocka_unit_test(full_backend_is_waited_for),
        cmocka_unit_test(drain_waits_for_tunnels),
        cmocka_unit_test(stop_cuts_tunnels),
    };

    return CORE_RUN(tests);
}

#else

int main(void)
{
    return 0;
}

#endif
