/* Slabs, whole or in pieces. */
#include "base/slab.h"

#include "base/list.h"
#include "base/panic.h"
#include "base/poison.h"
#include "base/pool.h"

#include <stdalign.h>

struct slab {
    alignas(16) uint8_t bytes[SLAB_SIZE];
    struct list node; /* on the list of those that are cut and have free pieces */
    void *free;       /* pieces that were given back, linked by their first bytes */
    uint16_t fresh;   /* pieces handed out at least once: the others lie behind them */
    uint16_t taken;   /* pieces in use */
};
POOL(slab, struct slab, CONFIG_SLABS);

static struct list cut = LIST_INIT(cut);
static uint32_t lent;   /* pieces */
static uint32_t pieces; /* of them, in use */
static uint32_t whole;  /* slabs */

static_assert(SLAB_PIECES <= UINT16_MAX, "H2_EXTENT holds too many body blocks");

/* ---- credit ---- */

uint32_t slab_left(void)
{
    return SLAB_COUNT - lent - whole * (uint32_t)SLAB_PIECES;
}

uint32_t slab_lent(void)
{
    return lent;
}

uint32_t slab_pieces(void)
{
    return pieces;
}

bool slab_lend(uint32_t n)
{
    if (n > slab_left())
        return false;
    lent += n;
    return true;
}

void slab_return(uint32_t n)
{
    if (n > lent - pieces)
        panic("slab", "pieces in use were given back");
    lent -= n;
}

/* ---- whole ---- */

bool slab_has(const void *ptr)
{
    return (uintptr_t)ptr - (uintptr_t)slab_pool_storage < sizeof(slab_pool_storage);
}

void *slab_take(void)
{
    struct slab *slab = slab_left() >= SLAB_PIECES ? pool_take(&slab_pool) : NULL;

    if (!slab)
        return NULL;
    whole++;
    return slab->bytes;
}

void slab_give(void *slab)
{
    whole--;
    pool_give(&slab_pool, slab);
}

/* ---- pieces ---- */

static struct slab *slab_of(const void *piece)
{
    size_t offset = (size_t)((uintptr_t)piece - (uintptr_t)slab_pool_storage);

    if (!slab_has(piece) || offset % sizeof(slab_pool_storage[0]) % SLAB_PIECE != 0)
        panic("slab", "a piece of elsewhere");
    return &slab_pool_storage[offset / sizeof(slab_pool_storage[0])].item;
}

/* Cuts a whole one. There is one: the slabs that are had whole and those full of pieces are not all. */
static struct slab *cut_slab(void)
{
    struct slab *slab = pool_take(&slab_pool);

    if (UNLIKELY(!slab))
        panic("slab", "promises are broken: no slab left");
    slab->free = NULL;
    slab->fresh = 0;
    slab->taken = 0;
    list_push_back(&cut, &slab->node);
    return slab;
}

void *slab_take_piece(void)
{
    struct slab *slab = list_empty(&cut) ? NULL : container_of(cut.next, struct slab, node);
    void *piece;

    if (UNLIKELY(pieces == lent))
        panic("slab", "a piece that was not lent");
    if (!slab)
        slab = cut_slab();
    piece = slab->free;
    if (piece) {
        poison_open(piece, SLAB_PIECE);
        if (!poison_intact((uint8_t *)piece + sizeof(void *), POISON_FREED, SLAB_PIECE - sizeof(void *)))
            panic("slab", "a free piece was written to");
        memcpy(&slab->free, piece, sizeof(slab->free));
    } else {
        piece = slab->bytes + slab->fresh++ * SLAB_PIECE;
    }
    if (++slab->taken == SLAB_PIECES)
        list_remove(&slab->node);
    pieces++;
    return piece;
}

void slab_give_piece(void *piece)
{
    struct slab *slab = slab_of(piece);

    if (slab->taken == 0 || pieces == 0)
        panic("slab", "a piece was given back that was never taken");
    poison_fill(piece, POISON_FREED, SLAB_PIECE);
    memcpy(piece, &slab->free, sizeof(slab->free));
    poison_close(piece, SLAB_PIECE);
    slab->free = piece;
    pieces--;
    if (slab->taken-- == SLAB_PIECES)
        list_push_front(&cut, &slab->node); /* the fullest first, so that others become whole */
    if (slab->taken > 0)
        return;
    list_remove(&slab->node);
    poison_open(slab->bytes, sizeof(slab->bytes));
    pool_give(&slab_pool, slab);
}
