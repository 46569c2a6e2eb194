/* More HTTP/2 streams than there is room for: they wait a little, and none is refused that need not be; a client that
 * opens all it can leaves something for others; who waits is not stuck, and keeps nobody else waiting. */
#include "core.h"

#include "proxy/exchange.h"

static const char conf[] = "Listen 8080\n"
                           "ProxyPass \"/\" \"h2c://10.0.0.1:9000/\" acquire=60000 maxqueue=60000\n"
                           "CustomLog \"-\"\n"
                           "LogLevel info\n"
                           "Timeout 300\n"
                           "ProxyTimeout 300\n"
                           "MaxKeepAliveRequests 0\n";

/* Enough clients to open more streams than there are exchanges. */
#define MANY (CONFIG_EXCHANGES / CONFIG_H2_STREAMS + 2)
#define HOGS ((unsigned)min_size(MANY, CONFIG_H2_CLIENTS - 1))

/* So many streams nghttp2 opens before it knows how many it may. */
#define BEFORE_SETTINGS 100

static struct h2_client *hogs[MANY];

/* Each opens `each` streams, at once. */
static void open_many(unsigned count, unsigned each, const struct h2_ask *ask)
{
    for (unsigned i = 0; i < count; i++) {
        hogs[i] = h2_client_new(FRONT_PORT);
        for (unsigned n = 0; n < each; n++)
            h2_client_ask(hogs[i], ask);
    }
}

static unsigned refusals(const struct h2_client *c)
{
    unsigned refused = 0;

    for (unsigned n = 0; n < c->asked; n++)
        refused += c->answers[n]->tries - 1;
    return refused;
}

static void check_served(const struct h2_client *c)
{
    CHECK_INT(h2_client_answers(c), c->asked);
    for (unsigned n = 0; n < c->asked; n++)
        CHECK_INT(c->answers[n]->response.status, 200);
    CHECK_INT(c->goaways, 0);
}

/* All are served, none is refused. */
static void all_wait(void **state)
{
    unsigned count = (unsigned)min_size(MANY, CONFIG_H2_CLIENTS);

    (void)state;
    CORE_NEEDS(CONFIG_H2_LARGE_BLOCKS >= MANY); /* for what comes with a client's first bytes */
    for (uint32_t latency = 0; latency < 12; latency += 5) {
        core_world(&(struct sim_options){.seed = 1, .latency_ms = latency});
        sim_describe("all wait, latency %u", latency);
        open_many(count, (CONFIG_EXCHANGES + 20) / count + 1, &(struct h2_ask){.ask = {.query = "n=50&d=60"}});
        core_start(conf, NULL);
        core_run(20000);
        for (unsigned i = 0; i < count; i++) {
            check_served(hogs[i]);
            CHECK_INT(refusals(hogs[i]), 0);
        }
        core_end();
    }
}

/* A client that begins with more streams than it may have, before it knows how many that are. */
static void first_flight(void **state)
{
    (void)state;
    core_world(&(struct sim_options){.seed = 1, .latency_ms = 20});
    sim_describe("first flight");
    open_many(1, (unsigned)min_size(100, CONFIG_H2_STREAMS + 20), &(struct h2_ask){.ask = {.query = "n=500"}});
    core_start(conf, NULL);
    core_run(20000);
    check_served(hogs[0]);
    CHECK_INT(refusals(hogs[0]), 0);
    core_end();
}

