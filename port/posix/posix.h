/* What the files of the POSIX port share. A handle is the number of a descriptor. */
#ifndef CULVERT_POSIX_H
#define CULVERT_POSIX_H

#include "port.h"

#include <fcntl.h>

/* Handles are below this: what Kconfig allows at one time, and a reserve for the standard streams, logs, configuration
   files and descriptors that were inherited. */
#define POSIX_HANDLES (CONFIG_CLIENTS + CONFIG_BACKEND_CONNS + CONFIG_LISTENERS * 2 + 64)

/* Keeps the fault of an errno value for port_error. Returns PORT_ERROR. */
enum port_result posix_fail(int error);

/* Whether a new descriptor fits into the port's tables. If not, it is closed and the fault is PORT_FAULT_LIMIT. */
bool posix_fits(int fd);

/* The descriptor whose reading end wakes a poll: added to the poll set as slot 0 (posix.c writes to it in signal
 * handlers). */
bool posix_watch_init(int wake);

/* Takes a handle out of the poll set; harmless when it is not in it. */
void posix_watch_forget(port_handle handle);

/* user.c: opens a file, as open(2), that is to be given away: links of other users than root are not followed then.
   Gives a file that was opened so, or a socket's file, to whom port_user_owns named; devices and pipes stay. False: it
   cannot be given. */
#ifdef CONFIG_CHANGE_USER
int posix_open_to_give(const char *path, int flags, unsigned mode);
bool posix_give_file(int fd);
bool posix_give_socket(const char *path);
#else
static inline int posix_open_to_give(const char *path, int flags, unsigned mode)
{
    return open(path, flags, mode);
}

static inline bool posix_give_file(int fd)
{
    (void)fd;
    return true;
}

static inline bool posix_give_socket(const char *path)
{
    (void)path;
    return true;
}
#endif

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

/* The most DNS servers. */
#define POSIX_SERVERS CONFIG_NAME_SERVERS

/* lookup.c, for port_poll: how long it may wait; whether a watch's user is one of the resolver's sockets (then what is
   ready is noted); what is due and ready is served and answers are reported, at most max, when it has waited. */
#ifdef CONFIG_CARES
int posix_lookup_wait(int timeout_ms);
bool posix_lookup_note(void *user, unsigned ready);
unsigned posix_lookup_report(struct port_event *events, unsigned max);
#else
static inline int posix_lookup_wait(int timeout_ms)
{
    return timeout_ms;
}
static inline bool posix_lookup_note(void *user, unsigned ready)
{
    (void)user, (void)ready;
    return false;
}
static inline unsigned posix_lookup_report(struct port_event *events, unsigned max)
{
    (void)events, (void)max;
    return 0;
}
#endif
/* Makes an answer of addresses of both families. */
void posix_answer_fill(struct port_answer *answer, const struct port_addr *six, unsigned sixes,
                       const struct port_addr *four, unsigned fours);

/* hosts.c: the addresses that the hosts file has for a name; "localhost" has some in any case. False: none. */
bool posix_hosts_find(const char *name, struct port_answer *answer);
/* The system's DNS servers, POSIX_SERVERS at most. Returns how many. */
unsigned posix_hosts_servers(struct port_addr *servers);

/* Finds out what the standard streams are, so that writing a log to them cannot block. */
void posix_log_init(void);

/* socket.c: a UDP socket that sends to one address. */
enum port_result posix_udp_open(const struct port_addr *addr, port_handle *out);

/* log_serial.c and log_syslog.c, for port_log_open; *out is PORT_NO_HANDLE before. */
#ifdef CONFIG_LOG_SERIAL
enum port_result posix_serial_open(const char *path, uint32_t speed, port_handle *out);
/* A handle is closed, perhaps a serial line's; abort: it forgets what it has not sent yet. */
void posix_serial_forget(port_handle handle, bool abort);
#else
static inline enum port_result posix_serial_open(const char *path, uint32_t speed, port_handle *out)
{
    (void)path, (void)speed, (void)out;
    return posix_fail(0);
}
static inline void posix_serial_forget(port_handle handle, bool abort)
{
    (void)handle, (void)abort;
}
#endif
#ifdef CONFIG_LOG_SYSLOG
enum port_result posix_syslog_open(const struct port_addr *addr, port_handle *out);
#else
static inline enum port_result posix_syslog_open(const struct port_addr *addr, port_handle *out)
{
    (void)addr, (void)out;
    return posix_fail(0);
}
#endif

/* Forgets what a log sink's descriptor was. Returns false for the standard streams, which stay open. */
bool posix_log_forget(port_handle handle);

#endif
