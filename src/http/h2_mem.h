/* The memory of HTTP/2 sessions, as libnghttp2 gets it.
 *
 * A session owns an arena. When that is full it borrows extents, small arenas: the first one is sure for every session,
 * more are slabs (base/slab.h), which it shares with bodies and other sessions. A block too large for an extent (a
 * large head's copy) comes from the pool of large blocks, in which h2_session keeps unsent rests, too. Nobody takes
 * memory of another session, and h2_mem_close gives all of it back.
 *
 * nghttp2 has one block of 16,394 bytes in every session, which holds a frame only while that is being sent. With
 * CONFIG_H2_SHARED_BLOCK all sessions use the same one, so a session must hand out what it has in it before another one
 * sends: that is what h2_session_pull does. */
#ifndef CULVERT_HTTP_H2_MEM_H
#define CULVERT_HTTP_H2_MEM_H

#include "http/head.h"

#include <nghttp2/nghttp2.h>

struct arena;
struct h2_extent;
struct h2_large;

struct h2_mem {
    struct arena *own;
    struct arena *last;        /* that served last: it is asked first */
    struct h2_extent *extents; /* borrowed */
    struct h2_large *large;    /* blocks that were too large for an extent */
    uint16_t extent_count;
    bool has_sure;    /* one of them is that which every session is sure of */
    uint32_t refused; /* allocations that failed */
    bool wants_large; /* the next block that is no entry of a compression table is to be a large one */
    bool opening;     /* the next block of 16,394 bytes is that for frames */
    bool receiving;   /* nghttp2 reads: nothing is being gathered that may have to be kept */
};

/* What a session's own arena needs more when it does not share the block for frames. */
#define H2_BLOCK 16416
#define H2_OWN_BLOCK (IS_ENABLED(CONFIG_H2_SHARED_BLOCK) ? 0 : H2_BLOCK)

/* The largest frame that is not DATA: a HEADERS or CONTINUATION frame with a head of ours (RFC 9113 4.2: 16,384 by
   default), and its 9 octets. */
#if CONFIG_REQUEST_HEAD > CONFIG_RESPONSE_HEAD
#define H2_HEAD_LARGER CONFIG_REQUEST_HEAD
#else
#define H2_HEAD_LARGER CONFIG_RESPONSE_HEAD
#endif
#define H2_HEAD_MOST (H2_HEAD_LARGER + HEAD_ADDED + 8 * CONFIG_HEAD_FIELDS)
#define H2_FRAME_MOST ((H2_HEAD_MOST < 16384 ? H2_HEAD_MOST : 16384) + 9)

/* Bytes of a large block: an unsent rest (of the last frame that is pulled, too), a head's copy, or a block of nghttp2
   for what of a head does not fit into the first. */
#define H2_LARGE_REST (CONFIG_OUTPUT_SIZE + H2_FRAME_MOST)
#define H2_LARGE (H2_LARGE_REST > H2_BLOCK ? H2_LARGE_REST : H2_BLOCK)

/* Makes the memory of a session in `size` bytes at `storage` (as arena_init wants them). */
void h2_mem_open(struct h2_mem *m, void *storage, size_t size);
/* Gives all that was borrowed back, whatever it holds. Harmless when closed. */
void h2_mem_close(struct h2_mem *m);

/* What nghttp2_session_*_new3 gets; `m` stays where it is until h2_mem_close. The session must be made with it at once.
 */
nghttp2_mem h2_mem_hooks(struct h2_mem *m);

/* Bytes that blocks of usual sizes still find room in, in its own arena and in the extents that it has. */
size_t h2_mem_room(const struct h2_mem *m);
/* Makes that at least `bytes`, by borrowing. False: so much is not to be had. */
bool h2_mem_reserve(struct h2_mem *m, size_t bytes) MUST_USE;
/* Whether one block of `bytes` can be had now: room may lie in pieces. Borrows as an allocation does. */
bool h2_mem_has_piece(struct h2_mem *m, size_t bytes) MUST_USE;
/* Makes the next block of more than CONFIG_H2_TABLE bytes a large one, for what will take `bytes`. False: there is
   none, or that is less. */
bool h2_mem_want_large(struct h2_mem *m, size_t bytes) MUST_USE;
/* Large blocks that nghttp2 needs for a block of `bytes`: 0 when an extent can hold it, else 1. */
unsigned h2_mem_larges(size_t bytes);
/* Gives back the extents that nothing is in. */
void h2_mem_trim(struct h2_mem *m);
/* Bytes in use. */
size_t h2_mem_used(const struct h2_mem *m);

/* A large block for an unsent rest, H2_LARGE bytes, or NULL. */
uint8_t *h2_large_take(void) MUST_USE;
void h2_large_give(uint8_t *bytes);
/* How many are left. nghttp2 never takes the last one. */
uint32_t h2_large_left(void);

/* The block for frames: opened before a session sends, closed when what was in it has been written or copied. Test
   builds poison it between the two. */
void h2_block_open(void);
void h2_block_close(void);

#endif
