/* Tests of the decoder of chunked bodies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <string.h>

#include "guard.h"
#include "http/h1.h"
#include "port_stub.h"

/* Decodes in pieces of at most `step` bytes (0: all), each ending at an unreadable page, and appends the data to `out`.
 *taken becomes how many bytes were used. */
static enum h1_reason decode(struct text in, size_t step, struct textbuf *out, size_t *taken)
{
    struct h1_chunks chunks = {0};

    *taken = 0;
    while (*taken < in.len && chunks.state != H1_CHUNK_TRAILERS) {
        struct text piece = guard_copy(text_first(text_skip(in, *taken), step > 0 ? step : in.len));
        size_t consumed, data_len;
        enum h1_reason reason = h1_decode_chunks(&chunks, (const uint8_t *)piece.ptr, piece.len, &consumed, &data_len);

        if (reason != H1_OK)
            return reason;
        assert_true(consumed > 0 && consumed <= piece.len && data_len <= consumed);
        textbuf_put(out, text_make(piece.ptr + consumed - data_len, data_len));
        *taken += consumed;
    }
    return chunks.state == H1_CHUNK_TRAILERS ? H1_OK : H1_PARTIAL;
}

/* A random body in random chunks comes out as it was, in pieces of any size. */
static void test_random(void **state)
{
    static char body[3000], wire[60000], decoded[3000];

    (void)state;
    stub_seed(7);
    for (int round = 0; round < 200; round++) {
        size_t len = stub_chance(sizeof(body)), at = 0, taken;
        struct textbuf b, out;

        for (size_t i = 0; i < len; i++)
            body[i] = (char)stub_chance(256);
        textbuf_init(&b, wire, sizeof(wire));
        while (at < len) {
            size_t n = min_size(1 + stub_chance(stub_chance(2) > 0 ? 20 : 2000), len - at);

            textbuf_printf(&b, stub_chance(2) > 0 ? "%zx" : "0%zX", n);
            textbuf_putz(&b, stub_chance(10) > 0 ? "\r\n" : " ;a=\"b\"\r\n");
            textbuf_put(&b, text_make(body + at, n));
            textbuf_putz(&b, "\r\n");
            at += n;
        }
        textbuf_putz(&b, "0\r\n");
        at = b.len;
        textbuf_putz(&b, "\r\nGET");
        assert_false(b.full);
        for (size_t step = 0; step < 50; step += 1 + stub_chance(20)) {
            textbuf_init(&out, decoded, sizeof(decoded));
            assert_int_equal(decode(textbuf_text(&b), step, &out, &taken), H1_OK);
            assert_int_equal(taken, at);
            assert_true(text_eq(textbuf_text(&out), text_make(body, len)));
        }
    }
}

/* Each byte of a body's framing is replaced by each value: cut in any way, the result is the same. */
static void test_every_byte(void **state)
{
    static const char plain[] = "a;x=y\r\n0123456789\r\n01 ;z\r\n!\r\n0\r\n";
    char in[sizeof(plain) - 1], one[64], two[64];

    (void)state;
    for (size_t at = 0; at < sizeof(in); at++) {
        for (int c = 0; c < 256; c++) {
            struct textbuf a, b;
            size_t taken_a, taken_b;
            enum h1_reason reason;

            memcpy(in, plain, sizeof(in));
            in[at] = (char)c;
            textbuf_init(&a, one, sizeof(one));
            textbuf_init(&b, two, sizeof(two));
            reason = decode(text_make(in, sizeof(in)), 0, &a, &taken_a);
            assert_int_equal(decode(text_make(in, sizeof(in)), 1, &b, &taken_b), reason);
            assert_true(text_eq(textbuf_text(&a), textbuf_text(&b)));
            if (reason == H1_OK)
                assert_int_equal(taken_a, taken_b);
        }
    }
}

