/* TLS: a filter in a connection. Bytes go through conn_read, conn_write and conn_close as ever; who opens a connection
 * also begins its handshake here, and hears how that ended.
 *
 * Memory: a connection's library objects are in the arena of its lease (one of CONFIG_TLS_CLIENTS or
 * CONFIG_TLS_BACKENDS), certificates and keys in one of two configuration arenas (see tls_conf.c). Certificates are
 * looked at by name, time, revocation and trust before a byte of anything else is exchanged. */
#ifndef CULVERT_NET_TLS_H
#define CULVERT_NET_TLS_H

#include "net/conn.h"
#include "net/tls_settings.h"

struct tls;

/* How a handshake ended. */
enum tls_end {
    TLS_DONE,       /* bytes may be read and written */
    TLS_FAILED,     /* no version, suite or protocol in common, not TLS at all, closed, or out of memory */
    TLS_UNTRUSTED,  /* the peer's certificate is not good enough, or ours is not for it */
    TLS_NO_ALPN_H2, /* (backends) it did not agree on h2 */
};
typedef void tls_done_fn(struct conn *conn, enum tls_end end);

/* Facts of a connection that requests may be given (httpd's names). */
enum tls_fact {
    TLS_FACT_CLIENT_S_DN,     /* SSL_CLIENT_S_DN: subject of the client's certificate */
    TLS_FACT_CLIENT_I_DN,     /* SSL_CLIENT_I_DN: its issuer */
    TLS_FACT_CLIENT_M_SERIAL, /* SSL_CLIENT_M_SERIAL: its number, in upper-case hexadecimal digits */
    TLS_FACT_CLIENT_VERIFY,   /* SSL_CLIENT_VERIFY: NONE, SUCCESS or FAILED */
    TLS_FACT_PROTOCOL,        /* SSL_PROTOCOL: TLSv1.2, TLSv1.3 */
    TLS_FACT_CIPHER,          /* SSL_CIPHER: the library's name of the suite */
    TLS_FACTS,
};

#if IS_ENABLED(CONFIG_TLS)

/* Where faults in files go, one call each; the text is "FILE: what is wrong". */
typedef void tls_report_fn(void *user, struct text message);

/* Before everything else of this module. tls_prepare and tls_commit follow. */
void tls_init(void);
/* All connections must be closed. */
void tls_exit(void);

/* Reads all files again: connections that are accepted or made from now on use what they hold, old ones finish with
   what they began with. When a file is bad everything stays as it is, and the fault is logged. While hands are still
   shaken by what the reload before replaced, it waits for them. */
void tls_reload(void);

/* Whether no hands are shaken any more by what the last change replaced: only then can there be another one. */
bool tls_is_settled(void);
/* Makes ready what `wanted` say, and changes nothing yet; tls_commit or tls_abandon follows. Reads certificates, keys,
   trusted certificates and revocation lists, when they, or what is wanted of them, have changed. Nothing is done when
   neither side needs TLS. False: a file is bad, or there is no chance to make keys of; reported. Blocks. Only when
   tls_is_settled. */
bool tls_prepare(const struct tls_settings *wanted, tls_report_fn *report, void *user) MUST_USE;
/* Connections from now on use that; `wanted` are the same, and must live until the next tls_commit or tls_exit. */
void tls_commit(const struct tls_settings *wanted);
void tls_abandon(void);
/* Whether both want the same of backends, so that connections to them can stay. */
bool tls_same_for_backends(const struct tls_settings *a, const struct tls_settings *b);
/* The number of a backend is another one's from now on: its session is forgotten. */
void tls_forget_backend(unsigned slot);

/* Whether a client's connection could be taken now: a lease is free, and fewer than CONFIG_TLS_HANDSHAKES are shaking
   hands. Else listeners rest, and are woken (listener_resume) when that changes. */
bool tls_has_room(void);

/* Begins the handshake with a client on an open connection; `done` is called from the loop when it has ended, and not
   when the connection is closed before. h2: offer it by ALPN. Until then the owner leaves the connection's interest
   alone. False: no room. */
bool tls_accept(struct conn *conn, bool h2, tls_done_fn *done) MUST_USE;

