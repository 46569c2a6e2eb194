/* A client's HTTP/2 connection, shared by the files of the HTTP/2 front: its life (h2_front.c), its session
 * (h2_front_session.c), what it sends (h2_front_input.c), the identifiers of its streams (h2_front_ids.c), its times
 * (h2_front_time.c), its patience (h2_front_calm.c), its share of what there is (h2_front_room.c) and the order of its
 * responses (h2_front_turn.c). */
#ifndef CULVERT_SIDE_H2_FRONT_CONN_H
#define CULVERT_SIDE_H2_FRONT_CONN_H

#include "http/h2_frames.h"
#include "side/front.h"
#include "side/h2_io.h"

/* What a connection's timer runs for. */
enum h2_front_wait {
    H2_CLIENT_HEAD,    /* the rest of a header block, or the preface */
    H2_CLIENT_WRITE,   /* the client takes no bytes */
    H2_CLIENT_ROOM,    /* room for a stream that it opens, or for an early body; memory for a response's head */
    H2_CLIENT_IDLE,    /* there is no stream */
    H2_CLIENT_NOTHING, /* the timer is not set */
};

/* How far the end of a connection has come (RFC 9113 6.8). */
enum h2_front_end {
    H2_CLIENT_SERVES, /* new streams are taken */
    H2_CLIENT_WARNED, /* GOAWAY with the largest id was sent: streams on their way are taken until the PING behind it is
                         answered */
    H2_CLIENT_LEAVES, /* GOAWAY with the last id was sent: streams finish */
};

/* Closed streams that a connection remembers. */
#define H2_ENDED 8

struct h2_front {
    struct conn conn;
    struct h2_session h2;
    struct list node;    /* on the list of all HTTP/2 clients */
    struct list streams; /* exchanges (front.node) with a stream here */
    struct list news;    /* those (front.dirty) to be served by the next run */
    struct list turns;   /* of those that wait for a stream, one for each backend: proxy/backend_queue.h */
    struct list done;    /* those (front.dirty) whose stream has closed */
    struct task task;
    struct task reclaim;
    struct timer timer;
    enum h2_front_wait wait;
    enum h2_front_end end;
    struct h1_conn *slot;
    struct port_addr peer;
    const struct port_addr *local;
    uint32_t batch;        /* number of the last write */
    uint32_t pending;      /* bytes of heads handed to nghttp2 since the last write */
    uint32_t requests;     /* streams ever opened */
    uint32_t open;         /* streams that nghttp2 holds */
    int32_t block;         /* stream whose header block has begun and is not complete; 0: none */
    int32_t last_id;       /* the highest stream identifier that a request used; -1: none */
    int32_t skipped_first; /* the last identifiers that were skipped, up to skipped_last; both 0: none */
    int32_t skipped_last;
    struct list parked;      /* on the list of those whose next stream waits for room */
    uint8_t careful;         /* streams of which the next ones may find no room, as one did */
    uint8_t tries;           /* how often they looked for it since one had it */
    uint8_t lacks;           /* how often a response's head looked for memory that others have; 0: none does */
    struct h2_frames frames; /* what came, looked at beside nghttp2 */
    uint8_t *held;           /* what came and cannot be taken yet, in a large block or in `few`, or NULL */
    uint32_t held_len;
    uint8_t few[H2_FRAMES_HEAD];
    int32_t stray;           /* a stream with DATA behind its end, to be answered; 0: none */
    int32_t ended[H2_ENDED]; /* closed streams that the client had ended, the latest few; 0: none */
    uint8_t ended_at;        /* where the next one goes */
    bool has_body;           /* the stream that opens next has a request with a body */
    bool admitted;           /* there is room for it */
    bool settled;            /* our SETTINGS are acknowledged: the client knows its windows */
    bool blocked;            /* the socket is full */
    bool failed;             /* the session is out of memory: the connection ends with the next run */
    bool closed;
    uint32_t turn;       /* see h2_front_turn.c: counts turns, */
    uint32_t turn_bytes; /* and the bytes sent in this one */
    int32_t waiting;     /* the stream whose turn it is, however urgent others are; 0: none */
    bool stepped_back;   /* another one has made way for it */
    int32_t calm;        /* see h2_front_calm.c */
    uint32_t calm_at;    /* loop_now() when calm was last refilled */
};

/* ---- h2_front.c ---- */

const struct front_settings *h2_front_settings(void);
extern const struct side_ops h2_front_ops;

/* The client's end of an exchange. */
static inline struct h2_stream h2_front_stream(struct exchange *ex)
{
    return (struct h2_stream){ex, &ex->front, &ex->response, &ex->request};
}

/* Serves exchanges with news and writes. The connection may be closed behind it. */
void h2_front_serve(struct h2_front *c);
/* A stream has closed: its exchange is told after the write that may still carry its bytes. */
void h2_front_stream_done(struct h2_front *c, struct exchange *ex);
/* Begins to say goodbye: GOAWAY in two steps. */
void h2_front_warn(struct h2_front *c);
/* The second step. */
void h2_front_leave(struct h2_front *c);
/* Closes the connection at once; its exchanges are told. */
void h2_front_lose(struct h2_front *c, enum cause cause);

/* ---- h2_front_input.c ---- */

