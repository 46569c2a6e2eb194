/* The heap functions of the static libraries, brought home to the current arena by the linker (--wrap). */
#include "base/arena.h"
#include "base/panic.h"

/* The linker turns every call of malloc in the linked objects into one of __wrap_malloc, and so on. */
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *ptr, size_t size);
void __wrap_free(void *ptr);

static struct arena *current;
static uint32_t strays;

struct arena *arena_enter(struct arena *arena)
{
    struct arena *previous = current;

    current = arena;
    return previous;
}

void arena_leave(struct arena *previous)
{
    current = previous;
}

struct arena *arena_current(void)
{
    return current;
}

/* A call outside every arena. */
static void heap_stray(void)
{
    strays++;
    if (IS_ENABLED(CONFIG_HEAP_GUARD))
        panic("heap", "a library asked for memory outside an arena");
}

uint32_t heap_strays(void)
{
    return strays;
}

void *__wrap_malloc(size_t size)
{
    struct arena *arena = current;

    if (LIKELY(arena != NULL))
        return arena_alloc(arena, size);
    heap_stray();
    return NULL;
}

void *__wrap_calloc(size_t count, size_t size)
{
    struct arena *arena = current;

    if (LIKELY(arena != NULL))
        return arena_calloc(arena, count, size);
    heap_stray();
    return NULL;
}

void *__wrap_realloc(void *ptr, size_t size)
{
    struct arena *arena = current;

    if (LIKELY(arena != NULL))
        return arena_realloc(arena, ptr, size);
    heap_stray();
    return NULL;
}

void __wrap_free(void *ptr)
{
    struct arena *arena = current;

    if (ptr == NULL)
        return;
    if (LIKELY(arena != NULL))
        arena_free(arena, ptr);
    else
        heap_stray();
}
