/* Active health checks: a request of our own through the backend's connections, not logged, not counted as a client's;
 * or a PING.
 *
 * The request is an exchange whose front is the check: it takes the head of the answer and leaves. */
#include "proxy/exchange.h"
#include "proxy/health.h"

static struct member *member_of(struct exchange *ex)
{
    return ex->front.self;
}

/* Something came: the run looks at it. */
static void note(struct exchange *ex)
{
    loop_mark(&member_of(ex)->check.task);
}

static void op_space(struct exchange *ex, size_t n)
{
    (void)ex;
    (void)n;
}

/* The exchange is taken away: it came to no good end. */
static void op_abort(struct exchange *ex, enum cause cause)
{
    struct member *member = member_of(ex);

    (void)cause;
    member->check.ex = NULL;
    loop_mark(&member->check.task);
}

static const struct side_ops check_ops = {note, note, op_space, op_abort};

/* The pulse is felt, or there is none. */
static void pulse_on_run(struct member *member)
{
    const struct pulse *pulse = &member->backend->pulse;
    bool felt = pulse->state == PULSE_FELT;

    if (!felt && pulse->state != PULSE_FAILED)
        return;
    health_check_stop(member);
    health_checked(member, felt, cause_info(pulse->cause)->word);
}

static bool is_ping(const struct member *member)
{
    return member->settings.check == CHECK_PING;
}

static void check_on_run(struct task *task)
{
    struct member *member = container_of(task, struct member, check.task);
    struct exchange *ex = member->check.ex;
    unsigned status = 0;
    const char *why = "cut";

    if (member->check.state != CHECK_RUNNING)
        return;
    if (is_ping(member)) {
        pulse_on_run(member);
        return;
    }
    if (ex != NULL) {
        if (ex->cause == CAUSE_NONE && ex->back_status == 0)
            return; /* nothing yet, or an interim head */
        status = ex->back_status;
        why = ex->cause != CAUSE_NONE ? cause_info(ex->cause)->word : "the status of a check";
        if (ex->cause != CAUSE_NONE)
            status = 0;
        health_check_stop(member);
    }
    health_checked(member, status >= 200 && status < 400, why);
}

static bool write_head(struct exchange *ex, const struct member *member)
{
    static const struct {
        enum method id;
        struct text name;
    } methods[] = {
        [CHECK_HEAD] = {METHOD_HEAD, TEXT_INIT("HEAD")},
        [CHECK_GET] = {METHOD_GET, TEXT_INIT("GET")},
        [CHECK_OPTIONS] = {METHOD_OPTIONS, TEXT_INIT("OPTIONS")},
    };
    const struct member_settings *settings = &member->settings;
    struct head *head = &ex->request.head;
    bool tls = member->backend->settings.tls;

    head->method_id = (uint8_t)methods[settings->check].id;
    return head_store(head, methods[settings->check].name, &head->method) &&
           head_store(head, settings->check_path, &head->path) &&
           head_store(head, member->backend->settings.authority, &head->authority) &&
           head_store(head, tls ? TEXT("https") : TEXT("http"), &head->scheme) &&
           head_begin(head, SECTION_REQUEST, 0) != NULL && head_add(head, TEXT("user-agent"), TEXT("Culvert"));
}

bool health_check_start(struct member *member)
{
    static const struct port_addr nobody;
    struct exchange *ex;

    if (is_ping(member)) {
        backend_pulse_ask(member->backend, &member->check.task);
        return true;
    }
    ex = exchange_open(&check_ops, member, NULL, &nobody, &nobody);
    member->check.ex = ex;
    if (ex == NULL)
        return false;
    ex->internal = true;
    ex->proto = PROTO_H2;
    ex->request.state = MESSAGE_END;
    exchange_take_site(ex);
    exchange_use_backend(ex, member->backend);
    if (write_head(ex, member))
        backend_submit(ex->backend, ex);
    else
        exchange_fail(ex, CAUSE_HEAD_FULL);
    return true;
}

void health_check_stop(struct member *member)
{
    struct exchange *ex = member->check.ex;

    member->check.ex = NULL;
    loop_unmark(&member->check.task);
    if (is_ping(member))
        backend_pulse_end(member->backend);
    if (ex != NULL)
        exchange_front_gone(ex, CAUSE_NONE);
}

void health_check_init(struct member *member)
{
    struct check *check = &member->check;

    task_init(&check->task, TASK_FRONT, check_on_run);
    check->ex = NULL;
    check->row = 0;
    check->state = member->settings.check == CHECK_NONE ? CHECK_OFF : CHECK_IDLE;
    check->due = loop_now() + 1; /* the first at once */
}
