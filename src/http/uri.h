/* Authorities and request targets (RFC 3986, RFC 9110 4, RFC 9112 3.2). Pure. */
#ifndef CULVERT_HTTP_URI_H
#define CULVERT_HTTP_URI_H

#include "base/text.h"

/* host[:port], checked: reg-name, IPv4 or bracketed IPv6 (no zone); no userinfo; port 0..65535 decimal. */
struct authority {
    struct text host; /* with its brackets for IPv6; never empty */
    uint16_t port;    /* valid when has_port */
    bool has_port;    /* false also for "host:", which RFC 3986 3.2.3 makes equal to "host" */
};

/* False when it is not a valid authority; *out is then undefined. */
bool uri_authority(struct text t, struct authority *out) MUST_USE;

/* absolute-form: scheme "://" authority [path-abempty] ["?" query]. */
struct absolute_uri {
    struct text scheme;
    struct text authority; /* checked by uri_authority */
    struct text path;      /* with its query; may be empty; starts with '/' or '?' otherwise */
};
/* False when t is no such URI; *out is then undefined. */
bool uri_absolute(struct text t, struct absolute_uri *out) MUST_USE;

/* Whether t is an origin-form target: '/' first, then bytes of path and query (pchar, '/', '?', '%' with two hex
   digits; no
   '#'). A little more than RFC 3986 is let through, since browsers do not encode it (URL Standard, percent-encode
   sets):
   "[ ] | ^" in both, "` { } \" and a '%' alone in the query. White space, controls, '"', '<', '>' and obs-text are not.
 */
bool uri_origin_form(struct text t);

/* A default port: 80 for http and h2c, 443 for https and h2, 0 otherwise. */
uint16_t uri_default_port(struct text scheme);

/* Whether a path (its query is not looked at) has a "." or ".." segment, plain or percent-encoded or with a
   ";parameter" behind it, or a backslash, or an encoded slash or backslash: a request could climb out of its ProxyPass
   prefix with it. */
bool uri_path_climbs(struct text path);

#endif
