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
    const struct config *running; /* that this one is to follow; NULL: none runs */
    config_report *report;
    void *user;
    struct conf_place place; /* of the line that is being read; line 0: of the whole file */
    struct text directive;   /* its directive; empty: none */
    uint32_t errors;         /* reported ones: CONFIG_CONF_ERRORS at most */
    bool text_full;          /* reported once */
    bool saw_listen;         /* perhaps a wrong one */
    bool saw_backend;
    struct balancer *section; /* of the <Proxy> that is open; NULL: none */
    struct conf_place section_place;

    /* What is settled when all lines are read. */
    bool keepalive;
    uint8_t proxy_mode;        /* enum listener_proxy: RemoteIPProxyProtocol */
    uint32_t proxy_timeout_ms; /* 0: not given */
    struct conf_place custom_log;
    struct conf_place limits; /* the last LimitRequestLine or LimitRequestFieldSize */
    struct conf_place listens[CONFIG_LISTENERS];
    struct conf_place backends[CONFIG_BACKENDS];
    struct conf_place balancers[CONFIG_BALANCERS];
    struct conf_place routes[CONFIG_ROUTES];
};

struct conf_printer;

/* A directive. `apply` gets the words behind the name, as many as the table allows. */
struct conf_directive {
    struct text name;
    const char *usage;  /* what is expected behind the name, for messages */
    const char *option; /* CONFIG_ option that it needs; NULL: none. When that is off, there is no apply. */
    uint8_t min_words, max_words;
    bool in_section; /* stands in <Proxy>, where others cannot */
    void (*apply)(struct conf_reader *reader, const struct conf_directive *self, const struct text *words,
                  unsigned count);
    void (*print)(struct conf_printer *out,
                  const struct conf_directive *self); /* config_print.h; NULL: nothing to print */
    size_t field;         /* offset in struct config of the value that a simple directive sets */
    uint64_t min, max;    /* its range */
    const char *capacity; /* CONFIG_ option that bounds max; NULL: none */
};

/* config_directives.c: finds a directive by its name, case ignored. NULL: unknown, which it reports, with the one that
   was probably meant. */
const struct conf_directive *conf_directive_find(struct conf_reader *reader, struct text name);
/* The first directive of the table (NULL), or the one behind; NULL at the end. */
const struct conf_directive *conf_directive_next(const struct conf_directive *directive);

/* ---- messages (config_value.c) ---- */

/* Reports "FILE:LINE: Directive: 'word': text" as an error. word.ptr NULL: no word is at fault. */
void conf_error(struct conf_reader *reader, struct text word, const char *format, ...) PRINTF_LIKE(3, 4);
void conf_warn(struct conf_reader *reader, struct text word, const char *format, ...) PRINTF_LIKE(3, 4);
#define CONF_NO_WORD ((struct text){NULL, 0})

/* config.c: when all files are read, takes the line at reader->place again, so that it can be shown. */
void conf_find_line(struct conf_reader *reader);

/* Bounds a word for use in a message's "%.*s". */
struct text conf_shown(struct text t);

/* ---- names in tables (config_near.c) ---- */

/* A table whose elements begin with their name (struct text; an empty one is none). */
struct conf_names {
    const void *first;
    size_t count;
    size_t size; /* of an element */
};
#define CONF_NAMES(array) (&(const struct conf_names){array, ARRAY_SIZE(array), sizeof((array)[0])})
#define CONF_NO_NAMES (&(const struct conf_names){NULL, 0, 0})

/* The name that is nearest to a misspelt word; empty: none is near. */
struct text conf_near(struct text word, const struct conf_names *names);
/* Finds a word, case ignored. On false *index is unchanged. */
bool conf_find(struct text word, const struct conf_names *names, size_t *index);
/* The same for the value of a word. False: reported, "expected USAGE" and the name that was probably meant. */
bool conf_choice(struct conf_reader *reader, struct text word, struct text value, const struct conf_names *names,
                 const char *usage, size_t *index);
/* What conf_choice reports. */
void conf_error_near(struct conf_reader *reader, struct text word, struct text misspelt, const struct conf_names *names,
                     const char *usage);
/* Reports a word KEY=VALUE whose key is in neither table: what was probably meant, or all keys. */
void conf_error_key(struct conf_reader *reader, struct text word, const struct conf_names *own,
                    const struct conf_names *other);

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

/* "192.0.2.53", "192.0.2.53:5353", "::1", "[::1]:5353": a part of word. `port` is that of an address without one,
   `what` is expected, for the message. */
