/* SHA-1 (RFC 3174), for the WebSocket handshake only: it proves that a server has read a request, and keeps no secret.
 */
#ifndef CULVERT_BASE_SHA1_H
#define CULVERT_BASE_SHA1_H

#include "base/text.h"

#define SHA1_SIZE 20

/* The digest of `t` followed by `more` (no limit on either), into digest[SHA1_SIZE]. */
void sha1_digest(struct text t, struct text more, uint8_t *digest);

#endif
