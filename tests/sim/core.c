/* The core in the simulated world. */
#include "core.h"

#include "base/arena.h"
#include "base/pipe.h"
#include "base/pool.h"
#include "ops/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char core_plain[] = "Listen 8080\n"
                          "ProxyPass \"/\" \"h2c://10.0.0.1:9000/\"\n"
                          "CustomLog \"-\"\n"
                          "LogLevel info\n";

#define PATIENT(keys)                                                                                                  \
    "Listen 8080\nProxyPass / h2c://10.0.0.1:9000/ acquire=600s " keys "\n"                                            \
    "Timeout 600\nProxyTimeout 600\nKeepAliveTimeout 100\nRequestReadTimeout header=0 body=0\n"                        \
    "CustomLog -\nLogLevel info\n"
const char core_patient[] = PATIENT("");
const char core_patient_pair[] = PATIENT("max=2 ttl=1");
const char core_hasty[] = "Listen 8080\n"
                          "ProxyPass \"/\" \"h2c://10.0.0.1:9000/\"\n"
                          "CustomLog \"-\"\n"
                          "ProxyTimeout 2\n"
                          "Timeout 3\n"
                          "KeepAliveTimeout 2\n"
                          "RequestReadTimeout header=1 body=1\n";

static bool running;
static bool may_fail;
static char lacks[256]; /* what this build lacks for the configuration, as the core said it */
static char last_error[256];

static void pass(int max_wait_ms)
{
    server_pass(max_wait_ms);
}

struct origin *core_world(const struct sim_options *options)
{
    sim_begin(options);
    sim_use_pass(pass);
    return origin_new(1, 9000);
}

static void report(void *user, bool error, struct text message)
{
    char words[sizeof(lacks)];

    (void)user;
    snprintf(words, sizeof(words), "%.*s", TEXT_ARG(message));
    if (error && core_env("SIM_ANY", 0) > 0 && strstr(words, "CONFIG_") != NULL)
        memcpy(lacks, words, sizeof(lacks));
    else if (error && !may_fail)
        sim_violation("configuration: %.*s", TEXT_ARG(message));
    if (error)
        snprintf(last_error, sizeof(last_error), "%.*s", TEXT_ARG(message));
}

struct text core_error(void)
{
    return text_of(last_error);
}

bool core_try_start(const char *conf)
{
    may_fail = true;
    running = server_start("test.conf", text_of(conf), report, NULL);
    return running;
}

void core_start(const char *conf, const char *more)
{
    struct bytes text = {NULL, 0, 0};

    bytes_printf(&text, "%s%s", conf, more != NULL ? more : "");
    may_fail = false;
    lacks[0] = '\0';
    running = server_start("test.conf", bytes_text(&text), report, NULL);
    if (!running && lacks[0] != '\0')
        core_skip(lacks);
    if (!running)
        sim_abort("the core does not start");
}

void core_skip(const char *why)
{
    print_message("skipped: %s\n", why);
    if (running)
        server_stop();
    running = false;
    sim_leave();
    skip();
}

#define CONF_PATH "/etc/test.conf"

void core_start_backend(const char *keys, const char *more)
{
    struct bytes conf = {NULL, 0, 0};

    bytes_printf(&conf, "Listen 8080\nProxyPass / h2c://10.0.0.1:9000/ %s\nCustomLog -\nLogLevel info\n%s", keys, more);
    bytes_put(&conf, "", 1);
    core_start((const char *)conf.ptr, NULL);
}

void core_start_file(const char *conf)
{
    sim_add_file(CONF_PATH, conf);
    may_fail = false;
    lacks[0] = '\0';
    running = server_start(CONF_PATH, (struct text){NULL, 0}, report, NULL);
    if (!running && lacks[0] != '\0')
        core_skip(lacks);
    if (!running)
        sim_abort("the core does not start");
}

void core_reload(const char *conf)
{
    sim_add_file(CONF_PATH, conf);
    sim_ask(PORT_ASK_RELOAD);
}

struct client *core_ask_at(uint64_t start_at, const struct ask *ask)
{
    struct client *c = client_new(FRONT_PORT);

    c->start_at = start_at;
    client_ask(c, ask);
    return c;
}

struct client *core_asking(const char *query, uint64_t start_at)
{
    return core_ask_at(start_at, &(struct ask){.query = query});
}

static bool all_done(void *user)
{
    return clients_done(user) && h2_clients_done();
}

void core_run(uint32_t ms)
{
    if (!sim_run(all_done, NULL, ms))
        sim_violation("not all clients were done within %u ms", ms);
}

static bool ended(void *user)
{
    (void)user;
    return server_done();
}

void core_run_until_ended(uint32_t ms)
{
    if (!sim_run(ended, NULL, ms))
        sim_violation("the core did not end within %u ms", ms);
}

void core_settle(void)
{
    sim.again_percent = 0;
    sim_run(NULL, NULL, 300);
}

/* ---- the access log ---- */

static bool next_line(struct text *rest, struct text *line)
{
    while (text_split(rest, '\n', line))
        if (line->len > 0)
            return true;
    return false;
}

struct text core_line_field(struct text line, unsigned n)
{
    for (unsigned i = 0;; i++) {
        size_t end = 0;

        if (line.len > 0 && line.ptr[0] == '"') {
            end = 1;
            while (end < line.len && line.ptr[end] != '"')
                end += line.ptr[end] == '\\' ? 2 : 1;
            end++;
        }
        end = text_find(line, ' ', end);
        if (i == n)
            return text_first(line, end);
        if (end >= line.len)
            return (struct text){NULL, 0};
        line = text_skip(line, end + 1);
    }
}

