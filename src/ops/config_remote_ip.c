/* The directives of the PROXY protocol, by the names that they have in httpd's mod_remoteip. */
#include "ops/config_reader.h"

static bool is_built(struct conf_reader *reader, struct text word)
{
    if (!IS_ENABLED(CONFIG_PROXY_PROTOCOL))
        conf_error(reader, word, "this build has no PROXY protocol (CONFIG_PROXY_PROTOCOL is off)");
    return IS_ENABLED(CONFIG_PROXY_PROTOCOL);
}

bool conf_proxy_mode(struct conf_reader *reader, struct text word, struct text value, uint8_t *mode)
{
    static const struct text names[] = {
        [LISTENER_PROXY_OFF] = TEXT_INIT("Off"),
        [LISTENER_PROXY_ON] = TEXT_INIT("On"),
        [LISTENER_PROXY_OPTIONAL] = TEXT_INIT("Optional"),
    };

    if (!is_built(reader, word))
        return false;
    for (size_t i = LISTENER_PROXY_OFF; i < ARRAY_SIZE(names); i++) {
        if (!text_eq_nocase(value, names[i]))
            continue;
        *mode = (uint8_t)i;
        return true;
    }
    conf_error(reader, word, "expected On, Off or Optional");
    return false;
}

CONF_APPLY(conf_apply_proxy_protocol)
{
    (void)self, (void)count;
    conf_proxy_mode(reader, words[0], words[0], &reader->proxy_mode);
}

static void add_nets(struct conf_reader *reader, const struct text *words, unsigned count, struct addr_net *nets,
                     uint16_t *used)
{
    for (unsigned i = 0; i < count && is_built(reader, words[i]); i++) {
        if (*used == CONFIG_PROXY_SOURCES) {
            conf_error(reader, words[i], "expected at most %d addresses: raise CONFIG_PROXY_SOURCES",
                       CONFIG_PROXY_SOURCES);
            return;
        }
        if (addr_net_parse(words[i], &nets[*used]))
            ++*used;
        else
            conf_error(reader, words[i], "expected an address, or a network ADDRESS/BITS");
    }
}

CONF_APPLY(conf_apply_trusted_proxy)
{
    struct proxy_front_settings *settings = &reader->config->proxy;

    (void)self;
    add_nets(reader, words, count, settings->trusted, &settings->trusted_count);
}

CONF_APPLY(conf_apply_proxy_exceptions)
{
    struct proxy_front_settings *settings = &reader->config->proxy;

    (void)self;
    add_nets(reader, words, count, settings->excepted, &settings->excepted_count);
}

void conf_settle_proxy(struct conf_reader *reader)
{
    struct config *config = reader->config;
    bool open = false;

    for (unsigned i = 0; i < config->listen_count; i++) {
        struct listener_settings *listen = &config->listen[i];

        if (listen->proxy == LISTENER_PROXY_DEFAULT)
            listen->proxy = reader->proxy_mode;
        open = open || (listen->proxy >= LISTENER_PROXY_ON && listen->addr.family != PORT_UNIX);
    }
    if (open && config->proxy.trusted_count == 0)
        conf_warn(reader, CONF_NO_WORD,
                  "everybody who connects may name any client in a PROXY header: RemoteIPTrustedProxy says who may");
}
