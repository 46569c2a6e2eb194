/* What differs between mbedTLS 2.28 and 3.6, so that no other file asks for the version. */
#ifndef CULVERT_NET_TLS_COMPAT_H
#define CULVERT_NET_TLS_COMPAT_H

#include "compiler.h"

#include <mbedtls/gcm.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/oid.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/sha256.h>
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crl.h>
#include <mbedtls/x509_crt.h>

/* All chance comes from the port (tls_conf.c). */
int tls_random(void *unused, unsigned char *out, size_t len);

/* Sessions of clients by their id (tls_session.c). 0, or not 0 when there is none. */
int tls_cache_find(const unsigned char *id, size_t len, mbedtls_ssl_session *session);
int tls_cache_keep(const unsigned char *id, size_t len, const mbedtls_ssl_session *session);

#if MBEDTLS_VERSION_NUMBER >= 0x03000000

/* Why not without: see tls_psa.c. */
#if defined(MBEDTLS_SSL_PROTO_TLS1_3) && defined(MBEDTLS_PSA_CRYPTO_EXTERNAL_RNG)
#include <psa/crypto.h>
#define TLS_HAS_13 1
#else
#define TLS_HAS_13 0
#endif
#if defined(MBEDTLS_USE_PSA_CRYPTO) && !defined(MBEDTLS_PSA_CRYPTO_EXTERNAL_RNG)
#error "mbedTLS with MBEDTLS_USE_PSA_CRYPTO must be built with MBEDTLS_PSA_CRYPTO_EXTERNAL_RNG, too"
#endif

static inline int tls_parse_key(mbedtls_pk_context *pk, const unsigned char *key, size_t len)
{
    return mbedtls_pk_parse_key(pk, key, len, NULL, 0, tls_random, NULL);
}

static inline int tls_check_pair(const mbedtls_x509_crt *crt, const mbedtls_pk_context *key)
{
    return mbedtls_pk_check_pair(&crt->pk, key, tls_random, NULL);
}

static inline int tls_sign(mbedtls_pk_context *pk, const unsigned char *hash, unsigned char *sig, size_t cap, size_t *n)
{
    return mbedtls_pk_sign(pk, MBEDTLS_MD_SHA256, hash, 32, sig, cap, n, tls_random, NULL);
}

static inline void tls_sha256(const unsigned char *in, size_t len, unsigned char out[32])
{
    (void)mbedtls_sha256(in, len, out, 0); /* it cannot fail in software */
}

static inline bool tls_is_over(mbedtls_ssl_context *ssl)
{
    return mbedtls_ssl_is_handshake_over(ssl) != 0;
}

/* Whether this version was agreed on. */
static inline bool tls_is_13(const mbedtls_ssl_context *ssl)
{
    return mbedtls_ssl_get_version_number(ssl) == MBEDTLS_SSL_VERSION_TLS1_3;
}

/* Gives a connection another configuration. */
static inline void tls_use_conf(mbedtls_ssl_context *ssl, const mbedtls_ssl_config *conf)
{
    ssl->MBEDTLS_PRIVATE(conf) = conf;
}

static inline void tls_conf_versions(mbedtls_ssl_config *conf, bool tls12, bool tls13)
{
    mbedtls_ssl_conf_min_tls_version(conf, tls12 ? MBEDTLS_SSL_VERSION_TLS1_2 : MBEDTLS_SSL_VERSION_TLS1_3);
    mbedtls_ssl_conf_max_tls_version(conf,
                                     TLS_HAS_13 && tls13 ? MBEDTLS_SSL_VERSION_TLS1_3 : MBEDTLS_SSL_VERSION_TLS1_2);
}

static const uint16_t tls_groups[] = {MBEDTLS_SSL_IANA_TLS_GROUP_X25519, MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1,
                                      MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1, MBEDTLS_SSL_IANA_TLS_GROUP_NONE};
static const uint16_t tls_sig_algs[] = {MBEDTLS_TLS1_3_SIG_ECDSA_SECP256R1_SHA256,
                                        MBEDTLS_TLS1_3_SIG_ECDSA_SECP384R1_SHA384,
                                        MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA256,
                                        MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA384,
                                        MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA512,
                                        MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA256,
                                        MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA384,
                                        MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA512,
                                        MBEDTLS_TLS1_3_SIG_NONE};

static inline void tls_conf_algorithms(mbedtls_ssl_config *conf)
{
    mbedtls_ssl_conf_groups(conf, tls_groups);
    mbedtls_ssl_conf_sig_algs(conf, tls_sig_algs);
}

static inline int tls_cache_get_cb(void *unused, unsigned char const *id, size_t len, mbedtls_ssl_session *session)
{
    (void)unused;
    return tls_cache_find(id, len, session);
}

static inline int tls_cache_set_cb(void *unused, unsigned char const *id, size_t len,
                                   const mbedtls_ssl_session *session)
{
    (void)unused;
    return tls_cache_keep(id, len, session);
}

#else

#define TLS_HAS_13 0

