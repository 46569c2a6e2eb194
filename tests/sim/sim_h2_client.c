/* HTTP/2 clients: their connections. */
#include "core.h"
#include "sim_h2.h"

#define CLIENTS 1024

static struct h2_client *clients[CLIENTS];
static unsigned client_count;

static struct sim_h2 h2;

void h2_clients_reset(void)
{
    client_count = 0;
}

/* ---- the end of a connection ---- */

static void over(struct h2_client *c, enum client_end end, bool abort)
{
    c->end = end;
    c->ended_at = sim_now();
    link_close(c->link, PEER, abort);
    c->link = NULL;
    c->peer.wake_at = SIM_NEVER;
    for (unsigned i = 0; i < c->asked; i++)
        c->answers[i]->state = H2_ASK_OVER;
    nghttp2_session_del(c->session);
    c->session = NULL;
}

void h2_client_close(struct h2_client *client, bool abort)
{
    if (client->link != NULL)
        over(client, CLIENT_LEFT, abort);
}

/* ---- connecting ---- */

static void greet(struct h2_client *c)
{
    nghttp2_settings_entry entries[2] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0}};
    size_t count = 1;

    sim_h2_init(&h2, h2_answer_callbacks);
    if (c->window >= 0)
        entries[count++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, (uint32_t)c->window};
    if (nghttp2_session_client_new3(&c->session, h2.callbacks, c, h2.option, &h2.mem) != 0 ||
        nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, entries, count) != 0 ||
        nghttp2_session_set_local_window_size(c->session, NGHTTP2_FLAG_NONE, 0, 1 << 30) != 0)
        sim_abort("no session for a client");
}

static bool connect_now(struct h2_client *c)
{
    if (sim_now() < c->start_at) {
        c->peer.wake_at = c->start_at;
        return false;
    }
    c->peer.wake_at = SIM_NEVER;
    c->link = sim_connect(c->port);
    if (c->link == NULL)
        c->end = CLIENT_REFUSED;
    else
        greet(c);
    return true;
}

/* ---- reading ---- */

static bool client_read(struct h2_client *c)
{
    uint8_t buf[16384];
    size_t most = c->read_piece > 0 ? min_size(c->read_piece, sizeof(buf)) : sizeof(buf);
    size_t n = 0;

    if (sim_now() < c->read_at || sim_now() < c->deaf_until)
        return false;
    if (c->read_stop - c->received < most)
        most = (size_t)(c->read_stop - c->received);
    if (c->leave_after - c->received < most)
        most = (size_t)(c->leave_after - c->received);
    if (most == 0)
        return false;
    switch (link_read(c->link, PEER, buf, most, &n)) {
    case PORT_OK: break;
    case PORT_END: over(c, CLIENT_ENDED, false); return true;
    case PORT_ERROR: over(c, CLIENT_RESET, false); return true;
    default: return false;
    }
    c->received += n;
    c->read_at = sim_now() + c->read_pause_ms;
    if (nghttp2_session_mem_recv(c->session, buf, n) < 0)
        sim_violation("the core sent an HTTP/2 client something that is no HTTP/2");
    if (c->received >= c->leave_after)
        over(c, CLIENT_LEFT, true);
    return true;
}

/* ---- writing ---- */

static bool is_settings_ack(const uint8_t *frame, size_t len)
{
    return len == 9 && frame[0] == 0 && frame[1] == 0 && frame[2] == 0 && frame[3] == NGHTTP2_SETTINGS && frame[4] == 1;
}

/* Fills c->out from the session; false when there is nothing to send. */
static bool fill(struct h2_client *c)
{
    while (c->out_sent == c->out.len) {
        const uint8_t *frame = NULL;
        ssize_t len = nghttp2_session_mem_send(c->session, &frame);

        c->out.len = 0;
        c->out_sent = 0;
        if (len < 0)
            sim_abort("a client cannot send: %s", nghttp2_strerror((int)len));
        if (len == 0)
            return false;
        if (!c->no_ack || !is_settings_ack(frame, (size_t)len))
            bytes_put(&c->out, frame, (size_t)len);
    }
    return true;
}

static void cut(struct h2_client *c)
{
    static const uint8_t garbage[64] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

    c->cut_done = true;
    sim_progress();
    switch (c->cut) {
    case CUT_CLOSE:
    case CUT_RESET: over(c, CLIENT_LEFT, c->cut == CUT_RESET); break;
    case CUT_SHUTDOWN: link_shutdown(c->link, PEER); break;
    case CUT_GARBAGE: link_write(c->link, PEER, garbage, sizeof(garbage)); break;
    case CUT_STALL: break;
    }
}

/* How many bytes may still go before it breaks off. Garbage comes behind a whole frame: within one, it could pass for
   something. */
static uint64_t left_to_send(const struct h2_client *c)
{
    if (c->sent < c->cut_after)
        return c->cut == CUT_GARBAGE ? SIM_NEVER : c->cut_after - c->sent;
    return c->cut == CUT_GARBAGE ? c->out.len - c->out_sent : 0;
}

