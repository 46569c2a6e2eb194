/* Heads of HTTP/2 frames in a stream of bytes. */
#include "http/h2_frames.h"

#include "base/text.h"

#include <nghttp2/nghttp2.h>
#include <string.h>

void h2_frames_init(struct h2_frames *f, uint32_t skip)
{
    f->skip = skip;
    f->have = 0;
    f->earlier = 0;
}

static uint32_t u32_at(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* How many bytes are needed of what begins with the bytes that are there. A PRIORITY or PRIORITY_UPDATE frame of a
   wrong size is nghttp2's to refuse. */
static size_t needed(const struct h2_frames *f)
{
    bool priority =
        f->have >= H2_FRAMES_HEAD && (f->head[3] == NGHTTP2_PRIORITY || f->head[3] == NGHTTP2_PRIORITY_UPDATE);

    return priority && u32_at(f->head) >> 8 >= H2_FRAMES_WORD ? H2_FRAMES_HEAD + H2_FRAMES_WORD : H2_FRAMES_HEAD;
}

static void take(struct h2_frames *f, const uint8_t **bytes, size_t *len, size_t n)
{
    memcpy(f->head + f->have, *bytes, n);
    f->have = (uint8_t)(f->have + n);
    *bytes += n;
    *len -= n;
}

bool h2_frames_next(struct h2_frames *f, const uint8_t **bytes, size_t *len, struct h2_frame *frame)
{
    size_t skip = min_size(f->skip, *len);

    *bytes += skip;
    *len -= skip;
    f->skip -= (uint32_t)skip;
    f->earlier = f->have;
    while (*len > 0 && f->have < needed(f))
        take(f, bytes, len, min_size(*len, needed(f) - f->have));
    if (f->have < H2_FRAMES_HEAD || f->have < needed(f))
        return false;
    *frame = (struct h2_frame){
        .len = u32_at(f->head) >> 8,
        .type = f->head[3],
        .flags = f->head[4],
        .stream_id = (int32_t)(u32_at(f->head + 5) & INT32_MAX),
        .word = f->have > H2_FRAMES_HEAD ? (int32_t)(u32_at(f->head + H2_FRAMES_HEAD) & INT32_MAX) : 0,
    };
    f->skip = frame->len - (f->have - (uint32_t)H2_FRAMES_HEAD);
    f->have = 0;
    return true;
}

size_t h2_frames_unread(struct h2_frames *f)
{
    f->skip = 0;
    f->have = f->earlier;
    return H2_FRAMES_HEAD - f->earlier;
}
