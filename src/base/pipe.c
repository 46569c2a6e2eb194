/* Pipes: body bytes in chains of blocks. */
#include "base/pipe.h"

#include "base/panic.h"
#include "base/pool.h"
#include "base/slab.h"

#include <string.h>

#define BLOCK ((uint32_t)CONFIG_BODY_BLOCK)

/* Blocks of a pipe that may hold `bytes`: the one more is for a first block partly drained and a last one partly
 * filled. */
#define PIPE_BLOCKS(bytes) ((bytes) / CONFIG_BODY_BLOCK + 1)
#define GUARANTEED_BLOCKS                                                                                              \
    (CONFIG_UPLOADS * PIPE_BLOCKS(CONFIG_REQUEST_WINDOW) + CONFIG_EXCHANGES * PIPE_BLOCKS(CONFIG_RESPONSE_WINDOW))

static_assert(CONFIG_REQUEST_WINDOW % CONFIG_BODY_BLOCK == 0, "CONFIG_REQUEST_WINDOW: a multiple of CONFIG_BODY_BLOCK");
static_assert(CONFIG_RESPONSE_WINDOW % CONFIG_BODY_BLOCK == 0,
              "CONFIG_RESPONSE_WINDOW: a multiple of CONFIG_BODY_BLOCK");
static_assert(PIPE_BLOCKS(CONFIG_WINDOW_MAX) <= UINT16_MAX, "CONFIG_WINDOW_MAX: too many blocks for one pipe");

struct pipe_block {
    struct pipe_block *next;
    uint8_t bytes[CONFIG_BODY_BLOCK];
};

static_assert(sizeof(struct pipe_block) <= SLAB_PIECE, "a block is a piece of a slab");

POOL(body_block, struct pipe_block, GUARANTEED_BLOCKS);

/* What is left to HTTP/2 sessions. */
#define KEPT (SLAB_COUNT / 8)

static uint32_t promised; /* blocks of the pool that open pipes are sure of */
static uint32_t peak;     /* the most blocks ever in use */
static uint32_t lodgers;  /* pipes that are lent even what they are guaranteed */

static void open_pipe(struct pipe *pipe, uint32_t guaranteed, bool on_credit)
{
    *pipe = (struct pipe){.limit = guaranteed, .guaranteed = guaranteed, .open = true, .lent = on_credit};
}

void pipe_open(struct pipe *pipe, uint32_t guaranteed)
{
    uint32_t blocks = PIPE_BLOCKS(guaranteed);

    if (guaranteed % BLOCK != 0 || blocks > GUARANTEED_BLOCKS - promised)
        panic("pipe", "a guarantee that the pool is not made for");
    promised += blocks;
    open_pipe(pipe, guaranteed, false);
}

bool pipe_open_lent(struct pipe *pipe, uint32_t guaranteed)
{
    if (pipe_lendable(guaranteed) == 0 || !slab_lend(PIPE_BLOCKS(guaranteed)))
        return false;
    open_pipe(pipe, guaranteed, true);
    lodgers++;
    return true;
}

uint32_t pipe_lendable(uint32_t guaranteed)
{
    uint32_t left = slab_left();

    return left > KEPT ? (left - KEPT) / PIPE_BLOCKS(guaranteed) : 0;
}

/* Blocks of the pool that a pipe is sure of. */
static uint32_t sure_blocks(const struct pipe *pipe)
{
    return pipe->lent ? 0 : PIPE_BLOCKS(pipe->guaranteed);
}

static uint32_t blocks_used(void)
{
    return body_block_pool.used + slab_pieces();
}

/* Gives one block of the chain back. */
static void give_block(struct pipe *pipe, struct pipe_block *block)
{
    pipe->blocks--;
    if (slab_has(block)) {
        slab_give_piece(block);
        return;
    }
    pipe->own--;
    pool_give(&body_block_pool, block);
}

/* Gives all blocks back; the pipe stays open, empty. */
static void pipe_clear(struct pipe *pipe)
{
    struct pipe_block *block = pipe->head;

    while (block != NULL) {
        struct pipe_block *next = block->next;

        give_block(pipe, block);
        block = next;
    }
    pipe->head = NULL;
    pipe->tail = NULL;
    pipe->head_at = 0;
    pipe->tail_at = 0;
    pipe->size = 0;
}

void pipe_close(struct pipe *pipe)
{
    if (!pipe->open)
        return;
    pipe_clear(pipe);
    slab_return((pipe->limit - pipe->guaranteed) / BLOCK + PIPE_BLOCKS(pipe->guaranteed) - sure_blocks(pipe));
    promised -= sure_blocks(pipe);
    lodgers -= pipe->lent;
    *pipe = (struct pipe){.open = false};
}

/* A block of those that are guaranteed, or a piece when it has all of them. */
static struct pipe_block *take_block(struct pipe *pipe)
{
    struct pipe_block *block;

    if (pipe->own == sure_blocks(pipe))
        return slab_take_piece();
    block = pool_take(&body_block_pool);
    if (UNLIKELY(block == NULL))
        panic("pipe", "promises are broken: no block left");
    pipe->own++;
    return block;
}

/* Hangs a fresh block to the end. There is always one: that is what the promises are for. */
static void pipe_extend(struct pipe *pipe)
{
    struct pipe_block *block = take_block(pipe);

    block->next = NULL;
    if (pipe->tail != NULL)
        pipe->tail->next = block;
    else
        pipe->head = block;
    pipe->tail = block;
    pipe->tail_at = 0;
    pipe->blocks++;
    if (blocks_used() > peak)
        peak = blocks_used();
}

