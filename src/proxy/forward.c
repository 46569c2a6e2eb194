/* Forwarding: whose authority a request names, and the Date of responses. */
#include "proxy/forward.h"

#include "http/uri.h"

bool forward_is_ours(const struct forward_settings *settings, struct text authority, const struct port_addr *local,
                     bool tls)
{
    const uint16_t usual = tls ? 443 : 80;
    struct authority asked, ours;

    if (!uri_authority(authority, &asked))
        return false;
    if (settings->server_name.len == 0 || !uri_authority(settings->server_name, &ours))
        return true;
    if (!text_eq_nocase(asked.host, ours.host))
        return false;
    if (asked.has_port && ours.has_port)
        return asked.port == ours.port;
    /* A port that is not named is the scheme's, or the one that the client came to. */
    if (asked.has_port)
        return asked.port == usual || asked.port == local->port;
    return !ours.has_port || ours.port == usual || ours.port == local->port;
}

#define DATE_LEN 29 /* "Sun, 06 Nov 1994 08:49:37 GMT" */

static void put_digits(char *at, unsigned value, unsigned digits)
{
    while (digits-- > 0) {
        at[digits] = (char)('0' + value % 10);
        value /= 10;
    }
}

/* Year, month (0..11) and day (1..31) of a day since 1970-01-01, by the proleptic Gregorian calendar. */
static void civil(uint32_t days, unsigned *year, unsigned *month, unsigned *day)
{
    /* Counted from 0000-03-01, so that the leap day is the last of its year. An era is 400 years of 146,097 days. */
    uint32_t since = days + 719468, era = since / 146097, of_era = since % 146097;
    uint32_t years = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    uint32_t of_year = of_era - (365 * years + years / 4 - years / 100);
    uint32_t march_month = (5 * of_year + 2) / 153;

    *day = of_year - (153 * march_month + 2) / 5 + 1;
    *month = march_month < 10 ? march_month + 2 : march_month - 10;
    *year = years + era * 400 + (*month < 2 ? 1 : 0);
}

struct text forward_date(int64_t wall_s)
{
    static const char days[][4] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    static char date[DATE_LEN + 1] = "Thu, 01 Jan 1970 00:00:00 GMT";
    static int64_t shown;
    uint32_t day, second;
    unsigned year, month, of_month;

    if (wall_s == shown)
        return text_make(date, DATE_LEN);
    shown = wall_s;
    day = (uint32_t)(wall_s / 86400);
    second = (uint32_t)(wall_s % 86400);
    civil(day, &year, &month, &of_month);
    memcpy(date, days[day % 7], 3);
    put_digits(date + 5, of_month, 2);
    memcpy(date + 8, months[month], 3);
    put_digits(date + 12, year, 4);
    put_digits(date + 17, second / 3600, 2);
    put_digits(date + 20, second / 60 % 60, 2);
    put_digits(date + 23, second % 60, 2);
    return text_make(date, DATE_LEN);
}
