/* The table of known field names, and the rules of field values and lists. */
#include "http/field.h"

#include <string.h>

/* id, name, first and last character, rules. The characters are given apart, since "name"[0] is no constant in C11. */
#define FIELDS(X)                                                                                                      \
    X(ALT_SVC, "alt-svc", 'a', 'c', FIELD_NO_TRAILER)                                                                  \
    X(AUTHORIZATION, "authorization", 'a', 'n', FIELD_SINGLE | FIELD_NO_TRAILER)                                       \
    X(CONNECTION, "connection", 'c', 'n', FIELD_HOP | FIELD_NO_TRAILER)                                                \
    X(CONTENT_ENCODING, "content-encoding", 'c', 'g', FIELD_NO_TRAILER)                                                \
    X(CONTENT_LENGTH, "content-length", 'c', 'h', FIELD_SINGLE | FIELD_NO_TRAILER)                                     \
    X(CONTENT_LOCATION, "content-location", 'c', 'n', FIELD_NO_TRAILER)                                                \
    X(CONTENT_RANGE, "content-range", 'c', 'e', FIELD_NO_TRAILER)                                                      \
    X(CONTENT_TYPE, "content-type", 'c', 'e', FIELD_NO_TRAILER)                                                        \
    X(COOKIE, "cookie", 'c', 'e', FIELD_NO_TRAILER)                                                                    \
    X(DATE, "date", 'd', 'e', FIELD_NO_TRAILER)                                                                        \
    X(EXPECT, "expect", 'e', 't', FIELD_NO_TRAILER)                                                                    \
    X(FORWARDED, "forwarded", 'f', 'd', FIELD_NO_TRAILER)                                                              \
    X(HOST, "host", 'h', 't', FIELD_SINGLE | FIELD_NO_TRAILER)                                                         \
    X(HTTP2_SETTINGS, "http2-settings", 'h', 's', FIELD_HOP | FIELD_NO_TRAILER)                                        \
    X(KEEP_ALIVE, "keep-alive", 'k', 'e', FIELD_HOP | FIELD_NO_TRAILER)                                                \
    X(LINK, "link", 'l', 'k', 0)                                                                                       \
    X(LOCATION, "location", 'l', 'n', FIELD_NO_TRAILER)                                                                \
    X(MAX_FORWARDS, "max-forwards", 'm', 's', FIELD_NO_TRAILER)                                                        \
    X(PRIORITY, "priority", 'p', 'y', FIELD_NO_TRAILER)                                                                \
    X(PROXY_AUTHENTICATE, "proxy-authenticate", 'p', 'e', FIELD_NO_TRAILER)                                            \
    X(PROXY_AUTHORIZATION, "proxy-authorization", 'p', 'n', FIELD_NO_TRAILER)                                          \
    X(PROXY_CONNECTION, "proxy-connection", 'p', 'n', FIELD_HOP | FIELD_NO_TRAILER)                                    \
    X(RETRY_AFTER, "retry-after", 'r', 'r', FIELD_NO_TRAILER)                                                          \
    X(SERVER, "server", 's', 'r', 0)                                                                                   \
    X(SET_COOKIE, "set-cookie", 's', 'e', FIELD_NO_TRAILER)                                                            \
    X(TE, "te", 't', 'e', FIELD_HOP | FIELD_NO_TRAILER)                                                                \
    X(TRAILER, "trailer", 't', 'r', FIELD_NO_TRAILER)                                                                  \
    X(TRANSFER_ENCODING, "transfer-encoding", 't', 'g', FIELD_HOP | FIELD_NO_TRAILER)                                  \
    X(UPGRADE, "upgrade", 'u', 'e', FIELD_HOP | FIELD_NO_TRAILER)                                                      \
    X(VIA, "via", 'v', 'a', FIELD_NO_TRAILER)                                                                          \
    X(X_FORWARDED_FOR, "x-forwarded-for", 'x', 'r', FIELD_NO_TRAILER)                                                  \
    X(X_FORWARDED_HOST, "x-forwarded-host", 'x', 't', FIELD_NO_TRAILER)                                                \
    X(X_FORWARDED_PROTO, "x-forwarded-proto", 'x', 'o', FIELD_NO_TRAILER)                                              \
    X(X_FORWARDED_SERVER, "x-forwarded-server", 'x', 'r', FIELD_NO_TRAILER)

static const struct text names[FIELD_IDS] = {
#define X(id, name, first, last, rules) [FIELD_##id] = TEXT_INIT(name),
    FIELDS(X)
#undef X
};

static const uint8_t rules_of[FIELD_IDS] = {
#define X(id, name, first, last, rules) [FIELD_##id] = (rules),
    FIELDS(X)
#undef X
};

/* A hash without collisions over the known names: two names in one slot do not compile (-Woverride-init). */
#define SLOTS 128U
#define SLOT(len, first, last) (((unsigned)(len) + (unsigned char)(first) + 26U * (unsigned char)(last)) % SLOTS)

static const uint8_t slots[SLOTS] = {
#define X(id, name, first, last, rules) [SLOT(sizeof(name) - 1, first, last)] = FIELD_##id,
    FIELDS(X)
#undef X
};

enum field_id field_lookup(struct text lower_name)
{
    unsigned id;

