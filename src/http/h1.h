/* HTTP/1.1 on the wire, RFC 9112: a strict, pure parser of request heads, chunked bodies and trailer sections, and the
 * serialiser of responses. No sockets, no policy; it works on the caller's bytes and remembers how far it looked. */
#ifndef CULVERT_HTTP_H1_H
#define CULVERT_HTTP_H1_H

#include "http/head.h"

/* Why a request is refused. Each has a status, a word for the log line and the RFC section or attack (see h1_refusal).
 */
enum h1_reason {
    H1_OK = 0,
    H1_PARTIAL, /* not a refusal: more bytes are needed */
    /* 400 */
    H1_BAD_LINE,           /* the request line's form, RFC 9112 3 */
    H1_BAD_METHOD,         /* not a token */
    H1_BAD_TARGET,         /* RFC 9112 3.2 */
    H1_BAD_VERSION,        /* "HTTP/" DIGIT "." DIGIT is missing */
    H1_BARE_CR,            /* RFC 9112 2.2: request smuggling */
    H1_BARE_LF,            /* RFC 9112 2.2: request smuggling */
    H1_NUL,                /* NUL in the head */
    H1_BAD_FIELD_NAME,     /* empty or not a token */
    H1_SPACE_BEFORE_COLON, /* RFC 9112 5.1 */
    H1_NO_COLON,
    H1_FOLDED,          /* obs-fold, RFC 9112 5.2 */
    H1_BAD_FIELD_VALUE, /* control bytes, RFC 9110 5.5 */
    H1_NO_HOST,         /* RFC 9112 3.2 */
    H1_TWO_HOSTS,       /* RFC 9112 3.2 */
    H1_BAD_HOST,
    H1_HOST_MISMATCH,       /* absolute-form and Host differ: routing confusion */
    H1_TWO_CONTENT_LENGTHS, /* repeated, even when equal, RFC 9112 6.3 */
    H1_BAD_CONTENT_LENGTH,
    H1_LENGTH_AND_ENCODING,   /* Transfer-Encoding with Content-Length, RFC 9112 6.1 */
    H1_BAD_TRANSFER_ENCODING, /* chunked not last or twice, RFC 9112 6.1; or Transfer-Encoding in HTTP/1.0 */
    H1_BAD_CHUNK_SIZE,        /* RFC 9112 7.1 */
    H1_BAD_CHUNK_END,         /* no CRLF behind chunk data */
    H1_CHUNK_EXTENSION_LONG,  /* attack: bytes without end in extensions */
    H1_BAD_TRAILER,           /* a trailer section that is no field section */
    H1_SINGLE_TWICE,          /* a field that may come once came twice */
    /* others */
    H1_LINE_LONG,   /* 414 */
    H1_FIELD_LONG,  /* 431 */
    H1_FIELDS_MANY, /* 431 */
    H1_HEAD_LARGE,  /* 431: all together more than CONFIG_REQUEST_HEAD */
    H1_NO_ROOM,     /* 503: so much is allowed, but there is no storage for it now */
    H1_BODY_LARGE,  /* 413 */
    H1_VERSION,     /* 505 */
    H1_CODING,      /* 501: a transfer coding other than chunked */
    H1_METHOD,      /* 501: CONNECT at a reverse proxy */
    H1_TRACE,       /* 405: TRACE would show a client what the proxy adds, RFC 9110 9.3.8 */
    H1_EXPECT,      /* 417: an expectation other than 100-continue */
    H1_NOT_OURS,    /* 421: absolute-form for a host that is not ours */
    H1_REASONS,
};

struct h1_refusal {
    uint16_t status;
    const char *word;    /* for the log line: "bad-content-length" */
    const char *section; /* "RFC 9112 6.3" or the attack's name */
};
/* Never NULL; of H1_OK and H1_PARTIAL the status is 0 and the texts are "". */
const struct h1_refusal *h1_refusal(enum h1_reason reason);

/* The directives' limits. */
struct h1_limits {
    uint32_t line;   /* LimitRequestLine: octets of the request line, without its CRLF */
    uint32_t field;  /* LimitRequestFieldSize: octets of a field line, without its CRLF */
    uint32_t fields; /* LimitRequestFields: field lines of a section; 0: as many as a head can hold */
};

/* The state of a head or a trailer section that is being read. Zeroed for a new one. line_start <= scanned. */
struct h1_parser {
    uint32_t scanned;    /* bytes looked at: no byte is looked at twice for its line's end */
    uint32_t line_start; /* of the line that is incomplete */
    uint8_t minor;       /* of the version, once the request line is done */
    bool in_fields;      /* the request line is done */
};

/* Parses the request head in head->text[0, len). An empty line before it (one CRLF at most, RFC 9112 2.2) is skipped.
   H1_OK: *consumed bytes were the head; a SECTION_REQUEST stands in `head` (its method; the raw target as `path`;
   fields with lower-cased names, in place; head->used is left for the caller, who sets it behind all bytes that he has
   read). H1_PARTIAL: call again with more bytes behind the same ones. Else: a refusal, the same however the bytes were
   cut. A line is judged when its LF is there, but a first byte that begins no method and a line above its limit are
   refused at once. `head` must be empty (head_init) on the first call of a request. What goes beyond
   CONFIG_REQUEST_HEAD is not looked at. *minor: 0, or 1 for HTTP/1.1 and every higher minor version (RFC 9110 2.5);
   valid on H1_OK. */
