/* Sticky sessions: the route that a request names by a cookie or in its path, and the cookie that names it. */
#ifndef CULVERT_PROXY_STICKY_H
#define CULVERT_PROXY_STICKY_H

#include "http/head.h"
#include "proxy/balancer.h"

/* The route that a request names: in its path (";name=value", "?name=value", "&name=value") or else in a cookie, behind
   the first separator of the value, as in httpd. Empty: none. */
struct text sticky_route(const struct balancer_settings *settings, struct head *head);

/* Adds the Set-Cookie that leads the client to `route` from now on: under `path`, for as long as its session. False: no
   room. */
bool sticky_set(const struct balancer_settings *settings, struct head *head, struct text route,
                struct text path) MUST_USE;

#endif
