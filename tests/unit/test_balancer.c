/* Tests of balancers: which member is picked, how often, and what a session's route is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proxy/health.h"
#include "proxy/sticky.h"

#if IS_ENABLED(CONFIG_BALANCER)

static struct backend backends[CONFIG_BALANCER_MEMBERS];
static struct balancer balancer;
static struct balancer *all[] = {&balancer};
static unsigned picks[CONFIG_BALANCER_MEMBERS];

static int setup(void **state)
{
    (void)state;
    loop_init();
    memset(&balancer, 0, sizeof(balancer));
    memset(picks, 0, sizeof(picks));
    balancer.settings.name = TEXT("balancer://b");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    health_stop();
    return 0;
}

static struct member *member(uint32_t factor, unsigned set, unsigned flags, struct text route)
{
    struct member *m = &balancer.members[balancer.count];

    m->settings.factor = factor;
    m->settings.set = (uint8_t)set;
    m->settings.flags = (uint8_t)flags;
    m->settings.route = route;
    m->settings.retry_ms = 60000;
    m->backend = &backends[balancer.count];
    memset(m->backend, 0, sizeof(*m->backend));
    list_init(&m->backend->conns);
    m->backend->settings.queue_most = 1;
    balancer.count++;
    return m;
}

static void start(void)
{
    health_start(all, 1);
}

static struct member *pick(uint32_t tried, struct text route)
{
    struct balancer_wish wish = {.now = loop_now(), .tried = tried, .route = route};

    return balancer_pick(&balancer, &wish);
}

/* n picks, counted. */
static void pick_many(unsigned n, uint32_t tried, const char *route)
{
    memset(picks, 0, sizeof(picks));
    for (unsigned i = 0; i < n; i++) {
        struct member *m = pick(tried, text_of(route));

        assert_non_null(m);
        picks[m - balancer.members]++;
    }
}

static void assert_picks(unsigned a, unsigned b, unsigned c)
{
    assert_int_equal(picks[0], a);
    assert_int_equal(picks[1], b);
    assert_int_equal(picks[2], c);
}

static void test_equal(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++)
        member(100, 0, 0, TEXT(""));
    start();
    for (unsigned i = 0; i < 30; i++)
        assert_ptr_equal(pick(0, TEXT("")), &balancer.members[i % 3]);
}

static void test_weights(void **state)
{
    (void)state;
    member(300, 0, 0, TEXT(""));
    member(200, 0, 0, TEXT(""));
    member(100, 0, 0, TEXT(""));
    start();
    for (unsigned i = 1; i < 50; i++) {
        pick_many(6, 0, "");
        assert_picks(3, 2, 1);
    }
}

static void test_decimals(void **state)
{
    (void)state;
    member(150, 0, 0, TEXT(""));
    member(100, 0, 0, TEXT(""));
    member(10000, 0, MEMBER_OFF, TEXT(""));
    start();
    pick_many(1000, 0, "");
    assert_picks(600, 400, 0);
}

/* The turns of a heavy member are spread, not bunched. */
static void test_spread(void **state)
{
    unsigned heavy = 0;

    (void)state;
    member(300, 0, 0, TEXT(""));
    member(100, 0, 0, TEXT(""));
    start();
    for (unsigned i = 0; i < 100; i++) {
        heavy = pick(0, TEXT("")) == &balancer.members[0] ? heavy + 1 : 0;
        assert_true(heavy <= 3);
    }
}

static void test_busyness(void **state)
{
    (void)state;
    balancer.settings.method = BALANCE_BYBUSYNESS;
    member(100, 0, 0, TEXT(""));
    member(100, 0, 0, TEXT(""));
    member(200, 0, 0, TEXT(""));
    start();
    memset(picks, 0, sizeof(picks));
    for (unsigned i = 0; i < 400; i++) { /* nobody ever ends */
        struct member *m = pick(0, TEXT(""));

        m->busy++;
        picks[m - balancer.members]++;
    }
    assert_picks(100, 100, 200);
    balancer.members[1].busy = 0;
    pick_many(10, 0, "");
    assert_picks(0, 10, 0);
}

static void test_idle_busyness_shares(void **state)
{
    (void)state;
    balancer.settings.method = BALANCE_BYBUSYNESS;
    for (unsigned i = 0; i < 3; i++)
        member(100, 0, 0, TEXT(""));
    start();
    pick_many(300, 0, "");
    assert_picks(100, 100, 100);
}

static void test_standby(void **state)
{
    struct member *main_one;

    (void)state;
    main_one = member(100, 0, 0, TEXT(""));
    member(100, 0, MEMBER_STANDBY, TEXT(""));
    member(100, 1, 0, TEXT(""));
    start();
    pick_many(10, 0, "");
    assert_picks(10, 0, 0);
    main_one->state = MEMBER_EJECTED;
    pick_many(10, 0, "");
    assert_picks(0, 10, 0);
    pick_many(10, 1U << 1, "");
    assert_picks(0, 0, 10);
    assert_null(pick(7, TEXT("")));
}

