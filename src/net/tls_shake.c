/* Handshakes: they take turns, so that who is connected is served first; how they end, and why.
 *
 * A step of a handshake is one message, with one or two asymmetric operations at most. In one turn of the loop steps
 * are made until TURN_MS have passed: on a slow CPU that is one, on a fast one several. */
#include "net/tls_impl.h"

#include <string.h>

#define TURN_MS 2u
#define ALERT_NO_PROTOCOL 120 /* RFC 7301 3.2 */

static struct list waiting; /* of struct tls, first come first served */
static struct task turn;
/* One step of a handshake takes more than what is kept between two, and all connections make theirs in turn: so the
   rest comes from here. It is empty when a step is over. */
static alignas(ARENA_ALIGN) uint8_t scratch_storage[CONFIG_TLS_SCRATCH / ARENA_ALIGN * ARENA_ALIGN];
static struct arena *scratch;

/* ---- why ---- */

struct word {
    uint32_t flag;
    const char *text;
};

/* What is wrong with a chain, in words. */
static const struct word faults[] = {
    {MBEDTLS_X509_BADCERT_REVOKED, "certificate revoked"},
    {MBEDTLS_X509_BADCERT_EXPIRED, "certificate expired"},
    {MBEDTLS_X509_BADCERT_FUTURE, "certificate not yet valid"},
    {MBEDTLS_X509_BADCERT_CN_MISMATCH, "certificate has another name"},
    {MBEDTLS_X509_BADCERT_OTHER, "certificate chain too long"},
    {MBEDTLS_X509_BADCERT_MISSING, "no certificate"},
    {MBEDTLS_X509_BADCRL_NOT_TRUSTED, "revocation list not signed by the CA"},
    {MBEDTLS_X509_BADCRL_EXPIRED, "revocation list expired"},
    {MBEDTLS_X509_BADCRL_FUTURE, "revocation list not yet valid"},
    {MBEDTLS_X509_BADCERT_KEY_USAGE | MBEDTLS_X509_BADCERT_EXT_KEY_USAGE | MBEDTLS_X509_BADCERT_NS_CERT_TYPE,
     "certificate is for another use"},
    {MBEDTLS_X509_BADCERT_BAD_MD | MBEDTLS_X509_BADCERT_BAD_PK | MBEDTLS_X509_BADCERT_BAD_KEY |
         MBEDTLS_X509_BADCRL_BAD_MD | MBEDTLS_X509_BADCRL_BAD_PK | MBEDTLS_X509_BADCRL_BAD_KEY,
     "certificate with a weak signature or key"},
};

static void put_reason(struct textbuf *b, const char *text)
{
    if (b->len > 0)
        textbuf_putz(b, ", ");
    textbuf_putz(b, text);
}

static void explain_certificate(struct tls *tls, bool self_signed)
{
    struct textbuf b;

    textbuf_init(&b, tls->reason, sizeof(tls->reason));
    for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
        if (tls->flags & faults[i].flag)
            put_reason(&b, faults[i].text);
    }
    if (tls->flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED)
        put_reason(&b, self_signed ? "self-signed certificate" : "unknown CA");
    (void)textbuf_z(&b);
}

#define NO_MEMORY "out of memory: raise CONFIG_TLS_ARENA_BASE, CONFIG_TLS_CLIENT_CERTS or CONFIG_TLS_BACKEND_CERTS"

/* Codes of the library that have a plain meaning. */
static const struct {
    int code;
    const char *text;
} codes[] = {
    {MBEDTLS_ERR_SSL_CONN_EOF, "closed in the handshake"},
    {MBEDTLS_ERR_NET_CONN_RESET, "reset in the handshake"},
    {MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY, "closed in the handshake"},
    {MBEDTLS_ERR_SSL_INVALID_RECORD, "not TLS"},
    {MBEDTLS_ERR_SSL_BAD_HS_PROTOCOL_VERSION, "no version in common"},
    {MBEDTLS_ERR_SSL_NO_CIPHER_CHOSEN, "no cipher suite in common"},
    {MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE, "no certificate"},
    {MBEDTLS_ERR_SSL_ALLOC_FAILED, NO_MEMORY},
    {MBEDTLS_ERR_X509_ALLOC_FAILED, NO_MEMORY},
    {MBEDTLS_ERR_PK_ALLOC_FAILED, NO_MEMORY},
    {MBEDTLS_ERR_MPI_ALLOC_FAILED, NO_MEMORY},
};

