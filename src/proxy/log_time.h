/* Times in the access log: %t, and %{...}t with some of the conversions of strftime. */
#ifndef CULVERT_PROXY_LOG_TIME_H
#define CULVERT_PROXY_LOG_TIME_H

#include "base/text.h"

/* The most bytes of a time in the form of %t. */
#define LOG_TIME_MOST 28

/* Whether all conversions are known: %a %b %d %e %F %H %j %m %M %S %T %y %Y %z %%; or it is "sec". */
bool log_time_ok(struct text format);
/* Appends a time (port_wall_s; `zone_s` as of port_zone_s): local time in a format that is ok, or, when that is empty,
   "[25/Nov/2026:12:42:51 +0000]". */
void log_time_put(struct textbuf *b, struct text format, int64_t wall_s, int32_t zone_s);

#endif
