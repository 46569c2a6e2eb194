/* Clients that come over TLS: their handshake, and the front that ALPN chooses (RFC 7301). */
#include "base/addr.h"
#include "base/log.h"
#include "net/tls.h"
#include "side/h1_conn.h"
#include "side/h2_front.h"

static void log_failure(const struct h1_conn *c, const char *why)
{
    char storage[ADDR_TEXT];
    struct textbuf b;

    textbuf_init(&b, storage, sizeof(storage));
    addr_put(&b, &c->peer, false);
    log_info("tls", "client %s: the handshake failed: %s", textbuf_z(&b), why);
}

static void on_done(struct conn *conn, enum tls_end end)
{
    struct h1_conn *c = container_of(conn, struct h1_conn, conn);

    timer_cancel(&c->read_timer);
    if (end != TLS_DONE) {
        log_failure(c, tls_reason(conn));
        conn_drop_tls(conn); /* its lease is free for the next one */
        h1_conn_finish(c);   /* lingers: a reset could destroy the alert in the client's buffers */
    } else if (tls_is_h2(conn)) {
        h1_conn_hand_over(c);
        h2_front_take_over(c, &c->conn, &c->peer, &c->local, NULL, 0);
    } else if (!h1_front_settings()->http1) {
        log_failure(c, "no HTTP/2 by ALPN, and Protocols leaves nothing else");
        h1_conn_close(c, false);
    } else {
        h1_conn_await_request(c);
        h1_conn_update(c);
    }
}

void h1_secure_begin(struct h1_conn *c, struct timer_class *class)
{
    c->input = H1_HANDSHAKE;
    timer_set(&c->read_timer, class, loop_now());
    if (!tls_accept(&c->conn, h1_front_settings()->h2 && h2_front_has_room(), on_done))
        h1_conn_close(c, true);
}

void h1_secure_timeout(struct h1_conn *c)
{
    log_failure(c, "too slow");
    h1_conn_close(c, true);
}
