/* Syslog: the head that stands before a line on its way to a log daemon. */
#ifndef CULVERT_BASE_SYSLOG_H
#define CULVERT_BASE_SYSLOG_H

#include "base/text.h"

enum syslog_form {
    SYSLOG_NONE, /* lines go as they are */
    SYSLOG_BSD,  /* RFC 3164, as local daemons read it: "<PRI>Mmm dd hh:mm:ss TAG[PID]: ", without a host */
    SYSLOG_IETF, /* RFC 5424: "<PRI>1 TIME HOST TAG PID MSGID - " */
};

/* RFC 5424 6.2.1: the severities that are used. */
enum syslog_severity { SYSLOG_ERR = 3, SYSLOG_WARNING, SYSLOG_NOTICE, SYSLOG_INFO, SYSLOG_DEBUG };

#define SYSLOG_TAG_MOST 32  /* RFC 3164 4.1.3 */
#define SYSLOG_HOST_MOST 63 /* of 255 that RFC 5424 allows: one label of a name */
/* The longest head: priority, time, host, tag, process, MSGID, and what is between them. */
#define SYSLOG_HEAD_MOST (16 + 24 + SYSLOG_HOST_MOST + SYSLOG_TAG_MOST + 24)

struct syslog_settings {
    uint8_t form;     /* enum syslog_form */
    uint8_t facility; /* 0..23 */
    struct text tag;  /* at most SYSLOG_TAG_MOST bytes of syslog_tag_ok */
};

/* The number of a facility by the name that syslog.conf knows ("daemon", "local3"), case ignored. False: unknown. */
bool syslog_facility(struct text name, uint8_t *facility);
struct text syslog_facility_name(uint8_t facility);
/* Whether a text can be a tag: letters, digits, '-', '_', '.', 1 to SYSLOG_TAG_MOST of them. */
bool syslog_tag_ok(struct text tag);

/* What a message says of its sender and time. */
struct syslog_origin {
    int64_t wall_s;   /* since 1970; 0: unknown, then RFC 3164's receiver shall say it, and RFC 5424 has "-" */
    int32_t zone_s;   /* what local time is ahead of UTC then (RFC 3164 has local time) */
    struct text host; /* RFC 5424 only; empty: "-" */
    uint32_t process;
    struct text msgid; /* RFC 5424 only: what kind of line it is */
};

/* Appends the head, at most SYSLOG_HEAD_MOST bytes. Nothing for SYSLOG_NONE. */
void syslog_put_head(struct textbuf *b, const struct syslog_settings *settings, enum syslog_severity severity,
                     const struct syslog_origin *origin);

#endif
