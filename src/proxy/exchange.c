/* The exchange: its life from the first byte of a request to its log line. */
#include "proxy/exchange.h"

#include "base/log.h"
#include "base/panic.h"
#include "base/pool.h"
#include "proxy/access_log.h"

#include <string.h>

POOL(exchange, struct exchange, CONFIG_EXCHANGES);

static exchange_answer_fn *answer_locally;
static void (*tell_freed)(void);
static bool draining;

void exchange_set_draining(bool on)
{
    draining = on;
}

bool exchange_is_draining(void)
{
    return draining;
}

void exchange_use_answer(exchange_answer_fn *answer)
{
    answer_locally = answer;
}

uint32_t exchange_count(void)
{
    return exchange_pool.used;
}

uint32_t exchange_left(void)
{
    return exchange_pool.count - exchange_pool.used;
}

void exchange_use_freed(void (*freed)(void))
{
    tell_freed = freed;
}

void exchange_tell_freed(void)
{
    if (tell_freed)
        tell_freed();
}

/* ---- opening and ending ---- */

static void exchange_on_reclaim(struct task *task)
{
    struct exchange *ex = container_of(task, struct exchange, reclaim);

    exchange_close_upload(ex);
    pipe_close(&ex->response.pipe);
    exchange_release_large(&ex->request);
    exchange_release_large(&ex->response);
    pool_give(&exchange_pool, ex);
    exchange_tell_freed();
}

static void side_init(struct side *side, const struct side_ops *ops, void *self)
{
    memset(side, 0, sizeof(*side));
    list_init(&side->node);
    list_init(&side->dirty);
    side->ops = ops;
    side->self = self;
}

/* Leaves all lists; who drains or fills the other pipe is no longer told. */
static void side_leave(struct side *side)
{
    list_remove(&side->node);
    list_remove(&side->dirty);
    side->ops = NULL;
    side->self = NULL;
}

static void message_init(struct message *m, char *text, size_t cap, uint32_t head_most)
{
    m->state = MESSAGE_HEAD;
    m->has_length = false;
    m->length = 0;
    m->received = 0;
    m->passed = 0;
    m->trailers = NULL;
    m->ready = 0;
    m->ready_fields = 0;
    m->ready_used = 0;
    memset(&m->pipe, 0, sizeof(m->pipe));
    m->head_most = head_most;
    m->large = NULL;
    head_init(&m->head, text, cap);
}

/* Sets all that belongs to one request; the front, the client's address and the pools' membership stay. */
static void exchange_start(struct exchange *ex)
{
    message_init(&ex->request, ex->request_text, sizeof(ex->request_text), REQUEST_HEAD_MOST);
    message_init(&ex->response, ex->response_text, sizeof(ex->response_text), RESPONSE_HEAD_MOST);
    pipe_open(&ex->response.pipe, CONFIG_RESPONSE_WINDOW);
    side_init(&ex->back, NULL, NULL);
    ex->state = EXCHANGE_READING;
    ex->site = NULL;
    list_init(&ex->site_node);
    ex->route = NULL;
    ex->matched = 0;
    balanced_init(&ex->balanced);
    ex->internal = false;
    ex->proto = PROTO_HTTP11;
    ex->body_limit = 0;
    ex->tunnel = false;
    ex->tunnel_key = (struct span){0, 0};
    ex->client_authority = (struct span){0, 0};
    ex->client_method = (struct span){0, 0};
    ex->client_path = (struct span){0, 0};
    ex->begun = false;
    ex->late = false;
    ex->started = loop_now();
    ex->status = 0;
    ex->back_status = 0;
    ex->back_port = 0;
    ex->back_stream = 0;
    ex->back_reused = false;
    ex->backend = NULL;
    ex->retries = 0;
    ex->retry_cause = CAUSE_NONE;
    ex->cause = CAUSE_NONE;
    ex->cause_state = EXCHANGE_READING;
    ex->word = NULL;
    access_note_start(ex);
    exchange_init_timers(ex);
    ex->interims = 0;
    backend_wait_init(&ex->wait, NULL);
}

