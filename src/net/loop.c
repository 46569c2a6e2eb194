/* The loop: one pass after another over what is ready, what is due and what is marked. */
#include "net/loop.h"

#include "base/timer.h"
#include "net/log_drain.h"

/* Events of one pass; the port keeps the others for the next. */
#define LOOP_EVENTS                                                                                                    \
    (CONFIG_CLIENTS + CONFIG_BACKEND_CONNS + CONFIG_LISTENERS < 256                                                    \
         ? CONFIG_CLIENTS + CONFIG_BACKEND_CONNS + CONFIG_LISTENERS                                                    \
         : 256)

static struct port_event events[LOOP_EVENTS];
static struct list marked[TASK_RANKS] = {LIST_INIT(marked[TASK_FRONT]), LIST_INIT(marked[TASK_BACK])};
static struct list reclaimed = LIST_INIT(reclaimed);
static uint32_t pass_now;

void loop_init(void)
{
    for (unsigned rank = 0; rank < TASK_RANKS; rank++)
        list_init(&marked[rank]);
    list_init(&reclaimed);
    log_drain_init();
    pass_now = port_now_ms();
}

void task_init(struct task *task, enum task_rank rank, void (*run)(struct task *task))
{
    *task = (struct task){.run = run, .rank = (uint8_t)rank, .state = TASK_IDLE};
    list_init(&task->node);
}

void loop_mark(struct task *task)
{
    if (task->state != TASK_IDLE)
        return;
    task->state = TASK_MARKED;
    list_push_back(&marked[task->rank], &task->node);
}

void loop_unmark(struct task *task)
{
    task->state = TASK_IDLE;
    list_remove(&task->node);
}

void loop_reclaim(struct task *reclaim)
{
    if (reclaim->state == TASK_RECLAIMED)
        return;
    list_remove(&reclaim->node);
    reclaim->state = TASK_RECLAIMED;
    list_push_back(&reclaimed, &reclaim->node);
}

uint32_t loop_now(void)
{
    return pass_now;
}

static struct task *task_pop(struct list *list)
{
    struct list *node = list_pop_front(list);
    struct task *task;

    if (node == NULL)
        return NULL;
    task = container_of(node, struct task, node);
    task->state = TASK_IDLE;
    return task;
}

/* Serves the tasks of one rank that are marked now; what they mark of the same rank waits for the next round. */
static void loop_serve(struct list *list)
{
    struct list batch = LIST_INIT(batch);
    struct task *task;

    list_splice_back(&batch, list);
    while ((task = task_pop(&batch)) != NULL)
        task->run(task);
}

static bool loop_waits(void)
{
    bool waits = !list_empty(&reclaimed);

    for (unsigned rank = 0; rank < TASK_RANKS; rank++)
        waits = waits || !list_empty(&marked[rank]);
    return waits;
}

static void loop_run(void)
{
    for (unsigned round = 0; round < LOOP_ROUNDS; round++)
        for (unsigned rank = 0; rank < TASK_RANKS; rank++)
            loop_serve(&marked[rank]);
}

/* Each object is reclaimed once and none is made here, so this ends. */
static void loop_free(void)
{
    struct task *task;

    while ((task = task_pop(&reclaimed)) != NULL)
        task->run(task);
}

/* How long the pass may wait: the least of the caller's, the timers' and, with work left, nothing. */
static int loop_wait(int max_wait_ms)
{
    int next;

    if (loop_waits())
        return 0;
    if (log_pending() > 0)
        log_drain_pass(false); /* lines since the last pass, of what the operator asked for, have their time, too */
    next = timer_next(port_now_ms());
    if (next < 0)
        return max_wait_ms;
    return max_wait_ms < 0 || next < max_wait_ms ? next : max_wait_ms;
}

void loop_pass(int max_wait_ms)
{
    unsigned count = port_poll(loop_wait(max_wait_ms), events, LOOP_EVENTS);
    unsigned fired;

    pass_now = port_now_ms();
    for (unsigned i = 0; i < count; i++) {
        struct watch *watch = events[i].user;

        watch->ready(watch, events[i].ready);
    }
    fired = timer_expire(pass_now);
    loop_run();
    loop_free();
    log_drain_pass(count == 0 && fired == 0);
}
