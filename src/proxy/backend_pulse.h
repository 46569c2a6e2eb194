/* A backend's pulse: whether it acknowledges a PING (RFC 9113 6.7), on a connection that is up or is opened for it. No
 * stream is needed, so that a backend all of whose streams are taken can be asked, too. Health checks ask
 * (hcmethod=PING).
 */
#ifndef CULVERT_PROXY_BACKEND_PULSE_H
#define CULVERT_PROXY_BACKEND_PULSE_H

#include "net/loop.h"
#include "proxy/cause.h"

struct backend;
struct backend_conn;

enum pulse_state {
    PULSE_NONE,   /* nothing: nobody asks */
    PULSE_WANTED, /* a connection that is up */
    PULSE_ASKED,  /* the acknowledgement */
    PULSE_FELT,   /* to be taken: it came */
    PULSE_FAILED, /* to be taken: there is none, for `cause` */
};

struct pulse {
    enum pulse_state state;
    enum cause cause;
    bool again;                /* a connection ended under the PING: the next one that ends is the answer */
    struct backend_conn *conn; /* ASKED: which was asked */
    struct task *told;         /* marked when it is FELT or FAILED */
};

#if IS_ENABLED(CONFIG_BALANCER)

/* Asks; `told` is marked later, never from within. Nobody else may be asking. */
void backend_pulse_ask(struct backend *backend, struct task *told);
/* Ends that, also before an answer came: then the connection that did not answer takes no new streams. */
void backend_pulse_end(struct backend *backend);

/* The same, but it was not waited for long enough to say anything about the connection. Harmless when `told` is not who
   asked. */
void backend_pulse_forget(struct backend *backend, const struct task *told);

/* ---- called by the pool ---- */

/* Whether a connection is wanted for it. */
bool backend_pulse_waits(const struct backend *backend);
/* Sends the PING if a connection is up. */
void backend_pulse_pump(struct backend *backend);
/* No connection comes up. */
void backend_pulse_fail(struct backend *backend, enum cause cause);
/* A connection that was up has ended. */
void backend_pulse_lost(struct backend_conn *conn, enum cause cause);

#else

static inline bool backend_pulse_waits(const struct backend *backend)
{
    (void)backend;
    return false;
}

static inline void backend_pulse_pump(struct backend *backend)
{
    (void)backend;
}

static inline void backend_pulse_fail(struct backend *backend, enum cause cause)
{
    (void)backend;
    (void)cause;
}

static inline void backend_pulse_lost(struct backend_conn *conn, enum cause cause)
{
    (void)conn;
    (void)cause;
}

#endif

#endif
