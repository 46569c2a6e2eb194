/* Reverse mapping of the fields of a response. */
#include "proxy/forward_fields.h"

typedef bool map_fn(const struct forward_context *context, struct text value, struct textbuf *out);

/* Gives a field its mapped value. False: it does not fit. */
static bool map_field(struct head *head, struct field *field, const struct forward_context *context, map_fn *map)
{
    struct forward_line line;

    forward_line_begin(&line, head, (enum field_id)field->id, field);
    if (!map(context, field_value_of(head, field), &line.b))
        return true;
    return forward_line_end(&line, head);
}

bool forward_map(struct head *head, struct field *field, const struct forward_context *context)
{
    switch (field->id) {
    case FIELD_LOCATION:
    case FIELD_CONTENT_LOCATION: return map_field(head, field, context, reverse_map_location);
    case FIELD_LINK: return map_field(head, field, context, reverse_map_link);
    case FIELD_SET_COOKIE: return map_field(head, field, context, reverse_map_cookie);
    default: return true;
    }
}
