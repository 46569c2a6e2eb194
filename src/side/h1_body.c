/* The bodies of clients' requests: lengths, chunks, trailers, and the bytes of a tunnel. */
#include "base/log.h"
#include "side/h1_conn.h"

#include <string.h>

void h1_body_refuse(struct h1_conn *c, enum h1_reason reason)
{
    const struct h1_refusal *refusal = h1_refusal(reason);

    c->input = H1_REFUSED;
    log_info("h1", "refused: %s (%s)", refusal->word, refusal->section);
    exchange_refuse(c->ex, CAUSE_BAD_REQUEST, refusal->status, refusal->word);
}

static void end_of_request(struct h1_conn *c, struct section *trailers)
{
    c->input = H1_READ;
    timer_cancel(&c->read_timer);
    exchange_pushed_end(c->ex, &c->ex->request, trailers);
}

/* Whether n more body bytes are within LimitRequestBody; refuses the request otherwise. */
static bool within_limit(struct h1_conn *c, size_t n)
{
    uint64_t limit = c->ex->body_limit;

    if (limit == 0 || n <= limit - c->ex->request.received)
        return true;
    c->input = H1_REFUSED;
    exchange_refuse(c->ex, CAUSE_BODY_LARGE, 413, cause_info(CAUSE_BODY_LARGE)->word);
    return false;
}

/* A body that has filled its pipe once may hold more, up to what one read can take. */
static void grow(struct message *m)
{
    if (m->received >= m->pipe.limit && m->pipe.limit < CONFIG_INPUT_SIZE && pipe_plenty())
        pipe_borrow(&m->pipe, m->pipe.limit);
}

void h1_body_push(struct h1_conn *c, const uint8_t *bytes, size_t n)
{
    struct message *m = &c->ex->request;

    if (n == 0)
        return;
    pipe_write(&m->pipe, bytes, n);
    exchange_pushed(c->ex, m, n);
    grow(m);
}

static size_t take_length(struct h1_conn *c, const uint8_t *bytes, size_t len)
{
    size_t n = len < c->body_left ? len : (size_t)c->body_left;

    h1_body_push(c, bytes, n);
    c->body_left -= n;
    if (c->body_left == 0)
        end_of_request(c, NULL);
    return n;
}

/* Takes chunked bytes up to the last chunk's line. */
static size_t take_chunks(struct h1_conn *c, const uint8_t *bytes, size_t len)
{
    size_t at = 0;

    while (at < len && c->input == H1_BODY) {
        size_t consumed;
        size_t data;
        enum h1_reason reason = h1_decode_chunks(&c->chunks, bytes + at, len - at, &consumed, &data);

        if (reason != H1_OK) {
            h1_body_refuse(c, reason);
            return len;
        }
        at += consumed;
        if (!within_limit(c, data))
            return len;
        h1_body_push(c, bytes + at - data, data);
        if (c->chunks.state == H1_CHUNK_TRAILERS) {
            c->input = H1_TRAILERS;
            c->trailers_at = c->ex->request.head.used;
            c->trailers_end = c->trailers_at;
            memset(&c->parser, 0, sizeof(c->parser));
        }
    }
    return at;
}

/* Keeps bytes behind the message in the head's storage. */
static enum h1_reason keep(struct message *m, const uint8_t *bytes, size_t len)
{
    struct head *head = &m->head;

    exchange_make_room(m, len);
    if (len > head->cap - head->used)
        return exchange_may_grow(m) ? H1_NO_ROOM : H1_HEAD_LARGE;
    memmove(head->text + head->used, bytes, len);
    head->used += (uint32_t)len;
    return H1_OK;
}

/* Parses the trailer section in head.text[trailers_at, trailers_end). H1_PARTIAL: more is to come. */
static enum h1_reason parse_trailers(struct h1_conn *c)
{
    struct head *head = &c->ex->request.head;
    size_t consumed;
    enum h1_reason reason = h1_parse_trailers(&c->parser, head, c->trailers_at, c->trailers_end - c->trailers_at,
                                              &h1_front_settings()->limits, &consumed);

    if (reason == H1_HEAD_LARGE && exchange_may_grow(&c->ex->request))
        reason = exchange_grow(&c->ex->request) ? H1_PARTIAL : H1_NO_ROOM;
    if (reason == H1_OK) {
        c->rest_at = c->trailers_at + (uint32_t)consumed;
        c->rest_end = c->trailers_end;
        end_of_request(c, head_last(head));
    } else if (reason != H1_PARTIAL) {
        h1_body_refuse(c, reason);
    }
    return reason;
}

void h1_body_trailers(struct h1_conn *c, const uint8_t *bytes, size_t len)
{
    struct head *head = &c->ex->request.head;

    enum h1_reason reason = keep(&c->ex->request, bytes, len);

    if (reason != H1_OK) {
        h1_body_refuse(c, reason);
        return;
    }
    c->trailers_end = head->used;
    (void)parse_trailers(c);
}

/* Trailers came with the request's first bytes: they are parsed where they stand. When more is to come, they move
   behind all that is stored. */
static void take_first_trailers(struct h1_conn *c, uint32_t at, uint32_t end)
{
    struct head *head = &c->ex->request.head;

    c->trailers_at = at;
    c->trailers_end = end;
    if (parse_trailers(c) != H1_PARTIAL)
        return;
    head_drop_trailers(head);
    memset(&c->parser, 0, sizeof(c->parser));
    c->trailers_at = head->used;
    c->trailers_end = head->used;
    h1_body_trailers(c, (const uint8_t *)head->text + at, end - at);
}

void h1_body_take(struct h1_conn *c, const uint8_t *bytes, size_t len)
{
    size_t n = c->chunked ? take_chunks(c, bytes, len) : take_length(c, bytes, len);

    if (c->input == H1_TRAILERS)
        h1_body_trailers(c, bytes + n, len - n);
    /* Not before: what was read was read for the room that there was. */
    if (c->input == H1_BODY && c->ex && !pipe_plenty())
        pipe_give_back(&c->ex->request.pipe, c->ex->request.pipe.limit, 0);
}

void h1_body_first(struct h1_conn *c, uint32_t from)
{
    const uint8_t *bytes = (const uint8_t *)c->ex->request.head.text;
    uint32_t end = c->rest_end;
    size_t n;

    if (from == end)
        return;
    n = c->chunked ? take_chunks(c, bytes + from, end - from) : take_length(c, bytes + from, end - from);
    if (c->input == H1_TRAILERS)
        take_first_trailers(c, from + (uint32_t)n, end);
    else if (c->input == H1_READ)
        c->rest_at = from + (uint32_t)n;
}

void h1_body_tunnel(struct h1_conn *c)
{
    const struct head *head = &c->ex->request.head;
    uint32_t at = c->rest_at;
    uint32_t end = c->rest_end;

    c->input = H1_TUNNEL;
    c->closing = true;
    c->rest_at = end;
    h1_body_push(c, (const uint8_t *)head->text + at, end - at); /* at most HEAD_READ bytes: the pipe is empty */
    if (c->eof)
        exchange_pushed_end(c->ex, &c->ex->request, NULL);
}
