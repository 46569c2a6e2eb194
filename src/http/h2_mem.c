/* The memory of HTTP/2 sessions: own arenas, borrowed extents, large blocks, and the one block for frames. */
#include "http/h2_mem.h"

#include "base/arena.h"
#include "base/panic.h"
#include "base/poison.h"
#include "base/pool.h"
#include "base/slab.h"

#include <stdalign.h>

#define SESSIONS (CONFIG_H2_CLIENTS + CONFIG_BACKEND_CONNS)
/* Blocks from here on are large: an arena's head and a block's take their part of an extent. */
#define EXTENT_MOST (CONFIG_H2_EXTENT - 640)

/* An arena and its link: the one that each session is sure of, or a slab. */
struct h2_extent {
    alignas(ARENA_ALIGN) uint8_t bytes[CONFIG_H2_EXTENT];
    struct h2_extent *next;
};
static_assert(sizeof(struct h2_extent) <= SLAB_WHOLE, "an extent is a slab");
POOL(h2_extent, struct h2_extent, SESSIONS);

/* nghttp2's table of streams: 24 bytes for each place, as many places as a power of two, a quarter of them empty. */
#define TABLE(streams) ((streams)*64)
static_assert(
    TABLE(CONFIG_BACKEND_STREAMS) <= H2_LARGE && TABLE(CONFIG_H2_STREAMS) <= H2_LARGE,
    "a table of streams must find room in a large block: raise OUTPUT_SIZE, or lower BACKEND_STREAMS or H2_STREAMS");

struct h2_large {
    alignas(ARENA_ALIGN) uint8_t bytes[H2_LARGE];
    struct h2_large *next;
};
POOL(h2_large, struct h2_large, CONFIG_H2_LARGE_BLOCKS);

/* That block: what is asked for with at least as many bytes while a session is made. */
#define LEAST_BLOCK 16384
static alignas(ARENA_ALIGN) uint8_t frames[IS_ENABLED(CONFIG_H2_SHARED_BLOCK) ? H2_BLOCK : 1];

/* ---- extents ---- */

static struct arena *arena_in(const struct h2_extent *extent)
{
    return (struct arena *)(uintptr_t)extent->bytes;
}

/* The one that it is sure of, or a slab: as many as there are left to others, so that none takes all. */
static struct h2_extent *take_extent(struct h2_mem *m)
{
    if (!m->has_sure) {
        m->has_sure = true;
        return pool_take(&h2_extent_pool);
    }
    return m->extent_count <= slab_left() / SLAB_PIECES ? slab_take() : NULL;
}

static bool borrow(struct h2_mem *m)
{
    struct h2_extent *extent = take_extent(m);

    if (!extent)
        return false;
    (void)arena_init(extent->bytes, sizeof(extent->bytes), "h2-extent");
    extent->next = m->extents;
    m->extents = extent;
    m->extent_count++;
    return true;
}

static void give_extent(struct h2_mem *m, struct h2_extent *extent)
{
    if (m->last == arena_in(extent))
        m->last = m->own;
    m->extent_count--;
    if (slab_has(extent)) {
        slab_give(extent);
        return;
    }
    m->has_sure = false;
    pool_give(&h2_extent_pool, extent);
}

void h2_mem_trim(struct h2_mem *m)
{
    struct h2_extent **link = &m->extents;

    while (*link) {
        struct h2_extent *extent = *link;

        if (!arena_is_empty(arena_in(extent))) {
            link = &extent->next;
            continue;
        }
        *link = extent->next;
        give_extent(m, extent);
    }
}

/* Whose block it is. */
static struct arena *arena_of(const struct h2_mem *m, const void *ptr)
{
    if (arena_has(m->own, ptr))
        return m->own;
    for (const struct h2_extent *extent = m->extents; extent; extent = extent->next)
        if (arena_has(arena_in(extent), ptr))
            return arena_in(extent);
    return NULL;
}

/* ---- large blocks ---- */

uint32_t h2_large_left(void)
{
    return h2_large_pool.count - h2_large_pool.used;
}

uint8_t *h2_large_take(void)
{
    struct h2_large *large = pool_take(&h2_large_pool);

    return large ? large->bytes : NULL;
}

void h2_large_give(uint8_t *bytes)
{
    pool_give(&h2_large_pool, bytes);
}

/* One for nghttp2: while it sends, the last one is for the rest of the write that is being made. */
static void *take_large(struct h2_mem *m, size_t size)
{
    struct h2_large *large = NULL;

    if (size <= H2_LARGE && h2_large_left() > (m->receiving ? 0 : 1))
        large = pool_take(&h2_large_pool);
    if (!large)
        return NULL;
    large->next = m->large;
    m->large = large;
    return large->bytes;
}

static void give_large(struct h2_mem *m, void *ptr)
{
    for (struct h2_large **link = &m->large; *link; link = &(*link)->next) {
        struct h2_large *large = *link;

        if (large->bytes != ptr)
            continue;
        *link = large->next;
        pool_give(&h2_large_pool, large);
        return;
    }
    panic("h2", "a block of elsewhere was freed");
}

/* ---- what nghttp2 calls ---- */

/* As mem_alloc, without the test hook. */
static void *find_block(struct h2_mem *m, size_t size)
{
    void *ptr = arena_try(m->last, size);

    if (LIKELY(ptr != NULL))
        return ptr;
    if (m->last != m->own && (ptr = arena_try(m->own, size)) != NULL) {
        m->last = m->own;
        return ptr;
    }
    if (size > EXTENT_MOST)
        return take_large(m, size);
    for (struct h2_extent *extent = m->extents; extent; extent = extent->next)
        if ((ptr = arena_try(arena_in(extent), size)) != NULL) {
            m->last = arena_in(extent);
            return ptr;
        }
    if (!borrow(m)) /* what is no entry of a table goes soon: room may be there in pieces only */
        return size > CONFIG_H2_TABLE ? take_large(m, size) : NULL;
    m->last = arena_in(m->extents);
    return arena_try(m->last, size);
}

