/* Certificates in force: two sets, of which one serves new connections. A reload fills the other one, and only when
 * everything in it is good they change places; a set that was replaced lives until its last connection ends. */
#include "net/tls_impl.h"

#include <string.h>

struct tls_set {
    alignas(ARENA_ALIGN) uint8_t storage[CONFIG_TLS_CONF_ARENA / ARENA_ALIGN * ARENA_ALIGN];
    struct tls_conf conf;
};
static struct tls_set sets[2];
static struct tls_conf *current;
static const struct tls_settings *settings;
static bool reload_waits; /* for the last handshake by the set that is not current */
static bool begun;        /* tls_session_init was called */
static bool prepared;     /* that set is full, and is to be current */
static struct task reload_task;
static mbedtls_ssl_config resting[2]; /* of connections to clients, and to backends, that have shaken hands */

const struct tls_settings *tls_settings(void)
{
    return settings;
}

int tls_random(void *unused, unsigned char *out, size_t len)
{
    (void)unused;
    return port_random(out, len) ? 0 : MBEDTLS_ERR_SSL_INTERNAL_ERROR;
}

/* ---- what is offered ---- */

/* Of TLS 1.2 those suites that RFC 9113 9.2.2 and appendix A leave: ephemeral keys and AEAD. */
#define ECDSA_AES128 0xC02B
#define RSA_AES128 0xC02F
#define ECDSA_AES256 0xC02C
#define RSA_AES256 0xC030
#define ECDSA_CHACHA 0xCCA9
#define RSA_CHACHA 0xCCA8
#define TLS13_AES128 0x1301
#define TLS13_AES256 0x1302
#define TLS13_CHACHA 0x1303

static const int aes_first[] = {TLS13_AES128, TLS13_CHACHA, TLS13_AES256, ECDSA_AES128, RSA_AES128,
                                ECDSA_CHACHA, RSA_CHACHA,   ECDSA_AES256, RSA_AES256,   0};
static const int chacha_first[] = {TLS13_CHACHA, TLS13_AES128, TLS13_AES256, ECDSA_CHACHA, RSA_CHACHA,
                                   ECDSA_AES128, RSA_AES128,   ECDSA_AES256, RSA_AES256,   0};

static const char *protocols_h2[] = {"h2", "http/1.1", NULL};
static const char *protocols_h1[] = {"http/1.1", NULL};
static const char *protocols_h2_only[] = {"h2", NULL};
static const char *protocols_backend[] = {"h2", NULL};

static bool is_of_13(int suite)
{
    return suite >> 8 == 0x13;
}

/* Whether the settings name suites of this one's version. */
static bool names_like(int suite)
{
    for (unsigned i = 0; i < settings->suite_count; i++)
        if (is_of_13(settings->suites[i]) == is_of_13(suite))
            return true;
    return false;
}

/* One that the library does not know would break its handshakes. */
static void add_suite(int *suites, unsigned *count, int suite)
{
    if (mbedtls_ssl_ciphersuite_from_id(suite) != NULL && *count < TLS_SUITES_MOST)
        suites[(*count)++] = suite;
}

/* Those that are named; of a version of which none is, all. */
static void choose_suites(int *suites)
{
    const int *all = IS_ENABLED(CONFIG_TLS_CHACHA_FIRST) ? chacha_first : aes_first;
    unsigned count = 0;

    for (unsigned i = 0; i < settings->suite_count; i++)
        add_suite(suites, &count, settings->suites[i]);
    for (unsigned i = 0; all[i] != 0; i++)
        if (!names_like(all[i]))
            add_suite(suites, &count, all[i]);
    suites[count] = 0;
}

static bool conf_begin(struct tls_conf *set, mbedtls_ssl_config *conf, int endpoint, const char **protocols)
{
    mbedtls_ssl_config_init(conf);
    if (mbedtls_ssl_config_defaults(conf, endpoint, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT) != 0)
        return false;
    mbedtls_ssl_conf_rng(conf, tls_random, NULL);
    mbedtls_ssl_conf_ciphersuites(conf, set->suites);
    tls_conf_versions(conf, settings->tls12, settings->tls13);
    tls_conf_algorithms(conf);
    return mbedtls_ssl_conf_alpn_protocols(conf, protocols) == 0;
}

static int authmode_of(const struct tls_trust *trust)
{
    switch ((enum tls_verify)trust->verify) {
    case TLS_VERIFY_NONE: return MBEDTLS_SSL_VERIFY_NONE;
    case TLS_VERIFY_OPTIONAL:
    case TLS_VERIFY_NO_CA: return MBEDTLS_SSL_VERIFY_OPTIONAL;
    case TLS_VERIFY_REQUIRE: break;
    }
    return MBEDTLS_SSL_VERIFY_REQUIRED;
}

