/* Tests of what "culvert -t" says beside a message: place and column, the line, a caret; and what was meant. */
#include "conf_text.h"
#include "guard.h"
#include "ops/config_reader.h"

static int setup(void **state)
{
    conf_setup(state);
    conf_explain(true);
    return 0;
}

/* CONF_FIRST and one more line; what follows the message's own line must be exactly this. */
static void shown(const char *line, const char *expected)
{
    const char *rest;

    assert_false(conf_parse_lines(line));
    rest = strchr(conf_messages, '\n');
    if (conf_errors != 1 || rest == NULL || strcmp(rest + 1, expected) != 0)
        fail_msg("%s\n%s--- expected:\n%s", line, conf_messages, expected);
}

static void test_words(void **state)
{
    (void)state;
    shown("Timeot 5", "   --> c:3:1\n"
                      "     3 | Timeot 5\n"
                      "       | ^~~~~~\n");
    shown("  Timeout never", "   --> c:3:11\n"
                             "     3 |   Timeout never\n"
                             "       |           ^~~~~\n");
    shown("\tTimeout\tx", "   --> c:3:10\n"
                          "     3 | \tTimeout\tx\n"
                          "       | \t       \t^\n");
    shown("Timeout 'never' ", "   --> c:3:10\n"
                              "     3 | Timeout 'never' \n"
                              "       |          ^~~~~\n");
    shown("Timeout", "   --> c:3:1\n"
                     "     3 | Timeout\n"
                     "       | ^~~~~~~\n");
    shown("Timeout 1 2", "   --> c:3:11\n"
                         "     3 | Timeout 1 2\n"
                         "       |           ^\n");
    shown("# a comment\n\nTimeout x\r", "   --> c:5:9\n"
                                        "     5 | Timeout x\n"
                                        "       |         ^\n");
    shown("ProxyPass /a h2c://b/ timeout=x max=2", "   --> c:3:31\n"
                                                   "     3 | ProxyPass /a h2c://b/ timeout=x max=2\n"
                                                   "       |                               ^\n");
    shown("<Location /x>\n</Location>", "   --> c:3:1\n"
                                        "     3 | <Location /x>\n"
                                        "       | ^~~~~~~~~~~~~\n");
    shown("Timeout \"", "   --> c:3:1\n"
                        "     3 | Timeout \"\n"
                        "       | ^~~~~~~\n");
}

static void test_continued_lines(void **state)
{
    (void)state;
    shown("Timeout \\\n  never \\\n", "   --> c:4:3\n"
                                      "     4 |   never \\\n"
                                      "       |   ^~~~~\n");
    shown("\\\nTimeout \\\r\n\\\n x", "   --> c:6:2\n"
                                      "     6 |  x\n"
                                      "       |  ^\n");
    /* A word in two pieces: the first one is shown. */
    shown("Timeout ne\\\nver", "   --> c:3:9\n"
                               "     3 | Timeout ne\\\n"
                               "       |         ^~~\n");
}

/* Bytes that a terminal would take as its own business are not shown. */
static void test_odd_bytes(void **state)
{
    (void)state;
    shown("Timeout \033[1m", "   --> c:3:1\n"
                             "     3 | Timeout ?[1m\n"
                             "       | ^~~~~~~\n");
    shown("Timeout \xc3\xa4", "   --> c:3:9\n"
                              "     3 | Timeout ??\n"
                              "       |         ^~\n");
}

/* The least of a long line that has the word; a word beyond what is kept is shown by its directive. */
static void test_long_lines(void **state)
{
    char line[2048], expected[512], zeros[128], marks[128];

    (void)state;
    memset(zeros, '0', sizeof(zeros));
    memset(marks, '~', sizeof(marks));
    sprintf(line, "ProxyPass /%0100d h2c://b/ max=x", 0);
    sprintf(expected, "   --> c:3:126\n     3 | %.85s h2c://b/ max=x\n       | %99s^\n", zeros, "");
    shown(line, expected);
    sprintf(line, "Timeout %0200d", 0);
    sprintf(expected, "   --> c:3:9\n     3 | %.100s\n       | ^%.99s\n", zeros, marks);
    shown(line, expected);
    sprintf(line, "ProxyPass /%0600d h2c://b/ max=x", 0);
    sprintf(expected, "   --> c:3:1\n     3 | ProxyPass /%.89s\n       | ^~~~~~~~~\n", zeros);
    shown(line, expected);
}

static bool read_file(const char *content)
{
    conf_clear();
    stub_set_file("/c", text_of(content));
    return config_read(&conf, "/c", conf_report, &conf);
}

/* What is only known at the end belongs to a line that was read long ago, perhaps of another file. */
static void test_earlier_lines(void **state)
{
    (void)state;
    CONF_NEEDS(IS_ENABLED(CONFIG_INCLUDE));
    stub_set_file("/part", TEXT("# x\n  ProxyPass /a/b h2c://127.0.0.1:81/ \nProxyPass /c !\n"));
    assert_true(read_file("Listen 81\nProxyPass /a h2c://127.0.0.1:81/\nInclude part\nTimeout 5\n"));
    assert_non_null(strstr(conf_messages, "/part:2: ProxyPass: '/a/b': unreachable: it is hidden by '/a' of /c:2\n"
                                          "   --> /part:2:13\n"
                                          "     2 |   ProxyPass /a/b h2c://127.0.0.1:81/ \n"
                                          "       |             ^~~~\n"));
}

