// h2c origins on Node's http2, whose paths say what they do. Tells of requests, their ends and the proxy's SETTINGS.
'use strict';
const http2 = require('http2');
const driver = require('./driver');
const { pattern, Meter } = require('./pattern');
const site = require('./site');
const websocket = require('./websocket');

const servers = new Map();

/** Answers as JSON what came, after the whole request. */
function echo(stream, headers) {
  const meter = new Meter();
  let trailers = null;
  stream.on('trailers', (fields) => { trailers = { ...fields }; });
  stream.on('data', (data) => meter.take(data));
  stream.on('end', () => {
    if (stream.destroyed) return;
    const body = JSON.stringify({ headers: { ...headers }, size: meter.size, sha256: meter.digest(), trailers });
    stream.respond({ ':status': 200, 'content-type': 'application/json', 'content-length': body.length });
    stream.end(headers[':method'] === 'HEAD' ? undefined : body);
  });
}

const send = (stream, data) => new Promise((go) => { stream.write(data, go); });

const paths = {
  echo,

  /** A body of this size. */
  size(stream, headers, count) {
    stream.respond({ ':status': 200, 'content-length': count });
    stream.end(headers[':method'] === 'HEAD' ? undefined : pattern(+count));
  },

  /** The same, with the end of the stream in a frame of its own. */
  async split(stream, headers, count) {
    stream.respond({ ':status': 200, 'content-length': count });
    await send(stream, pattern(+count));
    setImmediate(() => stream.end());
  },

  /** The request's body as it comes, and its checksum in the trailers. */
  mirror(stream) {
    const meter = new Meter();
    stream.respond({ ':status': 200, trailer: 'x-sha256, x-size' }, { waitForTrailers: true });
    stream.on('data', (data) => meter.take(data));
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sha256': meter.digest(), 'x-size': String(meter.size) }));
    stream.pipe(stream);
  },

  /** Early hints, twice, then the answer. */
  hints(stream) {
    stream.additionalHeaders({ ':status': 103, link: '</style.css>; rel=preload; as=style' });
    stream.additionalHeaders({ ':status': 103, link: '</app.js>; rel=preload; as=script', 'x-second': 'yes' });
    setImmediate(() => {
      if (stream.destroyed) return;
      stream.respond({ ':status': 200 });
      stream.end('hinted');
    });
  },

  /** Some of a body, then RST_STREAM. */
  async abort(stream, headers, count, code = '2') {
    stream.respond({ ':status': 200, 'content-length': +count + 1000 });
    await send(stream, pattern(+count));
    stream.close(+code);
  },

  /** A head, some of a body, and the connection breaks. */
  async crash(stream, headers, count) {
    stream.respond({ ':status': 200 });
    await send(stream, pattern(+count));
    stream.session.socket.resetAndDestroy();
  },

  /** No answer. */
  hold(stream) {
    stream.resume();
  },

  /** A head, a few bytes, no end. */
  trickle(stream) {
    stream.resume();
    stream.respond({ ':status': 200 });
    stream.write('first');
  },

  /** Whether a push would be allowed. */
  push(stream) {
    let error = null;
    try {
      stream.pushStream({ ':path': '/pushed' }, () => {});
    } catch (thrown) {
      error = thrown.code;
    }
    stream.respond({ ':status': 200 });
    stream.end(JSON.stringify({ allowed: stream.pushAllowed, error }));
  },

  /** Answers before the body is there, and wants no more of it. */
  early(stream, headers, status) {
    stream.respond({ ':status': +status });
    stream.end('early');
    stream.close(http2.constants.NGHTTP2_NO_ERROR);
  },

  status(stream, headers, status) {
    stream.resume();
    stream.on('end', () => stream.destroyed || stream.respond({ ':status': +status }, { endStream: true }));
  },

  site: site.serve,
};

function serve(stream, headers) {
  const path = headers[':path'];
  driver.event('request', { path, method: headers[':method'], protocol: headers[':protocol'] });
  stream.on('error', () => {});
  stream.on('aborted', () => driver.event('aborted', { path, code: stream.rstCode }));
  stream.on('close', () => driver.event('closed', { path, code: stream.rstCode }));
  if (headers[':method'] === 'CONNECT') {
    websocket.serve(stream, headers);
    return;
  }
  const [name, ...words] = path.split('?')[0].slice(1).split('/');
  (paths[name] || echo)(stream, headers, ...words);
}

driver.run({
  async listen({ settings }) {
    const server = http2.createServer({ settings, maxSessionMemory: 200 });
    const sessions = new Set();
    server.on('session', (session) => {
      sessions.add(session);
      session.on('close', () => sessions.delete(session));
      session.on('error', () => {});
      session.on('remoteSettings', (remote) => driver.event('settings', { enablePush: remote.enablePush }));
      session.on('goaway', (code) => driver.event('goaway', { code }));
    });
    server.on('stream', serve);
    server.on('sessionError', () => {});
    await new Promise((go) => server.listen(0, '127.0.0.1', go));
    servers.set(server.address().port, { server, sessions });
    return server.address().port;
  },
  /** Breaks all connections of a server with a reset. */
  crash({ port }) {
    for (const session of servers.get(port).sessions) session.socket.resetAndDestroy();
  },
  /** GOAWAY, and no connection is left when all streams are done. */
  goaway({ port }) {
    for (const session of servers.get(port).sessions) session.close();
  },
  close({ port }) {
    const { server, sessions } = servers.get(port);
    for (const session of sessions) session.destroy();
    server.close();
    servers.delete(port);
  },
});
