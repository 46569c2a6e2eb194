/* HTTP/1.1 responses as a suspicious client reads them, and the bodies that all scenarios use. */
#ifndef CULVERT_TESTS_SIM_HTTP_H
#define CULVERT_TESTS_SIM_HTTP_H

#include "sim.h"

/* Byte `at` of the body that belongs to an id: no two ids, and no two places near each other, look alike. */
uint8_t body_byte(uint32_t id, uint64_t at);
void body_fill(uint32_t id, uint64_t at, uint8_t *buf, size_t len);
/* Whether len bytes from `at` on are the id's. */
bool body_is(uint32_t id, uint64_t at, const uint8_t *buf, size_t len);

#define INTERIMS 8

/* What came for one request. */
struct response {
    uint32_t id;      /* of the request */
    bool head_method; /* it was a HEAD */
    size_t asked_at;  /* bytes of the client's script up to the end of the request */
    unsigned status;  /* 0: no final head came */
    unsigned interims[INTERIMS];
    unsigned interim_count;
    struct bytes head; /* status line and fields of the final head, lines ended by \n */
    struct bytes trailers;
    bool from_origin; /* it has an x-id field; else it was made by the proxy */
    bool close;       /* "connection: close", or an end by closing */
    bool chunked;
    bool has_length;
    uint64_t length;
    uint64_t whole; /* the body's true length as the origin says it (x-size) */
    uint64_t body;  /* bytes that came */
    bool complete;  /* ended cleanly */
    bool tunnel;    /* it was asked for a WebSocket */
    uint64_t echo;  /* bytes that were sent into it by a client that broke off; else UINT64_MAX */
};

enum reader_state {
    READER_LINE,     /* waits for a status line */
    READER_FIELDS,   /* field lines */
    READER_LENGTH,   /* `left` body bytes */
    READER_SIZE,     /* a chunk's size line */
    READER_DATA,     /* `left` bytes of a chunk */
    READER_DATA_END, /* the line's end behind them */
    READER_TRAILERS,
    READER_CLOSE, /* body bytes until the end of the connection */
    READER_DEAD,  /* what came was no response; noted */
};

struct reader {
    struct response *responses; /* one for each request that was asked, in order */
    unsigned asked;
    unsigned at; /* the one that is being read */
    enum reader_state state;
    struct bytes line;
    bool interim;
    uint64_t left;
};

/* A further request is asked. The pointer is good until the next call. */
struct response *reader_ask(struct reader *r, uint32_t id, bool head_method);

/* Takes bytes. Whatever no proxy may send is a violation: answers that nobody asked for, framing that is broken or
   doubtful, bodies that are not the origin's, or that end cleanly and are short. */
void reader_feed(struct reader *r, const uint8_t *bytes, size_t len);

/* Whether it is a whole 101. */
bool response_is_tunnel(const struct response *response);
/* A violation when a response of an origin ended cleanly and is short. */
void response_check_whole(const struct response *response);

/* The connection ended, orderly or by a reset. */
void reader_end(struct reader *r, bool reset);

/* The value of a field in a head of `struct response` (lower-case name); empty with NULL ptr when it is not there. */
struct text response_field(const struct bytes *head, const char *name);

#endif
