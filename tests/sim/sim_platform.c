/* The rest of include/port.h in the simulated world: life, time, chance, files and logs. */
#include "sim_net.h"

#include <stdio.h>

#define SINKS 8
#define FILES 8
#define SINK_HANDLES ((port_handle)0x70000000)

static unsigned asked;
static unsigned log_writes;
static enum port_fault fault;
static struct {
    const char *name;
    struct bytes bytes;
    unsigned opens; /* handles; all of one sink are the same number */
    bool absent, messages;
    enum port_fault fault; /* of its writes */
    unsigned interest;
    void *user;
} sinks[SINKS];
static struct bytes printed;

static struct {
    const char *path;
    const char *textz;
} files[FILES];
static unsigned file_count;

void sim_platform_reset(void)
{
    asked = 0;
    log_writes = 0;
    fault = PORT_FAULT_NONE;
    memset(sinks, 0, sizeof(sinks));
    memset(&printed, 0, sizeof(printed));
    file_count = 0;
}

void sim_set_fault(enum port_fault why)
{
    fault = why;
}

static enum port_result fault_is(enum port_fault why)
{
    fault = why;
    return PORT_ERROR;
}

/* ---- life, time, chance ---- */

bool port_init(void)
{
    return true;
}

void sim_ask(unsigned what)
{
    asked |= what;
    sim_progress();
}

bool sim_is_asked(void)
{
    return asked != 0;
}

unsigned port_asked(void)
{
    unsigned what = asked;

    asked = 0;
    return what;
}

uint32_t port_now_ms(void)
{
    return (uint32_t)(sim.start_ms + sim_now());
}

int32_t port_zone_s(int64_t wall_s)
{
    (void)wall_s;
    return 3600;
}

const char *port_host_name(void)
{
    return "simulated";
}

uint32_t port_process(void)
{
    return 42;
}

int64_t port_wall_s(void)
{
    return 1700000000 + (int64_t)(sim_now() / 1000);
}

bool port_random(void *buf, size_t len)
{
    uint8_t *bytes = buf;

    if (sim_inject() == SIM_DO_ERROR)
        return false;
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)sim_chance(256);
    return true;
}

enum port_fault port_error(void)
{
    return fault;
}

const char *port_fault_text(enum port_fault why)
{
    static const char *const texts[] = {
        [PORT_FAULT_NONE] = "no fault",
        [PORT_FAULT_REFUSED] = "connection refused",
        [PORT_FAULT_RESET] = "connection reset",
        [PORT_FAULT_UNREACHABLE] = "unreachable",
        [PORT_FAULT_TIMEOUT] = "timed out",
        [PORT_FAULT_IN_USE] = "address in use",
        [PORT_FAULT_DENIED] = "permission denied",
        [PORT_FAULT_NO_ADDRESS] = "not our address",
        [PORT_FAULT_LIMIT] = "out of descriptors",
        [PORT_FAULT_NOT_FOUND] = "not found",
        [PORT_FAULT_LINK] = "a link",
        [PORT_FAULT_FOLDER] = "a folder",
        [PORT_FAULT_UNFIT] = "unfit",
        [PORT_FAULT_OTHER] = "failed",
    };

    return texts[why];
}

/* ---- files and logs ---- */

void sim_add_file(const char *path, const char *textz)
{
    for (unsigned i = 0; i < file_count; i++) {
        if (strcmp(files[i].path, path) == 0) {
            files[i].textz = textz;
            return;
        }
    }
    files[file_count].path = path;
    files[file_count++].textz = textz;
}

enum port_result port_read_file(const char *path, void *buf, size_t cap, size_t *n)
{
    *n = 0;
    for (unsigned i = 0; i < file_count; i++) {
        size_t len = strlen(files[i].textz);

        if (strcmp(files[i].path, path) != 0)
            continue;
        *n = min_size(len, cap);
        memcpy(buf, files[i].textz, *n);
        return len > cap ? PORT_END : PORT_OK;
    }
    return fault_is(PORT_FAULT_NOT_FOUND);
}

bool port_file_stamp(const char *path, uint64_t *stamp)
{
    *stamp = 0;
    for (unsigned i = 0; i < file_count; i++)
        if (strcmp(files[i].path, path) == 0)
            *stamp = (uint64_t)(uintptr_t)files[i].textz;
    return *stamp != 0;
}

static unsigned sink_find(const char *name)
{
    unsigned i = 0;

    while (i < SINKS && sinks[i].name != NULL && strcmp(sinks[i].name, name) != 0)
        i++;
    if (i == SINKS)
        sim_abort("the simulator is out of sinks");
    return i;
}

/* The index of a sink's handle; SINKS when it is none. */
static unsigned sink_of(port_handle handle)
{
    return handle >= SINK_HANDLES && handle < SINK_HANDLES + SINKS ? (unsigned)(handle - SINK_HANDLES) : SINKS;
}

