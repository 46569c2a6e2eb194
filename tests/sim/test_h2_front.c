/* HTTP/2 clients through the whole core: every shape of exchange in many worlds, many of them at once, streams that
 * break off beside others, limits, and what is refused. */
#include "core.h"

/* Worlds in which every shape must come through. */
static const struct world {
    const char *name;
    struct sim_options options;
    size_t piece;      /* of what the client sends ... */
    size_t read_piece; /* ... and reads at a time */
    size_t origin_piece;
    uint32_t padding;
    int64_t window;
    bool no_ack;
} worlds[] = {
    {"plain", {.seed = 1}, 0, 0, 0, 0, -1, false},
    {"slow line", {.seed = 2, .latency_ms = 20}, 0, 0, 0, 0, -1, false},
    {"one byte buffers", {.seed = 3, .client_buffer = 1, .origin_buffer = 1}, 0, 0, 0, 0, -1, false},
    {"one byte at the client", {.seed = 4, .client_buffer = 1}, 1, 1, 0, 0, -1, false},
    {"one byte at the origin", {.seed = 5, .origin_buffer = 1}, 0, 0, 1, 0, -1, false},
    {"odd buffers",
     {.seed = 6, .client_buffer = 777, .origin_buffer = 333, .latency_ms = 3},
     100,
     55,
     99,
     0,
     -1,
     false},
    {"chopped", {.seed = 7, .chop = 7}, 0, 0, 0, 0, -1, false},
    {"hesitating", {.seed = 8, .chop = 300, .again_percent = 40, .spurious = true}, 0, 0, 0, 0, -1, false},
    {"small reads", {.seed = 9, .client_buffer = 5000, .spurious = true}, 13, 17, 1000, 0, -1, false},
    {"near the wrap", {.seed = 10, .start_ms = UINT32_MAX - 30, .latency_ms = 11}, 0, 0, 0, 0, -1, false},
    {"padded", {.seed = 11, .latency_ms = 1}, 0, 0, 0, 255, -1, false},
    {"window of 1", {.seed = 12}, 0, 0, 0, 0, 1, false},
    {"window of 0", {.seed = 13, .latency_ms = 1}, 0, 0, 0, 0, 0, false},
    {"window of 1 MiB", {.seed = 14, .latency_ms = 1}, 0, 0, 0, 0, 1 << 20, false},
    {"never acknowledges", {.seed = 15, .latency_ms = 1}, 0, 0, 0, 0, -1, true},
};

static const struct shape {
    struct ask ask;
    unsigned status;
    uint64_t body;
    unsigned interims;
    bool trailers;
} shapes[] = {
    {{.query = NULL}, 200, 0, 0, false},
    {{.query = "n=1"}, 200, 1, 0, false},
    {{.query = "n=1000"}, 200, 1000, 0, false},
    {{.query = "n=20000"}, 200, 20000, 0, false},
    {{.query = "n=0&l=0"}, 200, 0, 0, false},
    {{.query = "n=1000&l=0"}, 200, 1000, 0, false},
    {{.query = "n=5000&l=0&p=100&q=1"}, 200, 5000, 0, false},
    {{.query = "n=1000&l=0&t=1"}, 200, 1000, 0, true},
    {{.query = "n=0&l=0&t=1"}, 200, 0, 0, true},
    {{.query = "n=1000&t=1"}, 200, 1000, 0, true},
    {{.query = "n=20000&P=200"}, 200, 20000, 0, false},
    {{.query = "s=404&n=9"}, 404, 9, 0, false},
    {{.query = "s=204"}, 204, 0, 0, false},
    {{.query = "s=205"}, 205, 0, 0, false},
    {{.query = "s=304&n=50"}, 304, 0, 0, false},
    {{.query = "s=500&n=10&d=30&b=20"}, 500, 10, 0, false},
    {{.query = "n=100&i=1"}, 200, 100, 1, false},
    {{.query = "n=100&i=2&l=0"}, 200, 100, 2, false},
    {{.query = "n=100&h=700"}, 200, 100, 0, false},
    {{.method = "HEAD", .query = "n=1000"}, 200, 0, 0, false},
    {{.method = "HEAD", .query = "l=0"}, 200, 0, 0, false},
    {{.method = "DELETE", .query = "n=3"}, 200, 3, 0, false},
    {{.method = "BREW", .query = "n=3"}, 200, 3, 0, false},
    {{.framing = ASK_LENGTH, .body = 0, .query = "n=5"}, 200, 5, 0, false},
    {{.framing = ASK_LENGTH, .body = 1, .query = "n=5"}, 200, 5, 0, false},
    {{.framing = ASK_LENGTH, .body = 20000, .query = "n=20000"}, 200, 20000, 0, false},
    {{.framing = ASK_CHUNKED, .body = 0}, 200, 0, 0, false},
    {{.framing = ASK_CHUNKED, .body = 1}, 200, 0, 0, false},
    {{.framing = ASK_CHUNKED, .body = 20000, .query = "n=7&u=500"}, 200, 7, 0, false},
    {{.framing = ASK_CHUNKED, .body = 500, .trailers = "X-Sum: 99\nX-More: yes\n"}, 200, 0, 0, false},
    {{.framing = ASK_LENGTH, .body = 500, .trailers = "X-Sum: 99\nX-More: yes\n"}, 200, 0, 0, false},
    {{.framing = ASK_CHUNKED, .body = 0, .trailers = "X-Sum: 99\nX-More: yes\n", .query = "t=1&l=0"}, 200, 0, 0, true},
    {{.framing = ASK_LENGTH, .body = 3000, .expects = true, .query = "n=7"}, 200, 7, 1, false},
    {{.framing = ASK_CHUNKED, .body = 3000, .expects = true, .query = "n=7&i=1"}, 200, 7, 2, false},
};

