/* The Listen directive. */
#include "base/addr.h"
#include "ops/config_reader.h"

/* Whether two sockets could not be bound at the same time: the same address, or one of them all addresses. */
static bool collide(const struct port_addr *a, const struct port_addr *b)
{
    static const uint8_t all[sizeof(a->ip)];

    return a->family == b->family && a->port == b->port &&
           (memcmp(a->ip, b->ip, sizeof(all)) == 0 || memcmp(a->ip, all, sizeof(all)) == 0 ||
            memcmp(b->ip, all, sizeof(all)) == 0);
}

static bool add_listen(struct conf_reader *reader, struct text word, const struct port_addr *addr, bool optional)
{
    struct config *config = reader->config;

    for (unsigned i = 0; i < config->listen_count; i++) {
        if (!collide(&config->listen[i], addr))
            continue;
        conf_error(reader, word, "expected another address or port: that of %s:%" PRIu32 " takes this one, too",
                   reader->listens[i].file, reader->listens[i].line);
        return false;
    }
    if (config->listen_count == CONFIG_LISTENERS) {
        conf_error(reader, word, "expected at most %d listening sockets: raise CONFIG_LISTENERS", CONFIG_LISTENERS);
        return false;
    }
    reader->listens[config->listen_count] = reader->place;
    config->listen_optional[config->listen_count] = optional;
    config->listen[config->listen_count++] = *addr;
    return true;
}

/* "[::1]", "127.0.0.1" */
static bool parse_host(struct conf_reader *reader, struct text word, struct text host, struct port_addr *addr)
{
    bool brackets = host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';

    if (brackets)
        host = text_make(host.ptr + 1, host.len - 2);
    if (!addr_parse(host, addr) || brackets != (addr->family == PORT_IPV6)) {
        conf_error(reader, word, "expected PORT, IPv4-ADDRESS:PORT or [IPv6-ADDRESS]:PORT");
        return false;
    }
    if (addr->family == PORT_IPV6 && !IS_ENABLED(CONFIG_IPV6)) {
        conf_error(reader, word, "expected an IPv4 address: this build has no IPv6 (CONFIG_IPV6 is off)");
        return false;
    }
    return true;
}

/* The last ':' that is not in brackets, or SIZE_MAX. */
static size_t port_colon(struct text word)
{
    for (size_t i = word.len; i > 0 && word.ptr[i - 1] != ']'; i--)
        if (word.ptr[i - 1] == ':')
            return i - 1;
    return SIZE_MAX;
}

CONF_APPLY(conf_apply_listen)
{
    struct text word = words[0];
    size_t colon = port_colon(word);
    bool all = colon == SIZE_MAX || text_eq(text_first(word, colon), TEXT("*"));
    struct port_addr addr = {.family = PORT_IPV4};
    uint16_t port;

    (void)self;
    reader->saw_listen = true;
    if (count == 2 && text_eq_nocase(words[1], TEXT("https"))) {
        conf_error(reader, words[1], "expected http: this build has no TLS");
        return;
    }
    if (count == 2 && !text_eq_nocase(words[1], TEXT("http"))) {
        conf_error(reader, words[1], "expected the protocol http, or nothing");
        return;
    }
    if (!all && !parse_host(reader, word, text_first(word, colon), &addr))
        return;
    if (!conf_port(reader, word, text_skip(word, colon == SIZE_MAX ? 0 : colon + 1), &port))
        return;
    addr.port = port;
    if (!add_listen(reader, word, &addr, false) || !all || !IS_ENABLED(CONFIG_IPV6))
        return;
    addr.family = PORT_IPV6;
    add_listen(reader, word, &addr, true);
}
