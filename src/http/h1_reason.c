/* Two tables: why a request is refused, and the standard reason phrases of statuses. */
#include "http/h1.h"

static const struct h1_refusal refusals[H1_REASONS] = {
    [H1_OK] = {0, "", ""},
    [H1_PARTIAL] = {0, "", ""},
    [H1_BAD_LINE] = {400, "bad-request-line", "RFC 9112 3"},
    [H1_BAD_METHOD] = {400, "bad-method", "RFC 9110 9.1"},
    [H1_BAD_TARGET] = {400, "bad-target", "RFC 9112 3.2"},
    [H1_BAD_VERSION] = {400, "bad-version", "RFC 9112 2.3"},
    [H1_BARE_CR] = {400, "bare-cr", "RFC 9112 2.2: request smuggling"},
    [H1_BARE_LF] = {400, "bare-lf", "RFC 9112 2.2: request smuggling"},
    [H1_NUL] = {400, "nul", "RFC 9110 5.5: header injection"},
    [H1_BAD_FIELD_NAME] = {400, "bad-field-name", "RFC 9110 5.1"},
    [H1_SPACE_BEFORE_COLON] = {400, "space-before-colon", "RFC 9112 5.1: request smuggling"},
    [H1_NO_COLON] = {400, "no-colon", "RFC 9112 5"},
    [H1_FOLDED] = {400, "folded-field", "RFC 9112 5.2"},
    [H1_BAD_FIELD_VALUE] = {400, "bad-field-value", "RFC 9110 5.5"},
    [H1_NO_HOST] = {400, "no-host", "RFC 9112 3.2"},
    [H1_TWO_HOSTS] = {400, "two-hosts", "RFC 9112 3.2"},
    [H1_BAD_HOST] = {400, "bad-host", "RFC 9112 3.2"},
    [H1_HOST_MISMATCH] = {400, "host-mismatch", "RFC 9112 3.2.2: routing confusion"},
    [H1_TWO_CONTENT_LENGTHS] = {400, "two-content-lengths", "RFC 9112 6.3: request smuggling"},
    [H1_BAD_CONTENT_LENGTH] = {400, "bad-content-length", "RFC 9112 6.3"},
    [H1_LENGTH_AND_ENCODING] = {400, "length-and-encoding", "RFC 9112 6.1: request smuggling"},
    [H1_BAD_TRANSFER_ENCODING] = {400, "bad-transfer-encoding", "RFC 9112 6.1: request smuggling"},
    [H1_BAD_CHUNK_SIZE] = {400, "bad-chunk-size", "RFC 9112 7.1"},
    [H1_BAD_CHUNK_END] = {400, "bad-chunk-end", "RFC 9112 7.1"},
    [H1_CHUNK_EXTENSION_LONG] = {400, "chunk-extension-long", "RFC 9112 7.1.1: bytes without end"},
    [H1_BAD_TRAILER] = {400, "bad-trailer", "RFC 9112 7.1.2"},
    [H1_SINGLE_TWICE] = {400, "field-twice", "RFC 9110 5.3"},
    [H1_LINE_LONG] = {414, "line-long", "RFC 9112 3"},
    [H1_FIELD_LONG] = {431, "field-long", "RFC 6585 5"},
    [H1_FIELDS_MANY] = {431, "fields-many", "RFC 6585 5"},
    [H1_HEAD_LARGE] = {431, "head-large", "RFC 6585 5"},
    [H1_NO_ROOM] = {503, "no-head-room", "RFC 9110 15.6.4"},
    [H1_BODY_LARGE] = {413, "body-large", "RFC 9110 15.5.14"},
    [H1_VERSION] = {505, "version", "RFC 9110 15.6.6"},
    [H1_CODING] = {501, "transfer-coding", "RFC 9112 6.1"},
    [H1_METHOD] = {501, "connect", "RFC 9110 9.3.6"},
    [H1_TRACE] = {405, "trace", "RFC 9110 9.3.8"},
    [H1_EXPECT] = {417, "expectation", "RFC 9110 10.1.1"},
    [H1_NOT_OURS] = {421, "not-our-host", "RFC 9110 7.4"},
};

const struct h1_refusal *h1_refusal(enum h1_reason reason)
{
    return &refusals[(unsigned)reason < H1_REASONS ? reason : H1_OK];
}

