/* Gathers the segments of one write: bytes made for it (copied into the process's one output buffer) and bytes that
 * stay where they are (a pipe's blocks). One thread, one pass: there is one gather, and whoever fills it writes it
 * before returning to the loop. */
#ifndef CULVERT_BASE_GATHER_H
#define CULVERT_BASE_GATHER_H

#include "base/text.h"
#include "port.h"

struct gather {
    struct port_iov iov[PORT_IOV_MAX];
    unsigned count; /* segments in use */
    size_t total;   /* bytes in all segments */
    size_t made;    /* bytes used of the output buffer (CONFIG_OUTPUT_SIZE) */
    bool joins;     /* the last segment is the end of what was made: more bytes join it */
};

/* The one gather, emptied. */
struct gather *gather_begin(void);

/* Room left in the output buffer (0 when no segment is left either). */
size_t gather_room(const struct gather *g);

/* Segments left for gather_ref. */
static inline unsigned gather_segments(const struct gather *g)
{
    return PORT_IOV_MAX - g->count;
}

/* Copies bytes; false (and nothing added) when they do not fit. */
bool gather_put(struct gather *g, const void *bytes, size_t len) MUST_USE;

/* A place of gather_room() bytes to make bytes in; gather_made(n) then adds the first n of them, n <= gather_room()
   (more is a bug and panics). Nothing may be put between the two. */
uint8_t *gather_space(struct gather *g);
void gather_made(struct gather *g, size_t n);

/* Adds a segment that stays where it is until the write is done; false when no segment is left. Nothing is added for
 * len 0. */
bool gather_ref(struct gather *g, const void *bytes, size_t len) MUST_USE;

/* Copies the bytes behind the first `skip` to buf, at most cap. Returns how many: total - skip when cap is enough, 0
   when there is nothing behind `skip`. */
size_t gather_rest(const struct gather *g, size_t skip, void *buf, size_t cap);

#endif
