/* What the operator chose for clients' connections: limits and timeouts that both frontends share. */
#ifndef CULVERT_SIDE_FRONT_H
#define CULVERT_SIDE_FRONT_H

#include "http/h1.h"

/* RequestReadTimeout header= or body=: `initial_ms`, then every received `rate` bytes give one second more, up to
 * max_ms. 0: no limit. */
struct front_read_timeout {
    uint32_t initial_ms; /* 0: no timeout */
    uint32_t max_ms;     /* 0: no maximum */
    uint32_t rate;       /* bytes a second; 0: the initial time is all there is */
};

struct front_settings {
    bool http1; /* Protocols: what is spoken on clients' connections; HTTP/1.1 */
    bool h2;    /* HTTP/2 over TLS, by ALPN */
    bool h2c;   /* HTTP/2 in clear, with prior knowledge (RFC 9113 3.3) */
    struct h1_limits
        limits;          /* LimitRequestLine, LimitRequestFieldSize, LimitRequestFields (0: no limit but the pool's) */
    uint64_t body_limit; /* LimitRequestBody, 0: none */
    uint32_t keepalive_max; /* MaxKeepAliveRequests, 0: no limit */
    uint32_t keepalive_ms;  /* KeepAliveTimeout */
    uint32_t linger_ms;     /* LingerTimeout: the most that is read behind a last answer, 0: nothing */
    uint32_t timeout_ms;    /* Timeout: the most between two bytes that the client takes */
    uint32_t handshake_ms;  /* RequestReadTimeout handshake=, 0: no limit */
    struct front_read_timeout head;
    struct front_read_timeout body;
};

#endif
