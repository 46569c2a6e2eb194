/* Names of backends, looked up while the loop runs: at the start, when their time (TTL) is over, and when connects to
 * their addresses fail. Nothing waits; a look-up that fails leaves the addresses as they are. */
#ifndef CULVERT_PROXY_NAMES_H
#define CULVERT_PROXY_NAMES_H

#include "proxy/backend.h"

struct names_settings {
    struct port_addr servers[CONFIG_NAME_SERVERS]; /* Resolver; none: the system's */
    uint8_t server_count;
};

#ifdef CONFIG_CARES

/* Opens the resolver (without CONFIG_RELOAD when a backend has a name), and begins to look up all names. False: it
   could not (no memory). The backends must live until names_exit, and be initialised. */
bool names_start(const struct names_settings *settings, struct backend **backends, unsigned count);
/* Ends all look-ups and closes the resolver. */
void names_exit(void);
/* The same backends and others from now on, as with names_start: what is known of those that stay is kept. New servers
   open the resolver anew. False: it could not be opened, and nothing is looked up. */
bool names_change(const struct names_settings *settings, struct backend **backends, unsigned count);

/* No address of the backend could be reached: perhaps they are old. Looks up again, not too often. */
void names_failed(struct backend *backend);
/* Whether the backend has no address, and its name was looked up in vain. */
bool names_unknown(const struct backend *backend);

#else

static inline bool names_start(const struct names_settings *settings, struct backend **backends, unsigned count)
{
    (void)settings, (void)backends, (void)count;
    return true;
}
static inline void names_exit(void)
{
}
static inline bool names_change(const struct names_settings *settings, struct backend **backends, unsigned count)
{
    (void)settings, (void)backends, (void)count;
    return true;
}
static inline void names_failed(struct backend *backend)
{
    (void)backend;
}
static inline bool names_unknown(const struct backend *backend)
{
    (void)backend;
    return false;
}

#endif
#endif
