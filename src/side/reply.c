/* Makes local answers: a head and a short text/plain body. */
#include "side/reply.h"

#include "http/h1.h"
#include "proxy/exchange.h"

#define REPLY_BODY 160

/* "502 Bad Gateway: backend-reset\n" */
static struct text reply_body(char *storage, unsigned status, const char *why)
{
    struct textbuf b;

    textbuf_init(&b, storage, REPLY_BODY);
    textbuf_put_u64(&b, status);
    textbuf_putc(&b, ' ');
    textbuf_put(&b, h1_reason_phrase(status));
    textbuf_putz(&b, ": ");
    textbuf_putz(&b, why);
    textbuf_putc(&b, '\n');
    return textbuf_text(&b);
}

static bool add_number(struct head *head, enum field_id id, uint64_t value)
{
    char digits[24];
    struct textbuf b;

    textbuf_init(&b, digits, sizeof(digits));
    textbuf_put_u64(&b, value);
    return head_add_id(head, id, textbuf_text(&b));
}

/* Date, when the box knows it (RFC 9110 6.6.1). */
static bool add_date(struct head *head)
{
    int64_t now = port_wall_s();

    return now == 0 || head_add_id(head, FIELD_DATE, forward_date(now));
}

static void reply_answer(struct exchange *ex, unsigned status, const char *why, unsigned retry_after_s)
{
    struct message *m = &ex->response;
    char storage[REPLY_BODY];
    struct text body = reply_body(storage, status, why);

    if (!exchange_begin_section(ex) || !head_add_id(&m->head, FIELD_CONTENT_TYPE, TEXT("text/plain; charset=utf-8")) ||
        !add_number(&m->head, FIELD_CONTENT_LENGTH, body.len) || !add_date(&m->head) ||
        (retry_after_s > 0 && !add_number(&m->head, FIELD_RETRY_AFTER, retry_after_s)) ||
        ((status == 405 || status == 200) &&
         !head_add(&m->head, TEXT("allow"), TEXT("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")))) {
        exchange_cut(ex);
        return;
    }
    exchange_local_response(ex, status);
    if (!exchange_bodiless(ex, status)) {
        pipe_write(&m->pipe, body.ptr, body.len);
        exchange_pushed(ex, m, body.len);
    }
    exchange_pushed_end(ex, m, NULL);
}

void reply_init(void)
{
    exchange_use_answer(reply_answer);
}
