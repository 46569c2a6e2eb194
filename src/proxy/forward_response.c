/* Rewrites the sections of a response for the client. */
#include "proxy/forward_fields.h"

bool forward_response(struct head *head, struct section *section, const struct forward_context *context, int64_t wall_s)
{
    const struct forward_settings *settings = context->settings;
    struct nominated nominated;
    field_set seen = 0;

    forward_nominate_none(&nominated);
    HEAD_EACH(f, head, section)
    {
        if (f->id == FIELD_OTHER)
            continue;
        seen |= FIELD_BIT(f->id);
        f->dropped = (field_rules(f->id) & FIELD_HOP) != 0 || (f->id == FIELD_VIA && settings->via == VIA_BLOCK);
        if (f->id == FIELD_CONNECTION && !forward_nominate(&nominated, field_value_of(head, f)))
            return false;
        if (IS_ENABLED(CONFIG_REVERSE_MAP) && settings->map_count > 0 && !forward_map(head, f, context))
            return false;
    }
    forward_drop_nominated(head, section, &nominated);
    if (section->kind == SECTION_FINAL && (seen & FIELD_BIT(FIELD_DATE)) == 0 && wall_s > 0 &&
        !head_add_id(head, FIELD_DATE, forward_date(wall_s)))
        return false;
    /* Backends speak HTTP/2. */
    return forward_via(head, section, settings, TEXT("2.0"), (seen & FIELD_BIT(FIELD_VIA)) != 0) &&
           (section->kind != SECTION_FINAL ||
            header_edit_response(head, section, &settings->headers, context->conn, false));
}

void forward_trailers(struct head *head, struct section *section)
{
    HEAD_EACH(f, head, section)
    if (field_rules((enum field_id)f->id) & (FIELD_NO_TRAILER | FIELD_HOP))
        f->dropped = true;
}
