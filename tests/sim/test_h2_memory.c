/* An HTTP/2 client that opens many streams at once, before it knows how many it may, while others hold all memory
 * that is shared: what there is no room for is refused, and nothing else is lost. */
#include "core.h"

#include "base/slab.h"
#include "http/h2_mem.h"

#define STREAMS 64

/* What others hold. */
static uint32_t lent;
static uint8_t *larges[CONFIG_H2_LARGE_BLOCKS];

static const char conf[] = "Listen 8080\n"
                           "ProxyPass \"/\" \"h2c://10.0.0.1:9000/\" acquire=600000\n"
                           "CustomLog \"-\"\n"
                           "LogLevel info\n"
                           "MaxKeepAliveRequests 0\n";

static const struct world {
    const char *name;
    struct sim_options options;
    size_t read_piece;
    uint64_t deaf_until;
    bool holds_large;
} worlds[] = {
    {"quick", {.seed = 1, .latency_ms = 5}, 0, 0, false},
    {"takes nothing for a while", {.seed = 2, .latency_ms = 5, .client_buffer = 100}, 0, 300, false},
    {"takes little", {.seed = 3, .latency_ms = 5, .client_buffer = 40}, 7, 0, false},
    {"no large blocks", {.seed = 4, .latency_ms = 5}, 0, 0, true},
    {"takes nothing, no large blocks", {.seed = 5, .latency_ms = 5, .client_buffer = 100}, 0, 300, true},
    {"takes little, no large blocks", {.seed = 6, .latency_ms = 5, .client_buffer = 40}, 7, 0, true},
    {"chopped", {.seed = 7, .latency_ms = 5, .chop = 7, .client_buffer = 100}, 0, 200, false},
};

static void take_all(bool large)
{
    lent = slab_left();
    CHECK(slab_lend(lent));
    for (unsigned i = 0; large && i < CONFIG_H2_LARGE_BLOCKS; i++)
        larges[i] = h2_large_take();
}

static void give_all(bool large)
{
    slab_return(lent);
    for (unsigned i = 0; large && i < CONFIG_H2_LARGE_BLOCKS; i++)
        h2_large_give(larges[i]);
}

/* Answered in full, at once or, when they were refused, after some tries more. Without large blocks a head may find no
   piece of memory that it fits into: 503. */
static void check(const struct h2_client *c, bool all)
{
    unsigned tries = 0;

    CHECK_INT(c->goaways, 0);
    for (unsigned n = 0; n < STREAMS; n++) {
        const struct response *response = &c->answers[n]->response;

        CHECK(response->complete);
        if (all || response->status != 503) {
            CHECK(response->from_origin);
            CHECK_INT(response->status, 200);
            CHECK_INT(response->body, 1500);
        }
        tries += c->answers[n]->tries;
    }
    print_message("%u streams in %u tries\n", STREAMS, tries);
}

static void many_at_once(void **state)
{
    (void)state;
    CORE_NEEDS(CONFIG_H2_CLIENTS > 0);
    for (size_t w = 0; w < ARRAY_SIZE(worlds); w++) {
        struct h2_client *c;

        core_world(&worlds[w].options);
        c = h2_client_new(FRONT_PORT);
        c->read_piece = worlds[w].read_piece;
        c->deaf_until = worlds[w].deaf_until;
        sim_describe("%s", worlds[w].name);
        for (unsigned n = 0; n < STREAMS; n++)
            h2_client_get(c, n % 2 ? "n=1500" : "n=1500&l=0&h=200");
        core_start(conf, NULL);
        take_all(worlds[w].holds_large);
        core_run(600000);
        give_all(worlds[w].holds_large);
        /* Where sizes were drawn at random one session's own memory may not even hold a head: it only must not crash.
         */
        if (core_env("SIM_ANY", 0) == 0)
            check(c, !worlds[w].holds_large);
        core_end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(many_at_once)};

    return CORE_RUN(tests);
}
