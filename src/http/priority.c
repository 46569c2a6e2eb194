/* Reads Priority fields. */
#include "http/priority.h"

/* The value of member "k" or "k=…" without its parameters. False: another member. */
static bool member(struct text element, char key, struct text *value)
{
    element = text_trim(text_first(element, text_find(element, ';', 0)));
    if (element.len == 0 || element.ptr[0] != key || (element.len > 1 && element.ptr[1] != '='))
        return false;
    *value = text_skip(element, 2);
    return element.len != 2;
}

void priority_update(struct priority *priority, struct text value)
{
    struct text element;
    struct text v;

    while (field_list_next(&value, &element)) {
        if (member(element, 'u', &v) && v.len == 1 && v.ptr[0] >= '0' && v.ptr[0] < '0' + PRIORITY_URGENCIES)
            priority->urgency = (uint8_t)(v.ptr[0] - '0');
        if (member(element, 'i', &v) && (v.len == 0 || text_eq(v, TEXT("?1")) || text_eq(v, TEXT("?0"))))
            priority->incremental = v.len == 0 || v.ptr[1] == '1';
    }
}

bool priority_read(struct priority *priority, struct head *head, const struct section *section)
{
    const struct field *f = head_find(head, section, FIELD_PRIORITY, NULL);
    bool found = f != NULL;

    for (; f; f = head_find(head, section, FIELD_PRIORITY, f))
        priority_update(priority, field_value_of(head, f));
    return found;
}
