/* Asks a backend for its pulse. */
#include "proxy/backend_pulse.h"

#include "proxy/backend.h"

static void answer(struct pulse *pulse, enum pulse_state state, enum cause cause)
{
    pulse->state = state;
    pulse->cause = cause;
    pulse->conn = NULL;
    loop_mark(pulse->told);
}

void backend_pulse_ask(struct backend *backend, struct task *told)
{
    backend->pulse = (struct pulse){.state = PULSE_WANTED, .told = told};
    if (backend_is_up(backend) || backend_takes(backend))
        loop_mark(&backend->pump);
    else
        answer(&backend->pulse, PULSE_FAILED, backend->backing_off ? CAUSE_BACKEND_DOWN : CAUSE_NAME_UNKNOWN);
}

void backend_pulse_end(struct backend *backend)
{
    struct pulse *pulse = &backend->pulse;

    if (pulse->state == PULSE_ASKED)
        backend_conn_closing(pulse->conn);
    pulse->state = PULSE_NONE;
    pulse->conn = NULL;
}

void backend_pulse_forget(struct backend *backend, const struct task *told)
{
    if (backend->pulse.told == told)
        backend->pulse = (struct pulse){.state = PULSE_NONE};
}

bool backend_pulse_waits(const struct backend *backend)
{
    return backend->pulse.state == PULSE_WANTED;
}

void backend_pulse_pump(struct backend *backend)
{
    struct pulse *pulse = &backend->pulse;

    if (pulse->state != PULSE_WANTED)
        return;
    LIST_EACH (node, &backend->conns) {
        struct backend_conn *conn = container_of(node, struct backend_conn, node);

        if (conn->state != BACKEND_OPEN)
            continue;
        pulse->state = PULSE_ASKED;
        pulse->conn = conn;
        backend->ops->ping(conn);
        return;
    }
}

void backend_pulse_fail(struct backend *backend, enum cause cause)
{
    if (backend->pulse.state == PULSE_WANTED)
        answer(&backend->pulse, PULSE_FAILED, cause);
}

void backend_pulse_lost(struct backend_conn *conn, enum cause cause)
{
    struct pulse *pulse = &conn->backend->pulse;

    if (pulse->state != PULSE_ASKED || pulse->conn != conn)
        return;
    if (pulse->again) {
        answer(pulse, PULSE_FAILED, cause);
        return;
    }
    /* It may have been an old one, closed for its age. */
    pulse->again = true;
    pulse->state = PULSE_WANTED;
    pulse->conn = NULL;
    loop_mark(&conn->backend->pump);
}

void backend_conn_pulse(struct backend_conn *conn)
{
    struct pulse *pulse = &conn->backend->pulse;

    if (pulse->state == PULSE_ASKED && pulse->conn == conn)
        answer(pulse, PULSE_FELT, CAUSE_NONE);
}
