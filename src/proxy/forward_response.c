/* Rewrites the sections of a response for the client. */
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

static bool map_known(struct head *head, struct field *field, const struct forward_context *context)
{
    switch (field->id) {
    case FIELD_LOCATION:
    case FIELD_CONTENT_LOCATION: return map_field(head, field, context, reverse_map_location);
    case FIELD_LINK: return map_field(head, field, context, reverse_map_link);
    case FIELD_SET_COOKIE: return map_field(head, field, context, reverse_map_cookie);
    default: return true;
    }
}

bool forward_response(struct head *head, struct section *section, const struct forward_context *context, int64_t wall_s)
{
    const struct forward_settings *settings = context->settings;
    struct nominated nominated = {.ids = 0};
    field_set seen = 0;

    HEAD_EACH(f, head, section)
    {
        if (f->id == FIELD_OTHER)
            continue;
        seen |= FIELD_BIT(f->id);
        f->dropped = (field_rules(f->id) & FIELD_HOP) != 0 || (f->id == FIELD_VIA && settings->via == VIA_BLOCK);
        if (f->id == FIELD_CONNECTION && !forward_nominate(&nominated, field_value_of(head, f)))
            return false;
        if (IS_ENABLED(CONFIG_REVERSE_MAP) && settings->map_count > 0 && !map_known(head, f, context))
            return false;
    }
    forward_drop_nominated(head, section, &nominated);
    if (section->kind == SECTION_FINAL && (seen & FIELD_BIT(FIELD_DATE)) == 0 && wall_s > 0 &&
        !head_add_id(head, FIELD_DATE, forward_date(wall_s)))
        return false;
    /* Backends speak HTTP/2. */
    return forward_via(head, section, settings, TEXT("2.0"), (seen & FIELD_BIT(FIELD_VIA)) != 0);
}

void forward_trailers(struct head *head, struct section *section)
{
    HEAD_EACH(f, head, section)
    if (field_rules((enum field_id)f->id) & (FIELD_NO_TRAILER | FIELD_HOP))
        f->dropped = true;
}
