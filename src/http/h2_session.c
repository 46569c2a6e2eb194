/* nghttp2 sessions in leased arenas. */
#include "http/h2_session.h"

#include "base/arena.h"
#include "base/log.h"
#include "base/pool.h"

#include <stdalign.h>
#include <string.h>

#define H2_SHARED_ARENA 8192

/* Attack: a peer that makes us queue acknowledgements without end. */
#define H2_OUTBOUND_ACKS 64
/* Entries of one SETTINGS frame. */
#define H2_SETTINGS_MOST 16

/* The largest frame but HEADERS, CONTINUATION and DATA: GOAWAY with nghttp2's words. A DATA frame's 9 octets are less.
 */
#define SMALL_FRAME 160
static_assert(CONFIG_H2_FRONT_REST >= 2 * SMALL_FRAME, "H2_FRONT_REST must hold two small frames: raise it");

struct h2_back_lease {
    alignas(ARENA_ALIGN) uint8_t arena[H2_BACK_ARENA];
    uint8_t rest[H2_BACK_REST];
};
POOL(h2_back_lease, struct h2_back_lease, CONFIG_BACKEND_CONNS);

struct h2_front_lease {
    alignas(ARENA_ALIGN) uint8_t arena[H2_FRONT_ARENA];
    uint8_t rest[CONFIG_H2_FRONT_REST];
};
POOL(h2_front_lease, struct h2_front_lease, CONFIG_H2_CLIENTS);

static alignas(ARENA_ALIGN) uint8_t shared_storage[H2_SHARED_ARENA];
static struct arena *shared_arena;
static nghttp2_option *options;

/* ---- shared ---- */

const char *h2_session_library(void)
{
    return nghttp2_version(0)->version_str;
}

static bool options_make(void)
{
    if (nghttp2_option_new(&options) != 0)
        return false;
    nghttp2_option_set_no_auto_window_update(options, 1);
    nghttp2_option_set_no_closed_streams(options, 1);
    nghttp2_option_set_peer_max_concurrent_streams(options, CONFIG_EARLY_STREAMS);
    nghttp2_option_set_max_send_header_block_length(options, H2_HEAD_MOST);
    nghttp2_option_set_max_deflate_dynamic_table_size(options, CONFIG_H2_TABLE);
    nghttp2_option_set_max_outbound_ack(options, H2_OUTBOUND_ACKS);
    nghttp2_option_set_max_settings(options, H2_SETTINGS_MOST);
    nghttp2_option_set_builtin_recv_extension_type(options, NGHTTP2_PRIORITY_UPDATE); /* RFC 9218 */
    return true;
}

bool h2_session_init(void)
{
    struct arena *previous;
    bool ok;

    shared_arena = arena_init(shared_storage, sizeof(shared_storage), "h2-shared");
    previous = arena_enter(shared_arena);
    ok = options_make();
    arena_leave(previous);
    return ok;
}

void h2_session_exit(void)
{
    options = NULL;
    shared_arena = NULL;
}

nghttp2_session_callbacks *h2_session_callbacks(void)
{
    struct arena *previous = arena_enter(shared_arena);
    nghttp2_session_callbacks *callbacks = NULL;

    if (nghttp2_session_callbacks_new(&callbacks) != 0)
        callbacks = NULL;
    arena_leave(previous);
    return callbacks;
}

/* ---- life ---- */

/* Takes a lease. False: none is free. */
static bool lease(struct h2_session *s, struct pool *pool, size_t arena_size, uint32_t rest_size)
{
    *s = (struct h2_session){.pool = pool, .lease = pool_take(pool), .rest_size = rest_size};
    if (!s->lease)
        return false;
    h2_mem_open(&s->mem, s->lease, arena_size);
    s->rest = (uint8_t *)s->lease + arena_size;
    return true;
}

/* The preface stands in the block for frames: it is taken out at once, before another session sends. */
static bool take_preface(struct h2_session *s)
{
    const uint8_t *bytes;

    s->preface = true;
    return nghttp2_session_mem_send(s->ng, &bytes) == NGHTTP2_CLIENT_MAGIC_LEN;
}

bool h2_session_open_client(struct h2_session *s, const nghttp2_session_callbacks *callbacks, void *user)
{
    nghttp2_mem mem;
    bool ok;

    if (!lease(s, &h2_back_lease_pool, H2_BACK_ARENA, H2_BACK_REST))
        return false;
    s->output = CONFIG_OUTPUT_SIZE;
    s->frame_least = H2_FRAME_MOST;
    s->frame_most = s->frame_least;
    mem = h2_mem_hooks(&s->mem);
    h2_block_open();
    ok = nghttp2_session_client_new3(&s->ng, callbacks, user, options, &mem) == 0 && take_preface(s);
    h2_block_close();
    if (!ok)
        h2_session_close(s);
    return ok;
}

