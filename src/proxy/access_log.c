/* Makes the log line of an exchange. */
#include "proxy/access_log.h"

#include "base/addr.h"
#include "base/log.h"
#include "proxy/exchange.h"

/* Bytes kept for everything but the client, the request text and the backend's name. */
#define LINE_TAIL 96

static const char phase_letters[] = {
    [EXCHANGE_READING] = 'R', [EXCHANGE_QUEUED] = 'Q',   [EXCHANGE_CONNECTING] = 'K', [EXCHANGE_WAITING] = 'W',
    [EXCHANGE_BODY] = 'D',    [EXCHANGE_ANSWERED] = 'D', [EXCHANGE_DONE] = '-',
};

static const struct text proto_names[] = {
    [PROTO_HTTP10] = TEXT_INIT("h1.0"), [PROTO_HTTP11] = TEXT_INIT("h1"), [PROTO_H2] = TEXT_INIT("h2")};

/* The request line as it came, when it could not be parsed: up to its end. */
static struct text raw_line(const struct exchange *ex)
{
    struct text raw = text_make(ex->request.head.text, ex->request.head.used);
    size_t end = text_find(raw, '\r', 0);
    size_t lf = text_find(raw, '\n', 0);

    return text_first(raw, end < lf ? end : lf);
}

/* "method path", cut (with "..") to what the line has left for it. */
static void put_request(struct textbuf *b, const struct exchange *ex, size_t reserve)
{
    const struct head *head = &ex->request.head;
    struct text method = head_text(head, ex->client_method.len > 0 ? ex->client_method : head->method);
    struct text path = head_text(head, ex->client_path.len > 0 ? ex->client_path : head->path);
    size_t room = b->cap - b->len > reserve + 4 ? b->cap - b->len - reserve - 4 : 0;
    struct textbuf request;

    textbuf_putc(b, '"');
    textbuf_init(&request, b->ptr + b->len, room);
    if (path.len > 0 || ex->proto == PROTO_H2) {
        log_escape(&request, method);
        textbuf_putc(&request, ' ');
        log_escape(&request, path);
    } else {
        log_escape(&request, raw_line(ex));
    }
    b->len += request.len;
    textbuf_put(b, request.full ? TEXT("..\"") : TEXT("\""));
}

static void put_number(struct textbuf *b, uint64_t value)
{
    textbuf_putc(b, ' ');
    if (value == 0)
        textbuf_putc(b, '-');
    else
        textbuf_put_u64(b, value);
}

static void put_end(struct textbuf *b, const struct exchange *ex)
{
    const struct cause_info *info = cause_info(ex->cause);

    textbuf_putc(b, ' ');
    if (ex->retries > 0) {
        textbuf_put_u64(b, ex->retries);
        textbuf_putc(b, ':');
        textbuf_putz(b, cause_info(ex->retry_cause)->word);
    } else {
        textbuf_putc(b, '-');
    }
    textbuf_putc(b, ' ');
    if (ex->cause == CAUSE_NONE) {
        textbuf_putz(b, "--");
        return;
    }
    textbuf_putc(b, info->who);
    textbuf_putc(b, phase_letters[ex->cause_state]);
    textbuf_putc(b, ' ');
    textbuf_putz(b, ex->word ? ex->word : info->word);
}

void access_log_write(const struct exchange *ex)
{
    char storage[CONFIG_LOG_LINE];
    struct text name = ex->backend ? ex->backend->settings.name : TEXT("-");
    struct textbuf b;

    textbuf_init(&b, storage, sizeof(storage));
    addr_put(&b, &ex->client, false);
    textbuf_putc(&b, ' ');
    textbuf_put(&b, proto_names[ex->proto]);
    textbuf_putc(&b, ' ');
    put_request(&b, ex, LINE_TAIL + name.len);
    put_number(&b, ex->status);
    textbuf_putc(&b, ' ');
    textbuf_put_u64(&b, ex->response.passed);
    textbuf_putc(&b, ' ');
    textbuf_put_u64(&b, loop_now() - ex->started);
    textbuf_putc(&b, ' ');
    textbuf_put(&b, name);
    put_number(&b, ex->back_port);
    put_number(&b, ex->back_status);
    put_number(&b, (uint64_t)ex->back_stream);
    textbuf_put(&b, ex->back_stream == 0 ? TEXT(" -") : ex->back_reused ? TEXT(" R") : TEXT(" N"));
    put_end(&b, ex);
    log_line(LOG_ACCESS, textbuf_text(&b));
}
