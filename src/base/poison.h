/* Freed memory that nobody may touch: filled with a pattern under CONFIG_POISON, and closed to all under ASan.
 *
 * Both cost nothing in a normal build. A pool or an arena closes what was given back and opens what it hands out, so a
 * use after free in a test stops at the very access (ASan), or at the latest when the memory is handed out again
 * (pattern). */
#ifndef CULVERT_BASE_POISON_H
#define CULVERT_BASE_POISON_H

#include "compiler.h"

#include <string.h>

#define POISON_FREED 0xdd /* bytes that were given back */
#define POISON_FRESH 0xcd /* bytes that were handed out and not written yet */

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POISON_ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define POISON_ASAN 1
#endif

#if defined(POISON_ASAN)
void __asan_poison_memory_region(const volatile void *ptr, size_t len);
void __asan_unpoison_memory_region(const volatile void *ptr, size_t len);

/* Nobody may read or write these bytes until poison_open. */
static inline void poison_close(const void *ptr, size_t len)
{
    __asan_poison_memory_region(ptr, len);
}

static inline void poison_open(const void *ptr, size_t len)
{
    __asan_unpoison_memory_region(ptr, len);
}
#else
static inline void poison_close(const void *ptr, size_t len)
{
    (void)ptr;
    (void)len;
}

static inline void poison_open(const void *ptr, size_t len)
{
    (void)ptr;
    (void)len;
}
#endif

/* Fills bytes with a pattern; nothing without CONFIG_POISON. */
static inline void poison_fill(void *ptr, uint8_t pattern, size_t len)
{
    if (IS_ENABLED(CONFIG_POISON) && len > 0)
        memset(ptr, pattern, len);
}

/* Whether all bytes still have the pattern; always true without CONFIG_POISON. */
static inline bool poison_intact(const void *ptr, uint8_t pattern, size_t len)
{
    const uint8_t *bytes = ptr;

    if (!IS_ENABLED(CONFIG_POISON))
        return true;
    return len == 0 || (bytes[0] == pattern && memcmp(bytes, bytes + 1, len - 1) == 0);
}

#endif