bool h2_session_open_server(struct h2_session *s, const nghttp2_session_callbacks *callbacks, void *user)
{
    nghttp2_mem mem;

    if (!lease(s, &h2_front_lease_pool, H2_FRONT_ARENA, CONFIG_H2_FRONT_REST))
        return false;
    s->output = CONFIG_H2_FRONT_OUTPUT;
    s->frame_least = SMALL_FRAME;
    s->frame_most = s->frame_least;
    mem = h2_mem_hooks(&s->mem);
    if (nghttp2_session_server_new3(&s->ng, callbacks, user, options, &mem) == 0)
        return true;
    h2_session_close(s);
    return false;
}

void h2_session_close(struct h2_session *s)
{
    if (!s->lease)
        return;
    if (IS_ENABLED(CONFIG_HEAP_GUARD) && s->ng)
        nghttp2_session_del(s->ng); /* the arena would do without: this lets tests find what was broken in it */
    if (s->large)
        h2_large_give(s->large);
    h2_mem_close(&s->mem);
    pool_give(s->pool, s->lease);
    *s = (struct h2_session){0};
}

/* ---- bytes ---- */

bool h2_session_feed(struct h2_session *s, const uint8_t *bytes, size_t len)
{
    ssize_t n;

    s->mem.receiving = true;
    n = nghttp2_session_mem_recv(s->ng, bytes, len);
    s->mem.receiving = false;
    if (n < 0)
        log_info("h2", "receiving: %s", nghttp2_strerror((int)n));
    return n >= 0;
}

bool h2_session_lacked_memory(const struct h2_session *s)
{
    return s->mem.refused > 0;
}

/* Whether a rest, or a head that may have to be kept, may take a large block: the last one is for what is received, so
   that clients which take nothing cost no backend connection. */
static bool large_is_free(const struct h2_session *s)
{
    return s->large || h2_large_left() > 1;
}

/* How much may be gathered, so that all of it and one frame more could be kept. */
static uint32_t gather_most(const struct h2_session *s)
{
    uint32_t room = large_is_free(s) ? H2_LARGE : s->rest_size;

    return (uint32_t)min_size(s->output, room - s->frame_most);
}

/* Whether a frame is the last one of a header block. */
static bool ends_head(const uint8_t *frame)
{
    return (frame[3] == NGHTTP2_HEADERS || frame[3] == NGHTTP2_CONTINUATION) &&
           (frame[4] & NGHTTP2_FLAG_END_HEADERS) != 0;
}

static bool pull(struct h2_session *s, struct gather *g)
{
    if (s->preface && !gather_put(g, NGHTTP2_CLIENT_MAGIC, NGHTTP2_CLIENT_MAGIC_LEN))
        return true;
    s->preface = false;
    while (g->total < s->most && gather_segments(g) > 1) {
        const uint8_t *frame;
        ssize_t n = nghttp2_session_mem_send(s->ng, &frame);

        if (n < 0) {
            log_info("h2", "sending: %s", nghttp2_strerror((int)n));
            return false;
        }
        if (n == 0)
            s->heads = 0;
        else
            s->heads -= s->heads > 0 && ends_head(frame);
        if (s->heads == 0) {
            s->frame_most = s->frame_least;
            s->promised = 0;
        }
        if (n == 0)
            return true;
        if (!gather_put(g, frame, (size_t)n))
            return gather_ref(g, frame, (size_t)n); /* good until h2_session_keep */
    }
    return true;
}

bool h2_session_pull(struct h2_session *s, struct gather *g)
{
    h2_block_open();
    s->most = gather_most(s);
    return pull(s, g);
}

/* Gives the large block back, when neither an unsent rest nor a head that waits needs it. */
static void relieve(struct h2_session *s)
{
    if (LIKELY(s->large == NULL) || s->unsent_at < s->unsent_end || s->frame_most > s->rest_size - SMALL_FRAME)
        return;
    h2_large_give(s->large);
    s->large = NULL;
}

/* A large block, if there is one: also the last one, since nghttp2 may have taken another while the write was gathered.
 */
static bool enlarge(struct h2_session *s)
{
    if (!s->large)
        s->large = h2_large_take();
    return s->large != NULL;
}

bool h2_session_keep(struct h2_session *s, const struct gather *g, size_t taken)
{
    size_t rest = g->total - taken;

    s->unsent_at = 0;
    s->unsent_end = 0;
    if (rest > s->rest_size && (rest > H2_LARGE || !enlarge(s)))
        return false;
    if (rest > 0) {
        s->unsent = rest > s->rest_size ? s->large : s->rest;
        s->unsent_end = (uint32_t)gather_rest(g, taken, s->unsent, rest);
    }
    h2_block_close();
    h2_mem_trim(&s->mem);
    relieve(s);
    return true;
}

struct text h2_session_unsent(const struct h2_session *s)
{
    if (s->unsent_at == s->unsent_end)
        return TEXT("");
    return text_make(s->unsent + s->unsent_at, s->unsent_end - s->unsent_at);
}

void h2_session_sent(struct h2_session *s, size_t n)
{
    s->unsent_at += (uint32_t)n;
    relieve(s);
}

