/* Names while the loop runs: c-ares, whose sockets and times are part of port_poll. Nothing here waits. */
#define _GNU_SOURCE
#include "posix.h"

#include <ares.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>
#include <sys/select.h>
#include <sys/socket.h>

/* A try lasts this long, the next one of the same look-up twice as long. */
#define TRY_MS 1000
#define TRIES 3
/* Sockets of one resolver at one time: UDP and TCP for each server. */
#define SOCKETS (2 * POSIX_SERVERS + 2)

enum lookup_state {
    LOOKUP_FREE,
    LOOKUP_ASKED,    /* the answer */
    LOOKUP_ANSWERED, /* port_poll, which reports it */
    LOOKUP_REPORTED, /* port_lookup_take */
    LOOKUP_UNWANTED, /* the answer, which nobody takes */
};

static struct lookup {
    enum lookup_state state;
    void *user;
    struct port_answer answer;
} lookups[CONFIG_BACKENDS];
static unsigned asked;    /* in state LOOKUP_ASKED or LOOKUP_UNWANTED */
static unsigned answered; /* in state LOOKUP_ANSWERED */

static struct resolver_socket {
    int fd; /* -1: free */
    unsigned ready;
} sockets[SOCKETS];
static bool socket_ready;

static ares_channel channel;
static bool is_open;
static bool fixed_servers; /* Resolver was given: resolv.conf does not count */

/* ---- answers ---- */

static void lookup_done(struct lookup *lookup)
{
    bool wanted = lookup->state == LOOKUP_ASKED;

    asked--;
    answered += wanted;
    lookup->state = wanted ? LOOKUP_ANSWERED : LOOKUP_FREE;
}

/* What there is of one family, in its order, at most a whole answer. The rest of addrs is empty. */
static unsigned addrs_of(const struct ares_addrinfo *info, int family, struct port_addr addrs[CONFIG_BACKEND_ADDRS])
{
    unsigned count = 0;

    memset(addrs, 0, CONFIG_BACKEND_ADDRS * sizeof(*addrs));
    for (const struct ares_addrinfo_node *node = info->nodes; node && count < CONFIG_BACKEND_ADDRS;
         node = node->ai_next) {
        struct port_addr *addr = &addrs[count];

        if (node->ai_family != family)
            continue;
        addr->family = family == AF_INET6 ? PORT_IPV6 : PORT_IPV4;
        if (family == AF_INET6)
            memcpy(addr->ip, &((const struct sockaddr_in6 *)(const void *)node->ai_addr)->sin6_addr, 16);
        else
            memcpy(addr->ip, &((const struct sockaddr_in *)(const void *)node->ai_addr)->sin_addr, 4);
        count++;
    }
    return count;
}

void posix_answer_fill(struct port_answer *answer, const struct port_addr *six, unsigned sixes,
                       const struct port_addr *four, unsigned fours)
{
    unsigned at_six = 0, at_four = 0, count = 0;

    while (count < CONFIG_BACKEND_ADDRS && (at_six < sixes || at_four < fours)) {
        if (at_six < sixes)
            answer->addrs[count++] = six[at_six++];
        if (at_four < fours && count < CONFIG_BACKEND_ADDRS)
            answer->addrs[count++] = four[at_four++];
    }
    answer->kind = count > 0 ? PORT_ANSWER_ADDRS : PORT_ANSWER_UNKNOWN;
    answer->count = (uint8_t)count;
    answer->why = count > 0 ? "" : "it has no address";
}

/* The least time of all records that the answer rests on. */
static uint32_t ttl_of(const struct ares_addrinfo *info)
{
    int ttl = INT32_MAX;

    for (const struct ares_addrinfo_node *node = info->nodes; node; node = node->ai_next)
        ttl = node->ai_ttl < ttl ? node->ai_ttl : ttl;
    for (const struct ares_addrinfo_cname *name = info->cnames; name; name = name->next)
        ttl = name->ttl < ttl ? name->ttl : ttl;
    return ttl > 0 ? (uint32_t)ttl : 0;
}

