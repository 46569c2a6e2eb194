/* The table of directives, and those that set one value. What README and the manual say
   about a new row stands in .build/directives.txt (make docs). */
#include "ops/config_balancer.h"
#include "ops/config_print.h"

/* What a request line or field line of the largest length leaves for the rest of the head; see config_check.h. */
#define LINE_MAX (CONFIG_REQUEST_HEAD - 512)
#define FIELDS_MAX (CONFIG_HEAD_FIELDS - 12)
#define SERVER_NAME_MAX 255

static void *value_of(struct conf_reader *reader, const struct conf_directive *self)
{
    return (char *)reader->config + self->field;
}

static CONF_APPLY(apply_flag)
{
    (void)count;
    conf_flag(reader, words[0], value_of(reader, self));
}

static CONF_APPLY(apply_time)
{
    (void)count;
    conf_time(reader, words[0], 1000, value_of(reader, self));
}

static CONF_APPLY(apply_u32)
{
    uint64_t value;

    (void)count;
    if (conf_number(reader, words[0], self->min, self->max, self->capacity, &value))
        *(uint32_t *)value_of(reader, self) = (uint32_t)value;
}

static CONF_APPLY(apply_u64)
{
    (void)count;
    conf_number(reader, words[0], self->min, self->max, self->capacity, value_of(reader, self));
}

/* A time, or 0. */
static CONF_APPLY(apply_time_or_none)
{
    if (text_eq(words[0], TEXT("0")))
        *(uint32_t *)value_of(reader, self) = 0;
    else
        apply_time(reader, self, words, count);
}

/* LimitRequestLine, LimitRequestFieldSize: how large both may be together is checked at the end. */
static CONF_APPLY(apply_size)
{
    apply_u32(reader, self, words, count);
    reader->limits = reader->place;
}

static CONF_APPLY(apply_fields)
{
    uint32_t *fields = value_of(reader, self);

    apply_u32(reader, self, words, count);
    if (*fields == 0)
        *fields = FIELDS_MAX; /* httpd: no limit; here the index of fields is one */
}

static CONF_APPLY(apply_keepalive)
{
    (void)self, (void)count;
    conf_flag(reader, words[0], &reader->keepalive);
}

static CONF_APPLY(apply_proxy_timeout)
{
    (void)self, (void)count;
    conf_time(reader, words[0], 1000, &reader->proxy_timeout_ms);
}

/* What can only be Off: it is taken as it stands in known configurations. */
static CONF_APPLY(apply_off)
{
    bool on;

    (void)self, (void)count;
    if (conf_flag(reader, words[0], &on) && on)
        conf_error(reader, words[0], "expected Off: this is a reverse proxy only");
}

static CONF_APPLY(apply_via)
{
    static const struct text choices[] = {
        [VIA_OFF] = TEXT_INIT("Off"),
        [VIA_ON] = TEXT_INIT("On"),
        [VIA_FULL] = TEXT_INIT("Full"),
        [VIA_BLOCK] = TEXT_INIT("Block"),
    };
    size_t i;

    (void)count;
    if (conf_choice(reader, words[0], words[0], CONF_NAMES(choices), self->usage, &i))
        reader->config->site.forward.via = (uint8_t)i;
}

static CONF_APPLY(apply_server_name)
{
    struct authority authority;

    (void)self, (void)count;
    if (words[0].len > SERVER_NAME_MAX || !uri_authority(words[0], &authority)) {
        conf_error(reader, words[0], "expected a host name or address of at most %d bytes, perhaps with :port",
                   SERVER_NAME_MAX);
        return;
    }
    conf_store(reader, words[0], &reader->config->site.forward.server_name);
}

static CONF_APPLY(apply_log_level)
{
    static const struct {
        struct text name;
        enum log_level level;
    } levels[] = {
        {TEXT_INIT("emerg"), LOG_ERROR},   {TEXT_INIT("alert"), LOG_ERROR},   {TEXT_INIT("crit"), LOG_ERROR},
        {TEXT_INIT("error"), LOG_ERROR},   {TEXT_INIT("warn"), LOG_WARN},     {TEXT_INIT("notice"), LOG_NOTICE},
        {TEXT_INIT("info"), LOG_INFO},     {TEXT_INIT("debug"), LOG_DEBUG_},  {TEXT_INIT("trace1"), LOG_TRACE_},
        {TEXT_INIT("trace2"), LOG_TRACE_}, {TEXT_INIT("trace3"), LOG_TRACE_}, {TEXT_INIT("trace4"), LOG_TRACE_},
        {TEXT_INIT("trace5"), LOG_TRACE_}, {TEXT_INIT("trace6"), LOG_TRACE_}, {TEXT_INIT("trace7"), LOG_TRACE_},
        {TEXT_INIT("trace8"), LOG_TRACE_},
    };
    size_t i;

    (void)count;
    if (!conf_choice(reader, words[0], words[0], CONF_NAMES(levels), self->usage, &i))
        return;
    reader->config->log_level = levels[i].level;
    if (levels[i].level >= LOG_DEBUG_ && !IS_ENABLED(CONFIG_LOG_DEBUG))
        conf_warn(reader, words[0], "such messages need CONFIG_LOG_DEBUG, which is off in this build");
}

