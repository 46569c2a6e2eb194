/* Copies of input that end at a page nobody may read: a parser that looks too far crashes. */
#ifndef CULVERT_TESTS_GUARD_H
#define CULVERT_TESTS_GUARD_H

#include "base/text.h"

/* A copy of t (at most 1 MiB) whose last byte is followed by an unreadable page. It stays until the next call: there is
   one place. An empty text gives a pointer to the unreadable page itself. */
struct text guard_copy(struct text t);

#endif
