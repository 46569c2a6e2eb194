/* Reads a configuration line by line, with the files that it includes. */
#include "base/builtin.h"
#include "ops/config_balancer.h"
#include "ops/config_explain.h"

#define FILES (IS_ENABLED(CONFIG_INCLUDE) ? CONFIG_INCLUDE_DEPTH + 1 : 1)
#define PATH_BYTES 256
#define SECTION_NAME 32

/* There is one reading at a time. Files that include one another stand one behind the other in `bytes`. */
static struct conf_state {
    struct conf_reader reader;
    struct conf_file files[FILES]; /* files[depth - 1] is being read */
    unsigned depth;
    bool from_file;      /* the first one, too, can be read again */
    bool too_deep;       /* no file is included any more: the rest could be endless */
    struct text section; /* name of the section that is skipped; empty: none */
    unsigned section_depth;
    char section_name[SECTION_NAME];
    char bytes[CONFIG_CONF_FILE];
} conf;

void config_forget(struct config *config)
{
    while (config->backend_count > 0)
        backend_give(config->backends[--config->backend_count]);
    while (config->balancer_count > 0)
        balancer_give(config->balancers[--config->balancer_count]);
}

static void set_defaults(struct config *config)
{
    struct front_settings *front = &config->front;

    config_forget(config);
    memset(config, 0, sizeof(*config));
    config->site.forward.add_headers = true;
    config->site.forward.via = VIA_OFF;
    config->logs[LOG_ACCESS].to.kind = PORT_LOG_STDERR;
    config->logs[LOG_DIAG].to.kind = PORT_LOG_STDERR;
    config->log_level = LOG_WARN;
    front->http1 = true;
    front->h2 = IS_ENABLED(CONFIG_H2_FRONT);
    front->h2c = IS_ENABLED(CONFIG_H2_FRONT);
    config->drain_ms = CONFIG_DRAIN_S * 1000U;
    list_init(&config->site.users);
    front->limits.line = CONFIG_LIMIT_REQUEST_LINE;
    front->limits.field = CONFIG_LIMIT_REQUEST_FIELD_SIZE;
    front->limits.fields = CONFIG_LIMIT_REQUEST_FIELDS;
    front->body_limit = CONFIG_LIMIT_REQUEST_BODY;
    front->keepalive_max = CONFIG_MAX_KEEPALIVE_REQUESTS;
    front->keepalive_ms = CONFIG_KEEPALIVE_TIMEOUT_S * 1000U;
    front->linger_ms = CONFIG_LINGER_MS;
    front->timeout_ms = CONFIG_TIMEOUT_S * 1000U;
    front->handshake_ms = IS_ENABLED(CONFIG_TLS) ? CONFIG_TLS_HANDSHAKE_S * 1000U : 0;
    config->tls.tls12 = true;
    config->tls.tls13 = true;
    config->tls.tickets = true;
    config->tls.clients.depth = 1;
    config->tls.backends.verify = TLS_VERIFY_REQUIRE;
    config->tls.backends.depth = TLS_DEPTH_MOST;
    front->head.initial_ms = CONFIG_READ_HEAD_S * 1000U;
    front->head.max_ms = CONFIG_READ_HEAD_MAX_S * 1000U;
    front->head.rate = CONFIG_READ_RATE;
    front->body.initial_ms = CONFIG_READ_BODY_S * 1000U;
    front->body.rate = CONFIG_READ_RATE;
}

/* Where the next file can be read to: behind what is still to be read of the open ones, which moves together. The words
   of the current line are overwritten. */
static char *make_room(void)
{
    char *at = conf.bytes;

    for (unsigned i = 0; i < conf.depth; i++) {
        struct conf_file *file = &conf.files[i];

        memmove(at, file->at, file->len);
        file->at = at;
        at += file->len;
    }
    return at;
}

static void push_file(const char *name, char *at, size_t len)
{
    static const struct text mark = TEXT_INIT("\xef\xbb\xbf"); /* a byte order mark, as some editors put it */
    size_t skip = text_starts(text_make(at, len), mark) ? mark.len : 0;

    conf.files[conf.depth++] =
        (struct conf_file){.name = name, .at = at + skip, .len = len - skip, .raw = conf_explain_raw()};
}

