/* Backend connections: their life, their writes, and what exchanges ask of them. */
#include "side/h2_back.h"

#include "base/log.h"
#include "base/pool.h"
#include "net/tls.h"
#include "side/h2_back_conn.h"

#include <string.h>

POOL(h2_back, struct h2_back, CONFIG_BACKEND_CONNS);

/* The most reads from a connection on which nothing can be written any more: a backend that goes on sends no end of
   it. */
#define LAST_READS 64

static void h2_back_on_ready(struct watch *watch, unsigned ready);
static void h2_back_on_run(struct task *task);
static void h2_back_on_reclaim(struct task *task);

/* Index of a connection, for diagnostics. */
static unsigned id_of(const struct h2_back *back)
{
    return (unsigned)pool_index(&h2_back_pool, back);
}

/* ---- opening ---- */

static enum cause connect_cause(enum port_fault fault)
{
    switch (fault) {
    case PORT_FAULT_REFUSED:
    case PORT_FAULT_RESET: return CAUSE_CONNECT_REFUSED;
    case PORT_FAULT_TIMEOUT: return CAUSE_CONNECT_TIMEOUT;
    case PORT_FAULT_LIMIT: return CAUSE_NO_ROOM;
    default: return CAUSE_CONNECT_FAILED;
    }
}

static struct backend_conn *h2_back_connect(struct backend *backend, const struct port_addr *addr, enum cause *cause)
{
    struct h2_back *back = pool_take(&h2_back_pool);
    port_handle handle;
    enum port_result result;

    *cause = CAUSE_NO_ROOM;
    if (!back)
        return NULL;
    result = port_connect(addr, &handle);
    if (result == PORT_ERROR) {
        *cause = connect_cause(port_error());
        pool_give(&h2_back_pool, back);
        return NULL;
    }
    memset(back, 0, sizeof(*back));
    list_init(&back->base.node);
    list_init(&back->streams);
    list_init(&back->news);
    back->base.backend = backend;
    back->base.state = BACKEND_CONNECTING;
    task_init(&back->task, TASK_BACK, h2_back_on_run);
    task_init(&back->reclaim, TASK_BACK, h2_back_on_reclaim);
    timer_init(&back->timer, h2_back_on_timer);
    back->batch = 1;
    back->wait = H2_WAIT_NOTHING;
    h2_back_await(back, H2_WAIT_CONNECT);
    conn_open(&back->conn, handle, h2_back_on_ready);
    conn_interest(&back->conn, PORT_WRITABLE);
    return &back->base;
}

/* The socket is connected: our preface and SETTINGS go out with the first requests. */
static bool h2_back_start(struct h2_back *back)
{
    if (!h2_session_open_client(&back->h2, h2_back_callbacks, back) || !h2_back_submit_settings(back->h2.ng))
        return false;
    /* At least one stream, so that a backend which once allowed none is asked again. */
    back->base.limit = (uint32_t)max_size(
        1, min_size(min_size(CONFIG_EARLY_STREAMS, CONFIG_BACKEND_STREAMS), back->base.backend->known_limit));
    back->base.local_port = conn_local_port(&back->conn);
    back->base.head_most = UINT32_MAX;
    back->base.heard = loop_now();
    conn_interest(&back->conn, PORT_READABLE);
    log_debug("h2_back", "#%u: connected from port %u", id_of(back), back->base.local_port);
    backend_conn_opened(&back->base);
    loop_mark(&back->task);
    return true;
}

/* ---- closing ---- */

static void h2_back_on_reclaim(struct task *task)
{
    pool_give(&h2_back_pool, container_of(task, struct h2_back, reclaim));
}

/* Takes the first stream's exchange off the connection, and tells it. */
static void lose_stream(struct h2_back *back, enum cause cause)
{
    struct exchange *ex = container_of(back->streams.next, struct exchange, back.node);
    bool written = ex->back.batch != 0 && !(back->write_failed && ex->back.batch == back->batch);

    list_remove(&ex->back.node);
    list_remove(&ex->back.dirty);
    exchange_back_gone(ex, ex->response.state == MESSAGE_END ? CAUSE_NONE : cause, !written);
}

void h2_back_lose(struct h2_back *back, enum cause cause)
{
    if (back->base.state == BACKEND_CLOSED)
        return;
    log_debug("h2_back", "#%u: closed: %s, %u streams", id_of(back), cause_info(cause)->word, back->base.streams);
    conn_close(&back->conn, false);
    timer_cancel(&back->timer);
    loop_unmark(&back->task);
    backend_conn_closed(&back->base, cause);
    while (!list_empty(&back->streams))
        lose_stream(back, cause);
    h2_session_close(&back->h2);
    loop_reclaim(&back->reclaim);
}

static void h2_back_retire(struct backend_conn *conn, bool now)
{
    struct h2_back *back = container_of(conn, struct h2_back, base);

    if (now || conn->state == BACKEND_CONNECTING) {
        h2_back_lose(back, CAUSE_STOPPED);
        return;
    }
    backend_conn_closing(conn);
    loop_mark(&back->task);
}

