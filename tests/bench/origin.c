/* A small HTTP/1.1 origin for the relay: GET /SIZE gives SIZE bytes, POST reads a Content-Length body and gives the
 * same. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define CLIENTS 256
#define HEAD 4096
#define CHUNK 65536

/* One connection: a head is collected, its body is thrown away, its response is written. */
struct client {
    char head[HEAD];
    size_t head_len;
    unsigned long long body_left;  /* of the request */
    unsigned long long reply_left; /* of the response's body */
    char reply[128];
    size_t reply_pos, reply_len; /* of the response's head */
    bool replying;
};

static struct pollfd fds[1 + CLIENTS];
static struct client clients[1 + CLIENTS];
static char zeros[CHUNK];

static void drop(int i)
{
    close(fds[i].fd);
    fds[i].fd = -1;
}

static void open_client(void)
{
    int fd = accept4(fds[0].fd, NULL, NULL, SOCK_NONBLOCK);
    int one = 1;
    int i;

    if (fd < 0)
        return;
    for (i = 1; i <= CLIENTS && fds[i].fd >= 0; i++)
        ;
    if (i > CLIENTS) {
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    fds[i] = (struct pollfd){.fd = fd, .events = POLLIN};
    memset(&clients[i], 0, sizeof(clients[i]));
}

/* Takes the head apart: the size is the path, "/10485760"; the length is of the request's body. */
static void take_head(struct client *c, const char *end)
{
    const char *path = strchr(c->head, '/');
    const char *length = strcasestr(c->head, "\r\ncontent-length:");

    c->reply_left = path ? strtoull(path + 1, NULL, 10) : 0;
    c->body_left = length && length < end ? strtoull(length + 17, NULL, 10) : 0;
    c->reply_len =
        (size_t)snprintf(c->reply, sizeof(c->reply), "HTTP/1.1 200 OK\r\nContent-Length: %llu\r\n\r\n", c->reply_left);
    c->reply_pos = 0;
    c->replying = true;
}

/* Writes what the socket takes; false when the client is gone. */
static bool reply(int i)
{
    struct client *c = &clients[i];

    while (c->reply_pos < c->reply_len || c->reply_left > 0) {
        size_t body = c->reply_left < CHUNK ? (size_t)c->reply_left : CHUNK;
        size_t rest = c->reply_len - c->reply_pos;
        struct iovec iov[2] = {{c->reply + c->reply_pos, rest}, {zeros, body}};
        ssize_t n = writev(fds[i].fd, iov, 2);

        if (n < 0 && errno == EAGAIN) {
            fds[i].events = POLLOUT;
            return true;
        }
        if (n < 0) {
            drop(i);
            return false;
        }
        if ((size_t)n <= rest) {
            c->reply_pos += (size_t)n;
            continue;
        }
        c->reply_pos = c->reply_len;
        c->reply_left -= (size_t)n - rest;
    }
    c->replying = false;
    fds[i].events = POLLIN;
    return true;
}

/* Body bytes that came with the head are counted; one request is in flight at a time (h2load --h1 does not pipeline).
 */
static void receive(int i)
{
    struct client *c = &clients[i];
    static char sink[CHUNK];
    bool body = c->replying;
    ssize_t n =
        body ? read(fds[i].fd, sink, sizeof(sink)) : read(fds[i].fd, c->head + c->head_len, HEAD - 1 - c->head_len);
    char *end;
    size_t extra;

    if (n <= 0) {
        if (n == 0 || errno != EAGAIN)
            drop(i);
        return;
    }
    if (body) {
        c->body_left -= (size_t)n < c->body_left ? (size_t)n : c->body_left;
    } else {
        c->head_len += (size_t)n;
        c->head[c->head_len] = '\0';
        end = strstr(c->head, "\r\n\r\n");
        if (!end) {
            if (c->head_len == HEAD - 1)
                drop(i);
            return;
        }
        take_head(c, end);
        extra = c->head_len - (size_t)(end + 4 - c->head);
        c->body_left -= extra < c->body_left ? extra : c->body_left;
        c->head_len = 0;
    }
    if (c->body_left == 0)
        reply(i);
}

int main(int argc, char **argv)
{
    struct sockaddr_in here = {.sin_family = AF_INET};
    int one = 1;
    int i;

    if (argc != 2) {
        fprintf(stderr, "usage: origin PORT\n");
        return 1;
    }
    here.sin_port = htons((unsigned short)atoi(argv[1]));
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (i = 0; i <= CLIENTS; i++)
        fds[i].fd = -1;
    fds[0].fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    fds[0].events = POLLIN;
    setsockopt(fds[0].fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fds[0].fd, (struct sockaddr *)&here, sizeof(here)) != 0 || listen(fds[0].fd, 128) != 0) {
        perror("listen");
        return 1;
    }
    while (poll(fds, 1 + CLIENTS, -1) > 0) {
        for (i = 1; i <= CLIENTS; i++) {
            if (fds[i].fd < 0 || fds[i].revents == 0)
                continue;
            if (fds[i].revents & POLLOUT)
                reply(i);
            else
                receive(i);
        }
        if (fds[0].revents)
            open_client();
    }
    return 1;
}
