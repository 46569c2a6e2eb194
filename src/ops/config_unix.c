/* Unix sockets in the configuration. */
#include "ops/config_reader.h"

/* The path stands in log lines, so nothing in it may end a field. */
static bool is_plain(struct text path)
{
    for (size_t i = 0; i < path.len; i++)
        if (path.ptr[i] <= ' ' || path.ptr[i] > '~' || path.ptr[i] == '"' || path.ptr[i] == '\\')
            return false;
    return true;
}

bool conf_unix(struct conf_reader *reader, struct text word, struct text path, struct port_addr *addr)
{
    struct text stored;

    if (!IS_ENABLED(CONFIG_UNIX_SOCKETS)) {
        conf_error(reader, word, "this build has no unix sockets (CONFIG_UNIX_SOCKETS is off)");
        return false;
    }
    if (path.len < 2 || path.len > PORT_PATH_MAX || path.ptr[0] != '/' || !is_plain(path)) {
        conf_error(reader, word, "expected unix:/PATH, an absolute path of at most %d bytes, without blanks, \\ and \"",
                   PORT_PATH_MAX);
        return false;
    }
    if (!conf_store(reader, path, &stored))
        return false;
    *addr = (struct port_addr){.family = PORT_UNIX};
    addr->path = stored.ptr;
    return true;
}
