/* HTTP/2 clients that follow a script: many requests at once on one connection, bodies with a pace, windows of any
 * size, and the places where they break off. */
#ifndef CULVERT_TESTS_SIM_H2_CLIENT_H
#define CULVERT_TESTS_SIM_H2_CLIENT_H

#include "sim_client.h"

#include <nghttp2/nghttp2.h>

enum cancel {
    CANCEL_NEVER,
    CANCEL_SENT,     /* RST_STREAM behind `cancel_at` body bytes sent */
    CANCEL_RECEIVED, /* behind as many received (0: with the head) */
};

/* A request, and how its stream behaves. */
struct h2_ask {
    struct ask ask;       /* ASK_LENGTH: a content-length goes with it; ASK_CHUNKED: none; http10 means nothing */
    const char *block;    /* the whole header block instead, lines "name: value\n"; its path must bear the right id */
    uint64_t start_at;    /* not before this time */
    uint32_t piece;       /* most bytes of one DATA frame (0: all) ... */
    uint32_t pause_ms;    /* ... and the pause behind each */
    enum cancel cancel;   /* RST_STREAM(CANCEL) ... */
    uint64_t cancel_at;   /* ... there */
    uint64_t stall_after; /* gives no window back any more behind so many body bytes (0: never stalls) */
};

enum h2_ask_state {
    H2_ASK_WAITS, /* for its time, or for a free place among `concurrent` */
    H2_ASK_OPEN,  /* its stream is open */
    H2_ASK_OVER,
};

/* What came of one request. */
struct h2_answer {
    struct response response; /* status, fields, body, as of an HTTP/1.1 client */
    struct h2_ask ask;        /* its texts are not kept */
    struct h2_client *client;
    enum h2_ask_state state;
    int32_t stream;
    unsigned tries;   /* how often it was sent: REFUSED_STREAM lets it try again */
    uint32_t reset;   /* the code its stream was closed with, + 1; 0: not closed so */
    bool unsent;      /* the connection went away before it could be sent */
    uint64_t over_at; /* when its stream closed */
    uint64_t sent;    /* body bytes given to the session */
    uint64_t send_at;
    uint64_t credit; /* of a window of 0: bytes granted */
    bool deferred;
    bool cancelled;
    struct bytes block;    /* the request's fields, "name: value\n" */
    struct bytes trailers; /* the same */
    struct bytes fields;   /* of the header block that is being received */
};

struct h2_client {
    struct sim_peer peer; /* first */
    /* How it behaves; set after h2_client_new. */
    uint64_t start_at;
    size_t piece;      /* most bytes for one write (0: all) ... */
    uint32_t pause_ms; /* ... and the pause behind each */
    size_t read_piece; /* the same for reads */
    uint32_t read_pause_ms;
    uint64_t read_stop;   /* reads no further than this many bytes */
    uint64_t deaf_until;  /* reads nothing before this time: it knows no SETTINGS and acknowledges none */
    uint64_t cut_after;   /* breaks off behind this many bytes sent */
    enum cut cut;         /* CUT_GARBAGE: sends bytes without meaning, and reads on */
    uint64_t leave_after; /* resets when it has read this many bytes */
    bool stays;           /* does not close when all is answered */
    bool no_ack;          /* never acknowledges SETTINGS */
    unsigned concurrent;  /* streams at once (0: as many as the proxy takes) */
    int64_t window;       /* INITIAL_WINDOW_SIZE (-1: not sent) */
    uint32_t grant;       /* with a window of 0: bytes granted at a time */
    uint32_t padding;     /* bytes of it in each DATA frame, at most 255 */
    bool gives_up;        /* does not try a refused request again */
    /* What became of it. */
    enum client_end end;
    uint64_t ended_at;
    uint64_t received;
    uint64_t sent;
    bool cut_done;
    unsigned goaways;
    uint32_t goaway_code; /* of the last GOAWAY */
    int32_t goaway_last;
    uint32_t their_streams; /* MAX_CONCURRENT_STREAMS of the proxy */
    uint32_t their_window;  /* INITIAL_WINDOW_SIZE */
    unsigned most_open;     /* streams at one time */
    struct h2_answer **answers;
    unsigned asked;
    /* its own */
    uint16_t port;
    struct link *link;
    nghttp2_session *session;
    struct bytes out;
    size_t out_sent;
    uint64_t send_at, read_at;
};

/* A client of a port of the core. It connects in the next run. */
struct h2_client *h2_client_new(uint16_t port);

/* Appends a request; all are sent as soon as they may. Returns its id. */
uint32_t h2_client_ask(struct h2_client *client, const struct h2_ask *ask);
/* The same for a plain request. */
uint32_t h2_client_get(struct h2_client *client, const char *query);

/* Sends bytes behind what stands to be sent, as they are. The client must be connected. */
void h2_client_raw(struct h2_client *client, const void *bytes, size_t len);

/* What came of the nth request (from 0). */
struct h2_answer *h2_client_answer(struct h2_client *client, unsigned n);
/* Requests that were answered completely. */
unsigned h2_client_answers(const struct h2_client *client);
bool h2_client_done(const struct h2_client *client);
void h2_client_close(struct h2_client *client, bool abort);

/* As for HTTP/1.1 clients, see sim_client.h. */
bool h2_clients_done(void);
void h2_clients_reset(void);
void h2_clients_check_logged(const uint8_t *logged, size_t count);

/* ---- for sim_h2_answer.c: what a stream's frames mean ---- */

void h2_answer_callbacks(nghttp2_session_callbacks *callbacks);
/* Sends the request. */
void h2_answer_open(struct h2_answer *a);
/* Goes on with what waits for its time. True when something moved. */
bool h2_answer_step(struct h2_answer *a);
/* The next such time. */
uint64_t h2_answer_wake(const struct h2_answer *a);
/* Its stream is closed, or never will be open. */
void h2_answer_over(struct h2_answer *a, uint32_t code);

#endif
