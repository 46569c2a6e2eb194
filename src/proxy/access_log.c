/* Makes the log line of an exchange. */
#include "proxy/access_log.h"

#include "base/addr.h"
#include "base/log.h"
#include "proxy/access_line.h"
#include "proxy/exchange.h"

/* Of a text that has no room "..", of a request the quotes, too, are left. */
#define CUT 2
#define REQUEST_LEAST (2 + CUT)
/* " h1.0 " */
#define LINE_PROTO 6
/* What stands behind the request, with a backend's name of which nothing is left and without words:
   " 200 TOTAL MS .. 49152 200 STREAM R 255: -- ". */
#define LINE_NUMBERS (4 + 1 + 20 + 1 + 10 + 1 + CUT + 6 + 4 + 1 + 10 + 2 + 5 + 3 + 1)
/* The longest address but for a path, and the longest words for a retry and for the end. */
#define ADDRESS_MOST 39
static_assert(CONFIG_LOG_LINE >= ADDRESS_MOST + LINE_PROTO + REQUEST_LEAST + LINE_NUMBERS + 2 * CAUSE_WORD_MOST,
              "CONFIG_LOG_LINE: less than a line without its texts");

static const char phase_letters[] = {
    [EXCHANGE_READING] = 'R', [EXCHANGE_QUEUED] = 'Q',   [EXCHANGE_CONNECTING] = 'K', [EXCHANGE_WAITING] = 'W',
    [EXCHANGE_BODY] = 'D',    [EXCHANGE_ANSWERED] = 'D', [EXCHANGE_DONE] = '-',
};

static const struct text proto_names[] = {
    [PROTO_HTTP10] = TEXT_INIT(" h1.0 "), [PROTO_HTTP11] = TEXT_INIT(" h1 "), [PROTO_H2] = TEXT_INIT(" h2 ")};

struct text access_method(const struct exchange *ex)
{
    const struct head *head = &ex->request.head;

    return head_text(head, ex->client_method.len > 0 ? ex->client_method : head->method);
}

struct text access_path(const struct exchange *ex)
{
    const struct head *head = &ex->request.head;

    return head_text(head, ex->client_path.len > 0 ? ex->client_path : head->path);
}

bool access_is_parsed(const struct exchange *ex)
{
    return access_path(ex).len > 0 || ex->proto == PROTO_H2;
}

struct text access_raw_line(const struct exchange *ex)
{
    struct text raw = text_make(ex->request.head.text, ex->request.head.used);
    size_t end = text_find(raw, '\r', 0);
    size_t lf = text_find(raw, '\n', 0);

    return text_first(raw, end < lf ? end : lf);
}

/* What the line has left in front of its last `reserve` bytes. */
static size_t room_before(const struct textbuf *b, size_t reserve)
{
    return b->cap - b->len > reserve ? b->cap - b->len - reserve : 0;
}

/* "method path", cut (with "..") to what the line has left for it. */
static void put_request(struct textbuf *b, const struct exchange *ex, size_t reserve)
{
    size_t room = room_before(b, reserve + REQUEST_LEAST);
    struct textbuf request;

    textbuf_putc(b, '"');
    textbuf_init(&request, b->ptr + b->len, room);
    if (access_is_parsed(ex)) {
        log_escape(&request, access_method(ex));
        textbuf_putc(&request, ' ');
        log_escape(&request, access_path(ex));
    } else {
        log_escape(&request, access_raw_line(ex));
    }
    b->len += request.len;
    textbuf_put(b, request.full ? TEXT("..\"") : TEXT("\""));
}

static void put_number(struct textbuf *b, uint32_t value)
{
    textbuf_putc(b, ' ');
    if (value == 0)
        textbuf_putc(b, '-');
    else
        textbuf_put_u64(b, value);
}

void access_put_retry(struct textbuf *b, const struct exchange *ex)
{
    if (ex->retries > 0) {
        textbuf_put_u64(b, ex->retries);
        textbuf_putc(b, ':');
        textbuf_putz(b, cause_info(ex->retry_cause)->word);
    } else {
        textbuf_putc(b, '-');
    }
}

void access_put_end(struct textbuf *b, const struct exchange *ex)
{
    if (ex->cause == CAUSE_NONE) {
        textbuf_putz(b, "--");
        return;
    }
    textbuf_putc(b, cause_info(ex->cause)->who);
    textbuf_putc(b, phase_letters[ex->cause_state]);
}

const char *access_word(const struct exchange *ex)
{
    if (ex->cause == CAUSE_NONE)
        return NULL;
    return ex->word ? ex->word : cause_info(ex->cause)->word;
}

/* Bytes that must be kept for what stands behind the request: only the name there may be cut. */
static size_t tail_of(const struct exchange *ex)
{
    size_t tail = LINE_NUMBERS;

    if (ex->retries > 0)
        tail += CAUSE_WORD_MOST;
    if (ex->cause != CAUSE_NONE)
        tail += CAUSE_WORD_MOST;
    return tail;
}

/* A path, which may be longer than an address, is cut. */
static void put_client(struct textbuf *b, const struct exchange *ex, size_t reserve)
{
    struct textbuf client;

    if (!IS_ENABLED(CONFIG_UNIX_SOCKETS) || ex->client.family != PORT_UNIX) {
        addr_put(b, &ex->client, false);
        return;
    }
    textbuf_init(&client, b->ptr + b->len, room_before(b, reserve + CUT));
    addr_put(&client, &ex->client, false);
    b->len += client.len;
    if (client.full)
        textbuf_put(b, TEXT(".."));
}

static void put_end(struct textbuf *b, const struct exchange *ex)
{
    const char *word = access_word(ex);

    access_put_retry(b, ex);
    textbuf_putc(b, ' ');
    access_put_end(b, ex);
    if (!word)
        return;
    textbuf_putc(b, ' ');
    textbuf_putz(b, word);
}

void access_put_compact(struct textbuf *b, const struct exchange *ex)
{
    struct text name = ex->backend ? ex->backend->settings.name : TEXT("-");
    size_t tail = tail_of(ex);
    size_t most; /* bytes of the name: what stands behind it is worth more than its end */

    put_client(b, ex, LINE_PROTO + REQUEST_LEAST + tail);
    textbuf_put(b, proto_names[ex->proto]);
    most = min_size(name.len, room_before(b, tail + REQUEST_LEAST));
    put_request(b, ex, tail + most);
    put_number(b, ex->status);
    textbuf_putc(b, ' ');
    textbuf_put_u64(b, ex->response.passed);
    textbuf_putc(b, ' ');
    textbuf_put_u64(b, loop_now() - ex->started);
    textbuf_putc(b, ' ');
    textbuf_put(b, text_make(name.ptr, most));
    if (most < name.len)
        textbuf_put(b, TEXT(".."));
    put_number(b, ex->back_port);
    put_number(b, ex->back_status);
    put_number(b, (uint32_t)ex->back_stream);
    textbuf_put(b, ex->back_stream == 0 ? TEXT(" - ") : ex->back_reused ? TEXT(" R ") : TEXT(" N "));
    put_end(b, ex);
}

void access_log_write(const struct exchange *ex)
{
    char storage[CONFIG_LOG_LINE];
    struct textbuf b;

    textbuf_init(&b, storage, sizeof(storage));
    if (exchange_site()->log.part_count > 0)
        access_put_format(&b, ex);
    else
        access_put_compact(&b, ex);
    log_line(LOG_ACCESS, textbuf_text(&b));
}