/* The id in "METHOD .../r/<id>?..."; 0 when there is none, when the head did not come whole (the id may be cut), or
   when the stream was refused, as it comes again then. */
static uint32_t line_id(struct text line)
{
    struct text request = core_line_field(line, LINE_REQUEST);
    struct text how = core_line_field(line, LINE_END);
    uint64_t id = 0;

    if ((how.len == 2 && how.ptr[1] == 'R') || text_eq(core_line_field(line, LINE_WORD), TEXT("early-body")))
        return 0;

    for (size_t i = 0; i + 3 < request.len; i++) {
        size_t end = i + 3;

        if (memcmp(request.ptr + i, "/r/", 3) != 0)
            continue;
        while (end < request.len && text_is_digit(request.ptr[end]))
            end++;
        if (!text_to_u64(text_make(request.ptr + i + 3, end - i - 3), UINT32_MAX, &id))
            id = 0;
        break;
    }
    return (uint32_t)id;
}

struct text core_line(uint32_t id)
{
    struct text rest = sim_log("-");
    struct text line;
    struct text found = {NULL, 0};

    while (next_line(&rest, &line)) {
        if (line_id(line) != id)
            continue;
        if (found.ptr != NULL)
            sim_violation("request %u has two lines in the log", id);
        found = line;
    }
    return found;
}

unsigned core_line_count(void)
{
    struct text rest = sim_log("-");
    struct text line;
    unsigned count = 0;

    while (next_line(&rest, &line))
        count++;
    return count;
}

bool core_contains(struct text text, const char *what)
{
    struct text w = text_of(what);

    for (size_t i = 0; i + w.len <= text.len; i++)
        if (text_starts(text_skip(text, i), w))
            return true;
    return false;
}

bool core_is_logged(const char *what)
{
    return core_contains(sim_log(""), what);
}

void core_check_field(uint32_t id, unsigned field, const char *should)
{
    struct text is = core_line_field(core_line(id), field);

    if (!text_eq(is, text_of(should)))
        sim_violation("request %u: field %u is '%.*s' and not '%s'", id, field, TEXT_ARG(is), should);
}

void core_check_served(struct client *c)
{
    CHECK_INT(client_response(c, 0)->status, 200);
    CHECK(client_response(c, 0)->complete);
    core_check_field(client_first_id(c), LINE_END, "--");
}

static void check_lines(void)
{
    static uint8_t seen[1 << 16];
    struct text rest = sim_log("-");
    struct text line;
    unsigned others = 0;

    memset(seen, 0, sizeof(seen));
    while (next_line(&rest, &line)) {
        uint32_t id = line_id(line);
        struct text end = core_line_field(line, LINE_END);

        if ((sim.log_lossy || sim.log_stuck) && text_starts(line, TEXT("log: ")))
            continue;

        if (end.len != 2 || core_line_field(line, LINE_FIELDS).ptr != NULL ||
            (text_eq(end, TEXT("--")) && core_line_field(line, LINE_WORD).ptr != NULL))
            sim_violation("a log line out of form: %.*s", TEXT_ARG(line));
        others += id == 0;
        if (id != 0 && id < sizeof(seen) && seen[id]++ > 0)
            sim_violation("request %u has two lines in the log", id);
    }
    if (sim.log_lossy || sim.log_stuck)
        return;
    clients_check_logged(seen, sizeof(seen), others);
    h2_clients_check_logged(seen, sizeof(seen));
}

/* ---- the end ---- */

static void check_memory(void)
{
    struct pipe_stats pipes;

    for (const struct pool *p = pool_next(NULL); p != NULL; p = pool_next((struct pool *)(uintptr_t)p))
        if (p->used > 0)
            sim_violation("pool %s: %u still used", p->name, p->used);
    pipe_stats(&pipes);
    if (pipes.used > 0 || pipes.lent > 0)
        sim_violation("pipes: %u blocks still used, %u lent", pipes.used, pipes.lent);
    if (heap_strays() > 0)
        sim_violation("%u calls of the heap outside an arena", heap_strays());
}

void core_end(void)
{
    sim_fail_nth(0, SIM_ERROR);
    arena_fail_nth(0);
    sim.again_percent = 0;
    if (running && !server_stop())
        sim_violation("server_stop says that not all pools are empty");
    running = false;
    check_memory();
    if (sim_open_sinks() > 0)
        sim_violation("%u log sinks are still open", sim_open_sinks());
    check_lines();
    if (core_env("SIM_LOG", 0) > 0)
        fprintf(stderr, "---- %s\n%.*s%.*s", sim_description(), TEXT_ARG(sim_log("")), TEXT_ARG(sim_log("-")));
    sim_end();
}

bool core_failure_waits(uint32_t n)
{
    static _Alignas(16) uint8_t storage[4096];
    struct arena *arena = arena_init(storage, sizeof(storage), "probe");

    for (uint32_t i = 0; i < n; i++) {
        void *ptr = arena_alloc(arena, 16);

        if (ptr == NULL)
            return true;
        arena_free(arena, ptr);
    }
    return false;
}

uint64_t core_env(const char *name, uint64_t otherwise)
{
    const char *value = getenv(name);
    uint64_t number;

    return value != NULL && text_to_u64(text_of(value), UINT64_MAX, &number) ? number : otherwise;
}

void core_filter(void)
{
    const char *pattern = getenv("SIM_TEST");

    if (pattern != NULL)
        cmocka_set_test_filter(pattern);
}
