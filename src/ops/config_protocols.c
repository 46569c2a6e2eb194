/* The Protocols directive. */
#include "ops/config_reader.h"

/* The flag that a word names, or NULL. */
static bool *flag_of(struct front_settings *front, struct text word)
{
    if (text_eq_nocase(word, TEXT("http/1.1")))
        return &front->http1;
    if (text_eq_nocase(word, TEXT("h2")))
        return &front->h2;
    return text_eq_nocase(word, TEXT("h2c")) ? &front->h2c : NULL;
}

CONF_APPLY(conf_apply_protocols)
{
    struct front_settings *front = &reader->config->front;
    struct front_settings chosen = {0};

    for (unsigned i = 0; i < count; i++) {
        bool *flag = flag_of(&chosen, words[i]);

        if (!flag) {
            conf_error(reader, words[i], "expected %s", self->usage);
            return;
        }
        if (flag != &chosen.http1 && !IS_ENABLED(CONFIG_H2_FRONT)) {
            conf_error(reader, words[i], "this build speaks HTTP/1.1 only to clients (CONFIG_H2_FRONT is off)");
            return;
        }
        *flag = true;
    }
    front->http1 = chosen.http1;
    front->h2 = chosen.h2;
    front->h2c = chosen.h2c;
}

void conf_check_protocols(struct conf_reader *reader)
{
    struct config *config = reader->config;
    const struct front_settings *front = &config->front;

    config->tls.h2_only = !front->http1;
    reader->directive = TEXT("Listen");
    for (unsigned i = 0; i < config->listen_count; i++) {
        bool tls = config->listen[i].tls;

        if (front->http1 || (tls ? front->h2 : front->h2c))
            continue;
        reader->place = reader->listens[i];
        conf_error(reader, CONF_NO_WORD, "expected http/1.1 or %s among Protocols: nothing could be spoken here",
                   tls ? "h2" : "h2c");
    }
}
