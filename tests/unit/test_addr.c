/* Tests of socket addresses as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/addr.h"
#include "guard.h"
#include "port_stub.h"

#define assert_put(addr, brackets, literal)                                                                            \
    do {                                                                                                               \
        char storage_[ADDR_TEXT];                                                                                      \
        struct textbuf b_;                                                                                             \
                                                                                                                       \
        textbuf_init(&b_, storage_, sizeof(storage_));                                                                 \
        addr_put(&b_, addr, brackets);                                                                                 \
        assert_string_equal(textbuf_z(&b_), literal);                                                                  \
    } while (0)

/* Text, and how it is written again; NULL: it is no address. */
static const struct {
    struct text text;
    const char *canonical;
} cases[] = {
    {TEXT_INIT("0.0.0.0"), "0.0.0.0"},
    {TEXT_INIT("127.0.0.1"), "127.0.0.1"},
    {TEXT_INIT("255.255.255.255"), "255.255.255.255"},
    {TEXT_INIT(""), NULL},
    {TEXT_INIT("1"), NULL},
    {TEXT_INIT("1.2.3"), NULL},
    {TEXT_INIT("1.2.3.4.5"), NULL},
    {TEXT_INIT("1.2.3.256"), NULL},
    {TEXT_INIT("1.2.3.04"), NULL},
    {TEXT_INIT("1.2.3.0004"), NULL},
    {TEXT_INIT("1.2..4"), NULL},
    {TEXT_INIT("1.2.3."), NULL},
    {TEXT_INIT(".1.2.3"), NULL},
    {TEXT_INIT("1.2.3.-4"), NULL},
    {TEXT_INIT("1.2.3.0x4"), NULL},
    {TEXT_INIT(" 1.2.3.4"), NULL},
    {TEXT_INIT("::"), "::"},
    {TEXT_INIT("::1"), "::1"},
    {TEXT_INIT("1::"), "1::"},
    {TEXT_INIT("2001:DB8::00A"), "2001:db8::a"},
    {TEXT_INIT("1:2:3:4:5:6:7:8"), "1:2:3:4:5:6:7:8"},
    {TEXT_INIT("1:2:3:4:5:6:7::"), "1:2:3:4:5:6:7:0"},
    {TEXT_INIT("::2:3:4:5:6:7:8"), "0:2:3:4:5:6:7:8"},
    /* RFC 5952 4.2.2: one group is not shortened; 4.2.3: the longest run, then the first. */
    {TEXT_INIT("2001:db8:0:1:1:1:1:1"), "2001:db8:0:1:1:1:1:1"},
    {TEXT_INIT("2001:0:0:1:0:0:0:1"), "2001:0:0:1::1"},
    {TEXT_INIT("2001:db8:0:0:1:0:0:1"), "2001:db8::1:0:0:1"},
    {TEXT_INIT("0:0:1:0:0:0:0:0"), "0:0:1::"},
    {TEXT_INIT("64:ff9b::192.0.2.33"), "64:ff9b::c000:221"},
    {TEXT_INIT("1:2:3:4:5:6:1.2.3.4"), "1:2:3:4:5:6:102:304"},
    {TEXT_INIT("::ffff:192.0.2.1"), "192.0.2.1"},
    {TEXT_INIT("::ffff:c000:201"), "192.0.2.1"},
    {TEXT_INIT(":"), NULL},
    {TEXT_INIT(":::"), NULL},
    {TEXT_INIT("1:::2"), NULL},
    {TEXT_INIT("1::2::3"), NULL},
    {TEXT_INIT(":1"), NULL},
    {TEXT_INIT("1:"), NULL},
    {TEXT_INIT("1:2:3:4:5:6:7"), NULL},
    {TEXT_INIT("1:2:3:4:5:6:7:8:9"), NULL},
    {TEXT_INIT("1:2:3:4:5:6:7:8::"), NULL},
    {TEXT_INIT("::1:2:3:4:5:6:7:8"), NULL},
    {TEXT_INIT("1:2:3:4::5:6:7:8"), NULL},
    {TEXT_INIT("12345::"), NULL},
    {TEXT_INIT("g::"), NULL},
    {TEXT_INIT("::1%eth0"), NULL},
    {TEXT_INIT("[::1]"), NULL},
    {TEXT_INIT("1.2.3.4::"), NULL},
    {TEXT_INIT("::1.2.3.4:5"), NULL},
    {TEXT_INIT("::1.2.3"), NULL},
    {TEXT_INIT("1:2:3:4:5:6:7:1.2.3.4"), NULL},
    {TEXT_INIT("localhost"), NULL},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct port_addr addr = {.port = 7, .family = 99};
        bool ok = addr_parse(guard_copy(cases[i].text), &addr);

        assert_int_equal(ok, cases[i].canonical != NULL);
        if (!ok) {
            assert_int_equal(addr.family, 99);
            continue;
        }
        assert_int_equal(addr.port, 0);
        assert_put(&addr, false, cases[i].canonical);
    }
}

