/* Becomes who the configuration says. */
#include "ops/process.h"

#include "base/text.h"
#include "port.h"

static struct port_user user_now;

static bool fail(config_report *report, void *user, const char *directive, const char *value, const char *why)
{
    char storage[320];
    struct textbuf b;

    textbuf_init(&b, storage, sizeof(storage));
    textbuf_printf(&b, "%s %s: %s", directive, value, why);
    report(user, true, textbuf_text(&b));
    return false;
}

static bool find_user(const struct process_settings *s, config_report *report, void *user)
{
    switch (port_user_find(s->user, s->group, &user_now)) {
    case PORT_USER_UNKNOWN: return fail(report, user, "User", s->user, "there is no such user");
    case PORT_USER_NO_GROUP:
        return s->group != NULL ? fail(report, user, "Group", s->group, "there is no such group")
                                : fail(report, user, "User", s->user, "a Group is needed, as nobody has this number");
    case PORT_USER_GROUPS: return fail(report, user, "User", s->user, "is in too many groups");
    case PORT_USER_FOUND: break;
    }
    if (user_now.uid == 0)
        return fail(report, user, "User", s->user, "is root, which is what User is there to avoid");
    port_user_owns(&user_now);
    return true;
}

bool process_prepare(const struct config *config, config_report *report, void *user)
{
    const struct process_settings *s = &config->process;

    if (!IS_ENABLED(CONFIG_CHANGE_USER))
        return true;
    if (s->user != NULL)
        return find_user(s, report, user);
    if (s->group != NULL)
        return fail(report, user, "Group", s->group, "needs a User");
    /* root can leave it again */
    return s->chroot == NULL || fail(report, user, "ChrootDir", s->chroot, "needs a User");
}

static bool write_pid(const struct process_settings *s, config_report *report, void *user)
{
    enum port_fault fault;

    if (!IS_ENABLED(CONFIG_DAEMON) || s->pid_file == NULL || port_pid_open(s->pid_file) == PORT_OK)
        return true;
    fault = port_error();
    return fail(report, user, "PidFile", s->pid_file,
                fault == PORT_FAULT_IN_USE ? "another process that runs has it" : port_fault_text(fault));
}

bool process_settle(const struct config *config, config_report *report, void *user)
{
    const struct process_settings *s = &config->process;
    const char *call;
    bool in_chroot;

    if (!write_pid(s, report, user))
        return false;
    if (!IS_ENABLED(CONFIG_CHANGE_USER) || s->user == NULL)
        return true;
    call = port_become(&user_now, s->chroot);
    if (call == NULL)
        return true;
    in_chroot = text_eq(text_of(call), TEXT("chroot"));
    return fail(report, user, in_chroot ? "ChrootDir" : "User", in_chroot ? s->chroot : s->user,
                port_fault_text(port_error()));
}

void process_end(void)
{
    if (IS_ENABLED(CONFIG_DAEMON))
        port_pid_close();
}
