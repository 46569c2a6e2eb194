/* The PROXY protocol's headers: whole, byte by byte, cut, and before a page that nobody may read. */
#include "net/proxy_protocol.h"

#include "base/addr.h"
#include "guard.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#if IS_ENABLED(CONFIG_PROXY_PROTOCOL)

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define TCP4_BODY "\xc0\0\x02\x07\xc6\x33\x64\x01\xdc\x04\x01\xbb"
#define TCP6_BODY                                                                                                      \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"                                                                       \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02"                                                                       \
    "\0\x01\0\x02"

static struct proxy_header header;

/* Feeds it in pieces; behind the header stands something that must stay. */
static enum proxy_result feed(struct text t, size_t piece, size_t *taken)
{
    enum proxy_result result = PROXY_MORE;

    proxy_header_init(&header);
    for (*taken = 0; *taken < t.len && result == PROXY_MORE;) {
        struct text part = guard_copy(text_first(text_skip(t, *taken), piece));
        size_t used;

        result = proxy_header_feed(&header, (const uint8_t *)part.ptr, part.len, &used);
        *taken += used;
    }
    return result;
}

static const char *shown(const struct port_addr *addr)
{
    static char storage[ADDR_TEXT + 8];
    struct textbuf b;

    textbuf_init(&b, storage, sizeof(storage));
    addr_put(&b, addr, true);
    textbuf_putc(&b, ':');
    textbuf_put_u64(&b, addr->port);
    return textbuf_z(&b);
}

/* client NULL: the header names none. */
static void good(struct text t, const char *client, const char *local)
{
    static const struct text behind = TEXT_INIT("GET / HTTP/1.1\r\n");
    char bytes[512];
    size_t taken;

    memcpy(bytes, t.ptr, t.len);
    memcpy(bytes + t.len, behind.ptr, behind.len);
    for (size_t piece = 1; piece <= t.len + behind.len; piece++) {
        if (feed(text_make(bytes, t.len + behind.len), piece, &taken) != PROXY_DONE)
            fail_msg("%.*s in pieces of %zu: %s", TEXT_ARG(t), piece, header.reason ? header.reason : "more");
        assert_int_equal(taken, t.len);
        assert_int_equal(header.has_client, client != NULL);
        if (client) {
            assert_string_equal(shown(&header.client), client);
            assert_string_equal(shown(&header.local), local);
        }
    }
    for (size_t len = 0; len < t.len; len++)
        if (feed(text_first(t, len), 7, &taken) != PROXY_MORE || taken != len)
            fail_msg("%.*s cut at %zu", TEXT_ARG(t), len);
}

static void bad(struct text t, const char *reason)
{
    size_t taken;

    for (size_t piece = 1; piece <= t.len; piece++) {
        if (feed(t, piece, &taken) != PROXY_BAD)
            fail_msg("%.*s: is not refused", TEXT_ARG(t));
        assert_string_equal(header.reason, reason);
    }
}

