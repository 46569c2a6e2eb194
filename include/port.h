/* The platform contract: everything Culvert needs of an operating system, and nothing else.
 *
 * A port implements these functions (port/posix; tests/sim, in which there are no sockets). Outside port/ no file names
 * a descriptor's type, an errno or a sockaddr. No function blocks, but for port_poll (as told) and port_resolve
 * (start-up only). All are called from one thread. */
#ifndef CULVERT_PORT_H
#define CULVERT_PORT_H

#include "compiler.h"

/* ---- life ---- */

/* Prepares the platform: signals, ignoring SIGPIPE and SIGXFSZ, the poll set. Returns false when that fails (reason on
 * stderr). */
bool port_init(void);

/* What the operator asked for since the last call (signals on POSIX): a set of PORT_ASK_*, cleared by reading. */
enum port_ask {
    PORT_ASK_DRAIN = 1,  /* finish what runs, then end (SIGTERM) */
    PORT_ASK_STOP = 2,   /* end at once (SIGINT, or a second SIGTERM) */
    PORT_ASK_RELOAD = 4, /* read the configuration again (SIGHUP) */
    PORT_ASK_STATE = 8,  /* write the state to the log (SIGUSR1) */
};
unsigned port_asked(void);

/* The name of this box (NUL-terminated; "" when it has none), valid until the next call. */
const char *port_host_name(void);
/* The number of this process. */
uint32_t port_process(void);

/* ---- the process (start-up only) ---- */

#define PORT_GROUPS_MAX 64

/* Who a process is. */
struct port_user {
    uint32_t uid, gid;
    uint32_t group_count;
    uint32_t groups[PORT_GROUPS_MAX]; /* also gid */
};

enum port_user_found {
    PORT_USER_FOUND,
    PORT_USER_UNKNOWN,  /* no user has this name */
    PORT_USER_NO_GROUP, /* no group has this name; with group NULL: the user has none */
    PORT_USER_GROUPS,   /* the user has more than PORT_GROUPS_MAX groups, or they cannot be found out */
};

/* Looks up a user and a group (NULL: the user's own) by name, or by "#NUMBER". Blocks, and may use the C library's
   heap. Only with CONFIG_CHANGE_USER, as the two below. */
enum port_user_found port_user_find(const char *user, const char *group, struct port_user *out);
/* Log files and unix sockets that are opened from now until port_become are this user's, as far as the process may give
   them away. A link that could lead to a file of somebody else is not opened: PORT_FAULT_LINK. */
void port_user_owns(const struct port_user *user);
/* Makes `root` (NULL: nothing) the root of the file system, and becomes the user, for good. NULL: done. Otherwise the
   name of the call that failed, for port_error(); the process is in between and must end. */
const char *port_become(const struct port_user *user, const char *root);

/* Goes to the background: returns in the new process, whose messages still reach the terminal. The old one waits, and
   ends with status 0 when port_detached is called, or with 1 when the new one ends before that. False: it cannot be.
   Only with CONFIG_DAEMON, as those below. */
bool port_detach(void) MUST_USE;
/* The start went well: lets go of the terminal (standard streams that are no files). Harmless without port_detach. */
void port_detached(void);

/* Writes the number of this process to a file, which is kept open. PORT_FAULT_IN_USE: another process that runs has
   it. */
enum port_result port_pid_open(const char *path) MUST_USE;
/* Removes the file; empties it when there is no right to remove it any more. Harmless when there is none. */
void port_pid_close(void);

/* ---- time and chance ---- */

/* Milliseconds of a clock that never goes back; it wraps at 2^32 (49.7 days): compare only by subtraction. */
uint32_t port_now_ms(void);

/* Seconds since 1970 (wall clock; may jump). 0 when the box does not know the time. */
int64_t port_wall_s(void);

/* What local time is ahead of UTC at a moment of the wall clock, in seconds: UTC+1 is 3600. */
int32_t port_zone_s(int64_t wall_s);

/* Fills len bytes at buf with random bytes fit for keys. Returns false when the platform has none. */
bool port_random(void *buf, size_t len) MUST_USE;

/* ---- addresses ---- */

enum port_family { PORT_NONE = 0, PORT_UNIX = 1, PORT_IPV4 = 4, PORT_IPV6 = 6 };

/* The longest path of a unix socket, without its NUL: what every system takes. */
#define PORT_PATH_MAX 103

struct port_addr {
    union {
        uint8_t ip[16];   /* network order; IPv4 in the first 4 bytes, the rest 0 */
        const char *path; /* PORT_UNIX: NUL-terminated; the text is the configuration's. NULL: a nameless client */
    };
    uint16_t port;  /* host order; PORT_UNIX: 0 */
    uint8_t family; /* enum port_family */
};

/* Looks up a host name (NUL-terminated) and writes at most max addresses with `port` into addrs. Blocks: start-up only.
   A literal address needs no lookup and is parsed by address.h, not here. Returns how many were written, 0 when the
   name is unknown. */
