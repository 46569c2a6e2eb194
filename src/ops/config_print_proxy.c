/* Prints what a configuration says about routes, backends and what is mapped on the way back. */
#include "ops/config_print.h"

void conf_put_backend(struct conf_printer *out, const struct backend_settings *settings, struct text path)
{
    char storage[2 * PORT_PATH_MAX + 1024];
    struct textbuf b;

    textbuf_init(&b, storage, sizeof(storage));
    if (settings->addr_count > 0 && settings->addrs[0].family == PORT_UNIX)
        textbuf_printf(&b, "unix:%s|", settings->addrs[0].path);
    textbuf_put(&b, settings->scheme);
    textbuf_put(&b, TEXT("://"));
    textbuf_put(&b, settings->authority);
    textbuf_put(&b, path);
    conf_put_word(out, textbuf_text(&b));
}

static void put_balancer(struct conf_printer *out, const struct balancer_settings *settings, struct text path)
{
    char storage[1280];
    struct textbuf b;

    textbuf_init(&b, storage, sizeof(storage));
    textbuf_put(&b, settings->name);
    textbuf_put(&b, path);
    conf_put_word(out, textbuf_text(&b));
}

CONF_PRINTS(conf_print_proxy_pass)
{
    const struct route_table *table = &out->config->site.routes;

    for (unsigned i = 0; i < table->count; i++) {
        const struct route *route = &table->routes[i];

        conf_put_name(out, self->name);
        conf_put_word(out, route->prefix);
        if (route->backend != NULL) {
            conf_put_backend(out, &route->backend->settings, route->path);
            conf_put_backend_keys(out, &route->backend->settings);
        } else if (route->balancer != NULL) {
            put_balancer(out, &route->balancer->settings, route->path);
        } else {
            conf_put_word(out, TEXT("!"));
        }
        conf_put_end(out);
    }
}

/* `first`: whether our side stands first. */
static void print_maps(struct conf_printer *out, struct text name, enum reverse_kind kind, bool first)
{
    const struct forward_settings *forward = &out->config->site.forward;

    for (unsigned i = 0; i < forward->map_count; i++) {
        const struct reverse_map *map = &forward->maps[i];

        if (map->kind != kind)
            continue;
        conf_put_name(out, name);
        conf_put_word(out, first ? map->ours : map->real);
        conf_put_word(out, first ? map->real : map->ours);
        conf_put_end(out);
    }
}

CONF_PRINTS(conf_print_reverse)
{
    print_maps(out, self->name, REVERSE_LOCATION, true);
}

CONF_PRINTS(conf_print_cookie_path)
{
    print_maps(out, self->name, REVERSE_COOKIE_PATH, false);
}

CONF_PRINTS(conf_print_cookie_domain)
{
    print_maps(out, self->name, REVERSE_COOKIE_DOMAIN, false);
}
