/* Whom a certificate names (RFC 6125, RFC 9110 4.3.4). */
#include "net/tls_impl.h"

#define SAN_DNS 2 /* GeneralName, RFC 5280 4.2.1.6 */
#define SAN_IP 7
#define SAN_KIND 0x1F

bool tls_name_fits(struct text pattern, struct text host)
{
    size_t dot;

    if (host.len > 0 && host.ptr[host.len - 1] == '.')
        host.len--; /* the root's dot */
    if (text_eq_nocase(pattern, host))
        return pattern.len > 0;
    /* A wildcard stands for one whole label, the first, and not for all of a top domain. */
    if (!text_starts(pattern, TEXT("*.")))
        return false;
    dot = text_find(host, '.', 0);
    pattern = text_skip(pattern, 1);
    return dot > 0 && dot < host.len && text_find(pattern, '.', 1) < pattern.len &&
           text_eq_nocase(pattern, text_skip(host, dot));
}

static bool address_fits(const mbedtls_x509_buf *san, const struct port_addr *addr)
{
    size_t len = addr->family == PORT_IPV4 ? 4 : 16;

    return san->len == len && memcmp(san->p, addr->ip, len) == 0;
}

/* Its common name, which counts only when there is no DNS name (RFC 6125 6.4.4). */
static bool common_name_fits(const mbedtls_x509_crt *crt, struct text host)
{
    for (const mbedtls_x509_name *name = &crt->subject; name != NULL; name = name->next) {
        if (MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &name->oid) == 0 &&
            tls_name_fits(text_make(name->val.p, name->val.len), host))
            return true;
    }
    return false;
}

bool tls_name_matches(const mbedtls_x509_crt *crt, struct text host)
{
    struct port_addr addr;
    bool literal = addr_parse(host, &addr);
    bool named = false;

    for (const mbedtls_x509_sequence *san = &crt->subject_alt_names; san != NULL; san = san->next) {
        int kind = san->buf.tag & SAN_KIND;

        if (san->buf.p == NULL)
            continue;
        if (kind == SAN_DNS) {
            named = true;
            if (!literal && tls_name_fits(text_make(san->buf.p, san->buf.len), host))
                return true;
        } else if (kind == SAN_IP && literal && address_fits(&san->buf, &addr)) {
            return true;
        }
    }
    return !named && !literal && common_name_fits(crt, host);
}
