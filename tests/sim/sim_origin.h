/* Origins: h2c servers that do what a request's query says, and keep a record of all that reached them.
 *
 * The query is a list of letter=number, joined by '&':
 *     s status (200)               n bytes of body (0)           l content-length: 1 yes (default), 0 no
 *     L a content-length that lies d ms before the head          b ms between head and body
 *     p bytes, then q ms of pause  t 1: trailers                 i so many 103 heads before the final one
 *     h a field of so many bytes   w 1: answers before the request's body is complete
 *     r RST_STREAM behind so many body bytes (e: its code, 2)    R 1: RST_STREAM instead of a head
 *     x closes its connection behind so many body bytes          z 1: never answers
 *     u takes so many body bytes a ms (0: at once)               U 1: takes no body byte at all
 *     g 1: GOAWAY with this stream as the last                   W 1: RST_STREAM(NO_ERROR) behind an early answer
 *     F refuses (REFUSED_STREAM) the first so many tries of this request
 *     P bytes of padding in each DATA frame                      y a priority field of this urgency
 *     T trailers, one of so many bytes; a pause behind the last piece is before them
 * A WebSocket (RFC 8441) is answered at once, after d ms, and all its bytes come back: its body is what the client
 * sends, as far as x-body says. What a query says of bodies holds for the echo; only as much is taken as has gone back;
 *     E ends its side behind so many bytes and takes the rest
 * and another status refuses it. A response carries x-id and x-size, and the body that sim_http.h gives that id. */
#ifndef CULVERT_TESTS_SIM_ORIGIN_H
#define CULVERT_TESTS_SIM_ORIGIN_H

#include "sim_client.h"

/* What is known of one request id at an origin. */
struct origin_request {
    uint32_t id;
    unsigned tries;   /* how often its head came */
    unsigned refused; /* of these, provably not processed: REFUSED_STREAM */
    uint64_t body;    /* bytes of the last try */
    bool ended;       /* END_STREAM came */
    bool tunnel;      /* it was an extended CONNECT */
    bool trailers;
    uint32_t reset; /* the code of a RST_STREAM that came, + 1 */
    bool lost;      /* its connection ended first */
    unsigned conn;  /* which of the origin's connections, from 0 */
    uint16_t core_port;
    struct bytes head; /* all fields, "name: value\n", pseudo-header fields first */
    struct bytes trailer_fields;
};

struct origin {
    struct sim_host host; /* first */
    /* How all its connections behave; set after origin_new. */
    uint32_t max_streams;       /* MAX_CONCURRENT_STREAMS (0: not sent) */
    uint32_t window;            /* INITIAL_WINDOW_SIZE (0: not sent) */
    uint32_t max_frame;         /* MAX_FRAME_SIZE (0: not sent) */
    uint32_t settings_after_ms; /* its SETTINGS come so late */
    bool no_ack;                /* never acknowledges SETTINGS */
    bool tunnels;               /* ENABLE_CONNECT_PROTOCOL: takes WebSockets */
    uint64_t cut_after;         /* breaks off behind so many bytes sent on a connection */
    enum cut cut;
    unsigned cut_conns;    /* only the first so many connections (0: all) */
    uint32_t goaway_after; /* GOAWAY behind so many requests of a connection (0: never) */
    bool goaway_hard;      /* ... whose last id is the request before the last one */
    size_t piece;          /* most bytes for one read and for one write (0: all) */
    uint32_t pause_ms;     /* behind each of them */
    bool deaf;             /* reads nothing */
    bool paused;           /* its process is stopped: it does nothing, its host accepts connections */
    /* What became of it. */
    unsigned conn_count; /* connections ever */
    unsigned open_conns;
    unsigned most_streams;    /* at one time on one connection */
    uint64_t most_sent;       /* bytes sent on one connection, at most */
    unsigned goaways;         /* GOAWAY frames that came */
    unsigned pings;           /* PING frames that came, not the answers */
    unsigned protocol_errors; /* what the core sent that RFC 9113 does not allow; a violation, too */
    struct origin_request *requests;
    unsigned request_count;
};

/* An origin at 10.0.0.<host>:<port>. */
struct origin *origin_new(uint8_t host, uint16_t port);

/* The record of a request id, or NULL when it never came. */
struct origin_request *origin_request(struct origin *origin, uint32_t id);

/* Closes all its connections now. */
void origin_break(struct origin *origin, bool abort);
/* Sends GOAWAY (graceful) on all its connections. */
void origin_goaway(struct origin *origin);
/* The same with a last stream (-1: the last that came) and a code. */
void origin_goaway_with(struct origin *origin, int32_t last, uint32_t code);
/* The same, and the last stream is the last that was answered: it did nothing with all behind it. */
void origin_goaway_unanswered(struct origin *origin, uint32_t code);
/* From now on nothing passes on all its connections, and nobody is told (a lost NAT entry). */
void origin_freeze(struct origin *origin);
/* Sends one setting on all its connections. */
void origin_setting(struct origin *origin, int32_t id, uint32_t value);
/* Sends bytes as they are on all its connections, behind whole frames. */
void origin_raw(struct origin *origin, const void *bytes, size_t len);

void origins_reset(void);

#endif
