/* The Resolver directive: DNS servers instead of the system's. */
#include "base/addr.h"
#include "ops/config_reader.h"

#define DNS_PORT 53

/* "192.0.2.53", "192.0.2.53:5353", "::1", "[::1]:5353" */
static bool parse_server(struct conf_reader *reader, struct text word, struct port_addr *addr)
{
    struct text host = word, digits = {NULL, 0};
    uint16_t port = DNS_PORT;

    if (word.len > 0 && word.ptr[0] == '[') {
        host = text_skip(text_first(word, text_find(word, ']', 0)), 1);
        digits = text_skip(word, host.len + 2);
    } else if (text_find(word, '.', 0) < text_find(word, ':', 0)) {
        host = text_first(word, text_find(word, ':', 0));
        digits = text_skip(word, host.len);
    }
    if (word.len > 0 && word.ptr[0] == '[' && text_find(word, ']', 0) == word.len)
        host.len = 0;
    if (!addr_parse(host, addr) || (digits.len > 0 && digits.ptr[0] != ':')) {
        conf_error(reader, word, "expected the address of a DNS server, perhaps with :port");
        return false;
    }
    if (digits.len > 0 && !conf_port(reader, word, text_skip(digits, 1), &port))
        return false;
    addr->port = port;
    return true;
}

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
        if (parse_server(reader, words[i], &addr))
            settings->servers[settings->server_count++] = addr;
    }
}
