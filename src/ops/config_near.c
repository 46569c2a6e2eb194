/* Words of a table: which one is there, and (CONFIG_CONF_EXPLAIN) which one a misspelt word was probably meant to be.
 */
#include "ops/config_reader.h"

/* Longer names are not compared. */
#define NAME_MAX_LEN 32

static struct text name_at(const struct conf_names *names, size_t i)
{
    return *(const struct text *)(const void *)((const char *)names->first + i * names->size);
}

/* Insertions, deletions, replacements and exchanges of neighbours between two names of at most NAME_MAX_LEN bytes, case
   ignored (Damerau and Levenshtein's distance, no byte edited twice). */
static size_t distance(struct text a, struct text b)
{
    uint8_t rows[3][NAME_MAX_LEN + 1];

    for (size_t j = 0; j <= b.len; j++)
        rows[0][j] = (uint8_t)j;
    for (size_t i = 1; i <= a.len; i++) {
        const uint8_t *before = rows[(i + 1) % 3], *last = rows[(i - 1) % 3];
        uint8_t *row = rows[i % 3];

        row[0] = (uint8_t)i;
        for (size_t j = 1; j <= b.len; j++) {
            char x = text_lower(a.ptr[i - 1]), y = text_lower(b.ptr[j - 1]);
            size_t least = min_size((size_t)last[j - 1] + (x != y), (size_t)min_size(last[j], row[j - 1]) + 1);

            if (i > 1 && j > 1 && x == text_lower(b.ptr[j - 2]) && y == text_lower(a.ptr[i - 2]))
                least = min_size(least, (size_t)before[j - 2] + 1);
            row[j] = (uint8_t)least;
        }
    }
    return rows[a.len % 3][b.len];
}

struct text conf_near(struct text word, const struct conf_names *names)
{
    size_t best = 2 + word.len / 5; /* of long names more letters may be wrong */
    struct text near = {NULL, 0};

    if (!IS_ENABLED(CONFIG_CONF_EXPLAIN) || word.len < 2 || word.len > NAME_MAX_LEN)
        return near;
    for (size_t i = 0; i < names->count; i++) {
        struct text name = name_at(names, i);
        size_t d = name.len > 0 && name.len <= NAME_MAX_LEN ? distance(word, name) : best;

        if (d > 0 && d < best) {
            best = d;
            near = name;
        }
    }
    return near;
}

bool conf_find(struct text word, const struct conf_names *names, size_t *index)
{
    for (size_t i = 0; i < names->count; i++) {
        if (word.len > 0 && text_eq_nocase(word, name_at(names, i))) {
            *index = i;
            return true;
        }
    }
    return false;
}

void conf_error_near(struct conf_reader *reader, struct text word, struct text misspelt, const struct conf_names *names,
                     const char *usage)
{
    struct text near = conf_near(misspelt, names);

    if (near.len > 0)
        conf_error(reader, word, "expected %s: did you mean %.*s?", usage, TEXT_ARG(near));
    else
        conf_error(reader, word, "expected %s", usage);
}

bool conf_choice(struct conf_reader *reader, struct text word, struct text value, const struct conf_names *names,
                 const char *usage, size_t *index)
{
    if (conf_find(value, names, index))
        return true;
    conf_error_near(reader, word, value, names, usage);
    return false;
}

/* Appends "max=, timeout= or acquire=". */
static void put_keys(struct textbuf *b, const struct conf_names *names, bool last)
{
    for (size_t i = 0; i < names->count; i++) {
        if (b->len > 0)
            textbuf_put(b, last && i + 1 == names->count ? TEXT(" or ") : TEXT(", "));
        textbuf_put(b, name_at(names, i));
        textbuf_putc(b, '=');
    }
}

void conf_error_key(struct conf_reader *reader, struct text word, const struct conf_names *own,
                    const struct conf_names *other)
{
    struct text name = text_first(word, text_find(word, '=', 0)), near = conf_near(name, own);
    char storage[500];
    struct textbuf b;

    if (near.len == 0)
        near = conf_near(name, other);
    if (near.len > 0) {
        conf_error(reader, word, "expected a key: did you mean %.*s=?", TEXT_ARG(near));
        return;
    }
    textbuf_init(&b, storage, sizeof(storage));
    put_keys(&b, own, other->count == 0);
    put_keys(&b, other, true);
    conf_error(reader, word, "expected %.*s", TEXT_ARG(textbuf_text(&b)));
}