#define VERIFY_WORDS "none, optional, optional_no_ca or require"
/* How a directive is printed (conf_print_X), where that is built in. */
#define PRINT(x) .print = IS_ENABLED(CONFIG_CONF_PRINT) ? conf_print_##x : NULL
#define NAME(literal, words) .name = TEXT_INIT(literal), .usage = (words)
#define WORDS(least, most) .min_words = (least), .max_words = (most)
#define FLAG(literal, at)                                                                                              \
    NAME(literal, "On or Off"), WORDS(1, 1), .apply = apply_flag, PRINT(flag), .field = offsetof(struct config, at)
#define TIME(literal, at)                                                                                              \
    NAME(literal, "SECONDS"), WORDS(1, 1), .apply = apply_time, PRINT(time), .field = offsetof(struct config, at)
#define NUMBER(literal, apply_x, print_x, at, least, most, option)                                                     \
    NAME(literal, "NUMBER"), WORDS(1, 1), .apply = (apply_x), PRINT(print_x), .field = offsetof(struct config, at),    \
                                          .min = (least), .max = (most), .capacity = (option)

/* For what is not in every build: the function of a directive that needs a Kconfig option, and how it is printed (NULL:
   it is not). */
#define NEEDS(x, apply_x, print_x)                                                                                     \
    .option = "CONFIG_" #x, .apply = IS_ENABLED(CONFIG_##x) ? (apply_x) : NULL,                                        \
    .print = IS_ENABLED(CONFIG_##x) && IS_ENABLED(CONFIG_CONF_PRINT) ? (print_x) : NULL
#define PROCESS(literal, words, at) NAME(literal, words), WORDS(1, 1), .field = offsetof(struct config, process.at)
#define TLS(literal, words, at) NAME(literal, words), WORDS(1, 1), .field = offsetof(struct config, tls.at)

static const struct conf_directive directives[] = {
    {NAME("Listen", "[ADDRESS:]PORT or unix:/PATH, [http or https] [proxy=On|Off|Optional] [mode=MODE]"), WORDS(1, 4),
     .apply = conf_apply_listen, PRINT(listen)},
    {NAME("Protocols", "http/1.1, h2 or h2c, or several of them"), WORDS(1, 3), .apply = conf_apply_protocols,
     PRINT(protocols)},
    {NAME("ServerName", "HOST[:PORT]"), WORDS(1, 1), .apply = apply_server_name, PRINT(text),
     .field = offsetof(struct config, site.forward.server_name)},
    {NAME("ProxyPass", "PATH URL [KEY=VALUE ...], or PATH !"), WORDS(2, CONF_WORDS), .apply = conf_apply_proxy_pass,
     PRINT(proxy_pass)},
    {NAME("BalancerMember", "[balancer://NAME] URL [KEY=VALUE ...]"), WORDS(1, CONF_WORDS), .in_section = true,
     NEEDS(BALANCER, conf_apply_member, conf_print_balancers)},
    {NAME("ProxySet", "[balancer://NAME] KEY=VALUE ..."), WORDS(1, CONF_WORDS), .in_section = true,
     NEEDS(BALANCER, conf_apply_proxy_set, NULL)},
    {NAME("ProxyPassReverse", "PATH URL"), WORDS(2, 2), NEEDS(REVERSE_MAP, conf_apply_reverse, conf_print_reverse)},
    {NAME("ProxyPassReverseCookiePath", "INTERNAL-PATH PUBLIC-PATH"), WORDS(2, 2),
     NEEDS(REVERSE_MAP, conf_apply_cookie_path, conf_print_cookie_path)},
    {NAME("ProxyPassReverseCookieDomain", "INTERNAL-DOMAIN PUBLIC-DOMAIN"), WORDS(2, 2),
     NEEDS(REVERSE_MAP, conf_apply_cookie_domain, conf_print_cookie_domain)},
    {NAME("ProxyRequests", "Off"), WORDS(1, 1), .apply = apply_off},
    {NAME("GracefulShutdownTimeout", "SECONDS, or 0"), WORDS(1, 1), .apply = apply_time_or_none, PRINT(time),
     .field = offsetof(struct config, drain_ms)},
    {FLAG("ProxyPreserveHost", site.forward.preserve_host)},
    {FLAG("ProxyAddHeaders", site.forward.add_headers)},
    {NAME("ProxyVia", "Off, On, Full or Block"), WORDS(1, 1), .apply = apply_via, PRINT(via)},
    {NAME("ProxyTimeout", "SECONDS"), WORDS(1, 1), .apply = apply_proxy_timeout},
    {TIME("Timeout", front.timeout_ms)},
    {NAME("KeepAlive", "On or Off"), WORDS(1, 1), .apply = apply_keepalive, PRINT(keepalive)},
    {TIME("KeepAliveTimeout", front.keepalive_ms)},
    {NAME("LingerTimeout", "SECONDS"), WORDS(1, 1), .apply = apply_time_or_none, PRINT(time),
     .field = offsetof(struct config, front.linger_ms)},
    {NUMBER("MaxKeepAliveRequests", apply_u32, u32, front.keepalive_max, 0, INT32_MAX, NULL)},
    {NAME("RequestReadTimeout", "handshake=SECONDS header=SECONDS[-SECONDS][,MinRate=BYTES] body=..."), WORDS(1, 3),
     .apply = conf_apply_read_timeout, PRINT(read_timeout)},
    {NUMBER("LimitRequestBody", apply_u64, u64, front.body_limit, 0, INT64_MAX, NULL)},
    {NUMBER("LimitRequestFields", apply_fields, u32, front.limits.fields, 0, FIELDS_MAX, "CONFIG_HEAD_FIELDS")},
    {NUMBER("LimitRequestFieldSize", apply_size, u32, front.limits.field, 1, LINE_MAX, "CONFIG_REQUEST_HEAD")},
    {NUMBER("LimitRequestLine", apply_size, u32, front.limits.line, 1, LINE_MAX, "CONFIG_REQUEST_HEAD")},
    {NAME("LogFormat", "FORMAT and perhaps its nickname"), WORDS(1, 2),
     NEEDS(LOG_FORMAT, conf_apply_log_format, conf_print_log_format)},
    {NAME("CustomLog", "a target (FILE, -, stderr, syslog:..., serial:...), and perhaps a format"), WORDS(1, 2),
     .apply = conf_apply_custom_log, PRINT(log), .field = offsetof(struct config, logs[LOG_ACCESS])},
    {NAME("ErrorLog", "a target: FILE, -, stderr, syslog:... or serial:..."), WORDS(1, 1),
     .apply = conf_apply_error_log, PRINT(log), .field = offsetof(struct config, logs[LOG_DIAG])},
    {NAME("LogLevel", "emerg, alert, crit, error, warn, notice, info, debug or trace1 to trace8"), WORDS(1, 1),
     .apply = apply_log_level, PRINT(log_level)},
    {NAME("RemoteIPProxyProtocol", "On, Off or Optional"), WORDS(1, 1),
     NEEDS(PROXY_PROTOCOL, conf_apply_proxy_protocol, NULL)},
    {NAME("RemoteIPTrustedProxy", "ADDRESS[/BITS] ..."), WORDS(1, CONF_WORDS),
     NEEDS(PROXY_PROTOCOL, conf_apply_trusted_proxy, conf_print_trusted)},
    {NAME("RemoteIPProxyProtocolExceptions", "ADDRESS[/BITS] ..."), WORDS(1, CONF_WORDS),
     NEEDS(PROXY_PROTOCOL, conf_apply_proxy_exceptions, conf_print_exceptions)},
    {NAME("Resolver", "ADDRESS[:PORT] ..."), WORDS(1, CONF_WORDS),
     NEEDS(CARES, conf_apply_resolver, conf_print_resolver)},
    {PROCESS("User", "a user's name, or # and a number", user), NEEDS(CHANGE_USER, conf_apply_user, conf_print_file)},
    {PROCESS("Group", "a group's name, or # and a number", group),
     NEEDS(CHANGE_USER, conf_apply_user, conf_print_file)},
    {PROCESS("ChrootDir", "an absolute path", chroot), NEEDS(CHANGE_USER, conf_apply_chroot, conf_print_file)},
    {PROCESS("PidFile", "FILE", pid_file), NEEDS(DAEMON, conf_apply_pid_file, conf_print_file)},
    {NAME("Include", "FILE"), WORDS(1, 1), NEEDS(INCLUDE, conf_apply_include, NULL)},
    {NAME("Header", "[always] set, append, add or unset, NAME and VALUE"), WORDS(2, 4),
     NEEDS(HEADER_EDIT, conf_apply_header, conf_print_header)},
    {NAME("RequestHeader", "set, append, add or unset, NAME and VALUE"), WORDS(2, 3),
     NEEDS(HEADER_EDIT, conf_apply_header, conf_print_header), .max = 1},
    {NAME("SSLEngine", "On"), WORDS(1, 1), NEEDS(TLS, conf_apply_tls_fixed, NULL), .max = 1},
    {NAME("SSLCertificateFile", "FILE"), WORDS(1, 1), NEEDS(TLS, conf_apply_tls_certificate, conf_print_certificates)},
    {NAME("SSLCertificateKeyFile", "FILE"), WORDS(1, 1), NEEDS(TLS, conf_apply_tls_key, conf_print_keys)},
    {NAME("SSLProtocol", "all, TLSv1.2, TLSv1.3, perhaps with + or -"), WORDS(1, 8),
     NEEDS(TLS, conf_apply_tls_protocol, conf_print_protocol)},
    {NAME("SSLCipherSuite", "[TLSv1.3] SUITE:SUITE:..."), WORDS(1, 2),
     NEEDS(TLS, conf_apply_tls_suites, conf_print_suites)},
    {NAME("SSLHonorCipherOrder", "On"), WORDS(1, 1), NEEDS(TLS, conf_apply_tls_fixed, NULL), .max = 1},
    {NAME("SSLCompression", "Off"), WORDS(1, 1), NEEDS(TLS, conf_apply_tls_fixed, NULL), .max = 0},
    {TLS("SSLSessionTickets", "On or Off", tickets), NEEDS(TLS, conf_apply_tls_flag, conf_print_flag)},
    {TLS("SSLVerifyClient", VERIFY_WORDS, clients.verify), NEEDS(TLS, conf_apply_tls_verify, conf_print_verify)},
    {TLS("SSLVerifyDepth", "NUMBER", clients.depth), NEEDS(TLS, conf_apply_tls_depth, conf_print_u8)},
    {TLS("SSLCACertificateFile", "FILE", clients.ca), NEEDS(TLS, conf_apply_tls_file, conf_print_file)},
    {TLS("SSLCARevocationFile", "FILE", clients.crl), NEEDS(TLS, conf_apply_tls_file, conf_print_file)},
    {NAME("SSLProxyEngine", "On"), WORDS(1, 1), NEEDS(TLS, conf_apply_tls_fixed, NULL), .max = 1},
    {TLS("SSLProxyVerify", VERIFY_WORDS, backends.verify), NEEDS(TLS, conf_apply_tls_verify, conf_print_verify)},
    {TLS("SSLProxyVerifyDepth", "NUMBER", backends.depth), NEEDS(TLS, conf_apply_tls_depth, conf_print_u8)},
    {TLS("SSLProxyCACertificateFile", "FILE", backends.ca), NEEDS(TLS, conf_apply_tls_file, conf_print_backend_ca)},
    {TLS("SSLProxyCARevocationFile", "FILE", backends.crl), NEEDS(TLS, conf_apply_tls_file, conf_print_file)},
    {TLS("SSLProxyCheckPeerName", "On or Off", backends.any_name),
     NEEDS(TLS, conf_apply_tls_unless, conf_print_unless)},
    {TLS("SSLProxyCheckPeerExpire", "On or Off", backends.any_time),
     NEEDS(TLS, conf_apply_tls_unless, conf_print_unless)},
    {TLS("SSLProxyMachineCertificateFile", "FILE", machine), NEEDS(TLS, conf_apply_tls_file, conf_print_file)},
    {NAME("SSLProxyPin", "sha256: and 64 hexadecimal digits"), WORDS(1, 1),
     NEEDS(TLS, conf_apply_tls_pin, conf_print_pins)},
};

const struct conf_directive *conf_directive_find(struct conf_reader *reader, struct text name)
{
    size_t i;

    if (conf_find(name, CONF_NAMES(directives), &i))
        return &directives[i];
    if (conf_near(name, CONF_NAMES(directives)).len > 0)
        conf_error_near(reader, name, name, CONF_NAMES(directives), "a directive");
    else
        conf_error(reader, name, "expected a directive: this one is not known");
    return NULL;
}

const struct conf_directive *conf_directive_next(const struct conf_directive *directive)
{
    size_t next = directive != NULL ? (size_t)(directive - directives) + 1 : 0;

    return next < ARRAY_SIZE(directives) ? &directives[next] : NULL;
}
