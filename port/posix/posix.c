/* Life on POSIX: signals, the clocks, random bytes, the limit of descriptors, and the names of faults. */
#define _GNU_SOURCE
#include "posix.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* A wall clock before this (2020-01-01) belongs to a box that does not know the time yet. */
#define WALL_KNOWN 1577836800

static atomic_uint asked; /* set of PORT_ASK_* */
static int wake_in = -1;  /* reading and writing end of the pipe that wakes port_poll */
static int wake_out = -1;
static enum port_fault last_fault;

/* Notes what a signal asks for, and wakes port_poll: a signal that comes just before it waits is not lost. */
static void on_signal(int number)
{
    static atomic_bool draining;
    int kept = errno;
    unsigned what = 0;

    switch (number) {
    case SIGTERM: what = atomic_exchange(&draining, true) ? PORT_ASK_STOP : PORT_ASK_DRAIN; break;
    case SIGINT: what = PORT_ASK_STOP; break;
    case SIGHUP: what = PORT_ASK_RELOAD; break;
    case SIGUSR1: what = PORT_ASK_STATE; break;
    default: break;
    }
    atomic_fetch_or(&asked, what);
    /* A full pipe wakes, too. */
    if (write(wake_out, "", 1) < 0)
        errno = 0;
    errno = kept;
}

static bool signals_init(void)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};
    struct sigaction action;

    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a log's file that may not grow (ulimit -f) is like a full disk */
    memset(&action, 0, sizeof(action));
    sigemptyset(&action.sa_mask);
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
        if (sigaction(numbers[i], &action, NULL) != 0)
            return false;
    return true;
}

/* Descriptors 0, 1 and 2 must be taken, or a socket would become standard output. */
static bool standard_init(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd < 0)
        return false;
    close(fd);
    return true;
}

/* Raises the soft limit of descriptors to what the tables hold. A lower hard limit only means that accepting pauses
 * earlier. */
static void limit_init(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= POSIX_HANDLES)
        return;
    limit.rlim_cur = limit.rlim_max < POSIX_HANDLES ? limit.rlim_max : POSIX_HANDLES;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < POSIX_HANDLES)
        port_print(true, "culvert: the limit of open files (ulimit -n) is lower than this build can use\n");
}

bool port_init(void)
{
    int ends[2];

    if (wake_in >= 0)
        return true;
    if (!standard_init() || pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0) {
        port_print(true, "culvert: cannot open descriptors\n");
        return false;
    }
    wake_in = ends[0];
    wake_out = ends[1];
    limit_init();
    tzset(); /* reads the zone's file: later it may be out of reach */
    posix_log_init();
    if (!posix_watch_init(wake_in) || !signals_init()) {
        port_print(true, "culvert: cannot set up signals\n");
        return false;
    }
    return true;
}

unsigned port_asked(void)
{
    return atomic_load_explicit(&asked, memory_order_relaxed) == 0 ? 0 : atomic_exchange(&asked, 0);
}

uint32_t port_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000);
}

int64_t port_wall_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec >= WALL_KNOWN ? (int64_t)now.tv_sec : 0;
}

int32_t port_zone_s(int64_t wall_s)
{
    static int64_t quarter = -1; /* of an hour, in which zones change */
    static int32_t offset;
    time_t at = (time_t)wall_s;
    struct tm local;

    if (wall_s / 900 != quarter && localtime_r(&at, &local) != NULL) {
        quarter = wall_s / 900;
        offset = (int32_t)local.tm_gmtoff;
    }
    return offset;
}

const char *port_host_name(void)
{
    static char name[256];

    if (gethostname(name, sizeof(name) - 1) != 0)
        name[0] = '\0';
    return name;
}

uint32_t port_process(void)
{
    return (uint32_t)getpid();
}

bool port_random(void *buf, size_t len)
{
    uint8_t *at = buf;

    while (len > 0) {
        ssize_t n = getrandom(at, len, GRND_NONBLOCK);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

static enum port_fault fault_of(int error)
{
    switch (error) {
    case ECONNREFUSED: return PORT_FAULT_REFUSED;
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE: return PORT_FAULT_RESET;
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
    case EAFNOSUPPORT: return PORT_FAULT_UNREACHABLE;
    case ETIMEDOUT: return PORT_FAULT_TIMEOUT;
    case EADDRINUSE: return PORT_FAULT_IN_USE;
    case EACCES:
    case EPERM:
    case EROFS: return PORT_FAULT_DENIED;
    case EADDRNOTAVAIL: return PORT_FAULT_NO_ADDRESS;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM: return PORT_FAULT_LIMIT;
    case ENOENT:
    case ENOTDIR: return PORT_FAULT_NOT_FOUND;
    case ELOOP: return PORT_FAULT_LINK;
    case EISDIR: return PORT_FAULT_FOLDER;
    case ENOTTY: return PORT_FAULT_UNFIT;
    default: return PORT_FAULT_OTHER;
    }
}

enum port_result posix_fail(int error)
{
    last_fault = fault_of(error);
    return PORT_ERROR;
}

bool posix_fits(int fd)
{
    if (fd < POSIX_HANDLES)
        return true;
    close(fd);
    posix_fail(EMFILE);
    return false;
}

enum port_fault port_error(void)
{
    return last_fault;
}

const char *port_fault_text(enum port_fault fault)
{
    switch (fault) {
    case PORT_FAULT_NONE: return "no fault";
    case PORT_FAULT_REFUSED: return "connection refused";
    case PORT_FAULT_RESET: return "connection reset";
    case PORT_FAULT_UNREACHABLE: return "unreachable";
    case PORT_FAULT_TIMEOUT: return "timed out";
    case PORT_FAULT_IN_USE: return "address in use";
    case PORT_FAULT_DENIED: return "permission denied";
    case PORT_FAULT_NO_ADDRESS: return "not an address of this host";
    case PORT_FAULT_LIMIT: return "out of descriptors or buffers";
    case PORT_FAULT_NOT_FOUND: return "not found";
    case PORT_FAULT_LINK: return "a link, which is not followed";
    case PORT_FAULT_FOLDER: return "a folder, not a file";
    case PORT_FAULT_UNFIT: return "not a serial line, or without this speed";
    case PORT_FAULT_OTHER: break;
    }
    return "failed";
}
