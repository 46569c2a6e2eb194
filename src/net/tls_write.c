/* Writing to a TLS connection: records out of what was gathered, as many as one write takes.
 *
 * Encrypted bytes are collected in one buffer of the process. What the socket does not take of them is kept in a buffer
 * that is leased for as long as it waits. When none of those is free a record goes to the socket by itself, and its
 * rest waits in the library: slow readers cost system calls then, and nobody has to wait for them. Either way these
 * bytes were promised to the peer as they are, so the last byte of their content is told as not taken: the caller comes
 * again, and never believes all was sent when it was not. */
#include "base/pool.h"
#include "net/tls_impl.h"

#include <string.h>

/* Records are small at first and after a pause, so that each arrives in one packet and can be used at once; then large,
   which costs least. */
#define SMALL_RECORD 1400u
#define SMALL_FOR 32768u
#define PAUSE_MS 1000u
/* What a record adds to its content: head, explicit nonce, content type, tag. */
#define RECORD_COST 64u

struct tls_kept {
    uint32_t at; /* what waits: bytes[at, end) */
    uint32_t end;
    uint8_t bytes[CONFIG_TLS_OUTPUT];
};
POOL(tls_kept, struct tls_kept, CONFIG_TLS_KEPT);

static uint8_t out[CONFIG_TLS_OUTPUT]; /* out[0, out_end): encrypted in this call */
static size_t out_end;
static uint8_t joined[CONFIG_TLS_RECORD_OUT]; /* a record's content that was in several segments */

/* Whether what is collected could be kept if the socket does not take it. */
static bool may_collect(void)
{
    return tls_kept_pool.used < tls_kept_pool.count;
}

/* PORT_OK: the socket took all of it; PORT_AGAIN: the first *n bytes. */
static enum port_result send_bytes(struct tls *tls, const uint8_t *bytes, size_t len, size_t *n)
{
    struct port_iov iov = {bytes, len};
    enum port_result result = port_writev(tls->conn->handle, &iov, 1, n);

    if (result == PORT_ERROR)
        tls->flat = true;
    return result == PORT_OK && *n < len ? PORT_AGAIN : result;
}

static struct tls_kept *keep(const uint8_t *bytes, size_t len)
{
    struct tls_kept *kept = pool_take(&tls_kept_pool);

    if (kept) {
        kept->at = 0;
        kept->end = (uint32_t)len;
        memcpy(kept->bytes, bytes, len);
        return kept;
    }
    panic("tls", "encrypted bytes were collected that cannot be kept");
}

/* Hands what was collected to the socket, and keeps what it does not take. */
static enum port_result send_out(struct tls *tls)
{
    enum port_result result;
    size_t n = 0;

    if (out_end == 0)
        return PORT_OK;
    result = send_bytes(tls, out, out_end, &n);
    if (result == PORT_AGAIN)
        tls->kept = keep(out + n, out_end - n);
    out_end = 0;
    return result;
}

/* Hands the bytes that were kept to the socket. */
static enum port_result send_kept(struct tls *tls)
{
    struct tls_kept *kept = tls->kept;
    enum port_result result;
    size_t n = 0;

    if (tls->flat)
        return PORT_ERROR;
    if (!kept)
        return PORT_OK;
    result = send_bytes(tls, kept->bytes + kept->at, kept->end - kept->at, &n);
    kept->at += (uint32_t)n;
    if (result == PORT_OK)
        tls_drop_output(tls);
    return result;
}

void tls_drop_output(struct tls *tls)
{
    if (tls->kept)
        pool_give(&tls_kept_pool, tls->kept);
    tls->kept = NULL;
}

bool tls_has_collected(void)
{
    return out_end > 0;
}

enum port_result tls_flush(struct tls *tls)
{
    enum port_result result = send_kept(tls);

    if (result != PORT_OK) {
        out_end = 0; /* there is nothing: tls_on_send takes no more while bytes are kept */
        return result;
    }
    return send_out(tls);
}

int tls_on_send(void *user, const unsigned char *buf, size_t len)
{
    struct tls *tls = user;
    size_t n = 0;

    if (send_kept(tls) != PORT_OK || (out_end == sizeof(out) && send_out(tls) != PORT_OK))
        return tls->flat ? MBEDTLS_ERR_NET_CONN_RESET : MBEDTLS_ERR_SSL_WANT_WRITE;
    if (out_end == 0 && !may_collect()) {
        (void)send_bytes(tls, buf, len, &n);
        return n > 0 ? (int)n : tls->flat ? MBEDTLS_ERR_NET_CONN_RESET : MBEDTLS_ERR_SSL_WANT_WRITE;
    }
    n = min_size(len, sizeof(out) - out_end);
    memcpy(out + out_end, buf, n);
    out_end += n;
    return (int)n;
}

