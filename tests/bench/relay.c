/* A bare byte relay on poll(): what forwarding costs when nothing is understood. The floor of the bench. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAIRS 256
#define BUFFER 65536

/* One direction: what was read from `from` and has not been written to `to` yet. */
struct way {
    size_t pos, len;
    bool ended;
    char bytes[BUFFER];
};

/* Slot 2n + 1 of `fds` is the client of pair n, slot 2n + 2 its origin; slot 0 listens. `ways` is by reader. */
static struct pollfd fds[1 + 2 * PAIRS];
static struct way ways[2 * PAIRS];
static struct sockaddr_in origin;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static struct sockaddr_in loopback(const char *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(port))};

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}

static void no_delay(int fd)
{
    int one = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static void pair_open(void)
{
    int client = accept4(fds[0].fd, NULL, NULL, SOCK_NONBLOCK);
    int server;
    int i;

    if (client < 0)
        return;
    for (i = 1; i < 1 + 2 * PAIRS && fds[i].fd >= 0; i += 2)
        ;
    if (i >= 1 + 2 * PAIRS) {
        close(client);
        return;
    }
    server = socket(AF_INET, SOCK_STREAM, 0);
    if (server < 0 || connect(server, (struct sockaddr *)&origin, sizeof(origin)) != 0)
        die("connect");
    no_delay(client);
    no_delay(server);
    fds[i] = (struct pollfd){.fd = client, .events = POLLIN};
    fds[i + 1] = (struct pollfd){.fd = server, .events = POLLIN};
    ways[i - 1].pos = ways[i - 1].len = ways[i].pos = ways[i].len = 0;
    ways[i - 1].ended = ways[i].ended = false;
}

static void pair_close(int i)
{
    int first = i - (i - 1) % 2;

    close(fds[first].fd);
    close(fds[first + 1].fd);
    fds[first].fd = fds[first + 1].fd = -1;
}

/* Writes the rest of a way; false when the pair is gone. Reading goes on only when nothing is left to write. */
static bool way_flush(int from, int to)
{
    struct way *w = &ways[from - 1];

    while (w->pos < w->len) {
        ssize_t n = send(fds[to].fd, w->bytes + w->pos, w->len - w->pos, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EAGAIN) {
            fds[to].events |= POLLOUT;
            fds[from].events &= (short)~POLLIN;
            return true;
        }
        if (n <= 0) {
            pair_close(from);
            return false;
        }
        w->pos += (size_t)n;
    }
    fds[to].events &= (short)~POLLOUT;
    if (w->ended)
        shutdown(fds[to].fd, SHUT_WR);
    else
        fds[from].events |= POLLIN;
    return true;
}

static bool way_fill(int from, int to)
{
    struct way *w = &ways[from - 1];
    ssize_t n = recv(fds[from].fd, w->bytes, sizeof(w->bytes), MSG_DONTWAIT);

    if (n < 0)
        return errno == EAGAIN || (pair_close(from), false);
    w->pos = 0;
    w->len = (size_t)n;
    if (n == 0) {
        w->ended = true;
        fds[from].events &= (short)~POLLIN;
        if (ways[to - 1].ended) {
            pair_close(from);
            return false;
        }
    }
    return way_flush(from, to);
}

static void serve(int i)
{
    int other = i % 2 ? i + 1 : i - 1;
    short got = fds[i].revents;

    if (fds[i].fd < 0 || got == 0)
        return;
    if ((got & POLLOUT) && !way_flush(other, i))
        return;
    if (got & POLLIN)
        way_fill(i, other);
    else if (got & (POLLHUP | POLLERR))
        pair_close(i);
}

int main(int argc, char **argv)
{
    struct sockaddr_in here;
    int one = 1;
    int used;
    int i;

    if (argc != 3) {
        fprintf(stderr, "usage: relay PORT ORIGIN-PORT\n");
        return 1;
    }
    here = loopback(argv[1]);
    origin = loopback(argv[2]);
    for (i = 0; i < 1 + 2 * PAIRS; i++)
        fds[i].fd = -1;
    fds[0].fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    fds[0].events = POLLIN;
    setsockopt(fds[0].fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fds[0].fd, (struct sockaddr *)&here, sizeof(here)) != 0 || listen(fds[0].fd, 128) != 0)
        die("listen");
    for (;;) {
        for (used = 1 + 2 * PAIRS; used > 1 && fds[used - 1].fd < 0; used--)
            ;
        if (poll(fds, (nfds_t)used, -1) < 0)
            die("poll");
        for (i = 1; i < used; i++)
            serve(i);
        if (fds[0].revents)
            pair_open();
    }
}
