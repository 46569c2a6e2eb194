/* Copies of input that end at a page nobody may read. */
#define _GNU_SOURCE
#include "guard.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define GUARD_MAX (1u << 20)

struct text guard_copy(struct text t)
{
    static char *end; /* where the unreadable page begins */
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    if (end == NULL) {
        char *map = mmap(NULL, GUARD_MAX + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (map == MAP_FAILED || mprotect(map + GUARD_MAX, page, PROT_NONE) != 0)
            abort();
        end = map + GUARD_MAX;
    }
    if (t.len > GUARD_MAX)
        abort();
    if (t.len > 0)
        memcpy(end - t.len, t.ptr, t.len);
    return text_make(end - t.len, t.len);
}
