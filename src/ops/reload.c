/* Reload: when it can be done, and what the operator is told. */
#include "ops/reload.h"

#include "proxy/exchange.h"

enum reload_state {
    RELOAD_IDLE,  /* the operator */
    RELOAD_ASKED, /* the end of this pass */
    RELOAD_WAITS, /* that nothing refers to the spare slot, or `late` */
};

static enum reload_state state;
static struct config *spare;
static const char *path;
static struct text product;
static bool late; /* it has waited for its time */
static struct timer_class wait_class;
static struct timer wait_timer;

static void on_wait(struct timer *timer)
{
    (void)timer;
    late = true;
}

void reload_start(struct config *slot, const char *file, struct text name)
{
    spare = slot;
    path = file;
    product = name;
    state = RELOAD_IDLE;
    timer_class_init(&wait_class, "reload", CONFIG_DRAIN_S * 1000U);
    timer_init(&wait_timer, on_wait);
}

void reload_stop(void)
{
    timer_cancel(&wait_timer);
    timer_class_remove(&wait_class);
}

void reload_ask(const struct config *now)
{
    if (path == NULL) {
        log_notice("reload", "the configuration is no file: only certificates are read again");
        tls_reload();
        logs_reopen(now);
    } else if (state == RELOAD_IDLE) {
        state = RELOAD_ASKED;
        late = false;
    }
}

static unsigned users_of(const struct site *site)
{
    unsigned n = 0;

    LIST_EACH (node, &site->users)
        n++;
    return n;
}

/* Whether the spare slot can be read into. What is in its way when the time is over does without it. */
static bool is_free(void)
{
    unsigned users = spare->site.users.next != NULL ? users_of(&spare->site) : 0;

    if (users == 0 && tls_is_settled())
        return true;
    if (!late)
        return false;
    if (users > 0) {
        log_notice("reload",
                   "%u requests have waited since the configuration before the last: their responses are "
                   "mapped by the last one",
                   users);
        exchange_leave_site(&spare->site);
    }
    return tls_is_settled();
}

static void report(void *user, bool error, struct text message)
{
    unsigned *errors = user;

    *errors += error;
    log_diag(error ? LOG_ERROR : LOG_WARN, "reload", "%.*s", TEXT_ARG(message));
}

static struct config *reload_now(struct config *now)
{
    unsigned errors = 0;
    struct change change = {now, spare, product, report, &errors};

    balancer_forget_dropped();
    if (!config_read_again(spare, now, path, report, &errors) || !change_prepare(&change)) {
        config_forget(spare);
        log_error("reload", "the configuration stays as it was: %u errors", errors);
        logs_reopen(now); /* they may have been renamed all the same */
        return now;
    }
    if (!change_commit(&change))
        log_error("reload", "names are not looked up: raise CONFIG_NAMES_ARENA");
    spare = now;
    log_notice("reload", "the configuration was read again: %u backends, %u that it has not finish what they carry",
               change.next->backend_count, backend_dropped());
    return change.next;
}

struct config *reload_pass(struct config *now)
{
    if (state == RELOAD_IDLE)
        return now;
    if (!is_free()) {
        if (late) {
            log_error("reload", "the configuration stays as it was: handshakes of the last change still go on");
            state = RELOAD_IDLE;
        } else if (state == RELOAD_ASKED) {
            state = RELOAD_WAITS;
            timer_set(&wait_timer, &wait_class, loop_now());
            log_notice("reload", "waits for requests and handshakes that began before the last one");
            logs_reopen(now);
        }
        return now;
    }
    timer_cancel(&wait_timer);
    state = RELOAD_IDLE;
    return reload_now(now);
}
