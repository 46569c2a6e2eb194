/* The decoder of chunked bodies (RFC 9112 7.1). */
#include "http/h1.h"

/* Octets of size lines that a body may have more than it has data. An honest sender never comes near: each chunk
   forgives as many octets as it carries, and a size without extension besides. Without a bound a client could send
   extensions for ever and never a byte that counts against LimitRequestBody. */
#define MAX_EXTENSION 4096
#define CHUNK_FORGIVES 16

/* Digits of a size, leading zeros included: enough for 60 bits and one zero more. */
#define MAX_DIGITS 16
/* No size at or above this before its last digit: so it stays below 2^60. */
#define MAX_BEFORE_DIGIT (UINT64_C(1) << 56)

/* 0..15, or 16 for a byte that is no HEXDIG. */
static unsigned hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - (unsigned)'0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - (unsigned)'a' + 10 : 16;
}

static enum h1_reason take_digit(struct h1_chunks *chunks, unsigned digit)
{
    if (chunks->digits == MAX_DIGITS || chunks->left >= MAX_BEFORE_DIGIT)
        return H1_BAD_CHUNK_SIZE;
    chunks->digits++;
    chunks->left = chunks->left << 4 | digit;
    chunks->state = H1_CHUNK_DIGITS;
    return H1_OK;
}

/* A byte behind the digits: ';' (with white space before it, RFC 9112 7.1.1) or the line's end. */
static enum h1_reason take_behind_digits(struct h1_chunks *chunks, uint8_t c)
{
    switch (c) {
    case ';': chunks->state = H1_CHUNK_EXTENSION; return H1_OK;
    case ' ':
    case '\t': chunks->state = H1_CHUNK_SPACE; return H1_OK;
    case '\n': return H1_BARE_LF;
    case '\r':
        if (chunks->state == H1_CHUNK_SPACE)
            return H1_BAD_CHUNK_SIZE;
        chunks->state = H1_CHUNK_SIZE_LF;
        return H1_OK;
    default: return H1_BAD_CHUNK_SIZE;
    }
}

/* A byte of extensions, which are dropped. A bare LF here ends the line for lenient receivers only (smuggling). */
static enum h1_reason take_extension(struct h1_chunks *chunks, uint8_t c)
{
    if (c == '\r')
        chunks->state = H1_CHUNK_SIZE_LF;
    else if (c == '\n')
        return H1_BARE_LF;
    else if ((c < 0x20 && c != '\t') || c == 0x7f)
        return H1_BAD_CHUNK_SIZE;
    return H1_OK;
}

/* The size line is complete. */
static enum h1_reason end_size(struct h1_chunks *chunks, uint8_t c)
{
    uint64_t forgiven = chunks->left + CHUNK_FORGIVES;

    if (c != '\n')
        return H1_BARE_CR;
    chunks->digits = 0;
    if (chunks->left == 0) {
        chunks->state = H1_CHUNK_TRAILERS;
        return H1_OK;
    }
    chunks->extension = forgiven < chunks->extension ? chunks->extension - (uint32_t)forgiven : 0;
    chunks->state = H1_CHUNK_DATA;
    return H1_OK;
}

/* A byte of a size line. */
static enum h1_reason take_size_line(struct h1_chunks *chunks, uint8_t c)
{
    unsigned digit;

    if (++chunks->extension > MAX_EXTENSION)
        return H1_CHUNK_EXTENSION_LONG;
    switch (chunks->state) {
    case H1_CHUNK_SIZE:
    case H1_CHUNK_DIGITS:
        digit = hex_value(c);
        if (digit < 16)
            return take_digit(chunks, digit);
        return chunks->state == H1_CHUNK_SIZE ? H1_BAD_CHUNK_SIZE : take_behind_digits(chunks, c);
    case H1_CHUNK_SPACE: return take_behind_digits(chunks, c);
    case H1_CHUNK_EXTENSION: return take_extension(chunks, c);
    default: return end_size(chunks, c);
    }
}

/* A byte of the CRLF behind a chunk's data. */
static enum h1_reason take_data_end(struct h1_chunks *chunks, uint8_t c)
{
    if (c != (chunks->state == H1_CHUNK_DATA_CR ? '\r' : '\n'))
        return H1_BAD_CHUNK_END;
    chunks->state = chunks->state == H1_CHUNK_DATA_CR ? H1_CHUNK_DATA_LF : H1_CHUNK_SIZE;
    return H1_OK;
}

/* Takes what is left of the chunk, or what there is of it. Returns how many bytes. */
static size_t take_data(struct h1_chunks *chunks, size_t len)
{
    size_t n = chunks->left < len ? (size_t)chunks->left : len;

    chunks->left -= n;
    if (chunks->left == 0)
        chunks->state = H1_CHUNK_DATA_CR;
    return n;
}

enum h1_reason h1_decode_chunks(struct h1_chunks *chunks, const uint8_t *in, size_t len, size_t *consumed,
                                size_t *data_len)
{
    enum h1_reason reason = H1_OK;
    size_t at = 0;

    *data_len = 0;
    while (at < len && reason == H1_OK && *data_len == 0 && chunks->state != H1_CHUNK_TRAILERS) {
        if (chunks->state == H1_CHUNK_DATA)
            at += *data_len = take_data(chunks, len - at);
        else if (chunks->state < H1_CHUNK_DATA)
            reason = take_size_line(chunks, in[at++]);
        else
            reason = take_data_end(chunks, in[at++]);
    }
    *consumed = at;
    return reason;
}