static bool is_for_frames(struct h2_mem *m, size_t size)
{
    if (LIKELY(!m->opening) || size < LEAST_BLOCK)
        return false;
    m->opening = false;
    return size <= sizeof(frames);
}

/* As h2_mem_want_large said. NULL: as usual. */
static void *wanted_large(struct h2_mem *m, size_t size)
{
    if (LIKELY(!m->wants_large) || size <= CONFIG_H2_TABLE)
        return NULL;
    m->wants_large = false;
    return take_large(m, size);
}

static void *mem_alloc(size_t size, void *user)
{
    struct h2_mem *m = user;
    void *ptr = NULL;

    if (LIKELY(!arena_must_fail())) {
        ptr = is_for_frames(m, size) ? frames : wanted_large(m, size);
        if (LIKELY(ptr == NULL))
            ptr = find_block(m, size);
    }
    if (UNLIKELY(ptr == NULL))
        m->refused++;
    return ptr;
}

static void mem_free(void *ptr, void *user)
{
    struct h2_mem *m = user;
    struct arena *arena;

    if (ptr == NULL || ptr == frames)
        return;
    arena = arena_of(m, ptr);
    if (LIKELY(arena != NULL))
        arena_free(arena, ptr);
    else
        give_large(m, ptr);
}

static void *mem_calloc(size_t count, size_t size, void *user)
{
    size_t all;
    void *ptr;

    if (__builtin_mul_overflow(count, size, &all))
        return NULL;
    ptr = mem_alloc(all, user);
    if (ptr != NULL)
        memset(ptr, 0, all);
    return ptr;
}

/* Bytes that may be used of a block, and its arena, if it is in one. */
static size_t usable(struct h2_mem *m, void *ptr, struct arena **arena)
{
    *arena = arena_of(m, ptr);
    if (*arena)
        return arena_usable(*arena, ptr);
    return ptr == frames ? sizeof(frames) : H2_LARGE;
}

/* nghttp2 uses it to make something bigger, and seldom. */
static void *mem_realloc(void *ptr, size_t size, void *user)
{
    struct arena *arena;
    size_t have;
    void *copy;

    if (ptr == NULL)
        return mem_alloc(size, user);
    have = usable(user, ptr, &arena);
    if (size <= have)
        return ptr;
    copy = mem_alloc(size, user);
    if (copy == NULL)
        return NULL;
    if (arena)
        poison_open(ptr, have);
    memcpy(copy, ptr, have);
    mem_free(ptr, user);
    return copy;
}

nghttp2_mem h2_mem_hooks(struct h2_mem *m)
{
    m->opening = true;
    return (nghttp2_mem){m, mem_alloc, mem_free, mem_calloc, mem_realloc};
}

/* ---- life ---- */

void h2_mem_open(struct h2_mem *m, void *storage, size_t size)
{
    *m = (struct h2_mem){.own = arena_init(storage, size, "h2")};
    m->last = m->own;
}

void h2_mem_close(struct h2_mem *m)
{
    struct h2_extent *extent;
    struct h2_large *large;

    while ((extent = m->extents) != NULL) {
        m->extents = extent->next;
        give_extent(m, extent);
    }
    while ((large = m->large) != NULL) {
        m->large = large->next;
        pool_give(&h2_large_pool, large);
    }
}

/* ---- room ---- */

/* What the last blocks of a full arena leave between and behind them is not counted: with many small extents that would
   be much, and nothing finds room in it. */
#define TAIL 384

static size_t room_of(const struct arena *arena)
{
    size_t room = arena_room(arena);

    return room > TAIL ? room - TAIL : 0;
}

size_t h2_mem_room(const struct h2_mem *m)
{
    size_t room = room_of(m->own);

    for (const struct h2_extent *extent = m->extents; extent; extent = extent->next)
        room += room_of(arena_in(extent));
    return room;
}

bool h2_mem_reserve(struct h2_mem *m, size_t bytes)
{
    while (h2_mem_room(m) < bytes)
        if (!borrow(m))
            return false;
    return true;
}

bool h2_mem_has_piece(struct h2_mem *m, size_t bytes)
{
    void *ptr = find_block(m, bytes);

    mem_free(ptr, m);
    return ptr != NULL;
}

bool h2_mem_want_large(struct h2_mem *m, size_t bytes)
{
    m->wants_large = bytes > CONFIG_H2_TABLE && bytes <= H2_LARGE && h2_large_left() > 1;
    return m->wants_large;
}

unsigned h2_mem_larges(size_t bytes)
{
    return bytes > EXTENT_MOST;
}

size_t h2_mem_used(const struct h2_mem *m)
{
    struct arena_stats stats = {0};
    size_t used = 0;

    if (!m->own)
        return 0;
    arena_stats(m->own, &stats);
    used = stats.used;
    for (const struct h2_extent *extent = m->extents; extent; extent = extent->next) {
        arena_stats(arena_in(extent), &stats);
        used += stats.used;
    }
    return used;
}

/* ---- the block for frames ---- */

void h2_block_open(void)
{
    poison_open(frames, sizeof(frames));
    poison_fill(frames, POISON_FRESH, sizeof(frames));
}

void h2_block_close(void)
{
    if (!IS_ENABLED(CONFIG_H2_SHARED_BLOCK))
        return;
    poison_open(frames, sizeof(frames)); /* it may be closed already */
    poison_fill(frames, POISON_FREED, sizeof(frames));
    poison_close(frames, sizeof(frames));
}
