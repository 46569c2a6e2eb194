/* Heads in memory: storing text, sections and fields in bounded storage. */
#include "http/head.h"

#include <string.h>

static_assert(CONFIG_HEAD_FIELDS <= UINT16_MAX, "struct section counts fields in 16 bits");
static_assert(FIELD_IDS <= UINT8_MAX, "struct field keeps its id in 8 bits");

void head_init(struct head *head, char *text, size_t cap)
{
    head->text = text;
    head->cap = (uint32_t)min_size(cap, UINT16_MAX);
    head_clear(head);
}

void head_move(struct head *head, char *text, size_t cap)
{
    memcpy(text, head->text, head->used);
    head->text = text;
    head->cap = (uint32_t)min_size(cap, UINT16_MAX);
}

static void forget_sections(struct head *head)
{
    head->used = 0;
    head->field_count = 0;
    head->section_count = 0;
    head->section_sent = 0;
}

void head_clear(struct head *head)
{
    const struct span none = {0, 0};

    forget_sections(head);
    head->method_id = METHOD_OTHER;
    head->method = none;
    head->protocol = none;
    head->scheme = none;
    head->authority = none;
    head->path = none;
}

/* Takes len bytes at the end of the storage; NULL when they are not there. */
static char *take(struct head *head, size_t len)
{
    char *at = head->text + head->used;

    if (len > head->cap - head->used)
        return NULL;
    head->used += (uint32_t)len;
    return at;
}

/* [from, to) as a span; both lie in the storage, so that they fit in 16 bits. */
static struct span span_of(const struct head *head, const char *from, size_t len)
{
    return (struct span){(uint16_t)(from - head->text), (uint16_t)len};
}

/* memcpy that may be given an empty text. Returns the place behind the copy. */
static char *put(char *to, struct text t)
{
    if (t.len > 0)
        memcpy(to, t.ptr, t.len);
    return to + t.len;
}

struct span head_reserve(struct head *head, size_t len)
{
    const char *at = take(head, len);

    return at != NULL ? span_of(head, at, len) : (struct span){0, 0};
}

bool head_store(struct head *head, struct text t, struct span *span)
{
    char *at = take(head, t.len);

    if (at == NULL)
        return false;
    put(at, t);
    *span = span_of(head, at, t.len);
    return true;
}

struct section *head_begin(struct head *head, enum section_kind kind, unsigned status)
{
    struct section *section;

    if (head->section_count > 0 && head->section_sent == head->section_count &&
        head->sections[0].kind != SECTION_REQUEST)
        forget_sections(head);
    if (head->section_count == HEAD_SECTIONS)
        return NULL;
    section = &head->sections[head->section_count++];
    section->kind = (uint8_t)kind;
    section->status = (uint16_t)status;
    section->first = head->field_count;
    section->count = 0;
    return section;
}

struct section *head_last(struct head *head)
{
    return head->section_count > 0 ? &head->sections[head->section_count - 1] : NULL;
}

void head_drop_trailers(struct head *head)
{
    const struct section *last = head_last(head);

    if (!last || last->kind != SECTION_TRAILERS)
        return;
    head->field_count = last->first;
    head->section_count--;
}

/* Appends to the index; there must be room. */
static void add_field(struct head *head, struct span name, struct span value, enum field_id id)
{
    struct field *field = &head->fields[head->field_count++];

    field->name = name;
    field->value = value;
    field->id = (uint8_t)id;
    field->dropped = false;
    head->sections[head->section_count - 1].count++;
}

static bool index_full(const struct head *head)
{
    assert(head->section_count > 0);
    return head->field_count >= CONFIG_HEAD_FIELDS;
}

static bool add_line(struct head *head, enum field_id id, struct text name, struct text value)
{
    size_t rest = head->cap - head->used;
    char *at, *value_at;

    /* The lengths are compared one by one, so that their sum cannot wrap. */
    if (index_full(head) || name.len > rest || value.len > rest || name.len + value.len + 4 > rest)
        return false;
    at = take(head, name.len + value.len + 4);
    value_at = put(at, name);
    *value_at++ = ':';
    *value_at++ = ' ';
    put(put(value_at, value), TEXT("\r\n"));
    add_field(head, span_of(head, at, name.len), span_of(head, value_at, value.len), id);
    return true;
}

