/* Socket addresses as text: parsing literals, and writing them in canonical form. */
#include "base/addr.h"

/* "1.2.3.4" into four bytes. */
static bool parse_ipv4(struct text t, uint8_t *ip)
{
    struct text part;
    unsigned parts = 0;

    while (text_split(&t, '.', &part)) {
        uint64_t value;

        /* A leading zero means octal to some readers and decimal to others. */
        if (parts == 4 || part.len > 3 || (part.len > 1 && part.ptr[0] == '0') || !text_to_u64(part, 255, &value))
            return false;
        ip[parts++] = (uint8_t)value;
    }
    return parts == 4;
}

/* Groups of 16 bits, as many as there are, into ip (at most `max` bytes). False when one is malformed. *n: bytes
 * written. */
static bool parse_groups(struct text t, uint8_t *ip, size_t max, bool ipv4_tail, size_t *n)
{
    struct text part;

    *n = 0;
    if (t.len == 0)
        return true;
    while (text_split(&t, ':', &part)) {
        uint64_t value;

        if (ipv4_tail && t.ptr == NULL && text_find(part, '.', 0) < part.len) {
            if (max - *n < 4 || !parse_ipv4(part, ip + *n))
                return false;
            *n += 4;
            return true;
        }
        if (max - *n < 2 || part.len > 4 || !text_hex_to_u64(part, 0xffff, &value))
            return false;
        ip[(*n)++] = (uint8_t)(value >> 8);
        ip[(*n)++] = (uint8_t)value;
    }
    return true;
}

/* Where "::" stands, or t.len. */
static size_t find_gap(struct text t)
{
    for (size_t i = 0; i + 1 < t.len; i++)
        if (t.ptr[i] == ':' && t.ptr[i + 1] == ':')
            return i;
    return t.len;
}

static bool parse_ipv6(struct text t, uint8_t *ip)
{
    uint8_t tail[16];
    size_t gap = find_gap(t), before, behind;

    if (gap == t.len)
        return t.len > 0 && parse_groups(t, ip, 16, true, &before) && before == 16;
    /* "::" stands for one group at least. */
    if (!parse_groups(text_first(t, gap), ip, 14, false, &before) ||
        !parse_groups(text_skip(t, gap + 2), tail, 14 - before, true, &behind))
        return false;
    memset(ip + before, 0, 16 - before);
    memcpy(ip + 16 - behind, tail, behind);
    return true;
}

bool addr_parse(struct text t, struct port_addr *addr)
{
    struct port_addr parsed = {.family = PORT_NONE};

    if (parse_ipv4(t, parsed.ip)) {
        parsed.family = PORT_IPV4;
    } else {
        memset(parsed.ip, 0, sizeof(parsed.ip));
        if (!parse_ipv6(t, parsed.ip))
            return false;
        parsed.family = PORT_IPV6;
    }
    *addr = parsed;
    return true;
}

static char *put_octet(char *to, unsigned value)
{
    if (value >= 100)
        *to++ = (char)('0' + value / 100);
    if (value >= 10)
        *to++ = (char)('0' + value / 10 % 10);
    *to++ = (char)('0' + value % 10);
    return to;
}

/* In one piece, since it is done several times for each request. */
static void put_ipv4(struct textbuf *b, const uint8_t *ip)
{
    char digits[sizeof("255.255.255.255")];
    char *to = put_octet(digits, ip[0]);

    for (unsigned i = 1; i < 4; i++) {
        *to++ = '.';
        to = put_octet(to, ip[i]);
    }
    textbuf_put(b, text_make(digits, (size_t)(to - digits)));
}

/* The longest run of two or more zero groups, the first one of equals (RFC 5952 4.2). *len 0: there is none. */
static void find_zeros(const uint16_t groups[8], unsigned *first, unsigned *len)
{
    unsigned run = 0;

    *first = 0;
    *len = 0;
    for (unsigned i = 0; i < 8; i++) {
        run = groups[i] == 0 ? run + 1 : 0;
        if (run >= 2 && run > *len) {
            *len = run;
            *first = i + 1 - run;
        }
    }
}

static void put_ipv6(struct textbuf *b, const uint8_t *ip)
{
    uint16_t groups[8];
    unsigned first, len;

    for (size_t i = 0; i < 8; i++)
        groups[i] = (uint16_t)(ip[2 * i] << 8 | ip[2 * i + 1]);
    find_zeros(groups, &first, &len);
    for (unsigned i = 0; i < 8; i++) {
        if (len > 0 && i == first) {
            textbuf_put(b, TEXT("::"));
            i += len - 1;
            continue;
        }
        if (i > 0 && (len == 0 || i != first + len))
            textbuf_putc(b, ':');
        textbuf_put_hex(b, groups[i]);
    }
}

static bool is_mapped_ipv4(const struct port_addr *addr)
{
    static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

    return addr->family == PORT_IPV6 && memcmp(addr->ip, prefix, sizeof(prefix)) == 0;
}

void addr_put(struct textbuf *b, const struct port_addr *addr, bool brackets)
{
    if (addr->family == PORT_IPV4) {
        put_ipv4(b, addr->ip);
    } else if (is_mapped_ipv4(addr)) {
        put_ipv4(b, addr->ip + 12);
    } else if (addr->family == PORT_IPV6) {
        if (brackets)
            textbuf_putc(b, '[');
        put_ipv6(b, addr->ip);
        if (brackets)
            textbuf_putc(b, ']');
    } else if (addr->family == PORT_UNIX) {
        textbuf_put(b, TEXT("unix:"));
        textbuf_putz(b, addr->path != NULL ? addr->path : "");
    } else {
        textbuf_put(b, TEXT("unknown"));
    }
}

void addr_put_node(struct textbuf *b, const struct port_addr *addr, bool brackets)
{
    static const struct port_addr unknown = {.family = PORT_NONE};

    addr_put(b, addr->family == PORT_UNIX ? &unknown : addr, brackets);
}

bool addr_eq(const struct port_addr *a, const struct port_addr *b)
{
    if (a->family != b->family || a->port != b->port)
        return false;
    if (a->family == PORT_UNIX)
        return a->path != NULL && b->path != NULL && strcmp(a->path, b->path) == 0;
    return memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}
