/* The simulated world itself: chance, time, memory, faults, findings, and the order in which all move. */
#include "sim.h"

#include "sim_h2_client.h"
#include "sim_origin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Passes in a row in which nothing changes and no time passes, before the core counts as spinning. */
#define SPIN_LIMIT 200

/* The real heap: malloc of this program goes to the core's arenas (see src/base/heap.c). */
void *__real_malloc(size_t size);
void *__real_realloc(void *ptr, size_t size);
void __real_free(void *ptr);

struct sim_options sim;

static uint64_t state; /* of chance */
static uint64_t now;
static uint64_t progress;
static uint64_t passes;
static struct sim_peer *peers;
static void (*core_pass)(int max_wait_ms);
static uint32_t fail_in;
static enum sim_fault fail_how;
static bool fired;
static char description[512];
static char notes[4096];
static unsigned note_count;

/* ---- memory ---- */

struct block {
    struct block *next, *prev;
    _Alignas(16) uint8_t bytes[];
};
static struct block blocks = {&blocks, &blocks};

static void *block_link(struct block *block)
{
    if (block == NULL)
        abort();
    block->next = blocks.next;
    block->prev = &blocks;
    blocks.next->prev = block;
    blocks.next = block;
    return block->bytes;
}

static struct block *block_unlink(void *ptr)
{
    struct block *block = container_of(ptr, struct block, bytes);

    block->next->prev = block->prev;
    block->prev->next = block->next;
    return block;
}

void *sim_alloc(size_t size)
{
    struct block *block = __real_malloc(sizeof(*block) + size);

    if (block != NULL)
        memset(block->bytes, 0, size);
    return block_link(block);
}

void *sim_realloc(void *ptr, size_t size)
{
    if (ptr == NULL)
        return sim_alloc(size);
    return block_link(__real_realloc(block_unlink(ptr), sizeof(struct block) + size));
}

void sim_free(void *ptr)
{
    if (ptr != NULL)
        __real_free(block_unlink(ptr));
}

void *sim_grow(void *ptr, size_t count, size_t size)
{
    if ((count & (count - 1)) != 0)
        return ptr;
    return sim_realloc(ptr, (count > 0 ? 2 * count : 1) * size);
}

void bytes_put(struct bytes *b, const void *ptr, size_t len)
{
    if (len == 0)
        return;
    if (b->len + len > b->cap) {
        b->cap = max_size(2 * b->cap, b->len + len + 256);
        b->ptr = sim_realloc(b->ptr, b->cap);
    }
    memcpy(b->ptr + b->len, ptr, len);
    b->len += len;
}

void bytes_printf(struct bytes *b, const char *format, ...)
{
    char text[16384];
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (len < 0 || len >= (int)sizeof(text))
        sim_abort("bytes_printf: too long");
    bytes_put(b, text, (size_t)len);
}

struct text bytes_text(const struct bytes *b)
{
    return text_make(b->ptr, b->len);
}

/* ---- findings ---- */

void sim_describe(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(description, sizeof(description), format, args);
    va_end(args);
}

const char *sim_description(void)
{
    return description;
}

/* The heap of the test program is not usable when the core is in the middle of something: no way but out. */
void sim_abort(const char *format, ...)
{
    va_list args;

    fprintf(stderr, "sim: [%s, seed %llu, at %llu ms] ", description, (unsigned long long)sim.seed,
            (unsigned long long)now);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n%s", notes);
    fflush(stderr);
    abort();
}

void sim_violation(const char *format, ...)
{
    size_t at = strlen(notes);
    va_list args;
    int len;

    note_count++;
    len = snprintf(notes + at, sizeof(notes) - at, "  at %llu ms: ", (unsigned long long)now);
    if (len < 0 || at + (size_t)len + 256 > sizeof(notes)) {
        notes[at] = '\0';
        return;
    }
    at += (size_t)len;
    va_start(args, format);
    len = vsnprintf(notes + at, sizeof(notes) - at - 1, format, args);
    va_end(args);
    at += min_size((size_t)len, sizeof(notes) - at - 2);
    notes[at] = '\n';
    notes[at + 1] = '\0';
}

void sim_check_int(const char *file, int line, const char *what, long long is, long long should)
{
    if (is != should)
        sim_violation("%s:%d: %s is %lld, not %lld", file, line, what, is, should);
}

