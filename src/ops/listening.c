/* Opens, keeps and closes listening sockets. */
#include "ops/listening.h"

#include "base/addr.h"
#include "base/log.h"
#include "side/h1_front.h"

struct listening {
    struct listener *at[CONFIG_LISTENERS]; /* of config.listen; NULL: none, on a box without IPv6 */
};
static struct listening now, next;

static const struct listener_ops *ops_of(const struct listener_settings *listen)
{
    return listen->proxy >= LISTENER_PROXY_ON ? &proxy_front_listener : &h1_front_listener;
}

static void put_address(struct textbuf *b, const struct port_addr *addr)
{
    addr_put(b, addr, true);
    if (addr->family == PORT_UNIX)
        return;
    textbuf_putc(b, ':');
    textbuf_put_u64(b, addr->port);
}

static void fail(const struct listener_settings *listen, config_report *report, void *user)
{
    char storage[256];
    struct textbuf b;

    textbuf_init(&b, storage, sizeof(storage));
    textbuf_putz(&b, "Listen ");
    put_address(&b, &listen->addr);
    textbuf_putz(&b, ": ");
    textbuf_putz(&b, listener_fault());
    report(user, true, textbuf_text(&b));
}

bool listening_prepare(const struct config *config, config_report *report, void *user)
{
    next = (struct listening){{NULL}};
    for (unsigned i = 0; i < config->listen_count; i++) {
        const struct listener_settings *listen = &config->listen[i];

        next.at[i] = listener_find(&listen->addr);
        if (next.at[i] == NULL)
            next.at[i] = listener_open(listen, ops_of(listen));
        if (next.at[i] != NULL || (listen->optional && port_error() != PORT_FAULT_IN_USE))
            continue; /* a port without an address stands for both families; this box has one of them */
        fail(listen, report, user);
        listening_abandon();
        return false;
    }
    return true;
}

void listening_commit(const struct config *config)
{
    for (unsigned i = 0; i < config->listen_count; i++)
        if (next.at[i] != NULL)
            listener_change(next.at[i], &config->listen[i], ops_of(&config->listen[i]));
    now = next;
    listener_close_others(now.at, CONFIG_LISTENERS);
}

void listening_abandon(void)
{
    listener_close_others(now.at, CONFIG_LISTENERS);
}
