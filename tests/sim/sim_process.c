/* The process of the simulated world: the user "culvert" (100, of group 101) and the group "www" (33). */
#include "sim.h"

static struct sim_process process;

static bool is_refused(void)
{
    return sim.refuse_process || sim_inject() == SIM_DO_ERROR;
}

void sim_process_reset(void)
{
    memset(&process, 0, sizeof(process));
}

const struct sim_process *sim_process(void)
{
    return &process;
}

enum port_user_found port_user_find(const char *user, const char *group, struct port_user *out)
{
    if (strcmp(user, "culvert") != 0 && strcmp(user, "root") != 0)
        return PORT_USER_UNKNOWN;
    if (group != NULL && strcmp(group, "www") != 0)
        return PORT_USER_NO_GROUP;
    *out = (struct port_user){.uid = user[0] == 'r' ? 0 : 100, .gid = group != NULL ? 33 : 101};
    return PORT_USER_FOUND;
}

void port_user_owns(const struct port_user *user)
{
    (void)user;
    process.owned_sinks = sim_open_sinks();
    process.owns = true;
}

const char *port_become(const struct port_user *user, const char *root)
{
    if (is_refused()) {
        sim_set_fault(PORT_FAULT_DENIED);
        return root != NULL ? "chroot" : "setuid";
    }
    process.uid = user->uid;
    process.gid = user->gid;
    process.in_chroot = root != NULL;
    process.handles = sim_open_handles();
    process.sinks = sim_open_sinks();
    return NULL;
}

enum port_result port_pid_open(const char *path)
{
    (void)path;
    if (process.pid_open)
        sim_abort("a second pid file");
    if (process.uid != 0)
        sim_abort("a pid file of a user that has no rights");
    if (is_refused()) {
        sim_set_fault(PORT_FAULT_IN_USE);
        return PORT_ERROR;
    }
    process.pid_open = true;
    process.pid_files++;
    return PORT_OK;
}

void port_pid_close(void)
{
    process.pid_open = false;
}
