/* Streams of an HTTP/2 session and the exchanges' pipes: bodies in, bodies out, windows, and the write that carries the
 * frames of a pass. Shared by both HTTP/2 sides. */
#ifndef CULVERT_SIDE_H2_IO_H
#define CULVERT_SIDE_H2_IO_H

#include "http/h2_session.h"
#include "net/conn.h"
#include "proxy/exchange.h"

/* Finds the ends of a stream. Returns false when the exchange is gone. Set by each side for its callbacks. */
struct h2_stream {
    struct exchange *ex;
    struct side *side;   /* which end of it this session is */
    struct message *out; /* the message that leaves through this session */
    struct message *in;  /* the message that comes in */
};

/* nghttp2's data source: body bytes of the message that leaves, by reference to the pipe's blocks. `source->ptr` is a
   h2_stream_of function (as a pointer to it). */
typedef struct h2_stream h2_stream_of(struct exchange *ex);
struct h2_source {
    h2_stream_of *stream_of;
    /* Whether the stream may send n bytes now (NULL: always); else it is deferred, and who said so resumes it. */
    bool (*take_turn)(struct exchange *ex, size_t n);
};
ssize_t h2_io_read(nghttp2_session *ng, int32_t stream_id, uint8_t *buf, size_t length, uint32_t *flags,
                   nghttp2_data_source *source, void *user);
int h2_io_send_data(nghttp2_session *ng, nghttp2_frame *frame, const uint8_t *header, size_t length,
                    nghttp2_data_source *source, void *user);

/* Received body bytes: into the pipe. False: more than was promised (a flow-control fault of the peer). */
bool h2_io_receive(struct h2_stream stream, const uint8_t *bytes, size_t len) MUST_USE;

/* Notes that n bytes left the pipe that this side fills. True: enough that h2_io_grant should be called in this pass.
 */
bool h2_io_space(struct h2_stream stream);

/* A DATA frame had padding: it took window that no body byte will give back. False: as h2_io_grant. */
bool h2_io_padded(nghttp2_session *ng, struct h2_stream stream) MUST_USE;

/* Gives window to the peer for what was drained; a busy body borrows, and gives back when the pool is short.
   False: no memory; the stream would wait for ever, so the connection must end. */
bool h2_io_grant(nghttp2_session *ng, struct h2_stream stream) MUST_USE;

/* Wakes a stream whose data source waits for bytes. False: no memory, as above. */
bool h2_io_resume(nghttp2_session *ng, struct side *side) MUST_USE;

/* Writes the unsent rest, then frames, until all is written (PORT_OK), the socket is full (PORT_AGAIN: wait for
   writability), or dead (PORT_ERROR; also when the session failed). *batch counts the writes: a stream whose HEADERS
   left carries its number. At most a few writes a call; *more is set when frames remain though the socket is not full.
 */
enum port_result h2_io_write(struct h2_session *s, struct conn *conn, uint32_t *batch, bool *more);

#endif
