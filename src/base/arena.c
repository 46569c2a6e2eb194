/* Arenas: bounded size-class allocators with boundary tags. */
#include "base/arena.h"

#include "base/arena_block.h"
#include "base/panic.h"
#include "base/poison.h"

uint32_t arena_fail_in;

struct arena *arena_init(void *storage, size_t size, const char *name)
{
    struct arena *arena = storage;
    uint32_t head;

    if ((uintptr_t)storage % ARENA_ALIGN != 0 || size < 1024 || size > ARENA_MAX)
        panic(name, "bad storage for an arena");
    poison_open(storage, size);
    *arena = (struct arena){.name = name, .size = (uint32_t)size};
    arena->classes = block_class(arena->size & ~TAG_MASK) + 1;
    head = (uint32_t)(sizeof(*arena) + arena->classes * sizeof(arena->heads[0]));
    memset(arena->heads, 0, arena->classes * sizeof(arena->heads[0]));
    arena->first = (head + BLOCK_HEAD + TAG_MASK) / BLOCK_UNIT * BLOCK_UNIT - BLOCK_HEAD;
    arena->end = (arena->size - BLOCK_HEAD) / BLOCK_UNIT * BLOCK_UNIT + BLOCK_HEAD;
    block_init(arena);
    return arena;
}

/* Size of the block that a payload of `size` bytes needs; 0 when no arena is that big. */
static uint32_t block_need(size_t size)
{
    if (size > ARENA_MAX - BLOCK_UNIT)
        return 0;
    if (size <= BLOCK_MIN - BLOCK_HEAD)
        return BLOCK_MIN;
    return ((uint32_t)size + BLOCK_HEAD + TAG_MASK) & ~TAG_MASK;
}

static void arena_count(struct arena *arena, uint32_t more, uint32_t less)
{
    arena->used = arena->used + more - less;
    if (arena->used > arena->peak)
        arena->peak = arena->used;
}

/* The arena that a payload lies in: this one, or the one that it spills to. */
static struct arena *arena_of(struct arena *arena, const void *ptr)
{
    if (UNLIKELY(arena->spill != NULL) && arena_has(arena->spill, ptr))
        return arena->spill;
    return arena;
}

/* The used block of a payload, after every check that costs no search. */
static struct block *block_of(const struct arena *arena, void *ptr)
{
    uintptr_t at = (uintptr_t)ptr - (uintptr_t)arena;
    struct block *block = (struct block *)ptr - 1;
    struct block *behind;

    if (at < arena->first + BLOCK_HEAD || at >= arena->end || at % BLOCK_UNIT != 0)
        panic(arena->name, "a pointer from elsewhere was freed");
    poison_open(block, BLOCK_HEAD); /* of a pointer into the middle of freed memory */
    if (block_is_free(block) || block_is_quick(block))
        panic(arena->name, "a block was freed twice");
    if ((block->tag & TAG_MASK) != BLOCK_USED || block_size(block) == 0 ||
        block_size(block) > arena->end - (at - BLOCK_HEAD))
        panic(arena->name, "a freed pointer is no block, or its head was overwritten");
    behind = block_behind(arena, block);
    if (behind != NULL && behind->before != block_size(block))
        panic(arena->name, "a block was written over its end");
    return block;
}

/* As arena_try. need: block_need(size), 0 to fail. */
static void *arena_cut(struct arena *arena, size_t size, uint32_t need)
{
    struct block *block = NULL;
    uint32_t have;

    if (need != 0 && need <= arena->end - arena->first)
        block = block_cut(arena, need);
    if (UNLIKELY(block == NULL))
        return NULL;
    have = block_size(block);
    arena->blocks++;
    arena_count(arena, have, 0);
    poison_open(payload_of(block), have - BLOCK_HEAD);
    poison_fill(payload_of(block), POISON_FRESH, have - BLOCK_HEAD);
    poison_close((uint8_t *)payload_of(block) + size, have - BLOCK_HEAD - size);
    return payload_of(block);
}

