/* Origins: the answers that a request's query asks for. */
#include "sim_origin_conn.h"

#include <stdio.h>

/* ---- the plan ---- */

static unsigned plan_index(char letter)
{
    return letter >= 'a' ? (unsigned)(letter - 'a') : 26 + (unsigned)(letter - 'A');
}

uint64_t plan_get(const struct plan *plan, char letter, uint64_t otherwise)
{
    unsigned i = plan_index(letter);

    return (plan->given >> i & 1) != 0 ? plan->value[i] : otherwise;
}

bool plan_has(const struct plan *plan, char letter)
{
    return (plan->given >> plan_index(letter) & 1) != 0;
}

void plan_read(struct plan *plan, struct text query)
{
    struct text part;

    while (text_split(&query, '&', &part)) {
        unsigned i;

        if (part.len < 3 || part.ptr[1] != '=')
            continue;
        i = plan_index(part.ptr[0]);
        if (i < 52 && text_to_u64(text_skip(part, 2), UINT64_MAX / 2, &plan->value[i]))
            plan->given |= 1ull << i;
    }
}

/* ---- answering ---- */

static nghttp2_nv field(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name), strlen(value),
                        NGHTTP2_NV_FLAG_NONE};
}

void stream_rst(struct origin_stream *s, uint32_t code)
{
    if (code == NGHTTP2_REFUSED_STREAM)
        origin_refused(s);
    nghttp2_submit_rst_stream(s->conn->session, NGHTTP2_FLAG_NONE, s->stream, code);
    s->state = STREAM_OVER;
    sim_progress();
}

/* Where the body ends: all of it is there, but of an echo. */
static uint64_t body_whole(const struct origin_stream *s)
{
    uint64_t end = plan_get(&s->plan, 'E', UINT64_MAX);

    if (!s->echoes)
        return plan_get(&s->plan, 'n', 0);
    return s->body_said < end ? s->body_said : end;
}

/* How much of it is there. */
static uint64_t body_there(const struct origin_stream *s)
{
    uint64_t whole = body_whole(s);

    return s->echoes && s->body < whole ? s->body : whole;
}

/* How many body bytes may go now; 0: not before s->at. */
static size_t body_room(struct origin_stream *s, size_t most)
{
    uint64_t piece = plan_get(&s->plan, 'p', 0);
    uint64_t stop = body_there(s);

    if (plan_has(&s->plan, 'r') && plan_get(&s->plan, 'r', 0) < stop)
        stop = plan_get(&s->plan, 'r', 0);
    if (plan_has(&s->plan, 'x') && plan_get(&s->plan, 'x', 0) < stop)
        stop = plan_get(&s->plan, 'x', 0);
    if (stop - s->sent < most)
        most = (size_t)(stop - s->sent);
    if (piece > 0 && piece - s->in_piece < most)
        most = (size_t)(piece - s->in_piece);
    return most;
}

/* All body bytes are out, and nothing else is to happen there. */
static bool body_ends(const struct origin_stream *s)
{
    if (s->sent != body_there(s) || plan_has(&s->plan, 'r') || plan_has(&s->plan, 'x'))
        return false;
    return !s->echoes || s->ended || s->sent == plan_get(&s->plan, 'E', UINT64_MAX);
}

static void submit_trailers(const struct origin_stream *s)
{
    struct bytes long_one = {NULL, 0, 0};
    nghttp2_nv trailers[3] = {field("x-trailer", "yes"), field("x-check", "42")};
    size_t count = 2;

    for (uint64_t i = 0; i < plan_get(&s->plan, 'T', 0); i++)
        bytes_put(&long_one, "t", 1);
    if (long_one.len > 0) {
        bytes_put(&long_one, "", 1);
        trailers[count++] = field("x-long", (const char *)long_one.ptr);
    }
    nghttp2_submit_trailer(s->conn->session, s->stream, trailers, count);
    sim_free(long_one.ptr);
}

