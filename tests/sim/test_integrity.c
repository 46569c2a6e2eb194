/* Frames that no backend may send: the client gets 502 or a cut response, never a lie, and siblings live on where RFC
 * 9113 makes it a stream error. */
#include "core.h"

#include <nghttp2/nghttp2.h>

static const char conf[] = "Listen 8080\n"
                           "ProxyPass \"/\" \"h2c://10.0.0.1:9000/\" retries=3 timeout=3\n"
                           "CustomLog \"-\"\n"
                           "LogLevel info\n";

/* What the bytes of a case do to the victim's stream. */
enum harm {
    HARM_STREAM, /* it fails; its siblings live on */
    HARM_ALL,    /* the connection ends with all its streams */
    HARM_NONE,   /* they are ignored: the victim's time runs out */
};

/* Frames: length, type, flags, stream; V stands for the victim's stream, 3. */
#define FRAME(len, type, flags, stream) 0, 0, (len), (type), (flags), 0, 0, 0, (stream)
#define V 3
#define END_STREAM NGHTTP2_FLAG_END_STREAM
#define END_HEADERS NGHTTP2_FLAG_END_HEADERS
#define BYTES(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

static const struct {
    const char *name;
    const uint8_t *bytes;
    size_t len;
    enum harm harm;
    unsigned status; /* of the victim; 200: cut behind its head */
    const char *word;
} cases[] = {
    {"no :status", BYTES(FRAME(5, NGHTTP2_HEADERS, END_HEADERS, V), 0x00, 1, 'x', 1, 'y'), HARM_STREAM, 502,
     "backend-protocol"},
    {"two :status", BYTES(FRAME(2, NGHTTP2_HEADERS, END_HEADERS, V), 0x88, 0x88), HARM_STREAM, 502, "backend-protocol"},
    {":status behind a field", BYTES(FRAME(6, NGHTTP2_HEADERS, END_HEADERS, V), 0x00, 1, 'x', 1, 'y', 0x88),
     HARM_STREAM, 502, "backend-protocol"},
    {"101", BYTES(FRAME(5, NGHTTP2_HEADERS, END_HEADERS, V), 0x08, 3, '1', '0', '1'), HARM_STREAM, 502,
     "backend-protocol"},
    {":status 20", BYTES(FRAME(4, NGHTTP2_HEADERS, END_HEADERS, V), 0x08, 2, '2', '0'), HARM_STREAM, 502,
     "backend-protocol"},
    {"a pseudo-field of requests", BYTES(FRAME(2, NGHTTP2_HEADERS, END_HEADERS, V), 0x88, 0x84), HARM_STREAM, 502,
     "backend-protocol"},
    {"upper case", BYTES(FRAME(6, NGHTTP2_HEADERS, END_HEADERS, V), 0x88, 0x00, 1, 'X', 1, 'y'), HARM_STREAM, 502,
     "backend-protocol"},
    {"CR LF in a value", BYTES(FRAME(7, NGHTTP2_HEADERS, END_HEADERS, V), 0x88, 0x00, 1, 'x', 2, '\r', '\n'),
     HARM_STREAM, 502, "backend-protocol"},
    {"transfer-encoding", BYTES(FRAME(4, NGHTTP2_HEADERS, END_HEADERS, V), 0x88, 0x0f, 0x2a, 0), HARM_STREAM, 502,
     "backend-protocol"},
    {"two Content-Lengths",
     BYTES(FRAME(9, NGHTTP2_HEADERS, END_HEADERS, V), 0x88, 0x0f, 0x0d, 1, '5', 0x0f, 0x0d, 1, '6'), HARM_STREAM, 502,
     "backend-protocol"},
    {"an interim head with END_STREAM",
     BYTES(FRAME(5, NGHTTP2_HEADERS, END_HEADERS | END_STREAM, V), 0x08, 3, '1', '0', '3'), HARM_STREAM, 502,
     "backend-protocol"},
    {"a shorter body",
     BYTES(FRAME(5, NGHTTP2_HEADERS, END_HEADERS, V), 0x88, 0x0f, 0x0d, 1, '5', FRAME(3, NGHTTP2_DATA, END_STREAM, V),
           'a', 'b', 'c'),
     HARM_STREAM, 200, "backend-length"},
    {"a longer body",
     BYTES(FRAME(5, NGHTTP2_HEADERS, END_HEADERS, V), 0x88, 0x0f, 0x0d, 1, '2', FRAME(3, NGHTTP2_DATA, END_STREAM, V),
           'a', 'b', 'c'),
     HARM_STREAM, 200, "backend-length"},
    {"a body of HEADERS with END_STREAM",
     BYTES(FRAME(5, NGHTTP2_HEADERS, END_HEADERS | END_STREAM, V), 0x88, 0x0f, 0x0d, 1, '5'), HARM_STREAM, 502,
     "backend-protocol"},
    {"trailers without END_STREAM",
     BYTES(FRAME(1, NGHTTP2_HEADERS, END_HEADERS, V), 0x88, FRAME(5, NGHTTP2_HEADERS, END_HEADERS, V), 0x00, 1, 'x', 1,
           'y'),
     HARM_STREAM, 200, "backend-protocol"},
    {"DATA before HEADERS", BYTES(FRAME(1, NGHTTP2_DATA, 0, V), 'a'), HARM_STREAM, 502, "backend-protocol"},
    {"a window that overflows", BYTES(FRAME(4, NGHTTP2_WINDOW_UPDATE, 0, V), 0x7f, 0xff, 0xff, 0xff), HARM_STREAM, 502,
     "backend-protocol"},
    /* A stream error, which RFC 9113 5.4.2 lets be the connection's; nghttp2 does so. */
    {"a window of 0", BYTES(FRAME(4, NGHTTP2_WINDOW_UPDATE, 0, V), 0, 0, 0, 0), HARM_ALL, 502, "backend-protocol"},
    {"DATA on a stream that ended", BYTES(FRAME(1, NGHTTP2_DATA, 0, 1), 'a'), HARM_NONE, 504, "backend-timeout"},
    {"RST_STREAM on a stream that ended", BYTES(FRAME(4, NGHTTP2_RST_STREAM, 0, 1), 0, 0, 0, 8), HARM_NONE, 504,
     "backend-timeout"},
    {"a frame of an unknown type", BYTES(FRAME(1, 0xee, 0xff, V), 'a'), HARM_NONE, 504, "backend-timeout"},
    {"HEADERS on an idle stream", BYTES(FRAME(1, NGHTTP2_HEADERS, END_HEADERS, 99), 0x88), HARM_ALL, 502,
     "backend-protocol"},
    {"HEADERS on a stream of its own", BYTES(FRAME(1, NGHTTP2_HEADERS, END_HEADERS, 2), 0x88), HARM_ALL, 502,
     "backend-protocol"},
    {"DATA on an idle stream", BYTES(FRAME(1, NGHTTP2_DATA, 0, 99), 'a'), HARM_ALL, 502, "backend-protocol"},
    {"RST_STREAM on an idle stream", BYTES(FRAME(4, NGHTTP2_RST_STREAM, 0, 99), 0, 0, 0, 8), HARM_ALL, 502,
     "backend-protocol"},
    {"WINDOW_UPDATE on an idle stream", BYTES(FRAME(4, NGHTTP2_WINDOW_UPDATE, 0, 99), 0, 0, 0, 9), HARM_ALL, 502,
     "backend-protocol"},
    {"PUSH_PROMISE", BYTES(FRAME(5, NGHTTP2_PUSH_PROMISE, END_HEADERS, V), 0, 0, 0, 2, 0x82), HARM_ALL, 502,
     "backend-protocol"},
    {"CONTINUATION without HEADERS", BYTES(FRAME(1, NGHTTP2_CONTINUATION, END_HEADERS, V), 0x88), HARM_ALL, 502,
     "backend-protocol"},
    {"DATA within a header block", BYTES(FRAME(1, NGHTTP2_HEADERS, 0, V), 0x88, FRAME(1, NGHTTP2_DATA, 0, V), 'a'),
     HARM_ALL, 502, "backend-protocol"},
    {"a broken header block", BYTES(FRAME(1, NGHTTP2_HEADERS, END_HEADERS, V), 0x80), HARM_ALL, 502,
     "backend-protocol"},
    {"DATA on stream 0", BYTES(FRAME(1, NGHTTP2_DATA, 0, 0), 'a'), HARM_ALL, 502, "backend-protocol"},
    {"SETTINGS of 5 bytes", BYTES(FRAME(5, NGHTTP2_SETTINGS, 0, 0), 0, 1, 0, 0, 0), HARM_ALL, 502, "backend-protocol"},
    {"MAX_FRAME_SIZE below 16,384", BYTES(FRAME(6, NGHTTP2_SETTINGS, 0, 0), 0, 5, 0, 0, 0x3f, 0xff), HARM_ALL, 502,
     "backend-protocol"},
    {"an initial window above 2^31-1", BYTES(FRAME(6, NGHTTP2_SETTINGS, 0, 0), 0, 4, 0xff, 0, 0, 0), HARM_ALL, 502,
     "backend-protocol"},
    {"a frame above our MAX_FRAME_SIZE", BYTES(1, 0, 0, NGHTTP2_DATA, 0, 0, 0, 0, V), HARM_ALL, 502,
     "backend-protocol"},
};

