/* Tests of timeouts, at the clock's beginning and around its wrap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/timer.h"
#include "panics.h"
#include "port_stub.h"

#define DAYS_24 (24U * 24 * 3600 * 1000)

/* Every test runs from each of these times on. */
static const uint32_t starts[] = {0, 1, 0x7ffffff0u, 0x80000000u, 0xffffff00u, 0xfffffff0u, 0xffffffffu};

static struct timer_class slow, quick;
static struct timer timers[8];
static char called[64]; /* the timers' numbers in the order of their calls */
static uint32_t clock_now;

static void note(struct timer *t)
{
    char digit[2] = {(char)('0' + (t - timers)), '\0'};

    assert_false(timer_is_set(t));
    strncat(called, digit, sizeof(called) - strlen(called) - 1);
}

static void begin(uint32_t now)
{
    timer_reset_all();
    timer_class_init(&slow, "slow", 1000);
    timer_class_init(&quick, "quick", 10);
    for (size_t i = 0; i < ARRAY_SIZE(timers); i++)
        timer_init(&timers[i], note);
    called[0] = '\0';
    clock_now = now;
    assert_int_equal(timer_next(now), -1);
    assert_int_equal(timer_expire(now), 0);
}

static void end(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(timers); i++)
        timer_cancel(&timers[i]);
    timer_class_remove(&slow);
    timer_class_remove(&quick);
}

/* Moves the clock and expects these calls. */
static void step(uint32_t ms, const char *expected)
{
    clock_now += ms;
    called[0] = '\0';
    assert_int_equal(timer_expire(clock_now), strlen(expected));
    assert_string_equal(called, expected);
}

static void test_order(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(starts); i++) {
        begin(starts[i]);
        timer_set(&timers[0], &slow, clock_now);
        timer_set(&timers[1], &slow, clock_now + 5);
        timer_set(&timers[2], &quick, clock_now + 5);
        timer_set(&timers[3], &slow, clock_now + 5);
        assert_int_equal(timer_next(clock_now + 5), 10);
        assert_int_equal(timer_next(clock_now + 14), 1);
        assert_int_equal(timer_next(clock_now + 15), 0);
        assert_int_equal(timer_next(clock_now + 500), 0);
        step(14, "");
        step(1, "2");
        assert_int_equal(timer_next(clock_now), 985);
        step(984, "");
        step(1, "0");
        step(4, "");
        step(1, "13");
        assert_int_equal(timer_next(clock_now), -1);
        end();
    }
}

static void test_set_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(starts); i++) {
        begin(starts[i]);
        timer_set(&timers[0], &quick, clock_now);
        timer_set(&timers[1], &quick, clock_now + 1);
        timer_set(&timers[0], &quick, clock_now + 2); /* begins anew, behind the other */
        step(11, "1");
        step(1, "0");
        timer_set(&timers[0], &quick, clock_now);
        timer_set(&timers[0], &slow, clock_now); /* moves to another class */
        step(999, "");
        step(1, "0");
        timer_set(&timers[0], &quick, clock_now);
        assert_true(timer_is_set(&timers[0]));
        timer_cancel(&timers[0]);
        timer_cancel(&timers[0]);
        assert_false(timer_is_set(&timers[0]));
        step(100, "");
        end();
    }
}

static void test_late(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(starts); i++) {
        begin(starts[i]);
        timer_set(&timers[0], &slow, clock_now);
        timer_set(&timers[1], &quick, clock_now);
        step(1u << 30, "01"); /* a machine that slept: classes in order */
        end();
    }
}

static void test_never(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(starts); i++) {
        begin(starts[i]);
        timer_class_set(&slow, 0);
        timer_set(&timers[0], &slow, clock_now);
        assert_true(timer_is_set(&timers[0]));
        assert_int_equal(timer_next(clock_now), -1);
        step(0x70000000u, "");
        step(0x70000000u, "");
        timer_set(&timers[1], &quick, clock_now);
        assert_int_equal(timer_next(clock_now), 10);
        step(10, "1");
        /* From now on it does. */
        timer_class_set(&slow, 50);
        assert_int_equal(timer_next(clock_now), 50);
        step(49, "");
        step(1, "0");
        end();
    }
}

static void test_longest(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(starts); i++) {
        begin(starts[i]);
        timer_class_set(&slow, UINT32_MAX);
        timer_set(&timers[0], &slow, clock_now);
        assert_int_equal(timer_next(clock_now), TIMER_MAX_MS);
        step(TIMER_MAX_MS - 1, "");
        step(1, "0");
        timer_class_set(&slow, DAYS_24); /* a configuration's longest time */
        timer_set(&timers[0], &slow, clock_now);
        step(DAYS_24 - 1, "");
        step(1, "0");
        end();
    }
}

static void test_lowered(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(starts); i++) {
        begin(starts[i]);
        timer_set(&timers[0], &slow, clock_now);
        timer_set(&timers[1], &slow, clock_now + 100);
        clock_now += 100;
        timer_class_set(&slow, 150);
        timer_set(&timers[2], &slow, clock_now + 10);
        step(49, "");
        step(1, "0");
        step(99, "");
        step(1, "1");
        step(9, "");
        step(1, "2");
        /* Lowered to less than has passed already: due at once. */
        timer_set(&timers[3], &slow, clock_now);
        clock_now += 100;
        timer_class_set(&slow, 20);
        assert_int_equal(timer_next(clock_now), 0);
        step(0, "3");
        end();
    }
}

