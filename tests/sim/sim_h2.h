/* nghttp2 for the world's peers: their memory is the world's, and what nghttp2 takes from malloc stands in an arena of
 * the peers' own, as malloc is the core's current arena. */
#ifndef CULVERT_TESTS_SIM_H2_H
#define CULVERT_TESTS_SIM_H2_H

#include "compiler.h"

#include <nghttp2/nghttp2.h>

/* One kind of peers. Zero before its first use. */
struct sim_h2 {
    nghttp2_session_callbacks *callbacks; /* NULL: not made yet */
    nghttp2_option *option;               /* no window updates and no closed streams of nghttp2's own */
    nghttp2_mem mem;
    _Alignas(16) uint8_t storage[4096];
};

/* Makes it, once; `set` sets its callbacks. */
void sim_h2_init(struct sim_h2 *h2, void (*set)(nghttp2_session_callbacks *callbacks));

#endif
