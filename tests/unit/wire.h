/* Wire cases: the bytes that an HTTP/1.1 client sends, and the events that follow from them, as text files.
 *
 * A file has one case after another, each of these lines, in this order:
 *   # why: the RFC section or the attack (at least one line)
 *   ! line=100 field=60 fields=4        limits that differ from the usual ones (optional)
 *   > GET / HTTP/1.1\r\n                input; nothing is added at the line's end. \r \n \t \0 \\ \xHH, and
 *                                       \{300 abc} for 300 times "abc" (which may have no brace, but escapes)
 *   = head GET / HTTP/1.1 host=a body=none keep-alive
 *   = field host: a                     the events; the bytes are shown with the same escapes
 * Events: head METHOD PATH HTTP/1.MINOR host=AUTHORITY body=none|N|chunked keep-alive|close [expect] [te-trailers]
 * [absolute], field NAME: VALUE (after head), data BYTES (all of a body that came; more than 60: their number),
 * trailer NAME: VALUE, end (of a message), refused WORD STATUS (nothing is read after it), partial (the input ended
 * within a message). A saved file of this form is a test: test_wire.c runs all of tests/unit/wire. */
#ifndef CULVERT_TESTS_WIRE_H
#define CULVERT_TESTS_WIRE_H

#include "http/h1.h"

#define WIRE_INPUT_MAX 131072
#define WIRE_EVENTS_MAX 65536

struct wire_case {
    int line; /* where its input begins */
    struct h1_limits limits;
    size_t input_len, events_len;
    char input[WIRE_INPUT_MAX];
    char events[WIRE_EVENTS_MAX]; /* each with its LF */
};

/* Takes the next case off *rest (the text of a file), whose line number is *line. Returns NULL on success, "" at the
   end, else what is wrong with the file. */
const char *wire_next(struct text *rest, int *line, struct wire_case *c);

/* Plays the input of a case as a connection would: it comes in pieces, the first of `first` bytes, each other one of
   `step` bytes (0: all at once). Every piece ends at an unreadable page. Appends the events to `events`. Returns the
   last reason. */
enum h1_reason wire_play(const struct wire_case *c, size_t first, size_t step, struct textbuf *events);

#endif
