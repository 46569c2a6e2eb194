/* A backend connection's structure, shared by the files of the HTTP/2 back: its life (h2_back.c), its session
 * (h2_back_session.c) and what it waits for (h2_back_wait.c). */
#ifndef CULVERT_SIDE_H2_BACK_CONN_H
#define CULVERT_SIDE_H2_BACK_CONN_H

#include "side/h2_io.h"

/* What a connection's timer runs for. */
enum h2_back_wait {
    H2_WAIT_CONNECT,  /* the socket's connect */
    H2_WAIT_TLS,      /* the end of the TLS handshake */
    H2_WAIT_SETTINGS, /* the peer's SETTINGS, and its acknowledgement of ours */
    H2_WAIT_PING,     /* any byte in answer to a PING */
    H2_WAIT_LIFE,     /* the same, for longer: it is lost else */
    H2_WAIT_WRITE,    /* the peer takes no bytes */
    H2_WAIT_IDLE,     /* there is no stream */
    H2_WAIT_SILENCE,  /* there are streams: when the timer ends, it is looked whether anything came */
    H2_WAIT_NOTHING,  /* the timer is not set */
};

struct h2_back {
    struct backend_conn base; /* first */
    struct conn conn;
    struct h2_session h2;
    struct list streams; /* exchanges (back.node) with a stream here */
    struct list news;    /* those (back.dirty) to be served by the next run */
    struct task task;
    struct task reclaim;
    struct timer timer;
    enum h2_back_wait wait;
    uint32_t batch;      /* number of the last write: odd, so that it wraps past 0 */
    uint32_t pending;    /* bytes of heads handed to nghttp2 and not yet pulled */
    uint8_t pings;       /* sent since the peer's last HEADERS or DATA, as far as they count */
    uint8_t frame[9];    /* the frame header that comes in ... */
    uint8_t frame_used;  /* ... so many bytes of it are there */
    bool frame_dropped;  /* its payload is not for nghttp2 */
    uint32_t frame_left; /* bytes of its payload to come */
    int32_t block;       /* stream whose header block has begun and is not complete; 0: none */
    bool doubted;        /* a PING was not answered in time */
    bool acknowledged;   /* our SETTINGS are; or it is waited for no more */
    bool settings_late;  /* they were not in time */
    bool goaway;         /* the peer sent GOAWAY */
    bool goodbye;        /* we sent GOAWAY */
    bool starved;        /* it had no memory for one more stream */
    bool failed;         /* the session is out of memory: the connection ends with the next run */
    bool write_failed;   /* the last write took nothing and never will */
};

extern const nghttp2_session_callbacks *h2_back_callbacks;

/* Makes h2_back_callbacks. False: no memory in the shared arena. */
bool h2_back_callbacks_init(void);

/* What a PING carries that is a health check. */
extern const uint8_t h2_back_pulse[8];

/* Queues our SETTINGS and the connection window. */
bool h2_back_submit_settings(nghttp2_session *ng);

/* Submits the request of an exchange. False: no memory, or no stream id left (then the connection is closing). */
bool h2_back_submit(struct h2_back *back, struct exchange *ex);

/* The back's end of an exchange. */
static inline struct h2_stream h2_back_stream(struct exchange *ex)
{
    return (struct h2_stream){ex, &ex->back, &ex->request, &ex->response};
}

/* ---- h2_back_wait.c ---- */

void h2_back_wait_init(void);
void h2_back_wait_exit(void);
/* Waits for something; harmless when it is waited for already. */
void h2_back_await(struct h2_back *back, enum h2_back_wait wait);
/* Waits for what comes next after a write; `blocked`: the socket is full. */
void h2_back_await_next(struct h2_back *back, bool blocked);
/* Its timer has ended. */
void h2_back_on_timer(struct timer *timer);
/* Asks for a sign of life; no new streams before it comes. */
void h2_back_probe(struct h2_back *back);
/* Bytes came. */
void h2_back_heard(struct h2_back *back);

/* ---- h2_back_feed.c ---- */

/* Hands received bytes to the session: as h2_session_feed. */
bool h2_back_feed(struct h2_back *back, const uint8_t *bytes, size_t len) MUST_USE;

/* ---- h2_back.c ---- */

/* Closes the connection at once; its streams' exchanges are told. */
void h2_back_lose(struct h2_back *back, enum cause cause);

#endif
