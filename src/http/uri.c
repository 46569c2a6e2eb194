/* Checks authorities and request targets against RFC 3986, with one table of bytes. */
#include "http/uri.h"

/* What a byte may stand in. */
enum uri_byte {
    HOST = 1,   /* reg-name: unreserved, sub-delims, '%' */
    PATH = 2,   /* pchar, '/' and '%'; see uri_origin_form for what is added */
    QUERY = 4,  /* the same and '?' */
    SCHEME = 8, /* ALPHA, DIGIT, "+", "-", "." */
    HEX = 16,
    ADDRESS = 32, /* HEXDIG, ":" and "." of an IPv6 address */
};

#define DIGIT (HOST | PATH | QUERY | SCHEME | HEX | ADDRESS)
#define LETTER (HOST | PATH | QUERY | SCHEME)
#define AF (LETTER | HEX | ADDRESS)
#define MARK (HOST | PATH | QUERY)

static const uint8_t uri_bytes[256] = {
    ['0'] = DIGIT,
    ['1'] = DIGIT,
    ['2'] = DIGIT,
    ['3'] = DIGIT,
    ['4'] = DIGIT,
    ['5'] = DIGIT,
    ['6'] = DIGIT,
    ['7'] = DIGIT,
    ['8'] = DIGIT,
    ['9'] = DIGIT,
    ['A'] = AF,
    ['B'] = AF,
    ['C'] = AF,
    ['D'] = AF,
    ['E'] = AF,
    ['F'] = AF,
    ['G'] = LETTER,
    ['H'] = LETTER,
    ['I'] = LETTER,
    ['J'] = LETTER,
    ['K'] = LETTER,
    ['L'] = LETTER,
    ['M'] = LETTER,
    ['N'] = LETTER,
    ['O'] = LETTER,
    ['P'] = LETTER,
    ['Q'] = LETTER,
    ['R'] = LETTER,
    ['S'] = LETTER,
    ['T'] = LETTER,
    ['U'] = LETTER,
    ['V'] = LETTER,
    ['W'] = LETTER,
    ['X'] = LETTER,
    ['Y'] = LETTER,
    ['Z'] = LETTER,
    ['a'] = AF,
    ['b'] = AF,
    ['c'] = AF,
    ['d'] = AF,
    ['e'] = AF,
    ['f'] = AF,
    ['g'] = LETTER,
    ['h'] = LETTER,
    ['i'] = LETTER,
    ['j'] = LETTER,
    ['k'] = LETTER,
    ['l'] = LETTER,
    ['m'] = LETTER,
    ['n'] = LETTER,
    ['o'] = LETTER,
    ['p'] = LETTER,
    ['q'] = LETTER,
    ['r'] = LETTER,
    ['s'] = LETTER,
    ['t'] = LETTER,
    ['u'] = LETTER,
    ['v'] = LETTER,
    ['w'] = LETTER,
    ['x'] = LETTER,
    ['y'] = LETTER,
    ['z'] = LETTER,
    /* unreserved and sub-delims */
    ['-'] = MARK | SCHEME,
    ['.'] = MARK | SCHEME | ADDRESS,
    ['_'] = MARK,
    ['~'] = MARK,
    ['!'] = MARK,
    ['$'] = MARK,
    ['&'] = MARK,
    ['\''] = MARK,
    ['('] = MARK,
    [')'] = MARK,
    ['*'] = MARK,
    ['+'] = MARK | SCHEME,
    [','] = MARK,
    [';'] = MARK,
    ['='] = MARK,
    ['%'] = MARK,
    /* the rest of pchar, path and query */
    [':'] = PATH | QUERY | ADDRESS,
    ['@'] = PATH | QUERY,
    ['/'] = PATH | QUERY,
    ['?'] = QUERY,
    /* what browsers do not encode (URL Standard, percent-encode sets), though RFC 3986 wants it */
    ['['] = PATH | QUERY,
    [']'] = PATH | QUERY,
    ['|'] = PATH | QUERY,
    ['^'] = PATH | QUERY,
    ['`'] = QUERY,
    ['{'] = QUERY,
    ['}'] = QUERY,
    ['\\'] = QUERY,
};

static bool is_byte(char c, unsigned set)
{
    return (uri_bytes[(uint8_t)c] & set) != 0;
}

/* Whether a '%' stands at t.ptr[i] with two hex digits behind it. */
static bool is_encoded(struct text t, size_t i)
{
    return t.len - i > 2 && is_byte(t.ptr[i + 1], HEX) && is_byte(t.ptr[i + 2], HEX);
}

/* The value of a HEXDIG. */
static unsigned hex_value(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)(text_lower(c) - 'a') + 10;
}

/* Index of the first byte at or behind `from` that is not of `set`, or a '%' without two hex digits; t.len if there is
 * none. */
static size_t find_end(struct text t, unsigned set, size_t from)
{
    size_t i = from;

    for (; i < t.len && is_byte(t.ptr[i], set); i++)
        if (t.ptr[i] == '%' && !is_encoded(t, i))
            break;
    return i;
}

/* One group of an IPv6 address: 1*4HEXDIG. */
static bool is_group(struct text t)
{
    if (t.len < 1 || t.len > 4)
        return false;
    for (size_t i = 0; i < t.len; i++)
        if (!is_byte(t.ptr[i], HEX))
            return false;
    return true;
}

