/* Prints what a configuration says about balancers: each as a <Proxy> section. */
#include "ops/config_print.h"

static const char *const checks[] = {
    [CHECK_NONE] = "None",       [CHECK_HEAD] = "HEAD", [CHECK_GET] = "GET",
    [CHECK_OPTIONS] = "OPTIONS", [CHECK_PING] = "PING",
};

static void put_factor(struct conf_printer *out, uint32_t hundredths)
{
    char storage[16];
    struct textbuf b;

    textbuf_init(&b, storage, sizeof(storage));
    textbuf_put_u64(&b, hundredths / 100);
    if (hundredths % 100 > 0)
        textbuf_printf(&b, ".%02u", (unsigned)(hundredths % 100));
    conf_put_key(out, "loadfactor", textbuf_text(&b));
}

static void put_status(struct conf_printer *out, uint8_t flags)
{
    static const struct {
        char letter;
        uint8_t flag;
    } letters[] = {
        {'D', MEMBER_OFF}, {'H', MEMBER_STANDBY}, {'R', MEMBER_SPARE}, {'N', MEMBER_DRAINING}, {'I', MEMBER_STEADY}};
    char storage[8] = "+";
    size_t len = 1;

    if (flags == 0)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(letters); i++)
        if (flags & letters[i].flag)
            storage[len++] = letters[i].letter;
    conf_put_key(out, "status", text_make(storage, len));
}

static void put_member(struct conf_printer *out, const struct member *member)
{
    const struct member_settings *settings = &member->settings;
    struct text uri = text_skip(settings->check_path, settings->path.len);

    conf_put_name(out, TEXT("    BalancerMember"));
    conf_put_backend(out, &member->backend->settings, settings->path);
    put_factor(out, settings->factor);
    conf_put_number_key(out, "lbset", settings->set);
    put_status(out, settings->flags);
    if (settings->route.len > 0)
        conf_put_key(out, "route", settings->route);
    conf_put_time_key(out, "retry", settings->retry_ms);
    conf_put_time_key(out, "slowstart", settings->slow_ms);
    conf_put_key(out, "hcmethod", text_of(checks[settings->check]));
    if (uri.len > 0)
        conf_put_key(out, "hcuri", uri);
    conf_put_time_key(out, "hcinterval", settings->check_interval_ms);
    conf_put_time_key(out, "hctimeout", settings->check_timeout_ms);
    conf_put_number_key(out, "hcpasses", settings->passes);
    conf_put_number_key(out, "hcfails", settings->fails);
    conf_put_backend_keys(out, &member->backend->settings);
    conf_put_end(out);
}

static void put_stickiness(struct conf_printer *out, const struct balancer_settings *settings)
{
    char storage[256];
    struct textbuf b;

    textbuf_init(&b, storage, sizeof(storage));
    /* stickycookie= alone is looked for, too, but not as a parameter. */
    if (settings->parameter.len > 0) {
        textbuf_put(&b, settings->cookie);
        textbuf_putc(&b, '|');
        textbuf_put(&b, settings->parameter);
        conf_put_key(out, "stickysession", textbuf_text(&b));
    }
    conf_put_key(out, "stickysessionsep",
                 settings->separator == '\0' ? TEXT("Off") : text_make(&settings->separator, 1));
    if (settings->set_cookie.len > 0)
        conf_put_key(out, "stickycookie", settings->set_cookie);
}

static void put_statuses(struct conf_printer *out, const struct balancer_settings *settings)
{
    char storage[4 * BALANCER_STATUSES];
    struct textbuf b;

    textbuf_init(&b, storage, sizeof(storage));
    for (unsigned i = 0; i < settings->status_count; i++) {
        if (i > 0)
            textbuf_putc(&b, ',');
        textbuf_put_u64(&b, settings->statuses[i]);
    }
    if (b.len > 0)
        conf_put_key(out, "failonstatus", textbuf_text(&b));
}

static void put_settings(struct conf_printer *out, const struct balancer_settings *settings)
{
    conf_put_name(out, TEXT("    ProxySet"));
    conf_put_key(out, "lbmethod", settings->method == BALANCE_BYBUSYNESS ? TEXT("bybusyness") : TEXT("byrequests"));
    put_stickiness(out, settings);
    conf_put_flag_key(out, "nofailover", settings->no_failover);
    if (settings->attempts > 0)
        conf_put_number_key(out, "maxattempts", settings->attempts);
    conf_put_number_key(out, "maxfails", settings->fails);
    put_statuses(out, settings);
    conf_put_flag_key(out, "forcerecovery", settings->force_recovery);
    conf_put_end(out);
}

CONF_PRINTS(conf_print_balancers)
{
    (void)self;
    for (unsigned i = 0; i < out->config->balancer_count; i++) {
        const struct balancer *balancer = out->config->balancers[i];

        conf_put_name(out, TEXT("<Proxy"));
        conf_put_word(out, balancer->settings.name);
        conf_put_name(out, TEXT(">"));
        conf_put_end(out);
        for (unsigned k = 0; k < balancer->count; k++)
            put_member(out, &balancer->members[k]);
        put_settings(out, &balancer->settings);
        conf_put_name(out, TEXT("</Proxy>"));
        conf_put_end(out);
    }
}
