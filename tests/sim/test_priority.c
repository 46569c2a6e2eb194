/* Priorities (RFC 9218): urgent responses and uploads go first on a busy connection, and nobody starves. */
#include "core.h"

#define BYTE_MS 1000 /* what the slow end takes in a millisecond */
#define BUFFER 20000
#define OTHERS 3
#define LATE_MS 300 /* when the one comes that is looked at */

static const char conf[] = "Listen 8080\n"
                           "ProxyPass \"/\" \"h2c://10.0.0.1:9000/\"\n"
                           "CustomLog \"-\"\n"
                           "LimitRequestBody 0\n"
                           "ProxyTimeout 300\n"
                           "Timeout 300\n";

static struct h2_client *client;

/* For which the bounds below hold. */
#define WINDOWS_OF_HOST (CONFIG_RESPONSE_WINDOW == 16384 && CONFIG_REQUEST_WINDOW == 16384 && CONFIG_BODY_BLOCK == 4096)

static bool first_is_over(void *user)
{
    (void)user;
    return h2_client_answer(client, 0)->response.complete;
}

/* A client whose connection is the narrow place. */
static struct origin *busy_client(void)
{
    struct origin *origin = core_world(&(struct sim_options){.seed = 1, .client_buffer = BUFFER});

    client = h2_client_new(FRONT_PORT);
    client->window = 1 << 20;
    client->read_piece = BYTE_MS;
    client->read_pause_ms = 1;
    return origin;
}

static uint64_t downloaded_by_others(void)
{
    uint64_t sum = 0;

    for (unsigned i = 1; i <= OTHERS; i++)
        sum += h2_client_answer(client, i)->response.body;
    return sum;
}

/* A download that comes late, beside others without end. Returns what these get while it lasts. */
static uint64_t late_download(const char *what, const struct ask *late, const char *others)
{
    uint64_t before;
    uint64_t gained;

    busy_client();
    sim_describe("late download: %s", what);
    h2_client_ask(client, &(struct h2_ask){.ask = *late, .start_at = LATE_MS});
    for (unsigned i = 0; i < OTHERS; i++)
        h2_client_ask(client, &(struct h2_ask){.ask = {.query = "n=100000000", .fields = others}});
    core_start(conf, NULL);
    sim_run(NULL, NULL, LATE_MS);
    before = downloaded_by_others();
    sim_run(first_is_over, NULL, 60000);
    CHECK(first_is_over(NULL));
    gained = downloaded_by_others() - before;
    print_message("%s: the others got %u bytes meanwhile\n", what, (unsigned)gained);
    h2_client_close(client, false);
    core_end();
    return gained;
}

#define LATE_BYTES 300000
/* What was on its way to the client: its connection's buffer, and writes that were begun. */
#define ON_ITS_WAY (BUFFER + 2 * CONFIG_H2_FRONT_OUTPUT + 16384)

static void urgent_downloads_go_first(void **state)
{
    struct ask late = {.query = "n=300000", .fields = "priority: u=1\r\n"};

    (void)state;
    CORE_NEEDS(WINDOWS_OF_HOST);
    assert_true(late_download("urgent", &late, "priority: u=5\r\n") <= ON_ITS_WAY + LATE_BYTES / 8);
    assert_true(late_download("urgent, incremental", &late, "priority: u=5, i\r\n") <= ON_ITS_WAY + LATE_BYTES / 8);
    late.fields = "priority: u=5, i\r\n"; /* against which the above is something */
    assert_true(late_download("as urgent", &late, "priority: u=5, i\r\n") >= 2 * LATE_BYTES);
}

/* RFC 9218 8: the origin's word counts more than the client's. */
static void origins_urgency(void **state)
{
    (void)state;
    CORE_NEEDS(WINDOWS_OF_HOST);
    assert_true(late_download("urgent, says the origin",
                              &(struct ask){.query = "n=300000&y=0", .fields = "priority: u=7\r\n"},
                              "priority: u=5\r\n") <= ON_ITS_WAY + LATE_BYTES / 8);
}