/* IPv4address of RFC 3986 3.2.2: four decimal octets without leading zeros. */
static bool is_ipv4(struct text t)
{
    struct text part;
    unsigned parts = 0;

    while (text_split(&t, '.', &part)) {
        uint64_t octet;

        if (!text_to_u64(part, 255, &octet) || (part.len > 1 && part.ptr[0] == '0'))
            return false;
        parts++;
    }
    return parts == 4;
}

/* Groups of 16 bits in a list of groups with an IPv4 address at its end or not. False when it is no such list. */
static bool count_groups(struct text t, bool ipv4_allowed, unsigned *groups)
{
    struct text part;

    *groups = 0;
    if (t.len == 0)
        return true;
    while (text_split(&t, ':', &part)) {
        if (ipv4_allowed && t.ptr == NULL && is_ipv4(part)) {
            *groups += 2;
            return true;
        }
        if (!is_group(part))
            return false;
        ++*groups;
    }
    return true;
}

/* IPv6address of RFC 3986 3.2.2, without a zone. */
static bool is_ipv6(struct text t)
{
    unsigned before, behind;

    for (size_t i = 0; i + 1 < t.len; i++) {
        if (t.ptr[i] != ':' || t.ptr[i + 1] != ':')
            continue;
        /* "::" stands for one group at least, and a second one makes an empty group in what is behind. */
        return count_groups(text_first(t, i), false, &before) && count_groups(text_skip(t, i + 2), true, &behind) &&
               before + behind <= 7;
    }
    return count_groups(t, true, &before) && before == 8;
}

bool uri_authority(struct text t, struct authority *out)
{
    uint64_t port = 0;
    size_t end;

    if (t.len > 0 && t.ptr[0] == '[') {
        end = text_find(t, ']', 0);
        if (end == t.len || !is_ipv6(text_make(t.ptr + 1, end - 1)))
            return false;
        end++;
    } else {
        end = find_end(t, HOST, 0);
    }
    if (end == 0)
        return false;
    out->host = text_first(t, end);
    out->has_port = false;
    out->port = 0;
    if (end == t.len)
        return true;
    if (t.ptr[end] != ':')
        return false;
    /* port = *DIGIT: nothing behind the colon is the default port (RFC 3986 3.2.3). */
    if (end + 1 == t.len)
        return true;
    out->has_port = true;
    if (!text_to_u64(text_skip(t, end + 1), UINT16_MAX, &port))
        return false;
    out->port = (uint16_t)port;
    return true;
}

/* Whether [from, t.len) is a query: here a lone '%' passes, as browsers send it. */
static bool is_query(struct text t, size_t from)
{
    for (size_t i = from; i < t.len; i++)
        if (!is_byte(t.ptr[i], QUERY))
            return false;
    return true;
}

bool uri_origin_form(struct text t)
{
    size_t end;

    if (t.len == 0 || t.ptr[0] != '/')
        return false;
    end = find_end(t, PATH, 1);
    return end == t.len || (t.ptr[end] == '?' && is_query(t, end + 1));
}

/* Where the authority that starts at `from` ends: '/', '?' or the end. A '#' is refused as part of it. */
static size_t authority_end(struct text t, size_t from)
{
    while (from < t.len && t.ptr[from] != '/' && t.ptr[from] != '?')
        from++;
    return from;
}

/* scheme = ALPHA *( ALPHA / DIGIT / "+" / "-" / "." ), RFC 3986 3.1 */
static bool is_scheme(struct text t)
{
    return t.len > 0 && text_lower(t.ptr[0]) >= 'a' && text_lower(t.ptr[0]) <= 'z' && find_end(t, SCHEME, 0) == t.len;
}

bool uri_absolute(struct text t, struct absolute_uri *out)
{
    struct authority authority;
    size_t colon = text_find(t, ':', 0), from, end;

    out->scheme = text_first(t, colon);
    if (!is_scheme(out->scheme) || !text_starts(text_skip(t, colon), TEXT("://")))
        return false;
    from = colon + 3;
    end = authority_end(t, from);
    out->authority = text_make(t.ptr + from, end - from);
    out->path = text_skip(t, end);
    if (!uri_authority(out->authority, &authority))
        return false;
    if (out->path.len == 0)
        return true;
    return out->path.ptr[0] == '?' ? is_query(out->path, 1) : uri_origin_form(out->path);
}

uint16_t uri_default_port(struct text scheme)
{
    if (text_eq_nocase(scheme, TEXT("http")) || text_eq_nocase(scheme, TEXT("h2c")))
        return 80;
    if (text_eq_nocase(scheme, TEXT("https")) || text_eq_nocase(scheme, TEXT("h2")))
        return 443;
    return 0;
}

/* The byte at *i with its percent-encoding undone; *i goes to the last byte of it. */
static char decoded(struct text t, size_t *i)
{
    char c = t.ptr[*i];

    if (c == '%' && is_encoded(t, *i)) {
        c = (char)(hex_value(t.ptr[*i + 1]) * 16 + hex_value(t.ptr[*i + 2]));
        *i += 2;
    }
    return c;
}

bool uri_path_climbs(struct text path)
{
    /* How many dots the segment has, as long as it has nothing else; 3 or more for any segment that is not "." or "..".
     */
    unsigned dots = 0;

    for (size_t i = 0; i < path.len && path.ptr[i] != '?'; i++) {
        char c = decoded(path, &i);
        bool border = c == '/' || c == '\\';

        if (c == '.') {
            dots++;
            continue;
        }
        /* "..;x" is a segment as any other, but some servers cut the parameter off and then climb. */
        if ((border || c == ';') && (dots == 1 || dots == 2))
            return true;
        dots = border ? 0 : 3;
    }
    return dots == 1 || dots == 2;
}
