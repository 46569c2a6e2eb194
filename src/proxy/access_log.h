/* The access log: one line for each exchange, in the grammar that README.md gives or in a LogFormat. */
#ifndef CULVERT_PROXY_ACCESS_LOG_H
#define CULVERT_PROXY_ACCESS_LOG_H

#include "http/head.h"
#include "proxy/log_format.h"

struct exchange;

#if IS_ENABLED(CONFIG_LOG_FORMAT)
/* The format of the log is another one from now on, or the same as before. Exchanges that run are logged in the new
   one; its fields are "-" in their lines. */
void access_change_format(const struct log_format *before, const struct log_format *next);
/* Notes the fields that the format names: none yet; those of the request, before it is rewritten;
   those of the final response as the front gets it. */
void access_note_start(struct exchange *ex);
void access_note_request(struct exchange *ex);
void access_note_response(struct exchange *ex, const struct section *section);
#else
static inline void access_change_format(const struct log_format *before, const struct log_format *next)
{
    (void)before, (void)next;
}

static inline void access_note_start(struct exchange *ex)
{
    (void)ex;
}

static inline void access_note_request(struct exchange *ex)
{
    (void)ex;
}

static inline void access_note_response(struct exchange *ex, const struct section *section)
{
    (void)ex, (void)section;
}
#endif

/* Writes the line of an exchange that ended into the log's ring. Bounded by CONFIG_LOG_LINE: texts of clients are
 * what is cut. */
void access_log_write(const struct exchange *ex);

#endif