bool head_add(struct head *head, struct text name, struct text value)
{
    return add_line(head, field_lookup(name), name, value);
}

bool head_add_id(struct head *head, enum field_id id, struct text value)
{
    return add_line(head, id, field_name(id), value);
}

bool head_add_span(struct head *head, struct span name, struct span value)
{
    if (index_full(head))
        return false;
    add_field(head, name, value, field_lookup(head_text(head, name)));
    return true;
}

bool head_replace(struct head *head, struct field *field, struct text value)
{
    return head_store(head, value, &field->value);
}

bool head_extend_last(struct head *head, struct text separator, struct text more)
{
    struct field *f = &head->fields[head->field_count - 1];
    size_t end = (size_t)f->value.at + f->value.len;
    size_t len = separator.len + more.len;
    char *at = head->text + end;

    if (end + 2 != head->used || len > head->cap - head->used)
        return false;
    memcpy(at, separator.ptr, separator.len);
    memcpy(at + separator.len, more.ptr, more.len);
    at[len] = '\r';
    at[len + 1] = '\n';
    f->value.len = (uint16_t)(f->value.len + len);
    head->used += (uint32_t)len;
    return true;
}

struct field *head_find(struct head *head, const struct section *section, enum field_id id, const struct field *after)
{
    struct field *end = &head->fields[section->first + section->count];
    struct field *f = after != NULL ? &head->fields[after - head->fields + 1] : &head->fields[section->first];

    for (; f < end; f++)
        if (f->id == id && !f->dropped)
            return f;
    return NULL;
}

unsigned head_drop(struct head *head, const struct section *section, enum field_id id)
{
    unsigned dropped = 0;

    HEAD_EACH(f, head, section)
    {
        if (f->id != id)
            continue;
        f->dropped = true;
        dropped++;
    }
    return dropped;
}

static const struct text methods[] = {
    [METHOD_OTHER] = TEXT_INIT(""),          [METHOD_GET] = TEXT_INIT("GET"),
    [METHOD_HEAD] = TEXT_INIT("HEAD"),       [METHOD_POST] = TEXT_INIT("POST"),
    [METHOD_PUT] = TEXT_INIT("PUT"),         [METHOD_DELETE] = TEXT_INIT("DELETE"),
    [METHOD_OPTIONS] = TEXT_INIT("OPTIONS"), [METHOD_PATCH] = TEXT_INIT("PATCH"),
    [METHOD_CONNECT] = TEXT_INIT("CONNECT"), [METHOD_TRACE] = TEXT_INIT("TRACE"),
};

static enum method method_if(enum method method, struct text name)
{
    return text_eq(name, methods[method]) ? method : METHOD_OTHER;
}

enum method method_lookup(struct text name)
{
    switch (name.len) {
    case 3: return method_if(name.ptr[0] == 'G' ? METHOD_GET : METHOD_PUT, name);
    case 4: return method_if(name.ptr[0] == 'H' ? METHOD_HEAD : METHOD_POST, name);
    case 5: return method_if(name.ptr[0] == 'P' ? METHOD_PATCH : METHOD_TRACE, name);
    case 6: return method_if(METHOD_DELETE, name);
    case 7: return method_if(name.ptr[0] == 'C' ? METHOD_CONNECT : METHOD_OPTIONS, name);
    default: return METHOD_OTHER;
    }
}

bool method_idempotent(enum method method)
{
    switch (method) {
    case METHOD_GET:
    case METHOD_HEAD:
    case METHOD_PUT:
    case METHOD_DELETE:
    case METHOD_OPTIONS:
    case METHOD_TRACE: return true;
    case METHOD_OTHER:
    case METHOD_POST:
    case METHOD_PATCH:
    case METHOD_CONNECT: break;
    }
    return false;
}

size_t head_list_size(const struct head *head)
{
    static const char pseudo[] = ":method:scheme:authority:path";
    size_t size = sizeof(pseudo) - 1 + (size_t)4 * 32 + head->method.len + head->scheme.len + head->authority.len +
                  head->path.len;

    if (head->protocol.len > 0)
        size += sizeof(":protocol") - 1 + 32 + head->protocol.len;
    HEAD_EACH(f, head, &head->sections[0])
    size += (size_t)f->name.len + f->value.len + 32;
    return size;
}
