/* One WebSocket of a client of either version of HTTP. */
#include "sim_ws.h"

bool ws_has_proto(int proto)
{
    return proto == 1 || IS_ENABLED(CONFIG_H2_FRONT);
}

struct ws ws_new(int proto, const struct h2_ask *ask)
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

struct ws ws_echo(int proto, uint64_t body, const char *query, enum ask_tunnel tunnel)
{
    return ws_new(proto, &(struct h2_ask){.ask = {.query = query, .body = body, .tunnel = tunnel}});
}

const struct response *ws_response(const struct ws *ws)
{
    return ws->h1 != NULL ? client_response(ws->h1, 0) : &h2_client_answer(ws->h2, 0)->response;
}

unsigned ws_status(const struct ws *ws)
{
    return ws_response(ws)->status;
}

bool ws_whole(const struct ws *ws, uint64_t body)
{
    const struct response *r = ws_response(ws);

    return r->status == (ws->h1 != NULL ? 101 : 200) && r->complete && r->from_origin && r->body == body;
}

bool ws_broken(const struct ws *ws)
{
    if (ws_response(ws)->complete)
        return false;
    return ws->h1 != NULL ? ws->h1->end == CLIENT_RESET : h2_client_answer(ws->h2, 0)->reset > 0;
}

struct origin *ws_world(const struct sim_options *options)
{
    struct origin *origin = core_world(options);

    origin->tunnels = true;
    return origin;
}

void ws_check_alive(uint32_t after_ms, unsigned disappointed)
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
