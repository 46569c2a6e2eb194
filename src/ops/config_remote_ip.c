/* The directives of the PROXY protocol, by the names that they have in httpd's mod_remoteip. */
#include "ops/config_reader.h"

bool conf_proxy_mode(struct conf_reader *reader, struct text word, struct text value, uint8_t *mode)
{
    static const struct text names[] = {
        [LISTENER_PROXY_OFF] = TEXT_INIT("Off"),
        [LISTENER_PROXY_ON] = TEXT_INIT("On"),
        [LISTENER_PROXY_OPTIONAL] = TEXT_INIT("Optional"),
    };

    size_t i;

    if (!IS_ENABLED(CONFIG_PROXY_PROTOCOL)) {
        conf_error(reader, word, "proxy= needs CONFIG_PROXY_PROTOCOL, which is off in this build");
        return false;
    }
    if (!conf_choice(reader, word, value, CONF_NAMES(names), "On, Off or Optional", &i))
        return false;
    *mode = (uint8_t)i;
    return true;
}

CONF_APPLY(conf_apply_proxy_protocol)
{
    (void)self, (void)count;
    conf_proxy_mode(reader, words[0], words[0], &reader->proxy_mode);
}

static void add_nets(struct conf_reader *reader, const struct text *words, unsigned count, struct addr_net *nets,
                     uint16_t *used)
{
    for (unsigned i = 0; i < count; i++) {
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