int tls_conf_on_name(void *user, mbedtls_ssl_context *ssl, const unsigned char *name, size_t len)
{
    struct tls_conf *conf = user;

    for (unsigned i = 0; i < conf->cert_count; i++) {
        struct tls_cert *cert = &conf->certs[i];

        if (tls_name_matches(&cert->crt, text_make(name, len)) &&
            mbedtls_ssl_set_hs_own_cert(ssl, &cert->crt, &cert->key) != 0)
            return MBEDTLS_ERR_SSL_ALLOC_FAILED;
    }
    return 0; /* a name that is not ours gets the first certificates: the client will tell */
}

static bool make_server(struct tls_conf *conf, mbedtls_ssl_config *server, const char **protocols)
{
    const struct tls_trust *trust = &settings->clients;

    if (!conf_begin(conf, server, MBEDTLS_SSL_IS_SERVER, protocols))
        return false;
    for (unsigned i = 0; i < conf->cert_count; i++) {
        if (mbedtls_ssl_conf_own_cert(server, &conf->certs[i].crt, &conf->certs[i].key) != 0)
            return false;
    }
    mbedtls_ssl_conf_sni(server, tls_conf_on_name, conf);
    mbedtls_ssl_conf_authmode(server, authmode_of(trust));
    if (trust->ca)
        mbedtls_ssl_conf_ca_chain(server, &conf->client_ca, trust->crl ? &conf->client_crl : NULL);
    tls_session_conf(server);
    return true;
}

static bool make_client(struct tls_conf *conf)
{
    const struct tls_trust *trust = &settings->backends;

    if (!conf_begin(conf, &conf->client, MBEDTLS_SSL_IS_CLIENT, protocols_backend))
        return false;
    /* A pin is compared when the handshake is whole. */
    mbedtls_ssl_conf_authmode(&conf->client,
                              settings->pin_count > 0 ? MBEDTLS_SSL_VERIFY_OPTIONAL : authmode_of(trust));
    mbedtls_ssl_conf_ca_chain(&conf->client, &conf->backend_ca, trust->crl ? &conf->backend_crl : NULL);
    return !settings->machine || mbedtls_ssl_conf_own_cert(&conf->client, &conf->machine.crt, &conf->machine.key) == 0;
}

/* ---- filling a set ---- */

static bool load_server(const struct tls_loader *loader)
{
    struct tls_conf *conf = loader->conf;

    for (unsigned i = 0; i < settings->pair_count; i++) {
        if (!tls_load_pair(loader, &settings->pairs[i], &conf->certs[i]))
            return false;
        conf->cert_count++;
    }
    return (!settings->clients.ca || tls_load_trusted(loader, settings->clients.ca, &conf->client_ca)) &&
           (!settings->clients.crl || tls_load_revoked(loader, settings->clients.crl, &conf->client_crl));
}

static bool load_client(const struct tls_loader *loader)
{
    struct tls_conf *conf = loader->conf;
    struct tls_pair machine = {settings->machine, settings->machine};
    const char *ca = tls_backend_ca(settings);

    return (!ca || tls_load_trusted(loader, ca, &conf->backend_ca)) &&
           (!settings->backends.crl || tls_load_revoked(loader, settings->backends.crl, &conf->backend_crl)) &&
           (!settings->machine || tls_load_pair(loader, &machine, &conf->machine));
}

static bool make_confs(const struct tls_loader *loader)
{
    struct tls_conf *conf = loader->conf;
    bool ok = !settings->serves ||
              (make_server(conf, &conf->server[0], settings->h2_only ? protocols_h2_only : protocols_h1) &&
               make_server(conf, &conf->server[1], settings->h2_only ? protocols_h2_only : protocols_h2));

    ok = ok && (!settings->connects || make_client(conf));
    if (!ok)
        tls_load_fault(loader, "TLS", "no room: raise CONFIG_TLS_CONF_ARENA", 0);
    return ok;
}

static bool fill(struct tls_set *set, tls_report_fn *report, void *user)
{
    struct tls_conf *conf = &set->conf;
    struct tls_loader loader = {conf, report, user};
    struct arena *previous;

    memset(conf, 0, sizeof(*conf));
    conf->stamp = tls_files_stamp(settings);
    choose_suites(conf->suites);
    conf->arena = arena_init(set->storage, sizeof(set->storage), "tls-conf");
    mbedtls_x509_crt_init(&conf->client_ca);
    mbedtls_x509_crt_init(&conf->backend_ca);
    mbedtls_x509_crl_init(&conf->client_crl);
    mbedtls_x509_crl_init(&conf->backend_crl);
    previous = arena_enter(conf->arena);
    conf->ready = (!settings->serves || load_server(&loader)) && (!settings->connects || load_client(&loader)) &&
                  make_confs(&loader);
    arena_leave(previous);
    if (conf->ready)
        log_info("tls", "certificates take %zu of %zu bytes", sizeof(set->storage) - arena_room(conf->arena),
                 sizeof(set->storage));
    return conf->ready;
}

/* Empties a set that is not used any more: no key stays in memory. */
static void wipe(struct tls_set *set)
{
    struct tls_conf *conf = &set->conf;
    struct arena *previous;

    if (!conf->arena)
        return;
    previous = arena_enter(conf->arena);
    for (unsigned i = 0; i < CONFIG_TLS_CERTS; i++)
        mbedtls_pk_free(&conf->certs[i].key);
    mbedtls_pk_free(&conf->machine.key);
    arena_leave(previous);
    memset(conf, 0, sizeof(*conf));
}

