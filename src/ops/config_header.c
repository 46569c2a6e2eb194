/* The directives Header and RequestHeader. */
#include "ops/config_print.h"

/* The most that a field's name and value may become: what a head keeps room for beside the forwarding fields. */
#define FIELD_MOST 1000

/* Fields that hold a message together, or are the proxy's own business. */
static bool is_ours(struct text name)
{
    enum field_id id = field_lookup(name);

    return (field_rules(id) & FIELD_HOP) != 0 || id == FIELD_CONTENT_LENGTH || id == FIELD_HOST || id == FIELD_TRAILER;
}

static bool take_name(struct conf_reader *reader, struct text word, struct text *name)
{
    char lower[128];

    if (!text_is_token(word) || word.len > sizeof(lower)) {
        conf_error(reader, word, "expected the name of a field");
        return false;
    }
    for (size_t i = 0; i < word.len; i++)
        lower[i] = text_lower(word.ptr[i]);
    if (is_ours(text_make(lower, word.len))) {
        conf_error(reader, word, "expected a field that does not hold the message together");
        return false;
    }
    return conf_store(reader, text_make(lower, word.len), name);
}

static bool take_value(struct conf_reader *reader, struct text word, struct header_rule *rule)
{
    size_t longest;

    if (!field_value_ok(word) || word.len == 0) {
        conf_error(reader, word, "expected a value that a field can have");
        return false;
    }
    if (!header_format_ok(word, &longest)) {
        conf_error(reader, word,
                   "expected %%%% for a percent sign, or %%{NAME}s with SSL_CLIENT_S_DN, SSL_CLIENT_I_DN, "
                   "SSL_CLIENT_M_SERIAL, SSL_CLIENT_VERIFY, SSL_PROTOCOL or SSL_CIPHER");
        return false;
    }
    if (longest + rule->name.len > FIELD_MOST) {
        conf_error(reader, word, "expected a shorter value");
        return false;
    }
    return conf_store(reader, word, &rule->value);
}

static const struct text ops[] = {
    [HEADER_SET] = TEXT_INIT("set"),
    [HEADER_APPEND] = TEXT_INIT("append"),
    [HEADER_ADD] = TEXT_INIT("add"),
    [HEADER_UNSET] = TEXT_INIT("unset"),
};

static bool take_op(struct conf_reader *reader, struct text word, const char *usage, struct header_rule *rule)
{
    size_t i;

    if (!conf_choice(reader, word, word, CONF_NAMES(ops), usage, &i))
        return false;
    rule->op = (uint8_t)i;
    return true;
}

/* self->max: 1 for RequestHeader, which has no condition. */
CONF_APPLY(conf_apply_header)
{
    struct header_rules *rules = &reader->config->site.forward.headers;
    struct header_rule rule = {.request = self->max == 1};
    unsigned at = 0;

    rule.always = !rule.request && text_eq_nocase(words[0], TEXT("always"));
    if (rule.always || (!rule.request && text_eq_nocase(words[0], TEXT("onsuccess"))))
        at++;
    if (!take_op(reader, words[at], self->usage, &rule))
        return;
    if (count - at != (rule.op == HEADER_UNSET ? 2U : 3U)) {
        conf_error(reader, CONF_NO_WORD, "expected %s", self->usage);
        return;
    }
    if (rules->count == CONFIG_HEADER_RULES) {
        conf_error(reader, CONF_NO_WORD,
                   "expected at most %d lines of Header and RequestHeader: raise "
                   "CONFIG_HEADER_RULES",
                   CONFIG_HEADER_RULES);
        return;
    }
    if (take_name(reader, words[at + 1], &rule.name) &&
        (rule.op == HEADER_UNSET || take_value(reader, words[at + 2], &rule)))
        rules->rules[rules->count++] = rule;
}

CONF_PRINTS(conf_print_header)
{
    const struct header_rules *rules = &out->config->site.forward.headers;

    for (unsigned i = 0; i < rules->count; i++) {
        const struct header_rule *rule = &rules->rules[i];

        if (rule->request != (self->max == 1))
            continue;
        conf_put_name(out, self->name);
        if (rule->always)
            conf_put_word(out, TEXT("always"));
        conf_put_word(out, ops[rule->op]);
        conf_put_word(out, rule->name);
        if (rule->op != HEADER_UNSET)
            conf_put_word(out, rule->value);
        conf_put_end(out);
    }
}
