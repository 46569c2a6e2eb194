/* Why an exchange did not go the normal way: one table gives the status, who ended it, and the log line's word. */
#ifndef CULVERT_PROXY_CAUSE_H
#define CULVERT_PROXY_CAUSE_H

#include "compiler.h"

enum cause {
    CAUSE_NONE = 0,
    /* the client */
    CAUSE_CLIENT_CLOSED,  /* closed or reset its connection or stream */
    CAUSE_CLIENT_TIMEOUT, /* its request came too slowly: 408 */
    CAUSE_CLIENT_STALLED, /* it took no response bytes for too long */
    CAUSE_BAD_REQUEST,    /* refused by the parser; the word comes from there */
    /* the proxy */
    CAUSE_PATH_CLIMBS,  /* dot segments in the path: it could leave its ProxyPass prefix at the backend: 400 */
    CAUSE_NO_ROUTE,     /* no ProxyPass matches: 404 */
    CAUSE_LAST_HOP,     /* OPTIONS may go no further, says Max-Forwards: 200 */
    CAUSE_HEAD_FULL,    /* no room to add the forwarding fields: 431 */
    CAUSE_NO_ROOM,      /* no connection slot, no stream, no memory: 503 */
    CAUSE_BACKEND_DOWN, /* it failed a moment ago and is not tried yet: 503 */
    CAUSE_NO_MEMBER,    /* no member of the balancer can be used: 503 */
    CAUSE_NAME_UNKNOWN, /* its name was looked up in vain: 503 */
    CAUSE_DRAINING,     /* the proxy shuts down: 503 */
    CAUSE_STOPPED,      /* the proxy was stopped at once */
    CAUSE_BODY_LARGE,   /* the body grew beyond LimitRequestBody: 413 */
    /* the backend */
    CAUSE_CONNECT_REFUSED,  /* 502 */
    CAUSE_CONNECT_FAILED,   /* unreachable, no address: 502 */
    CAUSE_CONNECT_TIMEOUT,  /* 504 */
    CAUSE_TLS_FAILED,       /* the TLS handshake with it failed: 502 */
    CAUSE_TLS_UNTRUSTED,    /* its certificate is not good enough, or ours for it: 502 */
    CAUSE_TLS_NO_H2,        /* it did not agree on h2 by ALPN: 502 */
    CAUSE_TLS_TIMEOUT,      /* the TLS handshake took too long: 504 */
    CAUSE_BACKEND_CLOSED,   /* it closed the connection under the stream: 502 */
    CAUSE_BACKEND_RESET,    /* RST_STREAM: 502 */
    CAUSE_BACKEND_REFUSED,  /* RST_STREAM(REFUSED_STREAM): 502 when it cannot be retried */
    CAUSE_BACKEND_GOAWAY,   /* the stream was above GOAWAY's last id: 502 when it cannot be retried */
    CAUSE_BACKEND_PROTOCOL, /* it broke RFC 9113: 502 */
    CAUSE_BACKEND_HEAD,     /* its response head is larger than the proxy holds: 502 */
    CAUSE_BACKEND_LENGTH,   /* Content-Length and the bytes that came differ: 502 or cut */
    CAUSE_BACKEND_TIMEOUT,  /* it did not answer or went silent: 504 */
    CAUSE_BACKEND_FIRST,    /* its response head did not come in time, though it lives: 504 */
    CAUSE_REQUEST_TIME,     /* the whole took too long: 504 */
    CAUSE_BACKEND_CALM,     /* RST_STREAM(ENHANCE_YOUR_CALM): it has too much to do: 503 */
    CAUSE_BACKEND_INTERIM,  /* it sends interim responses without end: 502 */
    CAUSE_BACKEND_NO_HEAD,  /* the request head is larger than its SETTINGS_MAX_HEADER_LIST_SIZE: 431 */
    CAUSE_BACKEND_SILENT,   /* it gave no sign of life when asked for one: 504 */
    CAUSE_BACKEND_SETTINGS, /* its SETTINGS or their acknowledgement did not come: 504 */
    CAUSE_NO_TUNNEL,        /* it does not speak extended CONNECT (RFC 8441): 501 */
    CAUSE_TUNNEL_IDLE,      /* a WebSocket on which nothing moved */
    CAUSE_QUEUE_TIMEOUT,    /* no stream came free in time: 503 */
    CAUSE_QUEUE_FULL,       /* too many wait for a stream: 503 */
    CAUSES,
};

/* The longest word that a log line has for a cause, or for what was wrong with a request, to which README has tables.
 */
#define CAUSE_WORD_MOST 24

struct cause_info {
    uint16_t status;  /* of the answer when none has begun; 0: nobody is there to be answered */
    char who;         /* C, B, P, T of the log line */
    const char *word; /* "backend-reset" */
};
const struct cause_info *cause_info(enum cause cause);

/* How many requests have ended so (CAUSE_NONE: well) since cause_forget. Only with CONFIG_STATE; else 0. */
void cause_note(enum cause cause);
uint32_t cause_count(enum cause cause);
void cause_forget(void);

#endif