/* One span of data at a time, and it stands at the end of what was used. */
static void test_spans(void **state)
{
    const uint8_t in[] = "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    struct h1_chunks chunks = {0};
    size_t consumed, data_len;

    (void)state;
    assert_int_equal(h1_decode_chunks(&chunks, in, sizeof(in) - 1, &consumed, &data_len), H1_OK);
    assert_int_equal(consumed, 6);
    assert_int_equal(data_len, 3);
    assert_int_equal(chunks.state, H1_CHUNK_DATA_CR);
    assert_int_equal(h1_decode_chunks(&chunks, in + 6, 6, &consumed, &data_len), H1_OK);
    assert_int_equal(consumed, 6);
    assert_int_equal(data_len, 1);
    assert_int_equal(chunks.state, H1_CHUNK_DATA);
    assert_int_equal(chunks.left, 1);
    assert_int_equal(h1_decode_chunks(&chunks, in + 12, sizeof(in) - 13, &consumed, &data_len), H1_OK);
    assert_int_equal(data_len, 1);
    assert_int_equal(consumed, 1);
    assert_int_equal(h1_decode_chunks(&chunks, in + 13, sizeof(in) - 14, &consumed, &data_len), H1_OK);
    assert_int_equal(data_len, 0);
    assert_int_equal(consumed, 5);
    assert_int_equal(chunks.state, H1_CHUNK_TRAILERS);
    /* Nothing more is taken, and an empty input is no fault. */
    assert_int_equal(h1_decode_chunks(&chunks, in + 18, 2, &consumed, &data_len), H1_OK);
    assert_int_equal(consumed, 0);
    chunks = (struct h1_chunks){0};
    assert_int_equal(h1_decode_chunks(&chunks, in, 0, &consumed, &data_len), H1_OK);
    assert_int_equal(consumed, 0);
    assert_int_equal(data_len, 0);
}

/* A chunk larger than a 32-bit machine's memory. */
static void test_large(void **state)
{
    static uint8_t data[65536];
    struct h1_chunks chunks = {0};
    size_t consumed, data_len;

    (void)state;
    assert_int_equal(h1_decode_chunks(&chunks, (const uint8_t *)"123456789a\r\n", 12, &consumed, &data_len), H1_OK);
    assert_true(chunks.left == UINT64_C(0x123456789a));
    assert_int_equal(h1_decode_chunks(&chunks, data, sizeof(data), &consumed, &data_len), H1_OK);
    assert_int_equal(data_len, sizeof(data));
    assert_true(chunks.left == UINT64_C(0x123456789a) - sizeof(data));
}

/* How many octets of extension a chunk of `size` data bytes may have, at first and in the long run. */
static uint32_t extension_room(size_t chunks_before, size_t size)
{
    static char wire[65536], out_storage[65536];
    uint32_t low = 0, high = 8192;

    while (low < high) {
        uint32_t middle = (low + high + 1) / 2;
        struct textbuf b, out;
        size_t taken;

        textbuf_init(&b, wire, sizeof(wire));
        textbuf_init(&out, out_storage, sizeof(out_storage));
        for (size_t i = 0; i <= chunks_before; i++) {
            textbuf_printf(&b, "%zx;", size);
            for (uint32_t n = i == chunks_before ? middle : 100; n > 0; n--)
                textbuf_putc(&b, 'e');
            textbuf_putz(&b, "\r\n");
            for (size_t n = size; n > 0; n--)
                textbuf_putc(&b, 'd');
            textbuf_putz(&b, "\r\n");
        }
        assert_false(b.full);
        if (decode(textbuf_text(&b), 0, &out, &taken) == H1_CHUNK_EXTENSION_LONG)
            high = middle - 1;
        else
            low = middle;
    }
    return low;
}

/* The bound is over the body: what data outweighs is forgiven, what it does not adds up. */
static void test_extensions(void **state)
{
    (void)state;
    assert_int_equal(extension_room(0, 1), 4096 - 4);
    assert_int_equal(extension_room(50, 200), 4096 - 5);
    assert_int_equal(extension_room(10, 1), 4096 - 4 - 10 * (104 - 17));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random), cmocka_unit_test(test_every_byte), cmocka_unit_test(test_spans),
        cmocka_unit_test(test_large),  cmocka_unit_test(test_extensions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