static struct h2_client *begin(const struct world *world, struct origin **origin)
{
    struct h2_client *c;

    *origin = core_world(&world->options);
    (*origin)->piece = world->origin_piece;
    c = h2_client_new(FRONT_PORT);
    c->piece = world->piece;
    c->read_piece = world->read_piece;
    c->padding = world->padding;
    c->window = world->window;
    c->no_ack = world->no_ack;
    return c;
}

static void check_shape(struct origin *origin, struct h2_client *c, unsigned n, const struct shape *shape)
{
    const struct response *response = &h2_client_answer(c, n)->response;
    const struct origin_request *request = origin_request(origin, response->id);
    struct text line = core_line(response->id);

    CHECK(response->complete);
    CHECK(response->from_origin);
    CHECK_INT(response->status, shape->status);
    CHECK_INT(response->body, shape->body);
    CHECK_INT(response->interim_count, shape->interims);
    CHECK_INT(response->trailers.len > 0, shape->trailers);
    CHECK(request != NULL);
    if (request == NULL)
        return;
    CHECK_INT(request->tries, 1);
    CHECK_INT(request->body, shape->ask.body);
    CHECK_INT(request->trailers, shape->ask.trailers != NULL);
    if (shape->ask.trailers != NULL)
        CHECK(text_eq(bytes_text(&request->trailer_fields), TEXT("x-sum: 99\nx-more: yes\n")));
    CHECK(text_eq(core_line_field(line, LINE_END), TEXT("--")));
    CHECK(text_eq(core_line_field(line, LINE_PROTO), TEXT("h2")));
}

/* Each shape alone, then again on the same connection. */
static void each_shape_in_each_world(void **state)
{
    (void)state;
    for (size_t w = 0; w < ARRAY_SIZE(worlds); w++)
        for (size_t s = 0; s < ARRAY_SIZE(shapes); s++) {
            struct origin *origin;
            struct h2_client *c = begin(&worlds[w], &origin);

            sim_describe("%s: %s %s", worlds[w].name, shapes[s].ask.method != NULL ? shapes[s].ask.method : "-",
                         shapes[s].ask.query != NULL ? shapes[s].ask.query : "-");
            c->concurrent = 1;
            h2_client_ask(c, &(struct h2_ask){.ask = shapes[s].ask});
            h2_client_ask(c, &(struct h2_ask){.ask = shapes[s].ask});
            core_start(core_plain, NULL);
            core_run(600000);
            core_settle();
            check_shape(origin, c, 0, &shapes[s]);
            check_shape(origin, c, 1, &shapes[s]);
            CHECK_INT(origin->conn_count, 1);
            core_end();
        }
}