static void check_line(const struct client *c, const char *end, const char *word)
{
    struct text line = core_line(c->reader.responses[0].id);
    struct text is_end = core_line_field(line, LINE_END), is_word = core_line_field(line, LINE_WORD);

    if (!text_eq(is_end, text_of(end)) || (word && !text_eq(is_word, text_of(word))))
        sim_violation("the line says '%.*s %.*s' and not '%s %s'", TEXT_ARG(is_end), TEXT_ARG(is_word), end,
                      word ? word : "");
}

static void frames(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct origin *origin =
            core_world(&(struct sim_options){.seed = i + 1, .chop = cases[i].status == 200 ? 0 : i % 3});
        struct client *before = core_asking("n=10", 0);
        struct client *victim = core_asking("z=1", 100);
        struct client *sibling = core_asking("n=10&d=500", 110);
        struct client *after = core_asking("n=10", 1000);
        bool all = cases[i].harm == HARM_ALL;

        sim_describe("%s", cases[i].name);
        core_start(conf, NULL);
        sim_run(NULL, NULL, 200);
        origin_raw(origin, cases[i].bytes, cases[i].len);
        core_run(20000);
        core_settle();
        CHECK_INT(client_response(before, 0)->status, 200);
        check_line(before, "--", NULL);
        CHECK_INT(client_response(victim, 0)->status, cases[i].status);
        check_line(victim, cases[i].harm == HARM_NONE ? "TW" : cases[i].status == 200 ? "BD" : "BW", cases[i].word);
        CHECK_INT(client_response(sibling, 0)->status, all ? 502 : 200);
        check_line(sibling, all ? "BW" : "--", all ? cases[i].word : NULL);
        CHECK_INT(client_response(after, 0)->status, 200);
        check_line(after, "--", NULL);
        CHECK_INT(origin->conn_count, all ? 2 : 1);
        for (unsigned n = 0; n < origin->request_count; n++)
            CHECK_INT(origin->requests[n].tries, 1);
        core_end();
    }
}

