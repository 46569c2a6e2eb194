/* Patience with a client: a bucket of units that control frames drain and work fills.
 *
 * PING, SETTINGS, PRIORITY, WINDOW_UPDATE, empty DATA and RST_STREAM are cheap to send and cost the proxy work
 * (CVE-2019-9511 to 9518, CVE-2023-44487 Rapid Reset, CVE-2025-8671 MadeYouReset). A well-behaved client sends few of
 * them for each request or body frame; time refills the bucket slowly, so that a quiet client may ping for ever. */
#include "base/log.h"
#include "side/h2_front_conn.h"

#define CALM_MOST 1000     /* units a connection begins with, and can hold */
#define CALM_PER_SECOND 50 /* units that time gives back */

void h2_calm_init(struct h2_front *c)
{
    c->calm = CALM_MOST;
    c->calm_at = loop_now();
}

void h2_calm_earn(struct h2_front *c, int32_t gain)
{
    c->calm = c->calm + gain < CALM_MOST ? c->calm + gain : CALM_MOST;
}

/* What time has given back since the last look. */
static void refill(struct h2_front *c)
{
    uint32_t passed = loop_now() - c->calm_at;
    uint32_t gain = passed > 60000 ? CALM_MOST : passed * CALM_PER_SECOND / 1000;

    if (gain == 0)
        return;
    c->calm_at = loop_now();
    h2_calm_earn(c, (int32_t)gain);
}

bool h2_calm_spend(struct h2_front *c, int32_t cost)
{
    c->calm -= cost;
    if (c->calm >= 0)
        return true;
    refill(c);
    if (c->calm >= 0)
        return true;
    if (c->end != H2_CLIENT_LEAVES) {
        log_warn("h2_front", "a client is abusive: ENHANCE_YOUR_CALM");
        c->end = H2_CLIENT_LEAVES;
        (void)nghttp2_session_terminate_session(c->h2.ng, NGHTTP2_ENHANCE_YOUR_CALM);
        loop_mark(&c->task);
    }
    return false;
}
