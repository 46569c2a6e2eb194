/* Configurations in unit tests of directives: read from a text, and what is said of it. */
#ifndef CULVERT_TESTS_CONF_TEXT_H
#define CULVERT_TESTS_CONF_TEXT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "ops/config.h"
#include "port_stub.h"

/* What was read last. */
extern struct config conf;

/* What was said of it: all messages, each with a newline behind it, and how many of each kind. */
extern char conf_messages[65536];
extern unsigned conf_errors, conf_warnings;

/* A test's setup: the stub of the port is reset, no message is there, and messages are not explained. */
int conf_setup(void **state);
/* Forgets the messages. */
void conf_clear(void);
/* As config_explain: with `on` a message may have several lines. */
void conf_explain(bool on);

/* A config_report that collects messages. `user` must be &conf, for tests that call config_read or config_parse
   themselves. */
void conf_report(void *user, bool error, struct text message);

/* Reads a whole file, whose name is "c", and forgets earlier messages. What config_parse answers; the test fails when
   that and the messages do not agree. */
bool conf_parse(const char *content);
/* It must be read without a message; be refused with exactly these messages. */
void conf_good(const char *content);
void conf_bad(const char *content, const char *expected);

/* A listener and a backend for all paths: two lines which make nearly any line behind them a whole file. */
#define CONF_FIRST "Listen 127.0.0.1:8080\nProxyPass / h2c://127.0.0.1:81/\n"
/* The same for one line or several, from line 3 on, behind CONF_FIRST: what conf_parse answers; they must be taken
   without a message; refused with exactly these; taken with exactly these. At most 8 KB. */
bool conf_parse_lines(const char *lines);
void conf_takes(const char *lines);
void conf_refuses(const char *lines, const char *expected);
void conf_warns(const char *lines, const char *expected);
/* What stands before the lines instead of CONF_FIRST, until the next conf_setup. It must outlive the test. */
void conf_set_first(const char *first);

/* Listener n. Also where the build has fewer: a test that is skipped compiles there. */
const struct listener_settings *conf_listener(size_t n);

/* Skips the test where the build is too small for what it shows. */
#define CONF_NEEDS(condition)                                                                                          \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            skip();                                                                                                    \
    } while (0)

/* A text is this literal; an address this one. */
#define conf_assert_text(t, literal)                                                                                   \
    do {                                                                                                               \
        struct text t_ = (t);                                                                                          \
                                                                                                                       \
        if (!text_eq(t_, TEXT(literal)))                                                                               \
            fail_msg("'%.*s' is not '%s'", TEXT_ARG(t_), literal);                                                     \
    } while (0)
void conf_assert_addr(const struct port_addr *addr, const char *ip, uint16_t port);

#endif
