/* The Listen directive. */
#include "base/addr.h"
#include "ops/config_reader.h"

/* Permissions of a unix socket's file: whoever may write to it may connect. */
#define UNIX_MODE 0660

/* Whether two sockets could not be bound at the same time: the same address, or one of them all addresses. */
static bool collide(const struct port_addr *a, const struct port_addr *b)
{
    static const uint8_t all[sizeof(a->ip)];

    if (a->family == PORT_UNIX)
        return addr_eq(a, b);
    return a->family == b->family && a->port == b->port &&
           (memcmp(a->ip, b->ip, sizeof(all)) == 0 || memcmp(a->ip, all, sizeof(all)) == 0 ||
            memcmp(b->ip, all, sizeof(all)) == 0);
}

static bool add_listen(struct conf_reader *reader, struct text word, const struct listener_settings *settings)
{
    struct config *config = reader->config;

    for (unsigned i = 0; i < config->listen_count; i++) {
        if (!collide(&config->listen[i].addr, &settings->addr))
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
    config->listen[config->listen_count++] = *settings;
    config->tls.serves = config->tls.serves || settings->tls;
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

static void listen_tcp(struct conf_reader *reader, struct text word, struct listener_settings *settings)
{
    size_t colon = port_colon(word);
    bool all = colon == SIZE_MAX || text_eq(text_first(word, colon), TEXT("*"));
    struct port_addr *addr = &settings->addr;
    uint16_t port;

    addr->family = PORT_IPV4;
    if (!all && !parse_host(reader, word, text_first(word, colon), addr))
        return;
    if (!conf_port(reader, word, text_skip(word, colon == SIZE_MAX ? 0 : colon + 1), &port))
        return;
    addr->port = port;
    if (!add_listen(reader, word, settings) || !all || !IS_ENABLED(CONFIG_IPV6))
        return;
    addr->family = PORT_IPV6;
    settings->optional = true;
    add_listen(reader, word, settings);
}

static void listen_unix(struct conf_reader *reader, struct text word, struct listener_settings *settings)
{
    if (conf_unix(reader, word, text_skip(word, CONF_UNIX.len), &settings->addr))
        add_listen(reader, word, settings);
}

/* mode=0660 */
static bool parse_mode(struct conf_reader *reader, struct text word, struct text digits, uint16_t *mode)
{
    unsigned value = 0;

    for (size_t i = 0; i < digits.len && value <= 0777; i++)
        value = digits.ptr[i] >= '0' && digits.ptr[i] <= '7' ? value * 8 + (unsigned)(digits.ptr[i] - '0') : 01000;
    if (digits.len == 0 || value > 0777) {
        conf_error(reader, word, "expected the permissions of the socket's file as an octal number to 0777");
        return false;
    }
    *mode = (uint16_t)value;
    return true;
}

/* A word behind the address: the protocol, or a key. */
static bool parse_option(struct conf_reader *reader, struct text word, bool first, bool is_unix,
                         struct listener_settings *settings)
{
    static const struct text options[] = {TEXT_INIT("http"), TEXT_INIT("https"), TEXT_INIT("proxy="),
                                          TEXT_INIT("mode=")};
    const struct conf_names names = {options, ARRAY_SIZE(options) - !is_unix, sizeof(options[0])};

    if (first && text_eq_nocase(word, TEXT("http")))
        return true;
    if (first && text_eq_nocase(word, TEXT("https"))) {
        settings->tls = true;
        if (!IS_ENABLED(CONFIG_TLS))
            conf_error(reader, word, "expected http: this build has no TLS (CONFIG_TLS is off)");
        return IS_ENABLED(CONFIG_TLS);
    }
    if (is_unix && text_starts_nocase(word, TEXT("mode=")))
        return parse_mode(reader, word, text_skip(word, 5), &settings->mode);
    if (text_starts_nocase(word, TEXT("proxy=")))
        return conf_proxy_mode(reader, word, text_skip(word, 6), &settings->proxy);
    conf_error_near(reader, word, text_first(word, text_find(word, '=', 0)), &names,
                    is_unix ? "the protocol http or https, proxy=, mode=, or nothing"
                            : "the protocol http or https, proxy=, or nothing");
    return false;
}

CONF_APPLY(conf_apply_listen)
{
    struct listener_settings settings = {.mode = UNIX_MODE};
    bool is_unix = text_starts_nocase(words[0], CONF_UNIX);

    (void)self;
    reader->saw_listen = true;
    for (unsigned i = 1; i < count; i++)
        if (!parse_option(reader, words[i], i == 1, is_unix, &settings))
            return;
    if (is_unix)
        listen_unix(reader, words[0], &settings);
    else
        listen_tcp(reader, words[0], &settings);
}
