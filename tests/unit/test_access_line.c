/* Tests of the access log's line where it has no room: what tells how a request ended stays whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "http/h1.h"
#include "proxy/access_line.h"
#include "proxy/exchange.h"

/* As Kconfig has it. */
#define LEAST 168

static struct exchange ex;
static struct backend backend;
static char path[PORT_PATH_MAX + 1];
static char name[PORT_PATH_MAX + sizeof("unix:")];

/* The longest of everything. */
static void worst(const char *word)
{
    memset(&ex, 0, sizeof(ex));
    memset(path, 'c', sizeof(path) - 1);
    memset(name, 'b', sizeof(name) - 1);
    memset(ex.request_text, 'p', sizeof(ex.request_text));
    ex.request.head.text = ex.request_text;
    ex.request.head.used = sizeof(ex.request_text);
    ex.client_method = (struct span){0, 7};
    ex.client_path = (struct span){7, sizeof(ex.request_text) - 7};
    backend.settings.name = text_make(name, sizeof(name) - 1);
    ex.backend = &backend;
    ex.proto = PROTO_HTTP10;
    ex.status = 502;
    ex.response.passed = UINT64_MAX;
    ex.started = 1; /* the clock stands at 0 */
    ex.back_port = UINT16_MAX;
    ex.back_status = 599;
    ex.back_stream = INT32_MAX;
    ex.retries = UINT8_MAX;
    ex.retry_cause = CAUSE_BACKEND_INTERIM;
    ex.cause = CAUSE_BAD_REQUEST;
    ex.word = word;
    ex.client = (struct port_addr){.path = path, .family = PORT_UNIX};
}

static void check_end(size_t cap, const char *end)
{
    char line[CONFIG_LOG_LINE];
    struct textbuf b;

    textbuf_init(&b, line, cap);
    access_put_compact(&b, &ex);
    assert_false(b.full);
    assert_true(b.len >= strlen(end));
    assert_memory_equal(line + b.len - strlen(end), end, strlen(end));
}

#define WORST_NUMBERS                                                                                                  \
    " 65535 599 2147483647 N 255:backend-interim-many PR "                                                             \
    "bad-transfer-encoding"

static void test_a_long_client(void **state)
{
    (void)state;
    if (!IS_ENABLED(CONFIG_UNIX_SOCKETS))
        skip();
    worst("bad-transfer-encoding");
    for (size_t cap = LEAST; cap <= CONFIG_LOG_LINE; cap++)
        check_end(cap, WORST_NUMBERS);
}

/* The longest address, too, and without any name. */
static void test_an_address(void **state)
{
    (void)state;
    worst("bad-transfer-encoding");
    ex.client = (struct port_addr){.family = PORT_IPV6};
    memset(ex.client.ip, 0xf1, sizeof(ex.client.ip));
    for (size_t cap = LEAST; cap <= CONFIG_LOG_LINE; cap++)
        check_end(cap, WORST_NUMBERS);
    ex.backend = NULL;
    for (size_t cap = LEAST; cap <= CONFIG_LOG_LINE; cap++)
        check_end(cap, WORST_NUMBERS);
}

/* All words are as short as the line counts on. */
static void test_words(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CAUSES; i++)
        assert_true(strlen(cause_info((enum cause)i)->word) <= CAUSE_WORD_MOST);
    for (unsigned i = 0; i < H1_REASONS; i++)
        assert_true(h1_refusal((enum h1_reason)i)->word == NULL ||
                    strlen(h1_refusal((enum h1_reason)i)->word) <= CAUSE_WORD_MOST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_long_client),
        cmocka_unit_test(test_an_address),
        cmocka_unit_test(test_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
