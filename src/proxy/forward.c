/* Forwarding: whose authority a request names, and the Date of responses. */
#include "proxy/forward.h"

#include "base/calendar.h"
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

struct text forward_date(int64_t wall_s)
{
    static char date[DATE_LEN];
    static int64_t shown = -1;
    struct calendar c;
    struct textbuf b;

    if (wall_s == shown)
        return text_make(date, DATE_LEN);
    shown = wall_s;
    c = calendar_of(wall_s);
    textbuf_init(&b, date, sizeof(date));
    textbuf_put(&b, calendar_weekday(&c));
    textbuf_put(&b, TEXT(", "));
    calendar_put_digits(&b, c.day, 2);
    textbuf_putc(&b, ' ');
    textbuf_put(&b, calendar_month(&c));
    textbuf_putc(&b, ' ');
    calendar_put_digits(&b, c.year, 4);
    textbuf_putc(&b, ' ');
    calendar_put_time(&b, &c);
    textbuf_put(&b, TEXT(" GMT"));
    return text_make(date, DATE_LEN);
}