static void on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
    struct lookup *lookup = arg;
    struct port_answer *answer = &lookup->answer;
    struct port_addr six[CONFIG_BACKEND_ADDRS], four[CONFIG_BACKEND_ADDRS];

    (void)timeouts;
    memset(answer, 0, sizeof(*answer));
    if (status == ARES_SUCCESS) {
        unsigned sixes = addrs_of(info, AF_INET6, six), fours = addrs_of(info, AF_INET, four);

        posix_answer_fill(answer, six, IS_ENABLED(CONFIG_IPV6) ? sixes : 0, four, fours);
        answer->ttl_s = ttl_of(info);
    } else {
        answer->kind = status == ARES_ENOTFOUND || status == ARES_ENODATA ? PORT_ANSWER_UNKNOWN : PORT_ANSWER_FAILED;
        answer->why = ares_strerror(status);
    }
    if (info)
        ares_freeaddrinfo(info);
    lookup_done(lookup);
}

/* ---- sockets ---- */

static struct resolver_socket *socket_of(int fd)
{
    for (unsigned i = 0; i < SOCKETS; i++)
        if (sockets[i].fd == fd)
            return &sockets[i];
    return NULL;
}

/* c-ares waits for something else on a socket of its own, or closes it (neither). */
static void on_socket(void *data, ares_socket_t fd, int readable, int writable)
{
    struct resolver_socket *s = socket_of(fd);
    unsigned interest = (readable ? PORT_READABLE : 0u) | (writable ? PORT_WRITABLE : 0u);

    (void)data;
    if (!s && interest != 0)
        s = socket_of(-1);
    if (!s)
        return; /* more than there can be: its look-up ends with its time */
    s->fd = interest != 0 ? fd : -1;
    s->ready = 0;
    port_watch(fd, interest, s);
}

bool posix_lookup_note(void *user, unsigned ready)
{
    struct resolver_socket *s = user;

    if ((uintptr_t)user < (uintptr_t)sockets || (uintptr_t)user >= (uintptr_t)(sockets + SOCKETS))
        return false;
    s->ready |= ready;
    socket_ready = true;
    return true;
}

int posix_lookup_wait(int timeout_ms)
{
    struct timeval most, left;
    int ms;

    if (answered > 0)
        return 0;
    if (asked == 0)
        return timeout_ms;
    most = (struct timeval){.tv_sec = 3600};
    left = *ares_timeout(channel, &most, &left);
    ms = (int)(left.tv_sec * 1000 + (left.tv_usec + 999) / 1000);
    return timeout_ms < 0 || ms < timeout_ms ? ms : timeout_ms;
}

static void process(void)
{
    socket_ready = false;
    for (unsigned i = 0; i < SOCKETS; i++) {
        unsigned ready = sockets[i].ready;
        int fd = sockets[i].fd;

        sockets[i].ready = 0;
        if (fd >= 0 && ready != 0)
            ares_process_fd(channel, (ready & (PORT_READABLE | PORT_BROKEN)) != 0 ? fd : ARES_SOCKET_BAD,
                            (ready & (PORT_WRITABLE | PORT_BROKEN)) != 0 ? fd : ARES_SOCKET_BAD);
    }
    ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD); /* what is due */
}

unsigned posix_lookup_report(struct port_event *events, unsigned max)
{
    unsigned found = 0;

    if (asked > 0 || socket_ready)
        process();
    for (unsigned i = 0; i < CONFIG_BACKENDS && answered > 0 && found < max; i++) {
        if (lookups[i].state != LOOKUP_ANSWERED)
            continue;
        lookups[i].state = LOOKUP_REPORTED;
        answered--;
        events[found++] = (struct port_event){.user = lookups[i].user, .ready = PORT_READABLE};
    }
    return found;
}

/* ---- the contract ---- */

