/* The rest of include/port.h in the simulated world: life, time, chance, files and logs. */
#include "sim_net.h"

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
        "no fault",          "connection refused", "connection reset",   "unreachable", "timed out", "address in use",
        "permission denied", "not our address",    "out of descriptors", "not found",   "failed"};

    return texts[why];
}

/* ---- files and logs ---- */

void sim_add_file(const char *path, const char *textz)
{
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

enum port_result port_log_open(const char *name, port_handle *out)
{
    unsigned sink = sink_find(name);
    char *copy;

    *out = PORT_NO_HANDLE;
    if (sim_inject() == SIM_DO_ERROR)
        return fault_is(PORT_FAULT_DENIED);
    if (sinks[sink].name == NULL) {
        copy = sim_alloc(strlen(name) + 1);
        memcpy(copy, name, strlen(name) + 1);
        sinks[sink].name = copy;
    }
    sinks[sink].opens++;
    *out = SINK_HANDLES + (port_handle)sink;
    return PORT_OK;
}

enum port_result port_log_write(port_handle sink, const void *buf, size_t len, size_t *n)
{
    enum sim_injected injected = sim_inject();

    *n = 0;
    log_writes++;
    if (sink_of(sink) == SINKS || sinks[sink_of(sink)].opens == 0 || len == 0)
        sim_abort("a log write of nothing, or to something else");
    if (injected == SIM_DO_ERROR)
        return fault_is(PORT_FAULT_OTHER);
    if (injected == SIM_DO_AGAIN || sim.log_stuck)
        return PORT_AGAIN;
    *n = injected == SIM_DO_SHORT ? 1 : len;
    bytes_put(&sinks[sink_of(sink)].bytes, buf, *n);
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
