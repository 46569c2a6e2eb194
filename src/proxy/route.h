/* Routes: which backend a path belongs to (ProxyPass). The first line that matches wins, as in httpd. */
#ifndef CULVERT_PROXY_ROUTE_H
#define CULVERT_PROXY_ROUTE_H

#include "base/text.h"

struct backend;
struct balancer;

/* One ProxyPass line. */
struct route {
    struct text prefix;        /* the path as written: "/app" */
    struct text path;          /* path of the backend's URL: "/", "/base"; empty when the URL had none */
    struct backend *backend;   /* NULL, and no balancer: excluded ("!") */
    struct balancer *balancer; /* instead of one backend: its members; NULL: none */
    uint32_t line;             /* of the configuration, for messages */
};

struct route_table {
    struct route routes[CONFIG_ROUTES];
    uint16_t count;
};

/* How many bytes of `path` (query excluded) the prefix matches, on segment borders as httpd's alias_match does; 0: no
   match. Runs of slashes count as one, and percent-encoding is undone, but "%2F" is no border. "/app" matches "/app"
   and
   "/app/x", not "/apple"; "/app/" matches "/app/x" only; "/" matches all. */
size_t route_match(struct text prefix, struct text path);

/* The first matching route, or NULL (also when it is an exclusion: then nothing is proxied, 404). *matched: as
   route_match. "*" (OPTIONS) goes where "/" goes. An exclusion also matches what only a careless backend would read as
   its path: with "%2F" as a border, and with parameters (";x") behind a segment. */
const struct route *route_find(const struct route_table *table, struct text path, size_t *matched);

/* The first earlier route that hides routes[index] (every path it matches is matched before), or NULL. */
const struct route *route_hidden_by(const struct route_table *table, unsigned index);

#endif
