/* The fair queue of a backend. */
#include "proxy/backend_queue.h"

void backend_queue_init(struct backend_queue *queue)
{
    list_init(&queue->turns);
    queue->length = 0;
}

void backend_wait_init(struct backend_wait *wait, struct list *client)
{
    list_init(&wait->node);
    list_init(&wait->behind);
    list_init(&wait->turn);
    wait->client = client;
    wait->queue = NULL;
    wait->leads = false;
}

static struct backend_wait *of_node(struct list *node)
{
    return container_of(node, struct backend_wait, node);
}

/* The one of the same client that leads in this queue, or NULL. */
static struct backend_wait *find_leader(const struct backend_queue *queue, const struct backend_wait *wait)
{
    if (!wait->client)
        return NULL;
    LIST_EACH (node, wait->client) {
        struct backend_wait *leader = container_of(node, struct backend_wait, turn);

        if (leader->queue == queue)
            return leader;
    }
    return NULL;
}

static void enter(struct backend_queue *queue, struct backend_wait *wait)
{
    wait->queue = queue;
    queue->length++;
}

/* It leads its client; its node is placed by the caller. */
static void lead(struct backend_wait *wait)
{
    wait->leads = true;
    if (wait->client)
        list_push_back(wait->client, &wait->turn);
}

static void stop_leading(struct backend_wait *wait)
{
    wait->leads = false;
    list_remove(&wait->turn);
}

void backend_queue_push(struct backend_queue *queue, struct backend_wait *wait)
{
    struct backend_wait *leader = find_leader(queue, wait);

    enter(queue, wait);
    if (leader) {
        list_push_back(&leader->behind, &wait->node);
        return;
    }
    lead(wait);
    list_push_back(&queue->turns, &wait->node);
}

void backend_queue_push_first(struct backend_queue *queue, struct backend_wait *wait)
{
    struct backend_wait *leader = find_leader(queue, wait);

    enter(queue, wait);
    if (leader) {
        stop_leading(leader);
        list_remove(&leader->node);
        list_splice_back(&wait->behind, &leader->behind);
        list_push_front(&wait->behind, &leader->node);
    }
    lead(wait);
    list_push_front(&queue->turns, &wait->node);
}

struct backend_wait *backend_queue_first(const struct backend_queue *queue)
{
    return list_empty(&queue->turns) ? NULL : of_node(queue->turns.next);
}

/* The leader goes; the next of its client, if any, stands right behind the node `after`. */
static void hand_over(struct backend_wait *wait, struct list *after)
{
    struct list *node = list_pop_front(&wait->behind);
    struct backend_wait *next;

    stop_leading(wait);
    if (node) {
        next = of_node(node);
        list_splice_back(&next->behind, &wait->behind);
        lead(next);
        list_push_front(after, &next->node);
    }
}

static void leave(struct backend_wait *wait)
{
    list_remove(&wait->node);
    wait->queue->length--;
    wait->queue = NULL;
}

void backend_queue_served(struct backend_wait *wait)
{
    if (wait->leads)
        hand_over(wait, wait->queue->turns.prev);
    leave(wait);
}

void backend_queue_leave(struct backend_wait *wait)
{
    if (!wait->queue)
        return;
    if (wait->leads)
        hand_over(wait, &wait->node);
    leave(wait);
}
