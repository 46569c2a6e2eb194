/* Shows the line that a message is about, with a caret under the word at fault, as compilers do. */
#include "ops/config_explain.h"

#define RAW 512   /* bytes of a line, with those that continue it, that can be shown */
#define WIDTH 100 /* columns of a line that are shown */

static struct {
    bool on;
    struct conf_place place; /* of the line in `raw` */
    struct text joined;      /* the same with continuations joined, where its words stand */
    struct textbuf raw;      /* as it stands in the file */
    char bytes[RAW];
    char out[RAW + 1024];
} explain;

/* A part of `raw`. */
struct part {
    size_t from, to;
};

void config_explain(bool on)
{
    explain.on = on;
}

struct textbuf *conf_explain_raw(void)
{
    textbuf_init(&explain.raw, explain.bytes, sizeof(explain.bytes));
    return explain.on ? &explain.raw : NULL;
}

void conf_explain_line(const struct conf_file *file, uint32_t line)
{
    explain.place = (struct conf_place){file->name, line};
    explain.joined = file->joined;
}

bool conf_explain_lacks(const struct conf_place *place)
{
    return explain.on && place->line > 0 &&
           (place->line != explain.place.line || !text_eq(text_of(place->file), text_of(explain.place.file)));
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The length of what joins two lines, a backslash before the end of the first; 0: none stands here. */
static size_t joint_at(struct text raw, size_t at)
{
    if (text_starts(text_skip(raw, at), TEXT("\\\n")))
        return 2;
    return text_starts(text_skip(raw, at), TEXT("\\\r\n")) ? 3 : 0;
}

/* Where byte n of the joined line stands in `raw`. */
static size_t raw_index(struct text raw, size_t n)
{
    size_t at = 0;

    for (;;) {
        size_t joint = joint_at(raw, at);

        at += joint;
        if (joint > 0)
            continue;
        if (n == 0 || at >= raw.len)
            return min_size(at, raw.len);
        n--;
        at++;
    }
}

/* The first place of a text in `raw`; raw.len: there is none. */
static size_t find_text(struct text raw, struct text what)
{
    for (size_t i = 0; what.len > 0 && i + what.len <= raw.len; i++)
        if (text_eq(text_make(raw.ptr + i, what.len), what))
            return i;
    return raw.len;
}

/* The first word of the line. */
static struct part first_word(struct text raw)
{
    struct part part = {0, 0};

    while (part.from < raw.len && is_blank(raw.ptr[part.from]))
        part.from++;
    part.to = part.from;
    while (part.to < raw.len && !is_blank(raw.ptr[part.to]) && raw.ptr[part.to] != '\r' && raw.ptr[part.to] != '\n')
        part.to++;
    return part;
}

/* A word that was taken from this line is found by its place, a copy by its text; what is neither is the directive's
   business. */
static struct part find_word(struct text raw, struct text word)
{
    uintptr_t at = (uintptr_t)word.ptr, line = (uintptr_t)explain.joined.ptr;
    size_t from = raw.len;

    if (word.ptr != NULL && at >= line && at - line <= explain.joined.len)
        from = raw_index(raw, at - line);
    else if (word.ptr != NULL)
        from = find_text(raw, word);
    if (from == raw.len)
        return first_word(raw);
    return (struct part){from, min_size(from + max_size(word.len, 1), raw.len)};
}

static void put_line_number(struct textbuf *b, uint32_t line)
{
    if (line > 0)
        textbuf_printf(b, "\n%6" PRIu32 " | ", line);
    else
        textbuf_putz(b, "\n       | ");
}

/* Appends the one line of `raw` that has the part, and the line with carets. */
static void put_lines(struct textbuf *b, struct text raw, struct part part)
{
    uint32_t line = explain.place.line;
    size_t begin = 0, end, shown;

    for (size_t i = 0; i < part.from; i++) {
        if (raw.ptr[i] == '\n') {
            begin = i + 1;
            line++;
        }
    }
    end = min_size(text_find(raw, '\n', part.from), raw.len);
    if (end > begin && raw.ptr[end - 1] == '\r')
        end--;
    part.to = max_size(min_size(part.to, end), part.from + 1);
    shown = begin;
    if (part.to - begin > WIDTH)
        shown = part.to - begin - WIDTH < part.from - begin ? part.to - WIDTH : part.from;
    textbuf_printf(b, "\n   --> %.*s:%" PRIu32 ":%zu", TEXT_ARG(conf_shown(text_of(explain.place.file))), line,
                   part.from - begin + 1);
    put_line_number(b, line);
    for (size_t i = shown; i < min_size(end, shown + WIDTH); i++) {
        bool printable = (raw.ptr[i] >= ' ' && raw.ptr[i] <= '~') || raw.ptr[i] == '\t';

        textbuf_put(b, printable ? text_make(raw.ptr + i, 1) : TEXT("?"));
    }
    put_line_number(b, 0);
    for (size_t i = shown; i < part.from; i++)
        textbuf_putc(b, raw.ptr[i] == '\t' ? '\t' : ' ');
    for (size_t i = part.from; i < min_size(part.to, shown + WIDTH); i++)
        textbuf_putc(b, i == part.from ? '^' : '~');
}

struct text conf_explained(const struct conf_reader *reader, struct text word, struct text message)
{
    struct text raw = textbuf_text(&explain.raw);
    struct textbuf b;

    if (!explain.on || reader->place.line == 0 || conf_explain_lacks(&reader->place) || raw.len == 0)
        return message;
    textbuf_init(&b, explain.out, sizeof(explain.out));
    textbuf_put(&b, message);
    put_lines(&b, raw, find_word(raw, word));
    return textbuf_text(&b);
}
