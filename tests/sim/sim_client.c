/* Clients that follow a script. */
#include "sim_client.h"

#include <stdio.h>

#define CLIENTS 4096

static struct client *clients[CLIENTS];
static unsigned client_count;
static uint32_t last_id;

void clients_reset(void)
{
    client_count = 0;
    last_id = 0;
}

uint32_t client_id(void)
{
    return ++last_id;
}

static void client_over(struct client *c, enum client_end end)
{
    c->end = end;
    c->ended_at = sim_now();
    link_close(c->link, PEER, end == CLIENT_LEFT && c->cut == CUT_RESET && c->cut_done);
    c->link = NULL;
    reader_end(&c->reader, end != CLIENT_ENDED);
}

void client_close(struct client *client, bool abort)
{
    if (client->link == NULL)
        return;
    client->end = CLIENT_LEFT;
    client->ended_at = sim_now();
    link_close(client->link, PEER, abort);
    client->link = NULL;
    client->peer.wake_at = SIM_NEVER;
    reader_end(&client->reader, true);
}

static bool client_connect(struct client *c)
{
    if (sim_now() < c->start_at) {
        c->peer.wake_at = c->start_at;
        return false;
    }
    c->peer.wake_at = SIM_NEVER;
    c->link = sim_connect(c->port);
    c->connected_at = sim_now();
    if (c->link == NULL)
        c->end = CLIENT_REFUSED;
    return true;
}

/* ---- tunnels ---- */

static struct response *last_response(const struct client *c)
{
    return &c->reader.responses[c->reader.asked - 1];
}

static bool in_tunnel(const struct client *c)
{
    return c->tunnel != TUNNEL_NONE && response_is_tunnel(last_response(c));
}

/* The proxy has ended its side of a tunnel, and it takes what this one still has to send. */
static bool client_half_closed(struct client *c)
{
    if (!in_tunnel(c) || (c->sent == c->out.len && c->tunnel != TUNNEL_STAYS) || c->cut_done)
        return false;
    c->their_end = true;
    reader_end(&c->reader, false);
    return true;
}

/* A WebSocket was refused: there is nothing to send through it. */
static void drop_tunnel(struct client *c)
{
    const struct response *response = last_response(c);

    if (response->status == 0 || response->status == 101)
        return;
    c->tunnel = TUNNEL_NONE;
    c->out.len = max_size(c->sent, c->out.len - (size_t)c->tunnel_body);
}

/* Ends its side of a tunnel, or all of it, when it is time to. */
static bool tunnel_step(struct client *c)
{
    bool echoed;

    if (!c->cut_done && c->tunnel != TUNNEL_NONE)
        drop_tunnel(c);
    if (c->cut_done || c->shut || !in_tunnel(c) || c->sent < c->out.len)
        return false;
    echoed = last_response(c)->body == c->tunnel_body;
    if (c->their_end && c->tunnel != TUNNEL_STAYS) {
        client_over(c, CLIENT_ENDED);
    } else if (c->tunnel == TUNNEL_LEAVE && echoed) {
        last_response(c)->complete = true;
        client_over(c, CLIENT_LEFT);
    } else if (c->tunnel == TUNNEL_SHUT || (c->tunnel == TUNNEL_ECHO && echoed)) {
        c->shut = true;
        link_shutdown(c->link, PEER);
        sim_progress();
    } else {
        return false;
    }
    return true;
}

/* ---- reading ---- */

static bool client_read(struct client *c)
{
    uint8_t buf[16384];
    size_t most = c->read_piece > 0 ? min_size(c->read_piece, sizeof(buf)) : sizeof(buf);
    size_t n = 0;

    if (c->their_end && link_broken(c->link, PEER)) {
        client_over(c, CLIENT_RESET);
        return true;
    }
    if (sim_now() < c->read_at || c->their_end)
        return false;
    if (c->read_stop - c->received < most)
        most = (size_t)(c->read_stop - c->received);
    if (c->leave_after - c->received < most)
        most = (size_t)(c->leave_after - c->received);
    if (most == 0)
        return false;
    switch (link_read(c->link, PEER, buf, most, &n)) {
    case PORT_OK: break;
    case PORT_END:
        if (!client_half_closed(c))
            client_over(c, CLIENT_ENDED);
        return true;
    case PORT_ERROR: client_over(c, CLIENT_RESET); return true;
    default: return false;
    }
    c->received += n;
    c->read_at = sim_now() + c->read_pause_ms;
    if (c->keep_raw)
        bytes_put(&c->raw, buf, n);
    reader_feed(&c->reader, buf, n);
    if (c->received >= c->leave_after)
        client_close(c, true);
    return true;
}

