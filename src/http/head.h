/* A message's heads in memory: the text of field lines in one bounded buffer, and an index of them.
 *
 * One struct head holds all head sections of one direction of an exchange, one after the other: a request head and its
 * trailers, or interim (1xx) heads, the final head and its trailers. Names are lower case, without exception.
 * Everything is an offset into `text`, so that a head may be parsed where its bytes were read. */
#ifndef CULVERT_HTTP_HEAD_H
#define CULVERT_HTTP_HEAD_H

#include "base/text.h"
#include "http/field.h"

/* Text that the proxy itself may add to a head (forwarding fields, mapped locations): room kept beyond CONFIG_*_HEAD.
 */
#define HEAD_ADDED 1536

/* A slice of head.text. */
struct span {
    uint16_t at;
    uint16_t len;
};

struct field {
    struct span name; /* lower case */
    struct span value;
    uint8_t id;   /* enum field_id */
    bool dropped; /* not to be forwarded; stays in place so that indexes hold */
};

enum section_kind { SECTION_REQUEST, SECTION_INTERIM, SECTION_FINAL, SECTION_TRAILERS };

struct section {
    uint8_t kind;    /* enum section_kind */
    uint16_t status; /* of SECTION_INTERIM and SECTION_FINAL */
    uint16_t first;  /* its fields are head.fields[first .. first + count) */
    uint16_t count;
};
#define HEAD_SECTIONS 8 /* six interim heads, the final one and trailers can wait at the same time */

/* RFC 9110 9: methods that the proxy treats in a special way; any other token is METHOD_OTHER and passes. */
enum method {
    METHOD_OTHER,
    METHOD_GET,
    METHOD_HEAD,
    METHOD_POST,
    METHOD_PUT,
    METHOD_DELETE,
    METHOD_OPTIONS,
    METHOD_PATCH,
    METHOD_CONNECT,
    METHOD_TRACE,
};

struct head {
    char *text;   /* storage, `cap` bytes, owned by the exchange */
    uint32_t cap; /* <= 65535 */
    uint32_t used;
    uint16_t field_count;
    uint8_t section_count;
    uint8_t section_sent; /* sections [0, section_sent) have been passed on */
    struct section sections[HEAD_SECTIONS];
    /* Of a request: */
    uint8_t method_id;                           /* enum method */
    struct span protocol;                        /* of an extended CONNECT (RFC 8441); else empty */
    struct span method, scheme, authority, path; /* path with its query; "*" for OPTIONS * */
    struct field fields[CONFIG_HEAD_FIELDS];
};

/* Empties a head and gives it its storage, `cap` bytes at `text`; what goes beyond 65,535 is not used. */
void head_init(struct head *head, char *text, size_t cap);
/* Gives it other storage, with what is in it: cap >= head->used. */
void head_move(struct head *head, char *text, size_t cap);
/* Empties it; the storage stays. */
void head_clear(struct head *head);

/* The bytes of a span: valid until the head is emptied. */
static inline struct text head_text(const struct head *head, struct span span)
{
    return text_make(head->text + span.at, span.len);
}

static inline struct text field_name_of(const struct head *head, const struct field *field)
{
    return head_text(head, field->name);
}

static inline struct text field_value_of(const struct head *head, const struct field *field)
{
    return head_text(head, field->value);
}

/* Copies text to the end of the storage. False (and nothing changed) when it does not fit. */
bool head_store(struct head *head, struct text t, struct span *span) MUST_USE;

/* Takes len bytes at the end of the storage, to be written later. Empty when they are not there. */
struct span head_reserve(struct head *head, size_t len);

/* Begins a section behind the others. NULL when there are HEAD_SECTIONS waiting. The storage of responses' sections is
   emptied first when all of them have been passed on (section_sent == section_count); that of a request never is, since
   behind its head may stand bytes that are not read yet. `status` is 0 but for SECTION_INTERIM and SECTION_FINAL. */
struct section *head_begin(struct head *head, enum section_kind kind, unsigned status);

/* Forgets trailers that were begun, with their fields; their text stays. Harmless when there are none. */
void head_drop_trailers(struct head *head);

/* The last section, or NULL. */
struct section *head_last(struct head *head);

/* Appends a field to the last section (there must be one). The name must be lower case. False (and nothing changed)
   when text or index is full. The bytes are stored as a field line ("name: value" CR LF), which h1_write_head copies
   whole. */
bool head_add(struct head *head, struct text name, struct text value) MUST_USE;
bool head_add_id(struct head *head, enum field_id id, struct text value) MUST_USE;
/* Appends a field whose bytes stand in head->text already. False when the index is full. */
bool head_add_span(struct head *head, struct span name, struct span value) MUST_USE;

/* Gives a field a new value (stored at the end). False when it does not fit; the field is then unchanged. */
bool head_replace(struct head *head, struct field *field, struct text value) MUST_USE;

/* Appends `separator` and `more` to the value of the last field, in place (cookie crumbs, RFC 9113 8.2.3). False (and
   nothing changed) when something was stored behind it or the text is full. */
bool head_extend_last(struct head *head, struct text separator, struct text more) MUST_USE;

/* First field (not dropped) of a section with this id behind `after` (NULL: from the start), or NULL. */
struct field *head_find(struct head *head, const struct section *section, enum field_id id, const struct field *after);

/* Marks all fields of the section with this id as dropped. Returns how many. */
unsigned head_drop(struct head *head, const struct section *section, enum field_id id);

/* The place of a section's first field. As with strchr, a constant head gives a field that could be changed. */
static inline struct field *head_first(const struct head *head, const struct section *section)
{
    return (struct field *)&head->fields[section->first];
}

/* The first field in [field, end) that is not dropped, or end. For HEAD_EACH. */
static inline struct field *head_live(struct field *field, const struct field *end)
{
    while (field != end && field->dropped)
        field++;
    return field;
}

/* for (struct field *f = …; …) over the fields of a section that are not dropped. A field that is appended while it
   runs is not visited. `section` is evaluated more than once. */
#define HEAD_EACH(f, head, section)                                                                                    \
    for (struct field *f = head_first(head, section), *f##_end = f + (section)->count;                                 \
         (f = head_live(f, f##_end)) != f##_end; f++)

/* The size of a request's head as HTTP/2 counts it: names, values and 32 for each field (RFC 9113 6.5.2). */
size_t head_list_size(const struct head *head);

/* METHOD_OTHER for a token that is none of the others. Case-sensitive, RFC 9110 9.1. */
enum method method_lookup(struct text name);
/* RFC 9110 9.2.2; false for METHOD_OTHER. */
bool method_idempotent(enum method method);

#endif
