/* What the files of the POSIX port share. A handle is the number of a descriptor. */
#ifndef CULVERT_POSIX_H
#define CULVERT_POSIX_H

#include "port.h"

/* Handles are below this: what Kconfig allows at one time, and a reserve for the standard streams, logs, configuration
   files and descriptors that were inherited. */
#define POSIX_HANDLES (CONFIG_CLIENTS + CONFIG_BACKEND_CONNS + CONFIG_LISTENERS + 64)

/* Keeps the fault of an errno value for port_error. Returns PORT_ERROR. */
enum port_result posix_fail(int error);

/* Whether a new descriptor fits into the port's tables. If not, it is closed and the fault is PORT_FAULT_LIMIT. */
bool posix_fits(int fd);

/* The descriptor whose reading end wakes a poll: added to the poll set as slot 0 (posix.c writes to it in signal
 * handlers). */
bool posix_watch_init(int wake);

/* Takes a handle out of the poll set; harmless when it is not in it. */
void posix_watch_forget(port_handle handle);

/* unix.c: listening and connecting of PORT_UNIX, as port_listen and port_connect; *out is PORT_NO_HANDLE before. */
#ifdef CONFIG_UNIX_SOCKETS
enum port_result posix_unix_listen(const struct port_addr *addr, unsigned backlog, unsigned mode, port_handle *out);
enum port_result posix_unix_connect(const struct port_addr *addr, port_handle *out);
/* A handle is closed: if it is a listener its file goes. */
void posix_unix_forget(port_handle handle);
#else
static inline enum port_result posix_unix_listen(const struct port_addr *addr, unsigned backlog, unsigned mode,
                                                 port_handle *out)
{
    (void)addr, (void)backlog, (void)mode, (void)out;
    return posix_fail(0);
}
static inline enum port_result posix_unix_connect(const struct port_addr *addr, port_handle *out)
{
    (void)addr, (void)out;
    return posix_fail(0);
}
static inline void posix_unix_forget(port_handle handle)
{
    (void)handle;
}
#endif

/* Finds out what the standard streams are, so that writing a log to them cannot block. */
void posix_log_init(void);

/* Forgets what a log sink's descriptor was. Returns false for the standard streams, which stay open. */
bool posix_log_forget(port_handle handle);

#endif
