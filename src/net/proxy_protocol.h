/* The PROXY protocol, versions 1 and 2: a load balancer's word on who the client is, before the client's own bytes.
 * Pure and strict; works on any pieces of the header. Specification: haproxy.org, doc/proxy-protocol.txt. */
#ifndef CULVERT_NET_PROXY_PROTOCOL_H
#define CULVERT_NET_PROXY_PROTOCOL_H

#include "port.h"

/* The longest header of version 1, with its CRLF (section 2.1). */
#define PROXY_V1_MAX 107

enum proxy_result {
    PROXY_MORE, /* the header goes on */
    PROXY_DONE, /* it is complete */
    PROXY_BAD,  /* `reason` says why */
};

enum proxy_state {
    PROXY_START, /* the bytes that tell the versions apart */
    PROXY_V1,    /* the line's end */
    PROXY_V2,    /* the rest of the 16 bytes that every header has */
    PROXY_ADDRESSES,
    PROXY_TLVS,
    PROXY_SKIP, /* the rest of a LOCAL header, whatever it is */
    PROXY_END,
};

struct proxy_header {
    enum proxy_state state;
    uint16_t len;            /* bytes in buf */
    uint16_t left;           /* of version 2: bytes that still come, as its length says */
    uint16_t addresses;      /* of version 2: bytes of its address block */
    uint16_t tlv_left;       /* bytes of the TLV's value that still come */
    uint8_t tlv_at;          /* bytes of the TLV's head that came: 3 and more are its value */
    uint8_t tlv_type;        /* of the current one */
    bool has_crc;            /* a checksum came */
    uint32_t crc, crc_given; /* CRC32c: of all bytes so far, and as it was sent */

    bool has_client;         /* when done: `client` and `local` are what it says; else the connection's own count */
    struct port_addr client; /* a unix socket's without a path */
    struct port_addr local;
    const char *reason;

    uint8_t buf[PROXY_V1_MAX]; /* the line, or 16 bytes and the addresses */
};

void proxy_header_init(struct proxy_header *header);

/* Takes bytes, none behind the header's end: *used says how many were its. */
enum proxy_result proxy_header_feed(struct proxy_header *header, const uint8_t *bytes, size_t len, size_t *used);

/* For listeners where the header is optional: whether a connection begins with one. PROXY_MORE: len is too short to
   tell; PROXY_DONE: it does; PROXY_BAD: it begins with something else. No request begins like a header: "PROXY " is no
   method of a request line that could be meant, and the h2 preface ("PRI ") differs in its third byte. */
enum proxy_result proxy_header_guess(const uint8_t *bytes, size_t len);

#endif