static ssize_t on_body(nghttp2_session *session, int32_t stream, uint8_t *buf, size_t cap, uint32_t *flags,
                       nghttp2_data_source *source, void *user)
{
    struct origin_stream *s = source->ptr;
    uint64_t piece = plan_get(&s->plan, 'p', 0);
    size_t n;

    (void)session;
    (void)stream;
    (void)user;
    if (sim_now() < s->at) {
        s->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    n = body_room(s, cap);
    body_fill(s->id, s->sent, buf, n);
    s->sent += n;
    s->in_piece += n;
    if (piece > 0 && s->in_piece == piece) {
        s->in_piece = 0;
        s->at = sim_now() + plan_get(&s->plan, 'q', 0);
    }
    if (body_ends(s) && (sim_now() >= s->at || !plan_has(&s->plan, 'T'))) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (s->trailers_due) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            submit_trailers(s);
        }
        return (ssize_t)n;
    }
    if (n == 0) {
        s->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    return (ssize_t)n;
}

static void submit_interim(struct origin_stream *s, const nghttp2_nv *fields, size_t count)
{
    nghttp2_submit_headers(s->conn->session, NGHTTP2_FLAG_NONE, s->stream, NULL, fields, count, NULL);
    sim_progress();
}

void stream_continue(struct origin_stream *s)
{
    const nghttp2_nv go_on[] = {field(":status", "100")};

    submit_interim(s, go_on, ARRAY_SIZE(go_on));
}

static bool has_body(const struct origin_stream *s, uint64_t status)
{
    return !s->head_only && status != 204 && status != 304;
}

static void answer(struct origin_stream *s)
{
    char status[24], id[24], size[24], length[24], urgency[24];
    uint64_t n;
    uint64_t code = plan_get(&s->plan, 's', 200);
    struct bytes huge = {NULL, 0, 0};
    nghttp2_nv fields[8];
    nghttp2_data_provider provider = {{.ptr = s}, on_body};
    size_t count = 0;
    bool body = has_body(s, code);
    bool has_length;
    uint64_t said;

    s->echoes = s->tunnel && code / 100 == 2;
    has_length = plan_get(&s->plan, 'l', 1) != 0 && code != 204 && !s->echoes;
    n = body_whole(s);
    said = has_length ? plan_get(&s->plan, 'L', n) : n;
    snprintf(status, sizeof(status), "%llu", (unsigned long long)code);
    snprintf(id, sizeof(id), "%u", s->id);
    /* What is promised is what a client can know. */
    snprintf(size, sizeof(size), "%llu", (unsigned long long)(body || s->head_only ? min_size(n, said) : 0));
    snprintf(length, sizeof(length), "%llu", (unsigned long long)said);
    fields[count++] = field(":status", status);
    fields[count++] = field("x-id", id);
    fields[count++] = field("x-size", size);
    if (has_length)
        fields[count++] = field("content-length", length);
    for (uint64_t i = 0; i < plan_get(&s->plan, 'h', 0); i++)
        bytes_put(&huge, "h", 1);
    if (huge.len > 0) {
        bytes_put(&huge, "", 1);
        fields[count++] = field("x-huge", (const char *)huge.ptr);
    }
    if (plan_has(&s->plan, 'y')) {
        snprintf(urgency, sizeof(urgency), "u=%u", (unsigned)plan_get(&s->plan, 'y', 0));
        fields[count++] = field("priority", urgency);
    }
    s->trailers_due = (plan_get(&s->plan, 't', 0) != 0 || plan_has(&s->plan, 'T')) && body && !s->echoes;
    if (n == 0 && !s->echoes && !s->trailers_due && !plan_has(&s->plan, 'r') && !plan_has(&s->plan, 'x'))
        body = false;
    s->state = STREAM_ANSWERS;
    s->at = sim_now() + plan_get(&s->plan, 'b', 0);
    if (nghttp2_submit_response(s->conn->session, s->stream, fields, count, body ? &provider : NULL) != 0)
        sim_abort("an origin cannot answer");
    sim_free(huge.ptr);
    sim_progress();
}