/* Hands the socket what waits, first outside the library, then in it. */
static enum port_result send_waiting(struct tls *tls)
{
    static const unsigned char nothing;
    enum port_result result = send_kept(tls);
    struct arena *previous;
    int code = 1;

    if (result != PORT_OK || !tls_has_output(&tls->ssl))
        return result;
    previous = arena_enter(tls->arena);
    code = mbedtls_ssl_write(&tls->ssl, &nothing, 1); /* it only sends what waits: see tls_has_output */
    arena_leave(previous);
    if (code > 0)
        return send_out(tls);
    return code == MBEDTLS_ERR_SSL_WANT_WRITE ? PORT_AGAIN : PORT_ERROR;
}

static size_t record_size(struct tls *tls)
{
    int most = mbedtls_ssl_get_max_out_record_payload(&tls->ssl);
    size_t size = most > 0 ? min_size((size_t)most, CONFIG_TLS_RECORD_OUT) : SMALL_RECORD;

    return tls->sent < SMALL_FOR ? min_size(size, SMALL_RECORD) : size;
}

/* The next `most` bytes of what was gathered, behind its first `skip`, in one piece. */
static struct text piece_of(const struct gather *gather, size_t skip, size_t most)
{
    for (unsigned i = 0; i < gather->count; i++) {
        const struct port_iov *iov = &gather->iov[i];

        if (skip >= iov->len) {
            skip -= iov->len;
            continue;
        }
        if (iov->len - skip >= most || i + 1 == gather->count)
            return text_make(iov->base + skip, min_size(iov->len - skip, most));
        break;
    }
    return text_make(NULL, 0);
}

/* Makes one record. PORT_AGAIN: and the library has a part of it that waits. PORT_ERROR: it failed. */
static enum port_result encrypt(struct tls *tls, const struct gather *gather, size_t *taken)
{
    size_t size = min_size(record_size(tls), sizeof(out) - out_end - RECORD_COST);
    struct text piece = piece_of(gather, *taken, min_size(size, gather->total - *taken));
    int code;

    if (piece.len == 0)
        piece = text_make(joined, gather_rest(gather, *taken, joined, min_size(size, sizeof(joined))));
    code = mbedtls_ssl_write(&tls->ssl, (const unsigned char *)piece.ptr, piece.len);
    if (code <= 0 && code != MBEDTLS_ERR_SSL_WANT_WRITE) {
        tls->state = TLS_DEAD;
        return PORT_ERROR;
    }
    *taken += piece.len;
    tls->sent = (uint32_t)min_size(tls->sent + piece.len, SMALL_FOR);
    return code > 0 ? PORT_OK : PORT_AGAIN;
}

/* Encrypts as much as one write takes, and writes it. */
static enum port_result write_records(struct tls *tls, const struct gather *gather, size_t *n)
{
    enum port_result result = PORT_OK;

    if (loop_now() - tls->sent_at > PAUSE_MS)
        tls->sent = 0;
    tls->sent_at = loop_now();
    while (result == PORT_OK && *n < gather->total && sizeof(out) - out_end > 2 * (size_t)RECORD_COST)
        result = encrypt(tls, gather, n);
    if (result == PORT_OK)
        result = send_out(tls);
    out_end = 0; /* after an error */
    if (result != PORT_AGAIN)
        return result;
    tls->held = true;
    (*n)--;
    return *n > 0 ? PORT_OK : PORT_AGAIN;
}

enum port_result tls_write(struct tls *tls, const struct gather *gather, size_t *n)
{
    struct arena *previous;
    enum port_result result;

    *n = 0;
    if (tls->state == TLS_DEAD || tls->said)
        return PORT_ERROR;
    result = send_waiting(tls);
    if (result != PORT_OK)
        return result;
    if (tls->held) {
        tls->held = false;
        *n = 1; /* it begins with the byte that was held */
    }
    previous = arena_enter(tls->arena);
    result = write_records(tls, gather, n);
    arena_leave(previous);
    return result;
}

void tls_goodbye(struct tls *tls)
{
    struct arena *previous;

    if (tls->said || tls->flat || (tls->state != TLS_UP && tls->state != TLS_ENDED))
        return;
    tls->said = true;
    previous = arena_enter(tls->arena);
    (void)mbedtls_ssl_close_notify(&tls->ssl);
    arena_leave(previous);
    (void)tls_flush(tls);
}
