/* Resumption, so that a client or backend that comes again costs no asymmetric operation.
 *
 * Clients: tickets (RFC 5077, RFC 8446 4.6.1), sealed with a key that is replaced after half of their life, so that the
 * key before the present one opens those that are still good; and a ring of sessions for those that keep no tickets.
 * Backends: the last session of each. The library's own ticket and cache modules allocate whenever they like, in what
 * would be a connection's arena. */
#include "base/timer.h"
#include "net/tls_impl.h"

#include <string.h>

#define SHARED_ARENA (8192 + TLS_HAS_13 * (8192 + TLS_PSA_KEYS * TLS_PSA_KEY))
#define NAME_BYTES 4
#define IV_BYTES 12
#define TAG_BYTES 16
#define TICKET_HEAD (NAME_BYTES + IV_BYTES)
#define KEY_BYTES 32
#define CLIENT_SESSION_BYTES 256 /* without a client's certificate it takes 120 */

struct ticket_key {
    uint8_t name[NAME_BYTES];
    bool ready;
    mbedtls_gcm_context gcm;
};

struct kept_client {
    uint8_t id[32];
    uint8_t id_len; /* 0: free */
    uint8_t generation;
    uint16_t len;
    uint8_t bytes[CLIENT_SESSION_BYTES];
};

/* Backends share these by their numbers. */
struct kept_backend {
    uint16_t len; /* 0: none */
    uint16_t slot;
    uint8_t bytes[CONFIG_TLS_SESSION_BYTES];
};

static alignas(ARENA_ALIGN) uint8_t shared_storage[SHARED_ARENA];
static struct arena *shared;
static struct ticket_key keys[2]; /* keys[present] seals */
static unsigned present;
static uint8_t generation; /* how often keys were replaced */
static struct kept_client clients[CONFIG_TLS_SESSIONS];
static unsigned next_client;
static struct kept_backend backends[CONFIG_BACKENDS];
static struct timer_class rotate_class;
static struct timer rotate_timer;

/* ---- keys ---- */

/* Replaces the older key; the present one becomes the older. */
static bool rotate(void)
{
    struct ticket_key *key = &keys[1 - present];
    uint8_t bytes[KEY_BYTES];
    struct arena *previous = arena_enter(shared);
    bool ok = port_random(bytes, sizeof(bytes)) && port_random(key->name, sizeof(key->name));

    mbedtls_gcm_free(&key->gcm);
    mbedtls_gcm_init(&key->gcm);
    ok = ok && mbedtls_gcm_setkey(&key->gcm, MBEDTLS_CIPHER_ID_AES, bytes, KEY_BYTES * 8) == 0;
    arena_leave(previous);
    mbedtls_platform_zeroize(bytes, sizeof(bytes));
    key->ready = ok;
    if (ok)
        present = 1 - present;
    generation++;
    return ok;
}

static void on_rotate(struct timer *timer)
{
    if (!rotate())
        log_error("tls", "no random numbers for a new key of tickets");
    timer_set(timer, &rotate_class, loop_now());
}

bool tls_session_init(void)
{
    struct arena *previous;
    bool ok;

    shared = arena_init(shared_storage, sizeof(shared_storage), "tls-shared");
    memset(keys, 0, sizeof(keys));
    memset(clients, 0, sizeof(clients));
    memset(backends, 0, sizeof(backends));
    timer_class_init(&rotate_class, "tls-ticket", CONFIG_TLS_TICKET_S * 500U);
    timer_init(&rotate_timer, on_rotate);
    previous = arena_enter(shared);
    for (unsigned i = 0; i < 2; i++)
        mbedtls_gcm_init(&keys[i].gcm);
    ok = tls_library_init() && tls_conf_resting_init();
    arena_leave(previous);
    ok = ok && rotate();
    if (ok)
        timer_set(&rotate_timer, &rotate_class, loop_now());
    else
        tls_session_exit();
    return ok;
}

void tls_session_exit(void)
{
    struct arena *previous = arena_enter(shared);

    for (unsigned i = 0; i < 2; i++)
        mbedtls_gcm_free(&keys[i].gcm);
    tls_conf_resting_exit();
    tls_library_exit();
    arena_leave(previous);
    mbedtls_platform_zeroize(clients, sizeof(clients));
    mbedtls_platform_zeroize(backends, sizeof(backends));
    timer_cancel(&rotate_timer);
    timer_class_remove(&rotate_class);
}

void tls_session_forget(void)
{
    memset(backends, 0, sizeof(backends));
    memset(clients, 0, sizeof(clients));
    for (unsigned i = 0; i < ARRAY_SIZE(keys); i++)
        (void)rotate(); /* a key that could not be made is not used */
}

/* ---- tickets ---- */

