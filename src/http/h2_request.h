/* HTTP/2 requests: the rules of RFC 9113 8.3 that nghttp2 leaves to its user, checked on a complete head. Pure. */
#ifndef CULVERT_HTTP_H2_REQUEST_H
#define CULVERT_HTTP_H2_REQUEST_H

#include "http/h1.h"

/* Takes one field of a request's block into the head: pseudo-header fields into their spans, cookie crumbs into one
   line, others as they are. H1_OK, H1_LINE_LONG (:path above limits->line), H1_FIELD_LONG, H1_FIELDS_MANY or
   H1_HEAD_LARGE. */
enum h1_reason h2_request_field(struct head *head, struct text name, struct text value, const struct h1_limits *limits);

struct h2_request {
    bool tunnel; /* an extended CONNECT for WebSocket (RFC 8441) */
    bool has_length;
    uint64_t length;
};

/* Interprets a complete request head: sets head->method_id, and head->authority out of Host when there is no
   :authority. Drops Host. Refusals: H1_BAD_HOST, H1_NO_HOST, H1_HOST_MISMATCH, H1_TWO_HOSTS, H1_BAD_TARGET (malformed:
   a stream error), H1_METHOD, H1_TRACE, H1_EXPECT (answered). */
enum h1_reason h2_request_interpret(struct head *head, struct h2_request *request);

/* Whether a refusal makes the request malformed (RFC 9113 8.1.1): a stream error of type PROTOCOL_ERROR instead of an
 * answer. */
bool h2_request_malformed(enum h1_reason reason);

#endif
