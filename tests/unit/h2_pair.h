/* Two HTTP/2 sessions in arenas that talk to each other in memory. */
#ifndef CULVERT_TESTS_H2_PAIR_H
#define CULVERT_TESTS_H2_PAIR_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/pool.h"
#include "http/h2_session.h"

/* One of them, and what it has seen. A body must count: 0, 1, 2 ..., modulo 256. */
struct pair_end {
    struct h2_session h2;
    unsigned heads;
    unsigned ends;   /* END_STREAM */
    unsigned resets; /* streams closed with an error, and GOAWAYs with one */
    size_t body;
    char fields[4096]; /* "name: value\n" of the last header block */
    size_t fields_len;
};
extern struct pair_end pair_client, pair_server;
/* What both sessions tell of. */
extern nghttp2_session_callbacks *pair_callbacks;

/* A test's setup, and its teardown: both ends are closed, and no memory is left over. A test may call them to begin
   anew. */
int pair_setup(void **state);
int pair_teardown(void **state);

/* Opens both and submits their SETTINGS. False: one has no memory. */
bool pair_open(void);
/* Both talk until neither has anything to say. False: a session failed. */
bool pair_talk(void);

/* The head of the message that is made: pair_request_head is a POST of http://a.example/path, pair_response_head a
   final response, whose section it returns. There is one at a time. */
extern struct head pair_head;
void pair_request_head(void);
struct section *pair_response_head(unsigned status);

/* Submits such a request with a body of so many bytes: its stream, or a negative code of nghttp2's. A response with 200
   and such a body: 0 or such a code. One body of each kind is sent at a time. */
int32_t pair_request(size_t body);
int pair_response(int32_t stream, size_t body);

#endif
