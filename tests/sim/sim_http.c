/* A strict reader of HTTP/1.1 responses. */
#include "sim_http.h"

uint8_t body_byte(uint32_t id, uint64_t at)
{
    uint64_t x = (at + 1) * 0x9e3779b97f4a7c15u + (uint64_t)id * 0xd1342543de82ef95u;

    return (uint8_t)(x >> 37 ^ x >> 21);
}

void body_fill(uint32_t id, uint64_t at, uint8_t *buf, size_t len)
{
    for (size_t i = 0; i < len; i++)
        buf[i] = body_byte(id, at + i);
}

bool body_is(uint32_t id, uint64_t at, const uint8_t *buf, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (buf[i] != body_byte(id, at + i))
            return false;
    return true;
}

struct response *reader_ask(struct reader *r, uint32_t id, bool head_method)
{
    struct response *response;

    r->responses = sim_grow(r->responses, r->asked, sizeof(*r->responses));
    response = &r->responses[r->asked++];
    *response = (struct response){.id = id, .head_method = head_method, .echo = UINT64_MAX};
    return response;
}

static struct response *current(struct reader *r)
{
    return r->at < r->asked ? &r->responses[r->at] : NULL;
}

static void broken(struct reader *r, const char *what)
{
    const struct response *response = current(r);

    if (r->state != READER_DEAD)
        sim_violation("response %u: %s (\"%.*s\")", response != NULL ? response->id : 0, what,
                      (int)min_size(r->line.len, 60), r->line.ptr != NULL ? (const char *)r->line.ptr : "");
    r->state = READER_DEAD;
}

/* A line at a time: true when r->line holds one, without its CRLF. */
static bool take_line(struct reader *r, const uint8_t **bytes, size_t *len)
{
    while (*len > 0) {
        uint8_t byte = *(*bytes)++;

        (*len)--;
        bytes_put(&r->line, &byte, 1);
        if (byte == '\n') {
            if (r->line.len < 2 || r->line.ptr[r->line.len - 2] != '\r') {
                broken(r, "a bare LF");
                return false;
            }
            r->line.len -= 2;
            return true;
        }
        if (r->line.len > 1 << 20) {
            broken(r, "a line without end");
            return false;
        }
    }
    return false;
}

bool response_is_tunnel(const struct response *response)
{
    return response->status == 101 && response->close; /* which is said when the head is complete */
}

void response_check_whole(const struct response *response)
{
    uint64_t whole = response->whole < response->echo ? response->whole : response->echo;

    if (response->from_origin && !response->head_method && response->status != 304 && response->body != whole)
        sim_violation("response %u: ended cleanly with %llu of %llu bytes", response->id,
                      (unsigned long long)response->body, (unsigned long long)whole);
}

static void finish(struct reader *r)
{
    struct response *response = current(r);

    response->complete = true;
    response_check_whole(response);
    r->at++;
    /* A HEAD that was refused before it was read whole may be answered with a body: the proxy cannot know. */
    r->state = response->head_method && response->close && !response->from_origin ? READER_DEAD : READER_LINE;
}

static void read_status(struct reader *r)
{
    struct text line = bytes_text(&r->line);
    struct response *response = current(r);
    uint64_t status = 0;

    if (response == NULL) {
        broken(r, "an answer that nobody asked for");
        return;
    }
    if (!text_starts(line, TEXT("HTTP/1.1 ")) || line.len < 13 || line.ptr[12] != ' ' ||
        !text_to_u64(text_first(text_skip(line, 9), 3), 999, &status) || status < 100) {
        broken(r, "no status line");
        return;
    }
    if (status == 101 && !response->tunnel)
        broken(r, "an upgrade that nobody asked for");
    r->interim = status < 200 && !(status == 101 && response->tunnel);
    r->state = READER_FIELDS;
    if (!r->interim) {
        response->status = (unsigned)status;
        bytes_put(&response->head, line.ptr, line.len);
        bytes_put(&response->head, "\n", 1);
    } else if (response->interim_count < INTERIMS) {
        response->interims[response->interim_count++] = (unsigned)status;
    }
}

struct text response_field(const struct bytes *head, const char *name)
{
    struct text rest = bytes_text(head);
    struct text line;

    while (text_split(&rest, '\n', &line)) {
        size_t colon = text_find(line, ':', 0);

        if (colon < line.len && text_eq_nocase(text_first(line, colon), text_of(name)))
            return text_trim(text_skip(line, colon + 1));
    }
    return (struct text){NULL, 0};
}

/* Whether the response that is being read can have no body, whatever its head says. */
static bool bodiless(const struct response *response)
{
    return response->head_method || response->status == 204 || response->status == 304;
}

/* A field that is a number. What an origin's garbage made of its own fields counts as not there. */
static uint64_t number_field(const struct response *response, const char *name, bool *there)
{
    struct text value = response_field(&response->head, name);
    uint64_t number = 0;

    *there = value.ptr != NULL && text_to_u64(value, UINT64_MAX / 2, &number);
    return number;
}

