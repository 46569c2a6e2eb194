/* The directive LogFormat, and the formats that CustomLog names. */
#include "ops/config_print.h"

#define FORMATS(config)                                                                                                \
    (&(const struct conf_names){(config)->log_formats, (config)->log_format_count, sizeof((config)->log_formats[0])})

/* Parses a format into the site, for good or only to judge it. */
static bool parse(struct conf_reader *reader, struct text format)
{
    struct log_fault fault;
    bool ok = log_format_parse(&reader->config->site.log, format, &fault);

    if (!ok)
        conf_error(reader, fault.at, "expected %s", fault.expected);
    return ok;
}

static bool is_format(struct text word)
{
    return text_find(word, '%', 0) < word.len;
}

/* The place of a nickname; of "", that of the LogFormat without one. log_format_count: there is none. */
static size_t find(const struct config *config, struct text nickname)
{
    size_t i = 0;

    while (i < config->log_format_count && !text_eq_nocase(config->log_formats[i].nickname, nickname))
        i++;
    return i;
}

static bool is_nickname(struct conf_reader *reader, struct text word)
{
    if (word.len > 0 && !is_format(word) && !text_eq_nocase(word, CONF_LOG_COMPACT))
        return true;
    conf_error(reader, word, "expected a nickname without %%, and not culvert, which is the proxy's own format");
    return false;
}

/* A nickname's last format counts, as in httpd. */
CONF_APPLY(conf_apply_log_format)
{
    struct config *config = reader->config;
    struct config_log_format format = {.nickname = TEXT("")};
    size_t i = find(config, count == 2 ? words[1] : TEXT(""));

    (void)self;
    if (!parse(reader, words[0]) || (count == 2 && !is_nickname(reader, words[1])))
        return;
    if (i == CONFIG_LOG_FORMATS) {
        conf_error(reader, CONF_NO_WORD, "expected at most %d formats: raise CONFIG_LOG_FORMATS", CONFIG_LOG_FORMATS);
        return;
    }
    if (!conf_store(reader, words[0], &format.format) ||
        (count == 2 && !conf_store(reader, words[1], &format.nickname)))
        return;
    config->log_formats[i] = format;
    if (i == config->log_format_count)
        config->log_format_count++;
}

bool conf_choose_log_format(struct conf_reader *reader, struct text word)
{
    reader->custom_log = reader->place;
    if (is_format(word) && !parse(reader, word))
        return false;
    reader->config->log_choice = TEXT("");
    return word.len == 0 || conf_store(reader, word, &reader->config->log_choice);
}

void conf_settle_log_format(struct conf_reader *reader)
{
    struct config *config = reader->config;
    struct text choice = config->log_choice;
    size_t i = find(config, choice);

    if (i < config->log_format_count) {
        choice = config->log_formats[i].format;
    } else if (choice.len == 0 || text_eq_nocase(choice, CONF_LOG_COMPACT)) {
        memset(&config->site.log, 0, sizeof(config->site.log));
        return;
    }
    reader->place = reader->custom_log;
    reader->directive = TEXT("CustomLog");
    if (is_format(choice) || i < config->log_format_count)
        (void)parse(reader, choice);
    else
        conf_error_near(reader, choice, choice, FORMATS(config), "a nickname of a LogFormat, culvert, or a format");
}

CONF_PRINTS(conf_print_log_format)
{
    for (unsigned i = 0; i < out->config->log_format_count; i++) {
        const struct config_log_format *format = &out->config->log_formats[i];

        conf_put_name(out, self->name);
        conf_put_word(out, format->format);
        if (format->nickname.len > 0)
            conf_put_word(out, format->nickname);
        conf_put_end(out);
    }
}

void conf_put_log_choice(struct conf_printer *out)
{
    if (out->config->log_choice.len > 0)
        conf_put_word(out, out->config->log_choice);
}
