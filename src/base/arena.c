/* Arenas: bounded size-class allocators with boundary tags. */
#include "base/arena.h"

#include "base/panic.h"
#include "base/poison.h"

/* Blocks lie one behind the other from `first` to `end`. Each begins with this head; what follows is the caller's
   payload, or, in a free block, its links. Heads stand at 8 modulo 16, so that payloads are aligned to 16. Invariants:
   two neighbours are never both free; block->before is the size of the block before it. */
struct block {
    uint32_t tag;    /* size with the head, a multiple of 16, plus BLOCK_USED or BLOCK_FREE in the low bits */
    uint32_t before; /* size of the block before, 0 for the first */
};

/* Offsets of blocks from the arena's start; 0: none. */
struct links {
    uint32_t next;
    uint32_t prev;
};

#define HEAD sizeof(struct block)
#define UNIT 16u
#define BLOCK_MIN UNIT
#define SPLIT_MIN 32u /* a rest smaller than this stays with its block */
#define TAG_MASK 15u
#define BLOCK_USED 9u
#define BLOCK_FREE 6u

/* Size classes: one for each multiple of 16 below 128, then 8 for each doubling (so they are exact below 256). */
#define CLASSES_MAX 200
#define CLASS_LOOK 16 /* free blocks of the request's own class that are tried before a bigger class is cut */
#define ARENA_MAX (1u << 30)

struct arena {
    const char *name;
    uint32_t size;  /* of the storage */
    uint32_t first; /* offset of the first block */
    uint32_t end;   /* offset behind the last block */
    uint32_t used;
    uint32_t peak;
    uint32_t blocks;
    uint32_t refused;
    uint32_t classes;                         /* length of heads */
    uint32_t filled[(CLASSES_MAX + 31) / 32]; /* one bit for each class: its list is not empty */
    uint32_t heads[];                         /* offsets of the first free block of each class; 0: none */
};

static_assert(sizeof(struct block) == 8 && sizeof(struct links) <= BLOCK_MIN - sizeof(struct block), "block layout");

static struct arena *current;
static uint32_t fail_in; /* allocations until the one that fails, 0: none does */

static unsigned class_of(uint32_t size)
{
    unsigned log;

    if (size < 128)
        return size / UNIT;
    log = 31u - (unsigned)__builtin_clz(size);
    return 8 + (log - 7) * 8 + ((size >> (log - 3)) & 7);
}

static struct block *block_at(const struct arena *arena, uint32_t offset)
{
    return (struct block *)(void *)((uint8_t *)(uintptr_t)arena + offset);
}

static uint32_t offset_of(const struct arena *arena, const struct block *block)
{
    return (uint32_t)((uintptr_t)block - (uintptr_t)arena);
}

static uint32_t block_size(const struct block *block)
{
    return block->tag & ~TAG_MASK;
}

static bool block_is_free(const struct block *block)
{
    return (block->tag & TAG_MASK) == BLOCK_FREE;
}

static void *payload_of(struct block *block)
{
    return block + 1;
}

static struct links *links_of(struct block *block)
{
    return payload_of(block);
}

/* The block behind, or NULL for the last one. */
static struct block *block_behind(const struct arena *arena, const struct block *block)
{
    uint32_t offset = offset_of(arena, block) + block_size(block);

    return offset < arena->end ? block_at(arena, offset) : NULL;
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
    unsigned class = class_of(block_size(block));
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
    unsigned class = class_of(block_size(block));
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
    uint32_t hidden = block_size(block) - (uint32_t)(HEAD + sizeof(struct links));

    poison_close((uint8_t *)payload_of(block) + sizeof(struct links), hidden);
}

struct arena *arena_init(void *storage, size_t size, const char *name)
{
    struct arena *arena = storage;
    uint32_t head;
    struct block *block;

    if ((uintptr_t)storage % ARENA_ALIGN != 0 || size < 1024 || size > ARENA_MAX)
        panic(name, "bad storage for an arena");
    poison_open(storage, size);
    *arena = (struct arena){.name = name, .size = (uint32_t)size};
    arena->classes = class_of(arena->size & ~TAG_MASK) + 1;
    head = (uint32_t)(sizeof(*arena) + arena->classes * sizeof(arena->heads[0]));
    memset(arena->heads, 0, arena->classes * sizeof(arena->heads[0]));
    arena->first = (head + (uint32_t)HEAD + TAG_MASK) / UNIT * UNIT - (uint32_t)HEAD;
    arena->end = (arena->size - (uint32_t)HEAD) / UNIT * UNIT + (uint32_t)HEAD;
    block = block_at(arena, arena->first);
    block->before = 0;
    block_set(arena, block, arena->end - arena->first, BLOCK_FREE);
    free_list_add(arena, block);
    free_block_hide(block);
    return arena;
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
    unsigned class = class_of(size);
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

/* Marks a block (on no list) as used and cuts off what is more than `size`, if that is worth a block of its own. */
static void block_use(struct arena *arena, struct block *block, uint32_t size)
{
    uint32_t have = block_size(block);

    if (have - size < SPLIT_MIN) {
        block_set(arena, block, have, BLOCK_USED);
    } else {
        struct block *rest = block_at(arena, offset_of(arena, block) + size);

        poison_open(rest, HEAD + sizeof(struct links));
        block_set(arena, block, size, BLOCK_USED);
        block_set(arena, rest, have - size, BLOCK_FREE);
        block_release(arena, rest);
    }
}

/* Size of the block that a payload of `size` bytes needs; 0 when no arena is that big. */
static uint32_t block_need(size_t size)
{
    if (size > ARENA_MAX - UNIT)
        return 0;
    if (size <= BLOCK_MIN - HEAD)
        return BLOCK_MIN;
    return ((uint32_t)size + (uint32_t)HEAD + TAG_MASK) & ~TAG_MASK;
}

static void arena_count(struct arena *arena, uint32_t more, uint32_t less)
{
    arena->used = arena->used + more - less;
    if (arena->used > arena->peak)
        arena->peak = arena->used;
}

static bool must_fail(void)
{
    return UNLIKELY(fail_in > 0) && --fail_in == 0;
}

/* The used block of a payload, after every check that costs no search. */
static struct block *block_of(const struct arena *arena, void *ptr)
{
    uintptr_t at = (uintptr_t)ptr - (uintptr_t)arena;
    struct block *block = (struct block *)ptr - 1;
    struct block *behind;

