/* The HTTP/2 front: clients that speak HTTP/2 with prior knowledge. It takes a connection over from the HTTP/1.1 front,
 * where every connection begins, when its first bytes are the preface. */
#ifndef CULVERT_SIDE_H2_FRONT_H
#define CULVERT_SIDE_H2_FRONT_H

#include "http/h1.h"
#include "net/conn.h"
#include "side/front.h"

/* A client's slot, which the HTTP/1.1 front keeps for as long as the HTTP/2 front serves it. */
struct h1_conn;

#if IS_ENABLED(CONFIG_H2_FRONT)

/* Prepares callbacks and timers. False: the shared arena is too small (a bug). After h2_session_init. */
bool h2_front_init(const struct front_settings *settings);
/* As h1_front_change. */
void h2_front_change(const struct front_settings *settings);
void h2_front_exit(void);

/* Whether the first n > 0 bytes of a connection are those of the client preface (RFC 9113 3.4), as far as they go. At
   least 4 are needed to say so: no method begins with "PRI ". */
bool h2_front_is_preface(const uint8_t *bytes, size_t n);

/* Whether a session is free: else TLS offers HTTP/1.1 only. */
bool h2_front_has_room(void);

/* How much of what comes first should be read, up to `most` bytes: when there is room for few streams, the preface. */
size_t h2_front_first_read(size_t most);

/* Serves the connection from now on (conn_move): h1_conn_hand_over was called, `bytes` are its first (none: n is 0).
 * Gives the slot back (h1_conn_release) when it ends. */
void h2_front_take_over(struct h1_conn *slot, struct conn *conn, const struct port_addr *peer,
                        const struct port_addr *local, const uint8_t *bytes, size_t n);

/* Begins to drain: GOAWAY, streams finish. */
void h2_front_drain(void);
/* Closes all connections now. */
void h2_front_stop(void);

#else

static inline bool h2_front_init(const struct front_settings *settings)
{
    (void)settings;
    return true;
}

static inline void h2_front_change(const struct front_settings *settings)
{
    (void)settings;
}

static inline void h2_front_exit(void)
{
}

static inline bool h2_front_is_preface(const uint8_t *bytes, size_t n)
{
    (void)bytes;
    (void)n;
    return false;
}

static inline bool h2_front_has_room(void)
{
    return false;
}

static inline size_t h2_front_first_read(size_t most)
{
    return most;
}

static inline void h2_front_take_over(struct h1_conn *slot, struct conn *conn, const struct port_addr *peer,
                                      const struct port_addr *local, const uint8_t *bytes, size_t n)
{
    (void)slot;
    (void)conn;
    (void)peer;
    (void)local;
    (void)bytes;
    (void)n;
}

static inline void h2_front_drain(void)
{
}

static inline void h2_front_stop(void)
{
}

#endif

#endif