/* All of them at once, and an HTTP/1.1 client beside them: all share one backend connection. */
static void all_at_once(void **state)
{
    (void)state;
    for (size_t w = 0; w < ARRAY_SIZE(worlds); w++) {
        struct origin *origin;
        struct h2_client *c = begin(&worlds[w], &origin);
        struct client *other = client_new(FRONT_PORT);

        sim_describe("%s: all at once", worlds[w].name);
        for (size_t s = 0; s < ARRAY_SIZE(shapes); s++)
            h2_client_ask(c, &(struct h2_ask){.ask = shapes[s].ask});
        for (unsigned n = 0; n < 5; n++)
            client_ask(other, &(struct ask){.query = "n=3000"});
        core_start(core_plain, "MaxKeepAliveRequests 0\n");
        core_run(3600000);
        core_settle();
        for (size_t s = 0; s < ARRAY_SIZE(shapes); s++)
            check_shape(origin, c, (unsigned)s, &shapes[s]);
        CHECK_INT(client_answers(other), 5);
        CHECK_INT(origin->conn_count, 1);
        CHECK(c->most_open > 1);
        core_end();
    }
}

/* What an origin sees of a request's head, and a client of a response's. */
static void heads(void **state)
{
    struct origin *origin = core_world(NULL);
    struct h2_client *c = h2_client_new(FRONT_PORT);
    uint32_t id = h2_client_ask(c, &(struct h2_ask){.ask = {.fields = "te: trailers\ncookie: a=1\ncookie: b=2\n"
                                                                      "priority: u=1\nx-end: 2\n"}});
    const struct bytes *head;

    (void)state;
    sim_describe("heads");
    core_start(core_plain, NULL);
    core_run(1000);
    head = &origin_request(origin, id)->head;
    CHECK(text_starts(bytes_text(head), TEXT(":method: GET\n:scheme: http\n:authority: ")));
    CHECK(text_eq(response_field(head, "x-end"), TEXT("2")));
    CHECK(text_eq(response_field(head, "te"), TEXT("trailers")));
    CHECK(text_eq(response_field(head, "priority"), TEXT("u=1")));
    CHECK(text_eq(response_field(head, "cookie"), TEXT("a=1"))); /* crumbs again */
    CHECK(response_field(head, "host").ptr == NULL);
    CHECK(text_eq(response_field(head, "x-forwarded-host"), TEXT("proxy.example")));
    CHECK(response_field(&h2_client_answer(c, 0)->response.head, "date").ptr != NULL);
    CHECK_INT(c->their_window, CONFIG_REQUEST_WINDOW);
    CHECK_INT(c->their_streams, CONFIG_H2_STREAMS);
    core_end();
}

/* An answer before the request is complete: the client gets it whole, then RST_STREAM(NO_ERROR) or the end of the
 * upload. */
static void early_answers(void **state)
{
    static const char *const queries[] = {"n=100&w=1&U=1", "s=413&n=100&w=1&U=1&W=1", "n=100&l=0&w=1&W=1",
                                          "n=0&w=1&W=1", "n=20000&l=0&t=1&w=1&U=1"};

    (void)state;
    for (size_t q = 0; q < ARRAY_SIZE(queries); q++)
        for (uint32_t latency = 0; latency < 6; latency += 5) {
            struct h2_client *c;

            core_world(&(struct sim_options){.seed = 1, .latency_ms = latency});
            sim_describe("early answer %s, latency %u", queries[q], latency);
            c = h2_client_new(FRONT_PORT);
            h2_client_ask(c, &(struct h2_ask){.ask = {.query = queries[q], .framing = ASK_LENGTH, .body = 3000000}});
            h2_client_ask(c, &(struct h2_ask){.ask = {.query = "n=70"}, .start_at = 500});
            core_start(core_plain, NULL);
            core_run(200000);
            CHECK_INT(h2_client_answers(c), 2);
            CHECK(h2_client_answer(c, 0)->response.from_origin);
            CHECK(h2_client_answer(c, 0)->sent < 3000000);
            core_end();
        }
}

/* ---- streams that break off ---- */