uint8_t *pipe_room(struct pipe *pipe, size_t *len)
{
    *len = 0;
    if (pipe_space(pipe) == 0)
        return NULL;
    if (pipe->tail == NULL || pipe->tail_at == BLOCK)
        pipe_extend(pipe);
    *len = min_size(BLOCK - pipe->tail_at, pipe_space(pipe));
    return pipe->tail->bytes + pipe->tail_at;
}

void pipe_filled(struct pipe *pipe, size_t n)
{
    if (n > pipe_space(pipe) || (n > 0 && (pipe->tail == NULL || n > BLOCK - pipe->tail_at)))
        panic("pipe", "more was filled than there was room");
    pipe->tail_at += (uint32_t)n;
    pipe->size += (uint32_t)n;
    if (pipe->size == 0)
        pipe_clear(pipe);
}

void pipe_write(struct pipe *pipe, const void *bytes, size_t len)
{
    const uint8_t *from = bytes;

    if (len > pipe_space(pipe))
        panic("pipe", "more was written than there is space");
    while (len > 0) {
        size_t part;

        if (pipe->tail == NULL || pipe->tail_at == BLOCK)
            pipe_extend(pipe);
        part = min_size(BLOCK - pipe->tail_at, len);
        memcpy(pipe->tail->bytes + pipe->tail_at, from, part);
        pipe->tail_at += (uint32_t)part;
        pipe->size += (uint32_t)part;
        from += part;
        len -= part;
    }
}

unsigned pipe_peek(const struct pipe *pipe, size_t skip, size_t want, struct port_iov *iov, unsigned max, size_t *total)
{
    const struct pipe_block *block = pipe->head;
    size_t at = pipe->head_at + skip;
    unsigned count = 0;
    size_t left;

    *total = 0;
    if (skip >= pipe->size)
        return 0;
    left = min_size(want, pipe->size - skip);
    for (; at >= BLOCK; at -= BLOCK)
        block = block->next;
    while (left > 0 && count < max) {
        size_t part = min_size(BLOCK - at, left);

        iov[count++] = (struct port_iov){.base = block->bytes + at, .len = part};
        *total += part;
        left -= part;
        block = block->next;
        at = 0;
    }
    return count;
}

void pipe_consume(struct pipe *pipe, size_t n)
{
    size_t at = pipe->head_at + n;

    if (n > pipe->size)
        panic("pipe", "more was consumed than there is");
    if (n == pipe->size) {
        pipe_clear(pipe);
        return;
    }
    for (; at >= BLOCK; at -= BLOCK) {
        struct pipe_block *block = pipe->head;

        pipe->head = block->next;
        give_block(pipe, block);
    }
    pipe->head_at = (uint32_t)at;
    pipe->size -= (uint32_t)n;
}

size_t pipe_read(struct pipe *pipe, void *buf, size_t cap)
{
    uint8_t *to = buf;
    size_t done = 0;
    size_t part;
    struct port_iov iov;

    while (pipe_peek(pipe, 0, cap - done, &iov, 1, &part) > 0) {
        memcpy(to + done, iov.base, part);
        pipe_consume(pipe, part);
        done += part;
    }
    return done;
}

uint32_t pipe_borrow(struct pipe *pipe, uint32_t want)
{
    uint32_t left = slab_left();
    uint32_t kept = SLAB_COUNT / 4;
    uint32_t blocks = want / BLOCK;

    if (!pipe->open || pipe->limit >= CONFIG_WINDOW_MAX)
        return 0;
    blocks = (uint32_t)min_size(blocks, (CONFIG_WINDOW_MAX - pipe->limit) / BLOCK);
    blocks = (uint32_t)min_size(blocks, (left + 1) / 2);
    blocks = (uint32_t)min_size(blocks, left > kept ? left - kept : 0);
    if (!slab_lend(blocks))
        return 0;
    pipe->limit += blocks * BLOCK;
    return blocks * BLOCK;
}

/* Pieces in use of what it has borrowed. */
static uint32_t borrowed_pieces(const struct pipe *pipe)
{
    uint32_t pieces = (uint32_t)(pipe->blocks - pipe->own);

    return pipe->lent ? pieces - (uint32_t)min_size(pieces, PIPE_BLOCKS(pipe->guaranteed)) : pieces;
}

uint32_t pipe_give_back(struct pipe *pipe, uint32_t most, uint32_t floor)
{
    uint32_t pieces = borrowed_pieces(pipe);
    size_t keep = max_size(max_size(floor, pipe->guaranteed + pieces * BLOCK), pipe->size);
    uint32_t blocks;

    if (keep >= pipe->limit)
        return 0;
    blocks = (uint32_t)min_size(most, pipe->limit - keep) / BLOCK;
    slab_return(blocks);
    pipe->limit -= blocks * BLOCK;
    return blocks * BLOCK;
}

bool pipe_short(void)
{
    return slab_left() < SLAB_COUNT / (lodgers > 0 ? 2 : 4);
}

bool pipe_plenty(void)
{
    return slab_left() > SLAB_COUNT / 4 * 3;
}

void pipe_stats(struct pipe_stats *stats)
{
    *stats = (struct pipe_stats){.used = blocks_used(), .peak = peak, .lent = slab_lent(), .shared = SLAB_COUNT};
}