/* RFC 6455 4.2.2, with the key of its example. */
static void check_upgrade(struct reader *r)
{
    const struct response *response = current(r);

    if (!text_eq_nocase(response_field(&response->head, "upgrade"), TEXT("websocket")) ||
        !text_eq_nocase(response_field(&response->head, "connection"), TEXT("upgrade")) ||
        !text_eq(response_field(&response->head, "sec-websocket-accept"), TEXT("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")) ||
        response->has_length || response->chunked)
        broken(r, "not the answer to a WebSocket's handshake");
}

/* The final head is complete: how is its body framed? */
static void begin_body(struct reader *r)
{
    struct response *response = current(r);
    struct text coding = response_field(&response->head, "transfer-encoding");
    bool there;
    uint64_t id = number_field(response, "x-id", &response->from_origin);

    response->length = number_field(response, "content-length", &response->has_length);
    response->whole = number_field(response, "x-size", &there);
    if (!response->has_length && response_field(&response->head, "content-length").ptr != NULL)
        broken(r, "a Content-Length that is no number");
    response->chunked = coding.ptr != NULL;
    response->close = response->close || text_eq_nocase(response_field(&response->head, "connection"), TEXT("close"));
    if (response->chunked && (response->has_length || !text_eq(coding, TEXT("chunked"))))
        broken(r, "doubtful framing");
    response->from_origin = response->from_origin && there;
    if (response->from_origin && id != response->id)
        broken(r, "the answer to another request");
    if (response->tunnel && response->status / 100 == 2 && response->from_origin)
        broken(r, "a tunnel without 101");
    if (response->status == 101)
        check_upgrade(r);
    else if (response_field(&response->head, "upgrade").ptr != NULL)
        broken(r, "a hop-by-hop field");
    if (response_field(&response->head, "keep-alive").ptr != NULL)
        broken(r, "a hop-by-hop field");
    if (r->state == READER_DEAD)
        return;
    r->left = response->length;
    if (bodiless(response) || (response->has_length && response->length == 0)) {
        finish(r);
    } else if (response->chunked) {
        r->state = READER_SIZE;
    } else if (response->has_length) {
        r->state = READER_LENGTH;
    } else {
        response->close = true;
        r->state = READER_CLOSE;
    }
}

static void read_field(struct reader *r)
{
    struct text line = bytes_text(&r->line);
    struct response *response = current(r);
    size_t colon = text_find(line, ':', 0);
    struct text name = text_first(line, colon);

    if (line.len == 0) {
        if (r->interim)
            r->state = READER_LINE;
        else
            begin_body(r);
        return;
    }
    if (colon == line.len || !text_is_token(name)) {
        broken(r, "no field line");
        return;
    }
    for (size_t i = 0; i < line.len; i++)
        if ((uint8_t)line.ptr[i] < 0x20 && line.ptr[i] != '\t')
            broken(r, "a control byte in a field");
    if (r->interim) {
        if (text_eq_nocase(name, TEXT("content-length")) || text_eq_nocase(name, TEXT("transfer-encoding")))
            broken(r, "an interim answer with a body");
        return;
    }
    if (text_eq_nocase(name, TEXT("content-length")) && response_field(&response->head, "content-length").ptr != NULL)
        broken(r, "two content-lengths");
    bytes_put(&response->head, line.ptr, line.len);
    bytes_put(&response->head, "\n", 1);
}

static void read_size(struct reader *r)
{
    struct text line = bytes_text(&r->line);

    if (!text_hex_to_u64(line, UINT64_MAX / 2, &r->left))
        broken(r, "no chunk size");
    else
        r->state = r->left > 0 ? READER_DATA : READER_TRAILERS;
}

static void read_trailer(struct reader *r)
{
    if (r->line.len == 0) {
        finish(r);
        return;
    }
    bytes_put(&current(r)->trailers, r->line.ptr, r->line.len);
    bytes_put(&current(r)->trailers, "\n", 1);
}

static void read_line(struct reader *r)
{
    switch (r->state) {
    case READER_LINE: read_status(r); break;
    case READER_FIELDS: read_field(r); break;
    case READER_SIZE: read_size(r); break;
    case READER_DATA_END:
        if (r->line.len > 0)
            broken(r, "bytes behind a chunk");
        else
            r->state = READER_SIZE;
        break;
    case READER_TRAILERS: read_trailer(r); break;
    default: break;
    }
    r->line.len = 0;
}

static size_t read_body(struct reader *r, const uint8_t *bytes, size_t len)
{
    struct response *response = current(r);

    if (r->state != READER_CLOSE)
        len = min_size(len, r->left);
    if (response->from_origin && !body_is(response->id, response->body, bytes, len))
        broken(r, "a body that is not the origin's");
    response->body += len;
    r->left -= len;
    if (r->state == READER_LENGTH && r->left == 0)
        finish(r);
    if (r->state == READER_DATA && r->left == 0)
        r->state = READER_DATA_END;
    return len;
}

void reader_feed(struct reader *r, const uint8_t *bytes, size_t len)
{
    while (len > 0 && r->state != READER_DEAD) {
        if (r->state == READER_LENGTH || r->state == READER_DATA || r->state == READER_CLOSE) {
            size_t used = read_body(r, bytes, len);

            bytes += used;
            len -= used;
        } else if (take_line(r, &bytes, &len)) {
            read_line(r);
        }
    }
}

void reader_end(struct reader *r, bool reset)
{
    if (r->state == READER_CLOSE && !reset)
        finish(r);
    r->state = READER_DEAD;
}