/* Nobody waits longer than H2_WAIT_MS: then what there is no room for is refused, and the client is heard again. */
static void refused_in_time(void **state)
{
    const unsigned count = (unsigned)min_size(MANY, CONFIG_H2_CLIENTS);
    const unsigned each = (CONFIG_EXCHANGES + 20) / count + 1;
    unsigned refused = 0;

    (void)state;
    CORE_NEEDS(CONFIG_H2_LARGE_BLOCKS >= MANY);
    CORE_NEEDS(each <= BEFORE_SETTINGS);
    core_world(&(struct sim_options){.seed = 1, .latency_ms = 1});
    sim_describe("refused in time");
    open_many(count, each, &(struct h2_ask){.ask = {.query = "n=50&d=9000"}});
    for (unsigned i = 0; i < count; i++)
        hogs[i]->gives_up = true;
    core_start(conf, NULL);
    sim_run(NULL, NULL, CONFIG_H2_WAIT_MS - 50);
    for (unsigned i = 0; i < count; i++)
        for (unsigned n = 0; n < hogs[i]->asked; n++)
            CHECK_INT(hogs[i]->answers[n]->reset, 0);
    sim_run(NULL, NULL, 100);
    for (unsigned i = 0; i < count; i++)
        for (unsigned n = 0; n < hogs[i]->asked; n++)
            refused += hogs[i]->answers[n]->reset == NGHTTP2_REFUSED_STREAM + 1;
    CHECK(refused >= 20);
    CHECK_INT(exchange_count() + refused, count * hogs[0]->asked);
    core_run(200000); /* where backends take few streams, one after another */
    core_end();
}

/* A stream does not wait when another one of its client needs what comes behind it: bytes of a body, or window. */
static void does_not_block(const char *what, const struct h2_ask *ask, int64_t window)
{
    struct h2_client *c;

    core_world(&(struct sim_options){.seed = 1, .latency_ms = 1});
    sim_describe("does not block: %s", what);
    c = h2_client_new(FRONT_PORT);
    c->window = window;
    c->gives_up = true;
    h2_client_ask(c, ask);
    for (unsigned n = 1; n < CONFIG_H2_STREAMS + 1; n++)
        h2_client_ask(c, &(struct h2_ask){.ask = {.query = "n=50&d=9000"}, .start_at = 3});
    c->deaf_until = 2; /* it knows no SETTINGS */
    core_start(conf, NULL);
    sim_run(NULL, NULL, 400);
    CHECK_INT(h2_client_answer(c, 0)->state, H2_ASK_OVER);
    CHECK_INT(h2_client_answer(c, 0)->response.status, 200);
    core_run(20000);
    core_end();
}

static void input_is_needed(void **state)
{
    (void)state;
    does_not_block("upload",
                   &(struct h2_ask){.ask = {.framing = ASK_LENGTH, .body = 60000}, .piece = 2000, .pause_ms = 5}, -1);
    does_not_block("download", &(struct h2_ask){.ask = {.query = "n=60000"}}, 6000);
}

/* Some clients open all that they can, and their responses do not end. Others, of either protocol, are served at once.
 */
static void others_are_served(void **state)
{
    struct h2_client *other;
    struct client *old;

    (void)state;
    CORE_NEEDS(CONFIG_H2_CLIENTS >= 2 && CONFIG_CLIENTS > HOGS + 1 && CONFIG_EXCHANGES >= 24);
    CORE_NEEDS(CONFIG_BACKEND_STREAMS >= CONFIG_EXCHANGES);
    core_world(&(struct sim_options){.seed = 1, .latency_ms = 1});
    sim_describe("others are served");
    open_many(HOGS, CONFIG_H2_STREAMS, &(struct h2_ask){.ask = {.query = "n=50&d=100000"}});
    for (unsigned i = 0; i < HOGS; i++)
        hogs[i]->stays = true;
    core_start(conf, NULL);
    sim_run(NULL, NULL, 5000);
    print_message("%u clients have %u of %u exchanges\n", HOGS, exchange_count(), CONFIG_EXCHANGES);
    CHECK(exchange_left() > 1);
    other = h2_client_new(FRONT_PORT);
    h2_client_get(other, "n=500");
    old = client_new(FRONT_PORT);
    client_ask(old, &(struct ask){.query = "n=500"});
    sim_run(NULL, NULL, 100);
    check_served(other);
    CHECK_INT(refusals(other), 0);
    CHECK_INT(client_answers(old), 1);
    CHECK_INT(client_response(old, 0)->status, 200);
    for (unsigned i = 0; i < HOGS; i++)
        h2_client_close(hogs[i], i % 2 == 0);
    core_run(1000);
    core_end();
}

