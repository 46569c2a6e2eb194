/* The nth call of the platform and the nth allocation of a library fail, for every n, with HTTP/2 on both sides:
 * nothing crashes or leaks, what could go on goes on, and the next client is served. */
#include "core.h"

#include "base/arena.h"

static const char conf[] = "Listen 8080\n"
                           "ProxyPass \"/\" \"h2c://10.0.0.1:9000/\"\n"
                           "CustomLog \"-\"\n"
                           "ProxyTimeout 2\n"
                           "Timeout 3\n"
                           "KeepAliveTimeout 2\n"
                           "RequestReadTimeout header=1 body=1\n";

#define CLIENTS 2
#define ASKS 4

struct scene {
    struct origin *origin;
    struct h2_client *clients[CLIENTS];
};

/* A little of everything: bodies both ways, trailers, interim answers, a stream that is cancelled. */
static void scene_begin(struct scene *scene, const struct sim_options *options)
{
    static const struct h2_ask asks[CLIENTS][ASKS] = {
        {{.ask = {.query = "n=300&t=1"}},
         {.ask = {.query = "n=40&l=0&u=30", .framing = ASK_CHUNKED, .body = 200, .trailers = "A: b\n"}},
         {.ask = {.query = "n=9000&p=300&q=1"}, .cancel = CANCEL_RECEIVED, .cancel_at = 600},
         {.ask = {.query = "n=900&p=300&q=2&i=1", .framing = ASK_LENGTH, .body = 80}, .piece = 40, .pause_ms = 1}},
        {{.ask = {.query = "n=30&d=4"}},
         {.ask = {.query = "n=3", .framing = ASK_LENGTH, .body = 20, .expects = true}},
         {.ask = {.method = "HEAD"}},
         {.ask = {.path = "/../"}}},
    };

    scene->origin = core_world(options);
    for (unsigned i = 0; i < CLIENTS; i++) {
        scene->clients[i] = h2_client_new(FRONT_PORT);
        scene->clients[i]->start_at = i;
        for (unsigned n = 0; n < ASKS; n++)
            h2_client_ask(scene->clients[i], &asks[i][n]);
    }
}

static void check_alive(void)
{
    struct h2_client *c;

    sim_run(NULL, NULL, 1500); /* listeners rest for a second, backends for less */
    c = h2_client_new(FRONT_PORT);
    h2_client_get(c, "n=70");
    core_run(20000);
    CHECK_INT(h2_client_answers(c), 1);
    CHECK_INT(h2_client_answer(c, 0)->response.status, 200);
}

/* Whether all went as if nothing had failed. */
static bool all_well(const struct scene *scene)
{
    for (unsigned i = 0; i < CLIENTS; i++)
        for (unsigned n = 0; n < ASKS; n++) {
            const struct h2_answer *a = scene->clients[i]->answers[n];
            unsigned status = i == 1 && n == 3 ? 400 : 200;

            if (a->response.status != status || (!a->response.complete && !a->cancelled))
                return false;
        }
    return true;
}

/* Every stream has an end, whatever that is. A client that is not answered knows it. */
static void check_ends(const struct scene *scene)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        const struct h2_client *c = scene->clients[i];

        for (unsigned n = 0; n < ASKS; n++)
            CHECK(c->answers[n]->response.complete || c->answers[n]->reset > 0 || c->answers[n]->cancelled ||
                  c->end == CLIENT_ENDED || c->end == CLIENT_RESET || c->end == CLIENT_REFUSED);
    }
}

/* One run with a failing platform call. False when there was no nth call. */
static bool run_io(uint32_t n, enum sim_fault fault, bool narrow)
{
    struct scene scene;
    struct sim_options options = {.seed = n, .latency_ms = n % 3, .log_lossy = true};
    bool fired;

    if (narrow) { /* writes are taken in part, and go on later */
        options.origin_buffer = 250;
        options.client_buffer = 250;
    } else {
        options.chop = 60;
    }
    scene_begin(&scene, &options);
    sim_describe("call %u fails so: %d, narrow %d", n, fault, narrow);
    sim_fail_nth(n, fault);
    if (core_try_start(conf)) {
        core_run(30000);
        check_ends(&scene);
        sim_run(NULL, NULL, 300);
        fired = sim_fault_fired();
        if (fault != SIM_ERROR || !fired)
            CHECK(all_well(&scene));
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

/* Bodies that need more than their first window, both ways. */
static void add_big(const struct scene *scene)
{
    for (unsigned i = 0; i < 2; i++)
        h2_client_ask(
            scene->clients[i],
            &(struct h2_ask){.ask = {.query = "n=50000", .framing = i == 0 ? ASK_LENGTH : ASK_CHUNKED, .body = 50000}});
    client_ask(client_new(FRONT_PORT), &(struct ask){.query = "n=50000", .framing = ASK_LENGTH, .body = 50000});
}

static bool run_memory(uint32_t n, bool big)
{
    struct scene scene;
    bool fired;

    scene_begin(&scene, &(struct sim_options){.seed = n, .latency_ms = n % 3, .chop = big ? 0 : 60, .log_lossy = true});
    sim_describe("allocation %u fails, big %d", n, big);
    if (big)
        add_big(&scene);
    arena_fail_nth(n);
    if (core_try_start(conf)) {
        core_run(30000);
        check_ends(&scene);
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
    (void)state;
    for (int big = 0; big < 2; big++) {
        uint32_t n = 1;

        while (run_memory(n, big != 0))
            n += (uint32_t)core_env("SIM_STEP", 1);
        print_message("%u allocations\n", n - 1);
        assert_true(n > 40);
    }
}

/* ---- pools that are exhausted ---- */

/* More HTTP/2 clients than sessions: who is too many is told so by GOAWAY, and others are served. */
static void no_session(void **state)
{
    const unsigned most = (unsigned)min_size(CONFIG_H2_CLIENTS + 2, CONFIG_CLIENTS); /* others wait to be accepted */
    static struct h2_client *clients[CONFIG_H2_CLIENTS + 2];
    unsigned served = 0;
    unsigned refused = 0;

    (void)state;
    core_world(NULL);
    sim_describe("no session");
    for (unsigned i = 0; i < ARRAY_SIZE(clients); i++) {
        clients[i] = h2_client_new(FRONT_PORT);
        clients[i]->start_at = i / 50;
        h2_client_get(clients[i], "n=50&d=1000");
    }
    core_start(conf, NULL);
    core_run(20000);
    for (unsigned i = 0; i < ARRAY_SIZE(clients); i++) {
        served += h2_client_answers(clients[i]);
        refused += clients[i]->goaways == 1 && clients[i]->goaway_code == NGHTTP2_ENHANCE_YOUR_CALM &&
                   clients[i]->goaway_last == 0;
    }
    CHECK_INT(refused, most - CONFIG_H2_CLIENTS);
    CHECK_INT(served, ARRAY_SIZE(clients) - refused);
    check_alive();
    core_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_fails),
        cmocka_unit_test(every_allocation_fails),
        cmocka_unit_test(no_session),
    };

    return CORE_RUN(tests);
}