static const char *text_of_alert(unsigned alert)
{
    switch (alert) {
    case 40: return "handshake_failure";
    case 42: return "bad_certificate";
    case 44: return "certificate_revoked";
    case 45: return "certificate_expired";
    case 46: return "certificate_unknown";
    case 48: return "unknown_ca";
    case 70: return "protocol_version";
    case 71: return "insufficient_security";
    case 112: return "unrecognized_name";
    case 116: return "certificate_required";
    case ALERT_NO_PROTOCOL: return "no_application_protocol";
    default: return "";
    }
}

/* The peer's alert, when it is what the handshake ended with; else 0. */
static unsigned alert_of(const struct tls *tls, int code)
{
    if (code == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE)
        return tls_alert(&tls->ssl);
    return code == MBEDTLS_ERR_SSL_INVALID_MAC ? tls_clear_alert(&tls->ssl) : 0;
}

static void explain_code(struct tls *tls, int code)
{
    unsigned alert = alert_of(tls, code);
    struct textbuf b;

    textbuf_init(&b, tls->reason, sizeof(tls->reason));
    for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
        if (code == codes[i].code && b.len == 0)
            textbuf_putz(&b, codes[i].text);
    }
    if (alert != 0)
        textbuf_printf(&b, "its alert %u %s", alert, text_of_alert(alert));
    else if (b.len == 0)
        textbuf_printf(&b, "the library's error -0x%04x", (unsigned)-code);
    (void)textbuf_z(&b);
}

/* ---- certificates ---- */

static const struct tls_trust *trust_of(const struct tls *tls)
{
    return tls->client ? &tls_settings()->backends : &tls_settings()->clients;
}

static bool is_pinned(const struct tls *tls)
{
    return tls->client && tls_settings()->pin_count > 0;
}

int tls_on_certificate(void *user, mbedtls_x509_crt *crt, int depth, uint32_t *flags)
{
    struct tls *tls = user;
    const struct tls_trust *trust = trust_of(tls);

    if (trust->any_time)
        *flags &= ~(uint32_t)(MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE);
    if (depth > trust->depth)
        *flags |= MBEDTLS_X509_BADCERT_OTHER;
    if (depth == 0 && tls->client) {
        *flags &= ~(uint32_t)MBEDTLS_X509_BADCERT_CN_MISMATCH;
        if (!trust->any_name && !tls_name_matches(crt, tls->host))
            *flags |= MBEDTLS_X509_BADCERT_CN_MISMATCH;
    }
    tls->flags |= *flags;
    if (depth == 0 && tls->flags != 0)
        explain_certificate(tls, text_eq(text_make(crt->subject_raw.p, crt->subject_raw.len),
                                         text_make(crt->issuer_raw.p, crt->issuer_raw.len)));
    return 0;
}

static bool pin_matches(const mbedtls_x509_crt *crt)
{
    const struct tls_settings *settings = tls_settings();
    uint8_t hash[TLS_PIN_BYTES];

    if (crt == NULL)
        return false;
    tls_sha256(crt->raw.p, crt->raw.len, hash);
    for (unsigned i = 0; i < settings->pin_count; i++) {
        if (memcmp(hash, settings->pins[i], sizeof(hash)) == 0)
            return true;
    }
    return false;
}

/* What the library does not look at by itself: the handshake is whole, and may still be refused. */
static enum tls_end judge_peer(struct tls *tls)
{
    const mbedtls_x509_crt *crt = mbedtls_ssl_get_peer_cert(&tls->ssl);

    if (is_pinned(tls)) {
        if (!pin_matches(crt)) {
            memcpy(tls->reason, "certificate is not pinned", sizeof("certificate is not pinned"));
            return TLS_UNTRUSTED;
        }
    } else if (trust_of(tls)->verify == TLS_VERIFY_OPTIONAL && crt != NULL && tls->flags != 0) {
        return TLS_UNTRUSTED;
    }
    if (tls->client && !tls_is_h2(tls->conn)) {
        const char *chosen = mbedtls_ssl_get_alpn_protocol(&tls->ssl);
        struct textbuf b;

        textbuf_init(&b, tls->reason, sizeof(tls->reason));
        textbuf_printf(&b, "it does not offer h2 by ALPN: %s", chosen ? chosen : "nothing");
        (void)textbuf_z(&b);
        return TLS_NO_ALPN_H2;
    }
    return TLS_DONE;
}

/* ---- turns ---- */

void tls_shake_wait(struct tls *tls)
{
    conn_interest(tls->conn, 0);
    if (!list_linked(&tls->turn))
        list_push_back(&waiting, &tls->turn);
    loop_mark(&turn);
}

void tls_on_ready(struct tls *tls)
{
    tls_shake_wait(tls);
}

/* What the end of a handshake that failed is called. */
static enum tls_end end_of(struct tls *tls, int code)
{
    unsigned alert = alert_of(tls, code);

