/* Slices of text, and building text into bounded buffers. */
#include "base/text.h"

#include <stdio.h>

/* "!" / "#" / "$" / "%" / "&" / "'" / "*" / "+" / "-" / "." / "^" / "_" / "`" / "|" / "~" / DIGIT / ALPHA */
const uint8_t text_tchar_table[256] = {
    ['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1, ['&'] = 1, ['\''] = 1, ['*'] = 1, ['+'] = 1, ['-'] = 1, ['.'] = 1,
    ['^'] = 1, ['_'] = 1, ['`'] = 1, ['|'] = 1, ['~'] = 1, ['0'] = 1,  ['1'] = 1, ['2'] = 1, ['3'] = 1, ['4'] = 1,
    ['5'] = 1, ['6'] = 1, ['7'] = 1, ['8'] = 1, ['9'] = 1, ['A'] = 1,  ['B'] = 1, ['C'] = 1, ['D'] = 1, ['E'] = 1,
    ['F'] = 1, ['G'] = 1, ['H'] = 1, ['I'] = 1, ['J'] = 1, ['K'] = 1,  ['L'] = 1, ['M'] = 1, ['N'] = 1, ['O'] = 1,
    ['P'] = 1, ['Q'] = 1, ['R'] = 1, ['S'] = 1, ['T'] = 1, ['U'] = 1,  ['V'] = 1, ['W'] = 1, ['X'] = 1, ['Y'] = 1,
    ['Z'] = 1, ['a'] = 1, ['b'] = 1, ['c'] = 1, ['d'] = 1, ['e'] = 1,  ['f'] = 1, ['g'] = 1, ['h'] = 1, ['i'] = 1,
    ['j'] = 1, ['k'] = 1, ['l'] = 1, ['m'] = 1, ['n'] = 1, ['o'] = 1,  ['p'] = 1, ['q'] = 1, ['r'] = 1, ['s'] = 1,
    ['t'] = 1, ['u'] = 1, ['v'] = 1, ['w'] = 1, ['x'] = 1, ['y'] = 1,  ['z'] = 1,
};

bool text_is_token(struct text t)
{
    for (size_t i = 0; i < t.len; i++)
        if (!text_is_tchar(t.ptr[i]))
            return false;
    return t.len > 0;
}

bool text_eq_nocase(struct text a, struct text b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (a.ptr[i] != b.ptr[i] && text_lower(a.ptr[i]) != text_lower(b.ptr[i]))
            return false;
    return true;
}

static bool is_ows(char c)
{
    return c == ' ' || c == '\t';
}

struct text text_trim(struct text t)
{
    while (t.len > 0 && is_ows(t.ptr[t.len - 1]))
        t.len--;
    while (t.len > 0 && is_ows(t.ptr[0]))
        t = text_skip(t, 1);
    return t;
}

size_t text_find(struct text t, char c, size_t from)
{
    const char *at;

    if (from >= t.len)
        return t.len;
    at = memchr(t.ptr + from, c, t.len - from);
    return at != NULL ? (size_t)(at - t.ptr) : t.len;
}

bool text_split(struct text *rest, char c, struct text *part)
{
    size_t at;

    if (rest->ptr == NULL)
        return false;
    at = text_find(*rest, c, 0);
    *part = text_first(*rest, at);
    *rest = at < rest->len ? text_skip(*rest, at + 1) : text_make(NULL, 0);
    return true;
}

/* As many decimal digits as always fit into 64 bits. */
#define DIGITS_SAFE 19

bool text_to_u64(struct text t, uint64_t max, uint64_t *value)
{
    uint64_t sum = 0;

    if (t.len == 0)
        return false;
    for (size_t i = 0; i < t.len; i++) {
        uint64_t digit;

        if (!text_is_digit(t.ptr[i]))
            return false;
        digit = (uint64_t)(t.ptr[i] - '0');
        if (i >= DIGITS_SAFE && sum > (UINT64_MAX - digit) / 10)
            return false;
        sum = sum * 10 + digit;
    }
    if (sum > max)
        return false;
    *value = sum;
    return true;
}

/* 0..15, or 16 for a byte that is no HEXDIG. */
static unsigned hex_value(char c)
{
    if (text_is_digit(c))
        return (unsigned)(c - '0');
    c = text_lower(c);
    return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 16;
}

bool text_hex_to_u64(struct text t, uint64_t max, uint64_t *value)
{
    uint64_t sum = 0;

    if (t.len == 0)
        return false;
    for (size_t i = 0; i < t.len; i++) {
        unsigned digit = hex_value(t.ptr[i]);

        if (digit > 15 || sum > max / 16 || digit > max - sum * 16)
            return false;
        sum = sum * 16 + digit;
    }
    *value = sum;
    return true;
}

void textbuf_put_part(struct textbuf *b, struct text t)
{
    size_t room = b->full ? 0 : b->cap - b->len;

    b->full = true;
    if (room > 0)
        memcpy(b->ptr + b->len, t.ptr, room);
    b->len += room;
}

/* Writes the decimal digits of value so that they end before `end`; returns where they begin. At most 20. */
static char *put_digits(char *end, uint64_t value)
{
    uint32_t low;

    /* Two steps, so that a 32-bit machine divides 64 bits only for big values. */
    while (value > UINT32_MAX) {
        *--end = (char)('0' + value % 10);
        value /= 10;
    }
    low = (uint32_t)value;
    do {
        *--end = (char)('0' + low % 10);
        low /= 10;
    } while (low > 0);
    return end;
}

/* How many decimal digits value has. */
static unsigned count_digits(uint32_t value)
{
    unsigned count = 1;

    for (; value >= 10000; value /= 10000)
        count += 4;
    return count + (value >= 10) + (value >= 100) + (value >= 1000);
}

void textbuf_put_u64(struct textbuf *b, uint64_t value)
{
    char digits[20];
    char *from;

    if (LIKELY(value < 1000000000 && !b->full && b->cap - b->len >= 9)) {
        b->len += count_digits((uint32_t)value);
        put_digits(b->ptr + b->len, value);
        return;
    }
    from = put_digits(digits + sizeof(digits), value);
    textbuf_put(b, text_make(from, (size_t)(digits + sizeof(digits) - from)));
}

void textbuf_put_hex(struct textbuf *b, uint64_t value)
{
    char digits[16];
    size_t at = sizeof(digits);

    do {
        digits[--at] = "0123456789abcdef"[value & 15];
        value >>= 4;
    } while (value > 0);
    textbuf_put(b, text_make(digits + at, sizeof(digits) - at));
}

void textbuf_vprintf(struct textbuf *b, const char *format, va_list args)
{
    size_t room = b->full ? 0 : b->cap - b->len;
    int made;

    if (room == 0) {
        b->full = true;
        return;
    }
    made = vsnprintf(b->ptr + b->len, room, format, args);
    if (made < 0) {
        b->full = true;
    } else if ((size_t)made < room) {
        b->len += (size_t)made;
    } else {
        b->len += room - 1;
        b->full = true;
    }
}

void textbuf_printf(struct textbuf *b, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    textbuf_vprintf(b, format, args);
    va_end(args);
}

const char *textbuf_z(struct textbuf *b)
{
    if (b->len == b->cap) {
        b->len = b->cap - 1;
        b->full = true;
    }
    b->ptr[b->len] = '\0';
    return b->ptr;
}
