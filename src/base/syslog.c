/* The heads of syslog messages. */
#include "base/syslog.h"

#include "base/calendar.h"

/* RFC 5424 6.2.1, by their usual names; the place is the number. */
static const struct text facilities[] = {
    TEXT_INIT("kern"),     TEXT_INIT("user"),   TEXT_INIT("mail"),   TEXT_INIT("daemon"), TEXT_INIT("auth"),
    TEXT_INIT("syslog"),   TEXT_INIT("lpr"),    TEXT_INIT("news"),   TEXT_INIT("uucp"),   TEXT_INIT("cron"),
    TEXT_INIT("authpriv"), TEXT_INIT("ftp"),    TEXT_INIT(""),       TEXT_INIT(""),       TEXT_INIT(""),
    TEXT_INIT(""),         TEXT_INIT("local0"), TEXT_INIT("local1"), TEXT_INIT("local2"), TEXT_INIT("local3"),
    TEXT_INIT("local4"),   TEXT_INIT("local5"), TEXT_INIT("local6"), TEXT_INIT("local7"),
};

bool syslog_facility(struct text name, uint8_t *facility)
{
    for (size_t i = 0; name.len > 0 && i < ARRAY_SIZE(facilities); i++) {
        if (text_eq_nocase(name, facilities[i])) {
            *facility = (uint8_t)i;
            return true;
        }
    }
    return false;
}

struct text syslog_facility_name(uint8_t facility)
{
    return facility < ARRAY_SIZE(facilities) ? facilities[facility] : TEXT("");
}

bool syslog_tag_ok(struct text tag)
{
    for (size_t i = 0; i < tag.len; i++) {
        char c = text_lower(tag.ptr[i]);

        if (!(c >= 'a' && c <= 'z') && !text_is_digit(c) && c != '-' && c != '_' && c != '.')
            return false;
    }
    return tag.len > 0 && tag.len <= SYSLOG_TAG_MOST;
}

/* RFC 3164 4.1.2: "Nov  5 09:20:33 ", the day with a blank in the place of a zero. */
static void put_bsd_time(struct textbuf *b, const struct syslog_origin *origin)
{
    int64_t local = origin->wall_s + origin->zone_s;
    struct calendar c;

    if (origin->wall_s == 0)
        return;
    c = calendar_of(local < 0 ? 0 : local);
    textbuf_put(b, calendar_month(&c));
    textbuf_putc(b, ' ');
    if (c.day < 10)
        textbuf_putc(b, ' ');
    textbuf_put_u64(b, c.day);
    textbuf_putc(b, ' ');
    calendar_put_time(b, &c);
    textbuf_putc(b, ' ');
}

/* RFC 5424 6.2.3: "2026-11-25T09:20:33Z", or the NILVALUE. */
static void put_ietf_time(struct textbuf *b, const struct syslog_origin *origin)
{
    struct calendar c;

    if (origin->wall_s == 0) {
        textbuf_putc(b, '-');
        return;
    }
    c = calendar_of(origin->wall_s);
    calendar_put_digits(b, c.year, 4);
    textbuf_putc(b, '-');
    calendar_put_digits(b, c.month + 1U, 2);
    textbuf_putc(b, '-');
    calendar_put_digits(b, c.day, 2);
    textbuf_putc(b, 'T');
    calendar_put_time(b, &c);
    textbuf_putc(b, 'Z');
}

static void put_word(struct textbuf *b, struct text word)
{
    textbuf_putc(b, ' ');
    textbuf_put(b, word.len > 0 ? word : TEXT("-"));
}

void syslog_put_head(struct textbuf *b, const struct syslog_settings *settings, enum syslog_severity severity,
                     const struct syslog_origin *origin)
{
    if (settings->form == SYSLOG_NONE)
        return;
    textbuf_putc(b, '<');
    textbuf_put_u64(b, settings->facility * 8U + severity);
    textbuf_putc(b, '>');
    if (settings->form == SYSLOG_BSD) {
        put_bsd_time(b, origin);
        textbuf_put(b, settings->tag);
        textbuf_putc(b, '[');
        textbuf_put_u64(b, origin->process);
        textbuf_put(b, TEXT("]: "));
        return;
    }
    textbuf_put(b, TEXT("1 "));
    put_ietf_time(b, origin);
    put_word(b, text_first(origin->host, SYSLOG_HOST_MOST));
    put_word(b, settings->tag);
    textbuf_putc(b, ' ');
    textbuf_put_u64(b, origin->process);
    put_word(b, origin->msgid);
    textbuf_put(b, TEXT(" - "));
}
