/* Backends that are in no configuration any more. Exchanges that have one end there, in their own time; what waits for
 * a stream gets it, over a new connection if need be. Then the connections say goodbye, and the backend is free. */
#include "base/log.h"
#include "proxy/backend.h"

static struct list left = LIST_INIT(left);
static unsigned left_count;

static void on_gone(struct task *task)
{
    struct backend *backend = container_of(task, struct backend, gone);

    log_info("backend", "%.*s: gone", TEXT_ARG(backend->settings.name));
    list_remove(&backend->left_node);
    left_count--;
    backend_exit(backend);
    backend_give(backend);
}

void backend_drop(struct backend *backend)
{
    backend->left = true;
    left_count++;
    list_init(&backend->left_node);
    list_push_back(&left, &backend->left_node);
    task_init(&backend->gone, TASK_FRONT, on_gone);
    loop_mark(&backend->pump);
}

unsigned backend_dropped(void)
{
    return left_count;
}

void backend_hold(struct backend *backend)
{
    backend->users++;
}

void backend_release(struct backend *backend)
{
    if (--backend->users == 0 && backend->left)
        loop_mark(&backend->pump);
}

void backend_drop_step(struct backend *backend)
{
    if (!backend->left || backend->users > 0)
        return;
    if (!backend->retiring)
        backend_retire(backend, false);
    if (backend->conn_count == 0)
        loop_reclaim(&backend->gone);
}

void backend_drop_stop(void)
{
    LIST_EACH_SAFE (node, &left)
        backend_retire(container_of(node, struct backend, left_node), true);
}

void backend_drop_exit(void)
{
    LIST_EACH_SAFE (node, &left) {
        struct backend *backend = container_of(node, struct backend, left_node);

        loop_unmark(&backend->gone);
        on_gone(&backend->gone);
    }
}
