/* Clients that follow a script: what they send, how fast, how they read, and where they break off. */
#ifndef CULVERT_TESTS_SIM_CLIENT_H
#define CULVERT_TESTS_SIM_CLIENT_H

#include "sim_http.h"
#include "sim_net.h"

/* How a peer breaks off. */
enum cut {
    CUT_CLOSE,    /* closes */
    CUT_RESET,    /* resets */
    CUT_SHUTDOWN, /* ends its sending side and reads on */
    CUT_STALL,    /* falls silent */
    CUT_GARBAGE,  /* goes on with bytes without meaning (origins only) */
};
#define CUT_NEVER UINT64_MAX

enum client_end {
    CLIENT_OPEN,    /* not connected yet, or connected */
    CLIENT_REFUSED, /* nobody listened */
    CLIENT_ENDED,   /* the proxy closed orderly */
    CLIENT_RESET,   /* the proxy reset */
    CLIENT_LEFT,    /* it closed by itself */
};

/* Where sending waits: at byte `at` of the output, for the answer to response `for_response`. */
struct barrier {
    size_t at;
    unsigned for_response;
    bool interim_suffices; /* 100-continue */
    bool tunnel;           /* what is behind it goes through a tunnel */
};

/* A WebSocket, whose bytes are the request's body one way and its echo the other: who ends it, and when. */
enum ask_tunnel {
    TUNNEL_NONE,  /* it is none */
    TUNNEL_SHUT,  /* the client ends its side behind its bytes */
    TUNNEL_ECHO,  /* the same, when it has all of the echo */
    TUNNEL_LEAVE, /* it closes when it has all of the echo (HTTP/2: see CANCEL_RECEIVED) */
    TUNNEL_STAYS, /* it waits for the other side's end */
};

struct client {
    struct sim_peer peer; /* first */
    /* How it behaves; set after client_new. */
    uint64_t start_at; /* when it connects */
    size_t piece;      /* most bytes for one write (0: all) ... */
    uint32_t pause_ms; /* ... and the pause behind each */
    size_t read_piece; /* most bytes for one read (0: all) ... */
    uint32_t read_pause_ms;
    uint64_t read_stop; /* reads no further than this many bytes */
    uint64_t cut_after; /* breaks off behind this many bytes sent */
    enum cut cut;
    uint64_t leave_after; /* resets when it has read this many bytes */
    bool pipelining;      /* does not wait for an answer before the next request */
    bool stays;           /* does not close when all is answered */
    /* What became of it. */
    enum client_end end;
    uint64_t ended_at;
    uint64_t received;
    size_t sent;
    bool cut_done;
    struct reader reader;
    struct bytes raw; /* all that was received, when `keep_raw` */
    bool keep_raw;
    /* its own */
    uint16_t port;
    struct link *link;
    struct bytes out;
    struct barrier *barriers;
    unsigned barrier_count;
    uint64_t send_at, read_at;
    uint64_t connected_at;
    enum ask_tunnel tunnel; /* of its last request */
    uint64_t tunnel_body;
    bool shut;      /* it ended its side of the tunnel */
    bool their_end; /* the proxy did */
};

/* A client of a port of the core. It connects in the next run. */
struct client *client_new(uint16_t port);

/* The one that was made last. */
struct client *client_last(void);

enum ask_body { ASK_NONE, ASK_LENGTH, ASK_CHUNKED };

/* A request. Its target is "<path>r/<id>?<query>"; see sim_origin.h for what a query asks of the origin. */
struct ask {
    const char *method; /* NULL: GET, or POST with a body */
    const char *path;   /* NULL: "/" */
    const char *query;  /* NULL: none */
    const char *fields; /* more field lines, each with its CRLF; NULL: none */
    enum ask_body framing;
    uint64_t body;
    uint32_t chunk;       /* bytes of a chunk (0: 1000) */
    const char *trailers; /* lines as in `fields` */
    bool http10;
    bool expects;           /* Expect: 100-continue; the body waits for an answer */
    enum ask_tunnel tunnel; /* the last request of an HTTP/1.1 connection; `body` is all that counts of its framing */
    bool tunnel_early;      /* its bytes do not wait for an answer */
};
/* Appends a request to the script. Returns its id, which is never used again in this world. */
uint32_t client_ask(struct client *client, const struct ask *ask);

/* An id for another request. */
uint32_t client_id(void);

/* Appends bytes as they are; `answers` more responses are expected for them (their ids are 0: from the proxy only). */
void client_raw(struct client *client, const void *bytes, size_t len, unsigned answers);

/* The id of its first request. */
uint32_t client_first_id(const struct client *client);
/* The response to the nth request (from 0). */
struct response *client_response(struct client *client, unsigned n);
/* Whether it has all answers, or its connection is over. */
bool client_done(const struct client *client);
/* How many requests were answered completely. */
unsigned client_answers(const struct client *client);
/* Closes it now, if it is open. */
void client_close(struct client *client, bool abort);

/* For sim_run: all clients of this world are done. */
bool clients_done(void *user);
void clients_reset(void);
/* Every request that was answered completely has a line in the log: logged[id] counts them; `others` are without an id,
   of requests that did not come whole. */
void clients_check_logged(const uint8_t *logged, size_t count, unsigned others);

#endif
