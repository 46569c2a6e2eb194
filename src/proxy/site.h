/* What the operator chose, as requests see it: one slot of the running configuration. */
#ifndef CULVERT_PROXY_SITE_H
#define CULVERT_PROXY_SITE_H

#include "proxy/forward.h"
#include "proxy/log_format.h"
#include "proxy/route.h"

struct site {
    struct route_table routes;
    struct forward_settings forward;
    struct log_format log; /* of the access log */
};

#endif
