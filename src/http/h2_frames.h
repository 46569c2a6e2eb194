/* Heads of HTTP/2 frames in a stream of bytes (RFC 9113 4.1): a walk beside nghttp2, which ignores some frames without
 * a word. Pure: it keeps no bytes but those of a head that is not whole. */
#ifndef CULVERT_HTTP_H2_FRAMES_H
#define CULVERT_HTTP_H2_FRAMES_H

#include "compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define H2_FRAMES_HEAD 9
/* The stream that a PRIORITY or PRIORITY_UPDATE frame's payload begins with (RFC 9113 6.3, RFC 9218 7.1). */
#define H2_FRAMES_WORD 4

struct h2_frames {
    uint32_t skip;   /* bytes until the next head begins */
    uint8_t have;    /* bytes of it that came */
    uint8_t earlier; /* of the head that was looked at last: bytes of it that had come before that call */
    uint8_t head[H2_FRAMES_HEAD + H2_FRAMES_WORD];
};

struct h2_frame {
    uint32_t len; /* of the payload, in bytes */
    uint8_t type; /* as nghttp2 numbers them */
    uint8_t flags;
    int32_t stream_id; /* without the reserved bit */
    int32_t word;      /* the first 31 bits of a PRIORITY or PRIORITY_UPDATE frame's payload; 0 for other types */
};

/* Begins with bytes of which the first `skip` belong to no frame (a client's preface). */
void h2_frames_init(struct h2_frames *f, uint32_t skip);

/* Goes on in *bytes (*len of them), which move behind what was looked at. True: *frame is the next one, whose payload
   may still be to come. False: all bytes were looked at. */
bool h2_frames_next(struct h2_frames *f, const uint8_t **bytes, size_t *len, struct h2_frame *frame) MUST_USE;

/* Takes back the frame (without a word) that h2_frames_next has just given: it gives the same again. Returns how many
   of the bytes that were looked at stand behind what came before its head, or the part of it that came: 1 to
   H2_FRAMES_HEAD. */
size_t h2_frames_unread(struct h2_frames *f);

#endif