/* Reads a file behind those that are open. False: reported. */
static bool open_file(const char *name, struct text word)
{
    char *at = make_room();
    size_t room = sizeof(conf.bytes) - (size_t)(at - conf.bytes), len;

    switch (builtin_read_file(name, at, room, &len)) {
    case PORT_OK: push_file(name, at, len); return true;
    case PORT_END:
        conf_error(&conf.reader, word,
                   "expected at most %d bytes, with the files that include it: raise CONFIG_CONF_FILE",
                   CONFIG_CONF_FILE);
        return false;
    case PORT_AGAIN:
    case PORT_ERROR: break;
    }
    conf_error(&conf.reader, word, "cannot be read: %s", port_fault_text(port_error()));
    return false;
}

/* A path that is not absolute is meant from the folder of the including file. */
static bool full_path(const char *from, struct text path, struct text *full, char storage[PATH_BYTES])
{
    struct text folder = text_of(from);
    struct textbuf b;

    while (folder.len > 0 && folder.ptr[folder.len - 1] != '/')
        folder.len--;
    textbuf_init(&b, storage, PATH_BYTES - 1);
    if (path.ptr[0] != '/')
        textbuf_put(&b, folder);
    textbuf_put(&b, path);
    *full = textbuf_text(&b);
    return !b.full;
}

static bool is_open(struct text path)
{
    for (unsigned i = 0; i < conf.depth; i++)
        if (text_eq(path, text_of(conf.files[i].name)))
            return true;
    return false;
}

CONF_APPLY(conf_apply_include)
{
    char storage[PATH_BYTES];
    struct text path;

    (void)self, (void)count;
    if (words[0].len == 0 || text_find(words[0], '*', 0) < words[0].len || text_find(words[0], '?', 0) < words[0].len) {
        conf_error(reader, words[0], "expected the name of one file, without * and ?");
        return;
    }
    if (conf.too_deep)
        return;
    if (conf.depth == FILES) {
        conf.too_deep = true;
        conf_error(reader, words[0],
                   "expected at most %d files within one another (CONFIG_INCLUDE_DEPTH): do they include themselves?",
                   FILES - 1);
        return;
    }
    if (!full_path(reader->place.file, words[0], &path, storage)) {
        conf_error(reader, words[0], "expected a path of at most %d bytes", PATH_BYTES - 1);
        return;
    }
    if (is_open(path)) {
        conf_error(reader, words[0], "expected another file: this one is being read, it would include itself");
        return;
    }
    /* The name stays: messages and the places of lines point to it. */
    if (conf_store(reader, path, &path))
        open_file(path.ptr, path);
}

/* "<Location /x>" or "</Location>": the name. */
static struct text section_name(struct text word, bool *closing)
{
    size_t end = 0;

    struct text name = text_skip(word, 1);

    *closing = name.len > 0 && name.ptr[0] == '/';
    if (*closing)
        name = text_skip(name, 1);
    while (end < name.len && name.ptr[end] != '>' && name.ptr[end] != ' ' && name.ptr[end] != '\t')
        end++;
    return text_first(name, min_size(end, SECTION_NAME));
}

/* Sections are refused once, and what is in them is skipped, since it means nothing without them. */
static void take_section(struct text word)
{
    uint32_t errors = conf.reader.errors;
    bool closing;
    struct text name = section_name(word, &closing);

    if (conf.section_depth > 0) {
        if (text_eq_nocase(name, conf.section))
            conf.section_depth += closing ? -1U : 1U;
        return;
    }
    conf.reader.directive = TEXT("");
    if (closing ? conf_section_end(&conf.reader, name) : conf_section_begin(&conf.reader, name, word))
        return;
    if (errors == conf.reader.errors)
        conf_error(&conf.reader, word,
                   closing ? "expected no end: there is no such section"
                           : "this section is not supported: expected directives outside of it");
    if (closing)
        return;
    memcpy(conf.section_name, name.ptr, name.len);
    conf.section = text_make(conf.section_name, name.len);
    conf.section_depth = 1;
}