enum h1_reason h1_parse_request(struct h1_parser *parser, struct head *head, size_t len, const struct h1_limits *limits,
                                size_t *consumed, unsigned *minor) MUST_USE;

/* Parses a trailer section in head->text[from, from + len) into a SECTION_TRAILERS (perhaps without fields), up to and
   with its empty line. `from` is the same in all calls for one section. Fields with FIELD_NO_TRAILER or FIELD_HOP are
   parsed and left out. Same results as above; refusals are H1_BAD_TRAILER, H1_FIELD_LONG, H1_FIELDS_MANY and
   H1_HEAD_LARGE. */
enum h1_reason h1_parse_trailers(struct h1_parser *parser, struct head *head, size_t from, size_t len,
                                 const struct h1_limits *limits, size_t *consumed) MUST_USE;

enum h1_body { H1_BODY_NONE, H1_BODY_LENGTH, H1_BODY_CHUNKED };

/* What the head says about the message, checked: the one place of HTTP/1.1's framing rules. */
struct h1_request {
    enum h1_body body;
    uint64_t length;      /* of H1_BODY_LENGTH; > 0 */
    bool keep_alive;      /* the client would keep the connection (RFC 9112 9.3) */
    bool expect_continue; /* Expect: 100-continue (RFC 9110 10.1.1) */
    bool te_trailers;     /* TE: trailers */
    bool absolute;        /* the target was in absolute-form (http or https scheme) */
};

/* Interprets a request that h1_parse_request has parsed, once: sets head->authority (of the absolute-form target, else
   of Host), head->path (origin-form or "*"), head->scheme unchanged. May change bytes of the target in head->text.
   H1_OK or a refusal (host, framing, method, expectation). HTTP/1.0 without Host: authority is empty. */
enum h1_reason h1_interpret(struct head *head, unsigned minor, struct h1_request *request) MUST_USE;

/* The chunked decoder's state. Zeroed for a new body. */
enum h1_chunk_state {
    H1_CHUNK_SIZE = 0,  /* waits for the first digit of a size */
    H1_CHUNK_DIGITS,    /* more digits, ';' or CR */
    H1_CHUNK_SPACE,     /* ';' behind white space */
    H1_CHUNK_EXTENSION, /* CR */
    H1_CHUNK_SIZE_LF,   /* LF behind the size */
    H1_CHUNK_DATA,      /* `left` bytes */
    H1_CHUNK_DATA_CR,   /* CR behind the data */
    H1_CHUNK_DATA_LF,   /* LF behind the data */
    H1_CHUNK_TRAILERS,  /* the last chunk came: a trailer section follows (h1_parse_trailers) */
};
struct h1_chunks {
    enum h1_chunk_state state;
    uint8_t digits;     /* of the size that is being read */
    uint64_t left;      /* bytes of the current chunk that are to come; below 2^60 */
    uint32_t extension; /* octets of size lines that are not yet outweighed by data (bounded over the body, see
                           h1_chunk.c) */
};

/* Decodes chunked bytes: takes from in[0, len) up to the end of one span of data. Returns H1_OK with *consumed bytes
   used, of which the last *data_len (perhaps 0) are body data at in + *consumed - *data_len; call again with the rest
   until consumed
   == len or state is H1_CHUNK_TRAILERS. *consumed > 0 unless len is 0 or state is H1_CHUNK_TRAILERS. Else a refusal
   (H1_BAD_CHUNK_SIZE, H1_BAD_CHUNK_END, H1_CHUNK_EXTENSION_LONG, H1_BARE_CR, H1_BARE_LF), after which the body is dead.
 */
enum h1_reason h1_decode_chunks(struct h1_chunks *chunks, const uint8_t *in, size_t len, size_t *consumed,
                                size_t *data_len) MUST_USE;

/* How a response is framed towards an HTTP/1.1 or 1.0 client. */
enum h1_framing {
    H1_FRAME_NONE,    /* no body can follow (HEAD, 1xx, 204, 304) */
    H1_FRAME_LENGTH,  /* Content-Length is in the head */
    H1_FRAME_CHUNKED, /* Transfer-Encoding: chunked is added */
    H1_FRAME_CLOSE,   /* HTTP/1.0 without a length: the end of the connection */
};

/* Writes a response head: the status line (always HTTP/1.1, RFC 9110 2.5) with the standard reason phrase, the
   section's fields that are not dropped (hop-by-hop ones must have been dropped before), "transfer-encoding: chunked"
   for H1_FRAME_CHUNKED, "connection: close" when `close` (or "keep-alive" for a 1.0 client that stays; neither in an
   interim response), the empty line. Deterministic: the same head gives the same bytes. When it does not fit, b->full
   is set and nothing is added. */
void h1_write_head(struct textbuf *b, const struct head *head, const struct section *section, unsigned minor,
                   enum h1_framing framing, bool close);

/* Writes the last chunk with a trailer section (NULL: none) and its empty line. When it does not fit, b->full is set
   and nothing is added. */
void h1_write_last_chunk(struct textbuf *b, const struct head *head, const struct section *trailers);

/* The standard reason phrase of a status (the IANA registry's), "" for an unknown one. */
struct text h1_reason_phrase(unsigned status);

#endif