    if (code == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED && tls->reason[0] != '\0')
        return TLS_UNTRUSTED;
    explain_code(tls, code);
    if (code == MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE)
        return TLS_UNTRUSTED;
    if (alert == ALERT_NO_PROTOCOL)
        return TLS_NO_ALPN_H2;
    return alert >= 42 && alert <= 49 ? TLS_UNTRUSTED : TLS_FAILED;
}

/* For TLS 1.2 the library refuses a client without a certificate and does not say so (RFC 5246 7.4.6). */
static void alert_missing_certificate(struct tls *tls, int code)
{
    struct arena *previous;

    if (code != MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE || tls_is_13(&tls->ssl))
        return;
    previous = arena_enter(tls->arena);
    (void)mbedtls_ssl_send_alert_message(&tls->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL,
                                         MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE);
    arena_leave(previous);
}

/* It is over: tells the owner, who may close the connection at once. */
static void finish(struct tls *tls, enum tls_end end)
{
    tls->state = end == TLS_DONE ? TLS_UP : TLS_DEAD;
    conn_interest(tls->conn, 0);
    tls_shake_uncount(tls);
    if (end == TLS_DONE)
        tls_conf_rest(tls);
    tls->done(tls->conn, end);
}

/* What must stay had no room in the connection's arena: it goes at once, for the next one needs the scratch. */
static int give_up(struct tls *tls)
{
    (void)mbedtls_ssl_send_alert_message(&tls->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL,
                                         MBEDTLS_SSL_ALERT_MSG_INTERNAL_ERROR);
    mbedtls_ssl_free(&tls->ssl);
    return MBEDTLS_ERR_SSL_ALLOC_FAILED;
}

/* Makes steps until something is waited for, the turn is over, or the handshake. 0: go on in another turn. */
static int step(struct tls *tls, uint32_t begun)
{
    int code = 0;

    while (code == 0 && !tls_is_over(&tls->ssl)) {
        code = mbedtls_ssl_handshake_step(&tls->ssl);
        if (!arena_is_empty(scratch))
            return give_up(tls);
        if (port_now_ms() - begun >= TURN_MS)
            break;
    }
    return code == MBEDTLS_ERR_SSL_CRYPTO_IN_PROGRESS ? 0 : code;
}

/* The last flight has left: what was agreed on? */
static void conclude(struct tls *tls)
{
    struct arena *previous = arena_enter(tls->arena);
    enum tls_end end = judge_peer(tls);

    arena_spill(tls->arena, scratch);
    if (end == TLS_DONE && tls->client)
        tls_session_save(tls);
    arena_spill(tls->arena, NULL);
    if (end == TLS_UNTRUSTED)
        (void)mbedtls_ssl_send_alert_message(&tls->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL, MBEDTLS_SSL_ALERT_MSG_BAD_CERT);
    arena_leave(previous);
    (void)tls_flush(tls);
    finish(tls, end);
}

static void take_turn(struct tls *tls, uint32_t begun)
{
    struct arena *previous = arena_enter(tls->arena);
    enum port_result sent;
    int code;

    arena_spill(tls->arena, scratch);
    code = step(tls, begun);
    arena_spill(tls->arena, NULL);
    arena_leave(previous);
    alert_missing_certificate(tls, code);
    sent = tls_flush(tls);
    if (code != 0 && code != MBEDTLS_ERR_SSL_WANT_READ && code != MBEDTLS_ERR_SSL_WANT_WRITE)
        finish(tls, end_of(tls, code));
    else if (sent == PORT_ERROR)
        finish(tls, end_of(tls, MBEDTLS_ERR_NET_CONN_RESET));
    else if (sent == PORT_AGAIN || code == MBEDTLS_ERR_SSL_WANT_WRITE)
        conn_interest(tls->conn, PORT_WRITABLE);
    else if (code == MBEDTLS_ERR_SSL_WANT_READ)
        conn_interest(tls->conn, PORT_READABLE);
    else if (tls_is_over(&tls->ssl))
        conclude(tls);
    else
        tls_shake_wait(tls);
}

static void on_turn(struct task *task)
{
    uint32_t begun = port_now_ms();
    struct list *node;

    while (port_now_ms() - begun < TURN_MS && (node = list_pop_front(&waiting)) != NULL)
        take_turn(container_of(node, struct tls, turn), begun);
    if (!list_empty(&waiting))
        loop_mark(task);
}

void tls_shake_init(void)
{
    scratch = arena_init(scratch_storage, sizeof(scratch_storage), "tls-scratch");
    list_init(&waiting);
    task_init(&turn, TASK_BACK, on_turn);
}