/* Every address is read back as it was written. */
static void test_round_trip(void **state)
{
    (void)state;
    stub_reset();
    stub_seed(42);
    for (unsigned n = 0; n < 20000; n++) {
        struct port_addr addr = {.family = n % 4 == 0 ? PORT_IPV4 : PORT_IPV6}, again;
        char storage[ADDR_TEXT];
        struct textbuf b;

        for (unsigned i = 0; i < (addr.family == PORT_IPV4 ? 4U : 16U); i++)
            addr.ip[i] = (uint8_t)(stub_chance(3) == 0 ? stub_chance(256) : 0);
        textbuf_init(&b, storage, sizeof(storage));
        addr_put(&b, &addr, false);
        assert_false(b.full);
        assert_true(addr_parse(textbuf_text(&b), &again));
        assert_true(addr_eq(&addr, &again));
    }
}

static void test_brackets(void **state)
{
    struct port_addr addr, none = {.family = PORT_NONE};

    (void)state;
    assert_true(addr_parse(TEXT("::1"), &addr));
    assert_put(&addr, true, "[::1]");
    assert_true(addr_parse(TEXT("10.0.0.1"), &addr));
    assert_put(&addr, true, "10.0.0.1");
    assert_true(addr_parse(TEXT("::ffff:10.0.0.1"), &addr));
    assert_put(&addr, true, "10.0.0.1");
    assert_put(&none, true, "unknown");
}

static void test_eq(void **state)
{
    struct port_addr a, b;

    (void)state;
    assert_true(addr_parse(TEXT("10.0.0.1"), &a));
    b = a;
    assert_true(addr_eq(&a, &b));
    b.port = 1;
    assert_false(addr_eq(&a, &b));
    assert_true(addr_parse(TEXT("10.0.0.2"), &b));
    assert_false(addr_eq(&a, &b));
    b = a;
    b.family = PORT_IPV6;
    assert_false(addr_eq(&a, &b));
}

static void test_net(void **state)
{
    static const struct {
        const char *net, *in, *out;
    } nets[] = {
        {"192.0.2.7", "192.0.2.7", "192.0.2.6"},
        {"192.0.2.7/32", "192.0.2.7", "192.0.2.6"},
        {"10.0.0.0/8", "10.255.0.1", "11.0.0.0"},
        {"10.1.2.3/8", "10.255.0.1", "9.255.255.255"},
        {"192.0.2.64/26", "192.0.2.127", "192.0.2.128"},
        {"0.0.0.0/0", "255.0.0.1", "::1"},
        {"2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1"},
        {"::1", "::1", "::2"},
        {"::/0", "ff::1", "1.2.3.4"},
        {"128.0.0.0/1", "200.1.1.1", "127.0.0.1"},
    };
    static const char *const wrong[] = {"",         "/8",          "10.0.0.0/",    "10.0.0.0/33", "::/129",
                                        "10.0.0/8", "10.0.0.0/-1", "10.0.0.0/8/8", "10.0.0.0 /8", "name/8"};
    struct addr_net net;
    struct port_addr addr;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(nets); i++) {
        assert_true(addr_net_parse(text_of(nets[i].net), &net));
        assert_true(addr_parse(text_of(nets[i].in), &addr));
        addr.port = 80;
        assert_true(addr_net_has(&net, &addr));
        assert_true(addr_parse(text_of(nets[i].out), &addr));
        assert_false(addr_net_has(&net, &addr));
    }
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_false(addr_net_parse(text_of(wrong[i]), &net));
}

static void test_unix(void **state)
{
    char storage[64];
    struct port_addr a = {.path = "/run/a"}, b = {.path = "/run/a"}, nameless = {.path = NULL};
    struct textbuf text;

    (void)state;
    a.family = b.family = nameless.family = PORT_UNIX;
    assert_true(addr_eq(&a, &b));
    b.path = "/run/b";
    assert_false(addr_eq(&a, &b));
    assert_false(addr_eq(&a, &nameless));
    textbuf_init(&text, storage, sizeof(storage));
    addr_put(&text, &a, true);
    addr_put_node(&text, &a, true);
    addr_put(&text, &nameless, false);
    assert_string_equal(textbuf_z(&text), "unix:/run/aunknownunix:");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases), cmocka_unit_test(test_round_trip), cmocka_unit_test(test_brackets),
        cmocka_unit_test(test_eq),    cmocka_unit_test(test_net),        cmocka_unit_test(test_unix),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
