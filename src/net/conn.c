/* A connection: bytes on a socket. */
#include "net/conn.h"

#include "net/tls.h"

#include <string.h>

static uint8_t input[CONFIG_INPUT_SIZE];
static bool input_resident;

/* Touches the buffer once, so that the process does not grow page by page as reads happen to get larger. */
static void input_touch(void)
{
    if (input_resident)
        return;
    input_resident = true;
    memset(input, 0, sizeof(input));
}

/* Passes on what the owner still waits for: an earlier event of the same pass may have closed the connection or changed
   its mind. */
static void conn_ready(struct watch *watch, unsigned ready)
{
    struct conn *conn = container_of(watch, struct conn, watch);

    if (conn->interest == 0)
        return;
    if (conn_is_secure(conn) && tls_is_shaking(conn->tls)) {
        tls_on_ready(conn->tls);
        return;
    }
    ready &= conn->interest | (unsigned)(PORT_BROKEN | PORT_ENDED);
    if ((ready & ~(unsigned)PORT_ENDED) != 0)
        conn->ready(watch, ready);
}

void conn_open(struct conn *conn, port_handle handle, void (*ready)(struct watch *watch, unsigned ready))
{
    input_touch();
    conn->watch.ready = conn_ready;
    conn->ready = ready;
    conn->handle = handle;
    conn->interest = 0;
    conn->tls = NULL;
}

void conn_move(struct conn *to, struct conn *from, void (*ready)(struct watch *watch, unsigned ready))
{
    conn_open(to, from->handle, ready);
    conn_interest(to, from->interest); /* else the port would go on to report to who has it no more */
    to->tls = from->tls;
    if (conn_is_secure(to))
        tls_move(to->tls, to);
    from->handle = PORT_NO_HANDLE;
    from->interest = 0;
    from->tls = NULL;
}

bool conn_is_open(const struct conn *conn)
{
    return conn->handle != PORT_NO_HANDLE;
}

void conn_interest(struct conn *conn, unsigned interest)
{
    if (!conn_is_open(conn))
        return;
    if (conn_is_secure(conn) && (interest & PORT_READABLE) != 0)
        tls_on_interest(conn->tls);
    if (conn->interest == interest)
        return;
    conn->interest = (uint8_t)interest;
    port_watch(conn->handle, interest, &conn->watch);
}

enum port_result conn_read(struct conn *conn, void *buf, size_t cap, size_t *n)
{
    return conn_is_secure(conn) ? tls_read(conn->tls, buf, cap, n) : port_read(conn->handle, buf, cap, n);
}

enum port_result conn_peek(struct conn *conn, void *buf, size_t cap, size_t *n)
{
    return port_peek(conn->handle, buf, cap, n);
}

enum port_result conn_write(struct conn *conn, const struct gather *gather, size_t *n)
{
    *n = 0;
    if (gather->total == 0)
        return PORT_OK;
    if (conn_is_secure(conn))
        return tls_write(conn->tls, gather, n);
    return port_writev(conn->handle, gather->iov, gather->count, n);
}

void conn_shutdown(struct conn *conn)
{
    if (!conn_is_open(conn))
        return;
    if (conn_is_secure(conn))
        tls_goodbye(conn->tls);
    port_shutdown(conn->handle);
}

void conn_drop_tls(struct conn *conn)
{
    if (!conn_is_secure(conn))
        return;
    tls_close(conn->tls);
    conn->tls = NULL;
}

void conn_close(struct conn *conn, bool abort)
{
    if (!conn_is_open(conn))
        return;
    if (conn_is_secure(conn) && !abort)
        tls_goodbye(conn->tls);
    conn_drop_tls(conn);
    port_close(conn->handle, abort);
    conn->handle = PORT_NO_HANDLE;
    conn->interest = 0;
}

uint16_t conn_local_port(const struct conn *conn)
{
    return conn_is_open(conn) ? port_local(conn->handle) : 0;
}

uint8_t *conn_input(void)
{
    return input;
}
