/* Slices of text, and building text into bounded buffers. Knows no heap; nothing here is NUL-terminated unless said. */
#ifndef CULVERT_BASE_TEXT_H
#define CULVERT_BASE_TEXT_H

#include "compiler.h"

#include <stdarg.h>
#include <string.h>

/* Bytes owned by somebody else. ptr may be NULL when len is 0. */
struct text {
    const char *ptr;
    size_t len;
};

/* The slice of a string literal, also usable in static initialisers through TEXT_INIT. */
#define TEXT(literal) ((struct text){"" literal, sizeof(literal) - 1})
#define TEXT_INIT(literal)                                                                                             \
    {                                                                                                                  \
        "" literal, sizeof(literal) - 1                                                                                \
    }
/* For printf's "%.*s". */
#define TEXT_ARG(t) (int)(t).len, (t).ptr

/* A slice of len bytes at ptr. */
static inline struct text text_make(const void *ptr, size_t len)
{
    return (struct text){ptr, len};
}

/* The slice of a NUL-terminated string, without its NUL. */
static inline struct text text_of(const char *textz)
{
    return text_make(textz, strlen(textz));
}

/* ASCII lower case; other bytes stay as they are. */
static inline char text_lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

static inline bool text_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* 1 for each token character; use text_is_tchar. */
extern const uint8_t text_tchar_table[256];

/* Token character, RFC 9110 5.6.2. */
static inline bool text_is_tchar(char c)
{
    return text_tchar_table[(uint8_t)c] != 0;
}

/* 1*tchar: false for the empty text. */
bool text_is_token(struct text t);

/* Same bytes. */
static inline bool text_eq(struct text a, struct text b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Same but for ASCII case. */
bool text_eq_nocase(struct text a, struct text b);

/* Its first min(n, len) bytes. */
static inline struct text text_first(struct text t, size_t n)
{
    return text_make(t.ptr, min_size(n, t.len));
}

/* Without its first min(n, len) bytes. */
static inline struct text text_skip(struct text t, size_t n)
{
    size_t skip = min_size(n, t.len);

    return skip > 0 ? text_make(t.ptr + skip, t.len - skip) : t;
}

/* Whether t begins with prefix; every text begins with the empty one. */
static inline bool text_starts(struct text t, struct text prefix)
{
    return text_eq(text_first(t, prefix.len), prefix);
}

static inline bool text_starts_nocase(struct text t, struct text prefix)
{
    return text_eq_nocase(text_first(t, prefix.len), prefix);
}

/* Without SP and HTAB (OWS, RFC 9110 5.6.3) at both ends. */
struct text text_trim(struct text t);

/* Index of the first byte c at or after `from`, or t.len when there is none (also when from > t.len). */
size_t text_find(struct text t, char c, size_t from);

/* Takes the text up to the first byte c (or all) off *rest, and c too. False when *rest was already exhausted (ptr
   NULL). "a,,b" gives "a", "", "b"; "a," gives "a", ""; an empty text that is not NULL gives "" once. */
bool text_split(struct text *rest, char c, struct text *part);

/* Decimal digits only, no sign, no blank, at least one digit, value <= max. On false *value is unchanged. */
bool text_to_u64(struct text t, uint64_t max, uint64_t *value) MUST_USE;
/* Hexadecimal digits only (1*HEXDIG), value <= max. On false *value is unchanged. */
bool text_hex_to_u64(struct text t, uint64_t max, uint64_t *value) MUST_USE;

/* A bounded buffer that text is appended to. It holds a prefix of all that was put: what does not fit is cut off,
   `full` is set, and nothing more is appended from then on. So callers check `full` once, at the end. Invariant: len <=
   cap. */
struct textbuf {
    char *ptr;
    size_t len;
    size_t cap;
    bool full;
};

/* An empty buffer over the caller's storage of cap bytes. */
static inline void textbuf_init(struct textbuf *b, void *storage, size_t cap)
{
    *b = (struct textbuf){.ptr = storage, .cap = cap};
}

/* For textbuf_put, when not all of t fits. */
void textbuf_put_part(struct textbuf *b, struct text t);

static inline void textbuf_put(struct textbuf *b, struct text t)
{
    if (UNLIKELY(b->full || t.len > b->cap - b->len)) {
        textbuf_put_part(b, t);
        return;
    }
    if (t.len > 0)
        memcpy(b->ptr + b->len, t.ptr, t.len); /* of a constant length in most places */
    b->len += t.len;
}

static inline void textbuf_putc(struct textbuf *b, char c)
{
    if (LIKELY(!b->full && b->len < b->cap))
        b->ptr[b->len++] = c;
    else
        b->full = true;
}

/* A NUL-terminated string, without its NUL. */
static inline void textbuf_putz(struct textbuf *b, const char *textz)
{
    textbuf_put(b, text_of(textz));
}

/* Decimal digits, no leading zeros. */
void textbuf_put_u64(struct textbuf *b, uint64_t value);
/* Lower-case hexadecimal digits, no leading zeros, no "0x". */
void textbuf_put_hex(struct textbuf *b, uint64_t value);

/* printf into it: %s %d %u %x %c %llu %zu %% with the usual flags (vsnprintf underneath, no heap, no floating point
   used). It needs one byte of room more than it appends (for the NUL of vsnprintf). Not for hot paths. */
void textbuf_printf(struct textbuf *b, const char *format, ...) PRINTF_LIKE(2, 3);
void textbuf_vprintf(struct textbuf *b, const char *format, va_list args) PRINTF_LIKE(2, 0);

/* What is in it. Valid as long as the storage, and until more is appended. */
static inline struct text textbuf_text(const struct textbuf *b)
{
    return text_make(b->ptr, b->len);
}

/* NUL-terminates and returns ptr. cap must be > 0. With no room for the NUL the last byte gives way to it, and `full`
 * is set. */
const char *textbuf_z(struct textbuf *b);

#endif
