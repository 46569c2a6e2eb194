/* Rewrites a request head for its backend. */
#include "base/addr.h"
#include "proxy/forward_fields.h"

/* What the pass over the fields found. */
struct found {
    field_set seen;
    bool te_trailers;
    struct nominated nominated;
};

/* Looks at each field once: drops what may not go on, notes what is there. False: too many connection options. */
static bool sort_fields(struct head *head, const struct section *section, const struct forward_context *context,
                        struct found *found)
{
    const struct forward_settings *settings = context->settings;

    found->seen = 0;
    found->te_trailers = false;
    forward_nominate_none(&found->nominated);
    HEAD_EACH(f, head, section)
    {
        if (f->id == FIELD_OTHER)
            continue;
        found->seen |= FIELD_BIT(f->id);
        f->dropped = (field_rules(f->id) & FIELD_HOP) != 0;
        switch (f->id) {
        case FIELD_CONNECTION:
            if (!forward_nominate(&found->nominated, field_value_of(head, f)))
                return false;
            break;
        case FIELD_TE:
            found->te_trailers = found->te_trailers || field_list_has(field_value_of(head, f), TEXT("trailers"));
            break;
        /* Host becomes :authority. Proxy-Authorization is for the first proxy that asks for it (RFC 9110 11.7.2). */
        case FIELD_HOST:
        case FIELD_PROXY_AUTHORIZATION: f->dropped = true; break;
        /* Only we know how the client came: what it says of that itself is dropped. */
        case FIELD_X_FORWARDED_PROTO: f->dropped = settings->add_headers; break;
        case FIELD_VIA: f->dropped = settings->via == VIA_BLOCK; break;
        default: break;
        }
    }
    return true;
}

/* The backend's path: the member's, the route's, and what is behind the matched prefix (with the query). */
static void put_path(struct textbuf *b, struct text path, const struct forward_context *context, size_t matched)
{
    struct text rest = text_skip(path, matched);
    size_t start = b->len;

    if (text_eq(path, TEXT("*"))) {
        textbuf_put(b, path);
        return;
    }
    textbuf_put(b, context->member_path);
    textbuf_put(b, context->route->path);
    if (b->len == start && (rest.len == 0 || rest.ptr[0] != '/'))
        textbuf_putc(b, '/');
    textbuf_put(b, rest);
}

/* Whether the client's path is the backend's as it is. */
static bool is_same_path(struct text path, const struct forward_context *context, size_t matched)
{
    return text_eq(path, TEXT("*")) || (context->route->path.len > 0 && context->member_path.len == 0 &&
                                        text_eq(text_first(path, matched), context->route->path));
}

static bool set_path(struct head *head, const struct forward_context *context, size_t matched)
{
    struct text path = head_text(head, head->path);
    struct textbuf b;

    if (is_same_path(path, context, matched))
        return true;
    textbuf_init(&b, head->text + head->used, head->cap - head->used);
    put_path(&b, path, context, matched);
    if (b.full)
        return false;
    head->path = (struct span){(uint16_t)head->used, (uint16_t)b.len};
    head->used += (uint32_t)b.len;
    return true;
}

static struct text authority_for(const struct forward_context *context)
{
    bool keep = context->settings->preserve_host && context->client_authority.len > 0;

    return keep ? context->client_authority : context->backend_authority;
}

static bool set_target(struct head *head, const struct forward_context *context, size_t matched)
{
    struct text authority = authority_for(context);

    if (!set_path(head, context, matched) || !head_store(head, context->backend_scheme, &head->scheme))
        return false;
    return text_eq(head_text(head, head->authority), authority) || head_store(head, authority, &head->authority);
}

void forward_retarget(struct head *head, const struct forward_context *context, struct span path, size_t matched,
                      struct span room)
{
    struct text authority = authority_for(context);
    struct textbuf b;

    textbuf_init(&b, head->text + room.at, room.len);
    put_path(&b, head_text(head, path), context, matched);
    head->path = (struct span){room.at, (uint16_t)b.len};
    head->authority = (struct span){(uint16_t)(room.at + b.len), (uint16_t)authority.len};
    textbuf_put(&b, authority);
    head->scheme = (struct span){(uint16_t)(room.at + b.len), (uint16_t)context->backend_scheme.len};
    textbuf_put(&b, context->backend_scheme);
}

static bool add_for(struct head *head, const struct section *section, const struct forward_context *context, bool seen)
{
    struct forward_line line;

    forward_list_begin(&line, head, section, FIELD_X_FORWARDED_FOR, seen);
    addr_put_node(&line.b, &context->client, false);
    return forward_line_end(&line, head);
}

static bool add_element(struct head *head, const struct section *section, enum field_id id, bool seen,
                        struct text element)
{
    struct forward_line line;

    if (element.len == 0)
        return true;
    forward_list_begin(&line, head, section, id, seen);
    textbuf_put(&line.b, element);
    return forward_line_end(&line, head);
}

/* The host of "host[:port]". */
static struct text host_of(struct text authority)
{
    for (size_t i = authority.len; i > 0 && authority.ptr[i - 1] != ']'; i--)
        if (authority.ptr[i - 1] == ':')
            return text_first(authority, i - 1);
    return authority;
}

static bool add_forwarded(struct head *head, const struct section *section, const struct forward_context *context,
                          bool seen)
{
    struct forward_line line;

    if (!IS_ENABLED(CONFIG_FORWARDED))
        return true;
    forward_list_begin(&line, head, section, FIELD_FORWARDED, seen);
    forwarded_put(&line.b, context);
    return forward_line_end(&line, head);
}

/* ProxyAddHeaders */
static bool add_headers(struct head *head, const struct section *section, const struct forward_context *context,
                        field_set seen)
{
    return add_for(head, section, context, (seen & FIELD_BIT(FIELD_X_FORWARDED_FOR)) != 0) &&
           add_element(head, section, FIELD_X_FORWARDED_HOST, (seen & FIELD_BIT(FIELD_X_FORWARDED_HOST)) != 0,
                       context->client_authority) &&
           add_element(head, section, FIELD_X_FORWARDED_SERVER, (seen & FIELD_BIT(FIELD_X_FORWARDED_SERVER)) != 0,
                       host_of(context->settings->server_name)) &&
           head_add_id(head, FIELD_X_FORWARDED_PROTO, context->client_tls ? TEXT("https") : TEXT("http")) &&
           add_forwarded(head, section, context, (seen & FIELD_BIT(FIELD_FORWARDED)) != 0);
}

bool forward_request(struct head *head, const struct forward_context *context, size_t matched)
{
    const struct section *section = head_last(head);
    struct found found;

    if (!sort_fields(head, section, context, &found))
        return false;
    forward_drop_nominated(head, section, &found.nominated);
    if (!set_target(head, context, matched))
        return false;
    if (found.te_trailers && !head_add_id(head, FIELD_TE, TEXT("trailers")))
        return false;
    if (context->settings->add_headers && !add_headers(head, section, context, found.seen))
        return false;
    return forward_via(head, section, context->settings, context->client_version,
                       (found.seen & FIELD_BIT(FIELD_VIA)) != 0) &&
           header_edit_request(head, &context->settings->headers, context->conn);
}
