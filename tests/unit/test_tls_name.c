/* Whom a certificate names: DNS names and their wildcards. */
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#if IS_ENABLED(CONFIG_TLS)
#include "net/tls_impl.h"

static void test_names(void **state)
{
    static const struct {
        const char *pattern;
        const char *host;
        bool fits;
    } cases[] = {
        {"a.test", "a.test", true},
        {"A.Test", "a.tEST", true},
        {"a.test", "a.test.", true},
        {"a.test", "b.a.test", false},
        {"a.test", "a.tes", false},
        {"a.test", "", false},
        {"", "", false},
        {"*.a.test", "b.a.test", true},
        {"*.a.test", "b.a.test.", true},
        {"*.a.test", "a.test", false},
        {"*.a.test", ".a.test", false},
        {"*.a.test", "c.b.a.test", false},
        {"*.test", "a.test", false}, /* all of a top domain */
        {"*", "test", false},
        {"*.", "a.", false},
        {"b*.a.test", "bc.a.test", false},
        {"a.*.test", "a.b.test", false},
        {"*.a.test", "*.a.test", true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        if (tls_name_fits(text_of(cases[i].pattern), text_of(cases[i].host)) != cases[i].fits)
            fail_msg("%s for %s", cases[i].pattern, cases[i].host);
    }
}
#else
static void test_names(void **state)
{
    (void)state;
    skip();
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_names)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