static inline int tls_parse_key(mbedtls_pk_context *pk, const unsigned char *key, size_t len)
{
    return mbedtls_pk_parse_key(pk, key, len, NULL, 0);
}

static inline int tls_check_pair(const mbedtls_x509_crt *crt, const mbedtls_pk_context *key)
{
    return mbedtls_pk_check_pair(&crt->pk, key);
}

static inline int tls_sign(mbedtls_pk_context *pk, const unsigned char *hash, unsigned char *sig, size_t cap, size_t *n)
{
    (void)cap;
    return mbedtls_pk_sign(pk, MBEDTLS_MD_SHA256, hash, 32, sig, n, tls_random, NULL);
}

static inline void tls_sha256(const unsigned char *in, size_t len, unsigned char out[32])
{
    (void)mbedtls_sha256_ret(in, len, out, 0); /* it cannot fail in software */
}

static inline bool tls_is_over(const mbedtls_ssl_context *ssl)
{
    return ssl->state == MBEDTLS_SSL_HANDSHAKE_OVER;
}

static inline bool tls_is_13(const mbedtls_ssl_context *ssl)
{
    (void)ssl;
    return false;
}

static inline void tls_use_conf(mbedtls_ssl_context *ssl, const mbedtls_ssl_config *conf)
{
    ssl->conf = conf;
}

static inline void tls_conf_versions(mbedtls_ssl_config *conf, bool tls12, bool tls13)
{
    (void)tls12, (void)tls13;
    mbedtls_ssl_conf_min_version(conf, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
    mbedtls_ssl_conf_max_version(conf, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
}

static const mbedtls_ecp_group_id tls_groups[] = {MBEDTLS_ECP_DP_CURVE25519, MBEDTLS_ECP_DP_SECP256R1,
                                                  MBEDTLS_ECP_DP_SECP384R1, MBEDTLS_ECP_DP_NONE};
static const int tls_hashes[] = {MBEDTLS_MD_SHA256, MBEDTLS_MD_SHA384, MBEDTLS_MD_SHA512, MBEDTLS_MD_NONE};

static inline void tls_conf_algorithms(mbedtls_ssl_config *conf)
{
    mbedtls_ssl_conf_curves(conf, tls_groups);
    mbedtls_ssl_conf_sig_hashes(conf, tls_hashes);
}

static inline int tls_cache_get_cb(void *unused, mbedtls_ssl_session *session)
{
    (void)unused;
    return tls_cache_find(session->id, session->id_len, session);
}

static inline int tls_cache_set_cb(void *unused, const mbedtls_ssl_session *session)
{
    (void)unused;
    return tls_cache_keep(session->id, session->id_len, session);
}

#endif

/* An error that some versions do not have gets a number that no call returns. */
#ifndef MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET
#define MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET (-0x7FFE)
#endif
#ifndef MBEDTLS_ERR_SSL_NO_CIPHER_CHOSEN
#define MBEDTLS_ERR_SSL_NO_CIPHER_CHOSEN MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE
#endif
#ifndef MBEDTLS_ERR_SSL_BAD_HS_PROTOCOL_VERSION
#define MBEDTLS_ERR_SSL_BAD_HS_PROTOCOL_VERSION MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION
#endif
#ifndef MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE
#define MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE (-0x7FFD)
#endif

#ifndef MBEDTLS_PRIVATE
#define MBEDTLS_PRIVATE(member) member
#endif

/* The peer's alert, when that is what a call ended with (RFC 8446 6). */
static inline unsigned tls_alert(const mbedtls_ssl_context *ssl)
{
    return ssl->MBEDTLS_PRIVATE(in_msg) != NULL ? ssl->MBEDTLS_PRIVATE(in_msg)[1] : 0;
}

/* The same when it came in clear though keys were agreed on: so OpenSSL refuses a certificate of TLS 1.3, and the
   library could not decrypt it. 0: it was something else. */
static inline unsigned tls_clear_alert(const mbedtls_ssl_context *ssl)
{
    const unsigned char *record = ssl->MBEDTLS_PRIVATE(in_hdr);

    return record != NULL && record[0] == MBEDTLS_SSL_MSG_ALERT && record[3] == 0 && record[4] == 2 ? record[6] : 0;
}

/* Whether the library has encrypted bytes that tls_on_send did not take. Its mbedtls_ssl_write would send those, and
   say that it had sent what it was given. */
static inline bool tls_has_output(const mbedtls_ssl_context *ssl)
{
    return ssl->MBEDTLS_PRIVATE(out_left) != 0;
}

#if defined(MBEDTLS_ECP_RESTARTABLE)
#include <mbedtls/ecp.h>
/* What an operation that rests keeps in its connection's arena. */
#define TLS_RESTART_BYTES 8192
/* An operation with elliptic curves is done in pieces of some milliseconds. */
static inline void tls_limit_operations(void)
{
    mbedtls_ecp_set_max_ops(1000);
}
#else
#define TLS_RESTART_BYTES 0
static inline void tls_limit_operations(void)
{
}
#endif

#endif
