/* Reloads in the simulated world: configurations for two origins, and one that takes the place of another. */
#include "reload.h"

struct origin *reload_one, *reload_two;

void reload_begin(const struct sim_options *options)
{
    reload_one = core_world(options);
    reload_two = origin_new(2, 9000);
}

void reload_check(struct client *c)
{
    for (unsigned i = 0; i < c->reader.asked; i++) {
        CHECK_INT(client_response(c, i)->status, 200);
        CHECK(client_response(c, i)->complete);
    }
}

bool reload_came(struct origin *origin, struct client *c)
{
    return origin_request(origin, client_response(c, 0)->id) != NULL;
}

bool reload_is_done(void *user)
{
    (void)user;
    return core_is_logged("the configuration was read again");
}

static bool is_refused(void *user)
{
    (void)user;
    return core_is_logged("the configuration stays as it was");
}

void reload_to(const char *conf)
{
    sim_log_forget("");
    core_reload(conf);
    CHECK(sim_run(reload_is_done, NULL, 500));
}

void reload_refused(const char *conf, const char *why)
{
    sim_log_forget("");
    core_reload(conf);
    CHECK(sim_run(is_refused, NULL, 500));
    if (!core_is_logged(why))
        sim_violation("the log does not say '%s': %.*s", why, TEXT_ARG(sim_log("")));
}