/* An idle connection that may not live on says goodbye. */
static void close_gracefully(struct h2_back *back)
{
    if (!back->goodbye) {
        back->goodbye = true;
        (void)nghttp2_session_terminate_session(back->h2.ng,
                                                back->settings_late ? NGHTTP2_SETTINGS_TIMEOUT : NGHTTP2_NO_ERROR);
    }
}

/* ---- events ---- */

static void on_tls_done(struct conn *conn, enum tls_end end)
{
    static const enum cause causes[] = {
        [TLS_FAILED] = CAUSE_TLS_FAILED, [TLS_UNTRUSTED] = CAUSE_TLS_UNTRUSTED, [TLS_NO_ALPN_H2] = CAUSE_TLS_NO_H2};
    struct h2_back *back = container_of(conn, struct h2_back, conn);

    if (end != TLS_DONE) {
        log_warn("h2_back", "%.*s: TLS: %s", TEXT_ARG(back->base.backend->settings.name), tls_reason(conn));
        h2_back_lose(back, causes[end]);
    } else if (!h2_back_start(back)) {
        h2_back_lose(back, CAUSE_NO_ROOM);
    }
}

/* The socket is connected: hands are shaken, in the same time that the connect had. */
static bool start_tls(struct h2_back *back)
{
    const struct backend *backend = back->base.backend;

    h2_back_await(back, H2_WAIT_TLS);
    return tls_connect(&back->conn, backend->settings.host, backend_number(backend), on_tls_done);
}

static void on_connect(struct h2_back *back)
{
    enum port_result result = port_connect_result(back->conn.handle);

    if (result == PORT_AGAIN)
        return;
    if (result != PORT_OK)
        h2_back_lose(back, connect_cause(port_error()));
    else if (!(back->base.backend->settings.tls ? start_tls(back) : h2_back_start(back)))
        h2_back_lose(back, CAUSE_NO_ROOM);
}

/* Why the socket is dead. */
static enum cause lost_cause(enum port_result result)
{
    return result == PORT_ERROR && port_error() == PORT_FAULT_TIMEOUT ? CAUSE_BACKEND_SILENT : CAUSE_BACKEND_CLOSED;
}

static void on_readable(struct h2_back *back)
{
    size_t n;
    enum port_result result = conn_read(&back->conn, conn_input(), CONFIG_INPUT_SIZE, &n);

    if (result == PORT_AGAIN)
        return;
    if (result != PORT_OK) {
        h2_back_lose(back, lost_cause(result));
        return;
    }
    h2_back_heard(back);
    if (!h2_back_feed(back, conn_input(), n)) {
        h2_back_lose(back, h2_session_lacked_memory(&back->h2) ? CAUSE_NO_ROOM : CAUSE_BACKEND_PROTOCOL);
        return;
    }
    loop_mark(&back->task);
}

/* A write failed. What the backend said before it closed is still in the socket: answers, and GOAWAY, which tells what
   it did not process. */
static void read_last(struct h2_back *back)
{
    size_t n;

    back->write_failed = true;
    backend_conn_closing(&back->base);
    for (unsigned i = 0; i < LAST_READS; i++)
        if (conn_read(&back->conn, conn_input(), CONFIG_INPUT_SIZE, &n) != PORT_OK ||
            !h2_back_feed(back, conn_input(), n))
            return;
}

static void h2_back_on_ready(struct watch *watch, unsigned ready)
{
    struct h2_back *back = container_of(watch, struct h2_back, conn.watch);

    if (back->base.state == BACKEND_CONNECTING) {
        on_connect(back);
        return;
    }
    if (ready & PORT_ENDED)
        backend_conn_closing(&back->base); /* nothing new is written to it, though answers may still be to be read */
    if (ready & (PORT_READABLE | PORT_BROKEN))
        on_readable(back);
    if ((ready & PORT_WRITABLE) && back->base.state != BACKEND_CLOSED) {
        if (back->wait == H2_WAIT_WRITE)
            back->wait = H2_WAIT_NOTHING; /* it takes bytes again: its time starts anew */
        loop_mark(&back->task);
    }
}

/* ---- the run ---- */

/* Exchanges with news: bytes for a waiting stream, or room for more from the backend; as many as its memory bears
   before a write. False: no memory. */
static bool serve_news(struct h2_back *back)
{
    while (!list_empty(&back->news) && h2_session_takes_news(&back->h2)) {
        struct exchange *ex = container_of(list_pop_front(&back->news), struct exchange, back.dirty);

        if ((ex->request.pipe.size > ex->back.claimed || ex->request.state == MESSAGE_END) &&
            !h2_io_resume(back->h2.ng, &ex->back))
            return false;
        if (!h2_io_grant(back->h2.ng, h2_back_stream(ex)))
            return false;
    }
    return true;
}

/* A closing connection without streams says goodbye. */
static void check_goodbye(struct h2_back *back)
{
    if (back->base.state == BACKEND_CLOSING && back->base.streams == 0)
        close_gracefully(back);
}

