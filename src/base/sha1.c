/* SHA-1 over two slices of text. */
#include "base/sha1.h"

#include <string.h>

#define BLOCK 64

struct sha1 {
    uint32_t h[5];
    uint8_t block[BLOCK];
    uint64_t len; /* bytes taken so far; len % BLOCK of them stand in block */
};

static uint32_t rotate(uint32_t x, unsigned n)
{
    return x << n | x >> (32 - n);
}

/* The eighty words that a block is expanded to. */
static void expand(const uint8_t *block, uint32_t *w)
{
    for (size_t i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 | (uint32_t)block[4 * i + 2] << 8 |
               block[4 * i + 3];
    for (size_t i = 16; i < 80; i++)
        w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
}

/* The function and constant of round i (RFC 3174 5). */
static uint32_t mix(unsigned i, uint32_t b, uint32_t c, uint32_t d)
{
    if (i < 20)
        return ((b & c) | (~b & d)) + 0x5a827999;
    if (i < 40)
        return (b ^ c ^ d) + 0x6ed9eba1;
    if (i < 60)
        return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
    return (b ^ c ^ d) + 0xca62c1d6;
}

static void take_block(struct sha1 *s)
{
    uint32_t w[80];
    uint32_t v[5];

    expand(s->block, w);
    memcpy(v, s->h, sizeof(v));
    for (unsigned i = 0; i < 80; i++) {
        uint32_t next = rotate(v[0], 5) + mix(i, v[1], v[2], v[3]) + v[4] + w[i];

        v[4] = v[3];
        v[3] = v[2];
        v[2] = rotate(v[1], 30);
        v[1] = v[0];
        v[0] = next;
    }
    for (unsigned i = 0; i < 5; i++)
        s->h[i] += v[i];
}

static void take(struct sha1 *s, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;

    for (size_t i = 0; i < len; i++) {
        s->block[s->len++ % BLOCK] = at[i];
        if (s->len % BLOCK == 0)
            take_block(s);
    }
}

/* The end mark, zeros, and the length in bits. */
static void finish(struct sha1 *s)
{
    uint64_t bits = s->len * 8;
    uint8_t length[8];

    take(s, "\x80", 1);
    while (s->len % BLOCK != BLOCK - 8)
        take(s, "", 1);
    for (unsigned i = 0; i < 8; i++)
        length[i] = (uint8_t)(bits >> (56 - 8 * i));
    take(s, length, sizeof(length));
}

void sha1_digest(struct text t, struct text more, uint8_t *digest)
{
    struct sha1 s = {.h = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0}};

    take(&s, t.ptr, t.len);
    take(&s, more.ptr, more.len);
    finish(&s);
    for (unsigned i = 0; i < SHA1_SIZE; i++)
        digest[i] = (uint8_t)(s.h[i / 4] >> (24 - 8 * (i % 4)));
}