static void test_an_included_file(void **state)
{
    (void)state;
    CONF_NEEDS(IS_ENABLED(CONFIG_INCLUDE));
    stub_set_file("/part", TEXT("\nNonsense 1\n"));
    assert_false(read_file("Include part\n" CONF_FIRST "Include none\n"));
    assert_non_null(strstr(conf_messages, "/part:2: 'Nonsense': expected a directive: this one is not known\n"
                                          "   --> /part:2:1\n"
                                          "     2 | Nonsense 1\n"
                                          "       | ^~~~~~~~\n"));
    assert_non_null(strstr(conf_messages, "   --> /c:4:1\n"
                                          "     4 | Include none\n"
                                          "       | ^~~~~~~\n"));
}

/* Whole files, and files that are not there, have no line. */
static void test_no_line(void **state)
{
    (void)state;
    assert_false(conf_parse("ProxyPass / h2c://127.0.0.1:81/\n"));
    assert_string_equal(conf_messages, "c: expected one Listen at least\n");
    conf_clear();
    assert_false(config_read(&conf, "/none", conf_report, &conf));
    assert_null(strchr(strchr(conf_messages, '\n') + 1, '\n'));
}

static const struct text numbers[] = {TEXT_INIT("one"), TEXT_INIT("two"), TEXT_INIT("three"), TEXT_INIT("")};

static void assert_near(const char *word, const char *expected)
{
    struct text near = conf_near(guard_copy(text_of(word)), CONF_NAMES(numbers));

    if (!text_eq(near, text_of(expected)))
        fail_msg("%s: '%.*s', not '%s'", word, TEXT_ARG(near), expected);
}

static void test_near(void **state)
{
    (void)state;
    assert_near("thre", "three");
    assert_near("THRE", "three");
    assert_near("htree", "three"); /* neighbours exchanged count as one */
    assert_near("tow", "two");
    assert_near("tw", "two");
    assert_near("twoo", "two");
    assert_near("thr", "");
    assert_near("xyz", "");
    assert_near("two", ""); /* it is one: nothing was misspelt */
    assert_near("t", "");
    assert_near("", "");
    assert_near("threethreethreethreethreethreethreethree", "");
    assert_int_equal(conf_near(TEXT("one"), CONF_NO_NAMES).len, 0);
}

/* Names, keys and values. */
static void test_meant(void **state)
{
    static const struct {
        const char *line, *meant;
    } cases[] = {
        {"KeepAliv On", "did you mean KeepAlive?"},
        {"LimitReqeustBody 5", "did you mean LimitRequestBody?"},
        {"LogLevel wran", "did you mean warn?"},
        {"ProxyVia Blok", "did you mean Block?"},
        {"ProxyPass /a h2c://b/ tiemout=5", "did you mean timeout=?"},
        {"ProxyPass /a h2c://b/ acquier=5", "did you mean acquire=?"},
        {"RequestReadTimeout haeder=5", "did you mean header?"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_false(conf_parse_lines(cases[i].line));
        if (conf_errors != 1 || strstr(conf_messages, cases[i].meant) == NULL)
            fail_msg("%s\n%s--- expected:\n%s", cases[i].line, conf_messages, cases[i].meant);
    }
}

/* Reading ends with error CONFIG_CONF_ERRORS. */
static void test_many_errors(void **state)
{
    static char content[65536];
    size_t at = 0;

    (void)state;
    for (unsigned i = 0; i < CONFIG_CONF_ERRORS + 5; i++)
        at += (size_t)sprintf(content + at, "x\n");
    assert_false(conf_parse(content));
    assert_int_equal(conf_errors, CONFIG_CONF_ERRORS + 1);
    assert_non_null(strstr(conf_messages, "too many errors"));
    snprintf(content, sizeof(content), "c:%d: ", CONFIG_CONF_ERRORS);
    assert_non_null(strstr(conf_messages, content));
    snprintf(content, sizeof(content), "c:%d: ", CONFIG_CONF_ERRORS + 1);
    assert_null(strstr(conf_messages, content));
    assert_null(strstr(conf_messages, "Listen"));
}

/* For a log it is one line. */
static void test_not_explained(void **state)
{
    (void)state;
    conf_explain(false);
    assert_false(conf_parse(CONF_FIRST "Timeot 5\n"));
    assert_string_equal(conf_messages, IS_ENABLED(CONFIG_CONF_EXPLAIN)
                                           ? "c:3: 'Timeot': expected a directive: did you mean Timeout?\n"
                                           : "c:3: 'Timeot': expected a directive: this one is not known\n");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, setup)
    static const struct CMUnitTest explained[] = {
        TEST(test_words),         TEST(test_continued_lines),  TEST(test_odd_bytes), TEST(test_long_lines),
        TEST(test_earlier_lines), TEST(test_an_included_file), TEST(test_no_line),   TEST(test_near),
        TEST(test_meant),
    };
    static const struct CMUnitTest always[] = {
        TEST(test_many_errors),
        TEST(test_not_explained),
    };
    int failed = cmocka_run_group_tests(always, NULL, NULL);

    if (IS_ENABLED(CONFIG_CONF_EXPLAIN))
        failed += cmocka_run_group_tests(explained, NULL, NULL);
    return failed;
}
