/* What backends may say and do: settings that change in flight, ENHANCE_YOUR_CALM, GOAWAY in every form, heads that are
 * too large for them, and answers that take too long or have no end. */
#include "core.h"

#include <nghttp2/nghttp2.h>

/* One backend with these keys. */
static void start(const char *keys)
{
    core_start_backend(keys, "Timeout 300\nKeepAliveTimeout 300\n");
}

static void check_failed(struct client *c, unsigned status, const char *end, const char *word)
{
    CHECK_INT(client_response(c, 0)->status, status);
    core_check_field(client_first_id(c), LINE_END, end);
    core_check_field(client_first_id(c), LINE_WORD, word);
}

/* No request was processed twice. */
static void check_once(const struct origin *origin)
{
    for (unsigned i = 0; i < origin->request_count; i++)
        CHECK(origin->requests[i].tries - origin->requests[i].refused <= 1);
}

/* ---- settings ---- */

/* MAX_CONCURRENT_STREAMS falls to 0 while streams run, and rises again: what waits, waits, and is served. */
static void streams_in_flight(void **state)
{
    struct origin *origin = core_world(&(struct sim_options){.seed = 1, .latency_ms = 2});
    struct client *clients[12];

    (void)state;
    sim_describe("limits that change in flight");
    origin->max_streams = 100;
    for (unsigned i = 0; i < ARRAY_SIZE(clients); i++)
        clients[i] = core_asking("n=10&d=300", (uint64_t)i * 100);
    start("");
    sim_run(NULL, NULL, 250);
    origin_setting(origin, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 0);
    sim_run(NULL, NULL, 1250);
    CHECK(origin->request_count <= 4);
    origin_setting(origin, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1);
    sim_run(NULL, NULL, 400);
    CHECK(origin->request_count <= 6);
    origin_setting(origin, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 50);
    core_run(60000);
    core_settle();
    for (unsigned i = 0; i < ARRAY_SIZE(clients); i++)
        core_check_served(clients[i]);
    CHECK_INT(origin->conn_count, 1);
    check_once(origin);
    core_end();
}

/* A backend that never allows a stream: its queue's time ends. */
static void no_streams(void **state)
{
    struct origin *origin = core_world(&(struct sim_options){.seed = 1});
    struct client *first = core_asking("n=10", 0);
    struct client *second;

    (void)state;
    sim_describe("no streams");
    start("acquire=500");
    sim_run(NULL, NULL, 50);
    origin_setting(origin, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 0);
    second = core_asking("n=10", 100);
    core_run(10000);
    core_settle();
    core_check_served(first);
    check_failed(second, 503, "TQ", "queue-timeout");
    CHECK(second->ended_at >= 600 && second->ended_at < 700);
    core_end();
}

/* INITIAL_WINDOW_SIZE shrinks below what was sent already: the window is negative, and the body waits. */
static void negative_window(void **state)
{
    (void)state;
    for (uint32_t to = 0; to < 2; to++) {
        struct origin *origin = core_world(&(struct sim_options){.seed = 1, .latency_ms = 5});
        struct client *upload = client_new(FRONT_PORT);
        struct client *first = core_asking("n=10", 0);
        struct client *other = core_asking("n=10", 300);

        sim_describe("window shrunk to %u", to);
        origin->window = 20000;
        upload->start_at = 50;
        client_ask(upload, &(struct ask){.query = "u=100&n=5", .framing = ASK_LENGTH, .body = 100000});
        start("");
        sim_run(NULL, NULL, 150);
        origin_setting(origin, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, to);
        sim_run(NULL, NULL, 3000);
        core_check_served(first);
        core_check_served(other);
        CHECK(origin_request(origin, client_first_id(upload))->body < 60000);
        CHECK(!client_response(upload, 0)->complete);
        origin_setting(origin, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 65535);
        core_run(60000);
        core_settle();
        core_check_served(upload);
        CHECK_INT(origin_request(origin, client_first_id(upload))->body, 100000);
        check_once(origin);
        core_end();
    }
}

/* No dynamic table, and back. */
static void no_header_table(void **state)
{
    struct origin *origin = core_world(&(struct sim_options){.seed = 1, .latency_ms = 2});
    struct client *clients[10];

    (void)state;
    sim_describe("no header table");
    for (unsigned i = 0; i < ARRAY_SIZE(clients); i++)
        clients[i] = core_asking("n=10", (uint64_t)i * 50);
    start("");
    sim_run(NULL, NULL, 120);
    origin_setting(origin, NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, 0);
    sim_run(NULL, NULL, 180);
    origin_setting(origin, NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, 65536);
    core_run(60000);
    core_settle();
    for (unsigned i = 0; i < ARRAY_SIZE(clients); i++)
        core_check_served(clients[i]);
    CHECK_INT(origin->conn_count, 1);
    core_end();
}

