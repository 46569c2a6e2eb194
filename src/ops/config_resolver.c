/* The Resolver directive: DNS servers instead of the system's. */
#include "ops/config_reader.h"

#define DNS_PORT 53

CONF_APPLY(conf_apply_resolver)
{
    struct names_settings *settings = &reader->config->names;

    (void)self;
    for (unsigned i = 0; i < count; i++) {
        struct port_addr addr;

        if (settings->server_count == CONFIG_NAME_SERVERS) {
            conf_error(reader, words[i], "expected at most %d servers: raise CONFIG_NAME_SERVERS", CONFIG_NAME_SERVERS);
            return;
        }
        if (conf_address(reader, words[i], words[i], DNS_PORT, "the address of a DNS server", &addr))
            settings->servers[settings->server_count++] = addr;
    }
}
