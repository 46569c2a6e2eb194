/* The blocks inside an arena: their layout, their lists, cutting and joining them. For arena.c alone. */
#ifndef CULVERT_BASE_ARENA_BLOCK_H
#define CULVERT_BASE_ARENA_BLOCK_H

#include "base/arena.h"

/* Blocks lie one behind the other from `first` to `end`. Each begins with this head; what follows is the caller's
   payload, or, in a block that is on a list, its links. Heads stand at 8 modulo 16, so that payloads are aligned to 16.
   Invariants: two neighbours are never both free; block->before is the size of the block before it. */
struct block {
    uint32_t tag;    /* size with the head, a multiple of 16, plus its state in the low bits */
    uint32_t before; /* size of the block before, 0 for the first */
};

/* The payload of a block that is on a list: offsets of blocks from the arena's start; 0: none. */
struct links {
    uint32_t next;
    uint32_t prev;
};

#define BLOCK_HEAD ((uint32_t)sizeof(struct block))
#define BLOCK_UNIT 16u
#define BLOCK_MIN BLOCK_UNIT
#define SPLIT_MIN 32u /* a rest smaller than this stays with its block */
#define TAG_MASK 15u
#define BLOCK_USED 9u   /* a caller has it */
#define BLOCK_FREE 6u   /* on the list of its class; its neighbours are not free */
#define BLOCK_QUICK 12u /* freed, on a quick list */

/* Small blocks that were freed wait in quick lists, one for each size, and are handed out again as they are: that is
   what most calls of a library that opens and closes streams need. They are joined with their neighbours when an
   allocation would fail without, and when the last live block is freed. */
#define QUICK_MAX 512u   /* bytes of a block that may be kept so */
#define QUICK_BLOCKS 64u /* how many may be at once, so that joining them all is bounded */

/* Size classes: one for each multiple of 16 below 128, then 8 for each doubling (so they are exact below 256). */
#define CLASSES_MAX 200
#define CLASS_LOOK 16 /* free blocks of the request's own class that are tried before a bigger class is cut */
#define ARENA_MAX (1u << 30)

struct arena {
    const char *name;
    struct arena *spill; /* what has no room here comes from there; NULL: from nowhere */
    uint32_t size;       /* of the storage */
    uint32_t first;      /* offset of the first block */
    uint32_t end;        /* offset behind the last block */
    uint32_t used;
    uint32_t peak;
    uint32_t blocks;
    uint32_t refused;
    uint32_t quick_blocks;                      /* in all quick lists together */
    uint32_t quick[QUICK_MAX / BLOCK_UNIT + 1]; /* offsets of the first block of each size / BLOCK_UNIT; 0: none */
    uint32_t classes;                           /* length of heads */
    uint32_t filled[(CLASSES_MAX + 31) / 32];   /* one bit for each class: its list is not empty */
    uint32_t heads[];                           /* offsets of the first free block of each class; 0: none */
};

static_assert(sizeof(struct block) == 8 && sizeof(struct links) <= BLOCK_MIN - sizeof(struct block), "block layout");

static inline struct block *block_at(const struct arena *arena, uint32_t offset)
{
    return (struct block *)(void *)((uint8_t *)(uintptr_t)arena + offset);
}

static inline uint32_t offset_of(const struct arena *arena, const struct block *block)
{
    return (uint32_t)((uintptr_t)block - (uintptr_t)arena);
}

static inline uint32_t block_size(const struct block *block)
{
    return block->tag & ~TAG_MASK;
}

static inline bool block_is_free(const struct block *block)
{
    return (block->tag & TAG_MASK) == BLOCK_FREE;
}

static inline bool block_is_quick(const struct block *block)
{
    return (block->tag & TAG_MASK) == BLOCK_QUICK;
}

/* What its user sees of it. */
static inline void *payload_of(struct block *block)
{
    return block + 1;
}

static inline struct links *links_of(struct block *block)
{
    return payload_of(block);
}

/* The block behind, or NULL for the last one. */
static inline struct block *block_behind(const struct arena *arena, const struct block *block)
{
    uint32_t offset = offset_of(arena, block) + block_size(block);

    return offset < arena->end ? block_at(arena, offset) : NULL;
}

/* Number of the size class of a block of `size` bytes. */
unsigned block_class(uint32_t size);

/* Makes all that lies between first and end one free block. The lists are empty before. */
void block_init(struct arena *arena);

/* A used block of at least `size` bytes (a multiple of 16, at least 16), or NULL. */
struct block *block_cut(struct arena *arena, uint32_t size);

/* Frees a used block. */
void block_drop(struct arena *arena, struct block *block);

/* Frees what a used block has above `size`, if that is worth a block of its own. */
void block_trim(struct arena *arena, struct block *block, uint32_t size);

/* Makes a used block at least `size` bytes long by the free bytes behind it. False when those are not enough. */
bool block_grow(struct arena *arena, struct block *block, uint32_t size);

/* Joins the blocks that wait in quick lists with their neighbours. */
void block_join(struct arena *arena);

#endif
