/* An HTTP/2 session: nghttp2 with its memory in a leased arena, and what both ends of the proxy do alike with it: open,
 * feed, pull frames into a gather, turn heads into header blocks. No sockets, no policy. */
#ifndef CULVERT_HTTP_H2_SESSION_H
#define CULVERT_HTTP_H2_SESSION_H

#include "base/gather.h"
#include "http/h2_mem.h"

struct pool;

struct h2_session {
    nghttp2_session *ng; /* NULL: closed */
    struct pool *pool;   /* where the lease comes from; NULL: no lease */
    void *lease;         /* its own arena, and its own room for an unsent rest */
    struct h2_mem mem;
    uint8_t *rest;  /* in the lease, */
    uint8_t *large; /* or one of the large blocks, or NULL */
    uint32_t rest_size;
    uint8_t *unsent; /* rest or large: the rest of the last write is unsent[unsent_at, unsent_end) */
    uint32_t unsent_at;
    uint32_t unsent_end;
    uint32_t output; /* bytes that one write may gather */
    uint32_t most;   /* the same, in this write: the rest and one frame more must find room */
    uint32_t frame_least;
    uint32_t frame_most; /* of the frames that are not DATA and may wait to be sent, the largest */
    uint32_t heads;      /* header blocks that may wait to be sent; 0: frame_most is frame_least */
    uint32_t promised;   /* bytes of memory that these heads take when they are sent */
    bool preface;        /* the client's preface is to be sent */
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
/* Whether memory was refused to it. */
bool h2_session_lacked_memory(const struct h2_session *s);

/* Moves frames that wait to be sent into g (empty), about s->output bytes at most, fewer when only a small rest could
   be kept; callbacks run, and find in s->most how many bytes g may come to. There must be no unsent rest.
   h2_session_keep must be called before any session is called again. False: as above. */
bool h2_session_pull(struct h2_session *s, struct gather *g) MUST_USE;

/* After a write took the first `taken` bytes of g: keeps the others as the unsent rest. False: no room, a bug. */
bool h2_session_keep(struct h2_session *s, const struct gather *g, size_t taken) MUST_USE;
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
/* Fields that a request's block has at most, beside its pseudo-header fields: cookies become several. */
size_t h2_session_request_fields(const struct head *head);
nghttp2_nv *h2_session_response_block(const struct head *head, const struct section *section, size_t *count);
nghttp2_nv *h2_session_trailer_block(const struct head *head, const struct section *trailers, size_t *count);

/* Whether there is memory for another stream with a head of so many fields, of which nghttp2 copies none of the
   `bytes`, beside what it needs to send at all, and to reset half of the `streams` that are open at once; it is
   borrowed as needed. Without it a session would run out of memory, which ends its connection. */
bool h2_session_has_room(struct h2_session *s, uint32_t streams, size_t fields, size_t bytes);
/* Bytes of memory that what comes next may take before the next write: H2_STREAM_COST for each HEADERS frame (also a
   stream that is refused is opened, and closed when RST_STREAM has been sent), H2_FRAME_COST for any other. One HEADERS
   frame of which nghttp2 has seen the first 9 octets is accounted for. When it is 0 what is to be sent should be sent
   first. */
size_t h2_session_burst(struct h2_session *s);
/* Whether a stream may be told something (it goes on, its peer gets window): true, too, when a write would free
   nothing. False: write first. */
bool h2_session_takes_news(struct h2_session *s);
/* Whether a response's head can be sent, of which nghttp2 makes a copy. When it can, the frame that it becomes can be
   kept if it is not sent at once, and it must be submitted now. */
bool h2_session_takes_head(struct h2_session *s, const struct head *head);
/* The same for trailers. */
bool h2_session_takes_trailers(struct h2_session *s, const struct head *head, const struct section *trailers);

/* What a stream takes of a session's memory, and more while its head waits to be sent. */
#define H2_STREAM_COST 512
/* What a frame takes that waits to be sent: RST_STREAM, WINDOW_UPDATE. */
#define H2_FRAME_COST 160

/* Bytes of heads that may be handed to a session before it is pulled. */
#define H2_PENDING_MOST ((CONFIG_H2_ARENA_BASE + CONFIG_H2_EXTENT) / 4)
#define H2_FRONT_PENDING_MOST ((CONFIG_H2_FRONT_ARENA_BASE + CONFIG_H2_EXTENT) / 4)

/* Bytes of a lease towards a backend: arena and unsent rest. Any head must find room in that. */
#define H2_BACK_ARENA (CONFIG_H2_ARENA_BASE + H2_OWN_BLOCK)
#define H2_BACK_REST (H2_FRAME_MOST + 2048)
#define H2_BACK_LEASE (H2_BACK_ARENA + H2_BACK_REST)
/* Towards a client. */
#define H2_FRONT_ARENA (CONFIG_H2_FRONT_ARENA_BASE + H2_OWN_BLOCK)
#define H2_FRONT_LEASE (H2_FRONT_ARENA + CONFIG_H2_FRONT_REST)

/* Version of the protocol library, NUL-terminated. */
const char *h2_session_library(void);

/* Bytes of its memory in use (for the state page and tests). */
size_t h2_session_memory(const struct h2_session *s);

#endif
