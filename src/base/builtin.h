/* Files that are compiled into the program: a configuration and what it names, for a box without a file system
 * (CONFIG_BUILTIN_CONF). They are constant, so they stay in flash. */
#ifndef CULVERT_BASE_BUILTIN_H
#define CULVERT_BASE_BUILTIN_H

#include "base/text.h"
#include "port.h"

struct builtin_file {
    const char *name; /* as the configuration names it: from its own folder, or absolute */
    const uint8_t *bytes;
    size_t len;
};

/* Made by the build (.build/builtin.py). The first is the configuration. */
extern const struct builtin_file builtin_files[];
extern const size_t builtin_count;

#ifdef CONFIG_BUILTIN

/* From now on files are looked for here first. Returns the configuration's name, for builtin_read_file. */
const char *builtin_use(void);

/* As port_read_file; a built-in file of this name, if they are in use, goes before that of the file system. */
enum port_result builtin_read_file(const char *path, void *buf, size_t cap, size_t *n);

/* Writes a line with the names and sizes of all: "built in: box.conf (212 bytes), key.pem (241 bytes)\n". */
void builtin_put(struct textbuf *b);

#else

static inline const char *builtin_use(void)
{
    return NULL;
}

static inline enum port_result builtin_read_file(const char *path, void *buf, size_t cap, size_t *n)
{
    return port_read_file(path, buf, cap, n);
}

static inline void builtin_put(struct textbuf *b)
{
    (void)b;
}

#endif

#endif
