/* Requests and responses in all shapes, through the whole core and in many worlds: what a client sends reaches the
 * origin, what the origin answers reaches the client. */
#include "core.h"

/* Worlds in which every shape must come through. */
static const struct world {
    const char *name;
    struct sim_options options;
    size_t piece;      /* of what clients send ... */
    size_t read_piece; /* ... and read at a time */
    size_t origin_piece;
} worlds[] = {
    {"plain", {.seed = 1}, 0, 0, 0},
    {"slow line", {.seed = 2, .latency_ms = 20}, 0, 0, 0},
    {"one byte buffers", {.seed = 3, .client_buffer = 1, .origin_buffer = 1}, 0, 0, 0},
    {"one byte at the client", {.seed = 4, .client_buffer = 1}, 1, 1, 0},
    {"one byte at the origin", {.seed = 5, .origin_buffer = 1}, 0, 0, 1},
    {"odd buffers", {.seed = 6, .client_buffer = 777, .origin_buffer = 333, .latency_ms = 3}, 100, 55, 99},
    {"chopped", {.seed = 7, .chop = 7}, 0, 0, 0},
    {"hesitating", {.seed = 8, .chop = 300, .again_percent = 40, .spurious = true}, 0, 0, 0},
    {"small reads", {.seed = 9, .client_buffer = 5000, .spurious = true}, 13, 17, 1000},
    {"near the wrap", {.seed = 10, .start_ms = UINT32_MAX - 30, .latency_ms = 11}, 0, 0, 0},
};

static const struct shape {
    struct ask ask;
    unsigned status;
    uint64_t body;
    unsigned interims; /* of the first request of an HTTP/1.1 client */
    bool trailers;
    bool closes;
} shapes[] = {
    {{.query = NULL}, 200, 0, 0, false, false},
    {{.query = "n=1"}, 200, 1, 0, false, false},
    {{.query = "n=1000"}, 200, 1000, 0, false, false},
    {{.query = "n=20000"}, 200, 20000, 0, false, false},
    {{.query = "n=0&l=0"}, 200, 0, 0, false, false},
    {{.query = "n=1000&l=0"}, 200, 1000, 0, false, false},
    {{.query = "n=5000&l=0&p=100&q=1"}, 200, 5000, 0, false, false},
    {{.query = "n=1000&l=0&t=1"}, 200, 1000, 0, true, false},
    {{.query = "n=0&l=0&t=1"}, 200, 0, 0, true, false},
    {{.fields = "TE: trailers\r\n", .query = "n=1000&t=1"}, 200, 1000, 0, true, false},
    {{.fields = "TE: trailers\r\n", .query = "n=20000&t=1"}, 200, 20000, 0, true, false},
    {{.fields = "TE: trailers\r\n", .query = "n=1000"}, 200, 1000, 0, false, false},
    {{.http10 = true, .query = "n=1000&t=1"}, 200, 1000, 0, false, true},
    {{.query = "s=404&n=9"}, 404, 9, 0, false, false},
    {{.query = "s=204"}, 204, 0, 0, false, false},
    {{.query = "s=304&n=50"}, 304, 0, 0, false, false},
    {{.query = "s=500&n=10&d=30&b=20"}, 500, 10, 0, false, false},
    {{.query = "n=100&i=1"}, 200, 100, 1, false, false},
    {{.query = "n=100&i=2&l=0"}, 200, 100, 2, false, false},
    {{.query = "n=100&h=700"}, 200, 100, 0, false, false},
    {{.method = "HEAD", .query = "n=1000"}, 200, 0, 0, false, false},
    {{.method = "HEAD", .query = "l=0"}, 200, 0, 0, false, false},
    {{.method = "DELETE", .query = "n=3"}, 200, 3, 0, false, false},
    {{.method = "BREW", .query = "n=3"}, 200, 3, 0, false, false},
    {{.framing = ASK_LENGTH, .body = 0, .query = "n=5"}, 200, 5, 0, false, false},
    {{.framing = ASK_LENGTH, .body = 1, .query = "n=5"}, 200, 5, 0, false, false},
    {{.framing = ASK_LENGTH, .body = 20000, .query = "n=20000"}, 200, 20000, 0, false, false},
    {{.framing = ASK_CHUNKED, .body = 0}, 200, 0, 0, false, false},
    {{.framing = ASK_CHUNKED, .body = 1, .chunk = 1}, 200, 0, 0, false, false},
    {{.framing = ASK_CHUNKED, .body = 3000, .chunk = 7, .query = "n=100"}, 200, 100, 0, false, false},
    {{.framing = ASK_CHUNKED, .body = 20000, .chunk = 4000, .query = "n=7&u=500"}, 200, 7, 0, false, false},
    {{.framing = ASK_CHUNKED, .body = 500, .trailers = "X-Sum: 99\r\nX-More: yes\r\n"}, 200, 0, 0, false, false},
    {{.framing = ASK_LENGTH, .body = 3000, .expects = true, .query = "n=7"}, 200, 7, 1, false, false},
    {{.framing = ASK_CHUNKED, .body = 3000, .expects = true, .query = "n=7&i=1"}, 200, 7, 2, false, false},
    {{.http10 = true, .query = "n=1000"}, 200, 1000, 0, false, true},
    {{.http10 = true, .query = "n=1000&l=0"}, 200, 1000, 0, false, true},
    {{.http10 = true, .query = "n=1000&l=0&t=1&i=1"}, 200, 1000, 0, false, true},
    {{.http10 = true, .framing = ASK_LENGTH, .body = 100, .query = "n=10"}, 200, 10, 0, false, true},
    {{.fields = "Connection: close\r\n", .query = "n=1000"}, 200, 1000, 0, false, true},
    {{.fields = "Connection: close\r\n", .query = "n=1000&l=0"}, 200, 1000, 0, false, true},
    {{.http10 = true, .fields = "Connection: keep-alive\r\n", .query = "n=1000"}, 200, 1000, 0, false, false},
};

