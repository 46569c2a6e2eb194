/* What the files of the access log share: the parts of a line, and who writes them. */
#ifndef CULVERT_PROXY_ACCESS_LINE_H
#define CULVERT_PROXY_ACCESS_LINE_H

#include "base/text.h"

struct exchange;

/* The client's method and path (with its query). Not escaped. */
struct text access_method(const struct exchange *ex);
struct text access_path(const struct exchange *ex);
/* Whether there are such; else the request line could not be read. */
bool access_is_parsed(const struct exchange *ex);
/* The request line as it came, when it could not be parsed: up to its end. */
struct text access_raw_line(const struct exchange *ex);

/* "1:backend-refused" or "-"; "BW" or "--"; the reason's word, NULL: none. */
void access_put_retry(struct textbuf *b, const struct exchange *ex);
void access_put_end(struct textbuf *b, const struct exchange *ex);
const char *access_word(const struct exchange *ex);

/* The line of the format "culvert". */
void access_put_compact(struct textbuf *b, const struct exchange *ex);
/* The line of the site's format (access_format.c), which has one. */
#if IS_ENABLED(CONFIG_LOG_FORMAT)
void access_put_format(struct textbuf *b, const struct exchange *ex);
#else
static inline void access_put_format(struct textbuf *b, const struct exchange *ex)
{
    (void)b, (void)ex;
}
#endif

#endif
