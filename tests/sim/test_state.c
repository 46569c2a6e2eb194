/* SIGUSR1: the state that is written to the log is that of the world. */
#include "base/log.h"
#include "core.h"

#include <stdio.h>
#include <string.h>

#if IS_ENABLED(CONFIG_STATE)

static unsigned count_lines(const char *text)
{
    struct text rest = sim_log("");
    struct text line, wanted = text_of(text);
    unsigned count = 0;

    while (text_split(&rest, '\n', &line)) {
        CHECK(line.len <= CONFIG_LOG_LINE);
        for (size_t i = 0; i < line.len; i++)
            if (text_starts(text_skip(line, i), wanted)) {
                count++;
                break;
            }
    }
    return count;
}

static bool says(const char *text)
{
    return count_lines(text) > 0;
}

static void ask_state(void)
{
    sim_ask(PORT_ASK_STATE);
    sim_run(NULL, NULL, 1);
}

/* Streams, queue and ends of requests, at any LogLevel. */
static void requests(void **state)
{
    struct origin *origin = core_world(NULL);

    (void)state;
    sim_describe("requests");
    origin->max_streams = 2;
    core_asking("n=10", 0);
    for (unsigned i = 0; i < 5; i++)
        core_asking("n=10&d=500", 50);
    core_asking("R=1&e=2", 5000);
    core_start(core_plain, "LogLevel error\n");
    sim_run(NULL, NULL, 100);
    ask_state();
    CHECK(says("notice state: running, 5 requests in progress"));
    CHECK(says("notice state: pools (used/peak/size/refused): "));
    CHECK(says("exchange 5/5/"));
    CHECK(says("h2_back 1/1/"));
    CHECK(says("notice state: backend 10.0.0.1:9000: up, 1 of 1 connections, 2 streams, 3 waiting; port 4000"));
    CHECK(says(" open 2/2 streams, 3 served, heard "));
    CHECK(says("notice state: requests since the start: 1 well"));
    CHECK(says("notice state: log lines lost: 0 access, 0 diagnostics"));
    CHECK(!log_enabled(LOG_WARN));
    core_run(10000);
    sim_log_forget("");
    ask_state();
    CHECK(says("notice state: running, 0 requests in progress"));
    CHECK(says("notice state: requests since the start: 6 well; backend-reset 1"));
    core_end();
}

/* What the ring of two logs with one target loses is told once. */
static void one_log(void **state)
{
    char told[80];

    (void)state;
    core_world(NULL);
    sim_describe("one log");
    core_start("Listen 8080\nProxyPass / h2c://10.0.0.1:9000/\nCustomLog /both\nErrorLog /both\n", NULL);
    while (log_lost(LOG_ACCESS) < 3)
        log_error("test", "a line");
    sim_run(NULL, NULL, 100);
    ask_state();
    snprintf(told, sizeof(told), "notice state: log lines lost: %u access and diagnostics", log_lost(LOG_ACCESS));
    CHECK(core_contains(sim_log("/both"), told));
    core_run(10000);
    core_end();
}

/* States of a backend. */
static void backends(void **state)
{
    struct origin *origin = core_world(NULL);

    (void)state;
    sim_describe("backends");
    origin->host.mode = HOST_REFUSES;
    core_asking("n=10", 50);
    core_asking("n=10&d=900", 1000);
    core_start(core_plain, NULL);
    sim_run(NULL, NULL, 20);
    ask_state();
    CHECK(says("backend 10.0.0.1:9000: not connected, 0 of 1 connections, 0 streams, 0 waiting"));
    sim_run(NULL, NULL, 40);
    ask_state();
    CHECK(says("backend 10.0.0.1:9000: down, 0 of 1 connections"));
    origin->host.mode = HOST_ACCEPTS;
    sim_run(NULL, NULL, 1000);
    origin_goaway(origin);
    sim_run(NULL, NULL, 20);
    ask_state();
    CHECK(says("10.0.0.1:9000: not connected, 1 of 1 connections, 1 streams, 0 waiting; port 4000"));
    CHECK(says(" closing 1/"));
    CHECK(says("requests since the start: 0 well; connect-refused 1"));
    sim_ask(PORT_ASK_DRAIN | PORT_ASK_STATE);
    sim_run(NULL, NULL, 1);
    ask_state();
    CHECK(says("notice state: draining, 1 requests in progress"));
    core_run(10000);
    core_end();
}

#if IS_ENABLED(CONFIG_BALANCER)

static void members(void **state)
{
    struct origin *origin = core_world(NULL);

    (void)state;
    sim_describe("members");
    origin_new(2, 9000);
    origin_new(3, 9000);
    origin->host.mode = HOST_REFUSES;
    for (unsigned i = 0; i < 4; i++)
        core_asking("n=10&d=500", 10);
    core_start("Listen 8080\nProxyPass / balancer://app/\nCustomLog \"-\"\n"
               "BalancerMember balancer://app h2c://10.0.0.1:9000\nBalancerMember balancer://app h2c://10.0.0.2:9000\n"
               "BalancerMember balancer://app h2c://10.0.0.3:9000 status=+H\n",
               NULL);
    sim_run(NULL, NULL, 100);
    ask_state();
    CHECK(says("state: balancer://app: 10.0.0.1:9000 ejected, tried in "));
    CHECK(says("10.0.0.2:9000 up, 4 requests, 0 failures in a row"));
    CHECK(says("10.0.0.3:9000 (standby) up, 0 requests"));
    CHECK_INT(count_lines("state: backend 10.0.0."), 3);
    core_run(10000);
    core_end();
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests),
        cmocka_unit_test(one_log),
        cmocka_unit_test(backends),
#if IS_ENABLED(CONFIG_BALANCER)
        cmocka_unit_test(members),
#endif
    };

    return CORE_RUN(tests);
}

#else

int main(void)
{
    return 0;
}

#endif
