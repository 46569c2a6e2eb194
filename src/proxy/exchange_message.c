/* The two messages of an exchange on their way: the request to its backend, the response to its front, bodies both
 * ways. */
#include "http/uri.h"
#include "proxy/access_log.h"
#include "proxy/exchange.h"
#include "proxy/websocket.h"

/* Bytes that a head may get beyond what forward_* adds: the handshake of a WebSocket, a sticky cookie. */
#define ADDED_LATER 256

/* ---- the request ---- */

static struct forward_context exchange_context(const struct exchange *ex)
{
    static const struct text versions[] = {
        [PROTO_HTTP10] = TEXT_INIT("1.0"), [PROTO_HTTP11] = TEXT_INIT("1.1"), [PROTO_H2] = TEXT_INIT("2.0")};

    return (struct forward_context){
        .settings = &ex->site->forward,
        .route = ex->route,
        .member_path = ex->balanced.member ? ex->balanced.member->settings.path : TEXT(""),
        .backend_authority = ex->backend->settings.authority,
        .backend_scheme = ex->backend->settings.tls ? TEXT("https") : TEXT("http"),
        .client = ex->client,
        .local = ex->local,
        .client_authority = head_text(&ex->request.head, ex->client_authority),
        .client_version = versions[ex->proto],
        .client_tls = ex->conn && conn_is_secure(ex->conn),
        .conn = ex->conn,
    };
}

/* Counts the hop of an OPTIONS request in Max-Forwards (RFC 9110 7.6.2); what is no number stays none. False: the
   request goes no further. */
static bool count_hop(struct head *head)
{
    const struct field *f = head_find(head, &head->sections[0], FIELD_MAX_FORWARDS, NULL);
    char *first, *digit;

    if (head->method_id != METHOD_OPTIONS || !f || f->value.len == 0)
        return true;
    first = head->text + f->value.at;
    for (digit = first + f->value.len; digit-- > first; *digit = '9') {
        if (!text_is_digit(*digit))
            return true;
        if (*digit > '0') {
            --*digit;
            return true;
        }
    }
    return false;
}

/* Finds the backend that the request is for. Returns why there is none. */
static enum cause find_backend(struct exchange *ex)
{
    struct text path = head_text(&ex->request.head, ex->request.head.path);

    if (exchange_is_draining())
        return CAUSE_DRAINING;
    path = text_first(path, text_find(path, '?', 0));
    exchange_take_site(ex);
    if (!count_hop(&ex->request.head))
        return CAUSE_LAST_HOP;
    if (uri_path_climbs(path))
        return CAUSE_PATH_CLIMBS;
    ex->route = route_find(&ex->site->routes, path, &ex->matched);
    if (!ex->route)
        return CAUSE_NO_ROUTE;
    exchange_use_backend(ex, ex->route->backend);
    if (ex->route->balancer && !balancer_choose(ex)) {
        ex->state = EXCHANGE_CONNECTING; /* that is what it would do */
        return CAUSE_NO_MEMBER;
    }
    return CAUSE_NONE;
}

/* Makes the head, and the pipe of a tunnel, what the backend is to get. Returns why that is not possible. */
static enum cause prepare_request(struct exchange *ex, bool body)
{
    struct head *head = &ex->request.head;
    const struct forward_context context = exchange_context(ex);

    if (ex->proto == PROTO_HTTP11 && !body && websocket_wanted(head, &ex->tunnel_key)) {
        ex->tunnel = true;
        ex->request.state = MESSAGE_BODY; /* the tunnel's bytes; HTTP/2 tells whether some come */
        exchange_make_room(&ex->request, ADDED_LATER);
        if (!exchange_open_upload(ex))
            return CAUSE_NO_ROOM;
    }
    if (!exchange_rewrite_request(ex, &context) || (ex->tunnel && head->protocol.len == 0 && !websocket_connect(head)))
        return exchange_may_grow(&ex->request) ? CAUSE_NO_ROOM : CAUSE_HEAD_FULL;
    return CAUSE_NONE;
}

