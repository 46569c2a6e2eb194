/* TLS connections: leased, begun, closed, and what is known of their peers. */
#include "base/pool.h"
#include "net/listener.h"
#include "net/tls_impl.h"

#include <string.h>

static_assert(MBEDTLS_SSL_IN_CONTENT_LEN <= CONFIG_TLS_RECORD_IN,
              "mbedTLS was built with larger records: set CONFIG_TLS_RECORD_IN to its MBEDTLS_SSL_IN_CONTENT_LEN");
static_assert(MBEDTLS_SSL_OUT_CONTENT_LEN <= CONFIG_TLS_RECORD_OUT,
              "mbedTLS was built with larger records: set CONFIG_TLS_RECORD_OUT to its MBEDTLS_SSL_OUT_CONTENT_LEN");

/* The connection comes first, so that its address is the lease's. */
struct tls_client_lease {
    struct tls tls;
    alignas(ARENA_ALIGN) uint8_t arena[TLS_ARENA(CONFIG_TLS_CLIENT_CERTS)];
};
struct tls_backend_lease {
    struct tls tls;
    alignas(ARENA_ALIGN) uint8_t arena[TLS_ARENA(CONFIG_TLS_BACKEND_CERTS)];
};
POOL(tls_client, struct tls_client_lease, CONFIG_TLS_CLIENTS);
POOL(tls_backend, struct tls_backend_lease, CONFIG_TLS_BACKENDS);

static unsigned shaking; /* clients */

size_t tls_memory(void)
{
    return CONFIG_TLS_CLIENTS * sizeof(struct tls_client_lease) +
           CONFIG_TLS_BACKENDS * sizeof(struct tls_backend_lease) + CONFIG_TLS_KEPT * (size_t)CONFIG_TLS_OUTPUT +
           CONFIG_TLS_SCRATCH + 2 * sizeof(struct tls_conf) + 2 * (size_t)CONFIG_TLS_CONF_ARENA;
}

const char *tls_library(void)
{
    return MBEDTLS_VERSION_STRING;
}

/* ---- beginning ---- */

bool tls_has_room(void)
{
    return tls_client_pool.used < tls_client_pool.count && shaking < CONFIG_TLS_HANDSHAKES;
}

void tls_shake_uncount(struct tls *tls)
{
    if (!tls->counted)
        return;
    tls->counted = false;
    shaking--;
    listener_resume();
}

/* What was decrypted is there to be read, or the end that came behind it. */
static void on_again(struct task *task)
{
    struct tls *tls = container_of(task, struct tls, again);

    if (tls->state != TLS_SHAKING && (tls->conn->interest & PORT_READABLE) != 0)
        tls->conn->ready(&tls->conn->watch, PORT_READABLE);
}

static void lease_init(struct tls *tls, uint8_t *storage, size_t size)
{
    memset(tls, 0, sizeof(*tls));
    tls->arena = arena_init(storage, size, "tls");
    tls->sent_at = loop_now();
    tls->conf = tls_conf_join();
    list_init(&tls->turn);
    task_init(&tls->again, TASK_FRONT, on_again);
    mbedtls_ssl_init(&tls->ssl);
}

/* SNI and what is to be resumed. A literal address is not for SNI (RFC 6066 3). */
static bool prepare_client(struct tls *tls)
{
    struct port_addr addr;
    bool literal = addr_parse(tls->host, &addr);

    if (mbedtls_ssl_set_hostname(&tls->ssl, literal ? NULL : tls->host.ptr) != 0)
        return false;
    tls_session_offer(tls);
    return true;
}

static bool prepare(struct tls *tls, const mbedtls_ssl_config *conf)
{
    struct arena *previous = arena_enter(tls->arena);
    bool ok = mbedtls_ssl_setup(&tls->ssl, conf) == 0;

    if (ok) {
        mbedtls_ssl_set_bio(&tls->ssl, tls, tls_on_send, tls_on_receive, NULL);
        mbedtls_ssl_set_verify(&tls->ssl, tls_on_certificate, tls);
        ok = !tls->client || prepare_client(tls);
    }
    arena_leave(previous);
    return ok;
}

static bool begin(struct tls *tls, struct conn *conn, const mbedtls_ssl_config *conf, tls_done_fn *done)
{
    tls->conn = conn;
    tls->done = done;
    tls->state = TLS_SHAKING;
    if (!prepare(tls, conf)) {
        log_warn("tls", "CONFIG_TLS_ARENA_BASE is too small");
        tls_close(tls);
        return false;
    }
    conn->tls = tls;
    tls_shake_wait(tls);
    return true;
}

