/* What the operator chose, as requests see it: one slot of the running configuration. An exchange has its site from its
 * complete request head until the head of its response was given to the client's side: so a reload waits for neither
 * long bodies nor WebSockets. */
#ifndef CULVERT_PROXY_SITE_H
#define CULVERT_PROXY_SITE_H

#include "base/list.h"
#include "proxy/forward.h"
#include "proxy/log_format.h"
#include "proxy/route.h"

struct site {
    struct route_table routes;
    struct forward_settings forward;
    struct log_format log; /* of the access log */
    struct list users;     /* exchanges (site_node) that have it */
};

#endif
