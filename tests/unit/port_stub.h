/* A port for unit tests: a clock and chance that the test sets, logs and prints that are captured. No sockets: they
 * abort. */
#ifndef CULVERT_TESTS_PORT_STUB_H
#define CULVERT_TESTS_PORT_STUB_H

#include "base/text.h"
#include "port.h"

/* Forgets everything below: clock 0, wall 0, no files, no names, nothing captured, logs take all. Call it in each
 * test's setup. */
void stub_reset(void);

/* What port_now_ms and port_wall_s answer. */
void stub_set_now(uint32_t now_ms);
void stub_set_wall(int64_t wall_s);
/* What local time is ahead of UTC. The box is called "box", the process is number 42. */
void stub_set_zone(int32_t zone_s);

/* Chance: bytes of a repeatable generator. The same seed gives the same bytes. */
void stub_seed(uint64_t seed);
/* The next number of that generator, 0 <= it < below (> 0): for random tests that can be repeated. */
uint32_t stub_chance(uint32_t below);
/* The next port_random calls give these bytes, over and over (len 0: the generator again). They must outlive the calls.
 */
void stub_set_random(const void *bytes, size_t len);
/* port_random answers false from now on, or again true. */
void stub_fail_random(bool fail);

/* What the next port_asked answers (it clears it). */
void stub_ask(unsigned asked);

/* Log sinks: port_log_open hands out STUB_SINK_MIN and up, so a test may also use these numbers without opening. */
#define STUB_SINK_MIN 100
#define STUB_SINKS 4
/* What was written to a sink so far (at most 1 MiB; more aborts). stub_log_clear forgets it. */
struct text stub_log(port_handle sink);
void stub_log_clear(port_handle sink);
/* What a sink was opened with. */
struct port_log stub_log_opened(port_handle sink);
/* How many were closed since stub_reset. */
unsigned stub_log_closed(void);
/* No sink can be opened from now on (PORT_FAULT_NONE: all can). */
void stub_log_open_fault(enum port_fault fault);
/* Each of the next writes to any sink answers `result`; PORT_OK takes at most `most` bytes (SIZE_MAX: all). */
void stub_log_answer(enum port_result result, size_t most);
/* Why a write answers PORT_ERROR (at first PORT_FAULT_OTHER). */
void stub_log_fault(enum port_fault fault);
/* How many calls of port_log_write there were since stub_reset. */
unsigned stub_log_writes(void);

/* What was printed so far with port_print, to both outputs (at most 1 MiB). */
struct text stub_printed(void);

/* A file of port_read_file (path and bytes must outlive the test; at most 16 files). Others are PORT_FAULT_NOT_FOUND.
 */
void stub_set_file(const char *path, struct text bytes);

/* A host name of port_resolve and the IPv4 address it has (at most 16 names). Others are unknown. */
void stub_set_name(const char *name, uint8_t a, uint8_t b, uint8_t c, uint8_t d);

#endif
