/* Prints a configuration in the syntax in which it is written: words, and directives of one value. */
#include "ops/config_print.h"

#include "base/addr.h"

/* ---- words ---- */

static void flush(struct conf_printer *out)
{
    port_print(false, textbuf_z(&out->line));
    textbuf_init(&out->line, out->storage, sizeof(out->storage));
}

static void put_char(struct conf_printer *out, char c)
{
    if (out->line.len + 1 == out->line.cap)
        flush(out);
    textbuf_putc(&out->line, c);
}

static void put(struct conf_printer *out, struct text t)
{
    for (size_t i = 0; i < t.len; i++)
        put_char(out, t.ptr[i]);
}

/* Whether a word stands for itself without quotes. */
static bool is_plain(struct text word)
{
    static const struct text also = TEXT_INIT("-._~:/@%+,=!*()|?&;$[]");

    for (size_t i = 0; i < word.len; i++) {
        char c = text_lower(word.ptr[i]);

        if (!text_is_digit(c) && (c < 'a' || c > 'z') && text_find(also, c, 0) == also.len)
            return false;
    }
    return word.len > 0;
}

static void put_escaped(struct conf_printer *out, struct text t)
{
    for (size_t i = 0; i < t.len; i++) {
        if (t.ptr[i] == '"' || t.ptr[i] == '\\')
            put_char(out, '\\');
        put_char(out, t.ptr[i]);
    }
}

void conf_put_name(struct conf_printer *out, struct text name)
{
    put(out, name);
}

void conf_put_word(struct conf_printer *out, struct text word)
{
    conf_put_key(out, NULL, word);
}

void conf_put_key(struct conf_printer *out, const char *key, struct text value)
{
    bool plain = is_plain(value) || (key != NULL && value.len == 0);

    put_char(out, ' ');
    if (!plain)
        put_char(out, '"');
    if (key != NULL) {
        put(out, text_of(key));
        put_char(out, '=');
    }
    put_escaped(out, value);
    if (!plain)
        put_char(out, '"');
}

void conf_put_number_key(struct conf_printer *out, const char *key, uint64_t value)
{
    char storage[24];
    struct textbuf b;

    textbuf_init(&b, storage, sizeof(storage));
    textbuf_put_u64(&b, value);
    conf_put_key(out, key, textbuf_text(&b));
}

struct text conf_time_text(uint32_t ms, char storage[16])
{
    struct textbuf b;

    textbuf_init(&b, storage, 16);
    textbuf_put_u64(&b, ms % 1000 == 0 ? ms / 1000 : ms);
    if (ms > 0)
        textbuf_put(&b, ms % 1000 == 0 ? TEXT("s") : TEXT("ms"));
    return textbuf_text(&b);
}

void conf_put_time_key(struct conf_printer *out, const char *key, uint32_t ms)
{
    char storage[16];

    conf_put_key(out, key, conf_time_text(ms, storage));
}

void conf_put_flag_key(struct conf_printer *out, const char *key, bool on)
{
    conf_put_key(out, key, on ? TEXT("On") : TEXT("Off"));
}

void conf_put_end(struct conf_printer *out)
{
    put_char(out, '\n');
    flush(out);
}

void conf_put_line(struct conf_printer *out, struct text name, struct text word)
{
    conf_put_name(out, name);
    conf_put_word(out, word);
    conf_put_end(out);
}

/* ---- one value ---- */

static const void *value_of(const struct conf_printer *out, const struct conf_directive *self)
{
    return (const char *)out->config + self->field;
}

CONF_PRINTS(conf_print_flag)
{
    conf_put_line(out, self->name, *(const bool *)value_of(out, self) ? TEXT("On") : TEXT("Off"));
}

CONF_PRINTS(conf_print_unless)
{
    conf_put_line(out, self->name, *(const bool *)value_of(out, self) ? TEXT("Off") : TEXT("On"));
}

CONF_PRINTS(conf_print_time)
{
    char storage[16];

    conf_put_line(out, self->name, conf_time_text(*(const uint32_t *)value_of(out, self), storage));
}

