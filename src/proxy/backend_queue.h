/* Who waits for a stream of a backend: first come first served among clients, and clients in turn, so that one with
 * many requests does not keep another's first one waiting. All operations are O(1), but for finding a client's turn,
 * which is O(backends at which it waits).
 *
 * A client's first waiting request is its leader and stands in the queue; the others stand behind their leader. */
#ifndef CULVERT_PROXY_BACKEND_QUEUE_H
#define CULVERT_PROXY_BACKEND_QUEUE_H

#include "base/list.h"

struct backend_queue {
    struct list turns; /* of leaders (backend_wait.node): who is served next stands first */
    uint32_t length;   /* all that wait */
};

/* What waits: embedded in its owner. */
struct backend_wait {
    struct list node;            /* a leader's place in `turns`, another's in its leader's `behind` */
    struct list behind;          /* of a leader: its client's others, oldest first */
    struct list turn;            /* of a leader: on *client */
    struct list *client;         /* leaders of the same client, one for each queue; NULL: it has no other request */
    struct backend_queue *queue; /* where it waits; NULL: nowhere */
    bool leads;
};

void backend_queue_init(struct backend_queue *queue);

/* `client` (may be NULL) must be an initialised list that outlives the wait. */
void backend_wait_init(struct backend_wait *wait, struct list *client);

/* Waits as the client's last. It may not be waiting already. */
void backend_queue_push(struct backend_queue *queue, struct backend_wait *wait);
/* The same before everybody else: for one that had its turn, and lost what it got. */
void backend_queue_push_first(struct backend_queue *queue, struct backend_wait *wait);

/* Who is next, or NULL. */
struct backend_wait *backend_queue_first(const struct backend_queue *queue);

/* It got what it waited for: its client's next one comes behind all other clients. */
void backend_queue_served(struct backend_wait *wait);
/* It waits no more: its client keeps its place. Harmless when it does not wait. */
void backend_queue_leave(struct backend_wait *wait);

#endif
