/* Backends: for each the bounded set of connections, and the queue of exchanges that wait for a stream.
 *
 * An exchange gets a stream on a live connection with room; else a connection is opened within `max`; else it waits,
 * first come first served, for a bounded time. What a connection is made of is its side's business (side/h2_back). */
#ifndef CULVERT_PROXY_BACKEND_H
#define CULVERT_PROXY_BACKEND_H

#include "base/list.h"
#include "base/text.h"
#include "base/timer.h"
#include "net/loop.h"
#include "port.h"
#include "proxy/backend_pulse.h"
#include "proxy/backend_queue.h"
#include "proxy/cause.h"

struct exchange;
struct backend;
struct name;

/* Bytes for the names of a backend: with reloads it outlives the configuration that named it. */
#define BACKEND_NAME_MAX 255 /* host and port */
#define BACKEND_TEXT (IS_ENABLED(CONFIG_RELOAD) ? 2 * (BACKEND_NAME_MAX + 1) + PORT_PATH_MAX + 8 : 1)
/* Those of a configuration that runs, of the one before, as far as it is still in use, and of the one being read. */
#define BACKEND_SLOTS (CONFIG_BACKENDS * (IS_ENABLED(CONFIG_RELOAD) ? 2 : 1))

/* Filled by the configuration. */
struct backend_settings {
    struct text name;      /* as in the log line: "host:port", or "unix:/path" */
    struct text authority; /* "host:port", the :authority sent to it */
    struct text scheme;    /* "h2c" or "h2" */
    bool tls;              /* h2 */
    struct text host;
    uint16_t port;
    /* What keys say (ops/config_keys.c). Times in ms; 0: without limit, where that is allowed. */
    uint32_t max;           /* connections, >= 1 (max=) */
    uint32_t connect_ms;    /* connectiontimeout= */
    uint32_t timeout_ms;    /* timeout=, ProxyTimeout, Timeout: the most between two signs of life of the backend */
    uint32_t first_ms;      /* from the request's end to the response head (responsetimeout=); 0: timeout_ms alone */
    uint32_t whole_ms;      /* from the request's head to the response's end (requesttimeout=); 0: without limit */
    uint32_t queue_ms;      /* the most that an exchange waits for a stream (acquire=) */
    uint32_t queue_most;    /* the most exchanges that wait (maxqueue=) */
    uint32_t retries;       /* how often an exchange is sent again (retries=) */
    uint32_t settings_ms;   /* for its SETTINGS, and for acknowledging ours (settingstimeout=) */
    uint32_t ping_ms;       /* after such a silence a PING asks for a sign of life (ping=); 0: never */
    uint32_t lost_ms;       /* a connection with streams that gives none is lost (pingtimeout=); 0: never */
    uint32_t idle_ms;       /* a connection without streams lives so long (ttl=) */
    uint32_t age_ms;        /* a connection takes streams for so long (maxage=) */
    uint32_t requests_most; /* a connection takes so many (maxrequests=) */
    struct port_addr addrs[CONFIG_BACKEND_ADDRS]; /* in the order in which they are tried */
    uint8_t addr_count;
};

enum backend_conn_state {
    BACKEND_CONNECTING, /* waits for the socket's connect */
    BACKEND_OPEN,       /* takes streams up to `limit` */
    BACKEND_CLOSING,    /* GOAWAY came or went, or it is retired: its streams finish, it takes no new ones */
    BACKEND_CLOSED,     /* off its backend's list, waits for its reclaim */
};

/* The common part of a backend connection: first member of its side's own structure. */
struct backend_conn {
    struct list node; /* on backend->conns */
    struct backend *backend;
    enum backend_conn_state state;
    uint32_t streams; /* open now; invariant: streams <= limit when it opened the last one */
    uint32_t
        limit; /* the least of ours, the peer's MAX_CONCURRENT_STREAMS, and EARLY_STREAMS until its SETTINGS came */
    uint32_t served;    /* streams ever opened: 0 on a connection whose first request is the next one */
    struct timer age;   /* until it is retired for its age */
    uint32_t head_most; /* SETTINGS_MAX_HEADER_LIST_SIZE: the largest request head it takes (RFC 9113 6.5.2) */
    uint16_t local_port;
    uint32_t heard; /* loop_now() when bytes last came */
    struct port_addr addr;
    bool outrun;  /* another attempt was faster: its end is no failure */
    bool probed;  /* it was silent for too long and is asked for a sign of life: no new streams before that */
    bool tunnels; /* the peer's SETTINGS allow extended CONNECT (RFC 8441) */
    bool settled; /* the peer's SETTINGS came: `limit` is what it really allows */
};

/* What side/h2_back gives to the pool. */
struct backend_ops {
    /* Begins a connection to addr, one of backend->settings.addrs. It calls backend_conn_opened or backend_conn_closed
       later, never from within. NULL: no slot (CAUSE_NO_ROOM), or the port refused at once (*cause says why). */
    struct backend_conn *(*connect)(struct backend *backend, const struct port_addr *addr, enum cause *cause);
    /* Gives an exchange with a complete request head a stream: attaches itself as ex->back. False: no memory now (it
     * stays queued). */
    bool (*open_stream)(struct backend_conn *conn, struct exchange *ex);
    /* Retires a connection: GOAWAY, its streams finish, then it closes. `now`: closes at once, streams are aborted. */
    void (*retire)(struct backend_conn *conn, bool now);
    /* Asks for a sign of life: sets conn->probed, and takes it back when bytes of any kind came (backend_conn_freed).
       Without any, backend_conn_closing or backend_conn_closed follows soon. */
    void (*check)(struct backend_conn *conn);
    /* Sends a PING, and changes nothing else. backend_conn_pulse, or the connection's end, follows. */
    void (*ping)(struct backend_conn *conn);
};