/* ---- writing ---- */

/* How far the output may go now: to its end, the next barrier or the cut. */
static size_t client_limit(const struct client *c)
{
    size_t limit = c->out.len;

    for (unsigned i = 0; i < c->barrier_count; i++) {
        const struct barrier *b = &c->barriers[i];
        const struct response *response = &c->reader.responses[b->for_response];
        bool passed = b->tunnel ? response_is_tunnel(response)
                                : response->complete ||
                                      (b->interim_suffices && (response->interim_count > 0 || response->status != 0));

        if (!passed && b->at < limit)
            limit = b->at;
    }
    return c->cut_after < limit ? (size_t)c->cut_after : limit;
}

static void client_cut(struct client *c)
{
    c->cut_done = true;
    switch (c->cut) {
    case CUT_CLOSE:
    case CUT_RESET: client_close(c, c->cut == CUT_RESET); break;
    case CUT_SHUTDOWN:
        if (c->tunnel != TUNNEL_NONE && c->sent + c->tunnel_body >= c->out.len)
            last_response(c)->echo = c->sent + c->tunnel_body - c->out.len;
        link_shutdown(c->link, PEER);
        if (c->their_end)
            client_over(c, CLIENT_ENDED);
        break;
    default: sim_progress(); break;
    }
}

static bool client_write(struct client *c)
{
    size_t limit = client_limit(c);
    size_t want = limit - c->sent;
    size_t n;

    if (!c->cut_done && c->sent >= c->cut_after) {
        client_cut(c);
        return true;
    }
    if (c->cut_done || sim_now() < c->send_at || c->sent >= limit)
        return false;
    if (c->piece > 0)
        want = min_size(want, c->piece);
    n = link_write(c->link, PEER, c->out.ptr + c->sent, want);
    c->sent += n;
    if (n > 0)
        c->send_at = sim_now() + c->pause_ms;
    return n > 0;
}

static void client_plan(struct client *c)
{
    c->peer.wake_at = SIM_NEVER;
    if (c->link == NULL)
        return;
    if (c->read_at > sim_now())
        c->peer.wake_at = c->read_at;
    if (c->send_at > sim_now() && c->sent < client_limit(c) && c->send_at < c->peer.wake_at)
        c->peer.wake_at = c->send_at;
}

static bool client_step(struct sim_peer *peer)
{
    struct client *c = (struct client *)peer;
    bool moved = false;

    if (c->link == NULL) {
        if (c->end == CLIENT_OPEN)
            moved = client_connect(c);
        return moved;
    }
    moved = client_read(c);
    if (c->link != NULL)
        moved = tunnel_step(c) || moved;
    if (c->link != NULL)
        moved = client_write(c) || moved;
    if (c->link != NULL && !c->stays && c->tunnel == TUNNEL_NONE && c->reader.at == c->reader.asked &&
        c->sent >= c->out.len) {
        client_over(c, CLIENT_LEFT);
        moved = true;
    }
    client_plan(c);
    return moved;
}

struct client *client_new(uint16_t port)
{
    struct client *c = sim_alloc(sizeof(*c));

    if (client_count == CLIENTS)
        sim_abort("too many clients");
    c->peer.step = client_step;
    c->port = port;
    c->cut_after = CUT_NEVER;
    c->read_stop = CUT_NEVER;
    c->leave_after = CUT_NEVER;
    clients[client_count++] = c;
    sim_add_peer(&c->peer);
    return c;
}

struct client *client_last(void)
{
    return clients[client_count - 1];
}

static void barrier_add(struct client *c, unsigned for_response, bool interim_suffices)
{
    c->barriers = sim_grow(c->barriers, c->barrier_count, sizeof(*c->barriers));
    c->barriers[c->barrier_count++] = (struct barrier){c->out.len, for_response, interim_suffices, false};
}

static void put_body(struct client *c, uint32_t id, const struct ask *ask)
{
    uint64_t at = 0;

    while (at < ask->body) {
        uint8_t buf[4096];
        size_t want = ask->framing == ASK_CHUNKED ? (ask->chunk > 0 ? ask->chunk : 1000) : sizeof(buf);
        size_t len = min_size(min_size(want, sizeof(buf)), (size_t)(ask->body - at));

        body_fill(id, at, buf, len);
        if (ask->framing == ASK_CHUNKED)
            bytes_printf(&c->out, "%zx\r\n", len);
        bytes_put(&c->out, buf, len);
        if (ask->framing == ASK_CHUNKED)
            bytes_put(&c->out, "\r\n", 2);
        at += len;
    }
    if (ask->framing == ASK_CHUNKED)
        bytes_printf(&c->out, "0\r\n%s\r\n", ask->trailers != NULL ? ask->trailers : "");
}