static void print_number(struct conf_printer *out, struct text name, uint64_t value)
{
    conf_put_name(out, name);
    conf_put_number_key(out, NULL, value);
    conf_put_end(out);
}

CONF_PRINTS(conf_print_u8)
{
    print_number(out, self->name, *(const uint8_t *)value_of(out, self));
}

CONF_PRINTS(conf_print_u32)
{
    print_number(out, self->name, *(const uint32_t *)value_of(out, self));
}

CONF_PRINTS(conf_print_u64)
{
    print_number(out, self->name, *(const uint64_t *)value_of(out, self));
}

CONF_PRINTS(conf_print_text)
{
    const struct text *value = value_of(out, self);

    if (value->len > 0)
        conf_put_line(out, self->name, *value);
}

CONF_PRINTS(conf_print_file)
{
    const char *value = *(const char *const *)value_of(out, self);

    if (value != NULL && value[0] != '\0')
        conf_put_line(out, self->name, text_of(value));
}

/* ---- what is a little more than that ---- */

CONF_PRINTS(conf_print_via)
{
    static const struct text names[] = {
        [VIA_OFF] = TEXT_INIT("Off"),
        [VIA_ON] = TEXT_INIT("On"),
        [VIA_FULL] = TEXT_INIT("Full"),
        [VIA_BLOCK] = TEXT_INIT("Block"),
    };

    conf_put_line(out, self->name, names[out->config->site.forward.via]);
}

/* Off is no more than a single request. */
CONF_PRINTS(conf_print_keepalive)
{
    conf_put_line(out, self->name, out->config->front.keepalive_max == 1 ? TEXT("Off") : TEXT("On"));
}

CONF_PRINTS(conf_print_protocols)
{
    const struct front_settings *front = &out->config->front;

    conf_put_name(out, self->name);
    if (front->http1)
        conf_put_word(out, TEXT("http/1.1"));
    if (IS_ENABLED(CONFIG_H2_FRONT) && front->h2)
        conf_put_word(out, TEXT("h2"));
    if (IS_ENABLED(CONFIG_H2_FRONT) && front->h2c)
        conf_put_word(out, TEXT("h2c"));
    conf_put_end(out);
}

static void put_read_timeout(struct conf_printer *out, const char *key, const struct front_read_timeout *timeout)
{
    char storage[64];
    struct textbuf b;

    textbuf_init(&b, storage, sizeof(storage));
    textbuf_put_u64(&b, timeout->initial_ms / 1000);
    if (timeout->max_ms > 0) {
        textbuf_putc(&b, '-');
        textbuf_put_u64(&b, timeout->max_ms / 1000);
    }
    if (timeout->rate > 0) {
        textbuf_put(&b, TEXT(",MinRate="));
        textbuf_put_u64(&b, timeout->rate);
    }
    conf_put_key(out, key, textbuf_text(&b));
}

CONF_PRINTS(conf_print_read_timeout)
{
    const struct front_settings *front = &out->config->front;

    conf_put_name(out, self->name);
    conf_put_number_key(out, "handshake", front->handshake_ms / 1000);
    put_read_timeout(out, "header", &front->head);
    put_read_timeout(out, "body", &front->body);
    conf_put_end(out);
}

CONF_PRINTS(conf_print_log_level)
{
    static const struct text names[] = {
        [LOG_ERROR] = TEXT_INIT("error"), [LOG_WARN] = TEXT_INIT("warn"),    [LOG_NOTICE] = TEXT_INIT("notice"),
        [LOG_INFO] = TEXT_INIT("info"),   [LOG_DEBUG_] = TEXT_INIT("debug"), [LOG_TRACE_] = TEXT_INIT("trace1"),
    };

    conf_put_line(out, self->name, names[out->config->log_level]);
}

/* ---- addresses ---- */

