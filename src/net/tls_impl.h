/* What the files of TLS share, and nobody else sees. */
#ifndef CULVERT_NET_TLS_IMPL_H
#define CULVERT_NET_TLS_IMPL_H

#include "base/addr.h"
#include "base/arena.h"
#include "base/log.h"
#include "base/panic.h"
#include "net/tls.h"
#include "net/tls_compat.h"

#include <stdalign.h>

/* Head, IV or nonce, tag, and what the library reserves for older suites, of a record. */
#define TLS_RECORD_ADDED 400
/* Bytes of a connection's arena, when the peer's certificates may take so many. */
#define TLS_ARENA(certs)                                                                                               \
    ((CONFIG_TLS_RECORD_IN + CONFIG_TLS_RECORD_OUT + 2 * TLS_RECORD_ADDED + CONFIG_TLS_ARENA_BASE +                    \
      TLS_RESTART_BYTES + (certs) + ARENA_ALIGN - 1) /                                                                 \
     ARENA_ALIGN * ARENA_ALIGN)
#define TLS_SNI_MOST 255

/* ---- tls_conf.c: one of the two sets of certificates ---- */

struct tls_cert {
    mbedtls_x509_crt crt; /* with its chain */
    mbedtls_pk_context key;
};

struct tls_conf {
    struct arena *arena;
    uint32_t users; /* connections whose hands are shaken by it */
    bool ready;     /* everything in it is whole */
    uint16_t cert_count;
    struct tls_cert certs[CONFIG_TLS_CERTS];
    struct tls_cert machine;
    mbedtls_x509_crt client_ca;
    mbedtls_x509_crl client_crl;
    mbedtls_x509_crt backend_ca;
    mbedtls_x509_crl backend_crl;
    mbedtls_ssl_config server[2]; /* without and with h2 in ALPN */
    mbedtls_ssl_config client;
    int suites[TLS_SUITES_MOST + 1]; /* those of the settings that the library has */
    uint64_t stamp;                  /* of its files when they were read */
};

const struct tls_settings *tls_settings(void);
/* What new connections begin with. It is used until tls_conf_leave. */
struct tls_conf *tls_conf_join(void);
void tls_conf_leave(struct tls_conf *conf);
/* The handshake is over: from now on the connection needs none of its certificates, and leaves the set. */
void tls_conf_rest(struct tls *tls);
/* What connections have then. The shared arena is current. False: no memory. */
bool tls_conf_resting_init(void);
void tls_conf_resting_exit(void);
/* SNI: the certificates that a name chooses. */
int tls_conf_on_name(void *user, mbedtls_ssl_context *ssl, const unsigned char *name, size_t len);

/* ---- tls_same.c: what a reload changes ---- */

/* Whether both settings want the same files for the same purpose. */
bool tls_settings_same(const struct tls_settings *a, const struct tls_settings *b);
/* A number that changes with the files that the settings name. */
uint64_t tls_files_stamp(const struct tls_settings *s);

/* ---- tls_load.c: files ---- */

/* Where a fault is told. */
struct tls_loader {
    struct tls_conf *conf;
    tls_report_fn *report;
    void *user;
};
/* Each: false, and it was reported. The conf's arena is current. */
bool tls_load_pair(const struct tls_loader *loader, const struct tls_pair *pair, struct tls_cert *cert);
bool tls_load_trusted(const struct tls_loader *loader, const char *file, mbedtls_x509_crt *ca);
bool tls_load_revoked(const struct tls_loader *loader, const char *file, mbedtls_x509_crl *crl);
void tls_load_fault(const struct tls_loader *loader, const char *file, const char *what, int code);

/* ---- tls_name.c: whom a certificate names ---- */

/* Whether it names this host (RFC 6125: DNS names, with a wildcard as the whole first label, or an IP address; its
   common name when it has no DNS name at all). `host` has no brackets. */
bool tls_name_matches(const mbedtls_x509_crt *crt, struct text host);
/* The same for one DNS name of a certificate, which may be a pattern. Pure. */
bool tls_name_fits(struct text pattern, struct text host);

/* ---- a connection ---- */

enum tls_state {
    TLS_SHAKING, /* the handshake */
    TLS_UP,      /* bytes */
    TLS_ENDED,   /* nothing: the peer said close_notify; we may still write */
    TLS_DEAD,    /* nothing at all: an error, or the handshake failed */
};

struct tls {
    mbedtls_ssl_context ssl;
    struct conn *conn;
    struct arena *arena;
    struct tls_conf *conf; /* NULL: the handshake is over */
    tls_done_fn *done;
    struct list turn; /* on the list of those that wait for a turn in their handshake */
    struct task again;
    enum tls_state state;
    enum tls_end end;      /* of a handshake that failed */
    bool client;           /* we are: a connection to a backend */
    bool counted;          /* among the clients that shake hands */
    bool said;             /* close_notify was sent */
    bool held;             /* the last byte that was encrypted is not yet told as taken: some of it waits */
    bool flat;             /* the socket failed while something was written */
    uint8_t head[5];       /* of the record that is being received */
    uint8_t head_len;      /* bytes of it that came */
    uint16_t left;         /* bytes of the record behind its head that are still to come */
    uint16_t slot;         /* of the backend */
    uint32_t flags;        /* what the library found wrong with the peer's certificates */
    uint32_t sent;         /* bytes since the last pause */
    uint32_t sent_at;      /* loop_now() of the last write */
    struct tls_kept *kept; /* encrypted bytes that the socket did not take; NULL: none, or the library has them */
    struct text host;      /* backends: what the certificate must name; lives as long as the configuration */
    char reason[96];
};

/* ---- tls_conn.c ---- */

/* The handshake is over or given up: other clients may begin. Harmless when it was told before. */
void tls_shake_uncount(struct tls *tls);

/* ---- tls_read.c ---- */

/* The library's reading; `user` is the struct tls. */
int tls_on_receive(void *user, unsigned char *buf, size_t len);

/* ---- tls_write.c ---- */

/* The library's writing; `user` is the struct tls. */
int tls_on_send(void *user, const unsigned char *buf, size_t len);
/* Writes encrypted bytes that wait outside the library: PORT_OK when none is left. */
enum port_result tls_flush(struct tls *tls);
/* Whether the library gave bytes to write in this call. */
bool tls_has_collected(void);
/* Forgets what is kept: the connection ends. */
void tls_drop_output(struct tls *tls);

/* ---- tls_shake.c ---- */

/* Waits for a turn. */
void tls_shake_wait(struct tls *tls);
void tls_shake_init(void);
/* The library's question about each certificate of a chain, the root first. */
int tls_on_certificate(void *user, mbedtls_x509_crt *crt, int depth, uint32_t *flags);

/* ---- tls_psa.c ---- */

/* Keys that all handshakes together have at the same time. */
#define TLS_PSA_KEYS (4 * (CONFIG_TLS_HANDSHAKES + CONFIG_TLS_BACKENDS))
/* Arena bytes of each. */
#define TLS_PSA_KEY 128
/* Prepares and frees what the library has beside contexts. The shared arena is current. False: no memory. */
bool tls_library_init(void);
void tls_library_exit(void);

/* ---- tls_session.c ---- */

/* Prepares tickets. False: no memory, or no chance. */
bool tls_session_init(void);
void tls_session_exit(void);
/* No session of a backend is resumed any more: whom we believe may have changed. */
void tls_session_forget(void);
void tls_session_conf(mbedtls_ssl_config *server);
/* Offers a backend its last session; keeps a new one. The connection's arena is current. */
void tls_session_offer(struct tls *tls);
void tls_session_save(struct tls *tls);

#endif