/* The request is there, or enough of it: what does the plan say? */
void stream_begin(struct origin_stream *s)
{
    const nghttp2_nv early[] = {field(":status", "103"), field("link", "</style.css>; rel=preload")};

    s->state = STREAM_DELAY;
    s->at = sim_now() + plan_get(&s->plan, 'd', 0);
    if (plan_has(&s->plan, 'z'))
        s->at = SIM_NEVER;
    for (uint64_t i = 0; i < plan_get(&s->plan, 'i', 0); i++)
        submit_interim(s, early, ARRAY_SIZE(early));
}

/* How many body bytes of the request may be taken. */
static uint64_t body_to_take(const struct origin_stream *s)
{
    uint64_t taken = s->body - s->unconsumed;

    if (!s->tunnel || s->sent == plan_get(&s->plan, 'E', UINT64_MAX))
        return s->unconsumed;
    return s->sent - taken;
}

/* Body bytes of the request are taken at the plan's pace. */
static bool stream_consume(struct origin_stream *s)
{
    uint64_t pace = plan_get(&s->plan, 'u', 0);
    size_t n = (size_t)body_to_take(s);

    if (n == 0 || plan_has(&s->plan, 'U') || sim_now() < s->consume_at)
        return false;
    if (pace > 0 && n > pace)
        n = (size_t)pace;
    s->unconsumed -= n;
    s->consume_at = sim_now() + (pace > 0 ? 1 : 0);
    nghttp2_session_consume_stream(s->conn->session, s->stream, n);
    return true;
}

/* The plan's ends of a body that is on its way. */
static bool stream_break(struct origin_stream *s)
{
    const struct plan *plan = &s->plan;

    if (plan_has(plan, 'r') && s->sent >= plan_get(plan, 'r', 0) && s->deferred) {
        stream_rst(s, (uint32_t)plan_get(plan, 'e', NGHTTP2_INTERNAL_ERROR));
        return true;
    }
    if (plan_has(plan, 'x') && s->sent >= plan_get(plan, 'x', 0) && s->deferred &&
        s->conn->out_sent == s->conn->out.len && nghttp2_session_want_write(s->conn->session) == 0) {
        s->conn->close_due = true;
        return true;
    }
    return false;
}

static bool stream_step(struct origin_stream *s)
{
    bool moved;

    if (s->state == STREAM_OVER)
        return false;
    moved = stream_consume(s);
    if (s->state == STREAM_DELAY && sim_now() >= s->at) {
        if (plan_has(&s->plan, 'R'))
            stream_rst(s, (uint32_t)plan_get(&s->plan, 'e', NGHTTP2_INTERNAL_ERROR));
        else
            answer(s);
        return true;
    }
    if (s->state != STREAM_ANSWERS || sim_now() < s->at)
        return moved;
    if (stream_break(s))
        return true;
    if (s->deferred && (body_room(s, 1) > 0 || body_ends(s))) {
        s->deferred = false;
        nghttp2_session_resume_data(s->conn->session, s->stream);
        return true;
    }
    return moved;
}

bool origin_streams_step(struct origin_conn *c)
{
    bool moved = false;

    for (unsigned i = 0; i < c->stream_count; i++)
        moved = stream_step(c->streams[i]) || moved;
    if (c->close_due)
        origin_conn_over(c, false);
    return moved;
}

uint64_t origin_streams_wake(const struct origin_conn *c)
{
    uint64_t wake = SIM_NEVER;

    for (unsigned i = 0; i < c->stream_count; i++) {
        const struct origin_stream *s = c->streams[i];

        if (s->state == STREAM_OVER)
            continue;
        if (s->state != STREAM_REQUEST && s->at > sim_now() && s->at < wake)
            wake = s->at;
        if (body_to_take(s) > 0 && s->consume_at > sim_now() && s->consume_at < wake)
            wake = s->consume_at;
    }
    return wake;
}
