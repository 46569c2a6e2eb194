/* Writes the log line of an exchange in a format of LogFormat. */
#include "base/addr.h"
#include "base/log.h"
#include "http/uri.h"
#include "proxy/access_line.h"
#include "proxy/access_log.h"
#include "proxy/exchange.h"
#include "proxy/log_time.h"

/* ---- the fields of heads ---- */

/* Counts formats: what was noted for one is nothing to another. */
static uint32_t version;

void access_change_format(const struct log_format *before, const struct log_format *next)
{
    if (before->part_count != next->part_count || !text_eq(before->text, next->text))
        version++;
}

/* A line is written in the format that holds when it is written: a site is let go before that. */
static const struct log_format *format_now(void)
{
    return &exchange_site()->log;
}

void access_note_start(struct exchange *ex)
{
    ex->log_fields.version = version;
    for (unsigned i = 0; i < format_now()->field_count; i++)
        ex->log_fields.values[i] = (struct span){0, 0};
}

static struct text format_text(const struct log_format *format, struct span span)
{
    return text_first(text_skip(format->text, span.at), span.len);
}

/* The first field of this name in a section; of a request (`all`) also one that does not go on. NULL: none. */
static const struct field *find(const struct head *head, const struct section *section, struct text name, bool all)
{
    const struct field *f = head_first(head, section), *end = f + section->count;

    for (; f != end; f++)
        if ((all || !f->dropped) && text_eq_nocase(field_name_of(head, f), name))
            return f;
    return NULL;
}

/* What was stored in a request's head stays there, wherever the head moves: its place is enough. */
void access_note_request(struct exchange *ex)
{
    const struct log_format *format = format_now();
    const struct head *head = &ex->request.head;

    access_note_start(ex);
    for (unsigned i = 0; i < format->field_count && head->section_count > 0; i++) {
        const struct field *f = NULL;

        if (!format->fields[i].response)
            f = find(head, &head->sections[0], format_text(format, format->fields[i].name), true);
        if (f)
            ex->log_fields.values[i] = f->value;
    }
}

void access_note_response(struct exchange *ex, const struct section *section)
{
    const struct log_format *format = format_now();
    const struct head *head = &ex->response.head;
    struct log_fields *fields = &ex->log_fields;

    fields->used = 0;
    for (unsigned i = 0; i < format->field_count && fields->version == version; i++) {
        const struct field *f;
        struct text value;

        if (!format->fields[i].response)
            continue;
        f = find(head, section, format_text(format, format->fields[i].name), false);
        value = f ? text_first(field_value_of(head, f), sizeof(fields->text) - fields->used) : TEXT("");
        if (value.len > 0)
            memcpy(fields->text + fields->used, value.ptr, value.len);
        fields->values[i] = (struct span){fields->used, (uint16_t)value.len};
        fields->used = (uint16_t)(fields->used + value.len);
    }
}

/* ---- values: one function for each kind; what has none appends nothing ---- */

typedef void put_fn(struct textbuf *b, const struct exchange *ex, const struct log_part *part);

#define PUT(name) static void name(struct textbuf *b, const struct exchange *ex, const struct log_part *part)

static void put_unless_zero(struct textbuf *b, uint64_t value)
{
    if (value > 0)
        textbuf_put_u64(b, value);
}

static uint32_t taken_ms(const struct exchange *ex)
{
    return loop_now() - ex->started;
}

/* The host of the ServerName or of what the client asked for, without port. */
static struct text host_of(struct text authority)
{
    struct authority parts;

    return uri_authority(authority, &parts) ? parts.host : authority;
}

PUT(put_client)
{
    (void)part;
    addr_put(b, &ex->client, false);
}

PUT(put_local)
{
    (void)part;
    addr_put(b, &ex->local, false);
}

/* The time at which the request came. */
PUT(put_time)
{
    int64_t wall_s = port_wall_s();

    if (wall_s <= 0)
        return;
    wall_s -= taken_ms(ex) / 1000;
    log_time_put(b, format_text(format_now(), part->text), wall_s, port_zone_s(wall_s));
}

PUT(put_protocol)
{
    static const struct text names[] = {[PROTO_HTTP10] = TEXT_INIT("HTTP/1.0"),
                                        [PROTO_HTTP11] = TEXT_INIT("HTTP/1.1"),
                                        [PROTO_H2] = TEXT_INIT("HTTP/2.0")};

    (void)part;
    textbuf_put(b, names[ex->proto]);
}

/* The protocol goes in first, so that what is cut is the path. */
PUT(put_request)
{
    struct textbuf protocol, whole = *b;
    char storage[16];

    if (!access_is_parsed(ex)) {
        log_escape(b, access_raw_line(ex));
        return;
    }
    textbuf_init(&protocol, storage, sizeof(storage));
    textbuf_putc(&protocol, ' ');
    put_protocol(&protocol, ex, part);
    whole.cap = b->cap > protocol.len ? b->cap - protocol.len : 0;
    log_escape(&whole, access_method(ex));
    textbuf_putc(&whole, ' ');
    log_escape(&whole, access_path(ex));
    b->len = whole.len;
    if (whole.full)
        b->full = true;
    else
        textbuf_put(b, textbuf_text(&protocol));
}

PUT(put_status)
{
    (void)part;
    put_unless_zero(b, ex->status);
}

PUT(put_bytes)
{
    (void)part;
    textbuf_put_u64(b, ex->response.passed);
}

PUT(put_bytes_clf)
{
    (void)part;
    put_unless_zero(b, ex->response.passed);
}