struct backend {
    struct backend_settings settings;
    const struct backend_ops *ops;
    struct list conns;          /* of struct backend_conn that are not closed */
    struct backend_queue queue; /* of struct exchange (wait) that wait for a stream */
    uint16_t conn_count;
    uint8_t first_addr;   /* where the next round of attempts to connect begins: the last one that worked */
    uint8_t tried_addrs;  /* addresses that this round has begun with */
    struct timer attempt; /* until the next address is tried, too */
    uint32_t known_limit; /* MAX_CONCURRENT_STREAMS as a connection of it last announced; what a new one begins with at
                             most */
    bool backing_off;     /* all addresses failed; none is tried before `backoff` fires */
    bool calm;            /* it said ENHANCE_YOUR_CALM: no stream and no connection begins before `calm_timer` fires */
    uint32_t calm_until;  /* loop_now() when that is, or was last */
    bool retiring;        /* opens no more connections */
    struct timer backoff;
    struct timer_class backoff_class;
    struct timer calm_timer;
    struct timer_class calm_class; /* grows while the backend goes on to say so */
    struct timer_class *first_class;
    struct timer_class *whole_class;
    struct timer_class *connect_class; /* these are shared: proxy/backend_time.h */
    struct timer_class *timeout_class;
    struct timer_class *queue_class;
    struct timer_class *settings_class;
    struct timer_class *ping_class;
    struct timer_class *lost_class;
    struct timer_class *idle_class;
    struct timer_class *age_class;
    struct timer_class *attempt_class;
    struct pulse pulse;     /* a health check by PING */
    struct name *looked_up; /* what keeps its addresses (proxy/names.h); NULL: they are the configuration's */
    struct task pump;       /* marked when the queue may move */
    uint32_t users;         /* exchanges that have it as theirs */
    bool left;              /* no configuration has it any more: proxy/backend_drop.c */
    struct list left_node;  /* on the list of those */
    struct task gone;
    char text[BACKEND_TEXT]; /* its names, when it runs */
};

/* One of the pool, all zero, to be configured. NULL: none is left. Given back when it does not run. */
struct backend *backend_take(void) MUST_USE;
void backend_give(struct backend *backend);
/* A number of it among those that there are now, below BACKEND_SLOTS. */
unsigned backend_number(const struct backend *backend);

/* Makes a configured backend ready to run (settings filled before; their text is copied when it must outlive them). */
void backend_init(struct backend *backend, const struct backend_ops *ops);

/* Whether it would take an exchange now, instead of failing it at once. */
bool backend_takes(const struct backend *backend);

/* Takes an exchange with a complete request head into the queue, which moves in this pass. When it cannot wait there
   (backend_takes): exchange_fail. */
void backend_submit(struct backend *backend, struct exchange *ex);

/* The same for one that was here before and was provably not processed: it is the next to get a stream. */
void backend_submit_again(struct backend *backend, struct exchange *ex);

/* Takes a waiting exchange off the queue (client gone, timeout). Harmless when it is not queued. */
void backend_withdraw(struct exchange *ex);

/* Whether a connection is up: what waits, waits for a stream of it and not for a connection. */
bool backend_is_up(const struct backend *backend);

/* When a request that was turned away could come again, in seconds (1 at least; RFC 9110 10.2.3). */
unsigned backend_retry_after_s(const struct backend *backend);

/* ---- called by the side that owns a connection ---- */

/* The connection is up and may carry streams. */
void backend_conn_opened(struct backend_conn *conn);
/* Its limit was raised, a stream ended, or it has memory again: queued exchanges may move. */
void backend_conn_freed(struct backend_conn *conn);
/* Its PING (backend_ops.ping) was acknowledged. */
void backend_conn_pulse(struct backend_conn *conn);
/* It said ENHANCE_YOUR_CALM: its backend is left alone for a while. */
void backend_conn_calm(struct backend_conn *conn);
/* It takes no new streams any more. */
void backend_conn_closing(struct backend_conn *conn);
/* It is gone. In state BACKEND_CONNECTING it never came up, for this cause: the other addresses are tried, then what
 * waits fails. */
void backend_conn_closed(struct backend_conn *conn, enum cause cause);

/* Retires all connections (`now`: at once) and opens no more. The queue must be empty when `now`. */
void backend_retire(struct backend *backend, bool now);

/* Takes its timer classes and task out of service; all connections and the queue must be gone. */
void backend_exit(struct backend *backend);

/* ---- backends that leave the configuration (backend_drop.c) ---- */

#if IS_ENABLED(CONFIG_RELOAD)

/* No new request comes to it: its exchanges end, those that wait for a stream, too, then its connections say goodbye
   and it goes back to its pool. */
void backend_drop(struct backend *backend);
/* How many do so. */
unsigned backend_dropped(void);
/* An exchange has it as its own, and no more. */
void backend_hold(struct backend *backend);
void backend_release(struct backend *backend);
/* Its pump runs. */
void backend_drop_step(struct backend *backend);
/* The server stops: connections close at once. Then, when no exchange is left, they are given back. */
void backend_drop_stop(void);
void backend_drop_exit(void);

#else

static inline unsigned backend_dropped(void)
{
    return 0;
}

static inline void backend_drop(struct backend *backend)
{
    (void)backend;
}

static inline void backend_hold(struct backend *backend)
{
    (void)backend;
}

static inline void backend_release(struct backend *backend)
{
    (void)backend;
}

static inline void backend_drop_step(struct backend *backend)
{
    (void)backend;
}

static inline void backend_drop_stop(void)
{
}

static inline void backend_drop_exit(void)
{
}

#endif

#endif
