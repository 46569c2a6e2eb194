/* The exchange: one request and its response, between a front and a back.
 *
 * Each of its two messages has a head (section by section) and a pipe. Whoever receives a message from the network
 * fills it, the other side drains it. A side never calls the other: it calls the exchange, which tells the other side
 * through its ops, and an op only marks its connection to be served by the run list. So no protocol library is entered
 * from another's callback, and the rule of a filler is: push while pipe_space() > 0, then wait for the space op. */
#ifndef CULVERT_PROXY_EXCHANGE_H
#define CULVERT_PROXY_EXCHANGE_H

#include "base/list.h"
#include "base/pipe.h"
#include "base/timer.h"
#include "http/h1.h"
#include "http/head.h"
#include "net/conn.h"
#include "net/loop.h"
#include "proxy/backend.h"
#include "proxy/balancer.h"
#include "proxy/cause.h"
#include "proxy/forward.h"
#include "proxy/site.h"

struct exchange;

/* What an exchange can have at its ends. Each op only notes and marks; it may not call back into the exchange. */
struct side_ops {
    /* A section stands ready in the head that this side drains. */
    void (*head)(struct exchange *ex);
    /* Bytes were pushed into the pipe that this side drains, or its message is complete. */
    void (*data)(struct exchange *ex);
    /* `n` bytes left the pipe that this side fills. */
    void (*space)(struct exchange *ex, size_t n);
    /* The exchange is taken from this side, now: it forgets it, and tells its peer in its protocol's way (RST_STREAM; a
     * connection that is closed). */
    void (*abort)(struct exchange *ex, enum cause cause);
};

/* One end of an exchange, with what HTTP/2 must know of its stream there. */
struct side {
    const struct side_ops *ops; /* NULL: nobody there (any more) */
    void *self;                 /* its connection */
    struct list node;           /* on its connection's list of exchanges */
    struct list dirty;          /* on its connection's list of those with news */
    int32_t stream_id;          /* HTTP/2; 0: none */
    uint32_t claimed;           /* bytes of the pipe it drains that stand in the gather, not yet consumed */
    int32_t window;   /* bytes that the peer may still send: promised in the pipe (below 0: it had sent more before it
                         knew) */
    int32_t padding;  /* of the window: what padding took since it was given */
    bool deferred;    /* its data provider waits for bytes */
    bool ended;       /* it has taken (or sent) the end of the message that it drains */
    bool reset;       /* the peer sent RST_STREAM */
    uint32_t turn;    /* of its connection when it sent last (h2_front_turn.c) */
    uint32_t batch;   /* number of the write that took its HEADERS; 0: not yet written */
    enum cause cause; /* why it will be reset, when this side found a fault */
    uint8_t refused;  /* enum h1_reason: why the request is answered by itself once its head is complete */
    bool closed;      /* its stream is gone: nothing may be asked of it any more */
};

enum message_state {
    MESSAGE_HEAD, /* waits for the (final) head */
    MESSAGE_BODY, /* waits for body bytes */
    MESSAGE_END,  /* complete: all bytes and trailers have been pushed */
};

struct message {
    enum message_state state;
    bool has_length;
    uint64_t length;          /* Content-Length, when has_length */
    uint64_t received;        /* body bytes pushed into the pipe */
    uint64_t passed;          /* body bytes drained from the pipe */
    struct section *trailers; /* complete trailers, or NULL */
    uint8_t ready;            /* sections announced to the drainer; head.section_sent of them are passed on */
    uint16_t ready_fields;    /* head.field_count and head.used as of then: what is beyond is unfinished */
    uint32_t ready_used;
    struct pipe pipe;
    uint32_t head_most;      /* bytes that its head may come to, in large storage */
    union head_large *large; /* that storage; NULL: the exchange's own */
    struct head head;
};

