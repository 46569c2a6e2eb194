/* What the files of the configuration's reader share: the state of one reading, its messages, and values of words. */
#ifndef CULVERT_OPS_CONFIG_READER_H
#define CULVERT_OPS_CONFIG_READER_H

#include "http/uri.h"
#include "ops/config.h"
#include "ops/config_lex.h"

#include <inttypes.h>

/* Where something was read. */
struct conf_place {
    const char *file;
    uint32_t line;
};

/* One reading of a configuration: there is only one at a time. */
struct conf_reader {
    struct config *config;
    config_report *report;
    void *user;
    struct conf_place place; /* of the line that is being read; line 0: of the whole file */
    struct text directive;   /* its directive; empty: none */
    uint32_t errors;
    bool text_full;  /* reported once */
    bool saw_listen; /* perhaps a wrong one */
    bool saw_backend;
    struct balancer *section; /* of the <Proxy> that is open; NULL: none */
    struct conf_place section_place;

    /* What is settled when all lines are read. */
    bool keepalive;
    uint8_t proxy_mode;        /* enum listener_proxy: RemoteIPProxyProtocol */
    uint32_t proxy_timeout_ms; /* 0: not given */
    struct conf_place limits;  /* the last LimitRequestLine or LimitRequestFieldSize */
    struct conf_place listens[CONFIG_LISTENERS];
    struct conf_place backends[CONFIG_BACKENDS];
    struct conf_place balancers[CONFIG_BALANCERS];
    struct conf_place routes[CONFIG_ROUTES];
};

/* A directive. `apply` gets the words behind the name, as many as the table allows. */
struct conf_directive {
    struct text name;
    const char *usage; /* what is expected behind the name, for messages */
    uint8_t min_words, max_words;
    void (*apply)(struct conf_reader *reader, const struct conf_directive *self, const struct text *words,
                  unsigned count);
    size_t field;         /* offset in struct config of the value that a simple directive sets */
    uint64_t min, max;    /* its range */
    const char *capacity; /* CONFIG_ option that bounds max; NULL: none */
};

/* config_directives.c: finds a directive by its name, case ignored. NULL: unknown; *near is then the one that was
   probably meant, or NULL. */
const struct conf_directive *conf_directive_find(struct text name, const struct conf_directive **near);

/* ---- messages (config_value.c) ---- */

/* Reports "FILE:LINE: Directive: 'word': text" as an error. word.ptr NULL: no word is at fault. */
void conf_error(struct conf_reader *reader, struct text word, const char *format, ...) PRINTF_LIKE(3, 4);
void conf_warn(struct conf_reader *reader, struct text word, const char *format, ...) PRINTF_LIKE(3, 4);
#define CONF_NO_WORD ((struct text){NULL, 0})

/* Bounds a word for use in a message's "%.*s". */
struct text conf_shown(struct text t);

/* ---- values of words (config_value.c): false when they are wrong, after they reported it ---- */

/* Copies a word into the configuration, followed by a NUL that does not count. */
bool conf_store(struct conf_reader *reader, struct text word, struct text *stored);
bool conf_number(struct conf_reader *reader, struct text word, uint64_t min, uint64_t max, const char *capacity,
                 uint64_t *value);
/* A time as httpd writes it: a number with h, min, s or ms, or without unit (unit_ms: what that means). 1 ms to 24
 * days. */
bool conf_time(struct conf_reader *reader, struct text word, uint32_t unit_ms, uint32_t *ms);
/* On or Off. */
bool conf_flag(struct conf_reader *reader, struct text word, bool *flag);
/* A port: digits, a part of word. */
bool conf_port(struct conf_reader *reader, struct text word, struct text digits, uint16_t *port);

/* ---- KEY=VALUE words about a backend (config_keys.c) ---- */

/* What the words of one line say. */
struct conf_keys {
    struct backend_settings values; /* of the keys that are given */
    uint32_t given;                 /* a bit for each key */
};

/* Takes a word. False: it is none, or its value is wrong (reported). `more`: keys that only the caller takes, for the
   message ("loadfactor=, route="); empty: none. */
bool conf_key(struct conf_reader *reader, struct text word, struct conf_keys *out, const char *more);
/* Sets all that keys can say to what holds without them. */
void conf_keys_default(struct backend_settings *settings);
/* Sets what a line gave; the rest stays. */
void conf_keys_apply(const struct conf_keys *from, struct backend_settings *settings);
/* Whether a later line about the same backend wants what holds already. False: *differs is the first key's name. */
bool conf_keys_agree(const struct conf_keys *later, const struct backend_settings *settings, struct text *differs);

/* What stands before the path of a unix socket. */
#define CONF_UNIX TEXT("unix:")
/* A unix socket (config_unix.c): its absolute path, a part of word. Stores it, and makes it an address. */
bool conf_unix(struct conf_reader *reader, struct text word, struct text path, struct port_addr *addr);

/* config_proxy.c: the backend of a line "URL KEY=VALUE ...", made when it was not named before. *path: a part of the
   URL, perhaps empty. `more`: as for conf_key. NULL: reported. */
struct backend *conf_take_backend(struct conf_reader *reader, const struct text *words, unsigned count,
                                  const char *more, struct text *path);

/* config_remote_ip.c: On, Off or Optional, the value of a word, as enum listener_proxy. */
bool conf_proxy_mode(struct conf_reader *reader, struct text word, struct text value, uint8_t *mode);
/* At the end: listeners that do not say it themselves. */
void conf_settle_proxy(struct conf_reader *reader);

/* ---- directives of their own files ---- */

#define CONF_APPLY(name)                                                                                               \
    void name(struct conf_reader *reader, const struct conf_directive *self, const struct text *words, unsigned count)

CONF_APPLY(conf_apply_listen);       /* config_listen.c */
CONF_APPLY(conf_apply_read_timeout); /* config_timeout.c */
CONF_APPLY(conf_apply_proxy_pass);   /* config_proxy.c */
CONF_APPLY(conf_apply_reverse);      /* config_reverse.c */
CONF_APPLY(conf_apply_cookie_path);
CONF_APPLY(conf_apply_cookie_domain);
CONF_APPLY(conf_apply_include);        /* config.c */
CONF_APPLY(conf_apply_proxy_protocol); /* config_remote_ip.c */
CONF_APPLY(conf_apply_resolver);       /* config_resolver.c */
CONF_APPLY(conf_apply_trusted_proxy);
CONF_APPLY(conf_apply_proxy_exceptions);
CONF_APPLY(conf_apply_header);   /* config_header.c */
CONF_APPLY(conf_apply_tls_file); /* config_tls.c */
CONF_APPLY(conf_apply_tls_flag);
CONF_APPLY(conf_apply_tls_unless);
CONF_APPLY(conf_apply_tls_fixed);
CONF_APPLY(conf_apply_tls_certificate);
CONF_APPLY(conf_apply_tls_key);
CONF_APPLY(conf_apply_tls_protocol);
CONF_APPLY(conf_apply_tls_suites);
CONF_APPLY(conf_apply_tls_verify);
CONF_APPLY(conf_apply_tls_depth);
CONF_APPLY(conf_apply_tls_pin);
/* Checks what depends on several lines. */
void conf_check_tls(struct conf_reader *reader);

/* config_check.c: settles what depends on several lines, checks it, and resolves host names. */
void conf_check(struct conf_reader *reader);

#endif
