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

#define H2_CRUMBS 64

struct h2_back_lease {
    alignas(ARENA_ALIGN) uint8_t arena[H2_BACK_ARENA];
    uint8_t unsent[H2_BACK_LEASE - H2_BACK_ARENA];
};
POOL(h2_back_lease, struct h2_back_lease, CONFIG_BACKEND_CONNS);

struct h2_front_lease {
    alignas(ARENA_ALIGN) uint8_t arena[H2_FRONT_ARENA];
    uint8_t unsent[H2_FRONT_LEASE - H2_FRONT_ARENA];
};
POOL(h2_front_lease, struct h2_front_lease, CONFIG_H2_CLIENTS);

static alignas(ARENA_ALIGN) uint8_t shared_storage[H2_SHARED_ARENA];
static struct arena *shared_arena;
static nghttp2_option *options;

/* ---- memory ---- */

static void *mem_alloc(size_t size, void *arena)
{
    return arena_alloc(arena, size);
}

static void mem_free(void *ptr, void *arena)
{
    arena_free(arena, ptr);
}

static void *mem_calloc(size_t count, size_t size, void *arena)
{
    return arena_calloc(arena, count, size);
}

static void *mem_realloc(void *ptr, size_t size, void *arena)
{
    return arena_realloc(arena, ptr, size);
}

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

static struct h2_session h2_session_of(struct pool *pool, size_t arena_size, uint32_t output)
{
    struct h2_session s = {.pool = pool, .output = output, .lease = pool_take(pool)};

    if (!s.lease)
        return (struct h2_session){0};
    s.arena = arena_init(s.lease, arena_size, "h2");
    s.unsent = (uint8_t *)s.lease + arena_size;
    return s;
}

static nghttp2_mem mem_of(struct arena *arena)
{
    return (nghttp2_mem){arena, mem_alloc, mem_free, mem_calloc, mem_realloc};
}

bool h2_session_open_client(struct h2_session *s, const nghttp2_session_callbacks *callbacks, void *user)
{
    nghttp2_mem mem;

    *s = h2_session_of(&h2_back_lease_pool, H2_BACK_ARENA, CONFIG_OUTPUT_SIZE);
    if (!s->lease)
        return false;
    mem = mem_of(s->arena);
    if (nghttp2_session_client_new3(&s->ng, callbacks, user, options, &mem) == 0)
        return true;
    h2_session_close(s);
    return false;
}

bool h2_session_open_server(struct h2_session *s, const nghttp2_session_callbacks *callbacks, void *user)
{
    nghttp2_mem mem;

    *s = h2_session_of(&h2_front_lease_pool, H2_FRONT_ARENA, CONFIG_H2_FRONT_OUTPUT);
    if (!s->lease)
        return false;
    mem = mem_of(s->arena);
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
    pool_give(s->pool, s->lease);
    *s = (struct h2_session){0};
}

/* ---- bytes ---- */

bool h2_session_feed(struct h2_session *s, const uint8_t *bytes, size_t len)
{
    ssize_t n = nghttp2_session_mem_recv(s->ng, bytes, len);

    if (n < 0)
        log_info("h2", "receiving: %s", nghttp2_strerror((int)n));
    return n >= 0;
}

bool h2_session_pull(struct h2_session *s, struct gather *g)
{
    while (g->total < s->output && gather_segments(g) > 1) {
        const uint8_t *frame;
        ssize_t n = nghttp2_session_mem_send(s->ng, &frame);

        if (n < 0) {
            log_info("h2", "sending: %s", nghttp2_strerror((int)n));
            return false;
        }
        if (n == 0)
            return true;
        if (!gather_put(g, frame, (size_t)n))
            return gather_ref(g, frame, (size_t)n); /* good until the session is called again */
    }
    return true;
}

void h2_session_keep(struct h2_session *s, const struct gather *g, size_t taken)
{
    s->unsent_at = 0;
    s->unsent_end = (uint32_t)gather_rest(g, taken, s->unsent, s->output + H2_FRAME_MOST);
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
}

bool h2_session_wants_write(const struct h2_session *s)
{
    return s->unsent_at < s->unsent_end || nghttp2_session_want_write(s->ng) != 0;
}

bool h2_session_over(const struct h2_session *s)
{
    return !nghttp2_session_want_read(s->ng) && !h2_session_wants_write(s);
}

/* What a head takes on its way out: the fields' copies, their entries in the compression table, and for what goes on in
   CONTINUATION frames more frame buffers than the one of 16,394 bytes that every session has. */
