/* Reads certificates, keys and revocation lists out of files, into the arena that is current.
 *
 * The library keeps intermediate results of a key's arithmetic with the key. They must not be made while a connection's
 * arena is current, which ends before the key: so each key is used once here. */
#include "base/builtin.h"
#include "net/tls_impl.h"

#include <string.h>

#define FAULT_BYTES 256
/* An RSA key's blinding values take two uses to reach their full size. */
#define SIGNATURES 3

void tls_load_fault(const struct tls_loader *loader, const char *file, const char *what, int code)
{
    char storage[FAULT_BYTES];
    struct textbuf b;

    textbuf_init(&b, storage, sizeof(storage));
    textbuf_printf(&b, "%s: %s", file, what);
    if (code != 0)
        textbuf_printf(&b, " (the library's error -0x%04x)", (unsigned)-code);
    loader->report(loader->user, textbuf_text(&b));
}

static const char *text_of_code(int code, const char *otherwise)
{
    switch (code) {
    case MBEDTLS_ERR_X509_ALLOC_FAILED:
    case MBEDTLS_ERR_PK_ALLOC_FAILED: return "no room: raise CONFIG_TLS_CONF_ARENA";
    case MBEDTLS_ERR_PK_PASSWORD_REQUIRED: return "the key is encrypted";
    default: return otherwise;
    }
}

/* Why a file was not read. */
static const char *unread(enum port_result result)
{
    if (result == PORT_END)
        return "no room: raise CONFIG_TLS_CONF_ARENA";
    if (port_error() == PORT_FAULT_DENIED)
        return "permission denied to the user who runs this (-t is for the one who starts culvert)";
    return port_fault_text(port_error());
}

/* A file's bytes, and a NUL behind them, in a block of the arena. NULL: reported. */
static unsigned char *read_file(const struct tls_loader *loader, const char *file, size_t *len)
{
    struct arena *arena = loader->conf->arena;
    struct arena_stats stats;
    unsigned char *bytes;
    enum port_result result = PORT_END;

    arena_stats(arena, &stats);
    bytes = stats.largest_free > ARENA_ALIGN ? arena_alloc(arena, stats.largest_free - ARENA_ALIGN) : NULL;
    if (bytes)
        result = builtin_read_file(file, bytes, stats.largest_free - ARENA_ALIGN - 1, len);
    if (result == PORT_OK) {
        bytes[*len] = '\0';
        return arena_realloc(arena, bytes, *len + 1);
    }
    tls_load_fault(loader, file, unread(result), 0);
    arena_free(arena, bytes);
    return NULL;
}

static void drop_file(const struct tls_loader *loader, unsigned char *bytes, size_t len)
{
    mbedtls_platform_zeroize(bytes, len); /* it may hold a key */
    arena_free(loader->conf->arena, bytes);
}

/* What the library calls the length: with the NUL for PEM, without for DER. */
static size_t counted(const unsigned char *bytes, size_t len)
{
    return strstr((const char *)bytes, "-----BEGIN ") != NULL ? len + 1 : len;
}

/* Uses a public key: the verification fails, but has done its arithmetic. */
static void warm_public(mbedtls_pk_context *pk)
{
    static const unsigned char ec[] = {0x30, 6, 2, 1, 1, 2, 1, 1}; /* r = s = 1 */
    unsigned char hash[32];
    unsigned char rsa[1024];
    size_t len = min_size(mbedtls_pk_get_len(pk), sizeof(rsa));

    memset(hash, 1, sizeof(hash));
    memset(rsa, 1, sizeof(rsa));
    if (mbedtls_pk_get_type(pk) == MBEDTLS_PK_RSA)
        (void)mbedtls_pk_verify(pk, MBEDTLS_MD_SHA256, hash, sizeof(hash), rsa, len);
    else
        (void)mbedtls_pk_verify(pk, MBEDTLS_MD_SHA256, hash, sizeof(hash), ec, sizeof(ec));
}

static bool warm_private(mbedtls_pk_context *pk)
{
    unsigned char hash[32];
    unsigned char sig[1024];
    size_t n;

    memset(hash, 1, sizeof(hash));
    for (unsigned i = 0; i < SIGNATURES; i++) {
        if (tls_sign(pk, hash, sig, sizeof(sig), &n) != 0)
            return false;
    }
    return true;
}

static bool load_chain(const struct tls_loader *loader, const char *file, mbedtls_x509_crt *crt, bool all)
{
    size_t len;
    unsigned char *bytes = read_file(loader, file, &len);
    int code;

    if (!bytes)
        return false;
    code = mbedtls_x509_crt_parse(crt, bytes, counted(bytes, len));
    drop_file(loader, bytes, len);
    if (code < 0 || (code > 0 && all) || crt->raw.len == 0) {
        tls_load_fault(loader, file, text_of_code(code, "no certificate that can be read"), code < 0 ? code : 0);
        return false;
    }
    if (code > 0)
        log_warn("tls", "%s: %d certificates are left out: they cannot be read", file, code);
    return true;
}

static bool load_key(const struct tls_loader *loader, const char *file, mbedtls_pk_context *key)
{
    size_t len;
    unsigned char *bytes = read_file(loader, file, &len);
    int code;

    if (!bytes)
        return false;
    code = tls_parse_key(key, bytes, counted(bytes, len));
    drop_file(loader, bytes, len);
    if (code != 0)
        tls_load_fault(loader, file, text_of_code(code, "no private key that can be read"), code);
    return code == 0;
}

bool tls_load_pair(const struct tls_loader *loader, const struct tls_pair *pair, struct tls_cert *cert)
{
    mbedtls_x509_crt_init(&cert->crt);
    mbedtls_pk_init(&cert->key);
    if (!load_chain(loader, pair->cert, &cert->crt, true) || !load_key(loader, pair->key, &cert->key))
        return false;
    if (tls_check_pair(&cert->crt, &cert->key) != 0) {
        tls_load_fault(loader, pair->key, "the key is not that of the certificate", 0);
        return false;
    }
    if (!warm_private(&cert->key)) {
        tls_load_fault(loader, pair->key, "the key cannot sign, or no room: raise CONFIG_TLS_CONF_ARENA", 0);
        return false;
    }
    return true;
}

bool tls_load_trusted(const struct tls_loader *loader, const char *file, mbedtls_x509_crt *ca)
{
    struct arena_stats stats;

    if (!load_chain(loader, file, ca, false))
        return false;
    for (mbedtls_x509_crt *crt = ca; crt != NULL; crt = crt->next)
        warm_public(&crt->pk);
    arena_stats(loader->conf->arena, &stats);
    if (stats.refused > 0) {
        tls_load_fault(loader, file, "no room: raise CONFIG_TLS_CONF_ARENA", 0);
        return false;
    }
    return true;
}

bool tls_load_revoked(const struct tls_loader *loader, const char *file, mbedtls_x509_crl *crl)
{
    size_t len;
    unsigned char *bytes = read_file(loader, file, &len);
    int code;

    if (!bytes)
        return false;
    code = mbedtls_x509_crl_parse(crl, bytes, counted(bytes, len));
    drop_file(loader, bytes, len);
    if (code != 0)
        tls_load_fault(loader, file, text_of_code(code, "no revocation list that can be read"), code);
    return code == 0;
}
