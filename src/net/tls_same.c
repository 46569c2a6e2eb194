/* What a reload changes of TLS: settings that are the same by content, and files that are the same by their stamps. */
#include "net/tls_impl.h"

#include <string.h>

static bool same_name(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_trust(const struct tls_trust *a, const struct tls_trust *b)
{
    return same_name(a->ca, b->ca) && same_name(a->crl, b->crl) && a->verify == b->verify && a->depth == b->depth &&
           a->any_name == b->any_name && a->any_time == b->any_time;
}

static bool same_offers(const struct tls_settings *a, const struct tls_settings *b)
{
    return a->tls12 == b->tls12 && a->tls13 == b->tls13 && a->suite_count == b->suite_count &&
           memcmp(a->suites, b->suites, a->suite_count * sizeof(a->suites[0])) == 0;
}

bool tls_same_for_backends(const struct tls_settings *a, const struct tls_settings *b)
{
    return same_offers(a, b) && same_trust(&a->backends, &b->backends) && same_name(a->machine, b->machine) &&
           a->pin_count == b->pin_count && memcmp(a->pins, b->pins, a->pin_count * sizeof(a->pins[0])) == 0;
}

bool tls_settings_same(const struct tls_settings *a, const struct tls_settings *b)
{
    if (a->serves != b->serves || a->connects != b->connects || a->h2_only != b->h2_only || a->tickets != b->tickets ||
        a->pair_count != b->pair_count)
        return false;
    for (unsigned i = 0; i < a->pair_count; i++)
        if (!same_name(a->pairs[i].cert, b->pairs[i].cert) || !same_name(a->pairs[i].key, b->pairs[i].key))
            return false;
    return same_trust(&a->clients, &b->clients) && tls_same_for_backends(a, b);
}

static void add_file(uint64_t *sum, const char *file)
{
    uint64_t stamp = 0;

    if (file)
        (void)port_file_stamp(file, &stamp); /* one that is not there is told when it is read */
    *sum = *sum * 31 + stamp;
}

uint64_t tls_files_stamp(const struct tls_settings *s)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < s->pair_count; i++) {
        add_file(&sum, s->pairs[i].cert);
        add_file(&sum, s->pairs[i].key);
    }
    add_file(&sum, s->clients.ca);
    add_file(&sum, s->clients.crl);
    add_file(&sum, tls_backend_ca(s));
    add_file(&sum, s->backends.crl);
    add_file(&sum, s->machine);
    return sum;
}