/* Bytes of heads that each exchange has of its own. */
#define REQUEST_HEAD_MOST (CONFIG_REQUEST_HEAD + HEAD_ADDED)
#define RESPONSE_HEAD_MOST (CONFIG_RESPONSE_HEAD + HEAD_ADDED)
/* Large storage: for a head of either kind. */
union head_large {
    char request[REQUEST_HEAD_MOST];
    char response[RESPONSE_HEAD_MOST];
};
#define REQUEST_HEAD_OWN (CONFIG_REQUEST_HEAD_OWN < REQUEST_HEAD_MOST ? CONFIG_REQUEST_HEAD_OWN : REQUEST_HEAD_MOST)
#define RESPONSE_HEAD_OWN                                                                                              \
    (CONFIG_RESPONSE_HEAD_OWN < RESPONSE_HEAD_MOST ? CONFIG_RESPONSE_HEAD_OWN : RESPONSE_HEAD_MOST)

/* What the exchange as a whole waits for; the log's phase letters. */
enum exchange_state {
    EXCHANGE_READING,    /* R: the request head */
    EXCHANGE_QUEUED,     /* Q: a stream on a connection of the backend */
    EXCHANGE_CONNECTING, /* K: the same, while the backend has no connection up */
    EXCHANGE_WAITING,    /* W: the response head */
    EXCHANGE_BODY,       /* D: the response body */
    EXCHANGE_ANSWERED,   /* D: nothing of a backend; the client is to take a local answer */
    EXCHANGE_DONE,       /* -: nothing; its reclaim */
};

enum exchange_proto { PROTO_HTTP10, PROTO_HTTP11, PROTO_H2 };

struct exchange {
    struct side front;
    struct side back;
    enum exchange_state state;
    struct message request;
    struct message response;
    struct site *site;         /* NULL: not yet, or no more */
    struct list site_node;     /* on site->users */
    const struct route *route; /* of the site */
    size_t matched;            /* of the path by the route */
    struct balanced balanced;

    /* of the client */
    struct port_addr client;
    struct port_addr local;
    const struct conn *conn; /* its connection, for what TLS knows of it; valid while the front is there. NULL: none */
    uint8_t proto;           /* enum exchange_proto */
    bool internal;           /* a health check: it is not logged */
    uint64_t body_limit;     /* the most bytes of its body, by its front; 0: none */
    bool tunnel;             /* a WebSocket: both bodies are its bytes, without length (RFC 8441) */
    struct span tunnel_key;  /* of an HTTP/1.1 client's handshake */
    struct span client_authority; /* in request.head.text, as the client sent it */
    struct span client_method;    /* the same: for the log */
    struct span client_path;      /* the same: for the log, and for the target at another backend */

    bool late;  /* the backend's time ran out while the client was waited for: the client's runs */
    bool begun; /* bytes of the final response head left for the client: from now on it can only be cut */

    /* for the log */
    uint16_t status;      /* of the final head for the client; 0: none */
    uint16_t back_status; /* from the backend; 0: none */
    uint16_t back_port;   /* local port of the backend connection; 0: none */
    bool back_reused;     /* that connection had carried a stream before */
    uint8_t retries;
    uint32_t started;        /* loop_now() when its first byte came */
    int32_t back_stream;     /* stream id there */
    struct backend *backend; /* that carries it now (exchange_use_backend); NULL: none yet */
    const char *word;        /* the parser's word for CAUSE_BAD_REQUEST */
    enum cause retry_cause;
    enum cause cause;                /* CAUSE_NONE: normal */
    enum exchange_state cause_state; /* the phase in which the cause came */

#if IS_ENABLED(CONFIG_LOG_FORMAT)
    struct log_fields log_fields;
#endif

    struct timer timer;       /* of the back: queue, connect, between two signs of life */
    struct timer first;       /* from the request's end until the response head */
    struct timer whole;       /* until the response's end */
    uint16_t interims;        /* interim responses so far */
    struct backend_wait wait; /* in its backend's queue */
    struct task reclaim;
    char request_text[REQUEST_HEAD_OWN];
    char response_text[RESPONSE_HEAD_OWN];
};

/* A fresh exchange in state READING with the front attached, or NULL when the pool is exhausted (counted there). A
   front whose connection has several at a time sets wait.client to a list of that connection's. */