/* RFC 6455 1.3 */
static const char handshake[] = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/* The bytes of a WebSocket: they wait for 101, or come right behind the handshake. */
static void put_tunnel(struct client *c, uint32_t id, const struct ask *ask)
{
    c->tunnel = ask->tunnel;
    c->tunnel_body = ask->body;
    last_response(c)->tunnel = true;
    if (!ask->tunnel_early)
        barrier_add(c, c->reader.asked - 1, false);
    if (!ask->tunnel_early)
        c->barriers[c->barrier_count - 1].tunnel = true;
    put_body(c, id, &(struct ask){.framing = ASK_LENGTH, .body = ask->body});
}

uint32_t client_ask(struct client *client, const struct ask *ask)
{
    const char *method = ask->method != NULL ? ask->method : ask->framing == ASK_NONE ? "GET" : "POST";
    uint32_t id = client_id();
    unsigned n = client->reader.asked;

    if (n > 0 && !client->pipelining)
        barrier_add(client, n - 1, false);
    bytes_printf(&client->out, "%s %sr/%u%s%s HTTP/1.%d\r\n", method, ask->path != NULL ? ask->path : "/", id,
                 ask->query != NULL ? "?" : "", ask->query != NULL ? ask->query : "", ask->http10 ? 0 : 1);
    bytes_printf(&client->out, "Host: proxy.example\r\n");
    if (ask->framing == ASK_LENGTH)
        bytes_printf(&client->out, "Content-Length: %llu\r\n", (unsigned long long)ask->body);
    if (ask->framing == ASK_CHUNKED)
        bytes_printf(&client->out, "Transfer-Encoding: chunked\r\n");
    if (ask->expects)
        bytes_printf(&client->out, "Expect: 100-continue\r\n");
    if (ask->tunnel != TUNNEL_NONE)
        bytes_printf(&client->out, "%s", handshake);
    bytes_printf(&client->out, "X-Body: %llu\r\n%s\r\n", (unsigned long long)ask->body,
                 ask->fields != NULL ? ask->fields : "");
    reader_ask(&client->reader, id, strcmp(method, "HEAD") == 0);
    if (ask->expects)
        barrier_add(client, n, true);
    if (ask->tunnel != TUNNEL_NONE)
        put_tunnel(client, id, ask);
    else
        put_body(client, id, ask);
    client_response(client, n)->asked_at = client->out.len;
    return id;
}

void client_raw(struct client *client, const void *bytes, size_t len, unsigned answers)
{
    bytes_put(&client->out, bytes, len);
    while (answers-- > 0)
        reader_ask(&client->reader, 0, false)->asked_at = client->out.len;
}

uint32_t client_first_id(const struct client *client)
{
    return client->reader.responses[0].id;
}

struct response *client_response(struct client *client, unsigned n)
{
    if (n >= client->reader.asked)
        sim_abort("response %u of %u", n, client->reader.asked);
    return &client->reader.responses[n];
}

bool client_done(const struct client *client)
{
    return client->end != CLIENT_OPEN || (client->stays && client->link != NULL &&
                                          client->reader.at == client->reader.asked && client->sent >= client->out.len);
}

unsigned client_answers(const struct client *client)
{
    unsigned count = 0;

    for (unsigned i = 0; i < client->reader.asked; i++)
        count += client->reader.responses[i].complete;
    return count;
}

bool clients_done(void *user)
{
    (void)user;
    for (unsigned i = 0; i < client_count; i++)
        if (!client_done(clients[i]))
            return false;
    return true;
}

void clients_check_logged(const uint8_t *logged, size_t count, unsigned others)
{
    unsigned without = 0;

    for (unsigned i = 0; i < client_count; i++)
        for (unsigned n = 0; n < clients[i]->reader.asked; n++) {
            const struct response *response = &clients[i]->reader.responses[n];

            if (!response->complete || (response->id < count && logged[response->id] > 0))
                continue;
            without++;
            if (response->from_origin)
                sim_violation("request %u has no line in the log", response->id);
        }
    if (without > others)
        sim_violation("%u answers have no line in the log", without - others);
}