/* ---- changing ---- */

struct tls_conf *tls_conf_join(void)
{
    current->users++;
    return current;
}

void tls_conf_leave(struct tls_conf *conf)
{
    if (--conf->users == 0 && conf != current)
        loop_mark(&reload_task);
}

/* What the library reads of a configuration behind the handshake: its end, chance, versions, tickets. */
bool tls_conf_resting_init(void)
{
    for (int i = 0; i < 2; i++) {
        mbedtls_ssl_config_init(&resting[i]);
        if (mbedtls_ssl_config_defaults(&resting[i], i == 0 ? MBEDTLS_SSL_IS_SERVER : MBEDTLS_SSL_IS_CLIENT,
                                        MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT) != 0)
            return false;
        mbedtls_ssl_conf_rng(&resting[i], tls_random, NULL);
        tls_conf_versions(&resting[i], true, TLS_HAS_13);
    }
    tls_session_conf(&resting[0]);
    return true;
}

void tls_conf_resting_exit(void)
{
    mbedtls_ssl_config_free(&resting[0]);
    mbedtls_ssl_config_free(&resting[1]);
}

void tls_conf_rest(struct tls *tls)
{
    tls_use_conf(&tls->ssl, &resting[tls->client]);
    tls_conf_leave(tls->conf);
    tls->conf = NULL;
}

static struct tls_set *spare(void)
{
    return current == &sets[0].conf ? &sets[1] : &sets[0];
}

static void report_fault(void *user, struct text message)
{
    (void)user;
    log_error("tls", "certificates are not read again: %.*s", TEXT_ARG(message));
}

/* The set that was filled serves from now on. */
static void change_places(void)
{
    bool first = current == NULL;

    current = &spare()->conf;
    if (first)
        return;
    tls_session_forget();
    if (spare()->conf.users == 0)
        wipe(spare());
    log_notice("tls", "certificates were read again");
}

static void reload_now(void)
{
    reload_waits = false;
    if (fill(spare(), report_fault, NULL))
        change_places();
    else
        wipe(spare());
}

static void on_unused(struct task *task)
{
    (void)task;
    if (spare()->conf.users > 0)
        return;
    wipe(spare());
    if (reload_waits)
        reload_now();
}

void tls_reload(void)
{
    if (!current)
        return;
    if (spare()->conf.users == 0) {
        reload_now();
        return;
    }
    reload_waits = true;
    log_warn("tls", "certificates are read again when %u handshakes by those before the last time have ended",
             (unsigned)spare()->conf.users);
}

/* What the first set needs. False: reported. */
static bool begin(const struct tls_settings *s, const struct tls_loader *loader)
{
    unsigned char chance[16];

    if (!s->tls12 && !TLS_HAS_13) {
        tls_load_fault(loader, "SSLProtocol", "this mbedTLS speaks no TLS 1.3", 0);
        return false;
    }
    if (begun)
        return true;
    if (!port_random(chance, sizeof(chance)) || !tls_session_init()) {
        tls_load_fault(loader, "TLS", "this platform has no random numbers, or too little memory", 0);
        return false;
    }
    begun = true;
    tls_limit_operations();
    return true;
}

/* Fills a set with what is wanted. False: reported. */
static bool fill_with(struct tls_set *set, const struct tls_settings *wanted, tls_report_fn *report, void *user)
{
    const struct tls_settings *before = settings;
    struct tls_loader loader = {&set->conf, report, user};
    bool ok;

    settings = wanted;
    ok = begin(wanted, &loader) && fill(set, report, user);
    if (!ok)
        wipe(set);
    settings = before;
    return ok;
}

bool tls_is_settled(void)
{
    return !begun || spare()->conf.users == 0;
}

bool tls_prepare(const struct tls_settings *wanted, tls_report_fn *report, void *user)
{
    prepared = false;
    if (!wanted->serves && !wanted->connects)
        return true;
    if (current && tls_settings_same(settings, wanted) && current->stamp == tls_files_stamp(wanted))
        return true;
    prepared = fill_with(spare(), wanted, report, user);
    return prepared;
}

void tls_commit(const struct tls_settings *wanted)
{
    settings = wanted;
    if (begun)
        tls_session_conf(&resting[0]);
    if (prepared)
        change_places();
    prepared = false;
}

void tls_abandon(void)
{
    if (prepared)
        wipe(spare());
    prepared = false;
}

void tls_init(void)
{
    settings = NULL;
    current = NULL;
    begun = false;
    reload_waits = false;
    prepared = false;
    task_init(&reload_task, TASK_FRONT, on_unused);
    tls_shake_init();
}

void tls_exit(void)
{
    if (!begun)
        return;
    loop_unmark(&reload_task);
    current = NULL;
    begun = false;
    wipe(&sets[0]);
    wipe(&sets[1]);
    tls_session_exit();
}