unsigned port_resolve(const char *name, uint16_t port, struct port_addr *addrs, unsigned max);

/* ---- sockets ---- */

/* A socket, listener or log sink. PORT_NO_HANDLE is none. What the number means is the port's own business. */
typedef int32_t port_handle;
#define PORT_NO_HANDLE ((port_handle)-1)

/* The four answers of reading and writing, and of all that may fail. */
enum port_result {
    PORT_OK = 0,
    PORT_AGAIN, /* nothing now; wait for readiness */
    PORT_END,   /* reading: the peer ended its side; nothing more will come */
    PORT_ERROR, /* the socket is dead; the reason is in port_error() */
};

/* Why the last call on this thread answered PORT_ERROR. */
enum port_fault {
    PORT_FAULT_NONE = 0,
    PORT_FAULT_REFUSED,     /* connection refused */
    PORT_FAULT_RESET,       /* reset by the peer, or broken pipe */
    PORT_FAULT_UNREACHABLE, /* no route, network down */
    PORT_FAULT_TIMEOUT,     /* the platform's own timeout */
    PORT_FAULT_IN_USE,      /* address in use */
    PORT_FAULT_DENIED,      /* no permission */
    PORT_FAULT_NO_ADDRESS,  /* the address is not ours */
    PORT_FAULT_LIMIT,       /* out of descriptors or buffers */
    PORT_FAULT_NOT_FOUND,   /* no such file or directory */
    PORT_FAULT_LINK,        /* a link that is not followed */
    PORT_FAULT_FOLDER,      /* a folder in the place of a file */
    PORT_FAULT_UNFIT,       /* not the kind of file that is wanted */
    PORT_FAULT_OTHER,
};
enum port_fault port_error(void);

/* A short lower-case text for a fault ("connection refused"). */
const char *port_fault_text(enum port_fault fault);

struct port_iov {
    const uint8_t *base;
    size_t len;
};
#define PORT_IOV_MAX 64 /* most segments that a caller gives to one port_writev */

/* Opens a listening socket. PORT_OK: *out is owned by the caller. PORT_ERROR otherwise. IPv6 listeners are v6-only.
   PORT_UNIX: its file gets the permission bits `mode`; a file that a dead process left is replaced, one that somebody
   listens on is PORT_FAULT_IN_USE; port_close removes it. */
enum port_result port_listen(const struct port_addr *addr, unsigned backlog, unsigned mode, port_handle *out);

/* Takes one waiting connection. PORT_OK: *out is owned by the caller, non-blocking, without Nagle's delay; *peer is
   filled (PORT_UNIX without a path). PORT_AGAIN: none waits (or it went away). PORT_ERROR with PORT_FAULT_LIMIT: no
   room now, try later. */
enum port_result port_accept(port_handle listener, port_handle *out, struct port_addr *peer);

/* Begins to connect, with TCP's keep-alive: a path that is lost is noticed within about half a minute, also while
   nothing is sent (then reading answers PORT_ERROR with PORT_FAULT_TIMEOUT or PORT_FAULT_UNREACHABLE). PORT_OK:
   connected at once. PORT_AGAIN: wait for writability, then ask port_connect_result. *out is owned by the caller in
   both. PORT_ERROR: *out is PORT_NO_HANDLE. */
enum port_result port_connect(const struct port_addr *addr, port_handle *out);

/* How a connect ended: PORT_OK, PORT_AGAIN (still going on) or PORT_ERROR. */
enum port_result port_connect_result(port_handle handle);

/* Reads at most cap (> 0) bytes. PORT_OK: *n > 0 of them are in buf. Other answers leave *n = 0. */
enum port_result port_read(port_handle handle, void *buf, size_t cap, size_t *n);

/* The same, but the bytes stay: the next read gives them again. */
enum port_result port_peek(port_handle handle, void *buf, size_t cap, size_t *n);

/* Writes count (1..PORT_IOV_MAX) segments in order. PORT_OK: *n > 0 bytes were taken, perhaps not all.
   PORT_AGAIN: none was. PORT_ERROR: the socket is dead. Never answers PORT_END. */
enum port_result port_writev(port_handle handle, const struct port_iov *iov, unsigned count, size_t *n);

/* Ends our sending side; reading goes on. */
void port_shutdown(port_handle handle);

/* Closes and forgets the handle, with its watch. `abort`: the peer gets a reset (RST) instead of an orderly end; a
   serial line forgets what it has not sent yet, while without abort closing it may wait for that. */
void port_close(port_handle handle, bool abort);

/* The local port number of a socket, 0 when unknown, and of a unix socket. */
uint16_t port_local(port_handle handle);

/* ---- readiness ---- */

enum port_ready {
    PORT_READABLE = 1, /* as interest and as report */
    PORT_WRITABLE = 2, /* as interest and as report */
    PORT_BROKEN = 4,   /* report only: error or hang-up; a read or write tells more */
    PORT_ENDED = 8,    /* report only, with PORT_READABLE: the peer ended its side behind what there is to read. A
                          platform may never say so. */
};

