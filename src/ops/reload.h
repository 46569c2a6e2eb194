/* Reload: the configuration is read again into the slot that is free. When it is good it takes the place of the one
 * that runs, else nothing changes and the log says why.
 *
 * What is the same in both goes on: a backend with the same URL and keys keeps its connections, addresses and queue, a
 * balancer with the same members their health and turns; a listening socket of the same address stays open. Backends
 * that are gone, or have other keys, serve the exchanges that have them and then say goodbye (proxy/backend_drop.c).
 * Exchanges keep the site that they began with until their response has begun (proxy/site.h); then nothing refers to
 * the words of a configuration that was replaced, since backends and listeners have copies of theirs. Until then its
 * slot is not read into: a reload waits, for CONFIG_DRAIN_S at most. */
#ifndef CULVERT_OPS_RELOAD_H
#define CULVERT_OPS_RELOAD_H

#include "net/tls.h"
#include "ops/config.h"
#include "ops/logs.h"

/* A configuration is to be taken into service instead of `now` (NULL: none runs yet), or was. */
struct change {
    struct config *now;
    struct config *next;
    struct text product;
    config_report *report;
    void *user;
};

/* change.c: whether the certificates and keys that `next` names are good, in a process that runs nothing and will not.
   Blocks. False: reported. */
bool change_check(const struct change *change) MUST_USE;
/* Opens what `next` needs. False: it cannot run; reported, and nothing is different. */
bool change_prepare(const struct change *change) MUST_USE;
/* Takes `next` into service; `now` has neither backends nor balancers then. False: all is done, but that names cannot
   be looked up for want of memory. */
bool change_commit(const struct change *change);

#if IS_ENABLED(CONFIG_RELOAD)

/* `slot` is the free one, `file` (which lives on) what was read, `name` the product's. file NULL: the configuration is
   no file. */
void reload_start(struct config *slot, const char *file, struct text name);
void reload_stop(void);
/* The operator asks for it. `now` runs. Log files are opened anew in any case. */
void reload_ask(const struct config *now);
/* In each pass, outside of the loop: does what was asked for, when that can be done. `now` runs; returns what runs
 * then. */
struct config *reload_pass(struct config *now);

#else

static inline void reload_start(struct config *slot, const char *file, struct text name)
{
    (void)slot, (void)file, (void)name;
}

static inline void reload_stop(void)
{
}

static inline void reload_ask(const struct config *now)
{
    log_warn("reload", "this build reads its configuration at the start only (CONFIG_RELOAD is off)");
    tls_reload();
    logs_reopen(now);
}

static inline struct config *reload_pass(struct config *now)
{
    return now;
}

#endif

#endif
