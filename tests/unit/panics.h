/* Whether code panics, tried out in a child process. */
#ifndef CULVERT_TESTS_PANICS_H
#define CULVERT_TESTS_PANICS_H

#include <stdbool.h>

/* Runs fn in a child. True when the child was stopped by a panic whose message contains `why`. */
bool panics(void (*fn)(void), const char *why);

#endif
