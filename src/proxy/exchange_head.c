/* The storage of an exchange's heads: small ones of its own, and large ones from a pool for heads that need more.
 *
 * Nobody waits for a large one: a head that needs it and finds none is refused (503). What is stored stays valid at its
 * old place when a head moves, as the exchange's own storage is not used for anything else until the next request. */
#include "base/pool.h"
#include "proxy/exchange.h"

#include <string.h>

POOL(head_large, union head_large, CONFIG_HEADS_LARGE);

bool exchange_may_grow(const struct message *m)
{
    return m->head.cap < m->head_most;
}

bool exchange_grow(struct message *m)
{
    union head_large *large = exchange_may_grow(m) ? pool_take(&head_large_pool) : NULL;

    if (!large)
        return false;
    m->large = large;
    head_move(&m->head, large->request, m->head_most);
    return true;
}

void exchange_release_large(struct message *m)
{
    if (LIKELY(m->large == NULL))
        return;
    pool_give(&head_large_pool, m->large);
    m->large = NULL;
}

void exchange_head_passed(struct exchange *ex)
{
    struct message *m = &ex->response;

    m->head.section_sent++;
    if (LIKELY(m->large == NULL) || m->head.section_sent < m->head.section_count)
        return;
    m->ready = 0;
    m->ready_fields = 0;
    m->ready_used = 0;
    exchange_release_large(m);
    head_init(&m->head, ex->response_text, sizeof(ex->response_text));
}

/* ---- rewriting ---- */

/* A head as it was, but for its text. One thread: there is one. */
static struct head saved;

static void copy_index(struct head *to, const struct head *from)
{
    memcpy(to, from, offsetof(struct head, fields) + from->field_count * sizeof(from->fields[0]));
}

/* Takes the index back to what was saved, in storage that is large now. False: there is none. */
static bool start_again(struct message *m)
{
    char *text;
    uint32_t cap;

    if (!exchange_grow(m))
        return false;
    text = m->head.text;
    cap = m->head.cap;
    copy_index(&m->head, &saved);
    m->head.text = text;
    m->head.cap = cap;
    return true;
}

bool exchange_rewrite_request(struct exchange *ex, const struct forward_context *context)
{
    struct message *m = &ex->request;
    bool again = exchange_may_grow(m);

    if (again)
        copy_index(&saved, &m->head);
    return forward_request(&m->head, context, ex->matched) ||
           (again && start_again(m) && forward_request(&m->head, context, ex->matched));
}

bool exchange_rewrite_response(struct exchange *ex, struct section *section, const struct forward_context *context)
{
    struct message *m = &ex->response;
    bool again = exchange_may_grow(m);

    if (again)
        copy_index(&saved, &m->head);
    return forward_response(&m->head, section, context, port_wall_s()) ||
           (again && start_again(m) && forward_response(&m->head, section, context, port_wall_s()));
}

void exchange_make_room(struct message *m, size_t bytes)
{
    if (m->head.cap - m->head.used < bytes)
        (void)!exchange_grow(m); /* what finds no room then says so */
}