/* DATA behind the response's end, while its request still goes on: the response stays whole, the sibling lives. */
static void data_behind_the_end(void **state)
{
    static const uint8_t answer[] = {FRAME(1, NGHTTP2_HEADERS, END_HEADERS | END_STREAM, V),
                                     0x88,
                                     FRAME(1, NGHTTP2_DATA, 0, V),
                                     'a',
                                     FRAME(1, NGHTTP2_DATA, END_STREAM, V),
                                     'b'};

    (void)state;
    for (uint32_t chop = 0; chop < 2; chop++) {
        struct origin *origin = core_world(&(struct sim_options){.seed = 1, .chop = chop * 3});
        struct client *before = core_asking("n=10", 0);
        struct client *early = client_new(FRONT_PORT);
        struct client *sibling = core_asking("n=10&d=500", 150);

        sim_describe("DATA behind the end, pieces of %u", chop * 3);
        early->start_at = 100;
        early->piece = 250;
        early->pause_ms = 100;
        client_ask(early, &(struct ask){.query = "z=1", .framing = ASK_LENGTH, .body = 1000});
        core_start(conf, NULL);
        sim_run(NULL, NULL, 200);
        origin_raw(origin, answer, sizeof(answer));
        core_run(20000);
        core_settle();
        CHECK_INT(client_response(before, 0)->status, 200);
        CHECK_INT(client_response(early, 0)->status, 200);
        CHECK(client_response(early, 0)->complete);
        CHECK_INT(client_response(sibling, 0)->status, 200);
        check_line(sibling, "--", NULL);
        CHECK_INT(origin->conn_count, 1);
        core_end();
    }
}

/* CONTINUATION frames without end: the connection ends, long before its memory or time does. */
static void continuation_flood(void **state)
{
    static const uint8_t begun[] = {FRAME(1, NGHTTP2_HEADERS, 0, V), 0x88};
    static const uint8_t more[] = {FRAME(0, NGHTTP2_CONTINUATION, 0, V)};
    struct origin *origin = core_world(&(struct sim_options){.seed = 1});
    struct client *before = core_asking("n=10", 0);
    struct client *victim = core_asking("z=1", 100);
    struct client *after = core_asking("n=10", 1000);

    (void)state;
    sim_describe("CONTINUATION flood");
    core_start(conf, NULL);
    sim_run(NULL, NULL, 200);
    origin_raw(origin, begun, sizeof(begun));
    for (unsigned i = 0; i < 1000; i++)
        origin_raw(origin, more, sizeof(more));
    core_run(20000);
    core_settle();
    CHECK_INT(client_response(before, 0)->status, 200);
    CHECK_INT(client_response(victim, 0)->status, 502);
    CHECK(victim->ended_at < 400);
    check_line(victim, "BW", "backend-protocol");
    CHECK_INT(client_response(after, 0)->status, 200);
    CHECK_INT(origin->conn_count, 2);
    core_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames),
        cmocka_unit_test(data_behind_the_end),
        cmocka_unit_test(continuation_flood),
    };

    return CORE_RUN(tests);
}
