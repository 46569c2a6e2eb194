/* Days and times of the wall clock, by the proleptic Gregorian calendar. */
#ifndef CULVERT_BASE_CALENDAR_H
#define CULVERT_BASE_CALENDAR_H

#include "base/text.h"

struct calendar {
    unsigned year;
    uint8_t month;   /* 0..11 */
    uint8_t day;     /* 1..31 */
    uint8_t weekday; /* 0: Sunday */
    uint8_t hour, minute, second;
};

/* The date of `wall_s` seconds since 1970 (>= 0). For local time add the zone's offset (port_zone_s) before. */
struct calendar calendar_of(int64_t wall_s);

/* "Jan" ... and "Sun" ...: 3 letters. */
struct text calendar_month(const struct calendar *c);
struct text calendar_weekday(const struct calendar *c);

/* Appends the lowest `digits` digits of a value, with leading zeros. */
void calendar_put_digits(struct textbuf *b, unsigned value, unsigned digits);
/* Appends "hh:mm:ss". */
void calendar_put_time(struct textbuf *b, const struct calendar *c);

#endif
