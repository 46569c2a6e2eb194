/* The blocks inside an arena. */
#include "base/arena_block.h"

#include "base/poison.h"

unsigned block_class(uint32_t size)
{
    unsigned log;

    if (size < 128)
        return size / BLOCK_UNIT;
    log = 31u - (unsigned)__builtin_clz(size);
    return 8 + (log - 7) * 8 + ((size >> (log - 3)) & 7);
}

/* Writes a block's size and state, and its size into the block behind. */
static void block_set(struct arena *arena, struct block *block, uint32_t size, uint32_t state)
{
    struct block *behind;

    block->tag = size | state;
    behind = block_behind(arena, block);
    if (behind != NULL)
        behind->before = size;
}

static void free_list_add(struct arena *arena, struct block *block)
{
    unsigned class = block_class(block_size(block));
    uint32_t offset = offset_of(arena, block);
    uint32_t old = arena->heads[class];

    *links_of(block) = (struct links){.next = old};
    if (old != 0)
        links_of(block_at(arena, old))->prev = offset;
    arena->heads[class] = offset;
    arena->filled[class / 32] |= 1u << class % 32;
}

static void free_list_remove(struct arena *arena, struct block *block)
{
    unsigned class = block_class(block_size(block));
    struct links links = *links_of(block);

    if (links.next != 0)
        links_of(block_at(arena, links.next))->prev = links.prev;
    if (links.prev != 0)
        links_of(block_at(arena, links.prev))->next = links.next;
    else
        arena->heads[class] = links.next;
    if (arena->heads[class] == 0)
        arena->filled[class / 32] &= ~(1u << class % 32);
}

/* Closes the payload of a free block, but for its links, to everybody else. */
static void free_block_hide(struct block *block)
{
    uint32_t hidden = block_size(block) - (BLOCK_HEAD + (uint32_t)sizeof(struct links));

    poison_close((uint8_t *)payload_of(block) + sizeof(struct links), hidden);
}

void block_init(struct arena *arena)
{
    struct block *block = block_at(arena, arena->first);

    block->before = 0;
    block_set(arena, block, arena->end - arena->first, BLOCK_FREE);
    free_list_add(arena, block);
    free_block_hide(block);
}

/* The first class from `class` on that has a free block, or arena->classes. */
static unsigned class_filled(const struct arena *arena, unsigned class)
{
    while (class < arena->classes) {
        uint32_t bits = arena->filled[class / 32] >> class % 32;

        if (bits != 0)
            return class + (unsigned)__builtin_ctz(bits);
        class = (class / 32 + 1) * 32;
    }
    return arena->classes;
}

/* A free block of at least `size`, or NULL: one of the first few of its own class if one is big enough, so that big
   blocks stay whole, else the first of the next bigger class. */
static struct block *block_find(const struct arena *arena, uint32_t size)
{
    unsigned class = block_class(size);
    uint32_t offset = arena->heads[class];

    for (unsigned look = 0; offset != 0 && look < CLASS_LOOK; look++) {
        struct block *block = block_at(arena, offset);

        if (block_size(block) >= size)
            return block;
        offset = links_of(block)->next;
    }
    class = class_filled(arena, class + 1);
    return class < arena->classes ? block_at(arena, arena->heads[class]) : NULL;
}

/* Frees a block that is on no list: joins it with free neighbours and lists the whole. */
static void block_release(struct arena *arena, struct block *block)
{
    uint32_t size = block_size(block);
    struct block *behind = block_behind(arena, block);

    if (behind != NULL && block_is_free(behind)) {
        free_list_remove(arena, behind);
        size += block_size(behind);
    }
    block->tag = size | BLOCK_FREE;
    if (block->before != 0) {
        struct block *before = block_at(arena, offset_of(arena, block) - block->before);

        if (block_is_free(before)) {
            free_list_remove(arena, before);
            size += block_size(before);
            block = before;
        }
    }
    block_set(arena, block, size, BLOCK_FREE);
    free_list_add(arena, block);
    free_block_hide(block);
}

/* Keeps a freed block as it is. False when it is too big or there are enough. */
static bool quick_keep(struct arena *arena, struct block *block)
{
    uint32_t size = block_size(block);

    if (size > QUICK_MAX || arena->quick_blocks == QUICK_BLOCKS)
        return false;
    block->tag = size | BLOCK_QUICK;
    links_of(block)->next = arena->quick[size / BLOCK_UNIT];
    arena->quick[size / BLOCK_UNIT] = offset_of(arena, block);
    arena->quick_blocks++;
    free_block_hide(block);
    return true;
}

/* A kept block of just this size, marked as used, or NULL. */
static struct block *quick_take(struct arena *arena, uint32_t size)
{
    struct block *block;

    if (size > QUICK_MAX || arena->quick[size / BLOCK_UNIT] == 0)
        return NULL;
    block = block_at(arena, arena->quick[size / BLOCK_UNIT]);
    arena->quick[size / BLOCK_UNIT] = links_of(block)->next;
    arena->quick_blocks--;
    block->tag = size | BLOCK_USED;
    return block;
}

void block_join(struct arena *arena)
{
    for (uint32_t size = BLOCK_MIN; arena->quick_blocks > 0 && size <= QUICK_MAX; size += BLOCK_UNIT) {
        struct block *block;

        while ((block = quick_take(arena, size)) != NULL)
            block_release(arena, block);
    }
}

void block_drop(struct arena *arena, struct block *block)
{
    if (!quick_keep(arena, block))
        block_release(arena, block);
}

void block_trim(struct arena *arena, struct block *block, uint32_t size)
{
    uint32_t have = block_size(block);

    if (have - size < SPLIT_MIN) {
        block_set(arena, block, have, BLOCK_USED);
    } else {
        struct block *rest = block_at(arena, offset_of(arena, block) + size);

        poison_open(rest, BLOCK_HEAD + sizeof(struct links));
        block_set(arena, block, size, BLOCK_USED);
        block_set(arena, rest, have - size, BLOCK_FREE);
        block_release(arena, rest);
    }
}

struct block *block_cut(struct arena *arena, uint32_t size)
{
    struct block *block = quick_take(arena, size);

    if (block != NULL)
        return block;
    block = block_find(arena, size);
    if (block == NULL && arena->quick_blocks > 0) {
        block_join(arena);
        block = block_find(arena, size);
    }
    if (block == NULL)
        return NULL;
    free_list_remove(arena, block);
    block_trim(arena, block, size);
    return block;
}

bool block_grow(struct arena *arena, struct block *block, uint32_t size)
{
    struct block *behind = block_behind(arena, block);
    uint32_t both;

    if (behind != NULL && block_is_quick(behind))
        block_join(arena); /* it stays where it is, as the block before it is in use */
    if (behind == NULL || !block_is_free(behind))
        return false;
    both = block_size(block) + block_size(behind);
    if (both < size)
        return false;
    free_list_remove(arena, behind);
    block_set(arena, block, both, BLOCK_USED);
    return true;
}