bool conf_address(struct conf_reader *reader, struct text word, struct text part, uint16_t port, const char *what,
                  struct port_addr *addr);

/* ---- KEY=VALUE words about a backend (config_keys.c) ---- */

/* What the words of one line say. */
struct conf_keys {
    struct backend_settings values; /* of the keys that are given */
    uint32_t given;                 /* a bit for each key */
};

/* Takes a word. False: it is none, or its value is wrong (reported). `more`: keys that only the caller takes, for the
   message. */
bool conf_key(struct conf_reader *reader, struct text word, struct conf_keys *out, const struct conf_names *more);
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

/* Whether all keys have the same values. */
bool conf_keys_same(const struct backend_settings *a, const struct backend_settings *b);

/* config_proxy.c: the backend of a line "URL KEY=VALUE ...", made when it was not named before. *path: a part of the
   URL, perhaps empty. `more`: as for conf_key. NULL: reported. */
struct backend *conf_take_backend(struct conf_reader *reader, const struct text *words, unsigned count,
                                  const struct conf_names *more, struct text *path);

/* config_remote_ip.c: On, Off or Optional, the value of a word, as enum listener_proxy. */
bool conf_proxy_mode(struct conf_reader *reader, struct text word, struct text value, uint8_t *mode);
/* At the end: listeners that do not say it themselves. */
void conf_settle_proxy(struct conf_reader *reader);

/* The nickname of the access log's own format. */
#define CONF_LOG_COMPACT TEXT("culvert")

/* ---- directives of their own files ---- */

#define CONF_APPLY(name)                                                                                               \
    void name(struct conf_reader *reader, const struct conf_directive *self, const struct text *words, unsigned count)

CONF_APPLY(conf_apply_listen);       /* config_listen.c */
CONF_APPLY(conf_apply_protocols);    /* config_protocols.c */
CONF_APPLY(conf_apply_read_timeout); /* config_timeout.c */
CONF_APPLY(conf_apply_proxy_pass);   /* config_proxy.c */
CONF_APPLY(conf_apply_reverse);      /* config_reverse.c */
CONF_APPLY(conf_apply_cookie_path);
CONF_APPLY(conf_apply_cookie_domain);
CONF_APPLY(conf_apply_include);        /* config.c */
CONF_APPLY(conf_apply_proxy_protocol); /* config_remote_ip.c */
CONF_APPLY(conf_apply_resolver);       /* config_resolver.c */
CONF_APPLY(conf_apply_custom_log);     /* config_log.c */
CONF_APPLY(conf_apply_error_log);
CONF_APPLY(conf_apply_log_format); /* config_log_format.c */
CONF_APPLY(conf_apply_user);       /* config_process.c: User, Group */
CONF_APPLY(conf_apply_chroot);
CONF_APPLY(conf_apply_pid_file);
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
/* The values of SSLVerifyClient by enum tls_verify, and the name of a suite. */
extern const struct text conf_verify_names[TLS_VERIFY_REQUIRE + 1];
struct text conf_suite_name(uint16_t number);
/* Checks what depends on several lines. */
void conf_check_tls(struct conf_reader *reader);

/* config_protocols.c: each listener must have something to speak. */
void conf_check_protocols(struct conf_reader *reader);

/* config_log.c: both logs together. */
void conf_check_logs(struct conf_reader *reader);

/* config_log_format.c: takes the format of a CustomLog (empty: it has none; false: it is wrong, reported), makes it the
   site's when all lines are read, and prints it behind CustomLog's target. */
#if IS_ENABLED(CONFIG_LOG_FORMAT)
bool conf_choose_log_format(struct conf_reader *reader, struct text word);
void conf_settle_log_format(struct conf_reader *reader);
void conf_put_log_choice(struct conf_printer *out);
#else
static inline bool conf_choose_log_format(struct conf_reader *reader, struct text word)
{
    bool known = word.len == 0 || text_eq_nocase(word, CONF_LOG_COMPACT);

    if (!known)
        conf_error(reader, word, "this build has only the format culvert (CONFIG_LOG_FORMAT is off)");
    return known;
}

static inline void conf_settle_log_format(struct conf_reader *reader)
{
    (void)reader;
}

static inline void conf_put_log_choice(struct conf_printer *out)
{
    (void)out;
}
#endif

/* config_check.c: settles what depends on several lines, checks it, and resolves host names. */
void conf_check(struct conf_reader *reader);

#endif
