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
    {"configuration", 1, sizeof(struct config)},
    {"log rings", 1,
     CONFIG_LOG_RING + (CONFIG_LOG_RING / 4 > 8 * CONFIG_LOG_LINE ? CONFIG_LOG_RING / 4 : 8 * CONFIG_LOG_LINE)},
    {"input and output buffer", 1, CONFIG_INPUT_SIZE + CONFIG_OUTPUT_SIZE},
};

static void put_option(struct textbuf *b, const char *name, bool on)
{
    textbuf_printf(b, " %c%s", on ? '+' : '-', name);
}

void version_print(const char *version)
{
    static char storage[2048];
    struct textbuf b;
    size_t total = 0;

    textbuf_init(&b, storage, sizeof(storage));
    textbuf_printf(&b, "culvert %s, libnghttp2 %s%s%s\noptions:", version, h2_session_library(),
                   IS_ENABLED(CONFIG_TLS) ? ", mbedTLS " : "", tls_library());
    put_option(&b, "TLS", IS_ENABLED(CONFIG_TLS));
    put_option(&b, "H2_FRONT", IS_ENABLED(CONFIG_H2_FRONT));
    put_option(&b, "WEBSOCKET", IS_ENABLED(CONFIG_WEBSOCKET));
    put_option(&b, "IPV6", IS_ENABLED(CONFIG_IPV6));
    put_option(&b, "UNIX_SOCKETS", IS_ENABLED(CONFIG_UNIX_SOCKETS));
    put_option(&b, "CARES", IS_ENABLED(CONFIG_CARES));
    put_option(&b, "PROXY_PROTOCOL", IS_ENABLED(CONFIG_PROXY_PROTOCOL));
    put_option(&b, "RESOLVE", IS_ENABLED(CONFIG_RESOLVE));
    put_option(&b, "REVERSE_MAP", IS_ENABLED(CONFIG_REVERSE_MAP));
    put_option(&b, "HEADER_EDIT", IS_ENABLED(CONFIG_HEADER_EDIT));
    put_option(&b, "FORWARDED", IS_ENABLED(CONFIG_FORWARDED));
    put_option(&b, "INCLUDE", IS_ENABLED(CONFIG_INCLUDE));
    put_option(&b, "LOG_FILE", IS_ENABLED(CONFIG_LOG_FILE));
    put_option(&b, "LOG_SYSLOG", IS_ENABLED(CONFIG_LOG_SYSLOG));
    put_option(&b, "LOG_REMOTE", IS_ENABLED(CONFIG_LOG_REMOTE));
    put_option(&b, "LOG_SERIAL", IS_ENABLED(CONFIG_LOG_SERIAL));
    put_option(&b, "LOG_DEBUG", IS_ENABLED(CONFIG_LOG_DEBUG));
    put_option(&b, "HEAP_GUARD", IS_ENABLED(CONFIG_HEAP_GUARD));
    put_option(&b, "POISON", IS_ENABLED(CONFIG_POISON));
    textbuf_putc(&b, '\n');
    builtin_put(&b);
    textbuf_putz(&b, "static memory, bytes:\n");
    for (size_t i = 0; i < ARRAY_SIZE(shares); i++) {
        const struct share *s = &shares[i];

        textbuf_printf(&b, "  %-24s %6zu x %8zu = %10zu\n", s->name, s->count, s->size, s->count * s->size);
        total += s->count * s->size;
    }
    if (IS_ENABLED(CONFIG_TLS))
        textbuf_printf(&b, "  %-24s %30zu\n", "TLS", tls_memory());
    textbuf_printf(&b, "  %-24s %30zu\n", "together", total + tls_memory());
    port_print(false, textbuf_z(&b));
}
