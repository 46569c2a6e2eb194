/* Checks HTTP/2 request heads. */
#include "http/h2_request.h"

#include "http/uri.h"

static enum h1_reason take_pseudo(struct head *head, struct text name, struct text value,
                                  const struct h1_limits *limits)
{
    struct span *span;

    if (text_eq(name, TEXT(":path"))) {
        if (limits->line > 0 && value.len > limits->line)
            return H1_LINE_LONG;
        span = &head->path;
    } else if (text_eq(name, TEXT(":method"))) {
        span = &head->method;
    } else if (text_eq(name, TEXT(":authority"))) {
        span = &head->authority;
    } else if (text_eq(name, TEXT(":scheme"))) {
        span = &head->scheme;
    } else if (text_eq(name, TEXT(":protocol"))) {
        span = &head->protocol;
    } else {
        return H1_OK; /* nghttp2 lets no others through */
    }
    return head_store(head, value, span) ? H1_OK : H1_HEAD_LARGE;
}

enum h1_reason h2_request_field(struct head *head, struct text name, struct text value, const struct h1_limits *limits)
{
    const struct section *section = head_last(head);
    uint32_t most = limits->fields > 0 ? limits->fields : CONFIG_HEAD_FIELDS;

    if (name.len > 0 && name.ptr[0] == ':')
        return take_pseudo(head, name, value, limits);
    if (limits->field > 0 && name.len + value.len > limits->field)
        return H1_FIELD_LONG;
    if (section->count > 0 && head->fields[head->field_count - 1].id == FIELD_COOKIE &&
        text_eq(name, field_name(FIELD_COOKIE)) && head_extend_last(head, TEXT("; "), value))
        return H1_OK;
    if (section->count >= most)
        return H1_FIELDS_MANY;
    return head_add(head, name, value) ? H1_OK : H1_HEAD_LARGE;
}

/* RFC 9113 8.3.1: Host and :authority may not differ; one of them is needed. */
static enum h1_reason check_host(struct head *head, const struct section *section)
{
    struct field *host = head_find(head, section, FIELD_HOST, NULL);
    struct authority authority;

    if (host && head_find(head, section, FIELD_HOST, host))
        return H1_TWO_HOSTS;
    if (head->authority.len == 0) {
        if (!host)
            return H1_NO_HOST;
        head->authority = host->value;
    } else if (host && !text_eq_nocase(field_value_of(head, host), head_text(head, head->authority))) {
        return H1_HOST_MISMATCH;
    }
    if (host)
        host->dropped = true;
    return uri_authority(head_text(head, head->authority), &authority) ? H1_OK : H1_BAD_HOST;
}

static enum h1_reason check_path(const struct head *head)
{
    struct text path = head_text(head, head->path);

    if (head->method_id == METHOD_OPTIONS && text_eq(path, TEXT("*")))
        return H1_OK;
    return uri_origin_form(path) ? H1_OK : H1_BAD_TARGET;
}

enum h1_reason h2_request_interpret(struct head *head, struct h2_request *request)
{
    const struct section *section = &head->sections[0];
    const struct field *f;
    enum h1_reason reason;

    head->method_id = (uint8_t)method_lookup(head_text(head, head->method));
    request->tunnel = IS_ENABLED(CONFIG_WEBSOCKET) && head->method_id == METHOD_CONNECT &&
                      text_eq_nocase(head_text(head, head->protocol), TEXT("websocket"));
    if (head->method_id == METHOD_CONNECT && !request->tunnel)
        return H1_METHOD;
    if (head->method_id == METHOD_TRACE)
        return H1_TRACE;
    reason = check_host(head, section);
    if (reason == H1_OK)
        reason = check_path(head);
    if (reason != H1_OK)
        return reason;
    f = head_find(head, section, FIELD_CONTENT_LENGTH, NULL);
    request->has_length = f && text_to_u64(field_value_of(head, f), UINT64_MAX, &request->length);
    f = head_find(head, section, FIELD_EXPECT, NULL);
    if (f && !text_eq_nocase(field_value_of(head, f), TEXT("100-continue")))
        return H1_EXPECT;
    return H1_OK;
}

bool h2_request_malformed(enum h1_reason reason)
{
    return h1_refusal(reason)->status == 400;
}