bool sim_sink_close(port_handle handle)
{
    unsigned sink = sink_of(handle);

    if (sink == SINKS)
        return false;
    if (sinks[sink].opens == 0)
        sim_abort("close of a log sink that is not open");
    sinks[sink].opens--;
    sinks[sink].interest = 0;
    return true;
}

unsigned sim_open_sinks(void)
{
    unsigned count = 0;

    for (unsigned i = 0; i < SINKS; i++)
        count += sinks[i].opens;
    return count;
}

struct text sim_log(const char *name)
{
    return bytes_text(&sinks[sink_find(name)].bytes);
}

void sim_log_forget(const char *name)
{
    sinks[sink_find(name)].bytes.len = 0;
}

/* "-", "" (standard error), a path, "unix:PATH", "udp:10.0.0.9:514". */
static void sink_name(const struct port_log *log, char *name, size_t cap)
{
    const uint8_t *ip = log->addr.ip;

    if (log->kind != PORT_LOG_MESSAGES)
        snprintf(name, cap, "%s", log->kind == PORT_LOG_STDOUT ? "-" : log->kind == PORT_LOG_STDERR ? "" : log->path);
    else if (log->addr.family == PORT_UNIX)
        snprintf(name, cap, "unix:%s", log->addr.path);
    else
        snprintf(name, cap, "udp:%u.%u.%u.%u:%u", ip[0], ip[1], ip[2], ip[3], log->addr.port);
}

static unsigned sink_get(const char *name)
{
    unsigned sink = sink_find(name);
    char *copy;

    if (sinks[sink].name == NULL) {
        copy = sim_alloc(strlen(name) + 1);
        memcpy(copy, name, strlen(name) + 1);
        sinks[sink].name = copy;
    }
    return sink;
}

void sim_sink(const char *name, bool present, enum port_fault why)
{
    unsigned sink = sink_get(name);

    sinks[sink].absent = !present;
    sinks[sink].fault = why;
    sim_progress();
}

enum port_result port_log_open(const struct port_log *log, port_handle *out)
{
    char name[128];
    unsigned sink;

    *out = PORT_NO_HANDLE;
    sink_name(log, name, sizeof(name));
    sink = sink_get(name);
    if (sim_inject() == SIM_DO_ERROR)
        return fault_is(PORT_FAULT_DENIED);
    if (sinks[sink].absent)
        return fault_is(PORT_FAULT_NOT_FOUND);
    sinks[sink].messages = log->kind == PORT_LOG_MESSAGES;
    sinks[sink].opens++;
    *out = SINK_HANDLES + (port_handle)sink;
    return PORT_OK;
}

bool sim_sink_watch(port_handle handle, unsigned interest, void *user)
{
    unsigned sink = sink_of(handle);

    if (sink == SINKS)
        return false;
    if (sinks[sink].opens == 0)
        sim_abort("watch of a log sink that is not open");
    sinks[sink].interest = interest;
    sinks[sink].user = user;
    return true;
}

unsigned sim_sink_collect(struct port_event *events, unsigned max)
{
    unsigned count = 0;

    for (unsigned i = 0; i < SINKS && count < max; i++)
        if (sinks[i].opens > 0 && (sinks[i].interest & PORT_WRITABLE) != 0 && !sim.log_stuck)
            events[count++] = (struct port_event){sinks[i].user, PORT_WRITABLE};
    return count;
}

/* A message is written as a line, so that tests can read it. */
enum port_result port_log_write(port_handle handle, const void *buf, size_t len, size_t *n)
{
    enum sim_injected injected = sim_inject();
    unsigned sink = sink_of(handle);

    *n = 0;
    log_writes++;
    if (sink == SINKS || sinks[sink].opens == 0 || len == 0)
        sim_abort("a log write of nothing, or to something else");
    if (sinks[sink].fault != PORT_FAULT_NONE)
        return fault_is(sinks[sink].fault);
    if (injected == SIM_DO_ERROR)
        return fault_is(PORT_FAULT_OTHER);
    if (injected == SIM_DO_AGAIN || sim.log_stuck)
        return PORT_AGAIN;
    *n = injected == SIM_DO_SHORT && !sinks[sink].messages ? 1 : len;
    bytes_put(&sinks[sink].bytes, buf, *n);
    if (sinks[sink].messages)
        bytes_put(&sinks[sink].bytes, "\n", 1);
    sim_progress();
    return PORT_OK;
}

unsigned sim_log_writes(void)
{
    return log_writes;
}

struct text sim_printed(void)
{
    return bytes_text(&printed);
}

void port_print(bool err, const char *textz)
{
    (void)err;
    bytes_put(&printed, textz, strlen(textz));
}
