/* Prints version, compiled-in options and the static memory of the large pools. */
#include "ops/version.h"

#include "base/builtin.h"
#include "base/slab.h"
#include "base/text.h"
#include "http/h2_session.h"
#include "net/tls.h"
#include "ops/config.h"
#include "proxy/exchange.h"
#include "side/h1_conn.h"
#include "side/h2_back_conn.h"

struct share {
    const char *name;
    size_t count;
    size_t size;
};

static const struct share shares[] = {
    {"clients", CONFIG_CLIENTS, sizeof(struct h1_conn)},
    {"exchanges", CONFIG_EXCHANGES, sizeof(struct exchange)},
    {"backend connections", CONFIG_BACKEND_CONNS, sizeof(struct h2_back)},
    {"backend h2 sessions", CONFIG_BACKEND_CONNS, H2_BACK_LEASE},
    {"client h2 sessions", CONFIG_H2_CLIENTS, H2_FRONT_LEASE},
    {"h2 extents", CONFIG_H2_CLIENTS + CONFIG_BACKEND_CONNS, CONFIG_H2_EXTENT},
    {"h2 large blocks", CONFIG_H2_LARGE_BLOCKS, H2_LARGE},
    {"large heads", CONFIG_HEADS_LARGE, sizeof(union head_large)},
    {"response body blocks", CONFIG_EXCHANGES, CONFIG_RESPONSE_WINDOW + CONFIG_BODY_BLOCK},
    {"request body blocks", CONFIG_UPLOADS, CONFIG_REQUEST_WINDOW + CONFIG_BODY_BLOCK},
    {"slabs", CONFIG_SLABS, SLAB_SIZE},
    {"configurations", IS_ENABLED(CONFIG_RELOAD) ? 2 : 1, sizeof(struct config)},
    {"log rings", 1,
     CONFIG_LOG_RING + (CONFIG_LOG_RING / 4 > 8 * CONFIG_LOG_LINE ? CONFIG_LOG_RING / 4 : 8 * CONFIG_LOG_LINE)},
    {"input and output buffer", 1, CONFIG_INPUT_SIZE + CONFIG_OUTPUT_SIZE},
};

#define OPTION(name)                                                                                                   \
    {                                                                                                                  \
#name, IS_ENABLED(CONFIG_##name)                                                                               \
    }

/* Every feature that Kconfig asks for, in its order. Without pointers, so that it stays in flash. */
static const struct {
    char name[sizeof("TLS_CHACHA_FIRST")];
    bool on;
} options[] = {
    OPTION(OPTIMIZE_SIZE),
    OPTION(EPOLL),
    OPTION(H2_FRONT),
    OPTION(WEBSOCKET),
    OPTION(TLS),
    OPTION(HEADER_EDIT),
    OPTION(IPV6),
    OPTION(UNIX_SOCKETS),
    OPTION(PROXY_PROTOCOL),
    OPTION(RESOLVE),
    OPTION(RELOAD),
    OPTION(BALANCER),
    OPTION(CARES),
    OPTION(REVERSE_MAP),
    OPTION(FORWARDED),
    OPTION(CONF_EXPLAIN),
    OPTION(CONF_PRINT),
    OPTION(CHANGE_USER),
    OPTION(DAEMON),
    OPTION(INCLUDE),
    OPTION(H2_SHARED_BLOCK),
    OPTION(TLS_CHACHA_FIRST),
    OPTION(LOG_FORMAT),
    OPTION(STATE),
    OPTION(LOG_FILE),
    OPTION(LOG_SYSLOG),
    OPTION(LOG_REMOTE),
    OPTION(LOG_SERIAL),
    OPTION(LOG_DEBUG),
    OPTION(HEAP_GUARD),
    OPTION(POISON),
};

static void put_options(struct textbuf *b)
{
    textbuf_putz(b, "options:");
    for (size_t i = 0; i < ARRAY_SIZE(options); i++)
        textbuf_printf(b, " %c%s", options[i].on ? '+' : '-', options[i].name);
    textbuf_putc(b, '\n');
}

static void put_memory(struct textbuf *b)
{
    size_t total = tls_memory();

    textbuf_putz(b, "static memory, bytes, without what is small:\n");
    for (size_t i = 0; i < ARRAY_SIZE(shares); i++) {
        const struct share *s = &shares[i];

        textbuf_printf(b, "  %-24s %6zu x %8zu = %10zu\n", s->name, s->count, s->size, s->count * s->size);
        total += s->count * s->size;
    }
    if (IS_ENABLED(CONFIG_TLS))
        textbuf_printf(b, "  %-24s %30zu\n", "TLS", tls_memory());
    textbuf_printf(b, "  %-24s %30zu\n", "together", total);
}

void version_print(const char *version)
{
    static char storage[2048];
    struct textbuf b;

    textbuf_init(&b, storage, sizeof(storage));
    textbuf_printf(&b, "culvert %s, libnghttp2 %s%s%s\n", version, h2_session_library(),
                   IS_ENABLED(CONFIG_TLS) ? ", mbedTLS " : "", tls_library());
    put_options(&b);
    builtin_put(&b);
    port_print(false, textbuf_z(&b));
    textbuf_init(&b, storage, sizeof(storage));
    put_memory(&b);
    port_print(false, textbuf_z(&b));
}