static void begin(const struct world *world, const struct shape *shape, struct origin **origin, struct client **client)
{
    sim_describe("%s: %s %s", world->name, shape->ask.method != NULL ? shape->ask.method : "-",
                 shape->ask.query != NULL ? shape->ask.query : "-");
    *origin = core_world(&world->options);
    (*origin)->piece = world->origin_piece;
    *client = client_new(FRONT_PORT);
    (*client)->piece = world->piece;
    (*client)->read_piece = world->read_piece;
}

static void check_shape(struct origin *origin, struct client *c, const struct shape *shape, unsigned n)
{
    const struct response *response = client_response(c, n);
    const struct origin_request *request = origin_request(origin, response->id);
    struct text line = core_line(response->id);

    CHECK(response->complete);
    CHECK(response->from_origin);
    CHECK_INT(response->status, shape->status);
    CHECK_INT(response->body, shape->body);
    CHECK_INT(response->interim_count, shape->interims);
    CHECK_INT(response->trailers.len > 0, shape->trailers);
    CHECK_INT(response->close, shape->closes);
    CHECK(request != NULL);
    if (request == NULL)
        return;
    CHECK_INT(request->tries, 1);
    CHECK_INT(request->body, shape->ask.body);
    CHECK_INT(request->trailers, shape->ask.trailers != NULL);
    if (shape->ask.trailers != NULL)
        CHECK(text_eq(bytes_text(&request->trailer_fields), TEXT("x-sum: 99\nx-more: yes\n")));
    CHECK(text_eq(core_line_field(line, LINE_END), TEXT("--")));
}

/* Each shape alone, twice in a row on one connection where that stays. */
static void each_shape_in_each_world(void **state)
{
    (void)state;
    for (size_t w = 0; w < ARRAY_SIZE(worlds); w++)
        for (size_t s = 0; s < ARRAY_SIZE(shapes); s++) {
            const struct shape *shape = &shapes[s];
            struct origin *origin;
            struct client *c;

            begin(&worlds[w], shape, &origin, &c);
            client_ask(c, &shape->ask);
            if (!shape->closes)
                client_ask(c, &shape->ask);
            core_start(core_plain, NULL);
            core_run(600000);
            core_settle();
            check_shape(origin, c, shape, 0);
            if (!shape->closes)
                check_shape(origin, c, shape, 1);
            CHECK_INT(origin->conn_count, 1);
            core_end();
        }
}

/* All of them in one row, sent without waiting: answered in order. */
static void pipelined(void **state)
{
    (void)state;
    for (size_t w = 0; w < ARRAY_SIZE(worlds); w++) {
        struct origin *origin;
        struct client *c;
        unsigned n = 0;

        begin(&worlds[w], &shapes[0], &origin, &c);
        c->pipelining = true;
        for (size_t s = 0; s < ARRAY_SIZE(shapes); s++)
            if (!shapes[s].closes)
                client_ask(c, &shapes[s].ask);
        core_start(core_plain, "MaxKeepAliveRequests 0\n");
        core_run(3600000);
        core_settle();
        for (size_t s = 0; s < ARRAY_SIZE(shapes); s++)
            if (!shapes[s].closes)
                check_shape(origin, c, &shapes[s], n++);
        core_end();
    }
}

/* What an origin sees of a request's head, and a client of a response's. */
static void heads(void **state)
{
    struct origin *origin = core_world(NULL);
    struct client *c = client_new(FRONT_PORT);
    uint32_t id = client_ask(
        c, &(struct ask){.fields = "Connection: x-hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\n"
                                   "Upgrade: h2c\r\nProxy-Connection: x\r\nX-End: 2\r\n"});
    const struct bytes *head;

    (void)state;
    sim_describe("heads");
    core_start(core_plain, NULL);
    core_run(1000);
    head = &origin_request(origin, id)->head;
    CHECK(text_starts(bytes_text(head), TEXT(":")));
    CHECK(text_eq(response_field(head, "x-end"), TEXT("2")));
    CHECK(response_field(head, "x-hop").ptr == NULL);
    CHECK(response_field(head, "connection").ptr == NULL);
    CHECK(response_field(head, "keep-alive").ptr == NULL);
    CHECK(response_field(head, "upgrade").ptr == NULL);
    CHECK(response_field(head, "proxy-connection").ptr == NULL);
    CHECK(response_field(head, "host").ptr == NULL);
    CHECK(text_eq(response_field(head, "te"), TEXT("trailers")));
    CHECK(text_eq(response_field(head, "x-forwarded-host"), TEXT("proxy.example")));
    CHECK(response_field(&client_response(c, 0)->head, "date").ptr != NULL);
    core_end();
}

