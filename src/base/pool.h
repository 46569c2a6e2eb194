/* Typed pools of fixed size. Every object that lives as long as a connection or a request comes from one.
 *
 *     POOL(client, struct client, CONFIG_CLIENTS);            file-static storage, named client_pool_storage
 *     struct client *c = pool_take(&client_pool);             NULL when exhausted (counted as refused)
 *     pool_give(&client_pool, c);
 *
 * A taken object's bytes are what the last user left (or poison): its module's init sets every field. */
#ifndef CULVERT_BASE_POOL_H
#define CULVERT_BASE_POOL_H

#include "compiler.h"

struct pool {
    const char *name;
    uint8_t *storage;
    size_t item_size;
    uint32_t count; /* capacity */
    uint32_t used;  /* invariant: used <= peak <= count */
    uint32_t peak;
    uint32_t refused;       /* how often it was exhausted */
    uint32_t fresh;         /* items never taken yet start here; storage beyond is untouched (stays out of RSS) */
    void *free;             /* list threaded through the free items */
    struct pool *next_pool; /* registry, see pool_next */
    bool registered;
};

#define POOL(name_, type_, count_)                                                                                     \
    static union {                                                                                                     \
        type_ item;                                                                                                    \
        void *link;                                                                                                    \
    } name_##_pool_storage[count_];                                                                                    \
    static struct pool name_##_pool = {.name = #name_,                                                                 \
                                       .storage = (uint8_t *)name_##_pool_storage,                                     \
                                       .item_size = sizeof(name_##_pool_storage[0]),                                   \
                                       .count = (count_)}

/* An item, or NULL when all are in use. The last given item comes first (warm cache). */
void *pool_take(struct pool *pool) MUST_USE;

/* Gives an item back. It must have been taken from this pool and not given back since: a pointer of elsewhere panics,
   and under CONFIG_POISON a second giving back and a write into a free item do, too. */
void pool_give(struct pool *pool, void *item);

/* Index of an item in its pool, 0..count-1: a short, stable id for diagnostics. Panics for a pointer of elsewhere. */
uint32_t pool_index(const struct pool *pool, const void *item);

/* Walks all pools that were ever taken from. Start with NULL; NULL at the end. */
struct pool *pool_next(struct pool *pool);

/* How many items of all pools are in use: 0 when everything was given back. */
uint32_t pool_total_used(void);

#endif