/* A raised class leaves what runs; lowered again, each is measured by its own start. */
static void test_raised(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(starts); i++) {
        begin(starts[i]);
        timer_set(&timers[0], &quick, clock_now);     /* ends at 10 */
        timer_class_set(&quick, 100);                 /* keeps that */
        timer_set(&timers[1], &quick, clock_now + 1); /* ends at 101 */
        timer_class_set(&quick, 0);
        timer_set(&timers[2], &quick, clock_now + 2); /* never ends */
        timer_class_set(&quick, 30);                  /* 10, 31, and 30 from the latest time on: 32 */
        timer_set(&timers[3], &quick, clock_now + 3); /* ends at 33 */
        step(9, "");
        step(1, "0");
        step(20, "");
        step(1, "1");
        step(1, "2");
        step(1, "3");
        end();
    }
}

/* ---- timers that meddle with each other while they are called ---- */

static void cancel_next(struct timer *t)
{
    note(t);
    timer_cancel(t + 1);
}

static void set_self(struct timer *t)
{
    note(t);
    timer_set(t, &quick, clock_now);
}

static void set_next_again(struct timer *t)
{
    note(t);
    timer_set(t + 1, &quick, clock_now);
}

static void set_late_self(struct timer *t)
{
    note(t);
    timer_set(t, &quick, clock_now - 10); /* a caller with an old clock: due at once, but not in this call */
}

static void lower_class(struct timer *t)
{
    note(t);
    timer_class_set(&slow, 1);
}

static void test_meddling(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(starts); i++) {
        begin(starts[i]);
        for (size_t k = 0; k < ARRAY_SIZE(timers); k++)
            timer_set(&timers[k], &quick, clock_now);
        timers[0].fn = cancel_next; /* 1 is due, too, but never called */
        timers[2].fn = set_self;
        timers[3].fn = set_next_again; /* 4 is due, too, but moves 10 ms on */
        timers[5].fn = set_late_self;
        step(10, "023567");
        assert_false(timer_is_set(&timers[1]));
        step(0, "5");
        timers[5].fn = note;
        step(0, "5");
        timers[2].fn = note;
        step(9, "");
        step(1, "24");
        end();
    }
}

static void test_lowered_inside(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(starts); i++) {
        begin(starts[i]);
        timer_set(&timers[0], &quick, clock_now);
        timers[0].fn = lower_class;
        timer_set(&timers[1], &slow, clock_now);
        step(10, "0");
        step(0, "1");
        end();
    }
}

/* An owner's memory may be used again in fn: nobody looks at the timer afterwards. */
static void wipe(struct timer *t)
{
    note(t);
    memset(t, 0x5a, sizeof(*t));
}

static void test_wiped(void **state)
{
    (void)state;
    begin(0);
    timer_set(&timers[0], &quick, clock_now);
    timer_set(&timers[1], &quick, clock_now);
    timers[0].fn = wipe;
    step(10, "01");
    timer_init(&timers[0], note);
    end();
}

/* Random work against a model that knows each timer's end. */
static void test_random(void **state)
{
    (void)state;
    for (size_t s = 0; s < ARRAY_SIZE(starts); s++) {
        bool set[8] = {false};
        uint32_t at[8] = {0};

        begin(starts[s]);
        stub_seed(s);
        for (unsigned i = 0; i < 5000; i++) {
            unsigned which = stub_chance(8);
            struct timer_class *c = stub_chance(2) == 0 ? &slow : &quick;
            unsigned due = 0;

            if (stub_chance(3) == 0) {
                timer_cancel(&timers[which]);
                set[which] = false;
            } else {
                timer_set(&timers[which], c, clock_now);
                set[which] = true;
                at[which] = clock_now + c->duration_ms;
            }
            clock_now += stub_chance(4) == 0 ? stub_chance(300) : stub_chance(3);
            for (unsigned k = 0; k < 8; k++) {
                bool is_due = set[k] && (int32_t)(clock_now - at[k]) >= 0;

                due += is_due;
                set[k] = set[k] && !is_due;
            }
            assert_int_equal(timer_next(clock_now) == 0, due > 0);
            called[0] = '\0';
            assert_int_equal(timer_expire(clock_now), due);
            for (unsigned k = 0; k < 8; k++)
                assert_int_equal(timer_is_set(&timers[k]), set[k]);
        }
        end();
    }
}

static void remove_used(void)
{
    begin(0);
    timer_set(&timers[0], &slow, 0);
    timer_class_remove(&slow);
}

static void test_bugs_panic(void **state)
{
    (void)state;
    assert_true(panics(remove_used, "timer: "));
}

static void test_reset(void **state)
{
    (void)state;
    begin(0);
    timer_set(&timers[0], &slow, 0);
    timer_set(&timers[1], &slow, 0);
    timer_reset_all();
    assert_false(timer_is_set(&timers[0]));
    assert_int_equal(timer_next(0), -1);
    assert_int_equal(timer_expire(100000), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),  cmocka_unit_test(test_set_again), cmocka_unit_test(test_late),
        cmocka_unit_test(test_never),  cmocka_unit_test(test_longest),   cmocka_unit_test(test_lowered),
        cmocka_unit_test(test_raised), cmocka_unit_test(test_meddling),  cmocka_unit_test(test_lowered_inside),
        cmocka_unit_test(test_wiped),  cmocka_unit_test(test_random),    cmocka_unit_test(test_bugs_panic),
        cmocka_unit_test(test_reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
