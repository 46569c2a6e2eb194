/* Tests of the walk over HTTP/2 frames: heads cut anywhere, payloads of any size, the streams that PRIORITY and
 * PRIORITY_UPDATE name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "guard.h"
#include "http/h2_frames.h"

/* DATA of 3 on 5 (reserved bit set), PRIORITY of 5 on 7 that depends on 3 exclusively, SETTINGS of 0, PRIORITY of 2
   (too short), PRIORITY_UPDATE of 7 for 5 (reserved bit set), DATA of 70000 on 0x7fffffff. */
static const uint8_t wire[] = {
    0, 0,    3,    0,  1, 0x80, 0,    0,    5,    'a',  'b', 'c',                   /**/
    0, 0,    5,    2,  0, 0,    0,    0,    7,    0x80, 0,   0,   3, 15,            /**/
    0, 0,    0,    4,  1, 0,    0,    0,    0,                                      /**/
    0, 0,    2,    2,  0, 0,    0,    0,    9,    1,    1,                          /**/
    0, 0,    7,    16, 0, 0,    0,    0,    0,    0x80, 0,   0,   5, 'u', '=', '1', /**/
    1, 0x11, 0x70, 0,  0, 0x7f, 0xff, 0xff, 0xff,                                   /**/
};
static const struct h2_frame frames[] = {
    {3, 0, 1, 5, 0}, {5, 2, 0, 7, 3}, {0, 4, 1, 0, 0}, {2, 2, 0, 9, 0}, {7, 16, 0, 0, 5}, {70000, 0, 0, INT32_MAX, 0},
};

static struct h2_frames walk;
static unsigned found;

/* Looks at n bytes that end at an unreadable page. */
static void look(const uint8_t *bytes, size_t n)
{
    const uint8_t *at = (const uint8_t *)guard_copy(text_make(bytes, n)).ptr;
    const uint8_t *end = at + n;
    struct h2_frame frame;

    while (h2_frames_next(&walk, &at, &n, &frame)) {
        assert_true(found < ARRAY_SIZE(frames));
        assert_int_equal(frame.len, frames[found].len);
        assert_int_equal(frame.type, frames[found].type);
        assert_int_equal(frame.flags, frames[found].flags);
        assert_int_equal(frame.stream_id, frames[found].stream_id);
        assert_int_equal(frame.word, frames[found].word);
        found++;
    }
    assert_int_equal(n, 0);
    assert_ptr_equal(at, end);
}

static void begin(uint32_t skip)
{
    memset(&walk, 0xa5, sizeof(walk));
    h2_frames_init(&walk, skip);
    found = 0;
}

static void test_whole(void **state)
{
    (void)state;
    begin(0);
    look(wire, sizeof(wire));
    assert_int_equal(found, ARRAY_SIZE(frames));
}

static void test_pieces(void **state)
{
    (void)state;
    for (size_t size = 1; size < sizeof(wire); size++) {
        begin(0);
        for (size_t at = 0; at < sizeof(wire); at += size)
            look(wire + at, min_size(size, sizeof(wire) - at));
        assert_int_equal(found, ARRAY_SIZE(frames));
    }
}

/* A frame that is taken back comes again, in whatever pieces its head came. */
static void test_unread(void **state)
{
    (void)state;
    for (size_t cut = 1; cut < sizeof(wire); cut++) {
        const uint8_t *at = wire;
        size_t n = cut;
        struct h2_frame frame;

        begin(0);
        for (;;) {
            struct h2_frame again;
            size_t back;

            if (!h2_frames_next(&walk, &at, &n, &frame)) {
                if (n == 0 && at == wire + sizeof(wire))
                    break;
                n = (size_t)(wire + sizeof(wire) - at);
                continue;
            }
            found++;
            if (frame.type == 2 || frame.type == 16) /* with a word */
                continue;
            back = h2_frames_unread(&walk);
            assert_in_range(back, 1, H2_FRAMES_HEAD);
            at -= back;
            n += back;
            assert_true(h2_frames_next(&walk, &at, &n, &again));
            assert_int_equal(again.len, frame.len);
            assert_int_equal(again.type, frame.type);
            assert_int_equal(again.flags, frame.flags);
            assert_int_equal(again.stream_id, frame.stream_id);
        }
        assert_int_equal(found, ARRAY_SIZE(frames));
    }
}

static void test_skip(void **state)
{
    static const uint8_t preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    (void)state;
    for (size_t cut = 0; cut < sizeof(preface); cut++) {
        begin(sizeof(preface) - 1);
        look(preface, cut);
        look(preface + cut, sizeof(preface) - 1 - cut);
        look(wire, sizeof(wire));
        assert_int_equal(found, ARRAY_SIZE(frames));
    }
}

/* A payload of 70,000 bytes in reads of 1,000, and a frame behind it. */
static void test_long_payload(void **state)
{
    static const uint8_t zeros[1000];

    (void)state;
    begin(0);
    look(wire, sizeof(wire));
    for (unsigned i = 0; i < 70; i++)
        look(zeros, sizeof(zeros));
    assert_int_equal(found, ARRAY_SIZE(frames));
    found = 0;
    look(wire, 12);
    assert_int_equal(found, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole), cmocka_unit_test(test_pieces),       cmocka_unit_test(test_unread),
        cmocka_unit_test(test_skip),  cmocka_unit_test(test_long_payload),
    };

    return cmocka_run_group_tests_name("h2_frames", tests, NULL, NULL);
}
