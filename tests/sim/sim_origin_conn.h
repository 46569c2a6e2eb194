/* An origin's connection, shared by sim_origin.c (the connection) and sim_origin_stream.c (its requests). */
#ifndef CULVERT_TESTS_SIM_ORIGIN_CONN_H
#define CULVERT_TESTS_SIM_ORIGIN_CONN_H

#include "sim_origin.h"

#include <nghttp2/nghttp2.h>

/* What a query says, by letter; `given` has a bit for each lower-case letter, then for each upper-case one. */
struct plan {
    uint64_t value[52];
    uint64_t given;
};

enum stream_state {
    STREAM_REQUEST, /* waits for the request's end (or its head, with w) */
    STREAM_DELAY,   /* waits for `at`, then answers */
    STREAM_ANSWERS, /* the head went out; the body goes as the plan says */
    STREAM_OVER,
};

struct origin_stream {
    struct origin_conn *conn;
    int32_t stream;
    uint32_t id; /* 0: the head is not complete */
    struct plan plan;
    enum stream_state state;
    uint64_t at;       /* when it may go on */
    uint64_t sent;     /* body bytes given to the session */
    uint64_t in_piece; /* of these, since the last pause */
    bool deferred;
    bool trailers_due;
    bool head_only;
    bool tunnel; /* a WebSocket ... */
    bool echoes; /* ... that was accepted */
    bool ended;  /* the request is complete */
    bool refused;
    bool expects;
    uint64_t body_said; /* x-body */
    uint64_t body;
    uint64_t unconsumed;
    uint64_t consume_at;
    struct bytes head;
    struct bytes trailer_fields;
    bool in_trailers;
};

struct origin_conn {
    struct sim_peer peer; /* first */
    struct origin_conn *next;
    struct origin *origin;
    struct link *link; /* NULL: over */
    nghttp2_session *session;
    uint16_t core_port;
    unsigned number;
    bool greeted;
    bool stalled;
    struct bytes early; /* what came before it greeted: its SETTINGS must be the first that it sends */
    uint64_t greet_at;
    uint64_t cut_after;
    uint64_t sent;
    struct bytes out;
    size_t out_sent;
    uint64_t read_at, write_at;
    uint32_t requests;   /* heads that came */
    unsigned open;       /* streams */
    int32_t goaway_last; /* the last stream that is served behind our GOAWAY; INT32_MAX: all are */
    bool close_due;      /* a plan asked for it */
    unsigned stream_count;
    struct origin_stream **streams; /* stream_count of them, kept for the next when they are over */
};

void origin_conn_over(struct origin_conn *c, bool abort);

uint64_t plan_get(const struct plan *plan, char letter, uint64_t otherwise);
bool plan_has(const struct plan *plan, char letter);
void plan_read(struct plan *plan, struct text query);

/* The request is there, or enough of it to answer: begins what the plan says. */
void stream_begin(struct origin_stream *s);
/* Sends 100 (Continue). */
void stream_continue(struct origin_stream *s);
void stream_rst(struct origin_stream *s, uint32_t code);

/* Sets what nghttp2 calls. */
void origin_stream_callbacks(nghttp2_session_callbacks *callbacks);
/* Goes on with what waits for its time. True when something moved. */
bool origin_streams_step(struct origin_conn *c);
/* The next such time. */
uint64_t origin_streams_wake(const struct origin_conn *c);
/* This try of the request was provably not processed, and its client is told so. */
void origin_refused(struct origin_stream *s);
/* The highest stream that was answered already. */
int32_t origin_last_answered(const struct origin_conn *c);
/* The connection ends under it. */
void origin_stream_lost(struct origin_stream *s);

#endif