PUT(put_seconds)
{
    (void)part;
    textbuf_put_u64(b, taken_ms(ex) / 1000);
}

PUT(put_ms)
{
    (void)part;
    textbuf_put_u64(b, taken_ms(ex));
}

PUT(put_us)
{
    (void)part;
    textbuf_put_u64(b, (uint64_t)taken_ms(ex) * 1000);
}

PUT(put_method)
{
    (void)part;
    log_escape(b, access_method(ex));
}

PUT(put_path)
{
    struct text path = access_path(ex);

    (void)part;
    log_escape(b, text_first(path, text_find(path, '?', 0)));
}

/* With its "?". It may be empty. */
PUT(put_query)
{
    struct text path = access_path(ex);

    (void)part;
    log_escape(b, text_skip(path, text_find(path, '?', 0)));
}

PUT(put_port)
{
    (void)part;
    put_unless_zero(b, ex->local.port);
}

PUT(put_peer_port)
{
    (void)part;
    put_unless_zero(b, ex->client.port);
}

PUT(put_process)
{
    (void)ex, (void)part;
    textbuf_put_u64(b, port_process());
}

PUT(put_server)
{
    (void)ex, (void)part;
    log_escape(b, host_of(exchange_site()->forward.server_name));
}

PUT(put_host)
{
    struct text host = head_text(&ex->request.head, ex->client_authority);

    (void)part;
    log_escape(b, host);
}

PUT(put_field)
{
    const struct head *head = &ex->request.head;
    bool response = format_now()->fields[part->field].response;
    struct span value = ex->log_fields.values[part->field];

    if (ex->log_fields.version != version)
        return;
    log_escape(b, response ? text_make(ex->log_fields.text + value.at, value.len) : head_text(head, value));
}

PUT(put_back_port)
{
    (void)part;
    put_unless_zero(b, ex->back_port);
}

PUT(put_back_status)
{
    (void)part;
    put_unless_zero(b, ex->back_status);
}

PUT(put_back_stream)
{
    (void)part;
    put_unless_zero(b, (uint64_t)ex->back_stream);
}

PUT(put_back_name)
{
    (void)part;
    if (ex->backend)
        log_escape(b, ex->backend->settings.name);
}

PUT(put_retry)
{
    (void)part;
    access_put_retry(b, ex);
}

PUT(put_end)
{
    (void)part;
    access_put_end(b, ex);
}

PUT(put_error_word)
{
    (void)part;
    if (access_word(ex))
        textbuf_putz(b, access_word(ex));
}

PUT(put_compact)
{
    (void)part;
    access_put_compact(b, ex);
}

static put_fn *const puts_of[LOG_TOKENS] = {
    [LOG_CLIENT] = put_client,
    [LOG_LOCAL] = put_local,
    [LOG_TIME] = put_time,
    [LOG_REQUEST] = put_request,
    [LOG_STATUS] = put_status,
    [LOG_BYTES] = put_bytes,
    [LOG_BYTES_CLF] = put_bytes_clf,
    [LOG_SECONDS] = put_seconds,
    [LOG_MS] = put_ms,
    [LOG_US] = put_us,
    [LOG_METHOD] = put_method,
    [LOG_PATH] = put_path,
    [LOG_QUERY] = put_query,
    [LOG_PROTOCOL] = put_protocol,
    [LOG_PORT] = put_port,
    [LOG_PEER_PORT] = put_peer_port,
    [LOG_PROCESS] = put_process,
    [LOG_SERVER] = put_server,
    [LOG_HOST] = put_host,
    [LOG_FIELD] = put_field,
    [LOG_BACK_PORT] = put_back_port,
    [LOG_BACK_STATUS] = put_back_status,
    [LOG_BACK_STREAM] = put_back_stream,
    [LOG_BACK_NAME] = put_back_name,
    [LOG_RETRY] = put_retry,
    [LOG_END] = put_end,
    [LOG_ERROR_WORD] = put_error_word,
    [LOG_COMPACT] = put_compact,
};

/* ---- the line ---- */

/* Whether a part has its value with this status. */
static bool is_wanted(const struct log_format *format, const struct log_part *part, unsigned status)
{
    struct text rest = format_text(format, part->only), one;

    if (rest.len == 0)
        return true;
    while (text_split(&rest, ',', &one)) {
        uint64_t value = 0;

        if (text_to_u64(one, 999, &value) && value == status)
            return !part->unless;
    }
    return part->unless;
}

/* A value that does not fit in front of what must follow is cut, and ends in "..". */
static void put_value(struct textbuf *b, const struct exchange *ex, const struct log_part *part)
{
    size_t room = b->cap - b->len, keep = (size_t)part->tail + 2;
    put_fn *put = puts_of[part->token];
    struct textbuf value;

    textbuf_init(&value, b->ptr + b->len, room > keep ? room - keep : 0);
    if (put && is_wanted(format_now(), part, ex->status))
        put(&value, ex, part);
    b->len += value.len;
    if (value.full)
        textbuf_put(b, TEXT(".."));
    else if (value.len == 0 && part->token != LOG_QUERY)
        textbuf_putc(b, '-');
}

void access_put_format(struct textbuf *b, const struct exchange *ex)
{
    const struct log_format *format = format_now();

    for (unsigned i = 0; i < format->part_count && !b->full; i++) {
        const struct log_part *part = &format->parts[i];

        if (part->token == LOG_TEXT)
            textbuf_put(b, format_text(format, part->text));
        else if (part->token == LOG_TAB)
            textbuf_putc(b, '\t');
        else
            put_value(b, ex, part);
    }
}
