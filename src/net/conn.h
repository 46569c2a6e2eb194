/* A connection: bytes on a socket. TLS (net/tls.h) is a filter in here. Knows no HTTP. */
#ifndef CULVERT_NET_CONN_H
#define CULVERT_NET_CONN_H

#include "base/gather.h"
#include "net/loop.h"
#include "port.h"

struct tls;

struct conn {
    struct watch watch;                                 /* first: what the loop calls */
    void (*ready)(struct watch *watch, unsigned ready); /* the owner's */
    port_handle handle;
    uint8_t interest; /* what port_watch was last told */
    struct tls *tls;  /* NULL: in clear. Set by tls_accept and tls_connect. */
};

/* Takes over an open handle. `ready` is called from the loop with &conn->watch (after conn_interest asked for it), and
   only for what is still asked for at that moment: never when the connection was closed or its interest was taken back
   since the poll. PORT_BROKEN may come with any interest but 0, PORT_ENDED beside others. */
void conn_open(struct conn *conn, port_handle handle, void (*ready)(struct watch *watch, unsigned ready));

/* False for zeroed memory that was never opened only if its handle is PORT_NO_HANDLE: the owner's init sets that. */
bool conn_is_open(const struct conn *conn);

/* Moves an open connection, with its TLS and its interest, from one owner's structure to another's. */
void conn_move(struct conn *to, struct conn *from, void (*ready)(struct watch *watch, unsigned ready));

/* Whether its bytes are encrypted. */
static inline bool conn_is_secure(const struct conn *conn)
{
    return IS_ENABLED(CONFIG_TLS) && conn->tls != NULL;
}

/* Sets what is waited for (set of PORT_READABLE, PORT_WRITABLE; 0 for nothing). Calls the port only when it changes.
   Harmless when it is closed. */
void conn_interest(struct conn *conn, unsigned interest);

/* As port_read and port_writev. conn_write writes what is gathered; *n is what the socket took of gather->total. With
   nothing gathered it is PORT_OK with *n = 0. The bytes that were not taken are the first of the next write.
   With TLS, reading answers PORT_END only to close_notify: a connection that ends without it is PORT_ERROR, since
   anybody on the way could have cut it (RFC 8446 6.1). */
enum port_result conn_read(struct conn *conn, void *buf, size_t cap, size_t *n);
enum port_result conn_write(struct conn *conn, const struct gather *gather, size_t *n);

/* As port_peek: conn_read gives the bytes again. For what comes before TLS. */
enum port_result conn_peek(struct conn *conn, void *buf, size_t cap, size_t *n);

/* Ends the sending side, with TLS by close_notify. */
void conn_shutdown(struct conn *conn);

/* Gives up TLS, when its handshake failed: what still comes is not decrypted, and is only for throwing away. */
void conn_drop_tls(struct conn *conn);

/* Closes; harmless when it is closed. abort: with a reset and, with TLS, without close_notify. */
void conn_close(struct conn *conn, bool abort);

uint16_t conn_local_port(const struct conn *conn);

/* The one input buffer of the process, CONFIG_INPUT_SIZE bytes: whoever reads into it uses the bytes up before
 * returning to the loop. */
uint8_t *conn_input(void);

#endif
