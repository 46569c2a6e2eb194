/* Memory that is leased. Large heads: they pass in both versions, their storage is free again when it should be, and
 * without storage a large head is answered 503, while small ones pass. */
#include "core.h"

#include "base/pool.h"
#include "base/slab.h"
#include "proxy/exchange.h"

#include <stdio.h>

/* A field line that fits into no exchange's own storage, but into a large one beside the rest. */
#define LARGE (CONFIG_REQUEST_HEAD_OWN + 100)
#define LARGE_ANSWER (CONFIG_RESPONSE_HEAD_OWN + 100)

/* The largest field line that the tests send, and more. */
#define MOST (CONFIG_REQUEST_HEAD_OWN + 400)

static char large_field[LARGE + 16];

static char conf[256];

/* A large head is within the limits of every build. */
static void start(void)
{
    snprintf(conf, sizeof(conf),
             "Listen 8080\n"
             "ProxyPass \"/\" \"h2c://10.0.0.1:9000/\"\n"
             "CustomLog \"-\"\n"
             "LimitRequestLine 200\n"
             "LimitRequestFieldSize %d\n",
             MOST);
    core_start(conf, NULL);
}

static void make_field(void)
{
    size_t at = 9;

    memcpy(large_field, "X-Large: ", at);
    memset(large_field + at, 'l', LARGE);
    strcpy(large_field + at + LARGE, "\r\n");
}

static struct pool *pool_named(const char *name)
{
    for (struct pool *p = pool_next(NULL); p != NULL; p = pool_next(p))
        if (strcmp(p->name, name) == 0)
            return p;
    return NULL;
}

/* ---- all of a pool is in use ---- */

static void *held[4096];
static unsigned held_count;

static void hold_all(const char *name)
{
    struct pool *pool = pool_named(name);

    held_count = 0;
    if (pool == NULL || pool->count - pool->used > ARRAY_SIZE(held))
        sim_abort("no pool %s, or it is too large for this test", name);
    while (pool->used < pool->count)
        held[held_count++] = pool_take(pool);
}

static void give_all(const char *name)
{
    while (held_count > 0)
        pool_give(pool_named(name), held[--held_count]);
}

/* ---- requests ---- */

static char queries[3][48];

/* What the tests ask for: a small request, a large one, and one with a large answer. */
static const struct ask *asks(void)
{
    static struct ask all[3];

    snprintf(queries[0], sizeof(queries[0]), "n=10");
    snprintf(queries[2], sizeof(queries[2]), "n=10&h=%d", LARGE_ANSWER);
    all[0] = (struct ask){.query = queries[0]};
    all[1] = (struct ask){.query = queries[0], .fields = large_field};
    all[2] = (struct ask){.query = queries[2]};
    return all;
}

static struct client *ask_h1(unsigned kind)
{
    struct client *c = client_new(FRONT_PORT);

    client_ask(c, &asks()[kind]);
    core_run(60000);
    return c;
}

static struct h2_client *ask_h2(unsigned kind)
{
    struct h2_client *c = h2_client_new(FRONT_PORT);
    struct h2_ask ask = {.ask = asks()[kind]};

    c->gives_up = true;
    h2_client_ask(c, &ask);
    core_run(60000);
    return c;
}

/* All kinds of requests pass in both versions; then no large storage is left, and only the small ones do. */
static void large_heads(void **state)
{
    (void)state;
    make_field();
    core_world(NULL);
    start();
    for (unsigned kind = 0; kind < 3; kind++) {
        CHECK_INT(client_response(ask_h1(kind), 0)->status, 200);
        CHECK_INT(h2_client_answer(ask_h2(kind), 0)->response.status, 200);
    }
    CHECK_INT(pool_named("head_large")->used, 0);
    hold_all("head_large");
    for (unsigned kind = 0; kind < 3; kind++) {
        unsigned expected = kind == 0 ? 200 : 503;
        struct client *c = ask_h1(kind);
        struct h2_client *h2;
        struct text line;

        core_settle();
        line = core_line(client_response(c, 0)->id);
        CHECK_INT(client_response(c, 0)->status, expected);
        if (kind == 2)
            CHECK(text_eq(core_line_field(line, LINE_WORD), TEXT("no-room")));
        h2 = ask_h2(kind);
        CHECK_INT(h2_client_answer(h2, 0)->response.status, expected);
    }
    give_all("head_large");
    for (unsigned kind = 0; kind < 3; kind++)
        CHECK_INT(client_response(ask_h1(kind), 0)->status, 200);
    core_end();
}

static bool is_on_its_way(void *user)
{
    struct client *c = user;

    return c->received > LARGE_ANSWER;
}

/* While the body of a response is on its way, the storage of its head is free already; that of its request is not. */
static void storage_is_given_back(void **state)
{
    struct client *c;
    struct ask ask;
    char query[48];

    (void)state;
    make_field();
    core_world(NULL);
    start();
    for (unsigned large_request = 0; large_request < 2; large_request++) {
        c = client_new(FRONT_PORT);
        snprintf(query, sizeof(query), "n=5000&p=100&q=100&h=%d", LARGE_ANSWER);
        ask = (struct ask){.query = query, .fields = large_request ? large_field : NULL};
        client_ask(c, &ask);
        CHECK(sim_run(is_on_its_way, c, 60000));
        CHECK_INT(pool_named("head_large")->used, large_request);
        core_run(60000);
        CHECK_INT(client_response(c, 0)->status, 200);
        CHECK_INT(client_response(c, 0)->body, 5000);
        CHECK_INT(pool_named("head_large")->used, 0);
    }
    core_end();
}

