/* Reads files that are compiled into the program. */
#include "base/builtin.h"

#include <string.h>

static bool in_use;

const char *builtin_use(void)
{
    in_use = true;
    return builtin_files[0].name;
}

static const struct builtin_file *find(const char *path)
{
    for (size_t i = 0; in_use && i < builtin_count; i++)
        if (strcmp(builtin_files[i].name, path) == 0)
            return &builtin_files[i];
    return NULL;
}

enum port_result builtin_read_file(const char *path, void *buf, size_t cap, size_t *n)
{
    const struct builtin_file *file = find(path);

    if (!file)
        return port_read_file(path, buf, cap, n);
    *n = min_size(file->len, cap);
    memcpy(buf, file->bytes, *n);
    return file->len > cap ? PORT_END : PORT_OK;
}

void builtin_put(struct textbuf *b)
{
    for (size_t i = 0; i < builtin_count; i++)
        textbuf_printf(b, "%s%s (%zu bytes)", i == 0 ? "built in: " : ", ", builtin_files[i].name,
                       builtin_files[i].len);
    textbuf_putc(b, '\n');
}
