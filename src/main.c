/* The command line, the order of start-up, and the only place that exits. */
#include "base/arena.h"
#include "base/builtin.h"
#include "base/log.h"
#include "ops/server.h"
#include "ops/version.h"
#include "port.h"

#include <string.h>

enum action { ACTION_RUN, ACTION_TEST, ACTION_VERSION, ACTION_HELP, ACTION_BAD };

struct options {
    enum action action;
    const char *file; /* NULL: none is named */
    bool verbose;
    bool detach;
};

#ifndef CULVERT_CONF
#define CULVERT_CONF "/etc/culvert/culvert.conf"
#endif

/* The usage tells what this build has. */
#if IS_ENABLED(CONFIG_DAEMON)
#define USAGE_DETACH "[-d | -f]"
#define HELP_DETACH "  -d       go to the background once it listens\n"
#else
#define USAGE_DETACH "[-f]"
#define HELP_DETACH ""
#endif
#if IS_ENABLED(CONFIG_CONF_PRINT)
#define USAGE_PRINT "[-t [-v]]"
#define HELP_PRINT "  -v       with -t: print what holds, with all defaults\n"
#else
#define USAGE_PRINT "[-t]"
#define HELP_PRINT ""
#endif
#if IS_ENABLED(CONFIG_RELOAD)
#define HELP_RELOAD "SIGHUP reads the configuration\nagain"
#else
#define HELP_RELOAD "SIGHUP opens the log files\nanew"
#endif
#if IS_ENABLED(CONFIG_STATE)
#define HELP_STATE ", SIGUSR1 writes the state to the log"
#else
#define HELP_STATE ""
#endif

static void print_help(bool err)
{
    port_print(err, "Usage: culvert [-c FILE] " USAGE_DETACH " " USAGE_PRINT " [-V] [-h]\n"
                    "  -c FILE  read the configuration from FILE (default ");
    port_print(err, IS_ENABLED(CONFIG_BUILTIN) ? "the one that is built in" : CULVERT_CONF);
    port_print(err, ")\n" HELP_DETACH "  -f       stay in the foreground (default)\n"
                    "  -t       check the configuration and exit\n" HELP_PRINT
                    "  -V       print version, options and memory\n"
                    "  -h       print this\n"
                    "SIGTERM finishes what runs, SIGINT stops at once, " HELP_RELOAD HELP_STATE ".\n");
}

static struct options parse_arguments(int argc, char **argv)
{
    struct options o = {.action = ACTION_RUN};

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-c") == 0 && i + 1 < argc)
            o.file = argv[++i];
        else if (strcmp(argv[i], "-d") == 0)
            o.detach = true;
        else if (strcmp(argv[i], "-f") == 0)
            o.detach = false;
        else if (strcmp(argv[i], "-t") == 0)
            o.action = ACTION_TEST;
        else if (strcmp(argv[i], "-v") == 0 && IS_ENABLED(CONFIG_CONF_PRINT))
            o.verbose = true;
        else if (strcmp(argv[i], "-V") == 0)
            o.action = ACTION_VERSION;
        else if (strcmp(argv[i], "-h") == 0)
            o.action = ACTION_HELP;
        else
            return (struct options){.action = ACTION_BAD, .file = argv[i]};
    }
    if (o.verbose && o.action != ACTION_TEST)
        return (struct options){.action = ACTION_BAD, .file = "-v without -t"};
    return o;
}

static void report(void *user, bool error, struct text message)
{
    char line[IS_ENABLED(CONFIG_CONF_EXPLAIN) ? 2048 : 512];
    struct textbuf b;

    (void)user;
    textbuf_init(&b, line, sizeof(line) - 1);
    textbuf_putz(&b, error ? "culvert: error: " : "culvert: warning: ");
    textbuf_put(&b, message);
    b.cap = sizeof(line);
    b.full = false;
    textbuf_putc(&b, '\n');
    port_print(true, textbuf_z(&b));
}

static int test_configuration(const char *file, bool verbose)
{
    config_explain(true);
    if (!server_check(file, report, NULL))
        return 1;
    if (verbose)
        config_print(server_config());
    else
        port_print(false, "Syntax OK\n");
    return 0;
}

/* Goes to the background. The process that returns is the one that serves. */
static bool detach(void)
{
    if (IS_ENABLED(CONFIG_DAEMON) && port_detach())
        return true;
    port_print(true, IS_ENABLED(CONFIG_DAEMON) ? "culvert: error: no process can be made for the background\n"
                                               : "culvert: error: this build has no -d (CONFIG_DAEMON is off)\n");
    return false;
}

static int run(const char *file, bool background)
{
    if (background && !detach())
        return 1;
    server_set_product(TEXT("Culvert/" CULVERT_VERSION));
    if (!server_start(file, (struct text){NULL, 0}, report, NULL))
        return 1;
    if (IS_ENABLED(CONFIG_DAEMON))
        port_detached();
    log_notice("server", "culvert " CULVERT_VERSION " runs");
    while (!server_done())
        server_pass(-1);
    return server_stop() ? 0 : 1;
}

/* Without -c: the built-in configuration, or the usual file. */
static const char *usual_file(void)
{
    return IS_ENABLED(CONFIG_BUILTIN) ? builtin_use() : CULVERT_CONF;
}

int main(int argc, char **argv)
{
    struct options o = parse_arguments(argc, argv);

    if (!port_init())
        return 1;
    if (!o.file)
        o.file = usual_file();
    switch (o.action) {
    case ACTION_RUN: return run(o.file, o.detach);
    case ACTION_TEST: return test_configuration(o.file, o.verbose);
    case ACTION_VERSION: version_print(CULVERT_VERSION); return 0;
    case ACTION_HELP: print_help(false); return 0;
    case ACTION_BAD:
        port_print(true, "culvert: unknown or incomplete option: ");
        port_print(true, o.file);
        port_print(true, "\n");
        print_help(true);
        return 1;
    }
    return 1;
}
