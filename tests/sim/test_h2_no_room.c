/* A stream whose end finds no memory: what the client sees of it, and what the log says. */
#include "core.h"

#include "http/h2_mem.h"

#include <stdio.h>

/* Too much for a client's own rest: they need a large block. */
#define TRAILER CONFIG_H2_FRONT_REST

static uint8_t *larges[CONFIG_H2_LARGE_BLOCKS];

static void take_larges(void)
{
    for (unsigned i = 0; i < CONFIG_H2_LARGE_BLOCKS; i++)
        larges[i] = h2_large_take();
}

static void give_larges(void)
{
    for (unsigned i = 0; i < CONFIG_H2_LARGE_BLOCKS; i++)
        h2_large_give(larges[i]);
}

/* When the trailers come all of the body has been sent, or 50 bytes wait; in both cases for the client's window, so
   that they are noticed when it opens; or the stream waits for nothing but them. */
static const char *const pauses[] = {"n=100&p=100&q=5", "n=150&p=150&q=5", "n=50&p=50&q=50"};
#define WINDOW 100
#define LATENCY 5

static void ask_all(struct h2_client *c)
{
    char query[64];

    for (unsigned i = 0; i < ARRAY_SIZE(pauses); i++) {
        snprintf(query, sizeof(query), "%s&l=0&T=%u", pauses[i], TRAILER);
        h2_client_get(c, query);
    }
    h2_client_get(c, "n=150&l=0&t=1");
}

static void check_refused(struct h2_client *c, unsigned n)
{
    const struct h2_answer *a = h2_client_answer(c, n);
    struct text line = core_line(a->response.id);

    CHECK(!a->response.complete);
    CHECK_INT(a->response.status, 200);
    CHECK_INT(a->reset, NGHTTP2_INTERNAL_ERROR + 1);
    CHECK(text_eq(core_line_field(line, LINE_END), TEXT("PD")));
    CHECK(text_eq(core_line_field(line, LINE_WORD), TEXT("no-room")));
}

static void check_whole(struct h2_client *c, unsigned n)
{
    const struct response *response = &h2_client_answer(c, n)->response;

    CHECK(response->complete);
    CHECK(response_field(&response->trailers, "x-check").ptr != NULL);
    CHECK(text_eq(core_line_field(core_line(response->id), LINE_END), TEXT("--")));
}

/* Trailers for which there is no memory: their stream is reset, the log says why, and the connection's other streams do
   not notice. With memory they are passed on. */
static void trailers(void **state)
{
    struct origin *origin;
    struct h2_client *c;
    unsigned n;

    (void)state;
    /* The backend's session must get them in: any session is sure of one extent. */
    CORE_NEEDS(2 * TRAILER + 1024 <= CONFIG_H2_EXTENT && TRAILER + 512 <= CONFIG_RESPONSE_HEAD);
    origin = core_world(&(struct sim_options){.seed = 1, .latency_ms = LATENCY});
    sim_describe("trailers");
    c = h2_client_new(FRONT_PORT);
    c->window = WINDOW;
    c->stays = true;
    ask_all(c);
    core_start(core_plain, NULL);
    take_larges();
    core_run(5000);
    core_settle();
    for (n = 0; n < ARRAY_SIZE(pauses); n++)
        check_refused(c, n);
    check_whole(c, n++);
    give_larges();
    ask_all(c);
    core_run(5000);
    core_settle();
    for (; n < c->asked; n++)
        check_whole(c, n);
    CHECK_INT(c->goaways, 0);
    CHECK_INT(origin->conn_count, 1);
    core_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(trailers)};

    return CORE_RUN(tests);
}
