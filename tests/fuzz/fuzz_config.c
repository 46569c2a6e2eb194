/* Fuzzes the configuration's reader: a file, and behind a line "%%" another one that it may include by the name x. */
#include <stdint.h>
#include <string.h>

#include "../unit/port_stub.h"
#include "ops/config.h"

static struct config config;
static unsigned errors, warnings;

#define REQUIRE(what)                                                                                                  \
    do {                                                                                                               \
        if (!(what))                                                                                                   \
            __builtin_trap();                                                                                          \
    } while (0)

static void report(void *user, bool error, struct text message)
{
    (void)user;
    REQUIRE(message.len > 0);
    for (size_t i = 0; i < message.len; i++) {
        bool form = IS_ENABLED(CONFIG_CONF_EXPLAIN) && (message.ptr[i] == '\n' || message.ptr[i] == '\t');

        REQUIRE(((unsigned char)message.ptr[i] >= 0x20 && message.ptr[i] != 0x7f) || form);
    }
    if (error)
        errors++;
    else
        warnings++;
}

/* A text of the configuration stands in its storage and ends with NUL. */
static void require_stored(struct text t)
{
    if (t.len == 0)
        return;
    REQUIRE(t.ptr >= config.text && t.ptr + t.len < config.text + config.text_used && t.ptr[t.len] == '\0');
}

/* What the rest of the proxy relies on. */
static void require_sound(void)
{
    const struct route_table *routes = &config.site.routes;

    REQUIRE(config.listen_count > 0 && config.listen_count <= CONFIG_LISTENERS);
    REQUIRE(config.backend_count > 0 && config.backend_count <= CONFIG_BACKENDS);
    REQUIRE(config.front.limits.line + config.front.limits.field + 512 <= CONFIG_REQUEST_HEAD);
    REQUIRE(config.front.timeout_ms > 0 && config.front.keepalive_ms > 0);
    for (unsigned i = 0; i < config.listen_count; i++)
        REQUIRE((config.listen[i].addr.port > 0) == (config.listen[i].addr.family != PORT_UNIX) &&
                config.listen[i].addr.family != PORT_NONE);
    for (unsigned i = 0; i < config.backend_count; i++) {
        const struct backend_settings *settings = &config.backends[i]->settings;

        require_stored(settings->name);
        require_stored(settings->host);
        REQUIRE(settings->name.len > 0 && settings->port > 0 && settings->max > 0);
        REQUIRE(settings->addr_count > 0 || IS_ENABLED(CONFIG_CARES));
        REQUIRE(settings->connect_ms > 0 && settings->timeout_ms > 0 && settings->queue_ms > 0);
    }
    for (unsigned i = 0; i < routes->count; i++) {
        const struct route *route = &routes->routes[i];
        size_t matched;

        require_stored(route->prefix);
        require_stored(route->path);
        REQUIRE(route->path.len == 0 || route->path.ptr[0] == '/');
        /* A path that is spelt as the prefix gets this route or an earlier one. */
        REQUIRE(route_match(route->prefix, route->prefix) > 0 || text_find(route->prefix, '%', 0) < route->prefix.len);
        route_find(routes, route->prefix, &matched);
        REQUIRE(matched <= route->prefix.len);
    }
    for (unsigned i = 0; i < config.site.forward.map_count; i++) {
        require_stored(config.site.forward.maps[i].ours);
        require_stored(config.site.forward.maps[i].real);
    }
}

/* What is printed of the configuration reads as the same one. */
static void require_same_again(void)
{
    static char first[2 * CONFIG_CONF_FILE];
    struct text printed;
    size_t len;

    if (!IS_ENABLED(CONFIG_CONF_PRINT))
        return;
    config_print(&config);
    len = stub_printed().len;
    if (len > CONFIG_CONF_FILE)
        return;
    memcpy(first, stub_printed().ptr, len);
    REQUIRE(config_parse(&config, "printed", text_make(first, len), report, NULL));
    config_print(&config);
    printed = text_skip(stub_printed(), len);
    REQUIRE(text_eq(printed, text_make(first, len)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct text mark = TEXT_INIT("\n%%\n");
    struct text content = text_make(data, size);
    size_t at = 0;
    bool ok;

    while (at < size && !text_starts(text_skip(content, at), mark))
        at++;
    stub_reset();
    stub_set_name("origin", 192, 0, 2, 1);
    stub_set_file("x", text_skip(content, at + mark.len));
    errors = warnings = 0;
    config_explain(size % 2 == 1);
    ok = config_parse(&config, "fuzz", text_first(content, at), report, NULL);
    REQUIRE(ok == (errors == 0));
    REQUIRE(config.warnings == warnings && config.text_used <= sizeof(config.text));
    if (ok) {
        require_sound();
        require_same_again();
    }
    return 0;
}
