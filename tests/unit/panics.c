/* Whether code panics, tried out in a child process. */
#define _GNU_SOURCE
#include "panics.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* The child: its standard error goes to the pipe; a trap ends it at once, also where a sanitizer would make a report of
 * it. */
static _Noreturn void child(void (*fn)(void), int out)
{
    const struct rlimit none = {0, 0};

    setrlimit(RLIMIT_CORE, &none);
    dup2(out, STDERR_FILENO);
    signal(SIGILL, SIG_DFL);
    signal(SIGTRAP, SIG_DFL);
    fn();
    _exit(0);
}

bool panics(void (*fn)(void), const char *why)
{
    char said[4096];
    size_t len = 0;
    int ends[2];
    int status;
    pid_t pid;

    if (pipe(ends) != 0)
        return false;
    pid = fork();
    if (pid == 0)
        child(fn, ends[1]);
    close(ends[1]);
    while (pid > 0 && len < sizeof(said) - 1) {
        ssize_t n = read(ends[0], said + len, sizeof(said) - 1 - len);

        if (n <= 0)
            break;
        len += (size_t)n;
    }
    close(ends[0]);
    said[len] = '\0';
    if (pid <= 0 || waitpid(pid, &status, 0) != pid)
        return false;
    return WIFSIGNALED(status) && strstr(said, "culvert: bug: ") != NULL && strstr(said, why) != NULL;
}
