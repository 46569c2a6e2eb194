/* A backend that asked for calm (ENHANCE_YOUR_CALM, RFC 9113 7) is left alone for a while: what runs goes on, what
 * waits waits, and nothing begins. */
#ifndef CULVERT_PROXY_BACKEND_CALM_H
#define CULVERT_PROXY_BACKEND_CALM_H

#include "proxy/backend.h"

/* Called by backend_init and backend_exit. */
void backend_calm_init(struct backend *backend);
void backend_calm_exit(struct backend *backend);

#endif
