/* WebSockets while every platform call and every allocation fails once, and connections break off behind every byte:
 * each tunnel is whole or visibly broken, nothing stays behind, and the next client is served. */
#include "harm.h"
#include "sim_ws.h"

#if IS_ENABLED(CONFIG_WEBSOCKET)

/* ---- failures at every place ---- */

/* A tunnel of each kind and a request beside them. */
static struct ws tunnels[3];
static struct client *plain;

static void begin(int kind, const struct sim_options *options)
{
    (void)kind;
    ws_world(options);
    tunnels[0] = ws_echo(1, 400, NULL, TUNNEL_SHUT);
    tunnels[1] = ws_echo(IS_ENABLED(CONFIG_H2_FRONT) ? 2 : 1, 300, "p=100&q=1", TUNNEL_ECHO);
    tunnels[2] = ws_echo(IS_ENABLED(CONFIG_H2_FRONT) ? 2 : 1, 200, "E=50", TUNNEL_SHUT);
    plain = core_asking("n=300", 1);
}

static bool all_well(void)
{
    return ws_whole(&tunnels[0], 400) && ws_whole(&tunnels[1], 300) && ws_whole(&tunnels[2], 50) &&
           client_response(plain, 0)->complete;
}

/* Every tunnel has an end, whatever that is. */
static void check_ends(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(tunnels); i++) {
        const struct ws *ws = &tunnels[i];

        CHECK(ws->h1 != NULL ? ws->h1->end != CLIENT_OPEN
                             : ws->h2->end != CLIENT_OPEN || h2_client_answer(ws->h2, 0)->state == H2_ASK_OVER);
    }
}

static const struct harm harm = {begin, all_well, check_ends, ws_check_alive, 20};

static void every_call_fails(void **state)
{
    (void)state;
    harm_every_call(&harm);
}

static void every_allocation_fails(void **state)
{
    (void)state;
    harm_every_allocation(&harm, 0);
}

/* ---- cut at every byte ---- */

static uint64_t cut_client(int proto, uint64_t at, enum cut cut)
{
    const struct sim_options options = harm_cut_options(at);
    struct origin *origin = ws_world(&options);
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
    core_start(core_hasty, NULL);
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
        ws_check_alive(0, 0);
    core_end();
    return sent;
}

static void client_cut_at_every_byte(void **state)
{
    static const enum cut cuts[] = {CUT_CLOSE, CUT_RESET, CUT_SHUTDOWN, CUT_STALL};

    (void)state;
    EACH_PROTO(proto)
    {
        harm_every_byte(cuts, ARRAY_SIZE(cuts), cut_client, proto);
    }
}

/* A tunnel of each version over one backend connection. */
static uint64_t cut_origin(int kind, uint64_t at, enum cut cut)
{
    const struct sim_options options = harm_cut_options(at);
    struct origin *origin = ws_world(&options);
    struct ws ws[2];
    uint64_t sent;

    (void)kind;
    sim_describe("origin cut %d behind %llu bytes", cut, (unsigned long long)at);
    origin->cut = cut;
    origin->cut_after = at;
    origin->cut_conns = 1;
    for (int i = 0; i < 2; i++)
        ws[i] = ws_echo(IS_ENABLED(CONFIG_H2_FRONT) ? i + 1 : 1, 60, NULL, TUNNEL_SHUT);
    core_start(core_hasty, NULL);
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
        ws_check_alive(1000, cut == CUT_STALL ? 2 : origin->open_conns);
    core_end();
    return sent;
}

static void origin_cut_at_every_byte(void **state)
{
    static const enum cut cuts[] = {CUT_CLOSE, CUT_RESET, CUT_SHUTDOWN, CUT_STALL, CUT_GARBAGE};

    (void)state;
    harm_every_byte(cuts, ARRAY_SIZE(cuts), cut_origin, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
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