/* The IANA registry of HTTP status codes, by class. */
static const struct text phrases_1[] = {
    TEXT_INIT("Continue"),
    TEXT_INIT("Switching Protocols"),
    TEXT_INIT("Processing"),
    TEXT_INIT("Early Hints"),
};
static const struct text phrases_2[] = {
    [0] = TEXT_INIT("OK"),
    [1] = TEXT_INIT("Created"),
    [2] = TEXT_INIT("Accepted"),
    [3] = TEXT_INIT("Non-Authoritative Information"),
    [4] = TEXT_INIT("No Content"),
    [5] = TEXT_INIT("Reset Content"),
    [6] = TEXT_INIT("Partial Content"),
    [7] = TEXT_INIT("Multi-Status"),
    [8] = TEXT_INIT("Already Reported"),
    [26] = TEXT_INIT("IM Used"),
};
static const struct text phrases_3[] = {
    [0] = TEXT_INIT("Multiple Choices"),   [1] = TEXT_INIT("Moved Permanently"),  [2] = TEXT_INIT("Found"),
    [3] = TEXT_INIT("See Other"),          [4] = TEXT_INIT("Not Modified"),       [5] = TEXT_INIT("Use Proxy"),
    [7] = TEXT_INIT("Temporary Redirect"), [8] = TEXT_INIT("Permanent Redirect"),
};
static const struct text phrases_4[] = {
    [0] = TEXT_INIT("Bad Request"),
    [1] = TEXT_INIT("Unauthorized"),
    [2] = TEXT_INIT("Payment Required"),
    [3] = TEXT_INIT("Forbidden"),
    [4] = TEXT_INIT("Not Found"),
    [5] = TEXT_INIT("Method Not Allowed"),
    [6] = TEXT_INIT("Not Acceptable"),
    [7] = TEXT_INIT("Proxy Authentication Required"),
    [8] = TEXT_INIT("Request Timeout"),
    [9] = TEXT_INIT("Conflict"),
    [10] = TEXT_INIT("Gone"),
    [11] = TEXT_INIT("Length Required"),
    [12] = TEXT_INIT("Precondition Failed"),
    [13] = TEXT_INIT("Content Too Large"),
    [14] = TEXT_INIT("URI Too Long"),
    [15] = TEXT_INIT("Unsupported Media Type"),
    [16] = TEXT_INIT("Range Not Satisfiable"),
    [17] = TEXT_INIT("Expectation Failed"),
    [21] = TEXT_INIT("Misdirected Request"),
    [22] = TEXT_INIT("Unprocessable Content"),
    [23] = TEXT_INIT("Locked"),
    [24] = TEXT_INIT("Failed Dependency"),
    [25] = TEXT_INIT("Too Early"),
    [26] = TEXT_INIT("Upgrade Required"),
    [28] = TEXT_INIT("Precondition Required"),
    [29] = TEXT_INIT("Too Many Requests"),
    [31] = TEXT_INIT("Request Header Fields Too Large"),
    [51] = TEXT_INIT("Unavailable For Legal Reasons"),
};
static const struct text phrases_5[] = {
    [0] = TEXT_INIT("Internal Server Error"),
    [1] = TEXT_INIT("Not Implemented"),
    [2] = TEXT_INIT("Bad Gateway"),
    [3] = TEXT_INIT("Service Unavailable"),
    [4] = TEXT_INIT("Gateway Timeout"),
    [5] = TEXT_INIT("HTTP Version Not Supported"),
    [6] = TEXT_INIT("Variant Also Negotiates"),
    [7] = TEXT_INIT("Insufficient Storage"),
    [8] = TEXT_INIT("Loop Detected"),
    [11] = TEXT_INIT("Network Authentication Required"),
};

static const struct {
    const struct text *phrases;
    size_t count;
} classes[] = {
    [1] = {phrases_1, ARRAY_SIZE(phrases_1)}, [2] = {phrases_2, ARRAY_SIZE(phrases_2)},
    [3] = {phrases_3, ARRAY_SIZE(phrases_3)}, [4] = {phrases_4, ARRAY_SIZE(phrases_4)},
    [5] = {phrases_5, ARRAY_SIZE(phrases_5)},
};

struct text h1_reason_phrase(unsigned status)
{
    unsigned class = status / 100;

    if (class >= ARRAY_SIZE(classes) || status % 100 >= classes[class].count)
        return text_make(NULL, 0);
    return classes[class].phrases[status % 100];
}
