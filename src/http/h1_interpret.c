/* What a request head means: target, host, framing of the body, persistence and expectation (RFC 9112 3, 6 and 9). */
#include "http/h1.h"

#include "http/uri.h"

#include <string.h>

static_assert(FIELD_IDS <= 64, "struct facts keeps a bit for each id");

/* What the fields say, gathered in one walk over them. */
struct facts {
    uint64_t single;            /* a bit for the id of each FIELD_SINGLE that was seen */
    const struct field *host;   /* NULL: none */
    const struct field *length; /* NULL: none */
    bool encoding;              /* a Transfer-Encoding was there, and in it ... */
    bool chunked;               /* "chunked" */
    bool other_coding;          /* a coding other than chunked */
    bool bad_coding;            /* something that two receivers could read in two ways */
    bool close, keep_alive;     /* connection options */
    bool expect, other_expect;  /* 100-continue; something else */
    bool te_trailers;
};

/* The elements of Transfer-Encoding, in order. An empty element, a parameter of "chunked" or anything behind it is bad:
   receivers differ in how they read them, and so a request is hidden from one of two (request smuggling). */
static void read_encoding(struct facts *facts, struct text value)
{
    facts->encoding = true;
    for (;;) {
        size_t comma = text_find(value, ',', 0);
        struct text coding = text_trim(text_first(value, comma));

        facts->bad_coding = facts->bad_coding || facts->chunked || coding.len == 0;
        if (text_eq_nocase(coding, TEXT("chunked")))
            facts->chunked = true;
        else if (field_list_has(coding, TEXT("chunked")))
            facts->bad_coding = true;
        else
            facts->other_coding = true;
        if (comma == value.len)
            return;
        value = text_skip(value, comma + 1);
    }
}

static void read_connection(struct facts *facts, struct text value)
{
    if (text_eq(value, TEXT("keep-alive"))) { /* what most browsers send: no need to take it to pieces */
        facts->keep_alive = true;
        return;
    }
    facts->close = facts->close || field_list_has(value, TEXT("close"));
    facts->keep_alive = facts->keep_alive || field_list_has(value, TEXT("keep-alive"));
}

static void read_expect(struct facts *facts, struct text value)
{
    if (text_eq_nocase(value, TEXT("100-continue")))
        facts->expect = true;
    else
        facts->other_expect = true;
}

static enum h1_reason twice(enum field_id id)
{
    switch (id) {
    case FIELD_HOST: return H1_TWO_HOSTS;
    case FIELD_CONTENT_LENGTH: return H1_TWO_CONTENT_LENGTHS;
    default: return H1_SINGLE_TWICE;
    }
}

static enum h1_reason read_fields(const struct head *head, struct facts *facts)
{
    const struct field *f = &head->fields[head->sections[0].first];

    for (const struct field *end = f + head->sections[0].count; f != end; f++) {
        if (f->id == FIELD_OTHER)
            continue;
        if ((field_rules((enum field_id)f->id) & FIELD_SINGLE) != 0) {
            if ((facts->single >> f->id & 1) != 0)
                return twice((enum field_id)f->id);
            facts->single |= UINT64_C(1) << f->id;
        }
        switch (f->id) {
        case FIELD_HOST: facts->host = f; break;
        case FIELD_CONTENT_LENGTH: facts->length = f; break;
        case FIELD_TRANSFER_ENCODING: read_encoding(facts, field_value_of(head, f)); break;
        case FIELD_CONNECTION: read_connection(facts, field_value_of(head, f)); break;
        case FIELD_EXPECT: read_expect(facts, field_value_of(head, f)); break;
        case FIELD_TE:
            facts->te_trailers = facts->te_trailers || field_list_has(field_value_of(head, f), TEXT("trailers"));
            break;
        default: break;
        }
    }
    return H1_OK;
}

/* Whether two authorities name the same place under a scheme: host without case, port with its default. */
static bool same_authority(const struct authority *a, const struct authority *b, struct text scheme)
{
    uint16_t standard = uri_default_port(scheme);

    return text_eq_nocase(a->host, b->host) && (a->has_port ? a->port : standard) == (b->has_port ? b->port : standard);
}

/* Gives the absolute-form target's empty path its "/" (RFC 9110 4.2.3), or "*" for OPTIONS (RFC 9112 3.2.4). Room for
   that byte is made by moving the authority over the second slash of "://". */
