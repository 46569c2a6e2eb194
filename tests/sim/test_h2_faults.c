/* The nth call of the platform and the nth allocation of a library fail, for every n, with HTTP/2 on both sides:
 * nothing crashes or leaks, what could go on goes on, and the next client is served. */
#include "harm.h"

#define CLIENTS 2
#define ASKS 4

static struct h2_client *clients[CLIENTS];

/* Bodies that need more than their first window, both ways. */
static void add_big(void)
{
    for (unsigned i = 0; i < 2; i++)
        h2_client_ask(
            clients[i],
            &(struct h2_ask){.ask = {.query = "n=50000", .framing = i == 0 ? ASK_LENGTH : ASK_CHUNKED, .body = 50000}});
    client_ask(client_new(FRONT_PORT), &(struct ask){.query = "n=50000", .framing = ASK_LENGTH, .body = 50000});
}

enum { LITTLE, BIG };

/* A little of everything: bodies both ways, trailers, interim answers, a stream that is cancelled. */
static void begin(int kind, const struct sim_options *options)
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

    core_world(options);
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] = h2_client_new(FRONT_PORT);
        clients[i]->start_at = i;
        for (unsigned n = 0; n < ASKS; n++)
            h2_client_ask(clients[i], &asks[i][n]);
    }
    if (kind == BIG)
        add_big();
}

/* Whether all went as if nothing had failed. */
static bool all_well(void)
{
    for (unsigned i = 0; i < CLIENTS; i++)
        for (unsigned n = 0; n < ASKS; n++) {
            const struct h2_answer *a = clients[i]->answers[n];
            unsigned status = i == 1 && n == 3 ? 400 : 200;

            if (a->response.status != status || (!a->response.complete && !a->cancelled))
                return false;
        }
    return true;
}

/* Every stream has an end, whatever that is. A client that is not answered knows it. */
static void check_ends(void)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        const struct h2_client *c = clients[i];

        for (unsigned n = 0; n < ASKS; n++)
            CHECK(c->answers[n]->response.complete || c->answers[n]->reset > 0 || c->answers[n]->cancelled ||
                  c->end == CLIENT_ENDED || c->end == CLIENT_RESET || c->end == CLIENT_REFUSED);
    }
}

static const struct harm harm = {begin, all_well, check_ends, harm_check_alive, 40};

static void every_call_fails(void **state)
{
    (void)state;
    harm_every_call(&harm);
}

static void every_allocation_fails(void **state)
{
    (void)state;
    harm_every_allocation(&harm, LITTLE);
    harm_every_allocation(&harm, BIG);
}

/* ---- pools that are exhausted ---- */

/* More HTTP/2 clients than sessions: who is too many is told so by GOAWAY, and others are served. */
static void no_session(void **state)
{
    const unsigned most = (unsigned)min_size(CONFIG_H2_CLIENTS + 2, CONFIG_CLIENTS); /* others wait to be accepted */
    static struct h2_client *many[CONFIG_H2_CLIENTS + 2];
    unsigned served = 0;
    unsigned refused = 0;

    (void)state;
    core_world(NULL);
    sim_describe("no session");
    for (unsigned i = 0; i < ARRAY_SIZE(many); i++) {
        many[i] = h2_client_new(FRONT_PORT);
        many[i]->start_at = i / 50;
        h2_client_get(many[i], "n=50&d=1000");
    }
    core_start(core_hasty, NULL);
    core_run(20000);
    for (unsigned i = 0; i < ARRAY_SIZE(many); i++) {
        served += h2_client_answers(many[i]);
        refused +=
            many[i]->goaways == 1 && many[i]->goaway_code == NGHTTP2_ENHANCE_YOUR_CALM && many[i]->goaway_last == 0;
    }
    CHECK_INT(refused, most - CONFIG_H2_CLIENTS);
    CHECK_INT(served, ARRAY_SIZE(many) - refused);
    harm_check_alive(1500, 0);
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