void *arena_try(struct arena *arena, size_t size)
{
    return arena_cut(arena, size, block_need(size));
}

/* As arena_cut; what it spills to is asked, too, and a failure is counted. */
static void *arena_cut_or_count(struct arena *arena, size_t size, uint32_t need)
{
    void *ptr = arena_cut(arena, size, need);

    if (UNLIKELY(ptr == NULL && arena->spill != NULL))
        ptr = arena_cut(arena->spill, size, need);
    if (UNLIKELY(ptr == NULL))
        arena->refused++;
    return ptr;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    return arena_cut_or_count(arena, size, arena_must_fail() ? 0 : block_need(size));
}

void *arena_calloc(struct arena *arena, size_t count, size_t size)
{
    size_t all;
    void *ptr;

    if (__builtin_mul_overflow(count, size, &all)) {
        arena->refused++;
        return NULL;
    }
    ptr = arena_alloc(arena, all);
    if (ptr != NULL && all > 0)
        memset(ptr, 0, all);
    return ptr;
}

void *arena_realloc(struct arena *arena, void *ptr, size_t size)
{
    uint32_t need = block_need(size);
    struct arena *home = arena_of(arena, ptr);
    struct block *block;
    uint32_t old;
    void *copy;

    if (ptr == NULL)
        return arena_alloc(arena, size);
    block = block_of(home, ptr);
    old = block_size(block);
    if ((need == 0 || need > old) && arena_must_fail())
        need = 0;
    if (need != 0 && (need <= old || block_grow(home, block, need))) {
        poison_open(ptr, block_size(block) - BLOCK_HEAD);
        block_trim(home, block, need);
        arena_count(home, block_size(block), old);
        poison_close((uint8_t *)ptr + size, block_size(block) - BLOCK_HEAD - size);
        return ptr;
    }
    copy = arena_cut_or_count(arena, size, need);
    if (copy == NULL)
        return NULL;
    poison_open(ptr, old - BLOCK_HEAD);
    memcpy(copy, ptr, min_size(old - BLOCK_HEAD, size));
    arena_free(home, ptr);
    return copy;
}

void arena_free(struct arena *arena, void *ptr)
{
    struct block *block;
    uint32_t size;

    if (ptr == NULL)
        return;
    arena = arena_of(arena, ptr);
    block = block_of(arena, ptr);
    size = block_size(block);
    poison_open(ptr, size - BLOCK_HEAD);
    poison_fill(ptr, POISON_FREED, size - BLOCK_HEAD);
    arena->blocks--;
    arena_count(arena, 0, size);
    block_drop(arena, block);
    if (arena->blocks == 0)
        block_join(arena);
}

void arena_spill(struct arena *arena, struct arena *spill)
{
    arena->spill = spill;
}

size_t arena_usable(const struct arena *arena, void *ptr)
{
    return block_size(block_of(arena, ptr)) - BLOCK_HEAD;
}

bool arena_has(const struct arena *arena, const void *ptr)
{
    return (uintptr_t)ptr - (uintptr_t)arena < arena->size;
}

bool arena_is_empty(const struct arena *arena)
{
    return arena->blocks == 0;
}

size_t arena_room(const struct arena *arena)
{
    return arena->end - arena->first - arena->used;
}

void arena_stats(const struct arena *arena, struct arena_stats *stats)
{
    uint32_t largest = 0;

    *stats = (struct arena_stats){.size = arena->size,
                                  .used = arena->used,
                                  .peak = arena->peak,
                                  .blocks = arena->blocks,
                                  .refused = arena->refused};
    for (unsigned class = arena->classes; class -- > 0 && largest == 0;) {
        for (uint32_t offset = arena->heads[class]; offset != 0; offset = links_of(block_at(arena, offset))->next)
            if (block_size(block_at(arena, offset)) > largest)
                largest = block_size(block_at(arena, offset));
    }
    if (largest > 0)
        stats->largest_free = largest - BLOCK_HEAD;
}

void arena_fail_nth(uint32_t n)
{
    arena_fail_in = n;
}