struct port_event {
    void *user;     /* as given to port_watch */
    unsigned ready; /* set of enum port_ready */
};

/* Sets what is watched on a handle: it stays so until set again or closed. interest 0: nothing, not even PORT_BROKEN.
   Returns false when the port's table is full (first call for a handle only; its size follows from Kconfig, so this is
   a bug). */
bool port_watch(port_handle handle, unsigned interest, void *user);

/* Waits until something is ready, asked for (port_asked) or timeout_ms have passed (0: just look; negative: no limit).
   Writes at most max events; those that did not fit come with the next call. Returns how many. May return 0 early. */
unsigned port_poll(int timeout_ms, struct port_event *events, unsigned max);

/* ---- names while the loop runs (only with CONFIG_CARES) ---- */

/* Where the resolver gets its memory: as malloc(3), free(3) and realloc(3). */
struct port_memory {
    void *(*alloc)(size_t size);
    void (*release)(void *ptr);
    void *(*resize)(void *ptr, size_t size);
};

enum port_answer_kind {
    PORT_ANSWER_ADDRS,   /* one address at least */
    PORT_ANSWER_UNKNOWN, /* there is no such name, or it has no address */
    PORT_ANSWER_FAILED,  /* nobody could say: no server, no answer, no memory */
};

struct port_answer {
    enum port_answer_kind kind;
    uint8_t count;
    uint32_t ttl_s;                               /* how long the addresses hold; 0: unknown, or not at all */
    const char *why;                              /* of the other kinds: a text for the operator; static */
    struct port_addr addrs[CONFIG_BACKEND_ADDRS]; /* their port is 0; IPv6 and IPv4 by turns (RFC 8305) */
};

/* A look-up that was begun and not taken or cancelled; there can be CONFIG_BACKENDS. */
typedef int32_t port_lookup;
#define PORT_NO_LOOKUP ((port_lookup)-1)

/* Opens the resolver, with these servers (address and port; none: the system's). Blocks no longer than it takes to read
   the system's files. False: no memory. */
bool port_lookup_open(const struct port_addr *servers, unsigned count, const struct port_memory *memory) MUST_USE;
/* Closes it. What was begun is forgotten, and all memory was given back. */
void port_lookup_close(void);

/* Begins to look up a name (NUL-terminated; no literal address), in the system's hosts file first. Once the answer is
   there port_poll reports `user` with PORT_READABLE, once; it never does before this returned. PORT_NO_LOOKUP: no
   place. */
port_lookup port_lookup_start(const char *name, void *user);
/* Takes the answer of a look-up that was reported, which ends. */
void port_lookup_take(port_lookup number, struct port_answer *answer);
/* Ends a look-up: it is not reported any more. */
void port_lookup_cancel(port_lookup number);

/* ---- files and logs ---- */

/* Reads a whole file (path NUL-terminated) into buf. PORT_OK: *n bytes. PORT_END: it is longer than cap.
   PORT_ERROR: see port_error(). Start-up and reload only. */
enum port_result port_read_file(const char *path, void *buf, size_t cap, size_t *n);

/* Tells whether a file (path NUL-terminated) is still the one that it was, without reading it: *stamp is a number that
   changes with its content, its place and its time. False: there is none, *stamp is 0. */
bool port_file_stamp(const char *path, uint64_t *stamp);

enum port_log_kind {
    PORT_LOG_STDERR, /* standard error */
    PORT_LOG_STDOUT,
    PORT_LOG_FILE,     /* a file to append to, made when it is not there */
    PORT_LOG_SERIAL,   /* a serial line */
    PORT_LOG_MESSAGES, /* a syslog daemon: of this box (a unix socket) or another host (UDP) */
};

struct port_log {
    uint8_t kind;          /* enum port_log_kind */
    const char *path;      /* of a file or serial line, NUL-terminated */
    uint32_t speed;        /* of a serial line, in bits a second (8N1, raw; lines end in CR LF); 0: as it is set */
    struct port_addr addr; /* of PORT_LOG_MESSAGES */
};

/* Opens a log sink. PORT_ERROR with PORT_FAULT_UNFIT: not a serial line, or it does not have this speed. */
enum port_result port_log_open(const struct port_log *log, port_handle *out);

/* Writes to a log sink without blocking: PORT_OK with *n > 0, PORT_AGAIN (until it is writable), or PORT_ERROR. With
   PORT_LOG_MESSAGES buf is one message, taken as a whole; PORT_END: it is longer than the way to the daemon allows, and
   PORT_FAULT_REFUSED of a remote one belongs to an earlier message, which was lost: this one was not sent. */
enum port_result port_log_write(port_handle sink, const void *buf, size_t len, size_t *n);

/* Prints to the operator's terminal at start-up (-h, -V, configuration errors). err: to standard error. Blocks. */
void port_print(bool err, const char *textz);

#endif