unsigned sim_violations_expected(void)
{
    unsigned count = note_count;

    note_count = 0;
    notes[0] = '\0';
    return count;
}

/* ---- chance and faults ---- */

uint32_t sim_chance(uint32_t below)
{
    uint64_t z = (state += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ (z >> 31)) >> 16) % below;
}

void sim_fail_nth(uint32_t n, enum sim_fault fault)
{
    fail_in = n;
    fail_how = fault;
    fired = false;
}

bool sim_fault_fired(void)
{
    return fired;
}

enum sim_injected sim_inject(void)
{
    if (fail_in > 0 && --fail_in == 0) {
        fired = true;
        return fail_how == SIM_ERROR ? SIM_DO_ERROR : fail_how == SIM_AGAIN ? SIM_DO_AGAIN : SIM_DO_SHORT;
    }
    return sim.again_percent > 0 && sim_chance(100) < sim.again_percent ? SIM_DO_AGAIN : SIM_GO_ON;
}

/* ---- the run ---- */

uint64_t sim_now(void)
{
    return now;
}

void sim_set_now(uint64_t at)
{
    now = at;
}

void sim_progress(void)
{
    progress++;
}

uint64_t sim_passes(void)
{
    return passes;
}

void sim_add_peer(struct sim_peer *peer)
{
    struct sim_peer **at = &peers;

    while (*at != NULL)
        at = &(*at)->next;
    peer->next = NULL;
    *at = peer;
}

void sim_use_pass(void (*pass)(int max_wait_ms))
{
    core_pass = pass;
}

/* Lets the peers act until none has anything to do at this moment. */
static void step_peers(void)
{
    bool moved = true;

    for (unsigned i = 0; moved; i++) {
        moved = sim_port_step();
        for (struct sim_peer *peer = peers; peer != NULL; peer = peer->next)
            moved = peer->step(peer) || moved;
        if (i > 100000)
            sim_abort("the peers never come to rest");
    }
}

static uint64_t next_event(uint64_t deadline)
{
    uint64_t next = deadline;

    next = links_next() < next ? links_next() : next;
    next = sim_port_next() < next ? sim_port_next() : next;
    for (const struct sim_peer *peer = peers; peer != NULL; peer = peer->next)
        if (peer->wake_at < next)
            next = peer->wake_at;
    return next < now ? now : next;
}

static void pass_once(uint64_t next)
{
    static unsigned still;
    uint64_t before = progress;
    uint64_t then = now;

    if (core_pass == NULL) {
        now = next;
        return;
    }
    passes++;
    core_pass((int)(next - now));
    still = progress != before || now != then ? 0 : still + 1;
    if (still > SPIN_LIMIT)
        sim_abort("the core spins: %u passes in which nothing changed", still);
}

bool sim_run(bool (*done)(void *user), void *user, uint32_t ms)
{
    uint64_t deadline = now + ms;

    for (;;) {
        step_peers();
        if (done != NULL && done(user))
            return true;
        if (now >= deadline)
            return done == NULL;
        pass_once(next_event(deadline));
    }
}

void sim_begin(const struct sim_options *options)
{
    sim = options != NULL ? *options : (struct sim_options){.seed = 1};
    if (sim.client_buffer == 0)
        sim.client_buffer = 65536;
    if (sim.origin_buffer == 0)
        sim.origin_buffer = 65536;
    state = sim.seed * 0x2545f4914f6cdd1du + 1;
    now = 0;
    progress = 0;
    passes = 0;
    peers = NULL;
    fail_in = 0;
    fired = false;
    notes[0] = '\0';
    note_count = 0;
    links_reset();
    sim_port_reset();
    sim_platform_reset();
    sim_process_reset();
    clients_reset();
    h2_clients_reset();
    origins_reset();
}

void sim_leave(void)
{
    while (blocks.next != &blocks)
        sim_free(blocks.next->bytes);
    peers = NULL;
    links_reset();
    sim_port_reset();
    sim_platform_reset();
    clients_reset();
    h2_clients_reset();
    origins_reset();
}

void sim_end(void)
{
    if (sim_open_handles() > 0)
        sim_violation("the core left %u handles open", sim_open_handles());
    sim_leave();
    if (note_count > 0)
        fail_msg("[%s, seed %llu] %u findings:\n%s", description, (unsigned long long)sim.seed, note_count, notes);
}
