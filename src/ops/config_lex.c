/* Lines and words of a configuration file. */
#include "ops/config_lex.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Takes one logical line: continuations are joined in place. False at the end of the file. */
static bool take_line(struct conf_file *file, struct text *line)
{
    char *start = file->at;
    size_t joined = 0;

    if (file->len == 0)
        return false;
    if (file->raw != NULL)
        textbuf_init(file->raw, file->raw->ptr, file->raw->cap);
    while (file->len > 0) {
        size_t end = text_find(text_make(file->at, file->len), '\n', 0);
        size_t len = end;
        bool more;

        if (len > 0 && file->at[len - 1] == '\r')
            len--;
        more = len > 0 && file->at[len - 1] == '\\';
        if (more)
            len--;
        end = min_size(end + 1, file->len);
        if (file->raw != NULL)
            textbuf_put(file->raw, text_make(file->at, end));
        memmove(start + joined, file->at, len);
        joined += len;
        file->at += end;
        file->len -= end;
        file->line++;
        if (!more)
            break;
    }
    *line = file->joined = text_make(start, joined);
    return true;
}

/* Index of the first byte behind the word that starts at `from`; *closed is false when its quote is not closed. */
static size_t word_end(struct text line, size_t from, char quote, bool *closed)
{
    size_t i = from;

    *closed = quote == 0;
    for (; i < line.len; i++) {
        if (quote == 0 ? is_blank(line.ptr[i]) : line.ptr[i] == quote) {
            *closed = true;
            break;
        }
        if (quote != 0 && line.ptr[i] == '\\' && i + 1 < line.len &&
            (line.ptr[i + 1] == '\\' || line.ptr[i + 1] == quote))
            i++;
    }
    return i;
}

/* Undoes escapes in place. */
static struct text unescape(char *word, size_t len, char quote)
{
    size_t to = 0;

    for (size_t i = 0; i < len; i++) {
        if (word[i] == '\\' && i + 1 < len && (word[i + 1] == '\\' || (quote != 0 && word[i + 1] == quote)))
            i++;
        word[to++] = word[i];
    }
    return text_make(word, to);
}

static bool has_control(struct text line)
{
    for (size_t i = 0; i < line.len; i++)
        if (((unsigned char)line.ptr[i] < 0x20 && line.ptr[i] != '\t') || line.ptr[i] == 0x7f)
            return true;
    return false;
}

/* `bytes` is the place of `line`, for writing. */
static enum conf_line split_line(struct text line, char *bytes, struct text words[CONF_WORDS], unsigned *count)
{
    size_t at = 0;

    *count = 0;
    for (;;) {
        char quote = 0;
        bool closed;
        size_t end;

        while (at < line.len && is_blank(line.ptr[at]))
            at++;
        if (at == line.len)
            return CONF_LINE_OK;
        if (*count == CONF_WORDS)
            return CONF_LINE_MANY;
        if (*count == 0 && line.ptr[at] == '<') {
            words[(*count)++] = text_trim(text_skip(line, at));
            return CONF_LINE_OK;
        }
        if (line.ptr[at] == '"' || line.ptr[at] == '\'')
            quote = line.ptr[at++];
        end = word_end(line, at, quote, &closed);
        words[(*count)++] = unescape(bytes + at, end - at, quote);
        if (!closed && quote != 0)
            return CONF_LINE_UNQUOTED;
        at = quote != 0 ? end + 1 : end;
        if (quote != 0 && at < line.len && !is_blank(line.ptr[at]))
            return CONF_LINE_GLUED;
    }
}

enum conf_line conf_line_next(struct conf_file *file, struct text words[CONF_WORDS], unsigned *count, uint32_t *line)
{
    char *bytes = file->at;
    uint32_t number = file->line + 1;
    struct text text;

    *count = 0;
    words[0] = TEXT("");
    while (take_line(file, &text)) {
        struct text trimmed = text_trim(text);

        *line = number;
        if (trimmed.len > 0 && trimmed.ptr[0] != '#') {
            bool control = has_control(text);
            enum conf_line result = split_line(text, bytes, words, count);

            return control ? CONF_LINE_CONTROL : result;
        }
        bytes = file->at;
        number = file->line + 1;
    }
    return CONF_LINE_END;
}