    if (lower_name.len == 0)
        return FIELD_OTHER;
    id = slots[SLOT(lower_name.len, lower_name.ptr[0], lower_name.ptr[lower_name.len - 1])];
    /* The empty name of FIELD_OTHER is equal to none. */
    if (names[id].len != lower_name.len || memcmp(names[id].ptr, lower_name.ptr, lower_name.len) != 0)
        return FIELD_OTHER;
    return (enum field_id)id;
}

struct text field_name(enum field_id id)
{
    return (unsigned)id < FIELD_IDS ? names[id] : (struct text){NULL, 0};
}

unsigned field_rules(enum field_id id)
{
    return (unsigned)id < FIELD_IDS ? rules_of[id] : 0;
}

const uint8_t field_name_table[256] = {
    ['!'] = '!', ['#'] = '#', ['$'] = '$', ['%'] = '%', ['&'] = '&', ['\''] = '\'', ['*'] = '*', ['+'] = '+',
    ['-'] = '-', ['.'] = '.', ['^'] = '^', ['_'] = '_', ['`'] = '`', ['|'] = '|',   ['~'] = '~', ['0'] = '0',
    ['1'] = '1', ['2'] = '2', ['3'] = '3', ['4'] = '4', ['5'] = '5', ['6'] = '6',   ['7'] = '7', ['8'] = '8',
    ['9'] = '9', ['A'] = 'a', ['B'] = 'b', ['C'] = 'c', ['D'] = 'd', ['E'] = 'e',   ['F'] = 'f', ['G'] = 'g',
    ['H'] = 'h', ['I'] = 'i', ['J'] = 'j', ['K'] = 'k', ['L'] = 'l', ['M'] = 'm',   ['N'] = 'n', ['O'] = 'o',
    ['P'] = 'p', ['Q'] = 'q', ['R'] = 'r', ['S'] = 's', ['T'] = 't', ['U'] = 'u',   ['V'] = 'v', ['W'] = 'w',
    ['X'] = 'x', ['Y'] = 'y', ['Z'] = 'z', ['a'] = 'a', ['b'] = 'b', ['c'] = 'c',   ['d'] = 'd', ['e'] = 'e',
    ['f'] = 'f', ['g'] = 'g', ['h'] = 'h', ['i'] = 'i', ['j'] = 'j', ['k'] = 'k',   ['l'] = 'l', ['m'] = 'm',
    ['n'] = 'n', ['o'] = 'o', ['p'] = 'p', ['q'] = 'q', ['r'] = 'r', ['s'] = 's',   ['t'] = 't', ['u'] = 'u',
    ['v'] = 'v', ['w'] = 'w', ['x'] = 'x', ['y'] = 'y', ['z'] = 'z',
};

/* SP, HTAB, VCHAR and obs-text. */
static bool is_value_byte(char c)
{
    return ((unsigned char)c >= 0x20 && c != 0x7f) || c == '\t';
}

/* As many bytes as the machine takes at once. */
typedef size_t word;
#define EVERY_BYTE(c) (~(word)0 / 0xff * (c))

/* Not 0 when a byte of w is a control character (a byte below 0x20, or DEL). */
static word controls_in(word w)
{
    word del = w ^ EVERY_BYTE(0x7f);

    return (((w - EVERY_BYTE(0x20)) & ~w) | ((del - EVERY_BYTE(1)) & ~del)) & EVERY_BYTE(0x80);
}

static word load(const char *p)
{
    word w;

    memcpy(&w, p, sizeof(w));
    return w;
}

const char *field_value_end(const char *p, const char *end)
{
    /* Words without a control character are passed over; the last one overlaps the one before it. */
    if ((size_t)(end - p) >= sizeof(word)) {
        for (; (size_t)(end - p) > sizeof(word); p += sizeof(word))
            if (controls_in(load(p)) != 0)
                break;
        if ((size_t)(end - p) <= sizeof(word) && controls_in(load(end - sizeof(word))) == 0)
            return end;
    }
    while (p < end && is_value_byte(*p))
        p++;
    return p;
}

static bool is_ows(char c)
{
    return c == ' ' || c == '\t';
}

bool field_value_ok(struct text value)
{
    if (value.len == 0)
        return true;
    if (is_ows(value.ptr[0]) || is_ows(value.ptr[value.len - 1]))
        return false;
    return field_value_end(value.ptr, value.ptr + value.len) == value.ptr + value.len;
}

/* Where the list element at the start of `list` ends: its comma, or the end. Commas in quoted strings do not count. */
static size_t element_end(struct text list)
{
    bool quoted = false;

    for (size_t i = 0; i < list.len; i++) {
        if (list.ptr[i] == '"')
            quoted = !quoted;
        else if (quoted && list.ptr[i] == '\\')
            i++;
        else if (!quoted && list.ptr[i] == ',')
            return i;
    }
    return list.len;
}

bool field_list_next(struct text *list, struct text *element)
{
    while (list->len > 0) {
        size_t end = element_end(*list);

        *element = text_trim(text_first(*list, end));
        *list = text_skip(*list, end + 1);
        if (element->len > 0)
            return true;
    }
    return false;
}

bool field_list_has(struct text list, struct text token)
{
    struct text element;

    while (field_list_next(&list, &element)) {
        element = text_trim(text_first(element, text_find(element, ';', 0)));
        if (text_eq_nocase(element, token))
            return true;
    }
    return false;
}
