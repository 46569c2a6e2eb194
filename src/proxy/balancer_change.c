/* Balancers and reloads: one that follows another, and those that no configuration has any more. */
#include "base/log.h"
#include "proxy/exchange.h"

static struct list left = LIST_INIT(left);

/* What an exchange keeps at a member of the new balancer: which members failed it is forgotten, since their numbers are
   others. */
static void carry_on(struct exchange *ex, struct member *member)
{
    struct balanced *balanced = &ex->balanced;

    list_remove(&balanced->node);
    list_push_back(&member->carried, &balanced->node);
    member->busy++;
    balanced->member->busy--;
    balanced->member = member;
    balanced->tried = 0;
    if (ex->route == NULL || balancer_room(member->balancer, ex) > balanced->room.len)
        balanced->room = (struct span){0, 0};
}

static void follow(struct member *member, struct member *before)
{
    member->state = before->state;
    member->since = before->since;
    member->due = before->due;
    member->ramps = before->ramps;
    member->score = before->score;
    member->row = before->row;
    member->ejections = before->ejections;
    member->reachable = before->reachable;
    if (member->check.state == CHECK_IDLE && before->check.state == CHECK_IDLE) {
        member->check.row = before->check.row;
        member->check.due = before->check.due;
    }
    LIST_EACH_SAFE (node, &before->carried)
        carry_on(container_of(node, struct exchange, balanced.node), member);
}

void balancer_follow(struct balancer *balancer, struct balancer *before)
{
    for (unsigned i = 0; i < balancer->count; i++)
        for (unsigned k = 0; k < before->count; k++)
            if (balancer->members[i].backend == before->members[k].backend)
                follow(&balancer->members[i], &before->members[k]);
}

/* ---- those that left ---- */

static bool is_idle(const struct balancer *balancer)
{
    for (unsigned i = 0; i < balancer->count; i++)
        if (balancer->members[i].busy > 0)
            return false;
    return true;
}

static void let_go(struct balancer *balancer)
{
    for (unsigned i = 0; i < balancer->count; i++)
        backend_release(balancer->members[i].backend);
    list_remove(&balancer->left_node);
    balancer_give(balancer);
}

static void on_gone(struct task *task)
{
    struct balancer *balancer = container_of(task, struct balancer, gone);

    if (is_idle(balancer)) /* an exchange may only have gone from one member to another */
        let_go(balancer);
}

void balancer_drop(struct balancer *balancer)
{
    for (unsigned i = 0; i < balancer->count; i++)
        backend_hold(balancer->members[i].backend); /* its exchanges may still move there */
    balancer->left = true;
    list_init(&balancer->left_node);
    list_push_back(&left, &balancer->left_node);
    task_init(&balancer->gone, TASK_FRONT, on_gone);
    balancer_drop_step(balancer);
}

void balancer_drop_step(struct balancer *balancer)
{
    if (balancer->left && is_idle(balancer))
        loop_reclaim(&balancer->gone);
}

static void forget(struct balancer *balancer)
{
    for (unsigned i = 0; i < balancer->count; i++) {
        struct list *node;

        while ((node = list_pop_front(&balancer->members[i].carried)) != NULL)
            container_of(node, struct exchange, balanced.node)->balanced.member = NULL;
    }
    loop_unmark(&balancer->gone);
    let_go(balancer);
}

void balancer_forget_dropped(void)
{
    while (!list_empty(&left))
        forget(container_of(left.next, struct balancer, left_node));
}