static void complete_path(struct head *head, bool options)
{
    char *authority = head->text + head->authority.at;

    memmove(authority - 1, authority, head->authority.len);
    head->authority.at--;
    head->path.at--;
    head->path.len++;
    head->text[head->path.at] = options && head->path.len == 1 ? '*' : '/';
}

/* absolute-form (RFC 9112 3.2.2). Its authority is what counts; a Host that names another place is an attempt to be
   routed by one and served by the other. `host` is NULL when there is none. */
static enum h1_reason read_absolute(struct head *head, const struct authority *host)
{
    struct absolute_uri uri;
    struct authority authority;

    if (!uri_absolute(head_text(head, head->path), &uri) || !uri_authority(uri.authority, &authority) ||
        (!text_eq_nocase(uri.scheme, TEXT("http")) && !text_eq_nocase(uri.scheme, TEXT("https"))))
        return H1_BAD_TARGET;
    if (host != NULL && !same_authority(host, &authority, uri.scheme))
        return H1_HOST_MISMATCH;
    head->authority.at = (uint16_t)(uri.authority.ptr - head->text);
    head->authority.len = (uint16_t)uri.authority.len;
    head->path.at = (uint16_t)(head->authority.at + head->authority.len);
    head->path.len = (uint16_t)uri.path.len;
    if (uri.path.len == 0 || uri.path.ptr[0] == '?')
        complete_path(head, head->method_id == METHOD_OPTIONS);
    return H1_OK;
}

/* Host and target together (RFC 9112 3.2 and 3.3). */
static enum h1_reason read_target(struct head *head, unsigned minor, const struct facts *facts, bool *absolute)
{
    struct text target = head_text(head, head->path);
    struct authority host;

    if (facts->host == NULL && minor > 0)
        return H1_NO_HOST;
    if (facts->host != NULL) {
        head->authority = facts->host->value;
        if (!uri_authority(head_text(head, head->authority), &host))
            return H1_BAD_HOST;
    }
    if (target.ptr[0] == '/') /* checked when it was parsed */
        return H1_OK;
    if (text_eq(target, TEXT("*")))
        return head->method_id == METHOD_OPTIONS ? H1_OK : H1_BAD_TARGET;
    *absolute = true;
    return read_absolute(head, facts->host != NULL ? &host : NULL);
}

/* Content-Length above this is refused, so that sums of lengths cannot wrap. */
#define MAX_LENGTH ((uint64_t)INT64_MAX)

/* How long the body is (RFC 9112 6.3). */
static enum h1_reason read_framing(const struct head *head, unsigned minor, const struct facts *facts,
                                   struct h1_request *request)
{
    if (facts->encoding) {
        if (facts->length != NULL)
            return H1_LENGTH_AND_ENCODING;
        if (minor == 0 || facts->bad_coding)
            return H1_BAD_TRANSFER_ENCODING;
        if (facts->other_coding)
            return H1_CODING;
        request->body = H1_BODY_CHUNKED;
    } else if (facts->length != NULL) {
        struct text value = field_value_of(head, facts->length);

        if (text_find(value, ',', 0) < value.len)
            return H1_TWO_CONTENT_LENGTHS;
        if (!text_to_u64(value, MAX_LENGTH, &request->length))
            return H1_BAD_CONTENT_LENGTH;
        if (request->length > 0)
            request->body = H1_BODY_LENGTH;
    }
    return H1_OK;
}

enum h1_reason h1_interpret(struct head *head, unsigned minor, struct h1_request *request)
{
    struct facts facts = {0};
    enum h1_reason reason;

    *request = (struct h1_request){.body = H1_BODY_NONE};
    /* CONNECT has a form of target of its own, so it is judged first. */
    if (head->method_id == METHOD_CONNECT)
        return H1_METHOD;
    if (head->method_id == METHOD_TRACE)
        return H1_TRACE;
    reason = read_fields(head, &facts);
    if (reason == H1_OK)
        reason = read_target(head, minor, &facts, &request->absolute);
    if (reason == H1_OK)
        reason = read_framing(head, minor, &facts, request);
    if (reason != H1_OK)
        return reason;
    if (facts.other_expect)
        return H1_EXPECT;
    request->keep_alive = !facts.close && (minor > 0 || facts.keep_alive);
    /* Without a body nothing waits for 100; a client of HTTP/1.0 does not know it (RFC 9110 10.1.1). */
    request->expect_continue = facts.expect && minor > 0 && request->body != H1_BODY_NONE;
    request->te_trailers = facts.te_trailers;
    return H1_OK;
}