static void test_sets(void **state)
{
    (void)state;
    member(100, 5, 0, TEXT(""));
    member(100, 2, 0, TEXT(""));
    member(100, 2, 0, TEXT(""));
    start();
    pick_many(10, 0, "");
    assert_picks(0, 5, 5);
    pick_many(10, 6, "");
    assert_picks(10, 0, 0);
}

/* A spare stands in for one that is missing, and no more of them than that. */
static void test_spares(void **state)
{
    (void)state;
    member(100, 0, 0, TEXT(""));
    member(100, 0, MEMBER_SPARE, TEXT(""));
    member(100, 0, MEMBER_SPARE, TEXT(""));
    member(100, 0, 0, TEXT(""));
    start();
    pick_many(10, 0, "");
    assert_picks(5, 0, 0);
    assert_int_equal(picks[3], 5);
    pick_many(10, 1U << 3, "");
    assert_picks(5, 5, 0);
}

static void test_routes(void **state)
{
    (void)state;
    member(100, 0, 0, TEXT("a"));
    member(100, 0, 0, TEXT("b"));
    member(100, 0, MEMBER_DRAINING, TEXT("c"));
    start();
    pick_many(10, 0, "b");
    assert_picks(0, 10, 0);
    pick_many(10, 0, "c");
    assert_picks(0, 0, 10);
    assert_null(pick(0, TEXT("d")));
    assert_null(pick(2, TEXT("b")));
    pick_many(10, 0, ""); /* what sessions took is made up for by others */
    assert_picks(10, 0, 0);
    pick_many(10, 0, "");
    assert_picks(5, 5, 0);
}

static void test_trial(void **state)
{
    (void)state;
    balancer.settings.force_recovery = true;
    member(100, 0, 0, TEXT(""))->settings.retry_ms = 60000;
    member(100, 0, 0, TEXT(""));
    start();
    health_failed(&balancer.members[0], CAUSE_CONNECT_REFUSED, NULL);
    assert_int_equal(balancer.members[0].state, MEMBER_EJECTED);
    pick_many(10, 0, "");
    assert_picks(0, 10, 0);
    health_try(&balancer.members[0]);
    assert_ptr_equal(pick(0, TEXT("")), &balancer.members[0]);
    balancer.members[0].busy = 1; /* one at a time ... */
    pick_many(10, 0, "");
    assert_picks(0, 10, 0);
    pick_many(10, 2, ""); /* ... but for want of others */
    assert_picks(10, 0, 0);
    health_answered(&balancer.members[0], 200);
    assert_int_equal(balancer.members[0].state, MEMBER_UP);
}

static void test_forced(void **state)
{
    struct member *m;

    (void)state;
    m = member(100, 0, 0, TEXT(""));
    start();
    health_failed(m, CAUSE_CONNECT_REFUSED, NULL);
    assert_null(pick(0, TEXT("")));
    m->since -= CONFIG_EJECT_MS;
    assert_null(pick(0, TEXT("")));
    balancer.settings.force_recovery = true;
    assert_ptr_equal(pick(0, TEXT("")), m);
    assert_int_equal(m->state, MEMBER_TRIAL);
}

static void test_slow_start(void **state)
{
    struct member *m;

    (void)state;
    m = member(100, 0, 0, TEXT(""));
    m->settings.slow_ms = 10000;
    member(100, 0, 0, TEXT(""));
    start();
    assert_int_equal(member_weight(m, m->since), 100); /* only after a return */
    m->ramps = true;
    assert_int_equal(member_weight(m, m->since), 1);
    for (unsigned percent = 10; percent < 100; percent += 10)
        assert_int_equal(member_weight(m, m->since + percent * 100), percent);
    m->since = loop_now() - 5000;
    pick_many(300, 0, "");
    assert_picks(100, 200, 0);
    m->since = loop_now() - 10000;
    pick_many(300, 0, "");
    assert_true(abs((int)picks[0] - 150) <= 1); /* a rest of the score of before */
    assert_false(m->ramps);
}

static void test_failures(void **state)
{
    struct member *m;

    (void)state;
    m = member(100, 0, 0, TEXT(""));
    member(100, 0, 0, TEXT(""));
    balancer.settings.fails = 3;
    start();
    for (unsigned i = 0; i < 10; i++) { /* in a row */
        health_answered(m, 500);
        health_failed(m, CAUSE_BACKEND_RESET, NULL);
        health_answered(m, 404);
        assert_int_equal(m->state, MEMBER_UP);
    }
    health_answered(m, 500);
    health_answered(m, 599);
    health_failed(m, CAUSE_BACKEND_TIMEOUT, NULL);
    assert_int_equal(m->state, MEMBER_EJECTED);
    for (unsigned i = 0; i < 10; i++) /* the last one stays */
        health_answered(&balancer.members[1], 500);
    assert_int_equal(balancer.members[1].state, MEMBER_UP);
    health_failed(&balancer.members[1], CAUSE_CONNECT_TIMEOUT, NULL);
    assert_int_equal(balancer.members[1].state, MEMBER_EJECTED);
}

