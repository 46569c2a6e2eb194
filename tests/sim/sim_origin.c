/* Origins: connections, sessions, and how they break. */
#include "sim_h2.h"
#include "sim_origin_conn.h"

static struct origin_conn *conns;

static struct sim_h2 h2;

void origins_reset(void)
{
    conns = NULL;
}

/* ---- the end of a connection ---- */

void origin_conn_over(struct origin_conn *c, bool abort)
{
    if (c->link == NULL)
        return;
    for (unsigned i = 0; i < c->stream_count; i++)
        origin_stream_lost(c->streams[i]);
    link_close(c->link, PEER, abort);
    c->link = NULL;
    c->origin->open_conns--;
    c->peer.wake_at = SIM_NEVER;
    nghttp2_session_del(c->session);
    c->session = NULL;
}

void origin_break(struct origin *origin, bool abort)
{
    for (struct origin_conn *c = conns; c != NULL; c = c->next)
        if (c->origin == origin)
            origin_conn_over(c, abort);
}

/* for (…) over an origin's connections that live. */
#define EACH_CONN(c, of)                                                                                               \
    for (struct origin_conn *c = conns; c != NULL; c = c->next)                                                        \
        if (c->origin == (of) && c->session != NULL && c->greeted)

static void conn_goaway(struct origin_conn *c, int32_t last, uint32_t code)
{
    if (last > c->goaway_last) /* never raised, RFC 9113 section 6.8 */
        last = c->goaway_last;
    c->goaway_last = last;
    if (last == INT32_MAX) /* the first step of two: it stays until the other side goes */
        nghttp2_submit_shutdown_notice(c->session);
    else
        nghttp2_submit_goaway(c->session, NGHTTP2_FLAG_NONE, last, code, NULL, 0);
}

void origin_goaway_with(struct origin *origin, int32_t last, uint32_t code)
{
    EACH_CONN(c, origin)
    conn_goaway(c, last >= 0 ? last : nghttp2_session_get_last_proc_stream_id(c->session), code);
    sim_progress();
}

void origin_goaway_unanswered(struct origin *origin, uint32_t code)
{
    EACH_CONN(c, origin)
    conn_goaway(c, origin_last_answered(c), code);
    sim_progress();
}

void origin_goaway(struct origin *origin)
{
    origin_goaway_with(origin, -1, NGHTTP2_NO_ERROR);
}

void origin_freeze(struct origin *origin)
{
    EACH_CONN(c, origin)
    c->stalled = true;
}

void origin_setting(struct origin *origin, int32_t id, uint32_t value)
{
    const nghttp2_settings_entry entry = {id, value};

    EACH_CONN(c, origin)
    nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, &entry, 1);
    sim_progress();
}

void origin_raw(struct origin *origin, const void *bytes, size_t len)
{
    EACH_CONN(c, origin)
    {
        bytes_put(&c->out, bytes, len);
        sim_progress();
    }
}

/* ---- reading ---- */

static void conn_feed(struct origin_conn *c, const uint8_t *bytes, size_t len)
{
    if (nghttp2_session_mem_recv(c->session, bytes, len) >= 0)
        return;
    c->origin->protocol_errors++;
    sim_violation("the core sent an origin something that is no HTTP/2");
    origin_conn_over(c, false);
}

static bool conn_read(struct origin_conn *c)
{
    uint8_t buf[16384];
    size_t most = c->origin->piece > 0 ? min_size(c->origin->piece, sizeof(buf)) : sizeof(buf);
    size_t n = 0;

    if (c->origin->deaf || sim_now() < c->read_at)
        return false;
    switch (link_read(c->link, PEER, buf, most, &n)) {
    case PORT_OK: break;
    case PORT_END:
    case PORT_ERROR: origin_conn_over(c, false); return true;
    default: return false;
    }
    c->read_at = sim_now() + c->origin->pause_ms;
    if (!c->greeted)
        bytes_put(&c->early, buf, n);
    else if (!c->stalled)
        conn_feed(c, buf, n);
    return true;
}

/* ---- writing ---- */

static bool is_settings_ack(const uint8_t *frame, size_t len)
{
    return len == 9 && frame[0] == 0 && frame[1] == 0 && frame[2] == 0 && frame[3] == NGHTTP2_SETTINGS && frame[4] == 1;
}

/* Fills c->out from the session; false when there is nothing to send. */
static bool conn_fill(struct origin_conn *c)
{
    while (c->out_sent == c->out.len) {
        const uint8_t *frame = NULL;
        ssize_t len = nghttp2_session_mem_send(c->session, &frame);

        c->out.len = 0;
        c->out_sent = 0;
        if (len < 0)
            sim_abort("an origin cannot send: %s", nghttp2_strerror((int)len));
        if (len == 0)
            return false;
        if (!c->origin->no_ack || !is_settings_ack(frame, (size_t)len))
            bytes_put(&c->out, frame, (size_t)len);
    }
    return true;
}

/* The byte was reached behind which this connection breaks off. */
static void conn_cut(struct origin_conn *c)
{
    static const uint8_t garbage[64] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

    switch (c->origin->cut) {
    case CUT_CLOSE: origin_conn_over(c, false); return;
    case CUT_RESET: origin_conn_over(c, true); return;
    case CUT_SHUTDOWN: link_shutdown(c->link, PEER); break;
    case CUT_GARBAGE: link_write(c->link, PEER, garbage, sizeof(garbage)); break;
    case CUT_STALL: break;
    }
    c->stalled = true;
    sim_progress();
}

