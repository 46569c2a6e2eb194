/* Slabs: memory that bodies and HTTP/2 sessions share, so that each can use what the other does not need.
 *
 * A slab is had whole, or cut into pieces of a body block each. Bodies have pieces on credit: what was lent to them can
 * be taken at any time, so windows may be promised to peers before the bytes are there. A whole slab is had only out of
 * what is not lent; it may be refused, too, while pieces in use lie scattered over all slabs. */
#ifndef CULVERT_BASE_SLAB_H
#define CULVERT_BASE_SLAB_H

#include "compiler.h"

/* Bytes of a piece: a body block and its link. */
#define SLAB_PIECE ((CONFIG_BODY_BLOCK + sizeof(void *) - 1) / sizeof(void *) * sizeof(void *) + sizeof(void *))
/* Pieces of a slab. */
#define SLAB_PIECES (CONFIG_H2_EXTENT > CONFIG_BODY_BLOCK ? CONFIG_H2_EXTENT / CONFIG_BODY_BLOCK : 1)
/* Bytes of a whole slab: an extent of an HTTP/2 session and its link, or the pieces. */
#define SLAB_WHOLE ((CONFIG_H2_EXTENT + 15) / 16 * 16 + 16)
#define SLAB_SIZE (SLAB_WHOLE > SLAB_PIECES * SLAB_PIECE ? SLAB_WHOLE : SLAB_PIECES * SLAB_PIECE)

/* Lends n pieces: slab_take_piece cannot fail for so many more, until they are given back. False: so many are not left.
 */
bool slab_lend(uint32_t n) MUST_USE;
/* They are not wanted any more, and not in use. */
void slab_return(uint32_t n);
/* Pieces that can still be lent, or be had as whole slabs, SLAB_PIECES each. */
uint32_t slab_left(void);
/* What slab_left() is when all is there. */
#define SLAB_COUNT ((uint32_t)(CONFIG_SLABS * SLAB_PIECES))
/* How many are lent. */
uint32_t slab_lent(void);

/* A piece of SLAB_PIECE bytes, aligned to a pointer, which was lent before: more is a bug and panics. */
void *slab_take_piece(void) MUST_USE;
void slab_give_piece(void *piece);
/* Pieces in use. */
uint32_t slab_pieces(void);

/* SLAB_WHOLE bytes, aligned to 16, or NULL: there is none. */
void *slab_take(void) MUST_USE;
void slab_give(void *slab);

/* Whether ptr lies in a slab. */
bool slab_has(const void *ptr);

#endif
