/* Parses headers of the PROXY protocol. */
#include "net/proxy_protocol.h"

#include "base/addr.h"

#define V1_BEGIN "PROXY "
#define V2_BEGIN "\r\n\r\n\0\r\nQUIT\n"
#define V1_BEGIN_LEN (sizeof(V1_BEGIN) - 1)
#define V2_BEGIN_LEN (sizeof(V2_BEGIN) - 1)
#define V2_HEAD 16 /* signature, version and command, family, length */

enum { V2_LOCAL = 0x20, V2_PROXY = 0x21 };
enum { FAMILY_UNSPEC = 0x00, FAMILY_TCP4 = 0x11, FAMILY_TCP6 = 0x21, FAMILY_UNIX = 0x31 };
enum { TLV_CRC32C = 0x03, TLV_HEAD = 3, CRC_LEN = 4 };

static enum proxy_result bad(struct proxy_header *h, const char *reason)
{
    h->reason = reason;
    return PROXY_BAD;
}

void proxy_header_init(struct proxy_header *h)
{
    memset(h, 0, offsetof(struct proxy_header, buf));
    h->crc = UINT32_MAX;
}

static enum proxy_result compare(const uint8_t *bytes, size_t len, const char *begin, size_t begin_len)
{
    if (memcmp(bytes, begin, min_size(len, begin_len)) != 0)
        return PROXY_BAD;
    return len < begin_len ? PROXY_MORE : PROXY_DONE;
}

enum proxy_result proxy_header_guess(const uint8_t *bytes, size_t len)
{
    if (len == 0)
        return PROXY_MORE;
    return bytes[0] == V1_BEGIN[0] ? compare(bytes, len, V1_BEGIN, V1_BEGIN_LEN)
                                   : compare(bytes, len, V2_BEGIN, V2_BEGIN_LEN);
}

/* ---- version 1 ---- */

/* A port: no sign, no leading zero. */
static bool parse_port(struct text t, uint16_t *port)
{
    uint64_t value;

    if ((t.len > 1 && t.ptr[0] == '0') || !text_to_u64(t, UINT16_MAX, &value))
        return false;
    *port = (uint16_t)value;
    return true;
}

/* "TCP4 192.0.2.1 192.0.2.2 56324 443": exactly these words, single spaces between them. */
static bool parse_line(struct proxy_header *h, struct text line)
{
    struct text words[5], rest = line;
    size_t count = 0;
    uint8_t family;

    while (count < ARRAY_SIZE(words) && text_split(&rest, ' ', &words[count]))
        count++;
    if (count < ARRAY_SIZE(words) || rest.ptr != NULL)
        return false;
    family = text_eq(words[0], TEXT("TCP4")) ? PORT_IPV4 : text_eq(words[0], TEXT("TCP6")) ? PORT_IPV6 : PORT_NONE;
    if (family == PORT_NONE || !addr_parse(words[1], &h->client) || !addr_parse(words[2], &h->local))
        return false;
    h->has_client = true;
    return h->client.family == family && h->local.family == family && parse_port(words[3], &h->client.port) &&
           parse_port(words[4], &h->local.port);
}

static enum proxy_result finish_v1(struct proxy_header *h)
{
    static const struct text unknown = TEXT_INIT("UNKNOWN");
    struct text line;

    if (h->buf[h->len - 2] != '\r')
        return bad(h, "a line of version 1 ends with CRLF (2.1)");
    line = text_make(h->buf + V1_BEGIN_LEN, h->len - V1_BEGIN_LEN - 2);
    /* Whatever follows UNKNOWN is ignored (2.1). */
    if (!text_eq(line, unknown) && !text_starts(line, TEXT("UNKNOWN ")) && !parse_line(h, line))
        return bad(h, "the line of version 1 is malformed (2.1)");
    h->state = PROXY_END;
    return PROXY_DONE;
}

static enum proxy_result take_v1(struct proxy_header *h, uint8_t byte)
{
    h->buf[h->len++] = byte;
    if (byte == '\n')
        return finish_v1(h);
    return h->len == PROXY_V1_MAX ? bad(h, "a line of version 1 has at most 107 bytes (2.1)") : PROXY_MORE;
}

/* ---- version 2 ---- */

/* One byte into the CRC32c (RFC 4960 appendix B: reflected, polynomial 0x1EDC6F41). */
static void crc_add(struct proxy_header *h, uint8_t byte)
{
    h->crc ^= byte;
    for (int bit = 0; bit < 8; bit++)
        h->crc = h->crc >> 1 ^ ((h->crc & 1) != 0 ? 0x82f63b78 : 0);
}

static enum proxy_result finish_v2(struct proxy_header *h)
{
    bool six = h->buf[13] == FAMILY_TCP6;
    const uint8_t *at = h->buf + V2_HEAD;
    size_t ip = six ? 16 : 4;

    if (h->state == PROXY_TLVS && h->tlv_at > 0)
        return bad(h, "a TLV of version 2 is cut (2.2)");
    if (h->has_crc && ~h->crc != h->crc_given)
        return bad(h, "the checksum of version 2 is wrong (2.2.3)");
    if (h->has_client && h->addresses > 0 && h->buf[13] != FAMILY_UNIX) {
        h->client.family = h->local.family = six ? PORT_IPV6 : PORT_IPV4;
        memcpy(h->client.ip, at, ip);
        memcpy(h->local.ip, at + ip, ip);
        at += 2 * ip;
        h->client.port = (uint16_t)(at[0] << 8 | at[1]);
        h->local.port = (uint16_t)(at[2] << 8 | at[3]);
    }
    h->state = PROXY_END;
    return PROXY_DONE;
}