static bool client_write(struct h2_client *c)
{
    uint64_t left = left_to_send(c);
    size_t want;
    size_t n;

    if (!c->cut_done && left == 0) {
        cut(c);
        return true;
    }
    if (c->cut_done || sim_now() < c->send_at || !fill(c))
        return false;
    want = c->out.len - c->out_sent;
    if (c->piece > 0)
        want = min_size(want, c->piece);
    if (want > left)
        want = (size_t)left;
    n = link_write(c->link, PEER, c->out.ptr + c->out_sent, want);
    c->out_sent += n;
    c->sent += n;
    if (n > 0)
        c->send_at = sim_now() + c->pause_ms;
    return n > 0;
}

void h2_client_raw(struct h2_client *client, const void *bytes, size_t len)
{
    if (client->link == NULL)
        sim_abort("raw bytes of a client that is not connected");
    fill(client);
    bytes_put(&client->out, bytes, len);
}

/* ---- requests ---- */

static unsigned open_streams(const struct h2_client *c)
{
    unsigned count = 0;

    for (unsigned i = 0; i < c->asked; i++)
        count += c->answers[i]->state == H2_ASK_OPEN;
    return count;
}

/* Whether a request may be sent now: a WebSocket when SETTINGS have allowed it (RFC 8441 3). */
static bool is_time(const struct h2_client *c, const struct h2_answer *a)
{
    return sim_now() >= a->ask.start_at &&
           (!a->response.tunnel ||
            nghttp2_session_get_remote_settings(c->session, NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1);
}

static bool requests_step(struct h2_client *c)
{
    unsigned most = c->concurrent > 0 ? c->concurrent : UINT32_MAX;
    unsigned open = open_streams(c);
    bool moved = false;

    for (unsigned i = 0; i < c->asked; i++) {
        struct h2_answer *a = c->answers[i];

        if (a->state == H2_ASK_WAITS && c->goaways > 0) {
            a->unsent = true;
            h2_answer_over(a, NGHTTP2_REFUSED_STREAM);
            moved = true;
        } else if (a->state == H2_ASK_WAITS && open < most && is_time(c, a)) {
            h2_answer_open(a);
            open++;
            moved = true;
        } else if (a->state == H2_ASK_OPEN) {
            moved = h2_answer_step(a) || moved;
        }
    }
    if (open > c->most_open)
        c->most_open = open;
    return moved;
}

static bool all_over(const struct h2_client *c)
{
    for (unsigned i = 0; i < c->asked; i++)
        if (c->answers[i]->state != H2_ASK_OVER)
            return false;
    return true;
}

/* ---- the life of a connection ---- */

static void earlier(uint64_t *wake, uint64_t at)
{
    if (at > sim_now() && at < *wake)
        *wake = at;
}

static void plan(struct h2_client *c)
{
    uint64_t wake = SIM_NEVER;

    earlier(&wake, c->read_at);
    earlier(&wake, c->deaf_until);
    earlier(&wake, c->send_at);
    for (unsigned i = 0; i < c->asked; i++)
        earlier(&wake, h2_answer_wake(c->answers[i]));
    c->peer.wake_at = wake;
}

static bool step(struct sim_peer *peer)
{
    struct h2_client *c = (struct h2_client *)peer;
    bool moved = false;

    if (c->link == NULL)
        return c->end == CLIENT_OPEN && connect_now(c);
    moved = client_read(c);
    if (c->link != NULL)
        moved = requests_step(c) || moved;
    if (c->link != NULL)
        moved = client_write(c) || moved;
    if (c->link != NULL && !c->stays && all_over(c)) {
        over(c, CLIENT_LEFT, false);
        moved = true;
    }
    if (c->link != NULL)
        plan(c);
    return moved;
}

struct h2_client *h2_client_new(uint16_t port)
{
    struct h2_client *c = sim_alloc(sizeof(*c));

    if (!IS_ENABLED(CONFIG_H2_FRONT))
        core_skip("this build has no HTTP/2 clients (CONFIG_H2_FRONT is off)");
    if (client_count == CLIENTS)
        sim_abort("too many HTTP/2 clients");
    c->peer.step = step;
    c->port = port;
    c->cut_after = CUT_NEVER;
    c->read_stop = CUT_NEVER;
    c->leave_after = CUT_NEVER;
    c->window = -1;
    c->grant = 1000;
    clients[client_count++] = c;
    sim_add_peer(&c->peer);
    return c;
}

struct h2_answer *h2_client_answer(struct h2_client *client, unsigned n)
{
    if (n >= client->asked)
        sim_abort("answer %u of %u", n, client->asked);
    return client->answers[n];
}

unsigned h2_client_answers(const struct h2_client *client)
{
    unsigned count = 0;

    for (unsigned i = 0; i < client->asked; i++)
        count += client->answers[i]->response.complete;
    return count;
}

bool h2_client_done(const struct h2_client *client)
{
    return client->end != CLIENT_OPEN || (client->stays && client->link != NULL && all_over(client));
}

bool h2_clients_done(void)
{
    for (unsigned i = 0; i < client_count; i++)
        if (!h2_client_done(clients[i]))
            return false;
    return true;
}

void h2_clients_check_logged(const uint8_t *logged, size_t count)
{
    for (unsigned i = 0; i < client_count; i++)
        for (unsigned n = 0; n < clients[i]->asked; n++) {
            const struct response *response = &clients[i]->answers[n]->response;

            if (response->complete && response->from_origin && response->id < count && logged[response->id] == 0)
                sim_violation("request %u has no line in the log", response->id);
        }
}
