/* Tests of balancers in a configuration: sections, members, keys, and their errors. */
#include "conf_text.h"

#define BEGIN "Listen 80\nProxyPass / balancer://b/\n"

#if IS_ENABLED(CONFIG_BALANCER)

#define ONE "BalancerMember balancer://b h2c://10.0.0.1:1\n"

static void test_section(void **state)
{
    const struct balancer *b;

    (void)state;
    conf_good("Listen 80\n"
              "<Proxy \"balancer://My-App_1.x\">\n"
              "  BalancerMember h2c://10.0.0.1:1 loadfactor=2.5 route=r1 lbset=3 status=+H\n"
              "  balancermember h2c://10.0.0.2:1/p/ retry=5 slowstart=1min timeout=7 max=2\n"
              "  ProxySet lbmethod=bybusyness stickysession=SID|sid nofailover=On\n"
              "</Proxy>\n"
              "ProxyPass /a balancer://my-app_1.X/x maxattempts=3\n"
              "ProxyPassReverse /a balancer://my-app_1.x/x\n");
    b = conf.balancers[0];
    assert_int_equal(conf.balancer_count, 1);
    conf_assert_text(b->settings.name, "balancer://My-App_1.x");
    assert_int_equal(b->settings.method, BALANCE_BYBUSYNESS);
    conf_assert_text(b->settings.cookie, "SID");
    conf_assert_text(b->settings.parameter, "sid");
    assert_true(b->settings.no_failover);
    assert_int_equal(b->settings.attempts, 3);
    assert_int_equal(b->settings.fails, CONFIG_MEMBER_FAILS);
    assert_int_equal(b->count, 2);
    assert_int_equal(b->members[0].settings.factor, 250);
    assert_int_equal(b->members[0].settings.set, 3);
    assert_int_equal(b->members[0].settings.flags, MEMBER_STANDBY);
    assert_int_equal(b->members[0].settings.retry_ms, CONFIG_RETRY_S * 1000);
    conf_assert_text(b->members[0].settings.route, "r1");
    conf_assert_text(b->members[0].settings.path, "");
    conf_assert_text(b->members[1].settings.path, "/p");
    assert_int_equal(b->members[1].settings.retry_ms, 5000);
    assert_int_equal(b->members[1].settings.slow_ms, 60000);
    assert_int_equal(b->members[1].backend->settings.timeout_ms, 7000);
    assert_int_equal(b->members[1].backend->settings.max, 2);
    assert_ptr_equal(conf.site.routes.routes[0].balancer, b);
    assert_null(conf.site.routes.routes[0].backend);
    conf_assert_text(conf.site.routes.routes[0].path, "/x");
}

static void test_reverse_maps(void **state)
{
    const struct reverse_map *maps = conf.site.forward.maps;

    (void)state;
    if (!IS_ENABLED(CONFIG_REVERSE_MAP))
        return;
    conf_good(BEGIN "ProxyPassReverse /one h2c://10.0.0.9:9/\n"
                    "ProxyPassReverse /x balancer://b/y\n"
                    "ProxyPassReverse /two /z\n" ONE "BalancerMember balancer://b h2c://10.0.0.2:2/p\n");
    assert_int_equal(conf.site.forward.map_count, 4);
    conf_assert_text(maps[0].ours, "/one");
    conf_assert_text(maps[1].host, "10.0.0.1");
    conf_assert_text(maps[1].path, "/y");
    conf_assert_text(maps[1].ours, "/x");
    conf_assert_text(maps[2].host, "10.0.0.2");
    assert_int_equal(maps[2].port, 2);
    conf_assert_text(maps[2].path, "/p/y");
    conf_assert_text(maps[3].ours, "/two");
}

static void test_checks(void **state)
{
    const struct member *m;

    (void)state;
    conf_good(BEGIN
              "BalancerMember balancer://b h2c://10.0.0.1/app hcmethod=get hcuri=/up?x hcinterval=5 hctimeout=100ms "
              "hcpasses=2 hcfails=3\n");
    m = &conf.balancers[0]->members[0];
    assert_int_equal(m->settings.check, CHECK_GET);
    conf_assert_text(m->settings.check_path, "/app/up?x");
    assert_int_equal(m->settings.check_interval_ms, 5000);
    assert_int_equal(m->settings.check_timeout_ms, 100);
    assert_int_equal(m->settings.passes, 2);
    assert_int_equal(m->settings.fails, 3);
    conf_good(BEGIN ONE);
    assert_int_equal(m->settings.check, CHECK_NONE);
    conf_assert_text(m->settings.check_path, "/");
}

