// An h2c origin that can die at any moment: chaos_origin.js PORT LEDGER. Each request is written into the ledger, a file,
// before it is answered, so that what was processed is known afterwards. Commands come as lines on the standard input.
'use strict';
const fs = require('fs');
const http2 = require('http2');
const readline = require('readline');
const { pattern } = require('./pattern');

const [port, path] = process.argv.slice(2);
const ledger = fs.openSync(path, 'a');
const sessions = new Set();

/** /chaos/ID/SIZE: a body of that size, after the whole request. */
function serve(stream, headers) {
  const [, , id, size] = headers[':path'].split('/');
  let received = 0;
  stream.on('error', () => {});
  // Node.js still hands over what comes while its GOAWAY, whose last stream is settled, waits to be sent.
  if (stream.session?.left) return;
  fs.writeSync(ledger, `${id} ${headers[':method']}\n`);
  stream.on('data', (data) => { received += data.length; });
  stream.on('end', () => {
    if (stream.destroyed) return;
    stream.respond({ ':status': 200, 'content-length': size, 'x-received': received });
    stream.end(pattern(+size));
  });
}

const commands = {
  /** The two steps of a graceful end. */
  graceful: (session) => session.close(),
  /** GOAWAY at once: what is on its way above the last stream is never looked at. */
  abrupt: (session) => { session.left = true; session.goaway(http2.constants.NGHTTP2_NO_ERROR); setTimeout(() => session.destroy(), 200); },
  /** GOAWAY with an error, and the connection ends. */
  error: (session) => session.destroy(undefined, http2.constants.NGHTTP2_INTERNAL_ERROR),
  /** GOAWAY(ENHANCE_YOUR_CALM) */
  calm: (session) => session.destroy(undefined, http2.constants.NGHTTP2_ENHANCE_YOUR_CALM),
};

const server = http2.createServer();
server.on('session', (session) => {
  sessions.add(session);
  session.on('close', () => sessions.delete(session));
  session.on('error', () => {});
});
server.on('sessionError', () => {});
server.on('stream', serve);
server.listen(+port, '127.0.0.1');
readline.createInterface({ input: process.stdin }).on('line', (line) => {
  for (const session of sessions) if (!session.destroyed) commands[line](session);
}).on('close', () => process.exit(0));