static void test_v1(void **state)
{
    (void)state;
    good(TEXT("PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n"), "192.0.2.7:56324", "198.51.100.1:443");
    good(TEXT("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"), "255.255.255.255:65535",
         "255.255.255.255:65535");
    good(TEXT("PROXY TCP6 2001:db8::1 ::1 0 1\r\n"), "[2001:db8::1]:0", "[::1]:1");
    good(TEXT("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 "
              "65535\r\n"),
         "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
    good(TEXT("PROXY UNKNOWN\r\n"), NULL, NULL);
    good(TEXT("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 "
              "65535\r\n"),
         NULL, NULL);
}

static void test_v1_errors(void **state)
{
#define MALFORMED "the line of version 1 is malformed (2.1)"
    static const char *const lines[] = {
        "PROXY \r\n",
        "PROXY TCP4\r\n",
        "PROXY TCP5 192.0.2.7 198.51.100.1 1 2\r\n",
        "PROXY tcp4 192.0.2.7 198.51.100.1 1 2\r\n",
        "PROXY UNKNOWNX\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 1\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 1 2 \r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 1 2 3\r\n",
        "PROXY TCP4  192.0.2.7 198.51.100.1 1 2\r\n",
        "PROXY TCP4 192.0.2.7\t198.51.100.1 1 2\r\n",
        "PROXY TCP4 192.0.2.07 198.51.100.1 1 2\r\n",
        "PROXY TCP4 ::1 ::1 1 2\r\n",
        "PROXY TCP6 192.0.2.7 192.0.2.7 1 2\r\n",
        "PROXY TCP6 ::1 192.0.2.7 1 2\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 65536 2\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 01 2\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 -1 2\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 1 \r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 1 2\r\r\n",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
        bad(text_of(lines[i]), MALFORMED);
    bad(TEXT("PROXY TCP4 192.0.2.7 198.51.100.1 1 2\n"), "a line of version 1 ends with CRLF (2.1)");
    bad(TEXT("PROXY UNKNOWN                                                                                      "
             "          \r\n"),
        "a line of version 1 has at most 107 bytes (2.1)");
    bad(TEXT("proxy UNKNOWN\r\n"), "the connection does not begin with a header");
    bad(TEXT("PROXYX"), "the connection does not begin with a header");
    bad(TEXT("GET / HTTP/1.1\r\n"), "the connection does not begin with a header");
    bad(TEXT("PRI * HTTP/2.0\r\n"), "the connection does not begin with a header");
    bad(TEXT("\r\nGET"), "the connection does not begin with a header");
    bad(TEXT("\x16\x03\x01"), "the connection does not begin with a header");
}

static void test_v2(void **state)
{
    (void)state;
    good(TEXT(SIGNATURE "\x20\0\0\0"), NULL, NULL);
    good(TEXT(SIGNATURE "\x20\xff\0\x03"
                        "abc"),
         NULL, NULL);
    good(TEXT(SIGNATURE "\x21\x11\0\x0c" TCP4_BODY), "192.0.2.7:56324", "198.51.100.1:443");
    good(TEXT(SIGNATURE "\x21\x21\0\x24" TCP6_BODY), "[2001:db8::1]:1", "[2001:db8::2]:2");
    good(TEXT(SIGNATURE "\x21\0\0\0"), NULL, NULL);
    good(TEXT(SIGNATURE "\x21\0\0\x05\x04\0\x02"
                        "xy"),
         NULL, NULL);
    /* Unknown TLVs, an empty one and one of two bytes, are passed over. */
    good(TEXT(SIGNATURE "\x21\x11\0\x14" TCP4_BODY "\xea\0\0\x04\0\x02"
                        "xy"),
         "192.0.2.7:56324", "198.51.100.1:443");
}

static void test_v2_unix(void **state)
{
    char bytes[16 + 216] = SIGNATURE "\x21\x31\0\xd8/run/a";
    size_t taken;

    (void)state;
    assert_int_equal(feed(text_make(bytes, sizeof(bytes)), 10, &taken), PROXY_DONE);
    assert_int_equal(taken, sizeof(bytes));
    assert_true(header.has_client);
    assert_int_equal(header.client.family, PORT_UNIX);
    assert_null(header.client.path);
}

static void test_v2_errors(void **state)
{
#define FAMILY "the family of version 2 is none of a stream (2.2)"
    (void)state;
    bad(TEXT(SIGNATURE "\x11\x11\0\x0c" TCP4_BODY), "only versions 1 and 2 are known (2.2)");
    bad(TEXT(SIGNATURE "\x31\x11\0\x0c" TCP4_BODY), "only versions 1 and 2 are known (2.2)");
    bad(TEXT(SIGNATURE "\x22\x11\0\x0c" TCP4_BODY), "the command of version 2 is neither LOCAL nor PROXY (2.2)");
    bad(TEXT(SIGNATURE "\x21\x12\0\x0c" TCP4_BODY), FAMILY);
    bad(TEXT(SIGNATURE "\x21\x41\0\x0c" TCP4_BODY), FAMILY);
    bad(TEXT(SIGNATURE "\x21\x10\0\x0c" TCP4_BODY), FAMILY);
    bad(TEXT(SIGNATURE "\x21\x11\0\x0b"), "the addresses of version 2 are cut (2.2)");
    bad(TEXT(SIGNATURE "\x21\x21\0\x0c"), "the addresses of version 2 are cut (2.2)");
    bad(TEXT(SIGNATURE "\x21\x31\0\xd7"), "the addresses of version 2 are cut (2.2)");
    bad(TEXT(SIGNATURE "\x21\x11\xff\xff"), "the header is longer than CONFIG_PROXY_HEADER_MAX");
    bad(TEXT(SIGNATURE "\x20\x11\xff\xff"), "the header is longer than CONFIG_PROXY_HEADER_MAX");
    bad(TEXT(SIGNATURE "\x21\x11\0\x0d" TCP4_BODY "\x04"), "a TLV of version 2 is cut (2.2)");
    bad(TEXT(SIGNATURE "\x21\x11\0\x0f" TCP4_BODY "\x04\0\x01"), "a TLV of version 2 is cut (2.2)");
    bad(TEXT(SIGNATURE "\x21\x11\0\x10" TCP4_BODY "\x04\0\x02x"), "a TLV of version 2 is cut (2.2)");
}

/* CRC32c of "123456789" is e3069283; the header's was computed by another implementation. */
static void test_v2_checksum(void **state)
{
#define ALPN "\x01\0\x02h2"
#define CRC "\x3c\xd5\x1d\xfe"
    (void)state;
    good(TEXT(SIGNATURE "\x21\x11\0\x18" TCP4_BODY ALPN "\x03\0\x04" CRC), "192.0.2.7:56324", "198.51.100.1:443");
    bad(TEXT(SIGNATURE "\x21\x11\0\x18" TCP4_BODY ALPN "\x03\0\x04\0\0\0\0"),
        "the checksum of version 2 is wrong (2.2.3)");
    bad(TEXT(SIGNATURE "\x21\x11\0\x18\xc1\0\x02\x07\xc6\x33\x64\x01\xdc\x04\x01\xbb" ALPN "\x03\0\x04" CRC),
        "the checksum of version 2 is wrong (2.2.3)");
    bad(TEXT(SIGNATURE "\x21\x11\0\x12" TCP4_BODY "\x03\0\x03xyz"),
        "version 2 has one checksum at most, of four bytes (2.2.3)");
    bad(TEXT(SIGNATURE "\x21\x11\0\x1a" TCP4_BODY "\x03\0\x04\0\0\0\0\x03\0\x04\0\0\0\0"),
        "version 2 has one checksum at most, of four bytes (2.2.3)");
}

static enum proxy_result guess(struct text t)
{
    struct text copy = guard_copy(t);

    return proxy_header_guess((const uint8_t *)copy.ptr, copy.len);
}

static void test_guess(void **state)
{
    static const struct text v2 = TEXT_INIT(SIGNATURE);

    (void)state;
    for (size_t len = 0; len < 6; len++)
        assert_int_equal(guess(text_first(TEXT("PROXY "), len)), PROXY_MORE);
    assert_int_equal(guess(TEXT("PROXY ")), PROXY_DONE);
    for (size_t len = 0; len < v2.len; len++)
        assert_int_equal(guess(text_first(v2, len)), PROXY_MORE);
    assert_int_equal(guess(v2), PROXY_DONE);
    assert_int_equal(guess(TEXT("PRI * HTTP/2.0")), PROXY_BAD);
    assert_int_equal(guess(TEXT("PRI")), PROXY_BAD);
    assert_int_equal(guess(TEXT("PUT")), PROXY_BAD);
    assert_int_equal(guess(TEXT("\x16")), PROXY_BAD);
    assert_int_equal(guess(TEXT("\r\nG")), PROXY_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_v1),      cmocka_unit_test(test_v1_errors), cmocka_unit_test(test_v2),
        cmocka_unit_test(test_v2_unix), cmocka_unit_test(test_v2_errors), cmocka_unit_test(test_v2_checksum),
        cmocka_unit_test(test_guess),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    return 0;
}

#endif