static void test_statuses(void **state)
{
    (void)state;
    member(100, 0, 0, TEXT(""));
    member(100, 0, MEMBER_STEADY, TEXT(""));
    balancer.settings.statuses[0] = 418;
    balancer.settings.status_count = 1;
    start();
    health_answered(&balancer.members[0], 417);
    assert_int_equal(balancer.members[0].state, MEMBER_UP);
    health_answered(&balancer.members[0], 418);
    assert_int_equal(balancer.members[0].state, MEMBER_EJECTED);
    health_answered(&balancer.members[1], 418);
    assert_int_equal(balancer.members[1].state, MEMBER_UP);
}

/* ---- sticky sessions ---- */

static struct head head;
static char text[4096];

static struct text route(const char *path, const char *cookies)
{
    struct text rest = text_of(cookies), line;

    head_init(&head, text, sizeof(text));
    assert_non_null(head_begin(&head, SECTION_REQUEST, 0));
    assert_true(head_store(&head, text_of(path), &head.path));
    while (text_split(&rest, '\n', &line))
        assert_true(head_add_id(&head, FIELD_COOKIE, line));
    return sticky_route(&balancer.settings, &head);
}

#define assert_route(path, cookies, expected)                                                                          \
    do {                                                                                                               \
        struct text is = route(path, cookies);                                                                         \
        assert_int_equal(is.len, strlen(expected));                                                                    \
        assert_memory_equal(is.len > 0 ? is.ptr : "", expected, is.len);                                               \
    } while (0)

static void test_sticky_route(void **state)
{
    (void)state;
    balancer.settings.cookie = TEXT("SID");
    balancer.settings.parameter = TEXT("sid");
    balancer.settings.separator = '.';
    assert_route("/", "", "");
    assert_route("/", "SID=abc.r1", "r1");
    assert_route("/", "a=b; SID=abc.r1.x; SID=q.r2", "r1.x");
    assert_route("/", "a=b\nSID=abc.r1", "r1");
    assert_route("/", "XSID=abc.r1; sid=x.r1; SIDX=x.r1; SID", "");
    assert_route("/", "SID=abc", "");
    assert_route("/", "SID=abc.", "");
    assert_route("/x;sid=abc.r3", "SID=abc.r1", "r3");
    assert_route("/x;sid=abc.r3/y", "", "r3");
    assert_route("/x;sid=abc.r3?a=b", "", "r3");
    assert_route("/x?sid=abc.r3&a=b", "", "r3");
    assert_route("/x?a=b&sid=abc.r3", "", "r3");
    assert_route("/x?xsid=abc.r3", "SID=abc.r1", "r1");
    assert_route("/x?sid=", "SID=abc.r1", "r1");
    assert_route("?sid=a.r4", "", "r4");
    balancer.settings.separator = '\0';
    assert_route("/", "SID=r1", "r1");
    balancer.settings.separator = '!';
    assert_route("/", "SID=a.b!r1", "r1");
    balancer.settings.cookie = TEXT("");
    assert_route("/", "SID=a!r1", "");
}

static void test_sticky_set(void **state)
{
    struct text value;

    (void)state;
    balancer.settings.set_cookie = TEXT("SID");
    balancer.settings.separator = '.';
    route("/", "");
    assert_true(sticky_set(&balancer.settings, &head, TEXT("r1"), TEXT("/app")));
    value = field_value_of(&head, &head.fields[1]);
    assert_true(text_eq(value, TEXT("SID=.r1; Path=/app; HttpOnly")));
    assert_true(sticky_set(&balancer.settings, &head, TEXT("r1"), TEXT("/a;b")));
    value = field_value_of(&head, &head.fields[2]);
    assert_true(text_eq(value, TEXT("SID=.r1; Path=/; HttpOnly")));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_equal),        TEST(test_weights),    TEST(test_decimals),
        TEST(test_spread),       TEST(test_busyness),   TEST(test_idle_busyness_shares),
        TEST(test_standby),      TEST(test_sets),       TEST(test_spares),
        TEST(test_routes),       TEST(test_trial),      TEST(test_forced),
        TEST(test_slow_start),   TEST(test_failures),   TEST(test_statuses),
        TEST(test_sticky_route), TEST(test_sticky_set),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    return 0;
}

#endif
