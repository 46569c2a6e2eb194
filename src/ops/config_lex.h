/* Lines and words of a configuration file, as httpd reads them. Pure; works in place on the caller's bytes. */
#ifndef CULVERT_OPS_CONFIG_LEX_H
#define CULVERT_OPS_CONFIG_LEX_H

#include "base/text.h"

/* The most words in one line. */
#define CONF_WORDS 32

/* A file that is being read. */
struct conf_file {
    const char *name; /* NUL-terminated, for messages; owned by the caller */
    char *at;         /* bytes that are not read yet; their place is written to */
    size_t len;
    uint32_t line;       /* number of the last line that was taken */
    struct text joined;  /* that line in one piece, where its words stand */
    struct textbuf *raw; /* gets that line as it stands in the file, as much as fits; NULL: nobody wants it */
};

enum conf_line {
    CONF_LINE_OK,       /* words[0, count), at least one */
    CONF_LINE_END,      /* no more lines */
    CONF_LINE_UNQUOTED, /* a quote is not closed */
    CONF_LINE_GLUED,    /* something stands right behind a closing quote */
    CONF_LINE_MANY,     /* more than CONF_WORDS words */
    CONF_LINE_CONTROL,  /* a control byte (NUL and such) */
};

/* Takes the next line that is neither empty nor a comment, and splits it into words. Words are separated by blanks, or
   quoted with " or '; within quotes a backslash takes the quote's meaning away, and everywhere "\\" is one backslash. A
   backslash at the end of a line continues it. A line that begins with < (a section) is one word. *line is its (first)
   number. Words stay valid until the file's bytes are overwritten. Not OK: words[0] is the line's first word (perhaps
   empty), and the next call goes on behind the line. */
enum conf_line conf_line_next(struct conf_file *file, struct text words[CONF_WORDS], unsigned *count, uint32_t *line);

#endif
