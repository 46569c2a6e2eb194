/* The directives of TLS, on both sides. */
#include "ops/config_reader.h"

static void *value_of(struct conf_reader *reader, const struct conf_directive *self)
{
    return (char *)reader->config + self->field;
}

CONF_APPLY(conf_apply_tls_file)
{
    struct text name;

    (void)count;
    if (conf_store(reader, words[0], &name))
        *(const char **)value_of(reader, self) = name.ptr;
}

CONF_APPLY(conf_apply_tls_flag)
{
    (void)count;
    conf_flag(reader, words[0], value_of(reader, self));
}

/* A flag whose field says the opposite. */
CONF_APPLY(conf_apply_tls_unless)
{
    bool on;

    (void)count;
    if (conf_flag(reader, words[0], &on))
        *(bool *)value_of(reader, self) = !on;
}

/* What cannot be chosen: self->max is the only value. */
CONF_APPLY(conf_apply_tls_fixed)
{
    bool on;

    (void)count;
    if (conf_flag(reader, words[0], &on) && on != (self->max != 0))
        conf_warn(reader, words[0], "it is always %s", on ? "Off" : "On");
}

CONF_APPLY(conf_apply_tls_certificate)
{
    struct tls_settings *tls = &reader->config->tls;
    struct text name;

    (void)self, (void)count;
    if (tls->pair_count == CONFIG_TLS_CERTS) {
        conf_error(reader, words[0], "expected at most %d certificates: raise CONFIG_TLS_CERTS", CONFIG_TLS_CERTS);
        return;
    }
    if (!conf_store(reader, words[0], &name))
        return;
    tls->pairs[tls->pair_count++].cert = name.ptr;
}

/* The nth key is that of the nth certificate, in any order of lines. */
CONF_APPLY(conf_apply_tls_key)
{
    struct tls_settings *tls = &reader->config->tls;
    struct text name;
    unsigned i = 0;

    (void)self, (void)count;
    while (i < CONFIG_TLS_CERTS && tls->pairs[i].key != NULL)
        i++;
    if (i == CONFIG_TLS_CERTS) {
        conf_error(reader, words[0], "expected at most %d keys: raise CONFIG_TLS_CERTS", CONFIG_TLS_CERTS);
        return;
    }
    if (conf_store(reader, words[0], &name))
        tls->pairs[i].key = name.ptr;
}

/* "all -TLSv1.2", "TLSv1.2 +TLSv1.3". Older versions can be taken away, as known configurations do, but not added. */
CONF_APPLY(conf_apply_tls_protocol)
{
    struct tls_settings *tls = &reader->config->tls;
    bool tls12 = false, tls13 = false;

    (void)self;
    for (unsigned i = 0; i < count; i++) {
        bool minus = words[i].len > 0 && words[i].ptr[0] == '-';
        bool sign = minus || (words[i].len > 0 && words[i].ptr[0] == '+');
        struct text name = text_skip(words[i], sign);
        bool all = text_eq_nocase(name, TEXT("all"));
        bool old = text_eq_nocase(name, TEXT("SSLv3")) || text_eq_nocase(name, TEXT("TLSv1")) ||
                   text_eq_nocase(name, TEXT("TLSv1.1"));

        if (all || text_eq_nocase(name, TEXT("TLSv1.2")))
            tls12 = !minus;
        if (all || text_eq_nocase(name, TEXT("TLSv1.3")))
            tls13 = !minus;
        if (old && !minus)
            conf_warn(reader, words[i], "never spoken: only TLSv1.2 and TLSv1.3 are");
        else if (!old && !all && !text_eq_nocase(name, TEXT("TLSv1.2")) && !text_eq_nocase(name, TEXT("TLSv1.3")))
            conf_error(reader, words[i], "expected all, TLSv1.2 or TLSv1.3, perhaps with + or -");
    }
    if (!tls12 && !tls13)
        conf_error(reader, CONF_NO_WORD, "expected TLSv1.2 or TLSv1.3 to be left");
    tls->tls12 = tls12;
    tls->tls13 = tls13;
}

static const struct {
    struct text openssl;
    struct text iana;
    uint16_t number;
} suites[] = {
    {TEXT_INIT("ECDHE-ECDSA-AES128-GCM-SHA256"), TEXT_INIT("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"), 0xC02B},
    {TEXT_INIT("ECDHE-RSA-AES128-GCM-SHA256"), TEXT_INIT("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"), 0xC02F},
    {TEXT_INIT("ECDHE-ECDSA-AES256-GCM-SHA384"), TEXT_INIT("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"), 0xC02C},
    {TEXT_INIT("ECDHE-RSA-AES256-GCM-SHA384"), TEXT_INIT("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"), 0xC030},
    {TEXT_INIT("ECDHE-ECDSA-CHACHA20-POLY1305"), TEXT_INIT("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"), 0xCCA9},
    {TEXT_INIT("ECDHE-RSA-CHACHA20-POLY1305"), TEXT_INIT("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"), 0xCCA8},
    {TEXT_INIT("TLS_AES_128_GCM_SHA256"), TEXT_INIT("TLS_AES_128_GCM_SHA256"), 0x1301},
    {TEXT_INIT("TLS_AES_256_GCM_SHA384"), TEXT_INIT("TLS_AES_256_GCM_SHA384"), 0x1302},
    {TEXT_INIT("TLS_CHACHA20_POLY1305_SHA256"), TEXT_INIT("TLS_CHACHA20_POLY1305_SHA256"), 0x1303},
};
static_assert(ARRAY_SIZE(suites) <= TLS_SUITES_MOST, "all suites can be chosen");

