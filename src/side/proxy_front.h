/* Connections that begin with a PROXY protocol header: it is read here, before TLS and HTTP, and then the connection
 * goes to the HTTP/1.1 front with the client that the header names. */
#ifndef CULVERT_SIDE_PROXY_FRONT_H
#define CULVERT_SIDE_PROXY_FRONT_H

#include "base/addr.h"
#include "side/h1_front.h"

/* RemoteIPTrustedProxy, RemoteIPProxyProtocolExceptions */
struct proxy_front_settings {
    struct addr_net trusted[CONFIG_PROXY_SOURCES];  /* who may send a header; none: everybody */
    struct addr_net excepted[CONFIG_PROXY_SOURCES]; /* who sends none */
    uint16_t trusted_count;
    uint16_t excepted_count;
};

#ifdef CONFIG_PROXY_PROTOCOL

extern const struct listener_ops proxy_front_listener;

/* Prepares timers: a header has head_ms (0: no limit). `settings` must live as long as the front. */
void proxy_front_init(const struct proxy_front_settings *settings, uint32_t head_ms);
/* Has other settings from now on. */
void proxy_front_change(const struct proxy_front_settings *settings, uint32_t head_ms);
/* Takes the timers out of service; no connection may be left. */
void proxy_front_exit(void);
/* Closes all connections that still owe their header (drain, stop). */
void proxy_front_close(void);

#else

#define proxy_front_listener h1_front_listener

static inline void proxy_front_init(const struct proxy_front_settings *settings, uint32_t head_ms)
{
    (void)settings, (void)head_ms;
}
static inline void proxy_front_change(const struct proxy_front_settings *settings, uint32_t head_ms)
{
    (void)settings, (void)head_ms;
}
static inline void proxy_front_exit(void)
{
}
static inline void proxy_front_close(void)
{
}

#endif
#endif
