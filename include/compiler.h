/* What the language leaves to the compiler: attributes, container_of, IS_ENABLED. */
#ifndef CULVERT_COMPILER_H
#define CULVERT_COMPILER_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The object of `type` whose `member` stands at `ptr`. */
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* IS_ENABLED(CONFIG_X): 1 when Kconfig defines the bool CONFIG_X as 1, else 0 (also when it is not defined at all).
   Usable in `if`, so that both branches are always compiled. */
#define IS_ENABLED(option) IS_ENABLED_(option)
#define IS_ENABLED_(value) IS_ENABLED__(IS_ENABLED_ARG_##value)
#define IS_ENABLED__(...) IS_ENABLED_SECOND(__VA_ARGS__ 1, 0, 0)
#define IS_ENABLED_SECOND(ignored, value, ...) value
#define IS_ENABLED_ARG_1 0,

#define PRINTF_LIKE(format_index, first) __attribute__((format(printf, format_index, first)))
#define MUST_USE __attribute__((warn_unused_result))
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

static inline size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

#endif
