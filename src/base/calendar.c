/* Days and times of the wall clock. */
#include "base/calendar.h"

#define DIGITS_MOST 4

void calendar_put_digits(struct textbuf *b, unsigned value, unsigned digits)
{
    char text[DIGITS_MOST];

    assert(digits <= sizeof(text));
    for (unsigned i = digits; i > 0; i--) {
        text[i - 1] = (char)('0' + value % 10);
        value /= 10;
    }
    textbuf_put(b, text_make(text, digits));
}

void calendar_put_time(struct textbuf *b, const struct calendar *c)
{
    calendar_put_digits(b, c->hour, 2);
    textbuf_putc(b, ':');
    calendar_put_digits(b, c->minute, 2);
    textbuf_putc(b, ':');
    calendar_put_digits(b, c->second, 2);
}

/* Year, month and day of a day since 1970-01-01. */
static void civil(uint32_t days, struct calendar *c)
{
    /* Counted from 0000-03-01, so that the leap day is the last of its year. An era is 400 years of 146,097 days. */
    uint32_t since = days + 719468, era = since / 146097, of_era = since % 146097;
    uint32_t years = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    uint32_t of_year = of_era - (365 * years + years / 4 - years / 100);
    uint32_t march_month = (5 * of_year + 2) / 153;

    c->day = (uint8_t)(of_year - (153 * march_month + 2) / 5 + 1);
    c->month = (uint8_t)(march_month < 10 ? march_month + 2 : march_month - 10);
    c->year = years + era * 400 + (c->month < 2 ? 1 : 0);
}

struct calendar calendar_of(int64_t wall_s)
{
    uint32_t days = (uint32_t)(wall_s / 86400), second = (uint32_t)(wall_s % 86400);
    struct calendar c;

    civil(days, &c);
    c.weekday = (uint8_t)((days + 4) % 7); /* 1970-01-01 was a Thursday */
    c.hour = (uint8_t)(second / 3600);
    c.minute = (uint8_t)(second / 60 % 60);
    c.second = (uint8_t)(second % 60);
    return c;
}

struct text calendar_month(const struct calendar *c)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

    return text_make(names + 3 * (size_t)c->month, 3);
}

struct text calendar_weekday(const struct calendar *c)
{
    static const char names[] = "SunMonTueWedThuFriSat";

    return text_make(names + 3 * (size_t)c->weekday, 3);
}
