/* A client's HTTP/1.1 connection, shared by the files of the front: its life (h1_front.c), its TLS handshake
 * (h1_secure.c), what comes in (h1_input.c, h1_body.c) and what goes out (h1_output.c). */
#ifndef CULVERT_SIDE_H1_CONN_H
#define CULVERT_SIDE_H1_CONN_H

#include "http/h1.h"
#include "net/conn.h"
#include "proxy/exchange.h"
#include "side/front.h"

/* What the connection waits for on its input side. */
enum h1_input {
    H1_HANDSHAKE, /* the end of the TLS handshake */
    H1_IDLE,      /* the first byte of a request; there is no exchange */
    H1_HEAD,      /* the rest of a request head */
    H1_BODY,      /* body bytes, and room for them in the pipe */
    H1_TRAILERS,  /* the rest of a trailer section */
    H1_TUNNEL,    /* bytes of a WebSocket, and room for them in the pipe */
    H1_READ,      /* nothing: the request was read whole, its response is on the way */
    H1_REFUSED,   /* nothing: the request is not read any further, the connection closes after the response */
    H1_LINGER,    /* the client's end; all bytes are thrown away (RFC 9112 9.6) */
    H1_CLOSED,    /* its reclaim */
};

/* What the connection waits for on its output side. */
enum h1_output {
    H1_OUT_HEAD,  /* a section of the response head, or the rest of one that is being sent */
    H1_OUT_DATA,  /* body bytes, unframed (Content-Length, or until close) */
    H1_OUT_SIZE,  /* body bytes to make a chunk of, or the rest of its size line */
    H1_OUT_CHUNK, /* the rest of a chunk's data */
    H1_OUT_CRLF,  /* the rest of the CRLF behind it */
    H1_OUT_LAST,  /* the rest of the last chunk and trailers */
    H1_OUT_DONE,  /* nothing: the response was delivered */
};

/* Where the output stands: all that is needed to make the bytes that come next again. */
struct h1_out {
    uint8_t state;  /* enum h1_output */
    uint8_t made;   /* within one write: sections made and not yet sent */
    uint32_t off;   /* bytes of the state's element that were sent */
    uint32_t chunk; /* H1_OUT_SIZE, H1_OUT_CHUNK: data bytes of the chunk that are left; 0: no chunk was begun */
};

struct h1_conn {
    struct conn conn;
    struct list node; /* on the list of all clients */
    struct task task;
    struct task reclaim;
    struct timer read_timer;  /* keep-alive, head, body, linger */
    struct timer write_timer; /* the client takes no bytes */
    struct exchange *ex;
    struct port_addr local; /* where the client connected to */
    struct port_addr peer;
    uint32_t requests;   /* on this connection, this one included */
    uint32_t read_start; /* when the head or body began to be waited for */
    uint8_t input;       /* enum h1_input */
    uint8_t minor;       /* of the request's HTTP version */
    uint8_t framing;     /* enum h1_framing, of the response */
    bool closing;        /* after this response */
    bool say_close;      /* its head says so */
    bool blocked;        /* the socket is full */
    bool eof;            /* the client ended its sending side */
    bool aborted;        /* the response was cut */
    bool chunked;        /* the request's body is */
    bool te_trailers;    /* the client asks for trailers (RFC 9110 10.1.4) */
    bool unsized;        /* the response's Content-Length was dropped, so that trailers can follow */
    struct h1_out out;
    uint64_t read_bytes; /* received since read_start */
    uint64_t body_left;  /* of a body with a length */
    uint32_t rest_at;    /* bytes behind the request: request.head.text[rest_at, rest_end) */
    uint32_t rest_end;
    uint32_t trailers_at; /* where the trailer section begins in request.head.text */
    uint32_t trailers_end;
    struct h1_parser parser;
    struct h1_chunks chunks;
};

/* ---- h1_front.c ---- */

const struct front_settings *h1_front_settings(void);
bool h1_front_draining(void);
extern const struct side_ops h1_front_ops;

/* Starts waiting for the client: its read timer runs by `timeout` from now. */
void h1_conn_await(struct h1_conn *c, bool body);
/* Starts waiting for a next request. */
void h1_conn_await_request(struct h1_conn *c);
/* The client is gone or too slow: the exchange ends, the connection closes. */
void h1_conn_lose(struct h1_conn *c, enum cause cause);
/* Ends the connection in an orderly way: lingers when the client may still be sending. */
void h1_conn_finish(struct h1_conn *c);
void h1_conn_close(struct h1_conn *c, bool abort);
/* Sets what is waited for on the socket after something changed. */
void h1_conn_update(struct h1_conn *c);

/* Stops serving the connection, which the HTTP/2 front takes (conn_move) from c->conn: the slot is kept until
 * h1_conn_release. */
void h1_conn_hand_over(struct h1_conn *c);
/* Gives the slot back at the end of this pass. */
void h1_conn_release(struct h1_conn *c);

/* ---- h1_secure.c ---- */

/* Begins the TLS handshake, which `class` bounds; behind it the front that ALPN chose serves the client. */
void h1_secure_begin(struct h1_conn *c, struct timer_class *class);
/* Its time is over. */
void h1_secure_timeout(struct h1_conn *c);

/* ---- h1_input.c ---- */

/* Reads once and serves what came. */
void h1_input_read(struct h1_conn *c);
/* Begins the next request with the bytes that came behind the last one. */
void h1_input_next(struct h1_conn *c);
/* Whether bytes are wanted from the socket now. */
bool h1_input_wanted(const struct h1_conn *c);

/* ---- h1_body.c ---- */

/* Refuses the request: answered when nothing of a response was sent, else cut. The rest is not read. */
void h1_body_refuse(struct h1_conn *c, enum h1_reason reason);
/* Takes all bytes of a read in H1_BODY: the body's (at most the pipe's space) and what comes behind it. */
void h1_body_take(struct h1_conn *c, const uint8_t *bytes, size_t len);
/* The same for what came with the head: request.head.text[from, rest_end). */
void h1_body_first(struct h1_conn *c, uint32_t from);
/* Takes all bytes of a read in H1_TRAILERS. */
void h1_body_trailers(struct h1_conn *c, const uint8_t *bytes, size_t len);
/* Puts body bytes (at most the pipe's space) into the request's pipe; a busy one borrows. */
void h1_body_push(struct h1_conn *c, const uint8_t *bytes, size_t n);
/* The backend accepted a WebSocket: what the client sends from now on, and what it already sent, goes into the tunnel.
 */
void h1_body_tunnel(struct h1_conn *c);

/* ---- h1_output.c ---- */

/* Sends what is ready. */
void h1_output_run(struct h1_conn *c);

#endif