struct text conf_suite_name(uint16_t number)
{
    for (size_t i = 0; i < ARRAY_SIZE(suites); i++)
        if (suites[i].number == number)
            return suites[i].openssl;
    return TEXT("");
}

static uint16_t suite_of(struct text name)
{
    for (size_t i = 0; i < ARRAY_SIZE(suites); i++)
        if (text_eq_nocase(name, suites[i].openssl) || text_eq_nocase(name, suites[i].iana))
            return suites[i].number;
    return 0;
}

static void add_suite(struct tls_settings *tls, uint16_t number)
{
    for (unsigned i = 0; i < tls->suite_count; i++)
        if (tls->suites[i] == number)
            return;
    tls->suites[tls->suite_count++] = number;
}

/* A list of suites with ':' between. OpenSSL's names of groups are left out: no group has a suite that is not in here.
 */
CONF_APPLY(conf_apply_tls_suites)
{
    struct text list = words[count - 1], name;
    unsigned before = reader->config->tls.suite_count;

    (void)self;
    while (text_split(&list, ':', &name)) {
        uint16_t number = suite_of(name);

        if (number != 0)
            add_suite(&reader->config->tls, number);
    }
    if (reader->config->tls.suite_count == before)
        conf_warn(reader, words[count - 1], "names none of the suites that can be chosen: their order stays");
}

const struct text conf_verify_names[TLS_VERIFY_REQUIRE + 1] = {
    [TLS_VERIFY_NONE] = TEXT_INIT("none"),
    [TLS_VERIFY_OPTIONAL] = TEXT_INIT("optional"),
    [TLS_VERIFY_NO_CA] = TEXT_INIT("optional_no_ca"),
    [TLS_VERIFY_REQUIRE] = TEXT_INIT("require"),
};

CONF_APPLY(conf_apply_tls_verify)
{
    size_t i;

    (void)count;
    if (conf_choice(reader, words[0], words[0], CONF_NAMES(conf_verify_names), self->usage, &i))
        *(uint8_t *)value_of(reader, self) = (uint8_t)i;
}

CONF_APPLY(conf_apply_tls_depth)
{
    uint64_t depth;

    (void)count;
    if (conf_number(reader, words[0], 0, TLS_DEPTH_MOST, NULL, &depth))
        *(uint8_t *)value_of(reader, self) = (uint8_t)depth;
}

/* Hexadecimal digits, with or without ':' between bytes, as openssl x509 -fingerprint prints them. */
static bool parse_pin(struct text digits, uint8_t pin[TLS_PIN_BYTES])
{
    for (size_t i = 0; i < TLS_PIN_BYTES; i++) {
        uint64_t byte;

        if (i > 0 && digits.len > 0 && digits.ptr[0] == ':')
            digits = text_skip(digits, 1);
        if (digits.len < 2 || !text_hex_to_u64(text_first(digits, 2), 255, &byte))
            return false;
        pin[i] = (uint8_t)byte;
        digits = text_skip(digits, 2);
    }
    return digits.len == 0;
}

CONF_APPLY(conf_apply_tls_pin)
{
    struct tls_settings *tls = &reader->config->tls;

    (void)count;
    if (tls->pin_count == CONFIG_TLS_PINS) {
        conf_error(reader, words[0], "expected at most %d pins: raise CONFIG_TLS_PINS", CONFIG_TLS_PINS);
        return;
    }
    if (!text_starts_nocase(words[0], TEXT("sha256:")) || !parse_pin(text_skip(words[0], 7), tls->pins[tls->pin_count]))
        conf_error(reader, words[0], "expected %s", self->usage);
    else
        tls->pin_count++;
}

void conf_check_tls(struct conf_reader *reader)
{
    struct tls_settings *tls = &reader->config->tls;
    bool verifies = tls->clients.verify == TLS_VERIFY_OPTIONAL || tls->clients.verify == TLS_VERIFY_REQUIRE;

    for (unsigned i = 0; i < reader->config->backend_count; i++)
        tls->connects = tls->connects || reader->config->backends[i]->settings.tls;
    if (tls->serves && tls->pair_count == 0)
        conf_error(reader, CONF_NO_WORD, "expected SSLCertificateFile for a Listen with https");
    for (unsigned i = 0; i < CONFIG_TLS_CERTS; i++) {
        if (i < tls->pair_count && tls->pairs[i].key == NULL)
            tls->pairs[i].key = tls->pairs[i].cert; /* as in httpd, one file can hold both */
        else if (i >= tls->pair_count && tls->pairs[i].key != NULL)
            conf_error(reader, text_of(tls->pairs[i].key),
                       "expected SSLCertificateFile for this SSLCertificateKeyFile");
    }
    if (verifies && tls->clients.ca == NULL)
        conf_error(reader, CONF_NO_WORD, "expected SSLCACertificateFile for SSLVerifyClient");
}
