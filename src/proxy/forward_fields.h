/* What both directions of forwarding do to fields: hop-by-hop rules, and lists that get a further element. */
#ifndef CULVERT_PROXY_FORWARD_FIELDS_H
#define CULVERT_PROXY_FORWARD_FIELDS_H

#include "http/head.h"
#include "proxy/forward.h"

/* A set of enum field_id. */
typedef uint64_t field_set;
static_assert(FIELD_IDS <= 64, "field_set has a bit for each id");
#define FIELD_BIT(id) ((field_set)1 << (id))

/* More connection options than this are an attack on our time: each is compared with each field. */
#define NOMINATED_MAX 32

/* The fields that Connection names. */
struct nominated {
    field_set ids;
    struct text names[NOMINATED_MAX]; /* those without an id; in any case */
    unsigned count;
};

/* None are named yet. Cheaper than an initialiser, which would also clear the names. */
static inline void forward_nominate_none(struct nominated *nominated)
{
    nominated->ids = 0;
    nominated->count = 0;
}

/* Adds the options of one Connection field. Ignored are those that are no field (close), and fields which are ours or
   hold the message together: a client cannot take those away ("hop-by-hop abuse"). False: too many. */
bool forward_nominate(struct nominated *nominated, struct text options) MUST_USE;

/* Drops the nominated fields of a section (RFC 9110 7.6.1). */
void forward_drop_nominated(struct head *head, const struct section *section, const struct nominated *nominated);

/* A field line that is being written at the end of a head's storage, so that values are copied once. */
struct forward_line {
    struct textbuf b;
    size_t value;        /* where its value begins in b */
    struct field *field; /* gets the line; NULL: it will be a new field */
};

/* Begins a line for a field. */
void forward_line_begin(struct forward_line *line, const struct head *head, enum field_id id, struct field *field);

/* Begins a line that has the elements of all fields with this id in the section, in their order; the caller appends one
   more. The fields are dropped but for the first, which gets the line. seen: whether there is one. */
void forward_list_begin(struct forward_line *line, struct head *head, const struct section *section, enum field_id id,
                        bool seen);

/* Ends it. False: it did not fit, or the index is full. */
bool forward_line_end(struct forward_line *line, struct head *head) MUST_USE;

/* Adds or extends Via (RFC 9110 7.6.3) as ProxyVia wants. `version` is that of the message as it was received. */
bool forward_via(struct head *head, const struct section *section, const struct forward_settings *settings,
                 struct text version, bool seen) MUST_USE;

/* forward_map.c: gives a field of a response its mapped value, when it has one (ProxyPassReverse). False: it does not
   fit. */
bool forward_map(struct head *head, struct field *field, const struct forward_context *context) MUST_USE;

/* forwarded.c: appends this hop's element of Forwarded (RFC 7239). */
void forwarded_put(struct textbuf *b, const struct forward_context *context);
/* Whether a Forwarded field's quoted strings are closed: otherwise what is put behind it would be swallowed. */
bool forwarded_closed(struct text value);

#endif
