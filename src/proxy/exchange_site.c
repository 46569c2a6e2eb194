/* Sites of exchanges: what requests work with, and who still works with one that a reload has replaced. */
#include "proxy/access_log.h"
#include "proxy/exchange.h"

static struct site *current;

void exchange_use_site(struct site *site)
{
    if (current)
        access_change_format(&current->log, &site->log);
    current = site;
}

const struct site *exchange_site(void)
{
    return current;
}

void exchange_take_site(struct exchange *ex)
{
    ex->site = current;
    list_push_back(&current->users, &ex->site_node);
}

void exchange_drop_site(struct exchange *ex)
{
    list_remove(&ex->site_node);
    ex->site = NULL;
    ex->route = NULL;
}

/* Finds the route anew, for the cookie's path and for a target at another member. */
static void change_site(struct exchange *ex)
{
    struct text path = head_text(&ex->request.head, ex->client_path);

    exchange_drop_site(ex);
    exchange_take_site(ex);
    ex->route = route_find(&ex->site->routes, text_first(path, text_find(path, '?', 0)), &ex->matched);
    if (ex->balanced.member && (!ex->route || ex->route->balancer != ex->balanced.member->balancer)) {
        ex->route = NULL;
        ex->balanced.room = (struct span){0, 0};
    }
}

void exchange_leave_site(struct site *site)
{
    LIST_EACH_SAFE (node, &site->users)
        change_site(container_of(node, struct exchange, site_node));
}