/* An answer before the request is complete, by an origin that takes no more of it. */
static void early_answers(void **state)
{
    static const char *const queries[] = {"n=100&w=1&U=1", "s=413&n=100&w=1&U=1&W=1", "n=100&l=0&w=1&W=1",
                                          "n=0&w=1&W=1"};

    (void)state;
    for (size_t q = 0; q < ARRAY_SIZE(queries); q++)
        for (int chunked = 0; chunked < 2; chunked++) {
            struct client *c;

            sim_describe("early answer %s %d", queries[q], chunked);
            core_world(&(struct sim_options){.seed = 1, .latency_ms = 5});
            c = client_new(FRONT_PORT);
            client_ask(
                c, &(struct ask){.query = queries[q], .framing = chunked ? ASK_CHUNKED : ASK_LENGTH, .body = 3000000});
            core_start(core_plain, NULL);
            core_run(200000);
            CHECK_INT(client_response(c, 0)->complete, 1);
            CHECK(client_response(c, 0)->from_origin);
            core_end();
        }
}

/* The heads that are refused: one answer, and the end. */
static void refused(void **state)
{
    static const struct {
        const char *bytes;
        unsigned status;
    } cases[] = {
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
        {"GET /\r\n\r\n", 400},
        {"GET / HTTP/1.1\nHost: a\n\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501},
        {"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 501},
        {"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405},
        {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
        {"GET /a/../b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"\x16\x03\x01\x02", 400},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        for (size_t piece = 0; piece < 2; piece++) {
            struct client *c;

            sim_describe("refused %zu", i);
            core_world(NULL);
            c = client_new(FRONT_PORT);
            c->piece = piece;
            client_raw(c, cases[i].bytes, strlen(cases[i].bytes), 1);
            core_start(core_plain, NULL);
            core_run(60000);
            CHECK_INT(client_response(c, 0)->status, cases[i].status);
            CHECK(client_response(c, 0)->complete);
            core_end();
        }
}

/* Behind a last answer the connection stays for LingerTimeout, as long as the client does not close it. */
static void linger(void **state)
{
    static const char post[] = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\na";
    static const struct {
        const char *conf;
        uint32_t ms;
    } cases[] = {{"LingerTimeout 300ms\n", 300}, {"LingerTimeout 5\n", 5000}, {"LingerTimeout 0\n", 0}};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct client *c;
        unsigned idle;

        sim_describe("linger %zu", i);
        core_world(NULL);
        c = client_new(FRONT_PORT);
        c->start_at = 100;
        c->read_stop = 0;
        client_raw(c, post, sizeof(post) - 1, 1);
        core_start(core_plain, cases[i].conf);
        sim_run(NULL, NULL, 50);
        idle = sim_open_handles();
        sim_run(NULL, NULL, 60 + cases[i].ms * 9 / 10);
        CHECK_INT(sim_open_handles(), cases[i].ms > 0 ? idle + 1 : idle);
        sim_run(NULL, NULL, cases[i].ms / 5);
        CHECK_INT(sim_open_handles(), idle);
        client_close(c, false);
        core_end();
    }
}

/* A chunked body that was given a large pipe, and behind its end the next request with more of a body than a fresh
 * pipe holds, all in one read. */
static void body_behind_chunks(void **state)
{
    (void)state;
    for (uint32_t chunked = 0; chunked < 2; chunked++)
        for (uint32_t cut = 0; cut < 40; cut++) {
            struct client *c;

            core_world(&(struct sim_options){.seed = cut + 1, .client_buffer = 1 << 20, .latency_ms = 1});
            sim_describe("a body behind chunks %u %u", chunked, cut);
            c = client_new(FRONT_PORT);
            c->pipelining = true;
            client_ask(c,
                       &(struct ask){.query = "n=5", .framing = ASK_CHUNKED, .body = 30000 + cut * 1500, .chunk = 900});
            client_ask(
                c, &(struct ask){
                       .query = "n=6", .framing = chunked ? ASK_CHUNKED : ASK_LENGTH, .body = 60000, .chunk = 50000});
            core_start(core_plain, NULL);
            core_run(60000);
            CHECK_INT(client_response(c, 0)->status, 200);
            CHECK_INT(client_response(c, 1)->status, 200);
            core_end();
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_shape_in_each_world),
        cmocka_unit_test(pipelined),
        cmocka_unit_test(heads),
        cmocka_unit_test(early_answers),
        cmocka_unit_test(refused),
        cmocka_unit_test(linger),
        cmocka_unit_test(body_behind_chunks),
    };

    return CORE_RUN(tests);
}