static void h2_back_on_run(struct task *task)
{
    struct h2_back *back = container_of(task, struct h2_back, task);
    enum port_result result;
    bool more;

    if (back->base.state == BACKEND_CLOSED)
        return;
    check_goodbye(back);
    if (back->failed || !serve_news(back)) {
        h2_back_lose(back, CAUSE_NO_ROOM);
        return;
    }
    result = h2_io_write(&back->h2, &back->conn, &back->batch, &more);
    if (result == PORT_ERROR) {
        enum cause cause = lost_cause(result);

        read_last(back);
        h2_back_lose(back, cause);
        return;
    }
    if (h2_session_over(&back->h2)) {
        h2_back_lose(back, back->goaway ? CAUSE_BACKEND_GOAWAY : CAUSE_BACKEND_PROTOCOL);
        return;
    }
    h2_back_await_next(back, result == PORT_AGAIN);
    conn_interest(&back->conn, PORT_READABLE | (result == PORT_AGAIN ? PORT_WRITABLE : 0U));
    if (result == PORT_OK && (back->pending > 0 || back->starved)) {
        back->pending = 0;
        back->starved = false;
        backend_conn_freed(&back->base);
    }
    if (more || (result == PORT_OK && !list_empty(&back->news)))
        loop_mark(&back->task);
}

/* ---- what exchanges ask ---- */

static struct h2_back *back_of(struct exchange *ex)
{
    return ex->back.self;
}

/* Puts an exchange on the list of those with news. */
static void note_news(struct exchange *ex)
{
    struct h2_back *back = back_of(ex);

    if (!list_linked(&ex->back.dirty))
        list_push_back(&back->news, &ex->back.dirty);
    loop_mark(&back->task);
}

static void op_head(struct exchange *ex)
{
    (void)ex; /* the request head came with open_stream */
}

static void op_data(struct exchange *ex)
{
    if (ex->back.deferred)
        note_news(ex);
}

static void op_space(struct exchange *ex, size_t n)
{
    (void)n;
    if (h2_io_space(h2_back_stream(ex)))
        note_news(ex);
}

/* The exchange ends before its stream: CANCEL. After a whole response only the rest of the request is unwanted:
   NO_ERROR is the server's word (RFC 9113 8.1), so that is CANCEL, too. */
static void op_abort(struct exchange *ex, enum cause cause)
{
    struct h2_back *back = back_of(ex);
    uint32_t code = cause == CAUSE_BACKEND_PROTOCOL ? NGHTTP2_PROTOCOL_ERROR : NGHTTP2_CANCEL;

    /* Not a word for as long as an answer may take: is anybody there? */
    if (cause == CAUSE_BACKEND_TIMEOUT && loop_now() - back->base.heard >= back->base.backend->settings.timeout_ms)
        h2_back_probe(back);
    /* Attack: header blocks that do not end, within which no other stream can get a word in (RFC 9113 4.3). */
    if (cause_info(cause)->status == 504 && back->block != 0)
        backend_conn_closing(&back->base);
    list_remove(&ex->back.node);
    list_remove(&ex->back.dirty);
    (void)nghttp2_session_set_stream_user_data(back->h2.ng, ex->back.stream_id, NULL);
    if (nghttp2_submit_rst_stream(back->h2.ng, NGHTTP2_FLAG_NONE, ex->back.stream_id, code) != 0)
        back->failed = true;
    loop_mark(&back->task);
}

static const struct side_ops exchange_ops = {op_head, op_data, op_space, op_abort};

static bool h2_back_open_stream(struct backend_conn *conn, struct exchange *ex)
{
    struct h2_back *back = container_of(conn, struct h2_back, base);
    size_t bytes = ex->request.head.used;

    if (back->pending > 0 && back->pending + bytes > H2_PENDING_MOST)
        return false;
    if ((back->pending > 0 || conn->streams > 0) &&
        !h2_session_has_room(&back->h2, conn->streams, h2_session_request_fields(&ex->request.head), bytes)) {
        back->starved = true; /* it waits until a write frees memory, or a stream ends */
        return false;
    }
    if (!h2_back_submit(back, ex))
        return false;
    back->pending += (uint32_t)bytes;
    ex->back.ops = &exchange_ops;
    ex->back.self = back;
    list_push_back(&back->streams, &ex->back.node);
    loop_mark(&back->task);
    return true;
}

static void h2_back_check(struct backend_conn *conn)
{
    h2_back_probe(container_of(conn, struct h2_back, base));
}

static void h2_back_ping(struct backend_conn *conn)
{
    struct h2_back *back = container_of(conn, struct h2_back, base);

    if (nghttp2_submit_ping(back->h2.ng, NGHTTP2_FLAG_NONE, h2_back_pulse) != 0)
        back->failed = true;
    loop_mark(&back->task);
}

const struct backend_ops h2_back_ops = {h2_back_connect, h2_back_open_stream, h2_back_retire, h2_back_check,
                                        h2_back_ping};

bool h2_back_init(void)
{
    h2_back_wait_init();
    return h2_back_callbacks_init();
}

void h2_back_exit(void)
{
    h2_back_wait_exit();
}
