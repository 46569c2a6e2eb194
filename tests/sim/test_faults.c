/* The nth call of the platform and the nth allocation of a library fail, for every n: nothing crashes or leaks, what
 * could go on goes on, and the next client is served. */
#include "core.h"

#include "base/arena.h"

static const char conf[] = "Listen 8080\n"
                           "ProxyPass \"/\" \"h2c://10.0.0.1:9000/\"\n"
                           "CustomLog \"-\"\n"
                           "ProxyTimeout 2\n"
                           "Timeout 3\n"
                           "KeepAliveTimeout 2\n"
                           "RequestReadTimeout header=1 body=1\n";

#define CLIENTS 4

struct scene {
    struct origin *origin;
    struct client *clients[CLIENTS];
};

/* A little of everything: bodies both ways, trailers, keep-alive, an early end, a slow answer. */
static void scene_begin(struct scene *scene, const struct sim_options *options)
{
    struct client **c = scene->clients;

    scene->origin = core_world(options);
    for (unsigned i = 0; i < CLIENTS; i++)
        c[i] = client_new(FRONT_PORT);
    client_ask(c[0], &(struct ask){.query = "n=300"});
    client_ask(c[0], &(struct ask){.query = "n=5&l=0&t=1"});
    client_ask(c[1],
               &(struct ask){.query = "n=40&l=0&u=30", .framing = ASK_CHUNKED, .body = 200, .trailers = "A: b\r\n"});
    client_ask(c[2], &(struct ask){.query = "n=900&p=300&q=2&i=1", .framing = ASK_LENGTH, .body = 80});
    client_ask(c[3], &(struct ask){.query = "n=30&d=4&l=0", .http10 = true});
}

static void check_alive(void)
{
    struct client *c;

    sim_run(NULL, NULL, 1500); /* listeners rest for a second, backends for less */
    c = client_new(FRONT_PORT);
    client_ask(c, &(struct ask){.query = "n=70"});
    core_run(20000);
    CHECK_INT(client_response(c, 0)->status, 200);
    CHECK(client_response(c, 0)->complete);
}

static bool all_well(const struct scene *scene)
{
    for (unsigned i = 0; i < CLIENTS; i++)
        for (unsigned n = 0; n < scene->clients[i]->reader.asked; n++) {
            const struct response *response = &scene->clients[i]->reader.responses[n];

            if (!response->complete || response->status != 200)
                return false;
        }
    return true;
}

/* One run with a failing platform call. False when there was no nth call. */
static bool run_io(uint32_t n, enum sim_fault fault, bool narrow)
{
    struct scene scene;
    struct sim_options options = {.seed = n, .latency_ms = n % 3, .log_lossy = true};
    bool fired;

    if (narrow) /* writes are taken in part, and go on later */
        options.origin_buffer = 250;
    else
        options.chop = 60;
    scene_begin(&scene, &options);
    sim_describe("call %u fails so: %d, narrow %d", n, fault, narrow);
    sim_fail_nth(n, fault);
    if (core_try_start(conf)) {
        core_run(30000);
        sim_run(NULL, NULL, 300);
        if (fault != SIM_ERROR)
            CHECK(all_well(&scene));
        fired = sim_fault_fired();
        sim_fail_nth(0, fault);
        check_alive();
    } else {
        fired = sim_fault_fired();
        CHECK(fired && fault == SIM_ERROR);
    }
    core_end();
    return fired;
}

static void every_call_fails(void **state)
{
    static const enum sim_fault faults[] = {SIM_ERROR, SIM_AGAIN, SIM_SHORT};

    (void)state;
    for (size_t f = 0; f < ARRAY_SIZE(faults); f++)
        for (int narrow = 0; narrow < 2; narrow++) {
            uint32_t n = 1;

            while (run_io(n, faults[f], narrow != 0))
                n += (uint32_t)core_env("SIM_STEP", 1);
            print_message("%u calls\n", n - 1);
            assert_true(n > 40);
        }
}

static bool run_memory(uint32_t n)
{
    struct scene scene;
    bool fired;

    scene_begin(&scene, &(struct sim_options){.seed = n, .latency_ms = n % 3, .chop = 60, .log_lossy = true});
    sim_describe("allocation %u fails", n);
    arena_fail_nth(n);
    if (core_try_start(conf)) {
        core_run(30000);
        fired = !core_failure_waits(n);
        if (!fired)
            CHECK(all_well(&scene));
        arena_fail_nth(0);
        check_alive();
    } else {
        fired = !core_failure_waits(n);
        CHECK(fired);
    }
    core_end();
    return fired;
}

static void every_allocation_fails(void **state)
{
    uint32_t n = 1;

    (void)state;
    while (run_memory(n))
        n += (uint32_t)core_env("SIM_STEP", 1);
    print_message("%u allocations\n", n - 1);
    assert_true(n > 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_fails),
        cmocka_unit_test(every_allocation_fails),
    };

    return CORE_RUN(tests);
}
