/* Fields on their way through a proxy: hop-by-hop rules, list fields, Via. */
#include "proxy/forward_fields.h"

/* Longest name that has an id. */
#define KNOWN_NAME 24

/* Fields that Connection cannot take away: framing, routing, and what the proxy says of the client. */
#define PROTECTED                                                                                                      \
    (FIELD_BIT(FIELD_CONTENT_LENGTH) | FIELD_BIT(FIELD_HOST) | FIELD_BIT(FIELD_EXPECT) | FIELD_BIT(FIELD_FORWARDED) |  \
     FIELD_BIT(FIELD_VIA) | FIELD_BIT(FIELD_X_FORWARDED_FOR) | FIELD_BIT(FIELD_X_FORWARDED_HOST) |                     \
     FIELD_BIT(FIELD_X_FORWARDED_PROTO) | FIELD_BIT(FIELD_X_FORWARDED_SERVER))

static enum field_id lookup_nocase(struct text name)
{
    char lower[KNOWN_NAME];

    if (name.len > sizeof(lower))
        return FIELD_OTHER;
    for (size_t i = 0; i < name.len; i++)
        lower[i] = text_lower(name.ptr[i]);
    return field_lookup(text_make(lower, name.len));
}

bool forward_nominate(struct nominated *nominated, struct text options)
{
    struct text option;

    while (field_list_next(&options, &option)) {
        enum field_id id = lookup_nocase(option);

        if (id != FIELD_OTHER) {
            nominated->ids |= FIELD_BIT(id) & ~PROTECTED;
        } else if (!text_eq_nocase(option, TEXT("close"))) {
            if (nominated->count == NOMINATED_MAX)
                return false;
            nominated->names[nominated->count++] = option;
        }
    }
    return true;
}

static bool is_nominated(const struct nominated *nominated, const struct head *head, const struct field *field)
{
    if (field->id != FIELD_OTHER)
        return (nominated->ids & FIELD_BIT(field->id)) != 0;
    for (unsigned i = 0; i < nominated->count; i++)
        if (text_eq_nocase(field_name_of(head, field), nominated->names[i]))
            return true;
    return false;
}

void forward_drop_nominated(struct head *head, const struct section *section, const struct nominated *nominated)
{
    if (nominated->ids == 0 && nominated->count == 0)
        return;
    HEAD_EACH(f, head, section)
    if (is_nominated(nominated, head, f))
        f->dropped = true;
}

void forward_line_begin(struct forward_line *line, const struct head *head, enum field_id id, struct field *field)
{
    textbuf_init(&line->b, head->text + head->used, head->cap - head->used);
    textbuf_put(&line->b, field_name(id));
    textbuf_put(&line->b, TEXT(": "));
    line->value = line->b.len;
    line->field = field;
}

/* Whether an element can be put behind a value. */
static bool takes_element(enum field_id id, struct text value)
{
    if (IS_ENABLED(CONFIG_FORWARDED) && id == FIELD_FORWARDED)
        return value.len > 0 && forwarded_closed(value);
    return value.len > 0;
}

void forward_list_begin(struct forward_line *line, struct head *head, const struct section *section, enum field_id id,
                        bool seen)
{
    struct field *first = seen ? head_find(head, section, id, NULL) : NULL;

    forward_line_begin(line, head, id, first);
    for (struct field *f = first; f != NULL; f = head_find(head, section, id, f)) {
        struct text value = field_value_of(head, f);

        if (takes_element(id, value)) {
            textbuf_put(&line->b, value);
            textbuf_put(&line->b, TEXT(", "));
        }
        if (f != first)
            f->dropped = true;
    }
}

bool forward_line_end(struct forward_line *line, struct head *head)
{
    uint32_t at = head->used;
    size_t name_len = line->value - 2, value_len = line->b.len - line->value;
    struct span name, value;

    textbuf_put(&line->b, TEXT("\r\n"));
    if (line->b.full)
        return false;
    name = (struct span){(uint16_t)at, (uint16_t)name_len};
    value = (struct span){(uint16_t)(at + line->value), (uint16_t)value_len};
    head->used += (uint32_t)line->b.len;
    if (line->field == NULL)
        return head_add_span(head, name, value);
    line->field->name = name;
    line->field->value = value;
    return true;
}

bool forward_via(struct head *head, const struct section *section, const struct forward_settings *settings,
                 struct text version, bool seen)
{
    struct forward_line line;

    if (settings->via != VIA_ON && settings->via != VIA_FULL)
        return true;
    forward_list_begin(&line, head, section, FIELD_VIA, seen);
    textbuf_put(&line.b, version);
    textbuf_putc(&line.b, ' ');
    textbuf_put(&line.b, settings->server_name.len > 0 ? settings->server_name : TEXT("culvert"));
    if (settings->via == VIA_FULL) {
        textbuf_put(&line.b, TEXT(" ("));
        textbuf_put(&line.b, settings->product.len > 0 ? settings->product : TEXT("Culvert"));
        textbuf_putc(&line.b, ')');
    }
    return forward_line_end(&line, head);
}
