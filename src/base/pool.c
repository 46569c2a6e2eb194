/* Typed pools of fixed size. */
#include "base/pool.h"

#include "base/panic.h"
#include "base/poison.h"

static struct pool *pools; /* every pool that was ever taken from */

static void *item_link(const void *item)
{
    void *next;

    memcpy(&next, item, sizeof(next));
    return next;
}

static void item_set_link(void *item, const void *next)
{
    memcpy(item, &next, sizeof(next));
}

static void pool_register(struct pool *pool)
{
    pool->registered = true;
    pool->next_pool = pools;
    pools = pool;
}

/* Takes an item off the free list; nobody may have written to it since it was given back. */
static void *pool_reuse(struct pool *pool)
{
    uint8_t *item = pool->free;

    poison_open(item, pool->item_size);
    if (!poison_intact(item + sizeof(void *), POISON_FREED, pool->item_size - sizeof(void *)))
        panic(pool->name, "a free item was written to");
    pool->free = item_link(item);
    return item;
}

void *pool_take(struct pool *pool)
{
    void *item;

    if (LIKELY(pool->free != NULL)) {
        item = pool_reuse(pool);
    } else if (pool->fresh < pool->count) {
        item = pool->storage + pool->fresh * pool->item_size;
        pool->fresh++;
        if (!pool->registered)
            pool_register(pool);
    } else {
        pool->refused++;
        return NULL;
    }
    if (++pool->used > pool->peak)
        pool->peak = pool->used;
    poison_fill(item, POISON_FRESH, pool->item_size);
    return item;
}

/* Whether an item is on the free list. O(free items), but only for items that look free. */
static bool pool_is_free(const struct pool *pool, const void *item)
{
    const uint8_t *bytes = item;

    poison_open(item, pool->item_size); /* if it is free, the caller says so better than ASan */
    if (!poison_intact(bytes + sizeof(void *), POISON_FREED, pool->item_size - sizeof(void *)))
        return false;
    for (const void *free = pool->free; free != NULL;) {
        const void *next;

        if (free == item)
            return true;
        poison_open(free, sizeof(void *));
        next = item_link(free);
        poison_close(free, sizeof(void *));
        free = next;
    }
    return false;
}

void pool_give(struct pool *pool, void *item)
{
    if (pool_index(pool, item) >= pool->fresh || pool->used == 0)
        panic(pool->name, "an item was given back that was never taken");
    if (IS_ENABLED(CONFIG_POISON) && pool_is_free(pool, item))
        panic(pool->name, "an item was given back twice");
    poison_fill(item, POISON_FREED, pool->item_size);
    item_set_link(item, pool->free);
    poison_close(item, pool->item_size);
    pool->free = item;
    pool->used--;
}

uint32_t pool_index(const struct pool *pool, const void *item)
{
    uintptr_t offset = (uintptr_t)item - (uintptr_t)pool->storage;

    if (offset >= pool->count * pool->item_size || offset % pool->item_size != 0)
        panic(pool->name, "an item of elsewhere");
    return (uint32_t)(offset / pool->item_size);
}

struct pool *pool_next(struct pool *pool)
{
    return pool == NULL ? pools : pool->next_pool;
}

uint32_t pool_total_used(void)
{
    uint32_t used = 0;

    for (const struct pool *pool = pools; pool != NULL; pool = pool->next_pool)
        used += pool->used;
    return used;
}
