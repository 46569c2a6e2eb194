/* Bytes of a TLS connection: records out of what was gathered, and what the socket's records hold.
 *
 * Both directions use one buffer of the process. Received bytes are only read as far as their content has room with
 * the caller, so that none is left in the buffer; a part of a record waits in the library. Encrypted bytes that the
 * socket does not take are kept in the lease. They were promised to the peer as they are, so their last byte is told as
 * not taken: the caller comes again, and never believes all was sent when it was not. */
#include "net/tls_impl.h"

#include <string.h>

/* Records are small at first and after a pause, so that each arrives in one packet and can be used at once; then large,
   which costs least. */
#define SMALL_RECORD 1400u
#define SMALL_FOR 32768u
#define PAUSE_MS 1000u
/* What a record adds to its content: head, explicit nonce, content type, tag. */
#define RECORD_COST 64u
#define HEAD_BYTES 5u
/* A reading begins anew when a record was not complete with the first one. */
#define READS_MOST 3

static uint8_t in[CONFIG_INPUT_SIZE]; /* in[in_at, in_end) is for the library */
static size_t in_at;
static size_t in_end;
static uint8_t out[CONFIG_TLS_OUTPUT]; /* out[0, out_end): encrypted in this call */
static size_t out_end;
static uint8_t joined[CONFIG_TLS_RECORD_OUT]; /* a record's content that was in several segments */

/* ---- the library's calls ---- */

/* Hands encrypted bytes to the socket, and keeps what it does not take. */
static enum port_result send_out(struct tls *tls)
{
    struct port_iov iov = {out, out_end};
    enum port_result result;
    size_t n = 0;

    if (out_end == 0)
        return PORT_OK;
    result = port_writev(tls->conn->handle, &iov, 1, &n);
    if (result == PORT_ERROR)
        tls->flat = true;
    if (n < out_end) {
        memcpy(tls->out, out + n, out_end - n);
        tls->out_at = 0;
        tls->out_end = (uint32_t)(out_end - n);
        result = result == PORT_OK ? PORT_AGAIN : result;
    }
    out_end = 0;
    return result;
}

/* Hands the bytes that were kept to the socket. */
static enum port_result send_kept(struct tls *tls)
{
    struct port_iov iov = {tls->out + tls->out_at, tls->out_end - tls->out_at};
    enum port_result result;
    size_t n = 0;

    if (tls->flat)
        return PORT_ERROR;
    if (iov.len == 0)
        return PORT_OK;
    result = port_writev(tls->conn->handle, &iov, 1, &n);
    if (result == PORT_ERROR)
        tls->flat = true;
    tls->out_at += (uint32_t)n;
    return result == PORT_OK && tls->out_at < tls->out_end ? PORT_AGAIN : result;
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
    size_t n;

    if (tls->flat)
        return MBEDTLS_ERR_NET_CONN_RESET;
    if (tls->out_at < tls->out_end && send_kept(tls) != PORT_OK)
        return tls->flat ? MBEDTLS_ERR_NET_CONN_RESET : MBEDTLS_ERR_SSL_WANT_WRITE;
    if (out_end == sizeof(out) && send_out(tls) != PORT_OK)
        return tls->flat ? MBEDTLS_ERR_NET_CONN_RESET : MBEDTLS_ERR_SSL_WANT_WRITE;
    n = min_size(len, sizeof(out) - out_end);
    memcpy(out + out_end, buf, n);
    out_end += n;
    return (int)n;
}

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
        if (out_end > 0)
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

/* ---- writing ---- */

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

/* Makes one record. False: the library failed. */
static bool encrypt(struct tls *tls, const struct gather *gather, size_t *taken)
{
    size_t size = min_size(record_size(tls), sizeof(out) - out_end - RECORD_COST);
    struct text piece = piece_of(gather, *taken, min_size(size, gather->total - *taken));
    int code;

    if (piece.len == 0)
        piece = text_make(joined, gather_rest(gather, *taken, joined, min_size(size, sizeof(joined))));
    code = mbedtls_ssl_write(&tls->ssl, (const unsigned char *)piece.ptr, piece.len);
    if (code <= 0) {
        tls->state = TLS_DEAD;
        return false;
    }
    *taken += (size_t)code;
    tls->sent = (uint32_t)min_size(tls->sent + (size_t)code, SMALL_FOR);
    return true;
}

/* Encrypts as much as one write takes, and writes it. */
static enum port_result write_records(struct tls *tls, const struct gather *gather, size_t *n)
{
    enum port_result result;

    if (loop_now() - tls->sent_at > PAUSE_MS)
        tls->sent = 0;
    tls->sent_at = loop_now();
    while (*n < gather->total && sizeof(out) - out_end > 2 * (size_t)RECORD_COST) {
        if (!encrypt(tls, gather, n))
            return PORT_ERROR;
    }
    result = send_out(tls);
    if (result != PORT_AGAIN)
        return result;
    tls->held = true;
    (*n)--;
    return *n > 0 ? PORT_OK : PORT_AGAIN;
}

enum port_result tls_write(struct tls *tls, const struct gather *gather, size_t *n)
{
    struct arena *previous;
    enum port_result result = send_kept(tls);

    *n = 0;
    if (tls->state == TLS_DEAD || tls->said)
        return PORT_ERROR;
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
