/* The access log: one line for each exchange, in the grammar that README.md gives. */
#ifndef CULVERT_PROXY_ACCESS_LOG_H
#define CULVERT_PROXY_ACCESS_LOG_H

struct exchange;

/* Writes the line of an exchange that ended into the log's ring. Bounded by CONFIG_LOG_LINE: the request text is what
 * is cut. */
void access_log_write(const struct exchange *ex);

#endif
