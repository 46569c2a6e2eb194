/* Shows the line that a message is about, with a caret under the word at fault. */
#ifndef CULVERT_OPS_CONFIG_EXPLAIN_H
#define CULVERT_OPS_CONFIG_EXPLAIN_H

#include "ops/config_reader.h"

#if IS_ENABLED(CONFIG_CONF_EXPLAIN)

/* Where a file's lexer puts the bytes of the line that it takes (conf_file.raw). NULL: nobody wants to see them. */
struct textbuf *conf_explain_raw(void);

/* The line that was taken last: its number, and where its words stand. */
void conf_explain_line(const struct conf_file *file, uint32_t line);

/* A message about `word` at reader->place with the line behind it, when that is the line that was taken last; else the
   message itself. It stands in static memory until the next call. */
struct text conf_explained(const struct conf_reader *reader, struct text word, struct text message);

/* Whether messages are explained, and that line is another one. */
bool conf_explain_lacks(const struct conf_place *place);

#else

static inline struct textbuf *conf_explain_raw(void)
{
    return NULL;
}

static inline void conf_explain_line(const struct conf_file *file, uint32_t line)
{
    (void)file, (void)line;
}

static inline struct text conf_explained(const struct conf_reader *reader, struct text word, struct text message)
{
    (void)reader, (void)word;
    return message;
}

static inline bool conf_explain_lacks(const struct conf_place *place)
{
    (void)place;
    return false;
}

#endif

#endif
