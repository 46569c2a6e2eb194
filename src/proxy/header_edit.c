/* Applies the rules of Header and RequestHeader to a head. */
#include "proxy/header_edit.h"

#define VALUE_MOST 1024
/* The most that a fact takes: names of certificates are cut there. */
#define FACT_MOST 512

static const struct text facts[TLS_FACTS] = {
    [TLS_FACT_CLIENT_S_DN] = TEXT_INIT("SSL_CLIENT_S_DN"),
    [TLS_FACT_CLIENT_I_DN] = TEXT_INIT("SSL_CLIENT_I_DN"),
    [TLS_FACT_CLIENT_M_SERIAL] = TEXT_INIT("SSL_CLIENT_M_SERIAL"),
    [TLS_FACT_CLIENT_VERIFY] = TEXT_INIT("SSL_CLIENT_VERIFY"),
    [TLS_FACT_PROTOCOL] = TEXT_INIT("SSL_PROTOCOL"),
    [TLS_FACT_CIPHER] = TEXT_INIT("SSL_CIPHER"),
};

/* Takes "{NAME}s" off the rest of a format. TLS_FACTS: it is something else. */
static enum tls_fact take_fact(struct text *rest)
{
    size_t end = text_find(*rest, '}', 0);

    for (unsigned i = 0; i < TLS_FACTS; i++) {
        if (end + 1 < rest->len && rest->ptr[end + 1] == 's' && text_starts(*rest, TEXT("{")) &&
            text_eq(text_first(text_skip(*rest, 1), end - 1), facts[i])) {
            *rest = text_skip(*rest, end + 2);
            return (enum tls_fact)i;
        }
    }
    return TLS_FACTS;
}

bool header_format_ok(struct text format, size_t *longest)
{
    *longest = 0;
    while (format.len > 0) {
        size_t plain = text_find(format, '%', 0);

        *longest += plain;
        format = text_skip(format, plain);
        if (format.len == 0)
            break;
        format = text_skip(format, 1);
        if (text_starts(format, TEXT("%"))) {
            format = text_skip(format, 1);
            (*longest)++;
        } else if (take_fact(&format) != TLS_FACTS) {
            *longest += FACT_MOST;
        } else {
            return false;
        }
    }
    return true;
}

/* What a rule's value is for this client, in `b`. */
static struct text value_of(const struct header_rule *rule, const struct conn *client, struct textbuf *b)
{
    struct text rest = rule->value;

    if (text_find(rest, '%', 0) == rest.len)
        return rest;
    while (rest.len > 0) {
        size_t plain = text_find(rest, '%', 0);
        enum tls_fact fact;

        textbuf_put(b, text_first(rest, plain));
        if (plain == rest.len)
            break;
        rest = text_skip(rest, plain + 1);
        fact = take_fact(&rest);
        if (fact != TLS_FACTS) {
            tls_put_fact(b, client, fact);
        } else if (text_starts(rest, TEXT("%"))) {
            textbuf_putc(b, '%');
            rest = text_skip(rest, 1);
        }
    }
    return text_trim(textbuf_text(b));
}

/* The first field of this name in the section, or NULL. */
static struct field *find(struct head *head, const struct section *section, struct text name)
{
    HEAD_EACH(f, head, section)
    if (text_eq(field_name_of(head, f), name))
        return f;
    return NULL;
}

static void drop(struct head *head, const struct section *section, struct text name)
{
    HEAD_EACH(f, head, section)
    if (text_eq(field_name_of(head, f), name))
        f->dropped = true;
}

static bool append(struct head *head, struct section *section, const struct header_rule *rule, struct text value)
{
    struct field *field = find(head, section, rule->name);
    char storage[VALUE_MOST];
    struct textbuf b;

    if (!field)
        return head_add(head, rule->name, value);
    textbuf_init(&b, storage, sizeof(storage));
    textbuf_put(&b, field_value_of(head, field));
    textbuf_put(&b, TEXT(", "));
    textbuf_put(&b, value);
    return !b.full && head_replace(head, field, textbuf_text(&b));
}

static bool apply(struct head *head, struct section *section, const struct header_rule *rule, const struct conn *client)
{
    char storage[VALUE_MOST];
    struct textbuf b;
    struct text value;

    textbuf_init(&b, storage, sizeof(storage));
    value = value_of(rule, client, &b);
    if (rule->op == HEADER_SET || rule->op == HEADER_UNSET)
        drop(head, section, rule->name);
    if (rule->op == HEADER_UNSET || value.len == 0)
        return true;
    if (rule->op == HEADER_APPEND)
        return append(head, section, rule, value);
    return !b.full && head_add(head, rule->name, value);
}

bool header_edit_request(struct head *head, const struct header_rules *rules, const struct conn *client)
{
    for (unsigned i = 0; i < rules->count; i++) {
        if (rules->rules[i].request && !apply(head, head_last(head), &rules->rules[i], client))
            return false;
    }
    return true;
}

bool header_edit_response(struct head *head, struct section *section, const struct header_rules *rules,
                          const struct conn *client, bool local)
{
    for (unsigned i = 0; i < rules->count; i++) {
        const struct header_rule *rule = &rules->rules[i];

        if (!rule->request && (rule->always || !local) && !apply(head, section, rule, client))
            return false;
    }
    return true;
}
