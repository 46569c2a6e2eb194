/* Too little memory for HTTP/2 responses: what a client sees of it, what the log says, and who does not notice. */
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

#define CLIENTS 8
#define STREAMS_MOST 8

static const char many_conf[] = "Listen 8080\n"
                                "ProxyPass \"/\" \"h2c://10.0.0.1:9000/\" acquire=600000\n"
                                "CustomLog \"-\"\n"
                                "LogLevel info\n"
                                "Timeout 600\n"
                                "ProxyTimeout 600\n"
                                "MaxKeepAliveRequests 0\n";

/* Some clients with `streams` downloads each, whose heads have a field of `field` bytes; the first `slow` of them take
   little at a time. Their sockets are full, so that large blocks hold what was not taken. */
static void run_full(unsigned slow, unsigned streams, unsigned field)
{
    const unsigned count = (unsigned)min_size(min_size(CLIENTS, CONFIG_H2_CLIENTS), CONFIG_H2_LARGE_BLOCKS + 2);
    struct h2_client *clients[CLIENTS];
    struct origin *origin = core_world(&(struct sim_options){.seed = 1, .latency_ms = 5, .client_buffer = 3000});
    char query[64];

    sim_describe("%u slow, %u streams, fields of %u", slow, streams, field);
    for (unsigned i = 0; i < count; i++) {
        clients[i] = h2_client_new(FRONT_PORT);
        if (i < slow) {
            clients[i]->read_piece = 200;
            clients[i]->read_pause_ms = 5;
        }
        for (unsigned n = 0; n < streams; n++) {
            snprintf(query, sizeof(query), "n=20000&d=%u&h=%u", n * 7 + i, field);
            h2_client_get(clients[i], query);
        }
    }
    core_start(many_conf, NULL);
    core_run(600000);
    for (unsigned i = 0; i < count; i++) {
        CHECK_INT(clients[i]->goaways, 0);
        for (unsigned n = 0; n < streams; n++) {
            const struct response *response = &h2_client_answer(clients[i], n)->response;

            CHECK(response->complete && (response->status == 200 || response->status == 503));
        }
    }
    CHECK_INT(origin->conn_count, 1);
    core_end();
}

/* Clients that take nothing leave a large block for what is received: the backend's connection lives, and who gets no
   response is told. */
static void full_sockets(void **state)
{
    (void)state;
    CORE_NEEDS(CONFIG_RESPONSE_HEAD >= 1024);
    for (unsigned slow = 0; slow <= 2; slow++)
        for (unsigned streams = 4; streams <= STREAMS_MOST; streams += 2)
            for (unsigned field = 200; field <= 600; field += 200)
                run_full(slow, streams, field);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(trailers), cmocka_unit_test(full_sockets)};

    return CORE_RUN(tests);
}