/* The 16 bytes are there: what is in the rest. */
static enum proxy_result begin_v2(struct proxy_header *h)
{
    uint8_t command = h->buf[12];

    h->left = (uint16_t)(h->buf[14] << 8 | h->buf[15]);
    if (command >> 4 != 2)
        return bad(h, "only versions 1 and 2 are known (2.2)");
    if (command != V2_LOCAL && command != V2_PROXY)
        return bad(h, "the command of version 2 is neither LOCAL nor PROXY (2.2)");
    if (h->left > CONFIG_PROXY_HEADER_MAX - V2_HEAD)
        return bad(h, "the header is longer than CONFIG_PROXY_HEADER_MAX");
    switch (h->buf[13]) {
    case FAMILY_UNSPEC: h->addresses = 0; break;
    case FAMILY_TCP4: h->addresses = 12; break;
    case FAMILY_TCP6: h->addresses = 36; break;
    case FAMILY_UNIX: h->addresses = 216; break;
    default:
        if (command == V2_PROXY)
            return bad(h, "the family of version 2 is none of a stream (2.2)");
    }
    if (command == V2_LOCAL) {
        h->state = PROXY_SKIP; /* the balancer's own connection: all of it is to be ignored (2.2) */
    } else if (h->left < h->addresses) {
        return bad(h, "the addresses of version 2 are cut (2.2)");
    } else {
        h->has_client = h->addresses > 0;
        if (h->buf[13] == FAMILY_UNIX)
            h->client.family = h->local.family = PORT_UNIX;
        h->state = h->addresses > 0 ? PROXY_ADDRESSES : PROXY_TLVS;
    }
    return h->left == 0 ? finish_v2(h) : PROXY_MORE;
}

/* A byte of the TLVs; the checksum's value counts as zeros in the checksum (2.2.3). */
static enum proxy_result take_tlv(struct proxy_header *h, uint8_t byte)
{
    bool value = h->tlv_at >= TLV_HEAD;

    crc_add(h, value && h->tlv_type == TLV_CRC32C ? 0 : byte);
    if (value) {
        if (h->tlv_type == TLV_CRC32C)
            h->crc_given = h->crc_given << 8 | byte;
        h->tlv_left--;
    } else {
        if (h->tlv_at == 0)
            h->tlv_type = byte;
        else
            h->tlv_left = (uint16_t)(h->tlv_left << 8 | byte);
        if (++h->tlv_at < TLV_HEAD)
            return PROXY_MORE;
        if (h->tlv_type == TLV_CRC32C && (h->tlv_left != CRC_LEN || h->has_crc))
            return bad(h, "version 2 has one checksum at most, of four bytes (2.2.3)");
        h->has_crc = h->has_crc || h->tlv_type == TLV_CRC32C;
    }
    if (h->tlv_left == 0)
        h->tlv_at = 0;
    return PROXY_MORE;
}

static enum proxy_result take_v2(struct proxy_header *h, uint8_t byte)
{
    enum proxy_result result = PROXY_MORE;

    if (h->state == PROXY_V2) {
        h->buf[h->len++] = byte;
        crc_add(h, byte);
        return h->len < V2_HEAD ? PROXY_MORE : begin_v2(h);
    }
    h->left--;
    if (h->state == PROXY_ADDRESSES) {
        if (h->buf[13] != FAMILY_UNIX)
            h->buf[h->len++] = byte;
        crc_add(h, byte);
        if (--h->addresses == 0) {
            h->addresses = 1; /* there were some */
            h->state = PROXY_TLVS;
        }
    } else if (h->state == PROXY_TLVS) {
        result = take_tlv(h, byte);
    }
    return result == PROXY_MORE && h->left == 0 ? finish_v2(h) : result;
}

/* ---- both ---- */

/* A byte of what tells the versions apart. */
static enum proxy_result take_start(struct proxy_header *h, uint8_t byte)
{
    h->buf[h->len++] = byte;
    switch (proxy_header_guess(h->buf, h->len)) {
    case PROXY_MORE: return PROXY_MORE;
    case PROXY_BAD: return bad(h, "the connection does not begin with a header");
    case PROXY_DONE: break;
    }
    h->state = h->buf[0] == V1_BEGIN[0] ? PROXY_V1 : PROXY_V2;
    for (size_t i = 0; h->state == PROXY_V2 && i < h->len; i++)
        crc_add(h, h->buf[i]);
    return PROXY_MORE;
}

enum proxy_result proxy_header_feed(struct proxy_header *h, const uint8_t *bytes, size_t len, size_t *used)
{
    enum proxy_result result = PROXY_MORE;

    for (*used = 0; *used < len && result == PROXY_MORE; (*used)++) {
        uint8_t byte = bytes[*used];

        if (h->state == PROXY_START)
            result = take_start(h, byte);
        else
            result = h->state == PROXY_V1 ? take_v1(h, byte) : take_v2(h, byte);
    }
    return result;
}
