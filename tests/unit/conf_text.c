/* Configurations in unit tests of directives: read from a text, and what is said of it. */
#include "conf_text.h"

#include "base/addr.h"
#include "guard.h"

struct config conf;
char conf_messages[65536];
unsigned conf_errors, conf_warnings;

static size_t message_len;
static const char *first = CONF_FIRST;
static bool explained;

void conf_report(void *user, bool error, struct text message)
{
    assert_ptr_equal(user, &conf);
    assert_true(message_len + message.len + 1 < sizeof(conf_messages));
    assert_true(explained || text_find(message, '\n', 0) == message.len);
    memcpy(conf_messages + message_len, message.ptr, message.len);
    message_len += message.len;
    conf_messages[message_len++] = '\n';
    conf_messages[message_len] = '\0';
    if (error)
        conf_errors++;
    else
        conf_warnings++;
}

void conf_clear(void)
{
    message_len = 0;
    conf_messages[0] = '\0';
    conf_errors = 0;
    conf_warnings = 0;
}

void conf_explain(bool on)
{
    explained = on;
    config_explain(on);
}

int conf_setup(void **state)
{
    (void)state;
    stub_reset();
    conf_clear();
    conf_explain(false);
    first = CONF_FIRST;
    return 0;
}

bool conf_parse(const char *content)
{
    bool ok;

    conf_clear();
    ok = config_parse(&conf, "c", guard_copy(text_of(content)), conf_report, &conf);
    assert_int_equal(ok, conf_errors == 0);
    assert_int_equal(conf.warnings, conf_warnings);
    assert_true(conf.text_used <= sizeof(conf.text));
    return ok;
}

/* The messages of a text, which was taken or not, are exactly these. */
static void check(bool ok, bool should, const char *content, const char *expected)
{
    if (ok != should || strcmp(conf_messages, expected) != 0)
        fail_msg("%s\n%s--- expected:\n%s", content, conf_messages, expected);
}

void conf_good(const char *content)
{
    check(conf_parse(content), true, content, "");
}

void conf_bad(const char *content, const char *expected)
{
    check(conf_parse(content), false, content, expected);
}

void conf_set_first(const char *lines)
{
    first = lines;
}

bool conf_parse_lines(const char *lines)
{
    char content[8192];
    size_t len = (size_t)snprintf(content, sizeof(content), "%s%s\n", first, lines);

    assert_true(len < sizeof(content));
    return conf_parse(content);
}

void conf_takes(const char *lines)
{
    check(conf_parse_lines(lines), true, lines, "");
}

void conf_refuses(const char *lines, const char *expected)
{
    check(conf_parse_lines(lines), false, lines, expected);
}

void conf_warns(const char *lines, const char *expected)
{
    check(conf_parse_lines(lines), true, lines, expected);
}

const struct listener_settings *conf_listener(size_t n)
{
    return &conf.listen[n < CONFIG_LISTENERS ? n : 0];
}

void conf_assert_addr(const struct port_addr *addr, const char *ip, uint16_t port)
{
    struct port_addr expected;

    assert_true(addr_parse(text_of(ip), &expected));
    expected.port = port;
    assert_true(addr_eq(addr, &expected));
}
