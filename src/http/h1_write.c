/* Writes response heads and the end of chunked bodies as HTTP/1.1 (RFC 9112). */
#include "http/h1.h"

#include <string.h>

/* A place to write: bytes go to `at` as long as they fit before `end`; then `at` is NULL and stays so. */
struct writer {
    char *at;
    char *end;
};

static struct writer writer_begin(const struct textbuf *b)
{
    if (b->full || b->len == b->cap)
        return (struct writer){NULL, NULL};
    return (struct writer){b->ptr + b->len, b->ptr + b->cap};
}

/* All that was written counts, or nothing. */
static void writer_end(const struct writer *w, struct textbuf *b)
{
    if (w->at == NULL)
        b->full = true;
    else
        b->len = (size_t)(w->at - b->ptr);
}

static inline void put(struct writer *w, const char *bytes, size_t len)
{
    if (w->at == NULL || len > (size_t)(w->end - w->at)) {
        w->at = NULL;
        return;
    }
    if (len > 0)
        memcpy(w->at, bytes, len);
    w->at += len;
}

static inline void put_text(struct writer *w, struct text t)
{
    put(w, t.ptr, t.len);
}

/* Whether the field stands in the text as "name: value" CR LF, so that it can be copied as it is. */
static inline bool is_line(const struct head *head, const struct field *f)
{
    const char *colon = head->text + f->name.at + f->name.len, *end = head->text + f->value.at + f->value.len;

    return f->value.at == f->name.at + f->name.len + 2 && (uint32_t)(f->value.at + f->value.len) + 2 <= head->used &&
           colon[0] == ':' && colon[1] == ' ' && end[0] == '\r' && end[1] == '\n';
}

/* The fields of a section. Neighbours that stand behind one another as lines are copied together: a head that the proxy
   did not change is one memcpy. */
static void put_fields(struct writer *w, const struct head *head, const struct section *section)
{
    const struct field *f = &head->fields[section->first];
    const char *run = head->text;
    size_t len = 0;

    for (const struct field *end = f + section->count; f != end; f++) {
        if (f->dropped)
            continue;
        if (!is_line(head, f)) {
            put(w, run, len);
            len = 0;
            put_text(w, field_name_of(head, f));
            put(w, ": ", 2);
            put_text(w, field_value_of(head, f));
            put(w, "\r\n", 2);
            continue;
        }
        if (run + len != head->text + f->name.at) {
            put(w, run, len);
            run = head->text + f->name.at;
            len = 0;
        }
        len += (size_t)f->name.len + f->value.len + 4;
    }
    put(w, run, len);
}

/* status-line = HTTP-version SP status-code SP [ reason-phrase ] CRLF (RFC 9112 4) */
static void put_status_line(struct writer *w, unsigned status)
{
    char line[] = "HTTP/1.1 000 ";

    line[9] = (char)('0' + status / 100 % 10);
    line[10] = (char)('0' + status / 10 % 10);
    line[11] = (char)('0' + status % 10);
    put(w, line, sizeof(line) - 1);
    put_text(w, h1_reason_phrase(status));
    put(w, "\r\n", 2);
}

void h1_write_head(struct textbuf *b, const struct head *head, const struct section *section, unsigned minor,
                   enum h1_framing framing, bool close)
{
    struct writer w = writer_begin(b);

    put_status_line(&w, section->status);
    put_fields(&w, head, section);
    if (framing == H1_FRAME_CHUNKED)
        put_text(&w, TEXT("transfer-encoding: chunked\r\n"));
    if (section->kind != SECTION_INTERIM) {
        if (close)
            put_text(&w, TEXT("connection: close\r\n"));
        else if (minor == 0)
            put_text(&w, TEXT("connection: keep-alive\r\n"));
    }
    put(&w, "\r\n", 2);
    writer_end(&w, b);
}

void h1_write_last_chunk(struct textbuf *b, const struct head *head, const struct section *trailers)
{
    struct writer w = writer_begin(b);

    put(&w, "0\r\n", 3);
    if (trailers != NULL)
        put_fields(&w, head, trailers);
    put(&w, "\r\n", 2);
    writer_end(&w, b);
}