static size_t head_cost(size_t bytes)
{
    return CONFIG_HEAD_FIELDS * sizeof(nghttp2_nv) + 2 * bytes + bytes / 16384 * 16416;
}

/* Kept free beside open streams: for a head, frames of control and what a received field needs while it is decoded. */
#define RESERVE 4096

bool h2_session_has_room(const struct h2_session *s, size_t bytes)
{
    return arena_room(s->arena) >= RESERVE + CONFIG_H2_ARENA_STREAM + head_cost(bytes);
}

bool h2_session_takes_head(const struct h2_session *s, size_t bytes)
{
    return arena_room(s->arena) >= head_cost(bytes);
}

size_t h2_session_memory(const struct h2_session *s)
{
    struct arena_stats stats = {0};

    if (s->lease)
        arena_stats(s->arena, &stats);
    return stats.used;
}

/* ---- header blocks ---- */

static nghttp2_nv block[5 + CONFIG_HEAD_FIELDS + H2_CRUMBS];

/* What nghttp2 need not copy, since it outlives the frame. */
#define KEPT_NAME NGHTTP2_NV_FLAG_NO_COPY_NAME
#define KEPT_LINE (NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE)

/* flags: of nghttp2; without KEPT_NAME it makes the copy of the name lower case. */
static nghttp2_nv nv_of(struct text name, struct text value, unsigned flags)
{
    union {
        const char *text;
        uint8_t *bytes; /* nghttp2 does not write to them */
    } n = {.text = name.ptr}, v = {.text = value.ptr};

    return (nghttp2_nv){n.bytes, v.bytes, name.len, value.len, (uint8_t)flags};
}

/* Splits a cookie at "; " while the block has room for crumbs beyond one for each field. */
static size_t put_cookie(size_t at, struct text value, unsigned kept, size_t *crumbs)
{
    for (;;) {
        size_t end = text_find(value, ';', 0);
        bool split = *crumbs < H2_CRUMBS && end + 2 < value.len && value.ptr[end + 1] == ' ';

        block[at++] = nv_of(field_name(FIELD_COOKIE), split ? text_first(value, end) : value,
                            kept | KEPT_NAME | NGHTTP2_NV_FLAG_NO_INDEX); /* RFC 7541 7.1.3 */
        if (!split)
            return at;
        value = text_skip(value, end + 2);
        (*crumbs)++;
    }
}

/* kept: KEPT_LINE when the head outlives the frame, else 0. */
static size_t put_fields(size_t at, const struct head *head, const struct section *section, unsigned kept)
{
    size_t crumbs = 0;

    HEAD_EACH(f, head, section)
    {
        struct text value = field_value_of(head, f);

        if (f->id == FIELD_COOKIE)
            at = put_cookie(at, value, kept, &crumbs);
        else if (f->id == FIELD_OTHER)
            block[at++] = nv_of(field_name_of(head, f), value, kept);
        else
            block[at++] = nv_of(field_name((enum field_id)f->id), value,
                                kept | KEPT_NAME | (f->id == FIELD_AUTHORIZATION ? NGHTTP2_NV_FLAG_NO_INDEX : 0U));
    }
    return at;
}

nghttp2_nv *h2_session_request_block(const struct head *head, size_t *count)
{
    block[0] = nv_of(TEXT(":method"), head_text(head, head->method), KEPT_LINE);
    block[1] = nv_of(TEXT(":scheme"), head_text(head, head->scheme), KEPT_LINE);
    block[2] = nv_of(TEXT(":authority"), head_text(head, head->authority), KEPT_LINE);
    block[3] = nv_of(TEXT(":path"), head_text(head, head->path), KEPT_LINE);
    if (head->protocol.len == 0) {
        *count = put_fields(4, head, &head->sections[0], KEPT_LINE);
        return block;
    }
    block[4] = nv_of(TEXT(":protocol"), head_text(head, head->protocol), KEPT_LINE);
    *count = put_fields(5, head, &head->sections[0], KEPT_LINE);
    return block;
}

nghttp2_nv *h2_session_response_block(const struct head *head, const struct section *section, size_t *count)
{
    static char status[4];
    struct textbuf b;

    textbuf_init(&b, status, sizeof(status));
    textbuf_put_u64(&b, section->status);
    block[0] = nv_of(TEXT(":status"), textbuf_text(&b), KEPT_NAME);
    *count = put_fields(1, head, section, 0);
    return block;
}

nghttp2_nv *h2_session_trailer_block(const struct head *head, const struct section *trailers, size_t *count)
{
    *count = put_fields(0, head, trailers, 0);
    return block;
}
