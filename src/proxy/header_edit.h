/* Fields that the operator sets, adds to or drops: the directives Header and RequestHeader. */
#ifndef CULVERT_PROXY_HEADER_EDIT_H
#define CULVERT_PROXY_HEADER_EDIT_H

#include "http/head.h"
#include "net/tls.h"

enum header_op {
    HEADER_SET,    /* the one field of its name */
    HEADER_APPEND, /* another element of the list that is there */
    HEADER_ADD,    /* another field */
    HEADER_UNSET,
};

/* A value is text in which %{SSL_...}s stands for a fact of the client's TLS, and %% for %. */
struct header_rule {
    uint8_t op;       /* enum header_op */
    bool request;     /* RequestHeader */
    bool always;      /* Header always: also in answers of the proxy itself */
    struct text name; /* lower case */
    struct text value;
};

struct header_rules {
    uint16_t count;
    struct header_rule rules[CONFIG_HEADER_RULES];
};

#if IS_ENABLED(CONFIG_HEADER_EDIT)

/* Whether a value's format is good. *longest: the most bytes that it can become. */
bool header_format_ok(struct text format, size_t *longest);

/* Applies the rules for requests to the last section. A fact that there is none of, such as the subject of a client
   without certificate, makes an empty value: then nothing is set, but what the client itself sent is dropped. False: no
   room. */
bool header_edit_request(struct head *head, const struct header_rules *rules, const struct conn *client) MUST_USE;
/* The same for a final section of a response; `local`: the proxy's own. */
bool header_edit_response(struct head *head, struct section *section, const struct header_rules *rules,
                          const struct conn *client, bool local) MUST_USE;

#else

static inline bool header_format_ok(struct text format, size_t *longest)
{
    *longest = format.len;
    return true;
}

static inline bool header_edit_request(struct head *head, const struct header_rules *rules, const struct conn *client)
{
    (void)head, (void)rules, (void)client;
    return true;
}

static inline bool header_edit_response(struct head *head, struct section *section, const struct header_rules *rules,
                                        const struct conn *client, bool local)
{
    (void)head, (void)section, (void)rules, (void)client, (void)local;
    return true;
}

#endif

#endif
