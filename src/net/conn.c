/* A connection: bytes on a socket. */
#include "net/conn.h"

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
    ready &= conn->interest | (unsigned)PORT_BROKEN;
    if (ready != 0)
        conn->ready(watch, ready);
}

void conn_open(struct conn *conn, port_handle handle, void (*ready)(struct watch *watch, unsigned ready))
{
    input_touch();
    conn->watch.ready = conn_ready;
    conn->ready = ready;
    conn->handle = handle;
    conn->interest = 0;
}

bool conn_is_open(const struct conn *conn)
{
    return conn->handle != PORT_NO_HANDLE;
}

void conn_interest(struct conn *conn, unsigned interest)
{
    if (!conn_is_open(conn) || conn->interest == interest)
        return;
    conn->interest = (uint8_t)interest;
    port_watch(conn->handle, interest, &conn->watch);
}

enum port_result conn_read(struct conn *conn, void *buf, size_t cap, size_t *n)
{
    return port_read(conn->handle, buf, cap, n);
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
    return port_writev(conn->handle, gather->iov, gather->count, n);
}

void conn_shutdown(struct conn *conn)
{
    if (conn_is_open(conn))
        port_shutdown(conn->handle);
}

void conn_close(struct conn *conn, bool abort)
{
    if (!conn_is_open(conn))
        return;
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