/* Whether the client is heard. */
bool h2_front_is_heard(struct h2_front *c);
/* There is something to be read, or the connection is broken. */
void h2_front_read(struct h2_front *c, bool broken);
/* n bytes have come. */
void h2_front_feed(struct h2_front *c, const uint8_t *bytes, size_t n);
/* After a write, or when a stream that waits has room: goes on with what was held back. */
void h2_front_feed_held(struct h2_front *c);
/* The connection is closed: forgets it. Harmless when nothing is held. */
void h2_front_drop_held(struct h2_front *c);

/* ---- h2_front_room.c ---- */

/* A stream that waits looks for room so often, in CONFIG_H2_WAIT_MS in all. */
#define H2_ROOM_TRIES 8
/* Large blocks that are not for what waits: for a head that is sent, and for what is received. */
#define H2_ROOM_LARGES 2

void h2_room_init(void);
void h2_room_exit(void);
/* Whether the stream that the client opens next can be served. */
bool h2_room_has(struct h2_front *c);
/* Whether the client may open more streams than there may be room for: little should be read at once. */
bool h2_room_is_scarce(const struct h2_front *c);
/* One has begun. */
void h2_room_taken(struct h2_front *c);
/* One has found no room. */
void h2_room_missed(struct h2_front *c);
/* Whether it may wait: else it is refused. */
bool h2_room_may_wait(const struct h2_front *c);
/* It waits: what came of it is held back. */
void h2_room_wait(struct h2_front *c);
/* Whether a stream still waits: false when there is room, or when it has waited too long. */
bool h2_room_waits(struct h2_front *c);
/* It, a head or an early body has waited for a while without any news. */
void h2_room_tick(struct h2_front *c);
/* It waits no more. Harmless when none did. */
void h2_room_leave(struct h2_front *c);
/* Whether a body that came early has no room and waits for a backend, so that nothing is read, while other streams need
   window, or more of their bodies. */
bool h2_room_is_paused(const struct h2_front *c);

/* ---- h2_front_time.c ---- */

void h2_front_time_init(const struct front_settings *settings);
void h2_front_time_change(const struct front_settings *settings);
void h2_front_time_exit(void);
void h2_front_on_timer(struct timer *timer);
/* Sets the timer for what is waited for now. */
void h2_front_set_wait(struct h2_front *c);

/* ---- h2_front_session.c ---- */

extern const nghttp2_session_callbacks *h2_front_callbacks;
bool h2_front_callbacks_init(void);
bool h2_front_submit_settings(nghttp2_session *ng);
/* Submits what stands ready of a response's head. False: no memory. */
bool h2_front_submit(struct h2_front *c, struct exchange *ex);
/* The response has left whole: what is left of the request is not wanted, and that is no error (RFC 9113 8.1); but a
   tunnel's client goes on while its backend takes it. Not 0: no memory. */
int h2_front_end_request(struct h2_front *c, const struct exchange *ex);

/* ---- h2_front_turn.c ---- */

/* Whether a response may send n bytes now: false while another one that waited too long has its turn. */
bool h2_turn_take(struct exchange *ex, size_t n);
/* After each write. */
void h2_turn_end(struct h2_front *c);
/* Before a final response is submitted: takes its priority field into account. nghttp2's result. */
int h2_turn_urgency(struct h2_front *c, struct exchange *ex, const struct section *section);

/* ---- h2_front_ids.c ---- */

/* What stands behind the bytes that may be handed to nghttp2 next. */
enum h2_ids_next {
    H2_NEXT_ANY,    /* nothing, or frames that may be looked at when they are taken */
    H2_NEXT_STREAM, /* HEADERS that open a stream, and there is no room for it (h2_room_has) */
    H2_NEXT_ERROR,  /* none of them: no memory */
};
/* Bytes have come: looks at the frames that nghttp2 ignores. *looked: how many of the bytes are to be handed to it
   next, all (len, at least 1), or up to the head of the frame with which they may take `burst` bytes of memory
   (h2_session_burst), or to that of the second one that opens a stream; with H2_NEXT_STREAM it may be 0. `refuse`: the
   first stream is to be refused, so no room is needed. */
enum h2_ids_next h2_ids_look(struct h2_front *c, const uint8_t *bytes, size_t len, size_t burst, bool refuse,
                             size_t *looked) MUST_USE;
/* nghttp2 has taken them: answers DATA that it ignored with RST_STREAM(STREAM_CLOSED), once for all that came. False:
   no memory. */
bool h2_ids_answer(struct h2_front *c) MUST_USE;
/* nghttp2 begins with a frame. Its callback's result. */
int h2_ids_on_frame(struct h2_front *c, const nghttp2_frame_hd *hd);
/* The client has ended its side of a stream, with END_STREAM or RST_STREAM, and the stream is closed or will be. */
void h2_ids_ended(struct h2_front *c, int32_t id);

/* ---- h2_front_calm.c ---- */

/* Costs and gains in units of patience. */
enum { H2_COST_CONTROL = 1, H2_COST_RESET = 10, H2_GAIN_REQUEST = 6, H2_GAIN_DATA = 2 };

/* A new connection's patience. */
void h2_calm_init(struct h2_front *c);
/* A frame that costs more than it brings came or had to be sent: `cost` units. False: the client is abusive; the
   connection ends with ENHANCE_YOUR_CALM. */
bool h2_calm_spend(struct h2_front *c, int32_t cost);
/* Work was done: a request, body bytes. Patience grows. */
void h2_calm_earn(struct h2_front *c, int32_t gain);

#endif
