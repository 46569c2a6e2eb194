/* Prints a configuration that was read, in the syntax in which it is written (culvert -t -v). */
#ifndef CULVERT_OPS_CONFIG_PRINT_H
#define CULVERT_OPS_CONFIG_PRINT_H

#include "ops/config_reader.h"

/* Output of one directive after another. */
struct conf_printer {
    const struct config *config;
    struct textbuf line; /* what is not printed yet */
    char storage[256];
};

/* Begins a line with a directive's name. */
void conf_put_name(struct conf_printer *out, struct text name);
/* Appends a word, quoted where it must be. */
void conf_put_word(struct conf_printer *out, struct text word);
/* Appends a word KEY=VALUE, quoted as a whole where it must be. */
void conf_put_key(struct conf_printer *out, const char *key, struct text value);
void conf_put_number_key(struct conf_printer *out, const char *key, uint64_t value);
/* A time: "5s", "250ms", or "0". */
void conf_put_time_key(struct conf_printer *out, const char *key, uint32_t ms);
void conf_put_flag_key(struct conf_printer *out, const char *key, bool on);
void conf_put_end(struct conf_printer *out);
/* A whole line of one word. */
void conf_put_line(struct conf_printer *out, struct text name, struct text word);

/* Time as text in `storage`. */
struct text conf_time_text(uint32_t ms, char storage[16]);

/* ---- what a directive's `print` can be: it prints all lines that say what holds, perhaps none ---- */

#define CONF_PRINTS(name) void name(struct conf_printer *out, const struct conf_directive *self)

/* The value at self->field. */
CONF_PRINTS(conf_print_flag);
CONF_PRINTS(conf_print_unless);
CONF_PRINTS(conf_print_time);
CONF_PRINTS(conf_print_u8);
CONF_PRINTS(conf_print_u32);
CONF_PRINTS(conf_print_u64);
CONF_PRINTS(conf_print_text); /* struct text; empty: no line */
CONF_PRINTS(conf_print_file); /* const char *; NULL or empty: no line */
CONF_PRINTS(conf_print_log);  /* struct log_target (config_log.c) */
/* The others. */
CONF_PRINTS(conf_print_log_format); /* config_log_format.c */
CONF_PRINTS(conf_print_via);
CONF_PRINTS(conf_print_keepalive);
CONF_PRINTS(conf_print_read_timeout);
CONF_PRINTS(conf_print_log_level);
CONF_PRINTS(conf_print_listen);
CONF_PRINTS(conf_print_protocols);
CONF_PRINTS(conf_print_trusted);
CONF_PRINTS(conf_print_exceptions);
CONF_PRINTS(conf_print_resolver);
CONF_PRINTS(conf_print_header);     /* config_header.c */
CONF_PRINTS(conf_print_proxy_pass); /* config_print_proxy.c */
CONF_PRINTS(conf_print_reverse);
CONF_PRINTS(conf_print_cookie_path);
CONF_PRINTS(conf_print_cookie_domain);
CONF_PRINTS(conf_print_balancers);    /* config_print_balancer.c */
CONF_PRINTS(conf_print_certificates); /* config_print_tls.c */
CONF_PRINTS(conf_print_keys);
CONF_PRINTS(conf_print_protocol);
CONF_PRINTS(conf_print_suites);
CONF_PRINTS(conf_print_verify);
CONF_PRINTS(conf_print_backend_ca);
CONF_PRINTS(conf_print_pins);

/* The URL of a backend with a path, as ProxyPass has it, and its keys (config_print_proxy.c, config_keys.c). */
void conf_put_backend(struct conf_printer *out, const struct backend_settings *settings, struct text path);
void conf_put_backend_keys(struct conf_printer *out, const struct backend_settings *settings);

#endif
