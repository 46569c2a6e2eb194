/* A port for unit tests. */
#include "port_stub.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CAPTURE_MAX (1024 * 1024)
#define FILES_MAX 16
#define NAMES_MAX 16

struct capture {
    char bytes[CAPTURE_MAX];
    size_t len;
};

static struct {
    uint32_t now_ms;
    int64_t wall_s;
    uint64_t chance;
    const uint8_t *random;
    size_t random_len;
    size_t random_at;
    bool random_fails;
    unsigned asked;
    enum port_fault fault;
    enum port_result log_result;
    size_t log_most;
    unsigned log_writes;
    unsigned sinks;
    struct capture logs[STUB_SINKS];
    struct port_log log_opened[STUB_SINKS];
    enum port_fault open_fault, log_fault;
    unsigned closed;
    int32_t zone_s;
    struct capture printed;
    struct {
        const char *path;
        struct text bytes;
    } files[FILES_MAX];
    struct {
        const char *name;
        uint8_t ip[4];
    } names[NAMES_MAX];
} stub = {.log_most = SIZE_MAX};

static _Noreturn void stub_die(const char *why)
{
    fprintf(stderr, "port_stub: %s\n", why);
    abort();
}

static void capture_add(struct capture *capture, const void *bytes, size_t len)
{
    if (len > CAPTURE_MAX - capture->len)
        stub_die("too much to capture");
    if (len > 0)
        memcpy(capture->bytes + capture->len, bytes, len);
    capture->len += len;
}

static unsigned sink_index(port_handle sink)
{
    if (sink < STUB_SINK_MIN || sink >= STUB_SINK_MIN + STUB_SINKS)
        stub_die("not a log sink");
    return (unsigned)(sink - STUB_SINK_MIN);
}

void stub_reset(void)
{
    memset(&stub, 0, sizeof(stub));
    stub.log_most = SIZE_MAX;
    stub.log_fault = PORT_FAULT_OTHER;
}

void stub_set_now(uint32_t now_ms)
{
    stub.now_ms = now_ms;
}

void stub_set_zone(int32_t zone_s)
{
    stub.zone_s = zone_s;
}

void stub_set_wall(int64_t wall_s)
{
    stub.wall_s = wall_s;
}

void stub_seed(uint64_t seed)
{
    stub.chance = seed;
}

