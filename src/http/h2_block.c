/* Header blocks for nghttp2 out of heads. */
#include "http/h2_session.h"

/* Pieces of cookies beyond one for each field. */
#define H2_CRUMBS 64

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

/* Splits a cookie at "; " while the block has room for crumbs beyond one for each field. More white space around a pair
   than that would make its crumb malformed (RFC 9113 8.2.1). */
static size_t put_cookie(size_t at, struct text value, unsigned kept, size_t *crumbs)
{
    for (;;) {
        size_t end = text_find(value, ';', 0);
        bool split = *crumbs < H2_CRUMBS && end + 2 < value.len && value.ptr[end + 1] == ' ';

        block[at++] = nv_of(field_name(FIELD_COOKIE), text_trim(split ? text_first(value, end) : value),
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

size_t h2_session_request_fields(const struct head *head)
{
    size_t crumbs = 0;

    HEAD_EACH(f, head, &head->sections[0])
    {
        struct text value = field_value_of(head, f);

        while (f->id == FIELD_COOKIE && crumbs < H2_CRUMBS && value.len > 0) {
            value = text_skip(value, text_find(value, ';', 0) + 1);
            crumbs += value.len > 0;
        }
    }
    return head->field_count + crumbs;
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
