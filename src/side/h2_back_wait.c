/* What a backend connection waits for, and what becomes of it when that does not come. Liveness is a part of this:
 *
 * - Before new work goes to a connection on which nothing came for `ping`, a PING asks whether it lives: backend.c does
 *   not give it streams before any byte came. A connection without streams that does not answer in PING_TIMEOUT_MS is
 *   lost, and costs no request.
 * - With streams open a PING asks the same after each silence of `ping`. Without a byte in PING_TIMEOUT_MS the
 *   connection takes no new streams; without one in `pingtimeout` it is lost, and its streams fail. */
#include "base/log.h"
#include "side/h2_back_conn.h"

static struct timer_class ping_class;

/* Servers count PINGs between which they sent nothing of their own (gRPC: the third that comes within five minutes of
   the one before ends the connection with ENHANCE_YOUR_CALM). So a long silence is asked about a few times, later and
   later, and then rarely; the platform's keep-alive watches the path meanwhile. */
#define PINGS_CLOSE 3
#define PINGS_APART_MS 310000

/* How long the connection may be silent before the next PING. */
static uint64_t silence_allowed(const struct h2_back *back)
{
    uint64_t ms = back->base.backend->settings.ping_ms;

    if (back->pings < PINGS_CLOSE)
        return ms << back->pings;
    return ms > PINGS_APART_MS ? ms : PINGS_APART_MS;
}

void h2_back_probe(struct h2_back *back)
{
    if (back->base.probed)
        return;
    back->base.probed = true;
    if (back->pings < PINGS_CLOSE)
        back->pings++;
    if (nghttp2_submit_ping(back->h2.ng, NGHTTP2_FLAG_NONE, NULL) != 0)
        back->failed = true;
    loop_mark(&back->task);
}

void h2_back_heard(struct h2_back *back)
{
    back->base.heard = loop_now();
    if (!back->base.probed)
        return;
    back->base.probed = false;
    back->doubted = false;
    backend_conn_freed(&back->base);
}

/* What is waited for now. */
static enum h2_back_wait wait_of(const struct h2_back *back, bool blocked)
{
    const struct backend_settings *settings = &back->base.backend->settings;

    if (blocked)
        return H2_WAIT_WRITE;
    if (back->base.probed)
        return back->doubted ? H2_WAIT_LIFE : H2_WAIT_PING;
    if (!back->base.settled || !back->acknowledged)
        return H2_WAIT_SETTINGS;
    if (back->base.streams == 0)
        return H2_WAIT_IDLE;
    return settings->ping_ms > 0 ? H2_WAIT_SILENCE : H2_WAIT_NOTHING;
}

static struct timer_class *class_of(const struct backend *backend, enum h2_back_wait wait)
{
    switch (wait) {
    case H2_WAIT_CONNECT:
    case H2_WAIT_TLS: return backend->connect_class;
    case H2_WAIT_SETTINGS: return backend->settings_class;
    case H2_WAIT_WRITE: return backend->timeout_class;
    case H2_WAIT_PING: return &ping_class;
    case H2_WAIT_LIFE: return backend->lost_class;
    case H2_WAIT_IDLE: return backend->idle_class;
    case H2_WAIT_SILENCE: return backend->ping_class;
    case H2_WAIT_NOTHING: return NULL;
    }
    return NULL;
}

void h2_back_await(struct h2_back *back, enum h2_back_wait wait)
{
    struct timer_class *c = class_of(back->base.backend, wait);

    if (wait == back->wait)
        return;
    back->wait = wait;
    if (c)
        timer_set(&back->timer, c, loop_now());
    else
        timer_cancel(&back->timer);
}

void h2_back_await_next(struct h2_back *back, bool blocked)
{
    h2_back_await(back, wait_of(back, blocked));
}

/* No byte came in answer to a PING. */
static void on_no_answer(struct h2_back *back)
{
    if (back->base.streams == 0) {
        h2_back_lose(back, CAUSE_BACKEND_SILENT);
        return;
    }
    log_info("h2_back", "%.*s: no answer to PING: no new requests on this connection",
             TEXT_ARG(back->base.backend->settings.name));
    back->doubted = true;
    backend_conn_closing(&back->base);
}

/* It may use our SETTINGS wrongly or not, but it does not follow RFC 9113 6.5.3: others may do better. */
static void on_no_settings(struct h2_back *back)
{
    if (!back->base.settled) {
        h2_back_lose(back, CAUSE_BACKEND_SETTINGS);
        return;
    }
    log_info("h2_back", "%.*s: our SETTINGS are not acknowledged: no new requests on this connection",
             TEXT_ARG(back->base.backend->settings.name));
    back->acknowledged = true; /* waited for no more */
    back->settings_late = true;
    backend_conn_closing(&back->base);
}

static void on_silence(struct h2_back *back)
{
    if (loop_now() - back->base.heard >= silence_allowed(back))
        h2_back_probe(back);
}

void h2_back_on_timer(struct timer *timer)
{
    struct h2_back *back = container_of(timer, struct h2_back, timer);
    enum h2_back_wait wait = back->wait;

    back->wait = H2_WAIT_NOTHING;
    switch (wait) {
    case H2_WAIT_CONNECT: h2_back_lose(back, CAUSE_CONNECT_TIMEOUT); return;
    case H2_WAIT_TLS: h2_back_lose(back, CAUSE_TLS_TIMEOUT); return;
    case H2_WAIT_WRITE: h2_back_lose(back, CAUSE_BACKEND_TIMEOUT); return;
    case H2_WAIT_LIFE: h2_back_lose(back, CAUSE_BACKEND_SILENT); return;
    case H2_WAIT_SETTINGS: on_no_settings(back); break;
    case H2_WAIT_PING: on_no_answer(back); break;
    case H2_WAIT_SILENCE: on_silence(back); break;
    case H2_WAIT_IDLE: backend_conn_closing(&back->base); break;
    case H2_WAIT_NOTHING: return;
    }
    if (back->base.state != BACKEND_CLOSED)
        loop_mark(&back->task);
}

void h2_back_wait_init(void)
{
    timer_class_init(&ping_class, "backend-ping", CONFIG_PING_TIMEOUT_MS);
}

void h2_back_wait_exit(void)
{
    timer_class_remove(&ping_class);
}
