/* What the operator chose for TLS: names of files, whom to believe, what to offer. Filled by the configuration. */
#ifndef CULVERT_NET_TLS_SETTINGS_H
#define CULVERT_NET_TLS_SETTINGS_H

#include "base/text.h"

/* A certificate with its chain, and its key: PEM or DER files, NUL-terminated names. */
struct tls_pair {
    const char *cert;
    const char *key;
};

enum tls_verify {
    TLS_VERIFY_NONE,     /* the peer is not asked for a certificate, or it is not looked at */
    TLS_VERIFY_OPTIONAL, /* a certificate that it has must be good */
    TLS_VERIFY_NO_CA,    /* it may have one, whatever it is worth (httpd's optional_no_ca) */
    TLS_VERIFY_REQUIRE,  /* it must have a good one */
};

/* Whom to believe on one side. */
struct tls_trust {
    const char *ca;  /* file of trusted certificates; NULL: none (clients), the system's (backends) */
    const char *crl; /* file of revocation lists; NULL: none */
    uint8_t verify;  /* enum tls_verify */
    uint8_t depth;   /* certificates above the peer's own, at most */
    bool any_name;   /* SSLProxyCheckPeerName Off: the name is not compared */
    bool any_time;   /* SSLProxyCheckPeerExpire Off: neither beginning nor end of its validity count */
};

#define TLS_PIN_BYTES 32 /* SHA-256 of a certificate's DER */
#define TLS_SUITES_MOST 12
#define TLS_DEPTH_MOST 8 /* intermediate certificates that the library looks at */

struct tls_settings {
    bool serves;   /* a Listen https */
    bool connects; /* an h2:// backend */
    bool tls12;    /* versions that may be spoken */
    bool tls13;
    bool h2_only; /* clients are offered nothing but h2 by ALPN */
    bool tickets; /* SSLSessionTickets */
    uint8_t pair_count;
    struct tls_pair pairs[CONFIG_TLS_CERTS];
    struct tls_trust clients;
    struct tls_trust backends;
    const char *machine; /* SSLProxyMachineCertificateFile: certificate and key in one file; NULL: none */
    uint8_t pin_count;
    uint8_t pins[CONFIG_TLS_PINS][TLS_PIN_BYTES]; /* a backend must have one of these certificates; nothing else is
                                                     asked of it then */
    uint8_t suite_count;                          /* 0: all, in the build's order */
    uint16_t suites[TLS_SUITES_MOST];             /* numbers of the registry of cipher suites, best first */
};

/* The file of certificates that backends' are checked against. NULL: none is needed. */
static inline const char *tls_backend_ca(const struct tls_settings *s)
{
    if (s->backends.ca)
        return s->backends.ca;
    return s->connects && s->backends.verify != TLS_VERIFY_NONE && s->pin_count == 0 ? CONFIG_TLS_CA_FILE : NULL;
}

#endif
