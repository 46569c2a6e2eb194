/* /etc/hosts and the servers of /etc/resolv.conf, read without the C library's heap. */
#define _GNU_SOURCE
#include "posix.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define HOSTS "/etc/hosts"
#define RESOLV_CONF "/etc/resolv.conf"
#define BLANKS " \t\r"
#define DNS_PORT 53

/* A file, line by line. A line that does not fit is cut. */
struct reading {
    int fd;
    size_t at, end;
    char bytes[1024];
    char line[512];
};

static bool reading_open(struct reading *r, const char *path)
{
    r->at = r->end = 0;
    r->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    return r->fd >= 0;
}

static bool next_byte(struct reading *r, char *byte)
{
    if (r->at == r->end) {
        ssize_t n = read(r->fd, r->bytes, sizeof(r->bytes));

        r->at = 0;
        r->end = n > 0 ? (size_t)n : 0;
        if (n <= 0)
            return false;
    }
    *byte = r->bytes[r->at++];
    return true;
}

/* The next line without its comment. False at the end. */
static bool next_line(struct reading *r)
{
    size_t len = 0;
    char byte = '\0';
    bool any = false, comment = false;

    while (next_byte(r, &byte) && byte != '\n') {
        any = true;
        comment = comment || byte == '#' || byte == ';';
        if (!comment && len < sizeof(r->line) - 1)
            r->line[len++] = byte;
    }
    r->line[len] = '\0';
    return any || byte == '\n';
}

/* A literal address; a zone makes it none. */
static bool parse(const char *word, struct port_addr *addr)
{
    memset(addr, 0, sizeof(*addr));
    if (inet_pton(AF_INET, word, addr->ip) == 1)
        addr->family = PORT_IPV4;
    else if (inet_pton(AF_INET6, word, addr->ip) == 1)
        addr->family = PORT_IPV6;
    return addr->family != PORT_NONE;
}

static bool names(char *rest, const char *name)
{
    for (char *word = strtok_r(NULL, BLANKS, &rest); word; word = strtok_r(NULL, BLANKS, &rest))
        if (strcasecmp(word, name) == 0)
            return true;
    return false;
}

/* The addresses that the file has for a name. */
static void read_hosts(const char *name, struct port_answer *answer)
{
    struct port_addr six[CONFIG_BACKEND_ADDRS], four[CONFIG_BACKEND_ADDRS], addr;
    unsigned sixes = 0, fours = 0;
    struct reading r;

    if (reading_open(&r, HOSTS)) {
        while (next_line(&r)) {
            char *rest;
            char *word = strtok_r(r.line, BLANKS, &rest);

            if (!word || !parse(word, &addr) || !names(rest, name))
                continue;
            if (addr.family == PORT_IPV4 && fours < CONFIG_BACKEND_ADDRS)
                four[fours++] = addr;
            else if (IS_ENABLED(CONFIG_IPV6) && addr.family == PORT_IPV6 && sixes < CONFIG_BACKEND_ADDRS)
                six[sixes++] = addr;
        }
        close(r.fd);
    }
    posix_answer_fill(answer, six, sixes, four, fours);
}

bool posix_hosts_find(const char *name, struct port_answer *answer)
{
    static const struct port_addr six = {.ip = {[15] = 1}, .family = PORT_IPV6};
    static const struct port_addr four = {.ip = {127, 0, 0, 1}, .family = PORT_IPV4};
    size_t len = strlen(name);
    static const char local[] = "localhost";
    bool is_local = strcasecmp(name, local) == 0 ||
                    (len > sizeof(local) && strcasecmp(name + len - sizeof(local), ".localhost") == 0);

    read_hosts(name, answer);
    /* RFC 6761 6.3: such names are never asked for. */
    if (answer->count == 0 && is_local)
        posix_answer_fill(answer, &six, IS_ENABLED(CONFIG_IPV6), &four, 1);
    return answer->count > 0;
}

unsigned posix_hosts_servers(struct port_addr *servers)
{
    unsigned count = 0;
    struct reading r;

    if (!reading_open(&r, RESOLV_CONF))
        return 0;
    while (next_line(&r) && count < POSIX_SERVERS) {
        char *rest;
        char *word = strtok_r(r.line, BLANKS, &rest);

        if (!word || strcmp(word, "nameserver") != 0)
            continue;
        word = strtok_r(NULL, BLANKS, &rest);
        if (word && parse(word, &servers[count])) {
            servers[count].port = DNS_PORT;
            count++;
        }
    }
    close(r.fd);
    return count;
}
