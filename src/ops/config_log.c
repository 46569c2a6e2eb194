/* The directives CustomLog and ErrorLog: where the logs go. */
#include "ops/config_print.h"

#define SYSLOG_PORT 514 /* RFC 5426 3.3 */
#define SYSLOG_TAG TEXT("culvert")

/* The facilities of logs that do not name one, as in httpd. */
#define SYSLOG_FACILITY TEXT("local7")

static bool is_off(struct conf_reader *reader, struct text word, bool built, const char *what, const char *option)
{
    if (!built)
        conf_error(reader, word, "this build does not log to %s (%s is off)", what, option);
    return !built;
}

/* What stands behind a keyword, which must end there or in one of `ends`. False: it is another word. */
static bool behind(struct text word, struct text keyword, const char *ends, struct text *rest)
{
    if (!text_starts(word, keyword))
        return false;
    *rest = text_skip(word, keyword.len);
    return rest->len == 0 || strchr(ends, rest->ptr[0]) != NULL;
}

/* ---- serial lines ---- */

static bool is_speed(uint64_t speed)
{
    static const uint32_t speeds[] = {1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600};

    for (size_t i = 0; i < ARRAY_SIZE(speeds); i++)
        if (speed == speeds[i])
            return true;
    return false;
}

/* "/dev/ttyS0,115200" */
static void take_serial(struct conf_reader *reader, struct text word, struct text rest, struct log_target *target)
{
    struct text device = text_first(rest, text_find(rest, ',', 0));
    struct text digits = text_skip(rest, device.len);
    uint64_t speed = 0;

    if (is_off(reader, word, IS_ENABLED(CONFIG_LOG_SERIAL), "serial lines", "CONFIG_LOG_SERIAL"))
        return;
    if (device.len == 0 || device.ptr[0] != '/') {
        conf_error(reader, word, "expected serial:DEVICE[,SPEED], such as serial:/dev/ttyS0,115200");
        return;
    }
    if (digits.len > 0 && (!text_to_u64(text_skip(digits, 1), UINT32_MAX, &speed) || !is_speed(speed))) {
        conf_error(reader, word,
                   "expected a speed of serial lines: 1200, 2400, 4800, 9600, 19200, 38400, 57600, "
                   "115200, 230400, 460800 or 921600");
        return;
    }
    if (!conf_store(reader, device, &device))
        return;
    *target = (struct log_target){.to = {.kind = PORT_LOG_SERIAL, .path = device.ptr, .speed = (uint32_t)speed}};
}

/* ---- syslog ---- */

/* ":FACILITY", ":FACILITY:TAG" or "::TAG"; both may be left out. */
static bool take_names(struct conf_reader *reader, struct text word, struct text names, struct syslog_settings *syslog)
{
    struct text facility = text_skip(names, 1), tag;

    facility = text_first(facility, text_find(facility, ':', 0));
    tag = text_skip(names, facility.len + 2);
    if (!syslog_facility(facility.len > 0 ? facility : SYSLOG_FACILITY, &syslog->facility)) {
        conf_error(reader, word,
                   "expected a facility: kern, user, mail, daemon, auth, syslog, lpr, news, uucp, cron, "
                   "authpriv, ftp, or local0 to local7");
        return false;
    }
    syslog->tag = SYSLOG_TAG;
    if (names.len < facility.len + 2)
        return true;
    if (!syslog_tag_ok(tag)) {
        conf_error(reader, word, "expected a tag of 1 to %d letters, digits, '-', '_' and '.'", SYSLOG_TAG_MOST);
        return false;
    }
    return conf_store(reader, tag, &syslog->tag);
}

static bool take_socket(struct conf_reader *reader, struct text word, struct text path, struct port_addr *addr)
{
    if (path.len < 2 || path.len > PORT_PATH_MAX || path.ptr[0] != '/') {
        conf_error(reader, word, "expected the absolute path of a socket, of at most %d bytes", PORT_PATH_MAX);
        return false;
    }
    if (!conf_store(reader, path, &path))
        return false;
    *addr = (struct port_addr){.family = PORT_UNIX};
    addr->path = path.ptr;
    return true;
}

