/* Opens the sinks that a configuration names. */
#include "ops/logs.h"

#include "net/log_drain.h"

bool logs_open(const struct config *config, config_report *report, void *user)
{
    enum log_stream failed = LOG_ACCESS;
    char storage[256];
    struct textbuf b;

    if (log_drain_open(config->logs, &failed)) {
        log_set_level(config->log_level);
        return true;
    }
    textbuf_init(&b, storage, sizeof(storage));
    textbuf_put(&b, failed == LOG_ACCESS ? TEXT("CustomLog ") : TEXT("ErrorLog "));
    log_target_put(&b, &config->logs[failed]);
    textbuf_put(&b, TEXT(": "));
    textbuf_putz(&b, port_fault_text(port_error()));
    report(user, true, textbuf_text(&b));
    return false;
}

static void log_fault(void *user, bool error, struct text message)
{
    (void)user;
    log_diag(error ? LOG_ERROR : LOG_WARN, "server", "%.*s", TEXT_ARG(message));
}

void logs_reopen(const struct config *config)
{
    logs_open(config, log_fault, NULL);
}

void logs_close(void)
{
    log_drain_close();
}