/* Nobody waits for ever behind those who never end, be they more urgent or only earlier. */
static void nobody_starves(void **state)
{
    static const char *const others[] = {"priority: u=0\r\n", "priority: u=0, i\r\n", NULL};
    const struct ask late[] = {{.query = "n=20000", .fields = "priority: u=7\r\n"},
                               {.query = "n=20000", .fields = "priority: u=7, i\r\n"},
                               {.query = "n=20000"}};

    (void)state;
    CORE_NEEDS(WINDOWS_OF_HOST);
    for (size_t i = 0; i < ARRAY_SIZE(late); i++)
        assert_true(late_download("a patient one", &late[i], others[i]) <= ON_ITS_WAY + 4 * 17 * 16384 + 20000 * 17);
}

/* RFC 9218 7.1: PRIORITY_UPDATE for a response that is under way. */
static void update(void **state)
{
    struct h2_answer *late;
    uint64_t before;

    (void)state;
    busy_client();
    sim_describe("PRIORITY_UPDATE");
    h2_client_get(client, "n=1000000");
    for (unsigned i = 0; i < OTHERS; i++)
        h2_client_ask(client, &(struct h2_ask){.ask = {.query = "n=100000000", .fields = "priority: u=2, i\r\n"}});
    core_start(conf, NULL);
    sim_run(NULL, NULL, LATE_MS);
    late = h2_client_answer(client, 0);
    CHECK(late->response.body < 200000);
    CHECK_INT(
        nghttp2_submit_priority_update(client->session, NGHTTP2_FLAG_NONE, late->stream, (const uint8_t *)"u=0", 3), 0);
    before = downloaded_by_others();
    sim_run(first_is_over, NULL, 60000);
    CHECK(first_is_over(NULL));
    if (WINDOWS_OF_HOST) /* else it waits for its backend, whose window is small */
        CHECK(downloaded_by_others() - before <= ON_ITS_WAY + 1000000 / 8);
    h2_client_close(client, false);
    core_end();
}

/* ---- uploads ---- */

static uint64_t uploaded_by_others(struct origin *origin)
{
    uint64_t sum = 0;

    for (unsigned i = 1; i <= OTHERS; i++)
        sum += origin_request(origin, h2_client_answer(client, i)->response.id)->body;
    return sum;
}

/* An upload beside others without end, on a backend connection that is the narrow place; all began before. */
static uint64_t upload(const char *what, const char *fields, const char *others)
{
    struct origin *origin = core_world(&(struct sim_options){.seed = 1, .origin_buffer = BUFFER});
    uint64_t before;
    uint64_t gained;

    sim_describe("upload: %s", what);
    origin->window = 1 << 20;
    origin->piece = BYTE_MS;
    origin->pause_ms = 1;
    client = h2_client_new(FRONT_PORT);
    h2_client_ask(client, &(struct h2_ask){.ask = {.framing = ASK_LENGTH, .body = 400000, .fields = fields},
                                           .start_at = LATE_MS});
    for (unsigned i = 0; i < OTHERS; i++)
        h2_client_ask(client, &(struct h2_ask){.ask = {.framing = ASK_LENGTH, .body = 100000000, .fields = others}});
    core_start(conf, NULL);
    sim_run(NULL, NULL, LATE_MS);
    before = uploaded_by_others(origin);
    sim_run(first_is_over, NULL, 60000);
    CHECK(first_is_over(NULL));
    gained = uploaded_by_others(origin) - before;
    print_message("upload %s: the others got %u bytes through meanwhile\n", what, (unsigned)gained);
    h2_client_close(client, false);
    core_end();
    return gained;
}

static void urgent_uploads_go_first(void **state)
{
    uint64_t urgent = upload("urgent", "priority: u=0\r\n", "priority: u=7\r\n");
    uint64_t equal = upload("as urgent", NULL, NULL);
    uint64_t patient = upload("patient", "priority: u=7\r\n", "priority: u=4\r\n");

    (void)state;
    CORE_NEEDS(WINDOWS_OF_HOST);
    assert_true(urgent <= 200000);
    assert_true(equal >= 800000);
    assert_true(patient > equal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urgent_downloads_go_first),
        cmocka_unit_test(origins_urgency),
        cmocka_unit_test(nobody_starves),
        cmocka_unit_test(update),
        cmocka_unit_test(urgent_uploads_go_first),
    };

    return CORE_RUN(tests);
}