/* A head that is larger than the backend takes is not sent: the client is told so. */
static void header_list(void **state)
{
    struct origin *origin = core_world(&(struct sim_options){.seed = 1, .latency_ms = 2});
    struct client *first = core_asking("n=10", 0);
    struct client *small = core_asking("n=10", 200);
    struct client *large = client_new(FRONT_PORT);
    struct bytes fields = {NULL, 0, 0};

    (void)state;
    sim_describe("header list");
    start("");
    bytes_printf(&fields, "X-Large: %01000d\r\n", 0);
    bytes_put(&fields, "", 1);
    large->start_at = 200;
    client_ask(large, &(struct ask){.query = "n=10", .fields = (const char *)fields.ptr});
    sim_run(NULL, NULL, 100);
    origin_setting(origin, NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, 1000);
    core_run(10000);
    core_settle();
    core_check_served(first);
    core_check_served(small);
    check_failed(large, 431, "BQ", "head-above-backend");
    CHECK(origin_request(origin, client_first_id(large)) == NULL);
    core_end();
}

/* ---- ENHANCE_YOUR_CALM ---- */

/* As RST_STREAM: that request fails, and nothing new begins for a while. */
static void calm_stream(void **state)
{
    struct origin *origin = core_world(&(struct sim_options){.seed = 1, .latency_ms = 2});
    struct client *scolded = core_asking("R=1&e=11", 0);
    struct client *waits = core_asking("n=10", 100);
    struct client *later = core_asking("n=10", 2000);

    (void)state;
    sim_describe("calm, a stream");
    start("");
    core_run(20000);
    core_settle();
    check_failed(scolded, 503, "BW", "backend-calm");
    core_check_field(client_first_id(scolded), LINE_RETRY, "-");
    CHECK_INT(origin_request(origin, client_first_id(scolded))->tries, 1);
    core_check_served(waits);
    CHECK(waits->ended_at >= CONFIG_RETRY_BACKOFF_MS);
    CHECK(waits->ended_at <= CONFIG_RETRY_BACKOFF_MS + 100);
    core_check_served(later);
    CHECK(later->ended_at < 2050);
    CHECK_INT(origin->conn_count, 1);
    core_end();
}

/* As GOAWAY, again and again: no new connection before a pause that grows, and who can be served is. */
static void calm_connection(void **state)
{
    struct origin *origin = core_world(&(struct sim_options){.seed = 1, .latency_ms = 2});
    struct client *clients[60];
    unsigned conns;

    (void)state;
    sim_describe("calm, the connection");
    for (unsigned i = 0; i < ARRAY_SIZE(clients); i++)
        clients[i] = core_asking("n=10", (uint64_t)i * 50);
    start("acquire=60s");
    for (unsigned i = 0; i < 30; i++) {
        sim_run(NULL, NULL, 100);
        origin_goaway_with(origin, -1, NGHTTP2_ENHANCE_YOUR_CALM);
    }
    conns = origin->conn_count;
    core_run(120000);
    core_settle();
    CHECK(conns >= 2 && conns <= 6); /* 0, 250, 500, 1000, 2000 ms apart */
    for (unsigned i = 0; i < ARRAY_SIZE(clients); i++)
        core_check_served(clients[i]);
    check_once(origin);
    core_end();
}

/* ---- GOAWAY ---- */