static bool take_remote(struct conf_reader *reader, struct text word, struct text host, struct port_addr *addr)
{
    if (is_off(reader, word, IS_ENABLED(CONFIG_LOG_REMOTE), "other hosts", "CONFIG_LOG_REMOTE") ||
        !conf_address(reader, word, host, SYSLOG_PORT, "the address of a log host behind @", addr))
        return false;
    if (addr->family == PORT_IPV6 && !IS_ENABLED(CONFIG_IPV6)) {
        conf_error(reader, word, "expected an IPv4 address: this build has no IPv6 (CONFIG_IPV6 is off)");
        return false;
    }
    return true;
}

/* "[:[FACILITY][:TAG]]" and then nothing, ",/SOCKET" or "@ADDRESS[:PORT]" */
static void take_syslog(struct conf_reader *reader, struct text word, struct text rest, struct log_target *target)
{
    struct log_target found = {.to = {.kind = PORT_LOG_MESSAGES}};
    size_t end = min_size(text_find(rest, ',', 0), text_find(rest, '@', 0));
    struct text where = text_skip(rest, end);
    bool remote = text_starts(where, TEXT("@"));

    if (is_off(reader, word, IS_ENABLED(CONFIG_LOG_SYSLOG), "syslog", "CONFIG_LOG_SYSLOG") ||
        !take_names(reader, word, text_first(rest, end), &found.syslog))
        return;
    found.syslog.form = remote ? SYSLOG_IETF : SYSLOG_BSD;
    if (where.len == 0)
        where = TEXT("," CONFIG_LOG_SOCKET);
    where = text_skip(where, 1);
    if (remote ? take_remote(reader, word, where, &found.to.addr) : take_socket(reader, word, where, &found.to.addr))
        *target = found;
}

/* ---- both directives ---- */

static void take_target(struct conf_reader *reader, const struct conf_directive *self, struct text word,
                        struct log_target *target)
{
    struct text rest, path;

    if (behind(word, TEXT("syslog"), ":,@", &rest)) {
        take_syslog(reader, word, rest, target);
    } else if (text_starts(word, TEXT("serial:"))) {
        take_serial(reader, word, text_skip(word, 7), target);
    } else if (text_eq(word, TEXT("-"))) {
        *target = (struct log_target){.to = {.kind = PORT_LOG_STDOUT}};
    } else if (text_eq(word, TEXT("stderr"))) {
        *target = (struct log_target){.to = {.kind = PORT_LOG_STDERR}};
    } else if (word.len == 0 || word.ptr[0] == '|') {
        conf_error(reader, word, "expected %s", self->usage);
    } else if (!is_off(reader, word, IS_ENABLED(CONFIG_LOG_FILE), "files", "CONFIG_LOG_FILE") &&
               conf_store(reader, word, &path)) {
        *target = (struct log_target){.to = {.kind = PORT_LOG_FILE, .path = path.ptr}};
    }
}

CONF_APPLY(conf_apply_custom_log)
{
    if (count == 2 && words[1].len == 0)
        conf_error(reader, words[1], "expected %s", self->usage);
    else if (conf_choose_log_format(reader, count == 2 ? words[1] : TEXT("")))
        take_target(reader, self, words[0], &reader->config->logs[LOG_ACCESS]);
}

CONF_APPLY(conf_apply_error_log)
{
    (void)count;
    take_target(reader, self, words[0], &reader->config->logs[LOG_DIAG]);
}

void conf_check_logs(struct conf_reader *reader)
{
    const struct log_target *a = &reader->config->logs[LOG_ACCESS], *b = &reader->config->logs[LOG_DIAG];

    if (a->to.kind == PORT_LOG_SERIAL && b->to.kind == PORT_LOG_SERIAL && a->to.speed != b->to.speed &&
        text_eq(text_of(a->to.path), text_of(b->to.path)))
        conf_error(reader, text_of(a->to.path), "expected the same speed in CustomLog and ErrorLog");
    conf_settle_log_format(reader);
}

CONF_PRINTS(conf_print_log)
{
    const struct log_target *target = (const void *)((const char *)out->config + self->field);
    char storage[512];
    struct textbuf b;

    textbuf_init(&b, storage, sizeof(storage));
    log_target_put(&b, target);
    conf_put_name(out, self->name);
    conf_put_word(out, textbuf_text(&b));
    if (self->field == offsetof(struct config, logs[LOG_ACCESS]))
        conf_put_log_choice(out);
    conf_put_end(out);
}