/* How many bytes may still go before this connection breaks off. Garbage comes behind a whole frame: within one, it
   could pass for something. */
static uint64_t left_to_send(const struct origin_conn *c)
{
    if (c->sent < c->cut_after)
        return c->origin->cut == CUT_GARBAGE ? SIM_NEVER : c->cut_after - c->sent;
    return c->origin->cut == CUT_GARBAGE ? c->out.len - c->out_sent : 0;
}

static bool conn_write(struct origin_conn *c)
{
    uint64_t left = left_to_send(c);
    size_t want;
    size_t n;

    if (c->stalled || sim_now() < c->write_at)
        return false;
    if (left == 0) {
        conn_cut(c);
        return true;
    }
    if (!conn_fill(c))
        return false;
    want = c->out.len - c->out_sent;
    if (c->origin->piece > 0)
        want = min_size(want, c->origin->piece);
    if (want > left)
        want = (size_t)left;
    n = link_write(c->link, PEER, c->out.ptr + c->out_sent, want);
    c->out_sent += n;
    c->sent += n;
    if (c->sent > c->origin->most_sent)
        c->origin->most_sent = c->sent;
    if (n > 0)
        c->write_at = sim_now() + c->origin->pause_ms;
    return n > 0;
}

/* ---- the life of a connection ---- */

static void send_settings(struct origin_conn *c)
{
    const struct origin *o = c->origin;
    nghttp2_settings_entry entries[4];
    size_t count = 0;

    c->greeted = true;
    if (o->max_streams > 0)
        entries[count++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, o->max_streams};
    if (o->window > 0)
        entries[count++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, o->window};
    if (o->max_frame > 0)
        entries[count++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_MAX_FRAME_SIZE, o->max_frame};
    if (o->tunnels)
        entries[count++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1};
    if (nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, entries, count) != 0)
        sim_abort("an origin's SETTINGS");
    if (o->window > 65535) /* the connection's window is not what binds */
        nghttp2_session_set_local_window_size(c->session, NGHTTP2_FLAG_NONE, 0, (int32_t)o->window);
    conn_feed(c, c->early.ptr, c->early.len);
}

static void conn_plan(struct origin_conn *c)
{
    uint64_t wake = origin_streams_wake(c);

    if (c->read_at > sim_now() && c->read_at < wake)
        wake = c->read_at;
    if (c->write_at > sim_now() && c->write_at < wake)
        wake = c->write_at;
    if (!c->greeted && c->greet_at < wake)
        wake = c->greet_at;
    c->peer.wake_at = wake;
}

/* Nothing can come and go any more: GOAWAY was exchanged and all streams are closed. */
static bool conn_is_finished(const struct origin_conn *c)
{
    return c->out_sent == c->out.len && nghttp2_session_want_read(c->session) == 0 &&
           nghttp2_session_want_write(c->session) == 0;
}

static bool conn_step(struct sim_peer *peer)
{
    struct origin_conn *c = (struct origin_conn *)peer;
    bool moved = false;

    if (c->link == NULL)
        return false;
    if (c->origin->paused) {
        c->peer.wake_at = SIM_NEVER;
        return false;
    }
    if (!c->greeted && sim_now() >= c->greet_at) {
        send_settings(c);
        moved = true;
    }
    if (c->link != NULL)
        moved = conn_read(c) || moved;
    if (c->link != NULL && c->greeted)
        moved = origin_streams_step(c) || moved;
    if (c->link != NULL && c->greeted)
        moved = conn_write(c) || moved;
    if (c->link != NULL && c->greeted && !c->stalled && conn_is_finished(c)) {
        origin_conn_over(c, false);
        moved = true;
    }
    if (c->link != NULL)
        conn_plan(c);
    return moved;
}

static void origin_accept(struct sim_host *host, struct link *link, uint16_t core_port)
{
    struct origin *origin = container_of(host, struct origin, host);
    struct origin_conn *c = sim_alloc(sizeof(*c));

    sim_h2_init(&h2, origin_stream_callbacks);
    c->peer.step = conn_step;
    c->peer.wake_at = SIM_NEVER;
    c->origin = origin;
    c->link = link;
    c->core_port = core_port;
    c->number = origin->conn_count++;
    c->goaway_last = INT32_MAX;
    c->greet_at = sim_now() + origin->settings_after_ms;
    c->cut_after = origin->cut_conns == 0 || c->number < origin->cut_conns ? origin->cut_after : CUT_NEVER;
    if (nghttp2_session_server_new3(&c->session, h2.callbacks, c, h2.option, &h2.mem) != 0)
        sim_abort("no session for an origin");
    origin->open_conns++;
    c->next = conns;
    conns = c;
    sim_add_peer(&c->peer);
}

struct origin *origin_new(uint8_t host, uint16_t port)
{
    struct origin *origin = sim_alloc(sizeof(*origin));

    origin->host.addr = sim_addr(10, 0, 0, host, port);
    origin->host.accept = origin_accept;
    origin->cut_after = CUT_NEVER;
    sim_add_host(&origin->host);
    return origin;
}

struct origin_request *origin_request(struct origin *origin, uint32_t id)
{
    for (unsigned i = 0; i < origin->request_count; i++)
        if (origin->requests[i].id == id)
            return &origin->requests[i];
    return NULL;
}
