/* Field names: which are known, and the rules of framing and hop-by-hop that both versions of HTTP share. One table. */
#ifndef CULVERT_HTTP_FIELD_H
#define CULVERT_HTTP_FIELD_H

#include "base/text.h"

/* Names that some code asks for; all others are FIELD_OTHER. */
enum field_id {
    FIELD_OTHER = 0,
    FIELD_ALT_SVC,
    FIELD_AUTHORIZATION,
    FIELD_CONNECTION,
    FIELD_CONTENT_ENCODING,
    FIELD_CONTENT_LENGTH,
    FIELD_CONTENT_LOCATION,
    FIELD_CONTENT_RANGE,
    FIELD_CONTENT_TYPE,
    FIELD_COOKIE,
    FIELD_DATE,
    FIELD_EXPECT,
    FIELD_FORWARDED,
    FIELD_HOST,
    FIELD_HTTP2_SETTINGS,
    FIELD_KEEP_ALIVE,
    FIELD_LINK,
    FIELD_LOCATION,
    FIELD_MAX_FORWARDS,
    FIELD_PRIORITY,
    FIELD_PROXY_AUTHENTICATE,
    FIELD_PROXY_AUTHORIZATION,
    FIELD_PROXY_CONNECTION,
    FIELD_RETRY_AFTER,
    FIELD_SERVER,
    FIELD_SET_COOKIE,
    FIELD_TE,
    FIELD_TRAILER,
    FIELD_TRANSFER_ENCODING,
    FIELD_UPGRADE,
    FIELD_VIA,
    FIELD_X_FORWARDED_FOR,
    FIELD_X_FORWARDED_HOST,
    FIELD_X_FORWARDED_PROTO,
    FIELD_X_FORWARDED_SERVER,
    FIELD_IDS,
};

enum field_rule {
    FIELD_HOP =
        1, /* hop-by-hop: never forwarded (RFC 9110 7.6.1), and malformed in HTTP/2 (RFC 9113 8.2.2), te apart */
    FIELD_SINGLE = 2,     /* one line at most in a request */
    FIELD_NO_TRAILER = 4, /* framing, routing, authentication: never taken from or put into trailers (RFC 9110 6.5.1) */
};

/* The id of a lower-case name. */
enum field_id field_lookup(struct text lower_name);

/* The name (lower case) of an id other than FIELD_OTHER; empty text for that. */
struct text field_name(enum field_id id);

/* Set of enum field_rule of an id. */
unsigned field_rules(enum field_id id);

/* Maps a byte of a field name to its lower case, and every byte that is no tchar (RFC 9110 5.6.2) to 0. */
extern const uint8_t field_name_table[256];

/* The first byte in [p, end) that no field value has (a control character other than HTAB), or end. */
const char *field_value_end(const char *p, const char *end);

/* Whether `value` has only bytes of a field value: VCHAR, obs-text, SP, HTAB, with neither SP nor HTAB at its ends
   (RFC 9110 5.5). Refuses NUL, CR, LF and other controls. */
bool field_value_ok(struct text value);

/* Whether a comma-separated list (RFC 9110 5.6.1) has this token, ASCII case ignored (parameters after ';' ignored). */
bool field_list_has(struct text list, struct text token);

/* Takes the next element off a comma-separated list: trimmed, empty ones skipped, commas within quoted strings kept.
   False at the end. */
bool field_list_next(struct text *list, struct text *element);

#endif