/* The same with a backend. `host` is its name or literal address, NUL-terminated: for SNI (RFC 6066 3: names only), and
   what its certificate must name. `slot` is the backend's number: sessions of some CONFIG_BACKENDS are kept.
 */
bool tls_connect(struct conn *conn, struct text host, unsigned slot, tls_done_fn *done) MUST_USE;

/* Why the handshake failed, for the log: static text or text of the connection. */
const char *tls_reason(const struct conn *conn);

/* Whether ALPN chose h2. */
bool tls_is_h2(const struct conn *conn);

/* Appends a fact of a client's connection; nothing when there is none of the kind. */
void tls_put_fact(struct textbuf *b, const struct conn *conn, enum tls_fact fact);

/* Version of the library, NUL-terminated; bytes of all its arenas. */
const char *tls_library(void);
size_t tls_memory(void);

/* ---- for conn.c alone ---- */

bool tls_is_shaking(const struct tls *tls);
/* The socket is ready while hands are shaken. */
void tls_on_ready(struct tls *tls);
enum port_result tls_read(struct tls *tls, void *buf, size_t cap, size_t *n);
enum port_result tls_write(struct tls *tls, const struct gather *gather, size_t *n);
/* READABLE is wanted: bytes that were already decrypted make it so. */
void tls_on_interest(struct tls *tls);
/* Says close_notify (RFC 8446 6.1), if that can be said now. */
void tls_goodbye(struct tls *tls);
/* Gives the lease back. */
void tls_close(struct tls *tls);
/* The connection's structure is another one from now on. */
void tls_move(struct tls *tls, struct conn *conn);

#else

typedef void tls_report_fn(void *user, struct text message);

static inline bool tls_is_settled(void)
{
    return true;
}

static inline bool tls_prepare(const struct tls_settings *wanted, tls_report_fn *report, void *user)
{
    (void)wanted, (void)report, (void)user;
    return true;
}

static inline void tls_commit(const struct tls_settings *wanted)
{
    (void)wanted;
}

static inline void tls_abandon(void)
{
}

static inline bool tls_same_for_backends(const struct tls_settings *a, const struct tls_settings *b)
{
    (void)a, (void)b;
    return true;
}

static inline void tls_forget_backend(unsigned slot)
{
    (void)slot;
}

static inline void tls_init(void)
{
}

static inline void tls_exit(void)
{
}

static inline void tls_reload(void)
{
}

static inline bool tls_has_room(void)
{
    return false;
}

static inline bool tls_accept(struct conn *conn, bool h2, tls_done_fn *done)
{
    (void)conn, (void)h2, (void)done;
    return false;
}

static inline bool tls_connect(struct conn *conn, struct text host, unsigned slot, tls_done_fn *done)
{
    (void)conn, (void)host, (void)slot, (void)done;
    return false;
}

static inline const char *tls_reason(const struct conn *conn)
{
    (void)conn;
    return "";
}

static inline bool tls_is_h2(const struct conn *conn)
{
    (void)conn;
    return false;
}

static inline void tls_put_fact(struct textbuf *b, const struct conn *conn, enum tls_fact fact)
{
    (void)b, (void)conn, (void)fact;
}

static inline const char *tls_library(void)
{
    return "";
}

static inline size_t tls_memory(void)
{
    return 0;
}

static inline bool tls_is_shaking(const struct tls *tls)
{
    (void)tls;
    return false;
}

static inline void tls_on_ready(struct tls *tls)
{
    (void)tls;
}

static inline enum port_result tls_read(struct tls *tls, void *buf, size_t cap, size_t *n)
{
    (void)tls, (void)buf, (void)cap;
    *n = 0;
    return PORT_ERROR;
}

static inline enum port_result tls_write(struct tls *tls, const struct gather *gather, size_t *n)
{
    (void)tls, (void)gather;
    *n = 0;
    return PORT_ERROR;
}

static inline void tls_on_interest(struct tls *tls)
{
    (void)tls;
}

static inline void tls_goodbye(struct tls *tls)
{
    (void)tls;
}

static inline void tls_close(struct tls *tls)
{
    (void)tls;
}

static inline void tls_move(struct tls *tls, struct conn *conn)
{
    (void)tls, (void)conn;
}

#endif

#endif