static void test_balancer_keys(void **state)
{
    const struct balancer_settings *s;

    (void)state;
    conf_good(BEGIN ONE "ProxySet balancer://b stickycookie=R stickysessionsep=! failonstatus=500,503 maxfails=0 "
                        "forcerecovery=Off lbmethod=byrequests scolonpathdelim=On\n");
    s = &conf.balancers[0]->settings;
    conf_assert_text(s->set_cookie, "R");
    conf_assert_text(s->cookie, "R");
    assert_int_equal(s->separator, '!');
    assert_int_equal(s->status_count, 2);
    assert_int_equal(s->statuses[1], 503);
    assert_int_equal(s->fails, 0);
    assert_false(s->force_recovery);
    conf_good(BEGIN ONE "ProxySet balancer://b stickysession=SID stickysessionsep=off\n");
    assert_int_equal(s->separator, 0);
    conf_assert_text(s->parameter, "SID");
    assert_true(s->force_recovery);
}

static void test_flags(void **state)
{
    const struct member_settings *s;

    (void)state;
    conf_good(BEGIN "BalancerMember balancer://b h2c://10.0.0.1 status=+HI-I+rn\n");
    s = &conf.balancers[0]->members[0].settings;
    assert_int_equal(s->flags, MEMBER_STANDBY | MEMBER_SPARE | MEMBER_DRAINING);
    conf_good(BEGIN "BalancerMember balancer://b h2c://10.0.0.1 status=D\n");
    assert_int_equal(s->flags, MEMBER_OFF);
}

static void test_section_errors(void **state)
{
    (void)state;
    conf_bad(BEGIN ONE "<Proxy *>\nBalancerMember x\n</Proxy>\n",
             "c:4: '*': expected balancer://NAME[/PATH], a name of letters, digits, . _ and -\n");
    conf_bad(BEGIN ONE "<Proxy balancer://b/x>\n</Proxy>\n",
             "c:4: 'balancer://b/x': expected no path behind the balancer's name\n");
    conf_bad(BEGIN ONE "<Proxy balancer://b\nTimeout 5\n</Proxy>\n",
             "c:4: '<Proxy balancer://b': expected > at the end of the line\n");
    conf_bad(BEGIN ONE "<Proxy balancer://b>\nTimeout 5\n</Proxy>\n",
             "c:5: Timeout: expected BalancerMember, ProxySet or </Proxy>\n");
    conf_bad(BEGIN ONE "<Proxy balancer://b>\n", "c:4: expected </Proxy> behind this <Proxy>\n");
    conf_bad(BEGIN ONE "<Proxy balancer://b>\n<Proxy balancer://c>\n</Proxy>\n</Proxy>\n",
             "c:5: '<Proxy balancer://c>': expected the end of the section that is open: </Proxy>\n");
    conf_bad(BEGIN ONE "</Proxy>\n", "c:4: '</Proxy>': expected no end: there is no such section\n");
    conf_bad("Listen 80\nProxyPass /c balancer://c\n",
             "c:2: 'balancer://c': expected one BalancerMember at least for this balancer\n");
    conf_bad(BEGIN ONE "ProxyPass /c balancer://\n",
             "c:4: ProxyPass: 'balancer://': expected balancer://NAME[/PATH], a name of letters, digits, . _ and -\n");
    conf_bad(
        BEGIN ONE "ProxyPass /c balancer://b/x?y\n",
        "c:4: ProxyPass: 'balancer://b/x?y': expected balancer://NAME[/PATH], a name of letters, digits, . _ and -\n");
}

#define MEMBER "BalancerMember balancer://b h2c://10.0.0.1 "

