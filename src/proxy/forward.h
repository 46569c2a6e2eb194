/* Forwarding: what a proxy changes in heads on their way. Request: hop-by-hop fields, path, authority, forwarding
 * fields. Response: hop-by-hop fields, Via, reverse mapping of locations and cookies. Works on struct head alone. */
#ifndef CULVERT_PROXY_FORWARD_H
#define CULVERT_PROXY_FORWARD_H

#include "http/head.h"
#include "port.h"
#include "proxy/header_edit.h"
#include "proxy/reverse_map.h"
#include "proxy/route.h"

enum forward_via { VIA_OFF, VIA_ON, VIA_FULL, VIA_BLOCK };

struct conn;

struct forward_settings {
    bool preserve_host;      /* ProxyPreserveHost */
    bool add_headers;        /* ProxyAddHeaders: X-Forwarded-For, -Host, -Server, and -Proto, Forwarded */
    uint8_t via;             /* enum forward_via, ProxyVia */
    struct text server_name; /* ServerName host[:port]; empty: the Host of the request is used */
    struct text product;     /* "Culvert/1.0", for ProxyVia Full; empty: "Culvert" */
    struct reverse_map maps[CONFIG_REVERSE_MAPS];
    uint16_t map_count;
    struct header_rules headers; /* Header, RequestHeader */
};

/* What forwarding must know of the request, besides its head. */
struct forward_context {
    const struct forward_settings *settings;
    const struct route *route;
    struct text member_path;       /* path of a balancer's member, before that of the route; else empty */
    struct text backend_authority; /* host[:port] of the backend's URL */
    struct text backend_scheme;    /* ":scheme" for it: "http" for h2c, "https" for h2 */
    struct port_addr client;
    struct port_addr local;       /* where the client connected to (port used when it sent no Host) */
    struct text client_authority; /* Host or :authority as the client sent it; may be empty (HTTP/1.0) */
    struct text client_version;   /* "1.1", "1.0", "2.0": for Via */
    bool client_tls;
    const struct conn *conn; /* of the client, for RequestHeader; NULL: none */
};

/* Rewrites a request head in place for an HTTP/2 backend: drops hop-by-hop fields, those nominated by Connection, and
   Host; te only as "trailers"; sets scheme, authority and path (prefix replaced by the route's path; the query stays);
   adds X-Forwarded-*, Forwarded, Via. `expect` stays (end to end). False: the head's storage or index is full (answer
   431). */
bool forward_request(struct head *head, const struct forward_context *context, size_t matched) MUST_USE;

/* Sets the target anew, for another backend: scheme, authority and path (`path`: as the client sent it), in the `room`
   that was kept for it (head_reserve): it must hold them. */
void forward_retarget(struct head *head, const struct forward_context *context, struct span path, size_t matched,
                      struct span room);

/* Rewrites a response section (interim or final) in place for the client: drops hop-by-hop fields (a backend should not
   have sent them), maps Location, Content-Location, Link, Set-Cookie, adds Via, and Date when missing in a final head
   (RFC 9110 6.6.1; wall_s seconds since 1970, 0: unknown, none added). False: storage full (answer 502). */
bool forward_response(struct head *head, struct section *section, const struct forward_context *context,
                      int64_t wall_s) MUST_USE;

/* wall_s (seconds since 1970, >= 0, before the year 10000) as IMF-fixdate (RFC 9110 5.6.7): 29 bytes that stay until
 * the next call. */
struct text forward_date(int64_t wall_s);

/* Trailers: drops what may not be there (FIELD_NO_TRAILER, FIELD_HOP). */
void forward_trailers(struct head *head, struct section *section);

/* Whether an authority is one of ours: ServerName, or (no ServerName configured) any. Used for absolute-form targets.
 */
bool forward_is_ours(const struct forward_settings *settings, struct text authority, const struct port_addr *local,
                     bool tls);

#endif
