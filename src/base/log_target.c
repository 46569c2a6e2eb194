/* Targets of logs: comparing and writing them. */
#include "base/log_target.h"

#include "base/addr.h"

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && text_eq(text_of(a), text_of(b)));
}

static bool same_addr(const struct port_addr *a, const struct port_addr *b)
{
    if (a->family != b->family)
        return false;
    return a->family == PORT_UNIX ? same_text(a->path, b->path)
                                  : a->port == b->port && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

bool log_target_same_form(const struct log_target *a, const struct log_target *b)
{
    return a->syslog.form == b->syslog.form && a->syslog.facility == b->syslog.facility &&
           text_eq(a->syslog.tag, b->syslog.tag);
}

bool log_target_same(const struct log_target *a, const struct log_target *b)
{
    return a->to.kind == b->to.kind && same_text(a->to.path, b->to.path) && a->to.speed == b->to.speed &&
           (a->to.kind != PORT_LOG_MESSAGES || same_addr(&a->to.addr, &b->to.addr)) && log_target_same_form(a, b);
}

static void put_syslog(struct textbuf *b, const struct log_target *target)
{
    const struct port_addr *addr = &target->to.addr;

    textbuf_put(b, TEXT("syslog:"));
    textbuf_put(b, syslog_facility_name(target->syslog.facility));
    textbuf_putc(b, ':');
    textbuf_put(b, target->syslog.tag);
    if (addr->family == PORT_UNIX) {
        textbuf_putc(b, ',');
        textbuf_putz(b, addr->path);
        return;
    }
    textbuf_putc(b, '@');
    addr_put(b, addr, true);
    textbuf_putc(b, ':');
    textbuf_put_u64(b, addr->port);
}

void log_target_put(struct textbuf *b, const struct log_target *target)
{
    switch ((enum port_log_kind)target->to.kind) {
    case PORT_LOG_STDERR: textbuf_put(b, TEXT("stderr")); return;
    case PORT_LOG_STDOUT: textbuf_putc(b, '-'); return;
    case PORT_LOG_FILE: textbuf_putz(b, target->to.path); return;
    case PORT_LOG_SERIAL:
        if (!IS_ENABLED(CONFIG_LOG_SERIAL))
            return;
        textbuf_put(b, TEXT("serial:"));
        textbuf_putz(b, target->to.path);
        if (target->to.speed > 0) {
            textbuf_putc(b, ',');
            textbuf_put_u64(b, target->to.speed);
        }
        return;
    case PORT_LOG_MESSAGES:
        if (IS_ENABLED(CONFIG_LOG_SYSLOG))
            put_syslog(b, target);
        return;
    }
}
