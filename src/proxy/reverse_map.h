/* Reverse mapping: the backend's URLs, paths and cookies in a response become the front's (ProxyPassReverse*). */
#ifndef CULVERT_PROXY_REVERSE_MAP_H
#define CULVERT_PROXY_REVERSE_MAP_H

#include "base/text.h"

struct forward_context;

enum reverse_kind {
    REVERSE_LOCATION,
    REVERSE_COOKIE_PATH,
    REVERSE_COOKIE_DOMAIN,
    REVERSE_BALANCER, /* only while a configuration is read: a location at each member of a balancer */
};

/* One ProxyPassReverse, ProxyPassReverseCookiePath or ProxyPassReverseCookieDomain line. */
struct reverse_map {
    uint8_t kind;     /* enum reverse_kind */
    struct text ours; /* REVERSE_LOCATION: the front's path "/app"; cookies: the public path or domain */
    struct text real; /* the backend's URL or path; cookies: the internal path or domain */
    /* REVERSE_LOCATION: the parts of `real`, filled by reverse_map_parse. */
    bool tls;
    struct text host; /* empty: `real` is a path, and any host of ours or of the backend is meant */
    uint16_t port;
    struct text path; /* may be empty */
};

/* Fills the parts of a REVERSE_LOCATION map out of `real`: "/path", or http, h2c (the same), https, h2 (the same) "://"
   host[:port][/path]. False when it is neither. */
bool reverse_map_parse(struct reverse_map *map) MUST_USE;

/* Each maps one field value with the lines of context->settings, the first that matches wins. True: the new value was
   appended to *out. False: nothing is to be changed; *out may then hold a part, which the caller forgets. */
bool reverse_map_location(const struct forward_context *context, struct text url, struct textbuf *out);
/* RFC 8288: a list of <URL>; parameters. */
bool reverse_map_link(const struct forward_context *context, struct text value, struct textbuf *out);
/* RFC 6265: Path and Domain of a Set-Cookie field. As in httpd the whole path or domain is replaced. */
bool reverse_map_cookie(const struct forward_context *context, struct text value, struct textbuf *out);

#endif