/* SplitMix64: any seed is good. */
static uint64_t chance_next(void)
{
    uint64_t z = (stub.chance += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint32_t stub_chance(uint32_t below)
{
    return (uint32_t)((chance_next() >> 32) * below >> 32);
}

void stub_set_random(const void *bytes, size_t len)
{
    stub.random = bytes;
    stub.random_len = len;
    stub.random_at = 0;
}

void stub_fail_random(bool fail)
{
    stub.random_fails = fail;
}

void stub_ask(unsigned asked)
{
    stub.asked = asked;
}

struct text stub_log(port_handle sink)
{
    struct capture *log = &stub.logs[sink_index(sink)];

    return text_make(log->bytes, log->len);
}

void stub_log_clear(port_handle sink)
{
    stub.logs[sink_index(sink)].len = 0;
}

struct port_log stub_log_opened(port_handle sink)
{
    return stub.log_opened[sink_index(sink)];
}

unsigned stub_log_closed(void)
{
    return stub.closed;
}

void stub_log_open_fault(enum port_fault fault)
{
    stub.open_fault = fault;
}

void stub_log_fault(enum port_fault fault)
{
    stub.log_fault = fault;
}

void stub_log_answer(enum port_result result, size_t most)
{
    stub.log_result = result;
    stub.log_most = most;
}

unsigned stub_log_writes(void)
{
    return stub.log_writes;
}

struct text stub_printed(void)
{
    return text_make(stub.printed.bytes, stub.printed.len);
}

void stub_set_file(const char *path, struct text bytes)
{
    for (size_t i = 0; i < FILES_MAX; i++) {
        if (stub.files[i].path == NULL || strcmp(stub.files[i].path, path) == 0) {
            stub.files[i].path = path;
            stub.files[i].bytes = bytes;
            return;
        }
    }
    stub_die("too many files");
}

void stub_set_name(const char *name, uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
    for (size_t i = 0; i < NAMES_MAX; i++) {
        if (stub.names[i].name == NULL || strcmp(stub.names[i].name, name) == 0) {
            stub.names[i].name = name;
            memcpy(stub.names[i].ip, ((uint8_t[]){a, b, c, d}), 4);
            return;
        }
    }
    stub_die("too many names");
}

/* ---- the port ---- */

bool port_init(void)
{
    return true;
}

unsigned port_asked(void)
{
    unsigned asked = stub.asked;

    stub.asked = 0;
    return asked;
}

uint32_t port_now_ms(void)
{
    return stub.now_ms;
}

int32_t port_zone_s(int64_t wall_s)
{
    (void)wall_s;
    return stub.zone_s;
}

const char *port_host_name(void)
{
    return "box";
}

uint32_t port_process(void)
{
    return 42;
}

int64_t port_wall_s(void)
{
    return stub.wall_s;
}

bool port_random(void *buf, size_t len)
{
    uint8_t *bytes = buf;

    if (stub.random_fails)
        return false;
    for (size_t i = 0; i < len; i++)
        bytes[i] = stub.random_len > 0 ? stub.random[stub.random_at++ % stub.random_len] : (uint8_t)chance_next();
    return true;
}

unsigned port_resolve(const char *name, uint16_t port, struct port_addr *addrs, unsigned max)
{
    for (size_t i = 0; max > 0 && i < NAMES_MAX && stub.names[i].name != NULL; i++) {
        if (strcmp(stub.names[i].name, name) == 0) {
            addrs[0] = (struct port_addr){.port = port, .family = PORT_IPV4};
            memcpy(addrs[0].ip, stub.names[i].ip, 4);
            return 1;
        }
    }
    return 0;
}

bool port_lookup_open(const struct port_addr *servers, unsigned count, const struct port_memory *memory)
{
    (void)servers, (void)count, (void)memory;
    stub_die("port_lookup_open: no resolver here");
}

void port_lookup_close(void)
{
    stub_die("port_lookup_close: no resolver here");
}

port_lookup port_lookup_start(const char *name, void *user)
{
    (void)name, (void)user;
    stub_die("port_lookup_start: no resolver here");
}

void port_lookup_take(port_lookup lookup, struct port_answer *answer)
{
    (void)lookup, (void)answer;
    stub_die("port_lookup_take: no resolver here");
}

void port_lookup_cancel(port_lookup lookup)
{
    (void)lookup;
    stub_die("port_lookup_cancel: no resolver here");
}

enum port_fault port_error(void)
{
    return stub.fault;
}

const char *port_fault_text(enum port_fault fault)
{
    static const char *const texts[] = {
        [PORT_FAULT_NONE] = "no fault",
        [PORT_FAULT_REFUSED] = "connection refused",
        [PORT_FAULT_RESET] = "connection reset",
        [PORT_FAULT_UNREACHABLE] = "unreachable",
        [PORT_FAULT_TIMEOUT] = "timed out",
        [PORT_FAULT_IN_USE] = "address in use",
        [PORT_FAULT_DENIED] = "permission denied",
        [PORT_FAULT_NO_ADDRESS] = "no such address",
        [PORT_FAULT_LIMIT] = "out of descriptors",
        [PORT_FAULT_NOT_FOUND] = "no such file",
        [PORT_FAULT_LINK] = "a link",
        [PORT_FAULT_FOLDER] = "a folder",
        [PORT_FAULT_UNFIT] = "unfit",
        [PORT_FAULT_OTHER] = "other fault",
    };

    return (size_t)fault < ARRAY_SIZE(texts) ? texts[fault] : "?";
}

enum port_result port_listen(const struct port_addr *addr, unsigned backlog, unsigned mode, port_handle *out)
{
    (void)addr, (void)backlog, (void)mode, (void)out;
    stub_die("port_listen: no sockets here");
}

enum port_result port_accept(port_handle listener, port_handle *out, struct port_addr *peer)
{
    (void)listener, (void)out, (void)peer;
    stub_die("port_accept: no sockets here");
}

enum port_result port_connect(const struct port_addr *addr, port_handle *out)
{
    (void)addr, (void)out;
    stub_die("port_connect: no sockets here");
}

enum port_result port_connect_result(port_handle handle)
{
    (void)handle;
    stub_die("port_connect_result: no sockets here");
}

enum port_result port_read(port_handle handle, void *buf, size_t cap, size_t *n)
{
    (void)handle, (void)buf, (void)cap, (void)n;
    stub_die("port_read: no sockets here");
}

enum port_result port_peek(port_handle handle, void *buf, size_t cap, size_t *n)
{
    (void)handle, (void)buf, (void)cap, (void)n;
    stub_die("port_peek: no sockets here");
}

enum port_result port_writev(port_handle handle, const struct port_iov *iov, unsigned count, size_t *n)
{
    (void)handle, (void)iov, (void)count, (void)n;
    stub_die("port_writev: no sockets here");
}

void port_shutdown(port_handle handle)
{
    (void)handle;
    stub_die("port_shutdown: no sockets here");
}

/* A log sink may be closed; it keeps what was captured. */
void port_close(port_handle handle, bool abort)
{
    (void)abort;
    sink_index(handle);
    stub.closed++;
}

uint16_t port_local(port_handle handle)
{
    (void)handle;
    stub_die("port_local: no sockets here");
}

bool port_watch(port_handle handle, unsigned interest, void *user)
{
    (void)handle, (void)interest, (void)user;
    stub_die("port_watch: no sockets here");
}

unsigned port_poll(int timeout_ms, struct port_event *events, unsigned max)
{
    (void)timeout_ms, (void)events, (void)max;
    stub_die("port_poll: no sockets here");
}

enum port_result port_read_file(const char *path, void *buf, size_t cap, size_t *n)
{
    *n = 0;
    for (size_t i = 0; i < FILES_MAX && stub.files[i].path != NULL; i++) {
        if (strcmp(stub.files[i].path, path) == 0) {
            if (stub.files[i].bytes.len > cap)
                return PORT_END;
            if (stub.files[i].bytes.len > 0)
                memcpy(buf, stub.files[i].bytes.ptr, stub.files[i].bytes.len);
            *n = stub.files[i].bytes.len;
            return PORT_OK;
        }
    }
    stub.fault = PORT_FAULT_NOT_FOUND;
    return PORT_ERROR;
}

bool port_file_stamp(const char *path, uint64_t *stamp)
{
    (void)path;
    *stamp = 0;
    return false;
}

enum port_result port_log_open(const struct port_log *log, port_handle *out)
{
    *out = PORT_NO_HANDLE;
    if (stub.open_fault != PORT_FAULT_NONE || stub.sinks == STUB_SINKS) {
        stub.fault = stub.open_fault != PORT_FAULT_NONE ? stub.open_fault : PORT_FAULT_LIMIT;
        return PORT_ERROR;
    }
    stub.log_opened[stub.sinks] = *log;
    *out = (port_handle)(STUB_SINK_MIN + stub.sinks++);
    return PORT_OK;
}

enum port_result port_log_write(port_handle sink, const void *buf, size_t len, size_t *n)
{
    struct capture *log = &stub.logs[sink_index(sink)];

    stub.log_writes++;
    *n = 0;
    if (stub.log_result == PORT_ERROR)
        stub.fault = stub.log_fault;
    if (stub.log_result != PORT_OK)
        return stub.log_result;
    *n = min_size(len, stub.log_most);
    capture_add(log, buf, *n);
    return PORT_OK;
}

/* Also to the real standard error, so that a panic says why. */
void port_print(bool err, const char *textz)
{
    capture_add(&stub.printed, textz, strlen(textz));
    if (err)
        fputs(textz, stderr);
}