struct exchange *exchange_open(const struct side_ops *front, void *self, const struct conn *conn,
                               const struct port_addr *client, const struct port_addr *local)
{
    struct exchange *ex = pool_take(&exchange_pool);

    if (!ex)
        return NULL;
    side_init(&ex->front, front, self);
    ex->conn = conn;
    ex->client = *client;
    ex->local = *local;
    task_init(&ex->reclaim, TASK_FRONT, exchange_on_reclaim);
    exchange_start(ex);
    return ex;
}

void exchange_use_backend(struct exchange *ex, struct backend *backend)
{
    struct backend *before = ex->backend;

    ex->backend = backend;
    if (backend)
        backend_hold(backend);
    if (before)
        backend_release(before);
}

bool exchange_is_waiting(struct exchange *ex)
{
    if (ex->state != EXCHANGE_QUEUED && ex->state != EXCHANGE_CONNECTING)
        return false;
    if (ex->backend)
        ex->state = backend_is_up(ex->backend) ? EXCHANGE_QUEUED : EXCHANGE_CONNECTING;
    return true;
}

void exchange_set_cause(struct exchange *ex, enum cause cause)
{
    if (ex->cause != CAUSE_NONE || cause == CAUSE_NONE)
        return;
    (void)exchange_is_waiting(ex);
    ex->cause = cause;
    ex->cause_state = ex->state;
}

/* Takes the back off, which forgets the exchange and tells its peer. */
static void drop_back(struct exchange *ex, enum cause cause)
{
    const struct side_ops *ops = ex->back.ops;

    backend_withdraw(ex);
    timer_cancel(&ex->timer);
    timer_cancel(&ex->first);
    if (ops)
        ops->abort(ex, cause);
    side_leave(&ex->back);
}

/* Logs, and lets go of everything but the front. */
static void exchange_finish(struct exchange *ex)
{
    drop_back(ex, ex->cause);
    timer_cancel(&ex->whole);
    balancer_leave(ex);
    if (!ex->internal) {
        cause_note(ex->cause);
        access_log_write(ex);
    }
    exchange_drop_site(ex);
    exchange_use_backend(ex, NULL);
    ex->state = EXCHANGE_DONE;
}

static void exchange_end(struct exchange *ex)
{
    exchange_finish(ex);
    side_leave(&ex->front);
    loop_reclaim(&ex->reclaim);
}

void exchange_delivered(struct exchange *ex)
{
    if (ex->back.ops && exchange_is_tunnel(ex) && ex->request.state == MESSAGE_END) {
        side_leave(&ex->front);
        ex->conn = NULL;
        return;
    }
    exchange_end(ex);
}

void exchange_renew(struct exchange *ex, size_t rest_at, size_t rest_len)
{
    exchange_finish(ex);
    exchange_close_upload(ex);
    pipe_close(&ex->response.pipe);
    if (rest_len > sizeof(ex->request_text))
        panic("exchange", "more came behind a request than is read at once");
    memmove(ex->request_text, ex->request.head.text + rest_at, rest_len);
    exchange_release_large(&ex->request);
    exchange_release_large(&ex->response);
    exchange_start(ex);
}

void exchange_discard(struct exchange *ex)
{
    ex->state = EXCHANGE_DONE;
    side_leave(&ex->front);
    loop_reclaim(&ex->reclaim);
}

void exchange_front_gone(struct exchange *ex, enum cause cause)
{
    exchange_set_cause(ex, cause);
    exchange_end(ex);
}

/* ---- failing ---- */

void exchange_cut(struct exchange *ex)
{
    const struct side_ops *front = ex->front.ops;

    if (front)
        front->abort(ex, ex->cause);
    exchange_end(ex);
}

/* When one that was turned away may come again. */
static unsigned retry_after_s(const struct exchange *ex)
{
    return ex->backend && !ex->balanced.member ? backend_retry_after_s(ex->backend) : balancer_retry_after(ex);
}

