/* Priorities of responses (RFC 9218): how urgent one is, and whether a part of it is of use. */
#ifndef CULVERT_HTTP_PRIORITY_H
#define CULVERT_HTTP_PRIORITY_H

#include "http/head.h"

#define PRIORITY_URGENCIES 8

struct priority {
    uint8_t urgency;  /* 0: first, 7: last */
    bool incremental; /* responses of the same urgency may share the connection */
};

/* Without a word on it (RFC 9218 4). */
#define PRIORITY_DEFAULT ((struct priority){3, false})

/* Takes what a Priority field's value says; what it does not say, or says in another form than RFC 9218 4's, stays as
   it is. So a response's field can be laid over its request's (RFC 9218 8). */
void priority_update(struct priority *priority, struct text value);

/* The same with all Priority fields of a section, in their order. False: there is none. */
bool priority_read(struct priority *priority, struct head *head, const struct section *section);

#endif
