/* Combinations of options that cannot work. The build checks this file before it compiles anything. */
#ifndef CULVERT_CONFIG_CHECK_H
#define CULVERT_CONFIG_CHECK_H

#if CONFIG_EXCHANGES < CONFIG_CLIENTS
#error "CONFIG_EXCHANGES is below CONFIG_CLIENTS: every HTTP/1.1 client needs one. Raise EXCHANGES or lower CLIENTS."
#endif

#if CONFIG_UPLOADS > CONFIG_EXCHANGES
#error "CONFIG_UPLOADS is above CONFIG_EXCHANGES: they are some of them. Lower UPLOADS."
#endif

#if CONFIG_BACKEND_CONNS < CONFIG_BACKENDS
#error "CONFIG_BACKEND_CONNS is below CONFIG_BACKENDS: a backend would have no connection. Raise BACKEND_CONNS."
#endif

#if CONFIG_NAME_TTL_MAX_S < CONFIG_NAME_TTL_MIN_S
#error "CONFIG_NAME_TTL_MAX_S is below CONFIG_NAME_TTL_MIN_S. Raise NAME_TTL_MAX_S."
#endif

#if CONFIG_H2_CLIENTS > CONFIG_CLIENTS
#error "CONFIG_H2_CLIENTS is above CONFIG_CLIENTS: they are some of them. Lower H2_CLIENTS."
#endif

#if CONFIG_H2_FRONT_OUTPUT > CONFIG_OUTPUT_SIZE
#error "CONFIG_H2_FRONT_OUTPUT is above CONFIG_OUTPUT_SIZE, the one output buffer. Lower H2_FRONT_OUTPUT."
#endif

#if CONFIG_BACKEND_STREAMS * 64 > CONFIG_OUTPUT_SIZE + 4096 || CONFIG_H2_STREAMS * 64 > CONFIG_OUTPUT_SIZE + 4096
#error "CONFIG_OUTPUT_SIZE cannot hold 64 bytes for each of BACKEND_STREAMS or H2_STREAMS. Raise OUTPUT_SIZE."
#endif

#if CONFIG_REQUEST_WINDOW % CONFIG_BODY_BLOCK != 0
#error "CONFIG_REQUEST_WINDOW is not a multiple of CONFIG_BODY_BLOCK. Change one of them."
#endif

#if CONFIG_RESPONSE_WINDOW % CONFIG_BODY_BLOCK != 0
#error "CONFIG_RESPONSE_WINDOW is not a multiple of CONFIG_BODY_BLOCK. Change one of them."
#endif

#if CONFIG_WINDOW_MAX % CONFIG_BODY_BLOCK != 0
#error "CONFIG_WINDOW_MAX is not a multiple of CONFIG_BODY_BLOCK. Change one of them."
#endif

#if CONFIG_WINDOW_MAX < CONFIG_REQUEST_WINDOW || CONFIG_WINDOW_MAX < CONFIG_RESPONSE_WINDOW
#error "CONFIG_WINDOW_MAX is below CONFIG_REQUEST_WINDOW or CONFIG_RESPONSE_WINDOW. Raise WINDOW_MAX."
#endif

#if CONFIG_WINDOW_MAX > 2147483647
#error "CONFIG_WINDOW_MAX is above 2147483647, the largest window of HTTP/2. Lower it."
#endif

#if CONFIG_REQUEST_HEAD < CONFIG_LIMIT_REQUEST_LINE + CONFIG_LIMIT_REQUEST_FIELD_SIZE + 512
#error "CONFIG_REQUEST_HEAD cannot hold LIMIT_REQUEST_LINE + LIMIT_REQUEST_FIELD_SIZE + 512 bytes. Raise REQUEST_HEAD."
#endif

#if CONFIG_HEAD_FIELDS < CONFIG_LIMIT_REQUEST_FIELDS + 12
#error "CONFIG_HEAD_FIELDS cannot hold LIMIT_REQUEST_FIELDS and the 12 that the proxy adds. Raise HEAD_FIELDS."
#endif

#if CONFIG_OUTPUT_SIZE < CONFIG_REQUEST_HEAD + 2560
#error "CONFIG_OUTPUT_SIZE cannot hold one request head and 2560 bytes. Raise OUTPUT_SIZE or lower REQUEST_HEAD."
#endif

#if CONFIG_OUTPUT_SIZE < CONFIG_RESPONSE_HEAD + 1792 + 4 * CONFIG_HEAD_FIELDS
#error "CONFIG_OUTPUT_SIZE cannot hold a response head, 1792 bytes and 4 for each of HEAD_FIELDS. Raise OUTPUT_SIZE."
#endif

#if CONFIG_OUTPUT_SIZE < CONFIG_RESPONSE_HEAD + 2560
#error "CONFIG_OUTPUT_SIZE cannot hold one response head and 2560 bytes. Raise OUTPUT_SIZE or lower RESPONSE_HEAD."
#endif

#if CONFIG_LOG_RING < CONFIG_LOG_LINE + 512
#error "CONFIG_LOG_RING cannot hold one LOG_LINE and 512 bytes. Raise LOG_RING or lower LOG_LINE."
#endif

#if CONFIG_LOG_LINE > CONFIG_LOG_RING / 4
#error "CONFIG_LOG_LINE is above a quarter of CONFIG_LOG_RING. Raise LOG_RING or lower LOG_LINE."
#endif

#if CONFIG_READ_HEAD_MAX_S < CONFIG_READ_HEAD_S
#error "CONFIG_READ_HEAD_MAX_S is below CONFIG_READ_HEAD_S. Raise READ_HEAD_MAX_S."
#endif

#endif