/* The exchange has no back and its response is not complete: answers, or cuts the front. */
static void answer_or_cut(struct exchange *ex, unsigned status, const char *word)
{
    timer_cancel(&ex->whole);
    if (!ex->begun && status != 0) {
        bool down = status == 503 && ex->cause != CAUSE_DRAINING;

        exchange_take_back(ex);
        ex->state = EXCHANGE_ANSWERED;
        answer_locally(ex, status, word, down ? retry_after_s(ex) : 0);
        return;
    }
    exchange_cut(ex);
}

/* The exchange has no back (any more): ends it. */
static void fail(struct exchange *ex, enum cause cause)
{
    const struct cause_info *info = cause_info(cause);

    exchange_set_cause(ex, cause);
    if (ex->backend)
        log_info("exchange", "%.*s: %s", TEXT_ARG(ex->backend->settings.name), info->word);
    answer_or_cut(ex, info->status, info->word);
}

void exchange_fail(struct exchange *ex, enum cause cause)
{
    bool waited = exchange_is_waiting(ex);

    drop_back(ex, cause);
    if (!waited)
        balancer_failed(ex, cause);
    else if ((cause = balancer_move(ex, cause)) == CAUSE_NONE)
        return;
    fail(ex, cause);
}

void exchange_refuse(struct exchange *ex, enum cause cause, unsigned status, const char *word)
{
    drop_back(ex, cause);
    exchange_set_cause(ex, cause);
    ex->word = word;
    answer_or_cut(ex, status, word);
}

bool exchange_wants_body(const struct exchange *ex)
{
    return ex->request.state == MESSAGE_BODY &&
           (ex->back.ops || ex->state == EXCHANGE_QUEUED || ex->state == EXCHANGE_CONNECTING);
}

bool exchange_is_tunnel(const struct exchange *ex)
{
    return IS_ENABLED(CONFIG_WEBSOCKET) && ex->tunnel && ex->state == EXCHANGE_BODY && ex->back_status < 300;
}

bool exchange_is_whole(const struct exchange *ex)
{
    return ex->request.passed == 0 && ex->response.ready == 0 && ex->status == 0;
}

/* Whether an exchange that was provably not processed can be sent again. */
static bool may_retry(const struct exchange *ex)
{
    const char *why = NULL;

    if (!exchange_is_whole(ex))
        why = "a part of it has left";
    else if (ex->retries - ex->balanced.moves >= ex->backend->settings.retries)
        why = "that was its last try";
    else if (draining)
        why = "the proxy shuts down";
    if (why)
        log_info("exchange", "%.*s: not sent again: %s", TEXT_ARG(ex->backend->settings.name), why);
    return !why;
}

/* The backend did nothing with the request: it goes to the same backend once more, or to another member of its
   balancer; there at once when this one says that it is full. CAUSE_NONE: done; else what it fails with. */
static enum cause submit_again(struct exchange *ex, enum cause failed)
{
    if (failed == CAUSE_BACKEND_REFUSED && balancer_move(ex, failed) == CAUSE_NONE)
        return CAUSE_NONE;
    if (!may_retry(ex))
        return balancer_move(ex, failed);
    ex->retries++;
    ex->retry_cause = failed;
    backend_submit_again(ex->backend, ex);
    return CAUSE_NONE;
}

void exchange_back_gone(struct exchange *ex, enum cause failed, bool unprocessed)
{
    side_leave(&ex->back);
    if (failed == CAUSE_NONE) { /* the timer stays: the client must take the response in time */
        if (ex->front.ops)
            ex->front.ops->data(ex); /* nobody takes the rest of its request */
        else
            exchange_end(ex);
        return;
    }
    timer_cancel(&ex->timer);
    timer_cancel(&ex->first);
    if (!unprocessed) {
        balancer_failed(ex, failed);
    } else {
        exchange_drop_section(ex);
        side_init(&ex->back, NULL, NULL);
        failed = submit_again(ex, failed);
    }
    if (failed != CAUSE_NONE)
        fail(ex, failed);
}