static void test_member_errors(void **state)
{
    static const char *const cases[][2] = {
        {"loadfactor=0", "expected a number from 1 to 100, perhaps with two decimals"},
        {"loadfactor=100.01", "expected a number from 1 to 100, perhaps with two decimals"},
        {"loadfactor=1.234", "expected a number from 1 to 100, perhaps with two decimals"},
        {"loadfactor=", "expected a number from 1 to 100, perhaps with two decimals"},
        {"route=a;b", "expected a route of at most 64 bytes: a token"},
        {"status=+X", "expected letters of D, S, H, R, N and I, with + or -"},
        {"status=+E", "expected letters of D, S, H, R, N and I, with + or -: E and C come and go by themselves"},
        {"hcmethod=TCP", "expected HEAD, GET, OPTIONS, PING or None"},
        {"hcuri=up", "expected a path that begins with /"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char content[256], expected[256];

        snprintf(content, sizeof(content), BEGIN ONE MEMBER "%s\n", cases[i][0]);
        snprintf(expected, sizeof(expected), "c:4: BalancerMember: '%s': %s\n", cases[i][0], cases[i][1]);
        conf_bad(content, expected);
    }
    assert_false(conf_parse(BEGIN ONE MEMBER "lbset=100\n"));
    assert_false(conf_parse(BEGIN ONE MEMBER "hcpasses=0\n"));
    assert_false(conf_parse(BEGIN ONE MEMBER "retry=x\n"));
    assert_false(conf_parse(BEGIN ONE MEMBER "redirect=x\n"));
    assert_non_null(strstr(conf_messages, "expected loadfactor=, route=, lbset="));
    conf_bad(BEGIN "BalancerMember h2c://10.0.0.1\n" ONE,
             "c:3: BalancerMember: expected [balancer://NAME] URL [KEY=VALUE ...]\n");
    conf_bad(BEGIN ONE "BalancerMember balancer://b h2c://10.0.0.1:1/x\n",
             "c:4: BalancerMember: 'h2c://10.0.0.1:1/x': expected another HOST:PORT: this one is a member already\n");
    assert_false(conf_parse(BEGIN ONE "BalancerMember balancer://b http://10.0.0.1:1\n"));
    assert_non_null(strstr(conf_messages, "backends are spoken to in HTTP/2 only"));
}

static void test_key_errors(void **state)
{
    (void)state;
    conf_bad(BEGIN ONE "ProxySet balancer://b lbmethod=bytraffic\n",
             "c:4: ProxySet: 'lbmethod=bytraffic': expected byrequests or bybusyness\n");
    conf_bad(BEGIN ONE "ProxySet balancer://b stickysession=a=b\n",
             "c:4: ProxySet: 'stickysession=a=b': expected the name of a cookie, perhaps with | and the name of a "
             "parameter\n");
    conf_bad(BEGIN ONE "ProxySet balancer://b stickysessionsep=xx\n",
             "c:4: ProxySet: 'stickysessionsep=xx': expected one character, or Off\n");
    conf_bad(BEGIN ONE "ProxySet balancer://b nofailover=1\n", "c:4: ProxySet: '1': expected On or Off\n");
    conf_bad(BEGIN ONE "ProxySet balancer://b failonstatus=1,2,3\n",
             "c:4: ProxySet: '1': expected a number from 200 to 599\n");
    conf_bad(BEGIN ONE "ProxySet balancer://b failonstatus=500,501,502,503,504,505,506,507,508\n",
             "c:4: ProxySet: 'failonstatus=500,501,502,503,504,505,506,507,508': expected at most 8 statuses\n");
    assert_false(conf_parse(BEGIN ONE "ProxySet balancer://b growth=1\n"));
    assert_false(conf_parse(BEGIN ONE "ProxyPass /x balancer://b max=1\n"));
    assert_false(conf_parse(BEGIN ONE "ProxySet lbmethod=byrequests\n"));
}

static void test_capacity(void **state)
{
    static char content[65536];
    size_t len;

    (void)state;
    len = (size_t)snprintf(content, sizeof(content), BEGIN);
    for (unsigned i = 0; i <= CONFIG_BALANCERS; i++)
        len += (size_t)snprintf(content + len, sizeof(content) - len,
                                "BalancerMember balancer://b%u h2c://10.0.0.1:1\n", i);
    assert_false(conf_parse(content));
    assert_non_null(strstr(conf_messages, "raise CONFIG_BALANCERS"));
    if (CONFIG_BALANCER_MEMBERS >= CONFIG_BACKENDS)
        return;
    len = (size_t)snprintf(content, sizeof(content), BEGIN);
    for (unsigned i = 1; i <= CONFIG_BALANCER_MEMBERS + 1; i++)
        len += (size_t)snprintf(content + len, sizeof(content) - len, "BalancerMember balancer://b h2c://10.0.0.1:%u\n",
                                i);
    assert_false(conf_parse(content));
    assert_non_null(strstr(conf_messages, "raise CONFIG_BALANCER_MEMBERS"));
}

#else

static void test_without(void **state)
{
    (void)state;
    conf_good("Listen 80\nProxyPass / h2c://10.0.0.1\n");
    conf_bad("Listen 80\nProxyPass / h2c://10.0.0.1\n<Proxy balancer://b>\nBalancerMember x\n</Proxy>\n",
             "c:3: '<Proxy balancer://b>': balancers need CONFIG_BALANCER, which is off in this build\n");
    conf_bad(BEGIN, "c:2: ProxyPass: 'balancer://b/': balancers need CONFIG_BALANCER, which is off in this build\n");
}

#endif

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, conf_setup)
    const struct CMUnitTest tests[] = {
#if IS_ENABLED(CONFIG_BALANCER)
        TEST(test_section),
        TEST(test_reverse_maps),
        TEST(test_checks),
        TEST(test_balancer_keys),
        TEST(test_flags),
        TEST(test_section_errors),
        TEST(test_member_errors),
        TEST(test_key_errors),
        TEST(test_capacity),
#else
        TEST(test_without),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
