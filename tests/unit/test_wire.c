/* Runs every wire case of tests/unit/wire: whole, byte by byte, and cut in two at every place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "wire.h"

#define WIRE_DIR "tests/unit/wire"
#define FILES_MAX 64
#define CUTS_MAX 600 /* longer inputs are cut at as many places, evenly */

static bool seen[H1_REASONS];
static unsigned cases;

/* Plays a case in one way. Returns false, and shows both lists of events, when they differ. */
static bool play_once(const char *file, const struct wire_case *c, size_t first, size_t step)
{
    static char storage[WIRE_EVENTS_MAX];
    struct text expected = text_make(c->events, c->events_len);
    struct textbuf events;

    textbuf_init(&events, storage, sizeof(storage));
    seen[wire_play(c, first, step, &events)] = true;
    if (text_eq(textbuf_text(&events), expected))
        return true;
    print_error("%s:%d: pieces of %zu and %zu bytes: expected\n%.*sbut got\n%.*s", file, c->line, first, step,
                TEXT_ARG(expected), TEXT_ARG(textbuf_text(&events)));
    return false;
}

/* In all ways; stops at the first that differs. */
static bool play_case(const char *file, const struct wire_case *c)
{
    size_t stride = 1 + c->input_len / CUTS_MAX;
    bool ok = play_once(file, c, 0, 0) && play_once(file, c, 1, 1) && play_once(file, c, 3, 7);

    for (size_t cut = 1; ok && cut < c->input_len; cut += stride)
        ok = play_once(file, c, cut, c->input_len);
    return ok;
}

/* Returns how many cases of a file failed. */
static unsigned play_file(const char *file, struct text text)
{
    static struct wire_case c;
    unsigned failed = 0;
    int line = 0;
    const char *fault;

    while ((fault = wire_next(&text, &line, &c)) == NULL) {
        cases++;
        failed += !play_case(file, &c);
    }
    if (fault[0] != '\0') {
        print_error("%s:%d: %s\n", file, line, fault);
        failed++;
    }
    return failed;
}

static struct text read_file(const char *path)
{
    static char storage[262144];
    FILE *file = fopen(path, "rb");
    size_t n;

    if (file == NULL)
        fail_msg("%s cannot be read", path);
    n = fread(storage, 1, sizeof(storage), file);
    fclose(file);
    assert_true(n < sizeof(storage));
    return text_make(storage, n);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void test_files(void **state)
{
    static char paths[FILES_MAX][300];
    unsigned files = 0, failed = 0;
    struct dirent *entry;
    DIR *dir = opendir(WIRE_DIR);

    (void)state;
    if (dir == NULL)
        fail_msg("%s is missing; run this from the root of the source", WIRE_DIR);
    while ((entry = readdir(dir)) != NULL) {
        size_t len = strlen(entry->d_name);

        if (len < 4 || strcmp(entry->d_name + len - 4, ".txt") != 0)
            continue;
        assert_true(files < FILES_MAX);
        snprintf(paths[files++], sizeof(paths[0]), "%s/%s", WIRE_DIR, entry->d_name);
    }
    closedir(dir);
    qsort(paths, files, sizeof(paths[0]), by_name);
    for (unsigned i = 0; i < files; i++)
        failed += play_file(paths[i], read_file(paths[i]));
    print_message("%u wire cases in %u files\n", cases, files);
    assert_true(files > 0);
    assert_int_equal(failed, 0);
}

/* Every reason that the parser can give has a case; the others belong to the front. */
static void test_every_reason(void **state)
{
    (void)state;
    for (unsigned reason = H1_OK + 1; reason < H1_REASONS; reason++) {
        bool of_front = reason == H1_NO_ROOM || reason == H1_BODY_LARGE || reason == H1_NOT_OURS;

        if (seen[reason] == of_front)
            fail_msg("%s: %s", h1_refusal(reason)->word, of_front ? "not expected here" : "no wire case");
    }
}

/* A case that is wrong must be found, and so must a file of a wrong form. */
static void test_can_fail(void **state)
{
    static struct wire_case c;
    struct text text = TEXT("# why\n> GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n\n= head GET / HTTP/1.1 host=a body=none "
                            "keep-alive\n= field host: a\n= end\n\n# two\n> G\\x\n= partial\n");
    int line = 0;

    (void)state;
    assert_null(wire_next(&text, &line, &c));
    assert_int_equal(c.line, 2);
    assert_true(play_case("self", &c));
    c.events[c.events_len - 2] = 'D';
    print_message("one difference is expected here:\n");
    assert_false(play_case("self", &c));
    assert_string_equal(wire_next(&text, &line, &c), "unknown escape");
    assert_int_equal(line, 8);
    text = TEXT("> x\n= partial\n");
    assert_string_equal(wire_next(&text, &line, &c), "no comment says why");
    text = TEXT("# x\n\n");
    assert_string_equal(wire_next(&text, &line, &c), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_every_reason),
        cmocka_unit_test(test_can_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
