/* WebSocket across the versions of HTTP: an HTTP/1.1 upgrade (RFC 6455 4) becomes an extended CONNECT (RFC 8441), and
 * the answer to that becomes 101. Works on heads alone; the bytes of the tunnel are the two bodies of the exchange. */
#ifndef CULVERT_PROXY_WEBSOCKET_H
#define CULVERT_PROXY_WEBSOCKET_H

#include "http/head.h"

#if IS_ENABLED(CONFIG_WEBSOCKET)

/* Whether an HTTP/1.1 request asks for WebSocket in the proper form: GET, Connection: upgrade, Upgrade: websocket,
   version 13, a key of 16 bytes in base64. *key: where it stands. Otherwise the Upgrade field is ignored (RFC
   9110 7.8). */
bool websocket_wanted(struct head *head, struct span *key);

/* Makes a rewritten request (forward_request) an extended CONNECT: method, :protocol, without the key. False: no room.
 */
bool websocket_connect(struct head *head) MUST_USE;

/* Makes the 2xx answer, the last section of `head`, a 101 for an HTTP/1.1 client that sent `key`. False: no room. */
bool websocket_accept(struct head *head, struct section *section, struct text key) MUST_USE;

#else

static inline bool websocket_wanted(struct head *head, struct span *key)
{
    (void)head;
    (void)key;
    return false;
}

static inline bool websocket_connect(struct head *head)
{
    (void)head;
    return false;
}

static inline bool websocket_accept(struct head *head, struct section *section, struct text key)
{
    (void)head;
    (void)section;
    (void)key;
    return false;
}

#endif

#endif
