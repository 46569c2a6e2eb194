/* Writes times as httpd's LogFormat wants them. */
#include "proxy/log_time.h"

#include "base/calendar.h"

#define CLF TEXT("[%d/%b/%Y:%H:%M:%S %z]")
#define CONVERSIONS TEXT("abdeFHjmMSTyYz%")

bool log_time_ok(struct text format)
{
    if (text_eq(format, TEXT("sec")))
        return true;
    for (size_t i = text_find(format, '%', 0); i < format.len; i = text_find(format, '%', i + 2))
        if (i + 1 == format.len || text_find(CONVERSIONS, format.ptr[i + 1], 0) == CONVERSIONS.len)
            return false;
    return format.len > 0;
}

/* "+0100" */
static void put_zone(struct textbuf *b, int32_t zone_s)
{
    unsigned minutes = (unsigned)(zone_s < 0 ? -zone_s : zone_s) / 60;

    textbuf_putc(b, zone_s < 0 ? '-' : '+');
    calendar_put_digits(b, minutes / 60, 2);
    calendar_put_digits(b, minutes % 60, 2);
}

static unsigned day_of_year(const struct calendar *c)
{
    static const uint16_t before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    bool leap = c->year % 4 == 0 && (c->year % 100 != 0 || c->year % 400 == 0);

    return before[c->month] + c->day + (leap && c->month > 1 ? 1U : 0U);
}

static void put_date(struct textbuf *b, const struct calendar *c)
{
    calendar_put_digits(b, c->year, 4);
    textbuf_putc(b, '-');
    calendar_put_digits(b, c->month + 1U, 2);
    textbuf_putc(b, '-');
    calendar_put_digits(b, c->day, 2);
}

/* " 5" */
static void put_day(struct textbuf *b, unsigned day)
{
    if (day < 10)
        textbuf_putc(b, ' ');
    textbuf_put_u64(b, day);
}

static void put_conversion(struct textbuf *b, char conversion, const struct calendar *c, int32_t zone_s)
{
    switch (conversion) {
    case 'a': textbuf_put(b, calendar_weekday(c)); break;
    case 'b': textbuf_put(b, calendar_month(c)); break;
    case 'd': calendar_put_digits(b, c->day, 2); break;
    case 'e': put_day(b, c->day); break;
    case 'F': put_date(b, c); break;
    case 'H': calendar_put_digits(b, c->hour, 2); break;
    case 'j': calendar_put_digits(b, day_of_year(c), 3); break;
    case 'm': calendar_put_digits(b, c->month + 1U, 2); break;
    case 'M': calendar_put_digits(b, c->minute, 2); break;
    case 'S': calendar_put_digits(b, c->second, 2); break;
    case 'T': calendar_put_time(b, c); break;
    case 'y': calendar_put_digits(b, c->year, 2); break;
    case 'Y': calendar_put_digits(b, c->year, 4); break;
    case 'z': put_zone(b, zone_s); break;
    default: textbuf_putc(b, conversion); break;
    }
}

void log_time_put(struct textbuf *b, struct text format, int64_t wall_s, int32_t zone_s)
{
    struct calendar c = calendar_of(wall_s + zone_s);

    if (text_eq(format, TEXT("sec"))) {
        textbuf_put_u64(b, (uint64_t)wall_s);
        return;
    }
    if (format.len == 0)
        format = CLF;
    for (size_t i = 0; i < format.len; i++) {
        if (format.ptr[i] == '%')
            put_conversion(b, format.ptr[++i], &c, zone_s);
        else
            textbuf_putc(b, format.ptr[i]);
    }
}
