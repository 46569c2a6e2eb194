/* Priority fields (RFC 9218). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "guard.h"
#include "http/priority.h"

/* What the value makes of the default: "u" and a digit, "i" when incremental. */
static void says(const char *value, unsigned urgency, bool incremental)
{
    struct priority p = PRIORITY_DEFAULT;

    priority_update(&p, guard_copy(text_of(value)));
    if (p.urgency != urgency || p.incremental != incremental)
        fail_msg("'%s' gave u=%u%s", value, p.urgency, p.incremental ? ", i" : "");
}

static void test_forms(void **state)
{
    (void)state;
    says("", 3, false);
    says("u=0", 0, false);
    says("u=7", 7, false);
    says("i", 3, true);
    says("i=?1", 3, true);
    says("u=5, i", 5, true);
    says(" i ,\tu=1 ", 1, true);
    says("u=1;x=2, i;y", 1, true);
    says("u=1, u=6", 6, false); /* the last one counts, RFC 8941 3.2 */
    says("i, i=?0", 3, false);
    says("x=\"u=0, i\", u=2", 2, false); /* a string of another member */
}

static void test_other_forms_change_nothing(void **state)
{
    static const char *const values[] = {"u",    "u=",   "u=8", "u=-1",    "u=10",  "u=1.0", "U=1", "u =1",
                                         "uu=1", "I",    "i=1", "i=",      "i=?",   "i=?2",  "ii",  "=1",
                                         ";u=1", "u=?1", "\"u", "u=\"1\"", "a;u=1", "i=?1x"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(values); i++)
        says(values[i], 3, false);
}

/* RFC 9218 8: the response's word counts, the request's where it has none. */
static void test_one_over_another(void **state)
{
    struct priority p = PRIORITY_DEFAULT;

    (void)state;
    priority_update(&p, TEXT("u=6, i"));
    priority_update(&p, TEXT("u=1"));
    assert_int_equal(p.urgency, 1);
    assert_true(p.incremental);
    priority_update(&p, TEXT("i=?0"));
    assert_int_equal(p.urgency, 1);
    assert_false(p.incremental);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_other_forms_change_nothing),
        cmocka_unit_test(test_one_over_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
