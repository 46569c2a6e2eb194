/* One WebSocket of a client of either version of HTTP, for tests of tunnels. */
#ifndef CULVERT_TESTS_SIM_WS_H
#define CULVERT_TESTS_SIM_WS_H

#include "core.h"

struct ws {
    uint32_t id;
    struct client *h1; /* one of them is NULL */
    struct h2_client *h2;
};

/* Whether clients may speak this version in this build: 1 or 2. */
bool ws_has_proto(int proto);
/* for (…) over these. */
#define EACH_PROTO(p)                                                                                                  \
    for (int p = 1; p <= 2; p++)                                                                                       \
        if (ws_has_proto(p))

/* A world whose origin takes tunnels. */
struct origin *ws_world(const struct sim_options *options);

/* A client that asks for a tunnel, and no more. */
struct ws ws_new(int proto, const struct h2_ask *ask);
/* The same: `body` bytes are to come back. */
struct ws ws_echo(int proto, uint64_t body, const char *query, enum ask_tunnel tunnel);

const struct response *ws_response(const struct ws *ws);
unsigned ws_status(const struct ws *ws);
/* It was opened, so many bytes came back, and its end was clean. */
bool ws_whole(const struct ws *ws, uint64_t body);
/* The client sees that it broke: a reset of the connection, or of the stream. */
bool ws_broken(const struct ws *ws);

/* Who comes afterwards is served, with a tunnel, too; but for so many: a connection that is silent, or about to break
   off, may disappoint some before it is given up. */
void ws_check_alive(uint32_t after_ms, unsigned disappointed);

#endif