bool tls_accept(struct conn *conn, bool h2, tls_done_fn *done)
{
    struct tls_client_lease *lease = pool_take(&tls_client_pool);

    if (!lease)
        return false;
    lease_init(&lease->tls, lease->arena, sizeof(lease->arena));
    lease->tls.counted = true;
    shaking++;
    return begin(&lease->tls, conn, &lease->tls.conf->server[h2], done);
}

bool tls_connect(struct conn *conn, struct text host, unsigned slot, tls_done_fn *done)
{
    struct tls_backend_lease *lease = pool_take(&tls_backend_pool);
    struct tls *tls;

    if (!lease)
        return false;
    tls = &lease->tls;
    lease_init(tls, lease->arena, sizeof(lease->arena));
    tls->client = true;
    tls->host = host;
    tls->slot = (uint16_t)slot;
    return begin(tls, conn, &tls->conf->client, done);
}

/* ---- ending ---- */

/* What the library still holds in the arena after it freed all belongs to objects that live on: a bug. */
static void check_arena(const struct tls *tls)
{
    struct arena_stats stats;

    arena_stats(tls->arena, &stats);
    log_debug("tls", "a connection took %zu of %zu bytes at most", stats.peak, stats.size);
    if (stats.blocks == 0)
        return;
    log_error("tls", "%u blocks of a connection outlive it", (unsigned)stats.blocks);
    if (IS_ENABLED(CONFIG_HEAP_GUARD))
        panic("tls", "blocks of a connection outlive it");
}

void tls_close(struct tls *tls)
{
    struct arena *previous = arena_enter(tls->arena);

    mbedtls_ssl_free(&tls->ssl); /* it wipes the keys */
    arena_leave(previous);
    tls_drop_output(tls);
    check_arena(tls);
    loop_unmark(&tls->again);
    list_remove(&tls->turn);
    tls_shake_uncount(tls);
    if (tls->conf)
        tls_conf_leave(tls->conf);
    pool_give(tls->client ? &tls_backend_pool : &tls_client_pool, tls);
    listener_resume();
}

void tls_move(struct tls *tls, struct conn *conn)
{
    tls->conn = conn;
}

/* ---- facts ---- */

bool tls_is_h2(const struct conn *conn)
{
    const char *chosen = conn_is_secure(conn) ? mbedtls_ssl_get_alpn_protocol(&conn->tls->ssl) : NULL;

    return chosen != NULL && text_eq(text_of(chosen), TEXT("h2"));
}

const char *tls_reason(const struct conn *conn)
{
    return conn_is_secure(conn) ? conn->tls->reason : "";
}

bool tls_is_shaking(const struct tls *tls)
{
    return tls->state == TLS_SHAKING;
}

static void put_name(struct textbuf *b, const mbedtls_x509_name *name)
{
    char storage[512];
    int n = mbedtls_x509_dn_gets(storage, sizeof(storage), name);

    if (n > 0)
        textbuf_put(b, text_make(storage, (size_t)n));
}

static void put_serial(struct textbuf *b, const mbedtls_x509_buf *serial)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < serial->len; i++) {
        textbuf_putc(b, digits[serial->p[i] >> 4]);
        textbuf_putc(b, digits[serial->p[i] & 15]);
    }
}

void tls_put_fact(struct textbuf *b, const struct conn *conn, enum tls_fact fact)
{
    const mbedtls_ssl_context *ssl;
    const mbedtls_x509_crt *crt;

    if (!conn || !conn_is_secure(conn))
        return;
    ssl = &conn->tls->ssl;
    crt = mbedtls_ssl_get_peer_cert(ssl);
    switch (fact) {
    case TLS_FACT_CLIENT_VERIFY:
        textbuf_putz(b, crt == NULL ? "NONE" : mbedtls_ssl_get_verify_result(ssl) == 0 ? "SUCCESS" : "FAILED");
        return;
    case TLS_FACT_PROTOCOL: textbuf_putz(b, mbedtls_ssl_get_version(ssl)); return;
    case TLS_FACT_CIPHER: textbuf_putz(b, mbedtls_ssl_get_ciphersuite(ssl)); return;
    case TLS_FACT_CLIENT_S_DN:
    case TLS_FACT_CLIENT_I_DN:
    case TLS_FACT_CLIENT_M_SERIAL:
    case TLS_FACTS: break;
    }
    if (crt == NULL)
        return;
    if (fact == TLS_FACT_CLIENT_S_DN)
        put_name(b, &crt->subject);
    else if (fact == TLS_FACT_CLIENT_I_DN)
        put_name(b, &crt->issuer);
    else if (fact == TLS_FACT_CLIENT_M_SERIAL)
        put_serial(b, &crt->serial);
}
