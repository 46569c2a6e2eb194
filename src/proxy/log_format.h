/* Formats of the access log: httpd's LogFormat, parsed once into a list of parts of bounded size. Pure. */
#ifndef CULVERT_PROXY_LOG_FORMAT_H
#define CULVERT_PROXY_LOG_FORMAT_H

#include "base/text.h"
#include "http/head.h"

/* What a part of a line is. `%` and a letter as in httpd, but for the notes. */
enum log_token {
    LOG_TEXT,      /* itself */
    LOG_TAB,       /* \t */
    LOG_CLIENT,    /* %h %a */
    LOG_LOCAL,     /* %A */
    LOG_NONE,      /* %l %u: "-" */
    LOG_TIME,      /* %t %{...}t */
    LOG_REQUEST,   /* %r */
    LOG_STATUS,    /* %s %>s %<s */
    LOG_BYTES,     /* %B */
    LOG_BYTES_CLF, /* %b: "-" for 0 */
    LOG_SECONDS,   /* %T %{s}T */
    LOG_MS,        /* %{ms}T */
    LOG_US,        /* %D %{us}T */
    LOG_METHOD,    /* %m */
    LOG_PATH,      /* %U */
    LOG_QUERY,     /* %q */
    LOG_PROTOCOL,  /* %H */
    LOG_PORT,      /* %p */
    LOG_PEER_PORT, /* %{remote}p */
    LOG_PROCESS,   /* %P */
    LOG_SERVER,    /* %v */
    LOG_HOST,      /* %V %{Host}i */
    LOG_FIELD,     /* %{X}i %{X}o */
    LOG_BACK_PORT, /* %{proxy-source-port}n */
    LOG_BACK_STATUS,
    LOG_BACK_STREAM,
    LOG_BACK_NAME,
    LOG_RETRY,
    LOG_END,
    LOG_ERROR_WORD,
    LOG_COMPACT, /* %{proxy-line}n: the line of the format "culvert" */
    LOG_TOKENS,
};

#if IS_ENABLED(CONFIG_LOG_FORMAT)

/* Spans are of the format's text. */
struct log_part {
    uint8_t token;    /* enum log_token */
    uint8_t field;    /* LOG_FIELD: its index in fields */
    bool unless;      /* `only` lists the statuses without the value */
    struct span text; /* LOG_TEXT; LOG_TIME: what stands in braces, or empty */
    struct span only; /* "400,501": the statuses with the value; with another one "-" stands there. Empty: all */
    uint16_t tail;    /* the least bytes that all parts behind this one need */
};

struct log_field {
    struct span name;
    bool response;
};

/* part_count 0: none; lines are those of the format "culvert". */
struct log_format {
    struct text text; /* whoever parsed it keeps the bytes */
    uint8_t part_count;
    uint8_t field_count;
    struct log_part parts[CONFIG_LOG_PARTS];
    struct log_field fields[CONFIG_LOG_FIELDS];
};

/* The values of a format's fields for one exchange. Spans are of the request head's text, or of `text`. */
struct log_fields {
    uint32_t version; /* which format they belong to (access_format.c) */
    struct span values[CONFIG_LOG_FIELDS];
    uint16_t used;
    char text[CONFIG_LOG_RESPONSE_FIELDS]; /* copies of those of the response, whose head is gone before its body is */
};

/* What is wrong with a format. */
struct log_fault {
    struct text at;       /* the part of it */
    const char *expected; /* for "expected %s" */
};

/* Parses a format, which must stay where it is. False: *fault is set, *format is empty. */
bool log_format_parse(struct log_format *format, struct text text, struct log_fault *fault) MUST_USE;

#else

struct log_format {
    uint8_t part_count; /* 0 */
};

#endif

#endif
