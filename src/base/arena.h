/* An arena: a fixed block of memory with a bounded size-class allocator inside, for a library's objects.
 *
 * It is taken whole and given back whole (arena_init again), so no leak outlives a connection, no connection takes
 * another's memory, and nothing fragments for longer than a connection lives. All calls take O(1) or O(number of
 * classes). Freed blocks are kept by size class and joined with free neighbours, small ones only when that is needed. A
 * block costs 8 bytes and is rounded up to 16. */
#ifndef CULVERT_BASE_ARENA_H
#define CULVERT_BASE_ARENA_H

#include "compiler.h"

#define ARENA_ALIGN 16

/* The arena's head stands at the start of its own storage. */
struct arena;

/* Makes an arena of `size` bytes at `storage` (aligned to ARENA_ALIGN; 1,024 <= size <= 1 GiB; other values panic).
   Returns it; it is the caller's storage, so there is nothing to free. Calling it again on the same storage forgets
   everything in it. It touches the head only: pages that nothing was allocated in stay out of RSS. `name`
   (NUL-terminated) must outlive it. */
struct arena *arena_init(void *storage, size_t size, const char *name);

/* At least `size` bytes aligned to ARENA_ALIGN, or NULL (counted as refused). Size 0 gives a valid, unique pointer. */
void *arena_alloc(struct arena *arena, size_t size) MUST_USE;
/* The same, zeroed; NULL when count * size overflows. */
void *arena_calloc(struct arena *arena, size_t count, size_t size) MUST_USE;
/* As realloc(3), but size 0 shrinks to a unique pointer instead of freeing. On failure NULL, and ptr stays valid. */
void *arena_realloc(struct arena *arena, void *ptr, size_t size) MUST_USE;
/* ptr: from this arena (or what it spills to), or NULL. A pointer from elsewhere, a double free or an overwritten block
 * head panics. */
void arena_free(struct arena *arena, void *ptr);

/* As arena_alloc, but out of reach of the test hook, and a failure is not counted: for callers that have another arena.
 */
void *arena_try(struct arena *arena, size_t size) MUST_USE;
/* Bytes that may be used at ptr, which is a live block: what was asked for or more. */
size_t arena_usable(const struct arena *arena, void *ptr);
/* Whether ptr lies in the arena's storage. */
bool arena_has(const struct arena *arena, const void *ptr);
/* Whether there is no live block. */
bool arena_is_empty(const struct arena *arena);

/* From now on what has no room in `arena` comes from `spill`, until that is NULL. What came from there must be freed
   before. One step deep: the other arena's own spill is not asked. */
void arena_spill(struct arena *arena, struct arena *spill);

/* Bytes of blocks, and of their heads, that can still be had (perhaps not in one piece). O(1). */
size_t arena_room(const struct arena *arena);

struct arena_stats {
    size_t size;         /* of the storage */
    size_t used;         /* bytes in live blocks, with their overhead */
    size_t peak;         /* the most `used` ever since init */
    uint32_t blocks;     /* live blocks */
    uint32_t refused;    /* failed allocations, the wanted ones of arena_fail_nth among them */
    size_t largest_free; /* payload of the biggest free block (small ones that wait to be joined do not count) */
};
/* Fills *stats. Walks one list of free blocks: for state pages and tests, not for hot paths. */
void arena_stats(const struct arena *arena, struct arena_stats *stats);

/* The current arena serves malloc, calloc, realloc and free of the static libraries (linker's --wrap, see heap.c).
   arena_enter makes one current (NULL: none) and returns the previous, for arena_leave. */
struct arena *arena_enter(struct arena *arena);
void arena_leave(struct arena *previous);
/* The current arena, NULL when there is none. */
struct arena *arena_current(void);

/* Calls of malloc and friends outside every arena: a bug. With CONFIG_HEAP_GUARD such a call panics, otherwise it is
   counted and fails (NULL). */
uint32_t heap_strays(void);

/* Test hook: the nth (1 = next) allocation from now in any arena fails, once; 0 switches it off. A realloc counts when
   the block has to become bigger. */
void arena_fail_nth(uint32_t n);

extern uint32_t arena_fail_in; /* allocations until the one that fails; 0: none does */

/* Whether this allocation is the one. */
static inline bool arena_must_fail(void)
{
    return UNLIKELY(arena_fail_in > 0) && --arena_fail_in == 0;
}

#endif
