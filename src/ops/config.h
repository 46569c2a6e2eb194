/* The configuration: httpd's directives read into one static structure, or an error that names file, line, word and
 * what was expected. Nothing half-read ever takes effect. */
#ifndef CULVERT_OPS_CONFIG_H
#define CULVERT_OPS_CONFIG_H

#include "base/log_sink.h"
#include "net/listener.h"
#include "net/tls_settings.h"
#include "port.h"
#include "proxy/backend.h"
#include "proxy/balancer.h"
#include "proxy/names.h"
#include "proxy/site.h"
#include "side/front.h"
#include "side/proxy_front.h"

/* A LogFormat. */
struct config_log_format {
    struct text nickname; /* empty: it is for a CustomLog that names none */
    struct text format;
};

/* Who the process becomes, and where: NUL-terminated, NULL where nothing is said. */
struct process_settings {
    const char *user, *group; /* a name, or "#NUMBER" */
    const char *chroot;       /* ChrootDir */
    const char *pid_file;
};

struct config {
    struct site site;
    struct front_settings front;
    struct proxy_front_settings proxy;
    struct names_settings names;
    struct tls_settings tls;
    struct listener_settings listen[CONFIG_LISTENERS];
    struct backend *backends[CONFIG_BACKENDS];    /* settings filled; backend_init makes them run */
    struct balancer *balancers[CONFIG_BALANCERS]; /* settings and members filled; health_start makes them run */
    struct log_target logs[LOG_STREAMS];          /* CustomLog, ErrorLog */
#if IS_ENABLED(CONFIG_LOG_FORMAT)
    struct config_log_format log_formats[CONFIG_LOG_FORMATS];
    struct text log_choice; /* nickname or format in CustomLog; empty: none. site.log is what it means */
    uint8_t log_format_count;
#endif
    uint16_t listen_count;
    uint16_t backend_count;
    uint16_t balancer_count;
    uint32_t drain_ms; /* GracefulShutdownTimeout; 0: without limit */
    enum log_level log_level;
    struct process_settings process;
    uint32_t warnings; /* unreachable ProxyPass lines and the like, already reported */
    /* the strings above stand in here */
    uint32_t text_used;
    char text[CONFIG_CONF_TEXT];
};

/* Where messages go: one call a message, "file:line: text" without newline. After config_explain(true) there may be
   further lines behind it, separated by newlines: place and column, the line, and a caret under the word at fault. */
typedef void config_report(void *user, bool error, struct text message);

/* Whether messages are explained so: for a human who looks (culvert -t), not for a log. Without CONFIG_CONF_EXPLAIN
   they never are. */
#if IS_ENABLED(CONFIG_CONF_EXPLAIN)
void config_explain(bool on);
#else
static inline void config_explain(bool on)
{
    (void)on;
}
#endif

/* Reads `path` (NUL-terminated), with its Includes, into *config, which is all zero or one that was read before
   (config_forget). False when anything is wrong: every error that was found is reported (parsing goes on to the next
   line), and *config must not be used. Names of backends are resolved here (blocks; start-up only) when CONFIG_RESOLVE,
   but not with CONFIG_CARES. */
bool config_read(struct config *config, const char *path, config_report *report, void *user);

/* The same while `running` runs. Nothing blocks: without CONFIG_CARES names must be among those of `running`. */
bool config_read_again(struct config *config, const struct config *running, const char *path, config_report *report,
                       void *user);

/* The same as config_read from memory (a built-in configuration, tests); `name` stands for the file in messages.
 * Includes are read as files are. */
bool config_parse(struct config *config, const char *name, struct text content, config_report *report, void *user);

/* Prints what a configuration that was read says, with all defaults and with its Includes in their places, in the
   syntax in which it is written (port_print). What is printed can be read again, and says the same. */
#if IS_ENABLED(CONFIG_CONF_PRINT)
void config_print(const struct config *config);
#else
static inline void config_print(const struct config *config)
{
    (void)config;
}
#endif

/* Gives its backends and balancers back to their pools: none of them may run. Harmless when it has none. */
void config_forget(struct config *config);

/* Whether two backends are the same one with the same keys, two balancers the same with the same members
   (config_same.c). What a look-up found out does not count. */
bool config_same_backend(const struct backend_settings *a, const struct backend_settings *b);
bool config_same_balancer(const struct balancer *a, const struct balancer *b);

#endif
