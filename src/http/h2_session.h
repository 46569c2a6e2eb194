/* An HTTP/2 session: nghttp2 with its memory in a leased arena, and what both ends of the proxy do alike with it: open,
 * feed, pull frames into a gather, turn heads into header blocks. No sockets, no policy. */
#ifndef CULVERT_HTTP_H2_SESSION_H
#define CULVERT_HTTP_H2_SESSION_H

#include "base/gather.h"
#include "http/head.h"

#include <nghttp2/nghttp2.h>

struct pool;

struct h2_session {
    nghttp2_session *ng; /* NULL: closed */
    struct pool *pool;   /* where the lease comes from; NULL: no lease */
    void *lease;         /* the arena, and room for an unsent rest */
    struct arena *arena; /* in the lease */
    uint8_t *unsent;     /* in the lease: the rest of the last write is unsent[unsent_at, unsent_end) */
    uint32_t unsent_at;
    uint32_t unsent_end;
    uint32_t output; /* bytes that one write may gather: the lease can keep that much and one frame more */
};

/* Makes what all sessions share (nghttp2's options). False: no memory; the options' arena is too small, a bug. */
bool h2_session_init(void);
void h2_session_exit(void);

/* A callbacks object in the shared arena (for the life of the process; h2_session_exit forgets it), or NULL. */
nghttp2_session_callbacks *h2_session_callbacks(void);

/* Opens a client session (towards a backend) with a leased arena. `user` is what callbacks get.
   False: no lease free, or its memory is too small. */
bool h2_session_open_client(struct h2_session *s, const nghttp2_session_callbacks *callbacks, void *user);
/* The same for a server session (towards a client), which reads the client's preface. */
bool h2_session_open_server(struct h2_session *s, const nghttp2_session_callbacks *callbacks, void *user);
/* Gives the lease back, with all that is in it. Never from within a callback. Harmless when closed. */
void h2_session_close(struct h2_session *s);

/* Hands received bytes in; callbacks run. False: nghttp2 gave up (out of memory or a callback's failure): close it. A
   peer's protocol error is no failure: it queues a GOAWAY and makes h2_session_over() true once that is sent. */
bool h2_session_feed(struct h2_session *s, const uint8_t *bytes, size_t len) MUST_USE;

/* Moves frames that wait to be sent into g, about s->output bytes at most; callbacks run. g must be written
   (or its rest be kept by h2_session_keep) before the session is called again. False: as above. */
bool h2_session_pull(struct h2_session *s, struct gather *g) MUST_USE;

/* Keeps what a write left of g (behind its first `taken` bytes) as the unsent rest. */
void h2_session_keep(struct h2_session *s, const struct gather *g, size_t taken);
/* The unsent rest, and that n bytes of it were written. */
struct text h2_session_unsent(const struct h2_session *s);
void h2_session_sent(struct h2_session *s, size_t n);

/* Whether frames wait to be sent. */
bool h2_session_wants_write(const struct h2_session *s);
/* Whether the session neither reads nor writes any more. */
bool h2_session_over(const struct h2_session *s);

/* Header blocks out of heads, in one static array that is good until the next call. *count: how many. Cookies are split
   into crumbs (RFC 9113 8.2.3), as many as the array holds.
   A request's head is not copied by nghttp2: it must stay until the stream's HEADERS are sent, or until the stream is
   reset, which takes back HEADERS that still wait. Of the others only the names of known fields are not copied. */
nghttp2_nv *h2_session_request_block(const struct head *head, size_t *count);
nghttp2_nv *h2_session_response_block(const struct head *head, const struct section *section, size_t *count);
nghttp2_nv *h2_session_trailer_block(const struct head *head, const struct section *trailers, size_t *count);

/* Whether the arena has room for another stream whose head has `bytes` bytes, beside what nghttp2 needs to send at all.
   Without it a session would run out of memory, which ends its connection. */
bool h2_session_has_room(const struct h2_session *s, size_t bytes);
/* Whether a head of `bytes` bytes can be sent on a stream that is open. */
bool h2_session_takes_head(const struct h2_session *s, size_t bytes);

/* Bytes of heads that may be handed to a session before it is pulled: its arena holds a copy of each. */
#define H2_PENDING_MOST (CONFIG_H2_ARENA_BASE / 4)

/* Bytes of a lease towards a backend: arena and unsent rest. */
#define H2_BACK_ARENA (CONFIG_H2_ARENA_BASE + CONFIG_BACKEND_STREAMS * CONFIG_H2_ARENA_STREAM)
/* The largest frame that is not DATA: a HEADERS or CONTINUATION frame with a head of ours (RFC 9113 4.2: 16,384 by
   default), and its 9 octets. */
#if CONFIG_REQUEST_HEAD > CONFIG_RESPONSE_HEAD
#define H2_HEAD_LARGER CONFIG_REQUEST_HEAD
#else
#define H2_HEAD_LARGER CONFIG_RESPONSE_HEAD
#endif
#define H2_HEAD_MOST (H2_HEAD_LARGER + HEAD_ADDED + 8 * CONFIG_HEAD_FIELDS)
#define H2_FRAME_MOST ((H2_HEAD_MOST < 16384 ? H2_HEAD_MOST : 16384) + 9)
/* Frames are pulled until `output` bytes are gathered; the last one may go beyond. */
#define H2_BACK_LEASE (H2_BACK_ARENA + CONFIG_OUTPUT_SIZE + H2_FRAME_MOST)
/* Towards a client. */
#define H2_FRONT_ARENA (CONFIG_H2_FRONT_ARENA_BASE + CONFIG_H2_STREAMS * CONFIG_H2_ARENA_STREAM)
#define H2_FRONT_LEASE (H2_FRONT_ARENA + CONFIG_H2_FRONT_OUTPUT + H2_FRAME_MOST)

/* Version of the protocol library, NUL-terminated. */
const char *h2_session_library(void);

/* Bytes of the arena in use (for the state page and tests). */
size_t h2_session_memory(const struct h2_session *s);

#endif
