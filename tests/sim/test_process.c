/* User, Group, ChrootDir and PidFile: what is opened before the process gives up its rights, and what is refused. */
#include "core.h"

#if IS_ENABLED(CONFIG_CHANGE_USER) && IS_ENABLED(CONFIG_DAEMON)

#define CONF "Listen 8080\nProxyPass / h2c://10.0.0.1:9000/\nCustomLog \"-\"\nLogLevel info\n"

/* Sockets and logs are open before the process becomes the user, and it serves as that. */
static void becomes(void **state)
{
    struct client *c;

    (void)state;
    core_world(NULL);
    sim_describe("becomes");
    c = client_new(FRONT_PORT);
    client_ask(c, &(struct ask){.query = "n=10"});
    core_start(CONF, "User culvert\nGroup www\nChrootDir /srv\nPidFile /run/culvert.pid\n");
    CHECK_INT(sim_process()->uid, 100);
    CHECK_INT(sim_process()->gid, 33);
    CHECK(sim_process()->in_chroot);
    CHECK(sim_process()->owns);
    CHECK_INT(sim_process()->owned_sinks, 0);
    CHECK(sim_process()->handles >= 1);
    CHECK_INT(sim_process()->sinks, 2);
    CHECK(sim_process()->pid_open);
    core_run(1000);
    CHECK_INT(client_response(c, 0)->status, 200);
    core_end();
    CHECK(!sim_process()->pid_open);
}

/* Without the directives nothing of this is done. */
static void stays(void **state)
{
    (void)state;
    core_world(NULL);
    sim_describe("stays");
    core_start(CONF, NULL);
    CHECK_INT(sim_process()->uid, 0);
    CHECK(!sim_process()->owns);
    CHECK_INT(sim_process()->pid_files, 0);
    core_end();
}

static void refused(void **state)
{
    static const char *const lines[] = {
        "User nobody\n",  "User culvert\nGroup staff\n",  "User root\n", "Group www\n", "ChrootDir /srv\n",
        "User culvert\n", "User culvert\nChrootDir /x\n", "PidFile /p\n"};
    static const char *const errors[] = {
        "User nobody: there is no such user",
        "Group staff: there is no such group",
        "User root: is root, which is what User is there to avoid",
        "Group www: needs a User",
        "ChrootDir /srv: needs a User",
        "User culvert: permission denied",
        "ChrootDir /x: permission denied",
        "PidFile /p: another process that runs has it",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        struct bytes conf = {NULL, 0, 0};

        core_world(NULL);
        sim_describe("refused %zu", i);
        bytes_printf(&conf, "%s%s", CONF, lines[i]);
        bytes_put(&conf, "", 1);
        sim.refuse_process = i >= 5;
        CHECK(!core_try_start((const char *)conf.ptr));
        CHECK(text_eq(core_error(), text_of(errors[i])));
        CHECK_INT(sim_process()->uid, 0);
        CHECK(!sim_process()->pid_open);
        sim_free(conf.ptr);
        core_end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(becomes),
        cmocka_unit_test(stays),
        cmocka_unit_test(refused),
    };

    return CORE_RUN(tests);
}

#else

int main(void)
{
    return 0;
}

#endif