/* Each form of GOAWAY while requests come: nobody notices who could be served, nothing is processed twice. */
static void goaways(void **state)
{
    static const struct {
        int32_t last; /* of the first, and of the second frame */
        uint32_t code;
        bool two_steps;
        bool rude; /* it closes on requests that were on their way: what became of them is not known */
        const char *query;
    } cases[] = {
        {INT32_MAX, NGHTTP2_NO_ERROR, true, false, "n=100&d=40"},
        {-1, NGHTTP2_NO_ERROR, false, false, "n=100&d=40"},
        {-1, NGHTTP2_INTERNAL_ERROR, false, false, "n=100&d=40"},
        {-1, NGHTTP2_NO_ERROR, false, false, "n=5000&p=1000&q=20"},
        {INT32_MAX, NGHTTP2_NO_ERROR, false, true, "n=100&d=40"},
        {-1, NGHTTP2_ENHANCE_YOUR_CALM, false, false, "n=100&d=40"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct origin *origin = core_world(&(struct sim_options){.seed = i + 1, .latency_ms = 10});
        struct client *clients[40];

        sim_describe("GOAWAY %zu", i);
        for (unsigned n = 0; n < ARRAY_SIZE(clients); n++)
            clients[n] = core_asking(cases[i].query, (uint64_t)n * 10);
        start("retries=5");
        for (unsigned n = 0; n < 3; n++) {
            sim_run(NULL, NULL, 95);
            origin_goaway_with(origin, cases[i].last, cases[i].code);
            if (!cases[i].two_steps)
                continue;
            sim_run(NULL, NULL, 30);
            origin_goaway_with(origin, -1, cases[i].code);
        }
        core_run(60000);
        core_settle();
        for (unsigned n = 0; n < ARRAY_SIZE(clients); n++) {
            if (cases[i].rude && client_response(clients[n], 0)->status == 502)
                check_failed(clients[n], 502, "BW", "backend-closed");
            else
                core_check_served(clients[n]);
        }
        CHECK(origin->conn_count >= 2);
        check_once(origin);
        core_end();
    }
}

/* ---- answers ---- */

/* responsetimeout= counts to the head only, from the request's end; requesttimeout= to the end of all. */
static void times(void **state)
{
    struct origin *origin = core_world(&(struct sim_options){.seed = 1, .latency_ms = 2});
    struct client *late = core_asking("n=10&d=3000", 0);
    struct client *interims = core_asking("n=10&d=2000&i=3", 0);
    struct client *body = core_asking("n=3000&p=100&q=100", 0);
    struct client *endless = core_asking("n=100000&p=100&q=100", 0);
    struct client *upload = client_new(FRONT_PORT);

    (void)state;
    sim_describe("times");
    upload->piece = 1000;
    upload->pause_ms = 300;
    client_ask(upload, &(struct ask){.query = "n=10&d=500", .framing = ASK_LENGTH, .body = 8000});
    start("responsetimeout=1 requesttimeout=6");
    core_run(20000);
    core_settle();
    check_failed(late, 504, "TW", "response-timeout");
    CHECK(late->ended_at >= 1000 && late->ended_at < 1100);
    core_check_field(client_first_id(late), LINE_RETRY, "-");
    check_failed(interims, 504, "TW", "response-timeout");
    core_check_served(body);
    core_check_served(upload);
    CHECK(!client_response(endless, 0)->complete);
    core_check_field(client_first_id(endless), LINE_END, "TD");
    core_check_field(client_first_id(endless), LINE_WORD, "whole-timeout");
    CHECK(endless->ended_at >= 6000 && endless->ended_at < 6100);
    check_once(origin);
    core_end();
}

/* Waiting counts for the whole. */
static void whole_in_queue(void **state)
{
    struct origin *origin = core_world(&(struct sim_options){.seed = 1});
    struct client *first = core_asking("z=1", 0);
    struct client *second = core_asking("n=10", 100);

    (void)state;
    sim_describe("the whole in the queue");
    origin->max_streams = 1;
    start("requesttimeout=1 acquire=10s");
    core_run(20000);
    core_settle();
    check_failed(first, 504, "TW", "whole-timeout");
    core_check_served(second); /* its stream came free in time */
    core_end();
}

/* Interim responses without end, each of them a sign of life. */
static void endless_interims(void **state)
{
    struct origin *origin = core_world(&(struct sim_options){.seed = 1});
    struct client *hinted = core_asking("n=10&i=20", 0);
    struct client *flooded = core_asking("n=10&i=5000", 0);
    struct client *other = core_asking("n=10&d=100", 0);
    bool full;

    (void)state;
    sim_describe("endless interims");
    start("");
    core_run(20000);
    core_settle();
    core_check_served(hinted);
    /* A small head may be full before there are too many. */
    full = CONFIG_RESPONSE_HEAD < 4096 &&
           text_eq(core_line_field(core_line(client_first_id(flooded)), LINE_WORD), text_of("backend-head-large"));
    check_failed(flooded, 502, "BW", full ? "backend-head-large" : "backend-interim-many");
    core_check_served(other);
    CHECK_INT(origin->conn_count, 1);
    CHECK_INT(origin_request(origin, client_first_id(flooded))->tries, 1);
    core_end();
}

/* A header block that does not end holds up its connection: when its stream's time is over, new requests take another
   connection. */
static void endless_head(void **state)
{
    /* It begins with a size of the dynamic table (RFC 7541 4.2), as it must where the build's is below 4096. */
    static const uint8_t begun[] = {0, 0, 2, NGHTTP2_HEADERS, 0, 0, 0, 0, 1, 0x20, 0x88};
    struct origin *origin = core_world(&(struct sim_options){.seed = 1, .latency_ms = 2});
    struct client *stuck = core_asking("z=1", 0);
    struct client *later = core_asking("n=10", 4000);

    (void)state;
    sim_describe("endless head");
    start("timeout=2");
    sim_run(NULL, NULL, 100);
    origin_raw(origin, begun, sizeof(begun));
    core_run(20000);
    core_settle();
    check_failed(stuck, 504, "TW", "backend-timeout");
    core_check_served(later);
    CHECK_INT(origin->conn_count, 2);
    check_once(origin);
    core_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_in_flight), cmocka_unit_test(no_streams),       cmocka_unit_test(negative_window),
        cmocka_unit_test(no_header_table),   cmocka_unit_test(header_list),      cmocka_unit_test(calm_stream),
        cmocka_unit_test(calm_connection),   cmocka_unit_test(goaways),          cmocka_unit_test(times),
        cmocka_unit_test(whole_in_queue),    cmocka_unit_test(endless_interims), cmocka_unit_test(endless_head),
    };

    return CORE_RUN(tests);
}