struct exchange *exchange_open(const struct side_ops *front, void *self, const struct conn *conn,
                               const struct port_addr *client, const struct port_addr *local);

/* Prepares the timer for clients that let an exchange stall (client_ms: Timeout), changes its time, takes it out of
   service. */
void exchange_init(uint32_t client_ms);
void exchange_set_client_time(uint32_t client_ms);
void exchange_exit(void);

/* Chooses what requests work with from now on: site->users is an empty list, and the site lives until it is again.
   While draining, new requests are answered 503. */
void exchange_use_site(struct site *site);
/* That one. */
const struct site *exchange_site(void);
/* All that still have `site` have the current one from now on: it maps their responses. They do not move to other
   members of their balancers any more, if it has not the same. */
void exchange_leave_site(struct site *site);
void exchange_set_draining(bool on);
bool exchange_is_draining(void);

/* Exchanges in progress. */
uint32_t exchange_count(void);
/* How many more can be opened, and how many of them with a request's body. */
uint32_t exchange_left(void);
uint32_t exchange_uploads_left(void);
/* `freed` is called when one more of either can be. NULL: nobody waits. */
void exchange_use_freed(void (*freed)(void));

/* ---- the front's calls ---- */

/* The request head is complete and interpreted in request.head (authority, path set): routes it, rewrites it, submits
   it to its backend. `body`: whether a body follows, and its length when known. A local answer may come instead. */
void exchange_request(struct exchange *ex, bool body, bool has_length, uint64_t length);

/* Writes the target anew, for ex->backend (balanced.room has room for it). */
void exchange_retarget(struct exchange *ex);

/* The request is refused by the front (parser, limits, timeout): answered with `status` when no head was sent, else
   cut. `word` goes to the log. Its back, if any, is aborted. */
void exchange_refuse(struct exchange *ex, enum cause cause, unsigned status, const char *word);

/* The front has delivered the whole response: the back is aborted if it is still there, the line is logged, and the
   exchange is reclaimed at the end of the pass. A tunnel whose client has ended its side lives on without a front,
   until its last bytes are with the backend. The front forgets it. */
void exchange_delivered(struct exchange *ex);

/* The same, but the exchange starts anew at once for the next request of the same front; `rest_len` bytes at rest_at of
   request.head.text, which came behind the request, are moved to its start. Never from within a back's call. */
void exchange_renew(struct exchange *ex, size_t rest_at, size_t rest_len);

/* The front has no use for an exchange that saw no request: nothing is logged. */
void exchange_discard(struct exchange *ex);

/* The client is gone: the back is aborted, the line logged, the exchange reclaimed. The front forgets it. */
void exchange_front_gone(struct exchange *ex, enum cause cause);

/* ---- the back's calls ---- */

/* Begins a section of the response head (its kind and status are settled by exchange_response). NULL: no room. */
struct section *exchange_begin_section(struct exchange *ex);
/* Gives up a section that was begun and not completed, with its text. Harmless when there is none. */
void exchange_drop_section(struct exchange *ex);

/* Takes an announced final head and its body back, of which nothing was sent, so that another answer can be given. */
void exchange_take_back(struct exchange *ex);

/* The last section of response.head is complete: an interim head (status 1xx) or the final one. Rewrites it and tells
   the front. False: it did not fit any more (the back resets its stream with CAUSE_BACKEND_HEAD). */
bool exchange_response(struct exchange *ex, unsigned status) MUST_USE;

/* The same for a head that the proxy made itself (side/reply.c): nothing is rewritten, no backend status is noted. */
void exchange_local_response(struct exchange *ex, unsigned status);

/* The back has no stream any more and forgets the exchange. failed: why the response is incomplete, CAUSE_NONE when it
   is complete. unprocessed: the backend provably did nothing with it (RFC 9113 8.7): it is submitted again when it is
   whole. Otherwise answered locally when no head went to the front, else the front is cut. */
void exchange_back_gone(struct exchange *ex, enum cause failed, bool unprocessed);

/* Takes the exchange from its front, which cuts the response (a closed connection without its last chunk, RST_STREAM),
 * and ends it. */
