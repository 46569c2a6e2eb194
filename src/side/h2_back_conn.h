/* A backend connection's structure, shared by the two files of the HTTP/2 back: its life (h2_back.c) and its session
 * (h2_back_session.c). */
#ifndef CULVERT_SIDE_H2_BACK_CONN_H
#define CULVERT_SIDE_H2_BACK_CONN_H

#include "side/h2_io.h"

/* What a connection's timer runs for. */
enum h2_back_wait {
    H2_WAIT_CONNECT,  /* the socket's connect */
    H2_WAIT_SETTINGS, /* the peer's SETTINGS */
    H2_WAIT_PING,     /* any byte of a peer that let an answer's whole time pass in silence */
    H2_WAIT_WRITE,    /* the peer takes no bytes */
    H2_WAIT_IDLE,     /* there is no stream */
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
    uint32_t heard;    /* loop_now() when bytes last came */
    uint32_t batch;    /* number of the last write */
    uint32_t pending;  /* bytes of heads handed to nghttp2 and not yet pulled */
    bool goaway;       /* the peer sent GOAWAY */
    bool goodbye;      /* we sent GOAWAY */
    bool failed;       /* the session is out of memory: the connection ends with the next run */
    bool write_failed; /* the last write took nothing and never will */
};

extern const nghttp2_session_callbacks *h2_back_callbacks;

/* Makes h2_back_callbacks. False: no memory in the shared arena. */
bool h2_back_callbacks_init(void);

/* Queues our SETTINGS and the connection window. */
bool h2_back_submit_settings(nghttp2_session *ng);

/* Submits the request of an exchange. False: no memory, or no stream id left (then the connection is closing). */
bool h2_back_submit(struct h2_back *back, struct exchange *ex);

/* The back's end of an exchange. */
static inline struct h2_stream h2_back_stream(struct exchange *ex)
{
    return (struct h2_stream){ex, &ex->back, &ex->request, &ex->response};
}

/* Closes the connection at once; its streams' exchanges are told. */
void h2_back_lose(struct h2_back *back, enum cause cause);

#endif
