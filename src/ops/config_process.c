/* User, Group, ChrootDir and PidFile. What they name is looked up when the server starts (ops/process). */
#include "ops/config_reader.h"

static void store(struct conf_reader *reader, const struct conf_directive *self, struct text word)
{
    struct text stored;

    if (conf_store(reader, word, &stored))
        *(const char **)(void *)((char *)reader->config + self->field) = stored.ptr;
}

CONF_APPLY(conf_apply_user)
{
    (void)count;
    if (words[0].len == 0 || text_eq(words[0], TEXT("#")))
        conf_error(reader, words[0], "expected %s", self->usage);
    else
        store(reader, self, words[0]);
}

CONF_APPLY(conf_apply_chroot)
{
    (void)count;
    if (words[0].len == 0 || words[0].ptr[0] != '/')
        conf_error(reader, words[0], "expected %s", self->usage);
    else
        store(reader, self, words[0]);
}

CONF_APPLY(conf_apply_pid_file)
{
    (void)count;
    if (words[0].len == 0)
        conf_error(reader, words[0], "expected %s", self->usage);
    else
        store(reader, self, words[0]);
}
