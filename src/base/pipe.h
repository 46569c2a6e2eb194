/* A pipe: body bytes on their way, in a chain of blocks.
 *
 * Who may fill it is settled by promises, not by luck: a pipe is guaranteed some bytes from pipe_open on (their blocks
 * are set aside in a pool), may borrow more (pipe_borrow), pieces of the slabs that all share, and gives them back. A
 * filler never writes more than pipe_space() bytes, and an h2 filler never promises its peer more window than that.
 *
 * A pipe that may hold L bytes needs at most L / CONFIG_BODY_BLOCK + 1 blocks, as its first block can be partly drained
 * and its last one partly filled. That one block more is set aside for every pipe that is open, so borrowing needs
 * none. */
#ifndef CULVERT_BASE_PIPE_H
#define CULVERT_BASE_PIPE_H

#include "compiler.h"
#include "port.h" /* struct port_iov */

struct pipe_block;

struct pipe {
    struct pipe_block *head; /* the block that is drained */
    struct pipe_block *tail; /* the block that is filled */
    uint32_t head_at;        /* offset of the first byte in head */
    uint32_t tail_at;        /* offset behind the last byte in tail */
    uint32_t size;           /* bytes in the pipe; invariant: size <= limit */
    uint32_t limit;          /* bytes it may hold, guaranteed and borrowed: whole blocks */
    uint32_t guaranteed;     /* of `limit`, what is never given back before pipe_close */
    uint16_t blocks;         /* blocks in the chain */
    uint16_t own;            /* of them, those that are guaranteed; the others are pieces of slabs */
    bool open;
    bool lent; /* what it is guaranteed stands in slabs, too */
};

/* Opens a pipe (closed or zeroed before) which is guaranteed `guaranteed` bytes (a multiple of CONFIG_BODY_BLOCK; may
   be 0). The pool is dimensioned for CONFIG_UPLOADS pipes of CONFIG_REQUEST_WINDOW and CONFIG_EXCHANGES of
   CONFIG_RESPONSE_WINDOW, so this cannot fail; more than that is a bug and panics. */
void pipe_open(struct pipe *pipe, uint32_t guaranteed);

/* The same out of the slabs, but for the last eighth. False: so much is not left. */
bool pipe_open_lent(struct pipe *pipe, uint32_t guaranteed) MUST_USE;
/* How many pipes of that size it could open now. */
uint32_t pipe_lendable(uint32_t guaranteed);

/* Forgets what is in it and gives all blocks and promises back. Harmless on a closed pipe (zeroed struct). */
void pipe_close(struct pipe *pipe);

/* Bytes that may be written now: limit - size. 0 for a closed pipe. */
static inline uint32_t pipe_space(const struct pipe *pipe)
{
    return pipe->limit - pipe->size;
}

/* Appends len <= pipe_space(pipe) bytes, copying them: the one copy of body bytes in the process. Cannot fail; more is
   a bug and panics. */
void pipe_write(struct pipe *pipe, const void *bytes, size_t len);

/* Room to read a socket straight into the pipe: the contiguous free bytes at its end. Returns where they begin and sets
   *len > 0, at most pipe_space(pipe) and at most CONFIG_BODY_BLOCK; there may be more space in a next block, which a
   call after pipe_filled gives. NULL and *len = 0 when the pipe is full. */
uint8_t *pipe_room(struct pipe *pipe, size_t *len);
/* Appends the first n <= *len bytes of the room that pipe_room gave last. n may be 0. Between the two nothing else may
   be done with this pipe. */
void pipe_filled(struct pipe *pipe, size_t n);

/* The bytes behind the first `skip`, as at most max segments and at most `want` bytes, without taking them. Returns the
   number of segments (0 when there is nothing there); *total is their sum. They stay valid until pipe_consume or
   pipe_close. */
unsigned pipe_peek(const struct pipe *pipe, size_t skip, size_t want, struct port_iov *iov, unsigned max,
                   size_t *total);

/* Takes the first n <= size bytes off; more is a bug and panics. */
void pipe_consume(struct pipe *pipe, size_t n);

/* Copies up to cap of the first bytes to buf and takes them off. Returns how many. */
size_t pipe_read(struct pipe *pipe, void *buf, size_t cap);

/* Raises the limit by up to `want` bytes (whole blocks, rounded down) out of the slabs, never above CONFIG_WINDOW_MAX.
   Returns by how much (0: none to lend). Half of what is left (rounded up to a block) is the most that one call takes,
   so that no pipe takes all; the last quarter is for bodies that begin, and half of that for HTTP/2 sessions. */
uint32_t pipe_borrow(struct pipe *pipe, uint32_t want);

/* Lowers the limit by up to `most` bytes (whole blocks, rounded down) towards `guaranteed`, never below `floor` (bytes
   in the pipe plus bytes that are still promised to a peer) nor below what is in the pipe. Returns by how much. */
uint32_t pipe_give_back(struct pipe *pipe, uint32_t most, uint32_t floor);

/* Whether the slabs are short: less than a quarter is left, or less than half while pipes are open that are lent what
   they are guaranteed, and more such may come. Then busy pipes give back what they borrowed. */
bool pipe_short(void);
/* Whether more than three quarters are left: then a pipe may borrow for what is not sure to flow, or gains little. */
bool pipe_plenty(void);

/* For the state page and tests, all in blocks. */
struct pipe_stats {
    uint32_t used;   /* hold bytes now */
    uint32_t peak;   /* the most ever used */
    uint32_t lent;   /* borrowed by pipes now (promised; they need not be used) */
    uint32_t shared; /* what can be lent in all, when no HTTP/2 session has a slab */
};
void pipe_stats(struct pipe_stats *stats);

#endif
