/* nghttp2 for the world's peers. */
#include "sim_h2.h"

#include "base/arena.h"
#include "sim.h"

static void *mem_alloc(size_t size, void *user)
{
    (void)user;
    return sim_alloc(size);
}

static void mem_free(void *ptr, void *user)
{
    (void)user;
    sim_free(ptr);
}

static void *mem_calloc(size_t count, size_t size, void *user)
{
    (void)user;
    return sim_alloc(count * size);
}

static void *mem_realloc(void *ptr, size_t size, void *user)
{
    (void)user;
    return sim_realloc(ptr, size);
}

void sim_h2_init(struct sim_h2 *h2, void (*set)(nghttp2_session_callbacks *callbacks))
{
    struct arena *previous;

    if (h2->callbacks != NULL)
        return;
    h2->mem = (nghttp2_mem){NULL, mem_alloc, mem_free, mem_calloc, mem_realloc};
    previous = arena_enter(arena_init(h2->storage, sizeof(h2->storage), "peers"));
    if (nghttp2_session_callbacks_new(&h2->callbacks) != 0 || nghttp2_option_new(&h2->option) != 0)
        sim_abort("no memory for nghttp2's callbacks and options");
    arena_leave(previous);
    nghttp2_option_set_no_auto_window_update(h2->option, 1);
    nghttp2_option_set_no_closed_streams(h2->option, 1);
    set(h2->callbacks);
}