static void use_servers(const struct port_addr *servers, unsigned count)
{
    struct ares_addr_port_node nodes[POSIX_SERVERS];

    memset(nodes, 0, sizeof(nodes));
    for (unsigned i = 0; i < count && i < POSIX_SERVERS; i++) {
        nodes[i].family = servers[i].family == PORT_IPV6 ? AF_INET6 : AF_INET;
        memcpy(&nodes[i].addr, servers[i].ip, sizeof(nodes[i].addr));
        nodes[i].udp_port = nodes[i].tcp_port = servers[i].port;
        if (i > 0)
            nodes[i - 1].next = &nodes[i];
    }
    if (count > 0)
        (void)ares_set_servers_ports(channel, nodes);
}

bool port_lookup_open(const struct port_addr *servers, unsigned count, const struct port_memory *memory)
{
    struct ares_options options;
    /* Hosts files are read here, because c-ares would do it with the C library's heap. */
    char only_dns[] = "b";

    memset(&options, 0, sizeof(options));
    options.flags = ARES_FLAG_NOALIASES;
    options.timeout = TRY_MS;
    options.tries = TRIES;
    options.lookups = only_dns;
    options.sock_state_cb = on_socket;
    for (unsigned i = 0; i < SOCKETS; i++)
        sockets[i] = (struct resolver_socket){.fd = -1};
    if (ares_library_init_mem(ARES_LIB_INIT_ALL, memory->alloc, memory->release, memory->resize) != ARES_SUCCESS)
        return false;
    if (ares_init_options(&channel, &options,
                          ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
                              ARES_OPT_SOCK_STATE_CB) != ARES_SUCCESS) {
        ares_library_cleanup();
        return false;
    }
    is_open = true;
    fixed_servers = count > 0;
    use_servers(servers, count);
    return true;
}

void port_lookup_close(void)
{
    if (!is_open)
        return;
    ares_destroy(channel);
    ares_library_cleanup();
    is_open = false;
    memset(lookups, 0, sizeof(lookups));
    asked = answered = 0;
}

static struct lookup *free_lookup(void)
{
    for (unsigned i = 0; i < CONFIG_BACKENDS; i++)
        if (lookups[i].state == LOOKUP_FREE)
            return &lookups[i];
    return NULL;
}

port_lookup port_lookup_start(const char *name, void *user)
{
    const struct ares_addrinfo_hints hints = {.ai_flags = ARES_AI_NOSORT,
                                              .ai_family = IS_ENABLED(CONFIG_IPV6) ? AF_UNSPEC : AF_INET,
                                              .ai_socktype = SOCK_STREAM};
    struct lookup *lookup = is_open ? free_lookup() : NULL;
    struct port_addr servers[POSIX_SERVERS];

    if (!lookup)
        return PORT_NO_LOOKUP;
    memset(&lookup->answer, 0, sizeof(lookup->answer));
    lookup->user = user;
    lookup->state = LOOKUP_ASKED;
    if (posix_hosts_find(name, &lookup->answer)) {
        asked++;
        lookup_done(lookup);
        return (port_lookup)(lookup - lookups);
    }
    /* A box's uplink may come, with other servers, long after the start. */
    if (!fixed_servers && asked == 0)
        use_servers(servers, posix_hosts_servers(servers));
    asked++;
    ares_getaddrinfo(channel, name, NULL, &hints, on_answer, lookup);
    return (port_lookup)(lookup - lookups);
}

void port_lookup_take(port_lookup number, struct port_answer *answer)
{
    struct lookup *lookup = &lookups[number];

    *answer = lookup->answer;
    lookup->state = LOOKUP_FREE;
}

void port_lookup_cancel(port_lookup number)
{
    struct lookup *lookup = &lookups[number];

    if (lookup->state == LOOKUP_ASKED) {
        lookup->state = LOOKUP_UNWANTED;
        return;
    }
    answered -= lookup->state == LOOKUP_ANSWERED;
    lookup->state = LOOKUP_FREE;
}
