/* Prints what a configuration says about TLS. */
#include "ops/config_print.h"

CONF_PRINTS(conf_print_certificates)
{
    for (unsigned i = 0; i < out->config->tls.pair_count; i++)
        conf_put_line(out, self->name, text_of(out->config->tls.pairs[i].cert));
}

CONF_PRINTS(conf_print_keys)
{
    for (unsigned i = 0; i < out->config->tls.pair_count; i++)
        conf_put_line(out, self->name, text_of(out->config->tls.pairs[i].key));
}

CONF_PRINTS(conf_print_protocol)
{
    const struct tls_settings *tls = &out->config->tls;

    conf_put_name(out, self->name);
    if (tls->tls12)
        conf_put_word(out, TEXT("+TLSv1.2"));
    if (tls->tls13)
        conf_put_word(out, TEXT("+TLSv1.3"));
    conf_put_end(out);
}

CONF_PRINTS(conf_print_suites)
{
    const struct tls_settings *tls = &out->config->tls;
    char storage[48 * TLS_SUITES_MOST];
    struct textbuf b;

    textbuf_init(&b, storage, sizeof(storage));
    for (unsigned i = 0; i < tls->suite_count; i++) {
        if (i > 0)
            textbuf_putc(&b, ':');
        textbuf_put(&b, conf_suite_name(tls->suites[i]));
    }
    if (b.len > 0)
        conf_put_line(out, self->name, textbuf_text(&b));
}

CONF_PRINTS(conf_print_verify)
{
    const uint8_t *verify = (const uint8_t *)out->config + self->field;

    conf_put_line(out, self->name, conf_verify_names[*verify]);
}

CONF_PRINTS(conf_print_backend_ca)
{
    const char *ca = tls_backend_ca(&out->config->tls);

    if (ca)
        conf_put_line(out, self->name, text_of(ca));
}

CONF_PRINTS(conf_print_pins)
{
    const struct tls_settings *tls = &out->config->tls;

    for (unsigned i = 0; i < tls->pin_count; i++) {
        char storage[8 + 2 * TLS_PIN_BYTES];
        struct textbuf b;

        textbuf_init(&b, storage, sizeof(storage));
        textbuf_put(&b, TEXT("sha256:"));
        for (unsigned k = 0; k < TLS_PIN_BYTES; k++) {
            if (tls->pins[i][k] < 16)
                textbuf_putc(&b, '0');
            textbuf_put_hex(&b, tls->pins[i][k]);
        }
        conf_put_line(out, self->name, textbuf_text(&b));
    }
}
