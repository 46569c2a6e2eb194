/* A ring of log lines that wait for their sink: whole lines only, and a count of those for which there was no room. */
#ifndef CULVERT_BASE_LOG_RING_H
#define CULVERT_BASE_LOG_RING_H

#include "base/syslog.h"

/* Invariants: from < cap, used <= cap. */
struct log_ring {
    char *bytes;
    uint32_t cap;
    uint32_t from; /* where the oldest byte stands */
    uint32_t used;
    uint32_t lost;                 /* lines, ever */
    uint32_t told;                 /* of `lost`, what report lines tell, those that wait, too; */
    uint32_t heard;                /* and what those told that the sink has */
    uint32_t report;               /* bytes up to the end of the last report that waits; 0: none does */
    bool cut;                      /* what the sink has ends within a line */
    bool torn;                     /* and the rest of that line is lost: a newline has to come first */
    struct syslog_settings syslog; /* what stands before each line */
    struct text host;              /* and what it says of this box */
    uint32_t process;
};

/* What goes before a line of log_ring_add. */
struct log_mark {
    enum syslog_severity severity;
    struct text msgid;
};

/* Appends a line (without newline), with its head and, before it, the report "log: N lines lost" that is due. False:
   no room, it is lost and counted. */
bool log_ring_add(struct log_ring *ring, const struct log_mark *mark, struct text line);

/* The oldest bytes, as many as stand behind one another. Empty: none wait. */
struct text log_ring_bytes(const struct log_ring *ring);
/* The oldest line, without its newline, cut at cap bytes (all of a line, when `storage` holds one with its head). It
   stands in the ring or is copied to `storage`. There must be one. */
struct text log_ring_line(const struct log_ring *ring, char *storage, size_t cap);

/* The sink took the oldest n bytes. A report that is due goes in. */
void log_ring_taken(struct log_ring *ring, size_t n);
/* Its oldest line (of which nothing was taken) is lost: counted. */
void log_ring_drop_line(struct log_ring *ring);
/* All that waits is lost: counted. What a report among it told is told again. */
void log_ring_drop(struct log_ring *ring);
/* A line that the sink took was lost behind it. */
void log_ring_lost(struct log_ring *ring);
/* A new sink, which has nothing: what it gets begins with a line. The rest of one that the old sink has a part of is
   dropped. */
void log_ring_begin(struct log_ring *ring);

#endif
