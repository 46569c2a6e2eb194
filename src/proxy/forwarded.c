/* The Forwarded field, RFC 7239. */
#include "base/addr.h"
#include "proxy/forward_fields.h"

/* A value of a parameter: as it is when it is a token, else as a quoted string (RFC 7239 4). */
static void put_value(struct textbuf *b, struct text value)
{
    if (text_is_token(value)) {
        textbuf_put(b, value);
        return;
    }
    textbuf_putc(b, '"');
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] != '"' && value.ptr[i] != '\\')
            continue;
        textbuf_put(b, text_first(value, i));
        textbuf_putc(b, '\\');
        value = text_skip(value, i); /* what was escaped begins the next run */
        i = 0;
    }
    textbuf_put(b, value);
    textbuf_putc(b, '"');
}

void forwarded_put(struct textbuf *b, const struct forward_context *context)
{
    char storage[ADDR_TEXT];
    struct textbuf address;

    textbuf_init(&address, storage, sizeof(storage));
    addr_put_node(&address, &context->client, true);
    textbuf_put(b, TEXT("for="));
    put_value(b, textbuf_text(&address));
    if (context->client_authority.len > 0) {
        textbuf_put(b, TEXT(";host="));
        put_value(b, context->client_authority);
    }
    textbuf_putz(b, context->client_tls ? ";proto=https" : ";proto=http");
}

bool forwarded_closed(struct text value)
{
    bool quoted = false;

    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] == '"')
            quoted = !quoted;
        else if (quoted && value.ptr[i] == '\\')
            i++;
    }
    return !quoted;
}