/* "192.0.2.1:80", "[2001:db8::1]:80", "unix:/run/a.sock" */
static struct text address(struct textbuf *b, const struct port_addr *addr)
{
    addr_put(b, addr, true);
    if (addr->family != PORT_UNIX) {
        textbuf_putc(b, ':');
        textbuf_put_u64(b, addr->port);
    }
    return textbuf_text(b);
}

/* Whether these are the two halves of a "Listen PORT". */
static bool is_pair(const struct listener_settings *four, const struct listener_settings *six)
{
    static const uint8_t all[sizeof(four->addr.ip)];

    return four->addr.family == PORT_IPV4 && six->optional && four->addr.port == six->addr.port &&
           memcmp(four->addr.ip, all, sizeof(all)) == 0;
}

static void put_listen(struct conf_printer *out, struct text name, const struct listener_settings *listen, bool pair)
{
    static const struct text modes[] = {
        [LISTENER_PROXY_OFF] = TEXT_INIT("Off"),
        [LISTENER_PROXY_ON] = TEXT_INIT("On"),
        [LISTENER_PROXY_OPTIONAL] = TEXT_INIT("Optional"),
    };
    char storage[PORT_PATH_MAX + 16];
    struct textbuf b;

    textbuf_init(&b, storage, sizeof(storage));
    conf_put_name(out, name);
    if (pair)
        conf_put_number_key(out, NULL, listen->addr.port);
    else
        conf_put_word(out, address(&b, &listen->addr));
    conf_put_word(out, listen->tls ? TEXT("https") : TEXT("http"));
    if (IS_ENABLED(CONFIG_PROXY_PROTOCOL))
        conf_put_key(out, "proxy", modes[listen->proxy]);
    if (listen->addr.family == PORT_UNIX) {
        textbuf_init(&b, storage, sizeof(storage));
        textbuf_printf(&b, "%04o", (unsigned)listen->mode);
        conf_put_key(out, "mode", textbuf_text(&b));
    }
    conf_put_end(out);
}

CONF_PRINTS(conf_print_listen)
{
    const struct config *config = out->config;

    for (unsigned i = 0; i < config->listen_count; i++) {
        bool pair = i + 1 < config->listen_count && is_pair(&config->listen[i], &config->listen[i + 1]);

        put_listen(out, self->name, &config->listen[i], pair);
        i += pair;
    }
}

static void print_nets(struct conf_printer *out, struct text name, const struct addr_net *nets, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char storage[ADDR_TEXT + 8];
        unsigned bits = nets[i].bits;
        struct textbuf b;

        textbuf_init(&b, storage, sizeof(storage));
        addr_put(&b, &nets[i].addr, false);
        if (nets[i].addr.family == PORT_IPV6 && text_find(textbuf_text(&b), ':', 0) == b.len)
            bits -= 96; /* an IPv4-mapped one is written as IPv4 */
        textbuf_putc(&b, '/');
        textbuf_put_u64(&b, bits);
        conf_put_line(out, name, textbuf_text(&b));
    }
}

CONF_PRINTS(conf_print_trusted)
{
    print_nets(out, self->name, out->config->proxy.trusted, out->config->proxy.trusted_count);
}

CONF_PRINTS(conf_print_exceptions)
{
    print_nets(out, self->name, out->config->proxy.excepted, out->config->proxy.excepted_count);
}

CONF_PRINTS(conf_print_resolver)
{
    const struct names_settings *names = &out->config->names;

    if (names->server_count == 0)
        return;
    conf_put_name(out, self->name);
    for (unsigned i = 0; i < names->server_count; i++) {
        char storage[ADDR_TEXT + 8];
        struct textbuf b;

        textbuf_init(&b, storage, sizeof(storage));
        conf_put_word(out, address(&b, &names->servers[i]));
    }
    conf_put_end(out);
}

void config_print(const struct config *config)
{
    struct conf_printer out = {.config = config};

    textbuf_init(&out.line, out.storage, sizeof(out.storage));
    for (const struct conf_directive *d = conf_directive_next(NULL); d != NULL; d = conf_directive_next(d))
        if (d->print != NULL)
            d->print(&out, d);
}
