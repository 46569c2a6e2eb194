/* Reading from a TLS connection: what the records in its socket hold.
 *
 * All connections use one buffer of the process. Bytes are only read as far as their content has room with the caller,
 * so that none is left in the buffer; a part of a record waits in the library. */
#include "net/tls_impl.h"

#include <string.h>

#define HEAD_BYTES 5u
/* A reading begins anew when a record was not complete with the first one. */
#define READS_MOST 3

static uint8_t in[CONFIG_INPUT_SIZE]; /* in[in_at, in_end) is for the library */
static size_t in_at;
static size_t in_end;

/* While hands are shaken each record is read by itself: what follows may be for another turn. */
static int receive_straight(struct tls *tls, unsigned char *buf, size_t len)
{
    size_t n;

    switch (port_read(tls->conn->handle, buf, len, &n)) {
    case PORT_OK: return (int)n;
    case PORT_AGAIN: return MBEDTLS_ERR_SSL_WANT_READ;
    case PORT_END: return MBEDTLS_ERR_SSL_CONN_EOF;
    case PORT_ERROR: break;
    }
    return MBEDTLS_ERR_NET_CONN_RESET;
}

int tls_on_receive(void *user, unsigned char *buf, size_t len)
{
    struct tls *tls = user;
    size_t n = min_size(len, in_end - in_at);

    if (tls->state == TLS_SHAKING)
        return receive_straight(tls, buf, len);
    if (n == 0)
        return MBEDTLS_ERR_SSL_WANT_READ;
    memcpy(buf, in + in_at, n);
    in_at += n;
    return (int)n;
}

/* ---- reading ---- */

/* Follows where records begin and end (RFC 8446 5.1). */
static void note_records(struct tls *tls, const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        size_t n;

        if (tls->head_len < HEAD_BYTES) {
            n = min_size(len, HEAD_BYTES - tls->head_len);
            memcpy(tls->head + tls->head_len, bytes, n);
            tls->head_len = (uint8_t)(tls->head_len + n);
            tls->left = (uint16_t)(tls->head[3] << 8 | tls->head[4]);
        } else {
            n = min_size(len, tls->left);
            tls->left = (uint16_t)(tls->left - n);
        }
        bytes += n;
        len -= n;
        if (tls->head_len == HEAD_BYTES && tls->left == 0)
            tls->head_len = 0;
    }
}

/* How much may be read so that its content has room in `cap` bytes: the rest of a record that has begun, whose content
   may be larger than what is read of it, and records behind it, whose content is smaller than they are. */
static size_t room_for_records(const struct tls *tls, size_t cap)
{
    size_t whole = HEAD_BYTES + (size_t)(tls->head[3] << 8 | tls->head[4]);

    if (tls->head_len == 0)
        return min_size(max_size(cap, HEAD_BYTES), sizeof(in));
    if (tls->head_len < HEAD_BYTES)
        return HEAD_BYTES - tls->head_len;
    return min_size(tls->left + (cap > whole ? cap - whole : 0), sizeof(in));
}

/* What the library's answer to a reading means for the connection. */
static void judge(struct tls *tls, int code)
{
    if (code == MBEDTLS_ERR_SSL_WANT_READ || code == MBEDTLS_ERR_SSL_WANT_WRITE)
        return;
    if (code == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) {
        tls->state = TLS_ENDED;
    } else if (code == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET) {
        tls_session_save(tls);
    } else {
        log_info("tls", "a connection fails: %s0x%04x", code < 0 ? "-" : "", (unsigned)(code < 0 ? -code : code));
        tls->state = TLS_DEAD;
    }
}

/* Takes content out of what was read. Returns its bytes. */
static size_t decrypt(struct tls *tls, uint8_t *buf, size_t cap)
{
    size_t got = 0;

    while (tls->state == TLS_UP) {
        size_t before = in_at;
        int code = mbedtls_ssl_read(&tls->ssl, buf + got, cap - got);

        if (code > 0) {
            got += (size_t)code;
        } else if (code == 0 && cap == got) { /* only for the library to take what was read */
            if (in_at == before)
                tls->state = TLS_DEAD; /* it does not, though it must: see room_for_records */
        } else if (code == 0) {
            tls->state = TLS_DEAD; /* its word for an end without close_notify */
        } else {
            judge(tls, code);
            if (code == MBEDTLS_ERR_SSL_WANT_READ || code == MBEDTLS_ERR_SSL_WANT_WRITE)
                break;
        }
        if (got == cap && in_at == in_end)
            break;
    }
    in_at = in_end;
    return got;
}

/* Reads from the socket, and what was read. */
static enum port_result read_once(struct tls *tls, uint8_t *buf, size_t cap, size_t *n, bool *full)
{
    size_t room = room_for_records(tls, cap);
    size_t got;
    enum port_result result = port_read(tls->conn->handle, in, room, &got);

    *full = got == room;
    if (result == PORT_END || result == PORT_ERROR) {
        tls->state = TLS_DEAD;
        return PORT_ERROR; /* also when it ended: without close_notify */
    }
    if (result != PORT_OK)
        return result;
    note_records(tls, in, got);
    in_at = 0;
    in_end = got;
    *n = decrypt(tls, buf, cap);
    return *n > 0 ? PORT_OK : PORT_AGAIN;
}

static bool is_pending(const struct tls *tls)
{
    return tls->state == TLS_UP && mbedtls_ssl_get_bytes_avail(&tls->ssl) > 0;
}

static enum port_result read_some(struct tls *tls, uint8_t *buf, size_t cap, size_t *n)
{
    enum port_result result = PORT_AGAIN;
    bool full = true;

    in_at = 0;
    in_end = 0;
    if (is_pending(tls)) {
        *n = decrypt(tls, buf, cap);
        return *n > 0 ? PORT_OK : PORT_AGAIN;
    }
    for (unsigned i = 0; i < READS_MOST && result == PORT_AGAIN && full && tls->state == TLS_UP; i++)
        result = read_once(tls, buf, cap, n, &full);
    return result;
}

enum port_result tls_read(struct tls *tls, void *buf, size_t cap, size_t *n)
{
    struct arena *previous;
    enum port_result result = PORT_AGAIN;

    *n = 0;
    if (tls->state == TLS_UP) {
        previous = arena_enter(tls->arena);
        result = read_some(tls, buf, cap, n);
        arena_leave(previous);
        if (tls_has_collected())
            (void)tls_flush(tls); /* an alert */
    }
    if (*n > 0) {
        /* An end that was seen behind these bytes is told by the next call. */
        if (is_pending(tls) || tls->state != TLS_UP)
            loop_mark(&tls->again);
        return PORT_OK;
    }
    if (tls->state == TLS_ENDED)
        return PORT_END;
    return tls->state == TLS_UP ? result : PORT_ERROR;
}

void tls_on_interest(struct tls *tls)
{
    if (is_pending(tls) || tls->state == TLS_ENDED || tls->state == TLS_DEAD)
        loop_mark(&tls->again);
}
