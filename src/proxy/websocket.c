/* Rewrites the heads of a WebSocket handshake. */
#include "proxy/websocket.h"

#include "base/sha1.h"

#define KEY_LEN 24    /* 16 bytes in base64 */
#define ACCEPT_LEN 28 /* 20 bytes in base64 */

/* RFC 6455 1.3 */
static const struct text guid = TEXT_INIT("258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
static const struct text key_name = TEXT_INIT("sec-websocket-key");
static const struct text accept_name = TEXT_INIT("sec-websocket-accept");

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static struct field *find_name(struct head *head, const struct section *section, struct text name)
{
    HEAD_EACH(f, head, section)
    {
        if (text_eq(field_name_of(head, f), name))
            return f;
    }
    return NULL;
}

static void drop_name(struct head *head, const struct section *section, struct text name)
{
    struct field *f = find_name(head, section, name);

    if (f)
        f->dropped = true;
}

/* Whether some line of a list field has the token. */
static bool list_has(struct head *head, const struct section *section, enum field_id id, struct text token)
{
    for (const struct field *f = NULL; (f = head_find(head, section, id, f)) != NULL;) {
        if (field_list_has(field_value_of(head, f), token))
            return true;
    }
    return false;
}

static bool key_ok(struct text key)
{
    if (key.len != KEY_LEN || key.ptr[KEY_LEN - 1] != '=' || key.ptr[KEY_LEN - 2] != '=')
        return false;
    for (size_t i = 0; i < KEY_LEN - 2; i++) {
        if (text_find(text_of(alphabet), key.ptr[i], 0) == sizeof(alphabet) - 1)
            return false;
    }
    return true;
}

bool websocket_wanted(struct head *head, struct span *key)
{
    const struct section *section = &head->sections[0];
    const struct field *f = find_name(head, section, key_name);
    const struct field *version = find_name(head, section, TEXT("sec-websocket-version"));

    if (head->method_id != METHOD_GET || !f || !version || !text_eq(field_value_of(head, version), TEXT("13")) ||
        !key_ok(field_value_of(head, f)) || !list_has(head, section, FIELD_UPGRADE, TEXT("websocket")) ||
        !list_has(head, section, FIELD_CONNECTION, TEXT("upgrade")))
        return false;
    *key = f->value;
    return true;
}

bool websocket_connect(struct head *head)
{
    const struct section *section = &head->sections[0];

    drop_name(head, section, key_name);
    head_drop(head, section, FIELD_CONTENT_LENGTH);
    return head_store(head, TEXT("CONNECT"), &head->method) && head_store(head, TEXT("websocket"), &head->protocol);
}

/* 20 bytes in base64. */
static struct text encode(const uint8_t *digest, char *out)
{
    for (size_t i = 0; i < 7; i++) {
        uint32_t bits = (uint32_t)digest[3 * i] << 16 | (uint32_t)digest[3 * i + 1] << 8;

        if (i < 6)
            bits |= digest[3 * i + 2];
        for (size_t j = 0; j < 4; j++)
            out[4 * i + j] = alphabet[bits >> (18 - 6 * j) & 63];
    }
    out[ACCEPT_LEN - 1] = '=';
    return text_make(out, ACCEPT_LEN);
}

bool websocket_accept(struct head *head, struct section *section, struct text key)
{
    uint8_t digest[SHA1_SIZE];
    char accept[ACCEPT_LEN];

    sha1_digest(key, guid, digest);
    section->status = 101;
    head_drop(head, section, FIELD_CONTENT_LENGTH);
    drop_name(head, section, accept_name); /* the backend does not know the key */
    return head_add_id(head, FIELD_CONNECTION, TEXT("Upgrade")) &&
           head_add_id(head, FIELD_UPGRADE, TEXT("websocket")) && head_add(head, accept_name, encode(digest, accept));
}
