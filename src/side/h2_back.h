/* The HTTP/2 back: connections to backends that speak HTTP/2 in clear (h2c, prior knowledge), and exchanges as their
 * streams. */
#ifndef CULVERT_SIDE_H2_BACK_H
#define CULVERT_SIDE_H2_BACK_H

#include "proxy/backend.h"

/* What backend_init is given. */
extern const struct backend_ops h2_back_ops;

/* Prepares callbacks and timers. False: the shared arena is too small (a bug). After h2_session_init. */
bool h2_back_init(void);
void h2_back_exit(void);

#endif