void exchange_cut(struct exchange *ex);

/* Fails an exchange: its back, if any, is aborted; it is answered locally when nothing of a final head was sent, else
 * cut. */
void exchange_fail(struct exchange *ex, enum cause cause);

/* ---- storage of heads (exchange_head.c) ---- */

/* Whether a head that found no more room could get large storage, if that was not exhausted; else it is too large. */
bool exchange_may_grow(const struct message *m);
/* Moves a head to large storage. False: it has that already, or there is none left. Slices of it stay valid. */
bool exchange_grow(struct message *m) MUST_USE;
/* Moves a head to large storage, if there is some, when its own has less than `bytes` bytes left. */
void exchange_make_room(struct message *m, size_t bytes);
/* The front has passed on one more section of the response head. */
void exchange_head_passed(struct exchange *ex);

/* ---- both ---- */

/* After n bytes were written into message m's pipe: tells its drainer. */
void exchange_pushed(struct exchange *ex, struct message *m, size_t n);
/* Message m is complete (trailers: NULL or its section). */
void exchange_pushed_end(struct exchange *ex, struct message *m, struct section *trailers);
/* After n bytes were consumed from message m's pipe: tells its filler. */
void exchange_drained(struct exchange *ex, struct message *m, size_t n);

/* ---- among the files of the exchange ---- */

/* As forward_request and forward_response, in large storage when the exchange's own does not suffice. */
bool exchange_rewrite_request(struct exchange *ex, const struct forward_context *context);
bool exchange_rewrite_response(struct exchange *ex, struct section *section, const struct forward_context *context);
/* One more can be opened. */
void exchange_tell_freed(void);
/* Opens the pipe of the request's body. False: CONFIG_UPLOADS are open, and slabs are short, too. */
bool exchange_open_upload(struct exchange *ex) MUST_USE;
/* Closes it. Harmless when it is closed. */
void exchange_close_upload(struct exchange *ex);
/* Gives large storage back; the head is dead, or gets other storage. Harmless without. */
void exchange_release_large(struct message *m);

/* Takes the current site, lets it go: a site's own (exchange_site.c). */
void exchange_take_site(struct exchange *ex);
void exchange_drop_site(struct exchange *ex);
/* The exchange is at this backend from now on, which lives for as long (NULL: at none). */
void exchange_use_backend(struct exchange *ex, struct backend *backend);
/* Notes why it ends abnormally, and in which phase: the first cause counts. */
void exchange_set_cause(struct exchange *ex, enum cause cause);
/* Whether it waits for a stream; its state is then set anew, as the backend's connections come and go. */
bool exchange_is_waiting(struct exchange *ex);
void exchange_init_timers(struct exchange *ex);

/* ---- both ---- */

/* The exchange has its stream: from now on its response is waited for. */
void exchange_await_response(struct exchange *ex);
/* Starts the time of the response head, when the whole request is given to the backend. Harmless when it runs. */
void exchange_await_first(struct exchange *ex);

/* Starts the timer of a request that is with its backend anew: something moved. */
void exchange_touch(struct exchange *ex);

/* Whether the request could be sent again: nothing of its body has left, no response has begun. */
bool exchange_is_whole(const struct exchange *ex);

/* Whether it is a WebSocket that its backend took (RFC 8441): each side ends by itself (RFC 9113 8.5). */
bool exchange_is_tunnel(const struct exchange *ex);

/* Whether somebody will drain the request's body: a back has it, or the exchange waits for one. */
bool exchange_wants_body(const struct exchange *ex);

/* Whether a response of this status can have no body whatever its head says (HEAD, 1xx, 204, 304; RFC 9110 6.4.1). */
bool exchange_bodiless(const struct exchange *ex, unsigned status);

/* Makes a local answer: pushes a whole response (head and short body) as a back that leaves at once. */
typedef void exchange_answer_fn(struct exchange *ex, unsigned status, const char *why, unsigned retry_after_s);
/* Registers who does that (side/reply.c). */
void exchange_use_answer(exchange_answer_fn *answer);

#endif
