/* An intrusive, doubly linked, circular list. A node that is on no list points to itself. */
#ifndef CULVERT_BASE_LIST_H
#define CULVERT_BASE_LIST_H

#include "compiler.h"

struct list {
    struct list *next;
    struct list *prev;
};

#define LIST_INIT(name)                                                                                                \
    {                                                                                                                  \
        &(name), &(name)                                                                                               \
    }

static inline void list_init(struct list *l)
{
    l->next = l;
    l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}

/* Whether a node (initialised) is on some list. */
static inline bool list_linked(const struct list *node)
{
    return node->next != node;
}

static inline void list_push_back(struct list *l, struct list *node)
{
    node->prev = l->prev;
    node->next = l;
    l->prev->next = node;
    l->prev = node;
}

static inline void list_push_front(struct list *l, struct list *node)
{
    list_push_back(l->next, node);
}

/* Takes a node off its list; harmless for one that is on none. */
static inline void list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

/* The first node, taken off, or NULL. */
static inline struct list *list_pop_front(struct list *l)
{
    struct list *node = l->next;

    if (node == l)
        return NULL;
    list_remove(node);
    return node;
}

/* Moves all nodes of `from` to the end of `to`. */
static inline void list_splice_back(struct list *to, struct list *from)
{
    if (list_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

/* Walks a list. The body may not remove `node`. */
#define LIST_EACH(node, l) for (struct list *node = (l)->next; node != (l); node = node->next)
/* Walks a list; the body may remove `node`, but no other. */
#define LIST_EACH_SAFE(node, l)                                                                                        \
    for (struct list *node = (l)->next, *node##_next = node->next; node != (l);                                        \
         node = node##_next, node##_next = node->next)

#endif