/* The client resets one stream at any place: its siblings are served, the origin is told, the connection goes on. */
static void cancelled_beside_others(void **state)
{
    static const struct {
        struct h2_ask ask;
    } cases[] = {
        {{.ask = {.query = "n=50000"}, .cancel = CANCEL_RECEIVED, .cancel_at = 0}},
        {{.ask = {.query = "n=50000"}, .cancel = CANCEL_RECEIVED, .cancel_at = 1}},
        {{.ask = {.query = "n=50000&p=1000&q=5"}, .cancel = CANCEL_RECEIVED, .cancel_at = 20000}},
        {{.ask = {.query = "n=50", .framing = ASK_LENGTH, .body = 50000}, .cancel = CANCEL_SENT, .cancel_at = 0}},
        {{.ask = {.query = "n=50", .framing = ASK_LENGTH, .body = 50000}, .cancel = CANCEL_SENT, .cancel_at = 20000}},
        {{.ask = {.query = "z=1", .framing = ASK_LENGTH, .body = 50}, .cancel = CANCEL_SENT, .cancel_at = 49}},
        {{.ask = {.query = "n=50&U=1", .framing = ASK_CHUNKED, .body = 500000},
          .piece = 900,
          .pause_ms = 1,
          .cancel = CANCEL_SENT,
          .cancel_at = 60000}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        for (uint32_t latency = 0; latency < 4; latency++) {
            struct origin *origin = core_world(&(struct sim_options){.seed = i + 1, .latency_ms = latency});
            struct h2_client *c = h2_client_new(FRONT_PORT);
            const struct origin_request *request;
            struct text end;
            uint32_t id;

            sim_describe("cancelled %zu, latency %u", i, latency);
            h2_client_get(c, "n=90000&p=9000&q=3");
            id = h2_client_ask(c, &cases[i].ask);
            h2_client_ask(c, &(struct h2_ask){.ask = {.query = "n=9", .framing = ASK_LENGTH, .body = 90000}});
            h2_client_ask(c, &(struct h2_ask){.ask = {.query = "n=70"}, .start_at = 300});
            core_start(core_plain, NULL);
            core_run(60000);
            core_settle();
            CHECK_INT(h2_client_answers(c), 3);
            CHECK(h2_client_answer(c, 1)->cancelled);
            CHECK_INT(origin->conn_count, 1);
            request = origin_request(origin, id);
            end = core_line_field(core_line(id), LINE_END);
            if (cases[i].ask.cancel == CANCEL_SENT) {
                CHECK(request == NULL || request->reset == NGHTTP2_CANCEL + 1);
                CHECK(text_starts(end, TEXT("C")));
            } else { /* all may have left before it */
                CHECK(request != NULL && (request->reset == 0 || request->reset == NGHTTP2_CANCEL + 1));
                CHECK(text_starts(end, TEXT("C")) || text_eq(end, TEXT("--")));
            }
            core_end();
        }
}

/* The origin ends one stream at any place: the client sees a reset, never a clean end of a short body. */
static void origin_resets_beside_others(void **state)
{
    static const char *const queries[] = {"n=500&r=%u", "n=500&l=0&r=%u", "n=500&l=0&r=%u&e=0", "n=50000&r=%u&e=8"};
    static const unsigned places[] = {0, 1, 250, 499, 500};

    (void)state;
    for (size_t q = 0; q < ARRAY_SIZE(queries); q++)
        for (size_t p = 0; p < ARRAY_SIZE(places); p++) {
            struct origin *origin = core_world(&(struct sim_options){.seed = p + 1, .latency_ms = p % 2});
            struct h2_client *c = h2_client_new(FRONT_PORT);
            struct bytes query = {NULL, 0, 0};
            const struct h2_answer *cut;

            bytes_printf(&query, queries[q], places[p]);
            bytes_put(&query, "", 1);
            sim_describe("origin resets: %s", (const char *)query.ptr);
            h2_client_get(c, "n=90000&p=9000&q=3");
            h2_client_get(c, (const char *)query.ptr);
            h2_client_ask(c, &(struct h2_ask){.ask = {.query = "n=70"}, .start_at = 300});
            core_start(core_plain, NULL);
            core_run(60000);
            cut = h2_client_answer(c, 1);
            CHECK(cut->reset > 0 || cut->response.status == 502);
            CHECK(cut->reset != NGHTTP2_NO_ERROR + 1);
            CHECK_INT(h2_client_answer(c, 0)->response.complete, 1);
            CHECK_INT(h2_client_answer(c, 2)->response.complete, 1);
            CHECK_INT(origin->conn_count, 1);
            core_end();
        }
}

/* ---- what is refused ---- */

/* Malformed requests are reset (RFC 9113 8.1.1), others are answered; neither harms a sibling. */
static void refused(void **state)
{
    static const struct {
        const char *block;
        unsigned status; /* 0: RST_STREAM(PROTOCOL_ERROR) */
    } cases[] = {
        {":method: GET\n:scheme: http\n:path: /\n", 0},
        {":method: GET\n:scheme: http\n:path: /\n:authority: a b\n", 0},
        {":method: GET\n:scheme: http\n:path: /\n:authority: a\nhost: b\n", 0},
        {":method: GET\n:scheme: http\n:path: a\n:authority: a\n", 0},
        {":method: GET\n:scheme: http\n:path: \n:authority: a\n", 0},
        {":method: GET\n:scheme: http\n:authority: a\n", 0},
        {":method: GET\n:path: /\n:authority: a\n", 0},
        {":scheme: http\n:path: /\n:authority: a\n", 0},
        {":method: GET\n:method: GET\n:scheme: http\n:path: /\n:authority: a\n", 0},
        {":method: GET\n:scheme: http\n:path: /\n:authority: a\nx: y\n:path: /\n", 0},
        {":method: GET\n:scheme: http\n:path: /\n:authority: a\n:unknown: y\n", 0},
        {":method: GET\n:scheme: http\n:path: /\n:authority: a\n:status: 200\n", 0},
        {":method: GET\n:scheme: http\n:path: /\n:authority: a\nUpper: y\n", 0},
        {":method: GET\n:scheme: http\n:path: /\n:authority: a\nconnection: close\n", 0},
        {":method: GET\n:scheme: http\n:path: /\n:authority: a\ntransfer-encoding: chunked\n", 0},
        {":method: GET\n:scheme: http\n:path: /\n:authority: a\nte: gzip\n", 0},
        {":method: GET\n:scheme: http\n:path: /\n:authority: a\nx: a\rb\n", 0},
        {":method: GET\n:scheme: http\n:path: /\n:authority: a\ncontent-length: 5\n", 0},
        {":method: GET\n:scheme: http\n:path: /\n:authority: a\ncontent-length: x\n", 0},
        {":method: CONNECT\n:authority: a:1\n", 501},
        {":method: TRACE\n:scheme: http\n:path: /\n:authority: a\n", 405},
        {":method: GET\n:scheme: http\n:path: /a/../b\n:authority: a\n", 400},
        {":method: GET\n:scheme: http\n:path: /\n:authority: a\nexpect: more\n", 417},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct origin *origin = core_world(NULL);
        struct h2_client *c = h2_client_new(FRONT_PORT);
        const struct h2_answer *a;

        sim_describe("refused %zu: %s", i, cases[i].block);
        h2_client_get(c, "n=50000&p=1000&q=1");
        h2_client_ask(c, &(struct h2_ask){.block = cases[i].block});
        h2_client_ask(c, &(struct h2_ask){.ask = {.query = "n=70"}, .start_at = 300});
        core_start(core_plain, NULL);
        core_run(10000);
        a = h2_client_answer(c, 1);
        CHECK_INT(a->response.status, cases[i].status);
        CHECK_INT(a->response.complete, cases[i].status != 0);
        if (cases[i].status == 0)
            CHECK_INT(a->reset, NGHTTP2_PROTOCOL_ERROR + 1);
        CHECK_INT(h2_client_answer(c, 0)->response.complete, 1);
        CHECK_INT(h2_client_answer(c, 2)->response.complete, 1);
        CHECK_INT(origin->request_count, 2);
        CHECK_INT(c->goaways, 0);
        core_end();
    }
}

/* A body that does not fit its content-length is malformed, too. */
static void wrong_length(void **state)
{
    static const struct {
        const char *length;
        uint64_t body;
    } cases[] = {{"content-length: 10\n", 9},
                 {"content-length: 10\n", 11},
                 {"content-length: 0\n", 1},
                 {"content-length: 50000\n", 49999}};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct h2_client *c;
        struct origin *origin = core_world(NULL);
        const struct origin_request *request;
        uint32_t id;

        sim_describe("wrong length %zu", i);
        c = h2_client_new(FRONT_PORT);
        id = h2_client_ask(
            c, &(struct h2_ask){.ask = {.fields = cases[i].length, .framing = ASK_CHUNKED, .body = cases[i].body}});
        h2_client_ask(c, &(struct h2_ask){.ask = {.query = "n=70"}, .start_at = 300});
        core_start(core_plain, NULL);
        core_run(10000);
        CHECK_INT(h2_client_answer(c, 0)->reset, NGHTTP2_PROTOCOL_ERROR + 1);
        CHECK_INT(h2_client_answer(c, 1)->response.complete, 1);
        request = origin_request(origin, id);
        CHECK(request == NULL || !request->ended);
        core_end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_shape_in_each_world),
        cmocka_unit_test(all_at_once),
        cmocka_unit_test(heads),
        cmocka_unit_test(early_answers),
        cmocka_unit_test(cancelled_beside_others),
        cmocka_unit_test(origin_resets_beside_others),
        cmocka_unit_test(refused),
        cmocka_unit_test(wrong_length),
    };

    return CORE_RUN(tests);
}