/* The same with bodies that their origin does not take: others' bodies are taken, and nobody gets 503 but by HTTP/1.1.
 */
static void others_upload(void **state)
{
    const unsigned each = (unsigned)min_size(CONFIG_UPLOADS, CONFIG_H2_STREAMS);
    struct h2_client *other;

    (void)state;
    CORE_NEEDS(CONFIG_H2_CLIENTS >= 3 && CONFIG_UPLOADS >= 8 && CONFIG_EXCHANGES > 2 * CONFIG_UPLOADS);
    CORE_NEEDS(CONFIG_BACKEND_STREAMS > CONFIG_UPLOADS);
    core_world(&(struct sim_options){.seed = 1, .latency_ms = 1});
    sim_describe("others upload");
    open_many(2, each, &(struct h2_ask){.ask = {.query = "U=1", .framing = ASK_LENGTH, .body = 9000000}});
    for (unsigned i = 0; i < 2; i++) {
        hogs[i]->stays = true;
        hogs[i]->gives_up = true;
    }
    core_start(conf, NULL);
    sim_run(NULL, NULL, 5000);
    print_message("beside two clients there is room for %u more uploads\n", exchange_uploads_left());
    CHECK(exchange_uploads_left() > 0);
    other = h2_client_new(FRONT_PORT);
    h2_client_ask(other, &(struct h2_ask){.ask = {.framing = ASK_LENGTH, .body = 20000}});
    sim_run(NULL, NULL, 1000);
    check_served(other);
    CHECK_INT(refusals(other), 0);
    for (unsigned i = 0; i < 2; i++)
        for (unsigned n = 0; n < each; n++)
            CHECK_INT(hogs[i]->answers[n]->response.status, 0);
    for (unsigned i = 0; i < 2; i++)
        h2_client_close(hogs[i], i % 2 == 0);
    core_run(1000);
    core_end();
}

/* Many small bodies, each complete with its head: they wait for their turn. */
static void small_bodies_wait(void **state)
{
    (void)state;
    CORE_NEEDS(CONFIG_H2_LARGE_BLOCKS > 2);
    core_world(&(struct sim_options){.seed = 1, .latency_ms = 1});
    sim_describe("small bodies wait");
    open_many(1, CONFIG_UPLOADS + 10, &(struct h2_ask){.ask = {.query = "n=50", .framing = ASK_LENGTH, .body = 100}});
    core_start(conf, NULL);
    core_run(20000);
    check_served(hogs[0]);
    core_end();
}

/* Clients that leave while a stream of theirs waits, a shutdown meanwhile, and calls that fail. */
static void ends_while_it_waits(void **state)
{
    (void)state;
    for (unsigned how = 0; how < 4; how++) {
        struct h2_client *c;

        core_world(&(struct sim_options){.seed = how, .latency_ms = 1});
        sim_describe("ends while it waits: %u", how);
        c = h2_client_new(FRONT_PORT);
        for (unsigned n = 0; n < CONFIG_H2_STREAMS + 2; n++)
            h2_client_get(c, "n=50&d=500");
        core_start(conf, NULL);
        sim_run(NULL, NULL, 100);
        CHECK(exchange_count() > 0);
        if (how < 2) {
            h2_client_close(c, how == 1);
            core_run(5000);
        } else if (how == 2) {
            sim_ask(PORT_ASK_DRAIN);
            core_run_until_ended(20000);
        } else {
            sim_fail_nth(1, SIM_ERROR);
            core_run(20000);
            sim_fail_nth(0, SIM_ERROR);
        }
        core_end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_wait),        cmocka_unit_test(first_flight),      cmocka_unit_test(refused_in_time),
        cmocka_unit_test(input_is_needed), cmocka_unit_test(others_are_served), cmocka_unit_test(ends_while_it_waits),
        cmocka_unit_test(others_upload),   cmocka_unit_test(small_bodies_wait),
    };

    return CORE_RUN(tests);
}
