/* The table of causes, and how often each came. */
#include "proxy/cause.h"

#include <string.h>

static const struct cause_info causes[CAUSES] = {
    [CAUSE_NONE] = {0, '-', ""},
    [CAUSE_CLIENT_CLOSED] = {0, 'C', "client-closed"},
    [CAUSE_CLIENT_TIMEOUT] = {408, 'T', "request-timeout"},
    [CAUSE_CLIENT_STALLED] = {0, 'T', "client-stalled"},
    [CAUSE_BAD_REQUEST] = {400, 'P', "bad-request"},
    [CAUSE_PATH_CLIMBS] = {400, 'P', "path-climbs"},
    [CAUSE_NO_ROUTE] = {404, 'P', "no-route"},
    [CAUSE_LAST_HOP] = {200, 'P', "max-forwards"},
    [CAUSE_HEAD_FULL] = {431, 'P', "head-full"},
    [CAUSE_NO_ROOM] = {503, 'P', "no-room"},
    [CAUSE_BACKEND_DOWN] = {503, 'P', "backend-down"},
    [CAUSE_NO_MEMBER] = {503, 'P', "no-member"},
    [CAUSE_NAME_UNKNOWN] = {503, 'P', "name-unknown"},
    [CAUSE_DRAINING] = {503, 'P', "draining"},
    [CAUSE_STOPPED] = {0, 'P', "stopped"},
    [CAUSE_BODY_LARGE] = {413, 'P', "body-large"},
    [CAUSE_CONNECT_REFUSED] = {502, 'B', "connect-refused"},
    [CAUSE_CONNECT_FAILED] = {502, 'B', "connect-failed"},
    [CAUSE_CONNECT_TIMEOUT] = {504, 'T', "connect-timeout"},
    [CAUSE_TLS_FAILED] = {502, 'B', "tls-handshake"},
    [CAUSE_TLS_UNTRUSTED] = {502, 'B', "tls-verify"},
    [CAUSE_TLS_NO_H2] = {502, 'B', "tls-alpn"},
    [CAUSE_TLS_TIMEOUT] = {504, 'T', "tls-timeout"},
    [CAUSE_BACKEND_CLOSED] = {502, 'B', "backend-closed"},
    [CAUSE_BACKEND_RESET] = {502, 'B', "backend-reset"},
    [CAUSE_BACKEND_REFUSED] = {502, 'B', "backend-refused"},
    [CAUSE_BACKEND_GOAWAY] = {502, 'B', "backend-goaway"},
    [CAUSE_BACKEND_PROTOCOL] = {502, 'B', "backend-protocol"},
    [CAUSE_BACKEND_HEAD] = {502, 'B', "backend-head-large"},
    [CAUSE_BACKEND_LENGTH] = {502, 'B', "backend-length"},
    [CAUSE_BACKEND_TIMEOUT] = {504, 'T', "backend-timeout"},
    [CAUSE_BACKEND_FIRST] = {504, 'T', "response-timeout"},
    [CAUSE_REQUEST_TIME] = {504, 'T', "whole-timeout"},
    [CAUSE_BACKEND_CALM] = {503, 'B', "backend-calm"},
    [CAUSE_BACKEND_INTERIM] = {502, 'B', "backend-interim-many"},
    [CAUSE_BACKEND_NO_HEAD] = {431, 'B', "head-above-backend"},
    [CAUSE_BACKEND_SILENT] = {504, 'T', "backend-silent"},
    [CAUSE_BACKEND_SETTINGS] = {504, 'T', "backend-settings"},
    [CAUSE_NO_TUNNEL] = {501, 'B', "no-extended-connect"},
    [CAUSE_TUNNEL_IDLE] = {0, 'T', "tunnel-idle"},
    [CAUSE_QUEUE_TIMEOUT] = {503, 'T', "queue-timeout"},
    [CAUSE_QUEUE_FULL] = {503, 'P', "queue-full"},
};

const struct cause_info *cause_info(enum cause cause)
{
    return &causes[cause < CAUSES ? cause : CAUSE_NONE];
}

static uint32_t counts[IS_ENABLED(CONFIG_STATE) ? CAUSES : 1];

void cause_note(enum cause cause)
{
    if (IS_ENABLED(CONFIG_STATE))
        counts[cause]++;
}

uint32_t cause_count(enum cause cause)
{
    return IS_ENABLED(CONFIG_STATE) ? counts[cause] : 0;
}

void cause_forget(void)
{
    memset(counts, 0, sizeof(counts));
}