/* Heads of every size around the limits of the storage, with bodies, trailers and what comes behind. */
static void every_size(void **state)
{
    static char field[MOST];

    (void)state;
    core_world(NULL);
    start();
    for (int size = CONFIG_REQUEST_HEAD_OWN - 700; size < CONFIG_REQUEST_HEAD_OWN + 300; size += 41) {
        struct client *c = client_new(FRONT_PORT);
        struct ask ask = {.query = "n=10",
                          .fields = field,
                          .framing = size % 2 == 0 ? ASK_CHUNKED : ASK_LENGTH,
                          .body = 3000,
                          .chunk = 500,
                          .trailers = size % 2 == 0 ? "X-Sum: 1\r\n" : NULL};

        memcpy(field, "X-Size: ", 8);
        memset(field + 8, 's', (size_t)size);
        strcpy(field + 8 + size, "\r\n");
        c->pipelining = true;
        c->piece = size % 3 == 0 ? 1000 : 0;
        client_ask(c, &ask);
        client_ask(c, &(struct ask){.query = "n=20"});
        client_ask(c, &ask);
        core_run(60000);
        CHECK_INT(client_answers(c), 3);
        for (unsigned i = 0; i < 3; i++)
            CHECK_INT(client_response(c, i)->status, 200);
    }
    CHECK_INT(pool_named("head_large")->used, 0);
    core_end();
}

/* ---- bodies of requests ---- */

static struct exchange uploading[CONFIG_UPLOADS];

/* What stands in the way of bodies: nothing, all places of their own, or these and the slabs. Then one more is answered
   503, over HTTP/2 it is refused, and those without a body pass. */
static void uploads(void **state)
{
    const struct ask post = {.framing = ASK_LENGTH, .body = 3000, .query = "n=10"};
    const struct ask chunked = {.framing = ASK_CHUNKED, .body = 30000, .query = "n=10"};
    const struct ask get = {.query = "n=10"};

    (void)state;
    core_world(NULL);
    start();
    for (unsigned round = 0; round < 4; round++) {
        bool taken = round > 0 && round < 3;
        bool full = round == 2;
        bool few; /* no slabs for the four bodies, beside what a client leaves to others */
        uint32_t lent = full ? slab_left() : 0;
        struct client *c[3];
        struct h2_client *h2 = h2_client_new(FRONT_PORT);
        /* Beside streams that are refused one session may have no memory for more. */
        struct h2_client *reader = CONFIG_H2_CLIENTS > 1 ? h2_client_new(FRONT_PORT) : NULL;

        for (unsigned i = 0; taken && i < CONFIG_UPLOADS; i++)
            CHECK(exchange_open_upload(&uploading[i]));
        CHECK(!full || slab_lend(lent));
        few = !full && exchange_uploads_left() < 4 + CONFIG_UPLOADS / 8;
        for (unsigned i = 0; i < 3; i++) {
            c[i] = client_new(FRONT_PORT);
            client_ask(c[i], i == 0 ? &post : i == 1 ? &chunked : &get);
        }
        h2_client_ask(h2, &(struct h2_ask){.ask = post});
        h2_client_ask(h2, &(struct h2_ask){.ask = chunked});
        if (reader)
            h2_client_ask(reader, &(struct h2_ask){.ask = get});
        core_run(60000);
        for (unsigned i = 0; i < 2 && !few; i++) {
            CHECK_INT(client_response(c[i], 0)->status, full ? 503 : 200);
            CHECK_INT(h2_client_answer(h2, i)->response.status, full ? 0 : 200);
            CHECK_INT(h2_client_answer(h2, i)->reset, full ? NGHTTP2_REFUSED_STREAM + 1 : 0);
        }
        CHECK_INT(client_response(c[2], 0)->status, 200);
        if (reader)
            CHECK_INT(h2_client_answer(reader, 0)->response.status, 200);
        for (unsigned i = 0; taken && i < CONFIG_UPLOADS; i++)
            exchange_close_upload(&uploading[i]);
        slab_return(lent);
    }
    core_end();
}

#define AT_ONCE 100 /* the backlog is bounded, too */

/* Clients that all send a body at once, more than there are places: each is served, as far as slabs reach. To those who
   come later busy bodies leave a quarter of them, half of which is kept for sessions: a seventh of what may be lent. */
static void more_uploads_than_places(void **state)
{
    static struct client *clients[CONFIG_CLIENTS];
    unsigned count, lendable;

    (void)state;
    core_world(&(struct sim_options){.seed = 1, .latency_ms = 1});
    start();
    lendable = exchange_uploads_left() - CONFIG_UPLOADS;
    count = CONFIG_UPLOADS + (CONFIG_CLIENTS <= AT_ONCE ? lendable : lendable / 7);
    count = (unsigned)min_size(min_size(count, CONFIG_EXCHANGES), CONFIG_CLIENTS);
    for (unsigned i = 0; i < count; i++) {
        clients[i] = client_new(FRONT_PORT);
        clients[i]->start_at = i / AT_ONCE * 2;
        client_ask(clients[i], &(struct ask){.framing = ASK_LENGTH, .body = 30000, .query = "n=10&u=3000"});
    }
    core_run(600000);
    for (unsigned i = 0; i < count; i++)
        CHECK_INT(client_response(clients[i], 0)->status, 200);
    print_message("%u of %u, %u places\n", count, CONFIG_CLIENTS, CONFIG_UPLOADS);
    CHECK(count > CONFIG_UPLOADS || count == CONFIG_EXCHANGES || count == CONFIG_CLIENTS || lendable < 7);
    core_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_heads), cmocka_unit_test(storage_is_given_back),    cmocka_unit_test(every_size),
        cmocka_unit_test(uploads),     cmocka_unit_test(more_uploads_than_places),
    };

    return CORE_RUN(tests);
}