static int ticket_write(void *unused, const mbedtls_ssl_session *session, unsigned char *start,
                        const unsigned char *end, size_t *len, uint32_t *lifetime)
{
    struct ticket_key *key = &keys[present];
    unsigned char *body = start + TICKET_HEAD;
    size_t room = (size_t)(end - start);
    size_t n;
    int code;

    (void)unused;
    if (!key->ready || room < TICKET_HEAD + TAG_BYTES || !port_random(start + NAME_BYTES, IV_BYTES))
        return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
    memcpy(start, key->name, NAME_BYTES);
    code = mbedtls_ssl_session_save(session, body, room - TICKET_HEAD - TAG_BYTES, &n);
    if (code == 0)
        code = mbedtls_gcm_crypt_and_tag(&key->gcm, MBEDTLS_GCM_ENCRYPT, n, start + NAME_BYTES, IV_BYTES, start,
                                         TICKET_HEAD, body, body, TAG_BYTES, body + n);
    *len = TICKET_HEAD + n + TAG_BYTES;
    *lifetime = CONFIG_TLS_TICKET_S;
    return code;
}

static struct ticket_key *key_of(const unsigned char *ticket)
{
    for (unsigned i = 0; i < 2; i++) {
        if (keys[i].ready && memcmp(ticket, keys[i].name, NAME_BYTES) == 0)
            return &keys[i];
    }
    return NULL;
}

static int ticket_parse(void *unused, mbedtls_ssl_session *session, unsigned char *ticket, size_t len)
{
    struct ticket_key *key = len > TICKET_HEAD + TAG_BYTES ? key_of(ticket) : NULL;
    unsigned char *body = ticket + TICKET_HEAD;
    size_t n = len - TICKET_HEAD - TAG_BYTES;

    (void)unused;
    if (!key)
        return MBEDTLS_ERR_SSL_SESSION_TICKET_EXPIRED;
    if (mbedtls_gcm_auth_decrypt(&key->gcm, n, ticket + NAME_BYTES, IV_BYTES, ticket, TICKET_HEAD, body + n, TAG_BYTES,
                                 body, body) != 0)
        return MBEDTLS_ERR_SSL_INVALID_MAC;
    return mbedtls_ssl_session_load(session, body, n);
}

/* ---- sessions of clients ---- */

static struct kept_client *client_of(const unsigned char *id, size_t len)
{
    for (unsigned i = 0; i < CONFIG_TLS_SESSIONS; i++) {
        struct kept_client *kept = &clients[i];

        if (kept->id_len != 0 && kept->id_len == len && memcmp(kept->id, id, len) == 0 &&
            (uint8_t)(generation - kept->generation) < 2)
            return kept;
    }
    return NULL;
}

int tls_cache_find(const unsigned char *id, size_t len, mbedtls_ssl_session *session)
{
    const struct kept_client *kept = client_of(id, len);

    return kept ? mbedtls_ssl_session_load(session, kept->bytes, kept->len) : 1;
}

int tls_cache_keep(const unsigned char *id, size_t len, const mbedtls_ssl_session *session)
{
    struct kept_client *kept = &clients[next_client];
    size_t n;

    if (len == 0 || len > sizeof(kept->id))
        return 1;
    kept->id_len = 0;
    if (mbedtls_ssl_session_save(session, kept->bytes, sizeof(kept->bytes), &n) != 0)
        return 1; /* it is too large */
    memcpy(kept->id, id, len);
    kept->id_len = (uint8_t)len;
    kept->len = (uint16_t)n;
    kept->generation = generation;
    next_client = (next_client + 1) % CONFIG_TLS_SESSIONS;
    return 0;
}

void tls_session_conf(mbedtls_ssl_config *server)
{
    mbedtls_ssl_conf_session_cache(server, NULL, tls_cache_get_cb, tls_cache_set_cb);
    if (tls_settings()->tickets)
        mbedtls_ssl_conf_session_tickets_cb(server, ticket_write, ticket_parse, NULL);
    else
        mbedtls_ssl_conf_session_tickets_cb(server, NULL, NULL, NULL);
}

/* ---- sessions of backends ---- */

void tls_forget_backend(unsigned slot)
{
    struct kept_backend *kept = &backends[slot % CONFIG_BACKENDS];

    if (kept->slot == slot)
        kept->len = 0;
}

void tls_session_offer(struct tls *tls)
{
    const struct kept_backend *kept = &backends[tls->slot % CONFIG_BACKENDS];
    mbedtls_ssl_session session;

    /* A pin is compared with the certificate of a whole handshake. */
    if (kept->len == 0 || kept->slot != tls->slot || tls_settings()->pin_count > 0)
        return;
    mbedtls_ssl_session_init(&session);
    if (mbedtls_ssl_session_load(&session, kept->bytes, kept->len) == 0)
        (void)mbedtls_ssl_set_session(&tls->ssl, &session);
    mbedtls_ssl_session_free(&session);
}

void tls_session_save(struct tls *tls)
{
    struct kept_backend *kept = &backends[tls->slot % CONFIG_BACKENDS];
    mbedtls_ssl_session session;
    size_t n = 0;

    mbedtls_ssl_session_init(&session);
    if (mbedtls_ssl_get_session(&tls->ssl, &session) == 0) {
        if (mbedtls_ssl_session_save(&session, kept->bytes, sizeof(kept->bytes), &n) != 0)
            n = 0;
        kept->len = (uint16_t)n;
        kept->slot = tls->slot;
    }
    mbedtls_ssl_session_free(&session);
}
