/* What mbedTLS 3.6 needs for TLS 1.3: its PSA module, with the port's random numbers, and room for its keys.
 *
 * The module's own random generator allocates when it is seeded anew, in what would be a connection's arena. So TLS 1.3
 * is spoken only with a library that was built with MBEDTLS_PSA_CRYPTO_EXTERNAL_RNG. */
#include "net/tls_impl.h"

#if TLS_HAS_13

psa_status_t mbedtls_psa_external_get_random(mbedtls_psa_external_random_context_t *unused, uint8_t *out, size_t size,
                                             size_t *len)
{
    (void)unused;
    if (!port_random(out, size))
        return PSA_ERROR_INSUFFICIENT_ENTROPY;
    *len = size;
    return PSA_SUCCESS;
}

/* The table of keys grows when many are used at once, and never shrinks: so it is grown here, once. */
static bool grow_keys(void)
{
    static psa_key_id_t ids[TLS_PSA_KEYS];
    static const uint8_t bytes[16] = {1};
    psa_key_attributes_t attributes = PSA_KEY_ATTRIBUTES_INIT;
    unsigned made = 0;
    bool ok;

    psa_set_key_type(&attributes, PSA_KEY_TYPE_RAW_DATA);
    while (made < TLS_PSA_KEYS && psa_import_key(&attributes, bytes, sizeof(bytes), &ids[made]) == PSA_SUCCESS)
        made++;
    ok = made == TLS_PSA_KEYS;
    while (made > 0)
        (void)psa_destroy_key(ids[--made]);
    return ok;
}

bool tls_library_init(void)
{
    return psa_crypto_init() == PSA_SUCCESS && grow_keys();
}

void tls_library_exit(void)
{
    mbedtls_psa_crypto_free();
}

#else

bool tls_library_init(void)
{
    return true;
}

void tls_library_exit(void)
{
}

#endif