bool h2_session_wants_write(const struct h2_session *s)
{
    return s->unsent_at < s->unsent_end || s->preface || nghttp2_session_want_write(s->ng) != 0;
}

bool h2_session_over(const struct h2_session *s)
{
    return !nghttp2_session_want_read(s->ng) && !h2_session_wants_write(s);
}

/* ---- room ---- */

/* Kept free beside open streams: for frames of control and what a received field needs while it is decoded. Half of it
   may be used for what is told of streams before the next write. */
#define RESERVE 1536
/* What the table for compression takes at most when a head of so many fields and bytes is sent: an entry and two
   strings, each with their heads, for a field; in all, some four times of what counts as the table's size (RFC
   7541 4.1). */
#define ENTRY_COST 176
static size_t table_growth(const struct h2_session *s, size_t fields, size_t bytes)
{
    size_t used = nghttp2_session_get_hd_deflate_dynamic_table_size(s->ng);
    size_t left = used < CONFIG_H2_TABLE ? CONFIG_H2_TABLE - used : 0;

    return min_size(fields * ENTRY_COST + min_size(bytes, left), 4 * left);
}

/* Makes sure of memory for a head of `bytes` bytes, of which nghttp2 copies `copied`, for `growth` of the compression
   table, and for `more`: the array of fields, and for what goes on in CONTINUATION frames more blocks. */
static bool reserve_head(struct h2_session *s, size_t fields, size_t bytes, size_t copied, size_t more)
{
    size_t copy = (fields + 5) * sizeof(nghttp2_nv) + copied;
    size_t larges = h2_mem_larges(copy) + bytes / 16384;

    if (larges > 0 && h2_large_left() <= larges)
        return false;
    more += s->promised;
    if (h2_mem_larges(copy))
        return h2_mem_reserve(&s->mem, more);
    return h2_mem_reserve(&s->mem, more + copy) && h2_mem_has_piece(&s->mem, copy);
}

bool h2_session_has_room(struct h2_session *s, uint32_t streams, size_t fields, size_t bytes)
{
    return reserve_head(s, fields, bytes, 0,
                        RESERVE + H2_STREAM_COST + (size_t)(streams / 2) * H2_FRAME_COST +
                            table_growth(s, fields, bytes));
}

size_t h2_session_burst(struct h2_session *s)
{
    size_t kept = RESERVE + s->promised + H2_STREAM_COST;
    size_t room;

    if (!h2_mem_reserve(&s->mem, kept + (size_t)2 * H2_STREAM_COST)) {
        room = h2_mem_room(&s->mem);
        return room > kept ? room - kept : 0;
    }
    return h2_mem_room(&s->mem) - kept;
}

bool h2_session_takes_news(struct h2_session *s)
{
    return h2_mem_reserve(&s->mem, RESERVE / 2 + s->promised) || !nghttp2_session_want_write(s->ng);
}

/* Whether a frame of so many bytes can be kept. */
static bool takes_frame(struct h2_session *s, uint32_t frame)
{
    return frame <= s->frame_most || frame <= s->rest_size - SMALL_FRAME || (large_is_free(s) && enlarge(s));
}

/* Makes sure that these header blocks, which have at most `bytes`, can be sent, and that each of their frames can be
   kept. What they take when they are sent is promised until then. */
static bool takes_heads(struct h2_session *s, uint32_t blocks, size_t fields, size_t bytes, size_t copied)
{
    size_t promise = (size_t)blocks * H2_FRAME_COST + table_growth(s, fields, bytes);
    uint32_t frame = (uint32_t)min_size(bytes + 2 * fields + SMALL_FRAME, H2_FRAME_MOST);

    if (!takes_frame(s, frame))
        return false;
    if (!reserve_head(s, fields, bytes, copied, promise + H2_FRAME_COST) &&
        !(h2_mem_reserve(&s->mem, promise + H2_FRAME_COST + s->promised) && h2_mem_want_large(&s->mem, copied)))
        return false;
    s->heads += blocks;
    s->promised += (uint32_t)promise;
    if (frame > s->frame_most) {
        s->frame_most = frame;
        s->most = (uint32_t)min_size(s->most, gather_most(s));
    }
    return true;
}

/* Trailers are not counted: h2_session_takes_trailers is asked for them when the body ends. */
bool h2_session_takes_head(struct h2_session *s, const struct head *head)
{
    uint32_t blocks = 0;

    for (unsigned i = head->section_sent; i < head->section_count; i++)
        blocks += head->sections[i].kind != SECTION_TRAILERS;
    return blocks == 0 || takes_heads(s, blocks, head->field_count, head->used, head->used);
}

bool h2_session_takes_trailers(struct h2_session *s, const struct head *head, const struct section *trailers)
{
    size_t bytes = 0;

    HEAD_EACH(f, head, trailers)
    bytes += (size_t)f->name.len + f->value.len + 6;
    return takes_heads(s, 1, trailers->count, bytes, bytes);
}

size_t h2_session_memory(const struct h2_session *s)
{
    return h2_mem_used(&s->mem);
}