void exchange_request(struct exchange *ex, bool body, bool has_length, uint64_t length)
{
    enum cause cause;

    ex->client_authority = ex->request.head.authority;
    ex->client_method = ex->request.head.method;
    access_note_request(ex);
    ex->request.state = body ? MESSAGE_BODY : MESSAGE_END;
    ex->request.has_length = has_length;
    ex->request.length = length;
    cause = body && !exchange_open_upload(ex) ? CAUSE_NO_ROOM : find_backend(ex);
    if (cause == CAUSE_NONE)
        cause = prepare_request(ex, body);
    if (cause != CAUSE_NONE) {
        exchange_fail(ex, cause);
        return;
    }
    balancer_reserve(ex);
    backend_submit(ex->backend, ex);
}

void exchange_retarget(struct exchange *ex)
{
    struct forward_context context = exchange_context(ex);

    forward_retarget(&ex->request.head, &context, ex->client_path, ex->matched, ex->balanced.room);
}

/* ---- the response ---- */

bool exchange_bodiless(const struct exchange *ex, unsigned status)
{
    if (ex->tunnel && status == 101)
        return false;
    return ex->request.head.method_id == METHOD_HEAD || status < 200 || status == 204 || status == 304;
}

struct section *exchange_begin_section(struct exchange *ex)
{
    struct message *m = &ex->response;

    if (m->head.section_sent == m->head.section_count) { /* all passed on: head_begin starts the storage anew */
        m->ready = 0;
        m->ready_fields = 0;
        m->ready_used = 0;
    }
    return head_begin(&m->head, m->state == MESSAGE_HEAD ? SECTION_FINAL : SECTION_TRAILERS, 0);
}

void exchange_drop_section(struct exchange *ex)
{
    struct message *m = &ex->response;

    m->head.section_count = m->ready;
    m->head.field_count = m->ready_fields;
    m->head.used = m->ready_used;
}

void exchange_take_back(struct exchange *ex)
{
    struct message *m = &ex->response;
    struct head *head = &m->head;

    exchange_drop_section(ex);
    while (head->section_count > head->section_sent && head->sections[head->section_count - 1].kind != SECTION_INTERIM)
        head->field_count = head->sections[--head->section_count].first;
    if (head->section_count == 0)
        head->used = 0;
    m->ready = head->section_count;
    m->ready_fields = head->field_count;
    m->ready_used = head->used;
    pipe_consume(&m->pipe, m->pipe.size);
    m->state = MESSAGE_HEAD;
    m->has_length = false;
    m->received = 0;
    m->trailers = NULL;
    ex->status = 0;
}

/* Content-Length of a final head, checked by the back's protocol library for form and count. */
static void read_length(struct message *m, const struct section *section)
{
    const struct field *f = head_find(&m->head, section, FIELD_CONTENT_LENGTH, NULL);

    m->has_length = f && text_to_u64(field_value_of(&m->head, f), UINT64_MAX, &m->length);
}

/* Tells the front of the section that stands complete at the end of the response head. */
static void announce(struct exchange *ex, const struct section *section)
{
    struct message *m = &ex->response;

    m->ready = m->head.section_count;
    m->ready_fields = m->head.field_count;
    m->ready_used = m->head.used;
    if (section->kind == SECTION_FINAL) {
        ex->status = section->status;
        access_note_response(ex, section);
        m->state = MESSAGE_BODY;
        timer_cancel(&ex->first);
        if (ex->tunnel)
            timer_cancel(&ex->whole); /* a WebSocket lives for as long as its ends like */
        if (ex->back.ops)
            ex->state = EXCHANGE_BODY;
        exchange_drop_site(ex);
    }
    ex->front.ops->head(ex);
}