static void take_words(const struct text *words, unsigned count)
{
    const struct conf_directive *directive;

    if (words[0].len > 0 && words[0].ptr[0] == '<') {
        take_section(words[0]);
        return;
    }
    if (conf.section_depth > 0)
        return;
    conf.reader.directive = TEXT("");
    directive = conf_directive_find(&conf.reader, words[0]);
    if (directive == NULL)
        return;
    conf.reader.directive = directive->name;
    if (directive->apply == NULL) {
        conf_error(&conf.reader, CONF_NO_WORD, "needs %s, which is off in this build", directive->option);
        return;
    }
    if (conf.reader.section != NULL && !directive->in_section) {
        conf_error(&conf.reader, CONF_NO_WORD, "expected BalancerMember, ProxySet or </Proxy>");
        return;
    }
    words++;
    count--;
    for (unsigned i = 1; i < count; i++) {
        if (words[i].len > 0 && words[i].ptr[0] == '#' && count > directive->max_words) {
            conf_error(&conf.reader, words[i], "expected no comment here: it needs a line of its own");
            return;
        }
    }
    if (count < directive->min_words || count > directive->max_words) {
        conf_error(&conf.reader, count > directive->max_words ? words[directive->max_words] : CONF_NO_WORD,
                   "expected %s", directive->usage);
        return;
    }
    directive->apply(&conf.reader, directive, words, count);
}

/* Takes one line of the innermost file. False when that file is at its end. */
static bool take_line(struct conf_file *file)
{
    static const char *const faults[] = {
        [CONF_LINE_UNQUOTED] = "expected a closing quote",
        [CONF_LINE_GLUED] = "expected a blank behind a closing quote",
        [CONF_LINE_MANY] = "expected fewer words in a line",
        [CONF_LINE_CONTROL] = "expected no control bytes",
    };
    struct text words[CONF_WORDS];
    unsigned count;
    enum conf_line result = conf_line_next(file, words, &count, &conf.reader.place.line);

    if (result == CONF_LINE_END)
        return false;
    conf.reader.place.file = file->name;
    conf.reader.directive = TEXT("");
    conf_explain_line(file, conf.reader.place.line);
    if (result == CONF_LINE_OK)
        take_words(words, count);
    else if (conf.section_depth == 0)
        conf_error(&conf.reader, words[0], "%s", faults[result]);
    return true;
}

static bool run(const char *name)
{
    while (conf.depth > 0 && conf.reader.errors < CONFIG_CONF_ERRORS)
        if (!take_line(&conf.files[conf.depth - 1]))
            conf.depth--;
    conf.reader.place = (struct conf_place){name, 0};
    conf.depth = 0;
    if (conf.reader.errors < CONFIG_CONF_ERRORS)
        conf_check(&conf.reader);
    return conf.reader.errors == 0;
}

void conf_find_line(struct conf_reader *reader)
{
    struct text words[CONF_WORDS];
    unsigned count;
    uint32_t line;
    size_t len;

    if (!conf.from_file || conf.depth > 0 || !conf_explain_lacks(&reader->place) ||
        builtin_read_file(reader->place.file, conf.bytes, sizeof(conf.bytes), &len) != PORT_OK)
        return;
    push_file(reader->place.file, conf.bytes, len);
    while (conf_line_next(&conf.files[0], words, &count, &line) != CONF_LINE_END && line < reader->place.line)
        ;
    conf_explain_line(&conf.files[0], line);
    conf.depth = 0;
}

static void begin(struct config *config, const char *name, config_report *report, void *user)
{
    set_defaults(config);
    memset(&conf, 0, offsetof(struct conf_state, bytes));
    conf.reader.config = config;
    conf.reader.report = report;
    conf.reader.user = user;
    conf.reader.place = (struct conf_place){name, 0};
    conf.reader.keepalive = true;
    conf.reader.proxy_mode = LISTENER_PROXY_OFF;
}

bool config_read(struct config *config, const char *path, config_report *report, void *user)
{
    begin(config, path, report, user);
    conf.from_file = true;
    return open_file(path, CONF_NO_WORD) && run(path);
}

bool config_read_again(struct config *config, const struct config *running, const char *path, config_report *report,
                       void *user)
{
    begin(config, path, report, user);
    conf.reader.running = running;
    conf.from_file = true;
    return open_file(path, CONF_NO_WORD) && run(path);
}

bool config_parse(struct config *config, const char *name, struct text content, config_report *report, void *user)
{
    begin(config, name, report, user);
    if (content.len > sizeof(conf.bytes)) {
        conf_error(&conf.reader, CONF_NO_WORD, "expected at most %d bytes: raise CONFIG_CONF_FILE", CONFIG_CONF_FILE);
        return false;
    }
    /* A copy, since words are taken out in place. */
    if (content.len > 0)
        memcpy(conf.bytes, content.ptr, content.len);
    push_file(name, conf.bytes, content.len);
    return run(name);
}