    if (at < arena->first + HEAD || at >= arena->end || at % UNIT != 0)
        panic(arena->name, "a pointer from elsewhere was freed");
    poison_open(block, HEAD); /* of a pointer into the middle of freed memory */
    if (block_is_free(block))
        panic(arena->name, "a block was freed twice");
    if ((block->tag & TAG_MASK) != BLOCK_USED || block_size(block) == 0 || block_size(block) > arena->end - (at - HEAD))
        panic(arena->name, "a freed pointer is no block, or its head was overwritten");
    behind = block_behind(arena, block);
    if (behind != NULL && behind->before != block_size(block))
        panic(arena->name, "a block was written over its end");
    return block;
}

/* As arena_alloc, without the test hook. need: block_need(size). */
static void *arena_cut(struct arena *arena, size_t size, uint32_t need)
{
    struct block *block = NULL;
    uint32_t have;

    if (need != 0 && need <= arena->end - arena->first)
        block = block_find(arena, need);
    if (UNLIKELY(block == NULL)) {
        arena->refused++;
        return NULL;
    }
    free_list_remove(arena, block);
    block_use(arena, block, need);
    have = block_size(block);
    arena->blocks++;
    arena_count(arena, have, 0);
    poison_open(payload_of(block), have - HEAD);
    poison_fill(payload_of(block), POISON_FRESH, have - HEAD);
    poison_close((uint8_t *)payload_of(block) + size, have - HEAD - size);
    return payload_of(block);
}

void *arena_alloc(struct arena *arena, size_t size)
{
    return arena_cut(arena, size, must_fail() ? 0 : block_need(size));
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

/* Makes a used block bigger by the free block behind it. False when that is not enough (or there is none). */
static bool block_grow(struct arena *arena, struct block *block, uint32_t need)
{
    struct block *behind = block_behind(arena, block);
    uint32_t both;

    if (behind == NULL || !block_is_free(behind))
        return false;
    both = block_size(block) + block_size(behind);
    if (both < need)
        return false;
    free_list_remove(arena, behind);
    block_set(arena, block, both, BLOCK_USED);
    return true;
}

void *arena_realloc(struct arena *arena, void *ptr, size_t size)
{
    uint32_t need = block_need(size);
    struct block *block;
    uint32_t old;
    void *copy;

    if (ptr == NULL)
        return arena_alloc(arena, size);
    block = block_of(arena, ptr);
    old = block_size(block);
    if ((need == 0 || need > old) && must_fail())
        need = 0;
    if (need != 0 && (need <= old || block_grow(arena, block, need))) {
        poison_open(ptr, block_size(block) - HEAD);
        block_use(arena, block, need);
        arena_count(arena, block_size(block), old);
        poison_close((uint8_t *)ptr + size, block_size(block) - HEAD - size);
        return ptr;
    }
    copy = arena_cut(arena, size, need);
    if (copy == NULL)
        return NULL;
    poison_open(ptr, old - HEAD);
    memcpy(copy, ptr, min_size(old - HEAD, size));
    arena_free(arena, ptr);
    return copy;
}

void arena_free(struct arena *arena, void *ptr)
{
    struct block *block;
    uint32_t size;

    if (ptr == NULL)
        return;
    block = block_of(arena, ptr);
    size = block_size(block);
    poison_open(ptr, size - HEAD);
    poison_fill(ptr, POISON_FREED, size - HEAD);
    arena->blocks--;
    arena_count(arena, 0, size);
    block_release(arena, block);
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
        stats->largest_free = largest - HEAD;
}

struct arena *arena_enter(struct arena *arena)
{
    struct arena *previous = current;

    current = arena;
    return previous;
}

void arena_leave(struct arena *previous)
{
    current = previous;
}

struct arena *arena_current(void)
{
    return current;
}

void arena_fail_nth(uint32_t n)
{
    fail_in = n;
}