/* The backend took the tunnel: an HTTP/1.1 client is told in its own way. */
static bool accept_tunnel(struct exchange *ex, struct section *section)
{
    struct message *m = &ex->response;

    m->has_length = false;
    return ex->proto != PROTO_HTTP11 ||
           websocket_accept(&m->head, section, head_text(&ex->request.head, ex->tunnel_key));
}

bool exchange_response(struct exchange *ex, unsigned status)
{
    struct message *m = &ex->response;
    struct section *section = head_last(&m->head);
    struct forward_context context = exchange_context(ex);

    section->kind = status < 200 ? SECTION_INTERIM : SECTION_FINAL;
    section->status = (uint16_t)status;
    if (section->kind == SECTION_FINAL) {
        read_length(m, section);
        ex->back_status = (uint16_t)status;
    }
    if (!exchange_rewrite_response(ex, section, &context))
        return false;
    exchange_make_room(m, ADDED_LATER);
    if (ex->tunnel && status >= 200 && status < 300 && !accept_tunnel(ex, section))
        return false;
    if (status >= 200 && !balancer_answered(ex, status))
        return false;
    exchange_touch(ex);
    announce(ex, section);
    return true;
}

void exchange_local_response(struct exchange *ex, unsigned status)
{
    struct section *section = head_last(&ex->response.head);
    const struct site *site = ex->site ? ex->site : exchange_site();

    section->kind = SECTION_FINAL;
    section->status = (uint16_t)status;
    read_length(&ex->response, section);
    /* What finds no room is left out: an answer without it is better than none. */
    (void)!header_edit_response(&ex->response.head, section, &site->forward.headers, ex->conn, true);
    announce(ex, section);
}

/* ---- bodies ---- */

static uint32_t uploads; /* pipes of requests that have a place of their own */

uint32_t exchange_uploads_left(void)
{
    return CONFIG_UPLOADS - uploads + pipe_lendable(CONFIG_REQUEST_WINDOW);
}

bool exchange_open_upload(struct exchange *ex)
{
    if (uploads == CONFIG_UPLOADS)
        return pipe_open_lent(&ex->request.pipe, CONFIG_REQUEST_WINDOW);
    uploads++;
    pipe_open(&ex->request.pipe, CONFIG_REQUEST_WINDOW);
    return true;
}

void exchange_close_upload(struct exchange *ex)
{
    if (!ex->request.pipe.open)
        return;
    uploads -= !ex->request.pipe.lent;
    pipe_close(&ex->request.pipe);
    exchange_tell_freed();
}

static struct side *drainer_of(struct exchange *ex, const struct message *m)
{
    return m == &ex->request ? &ex->back : &ex->front;
}

static struct side *filler_of(struct exchange *ex, const struct message *m)
{
    return m == &ex->request ? &ex->front : &ex->back;
}

void exchange_pushed(struct exchange *ex, struct message *m, size_t n)
{
    const struct side *drainer = drainer_of(ex, m);

    m->received += n;
    exchange_touch(ex);
    if (drainer->ops)
        drainer->ops->data(ex);
}

void exchange_pushed_end(struct exchange *ex, struct message *m, struct section *trailers)
{
    const struct side *drainer = drainer_of(ex, m);

    m->state = MESSAGE_END;
    m->trailers = trailers;
    m->ready = m->head.section_count;
    m->ready_fields = m->head.field_count;
    m->ready_used = m->head.used;
    exchange_touch(ex);
    exchange_await_first(ex);
    if (drainer->ops)
        drainer->ops->data(ex);
}

void exchange_drained(struct exchange *ex, struct message *m, size_t n)
{
    const struct side *filler = filler_of(ex, m);

    m->passed += n;
    exchange_touch(ex);
    exchange_await_first(ex);
    if (filler->ops)
        filler->ops->space(ex, n);
    if (m == &ex->request && m->state == MESSAGE_END && m->pipe.size == 0)
        exchange_close_upload(ex); /* another one may have its place */
}
