// WebSocket over a stream of HTTP/2 (RFC 8441), with the ws library for the frames.
'use strict';
const WebSocket = require('ws');
const driver = require('./driver');
const { Meter } = require('./pattern');

const OPTIONS = { allowSynchronousEvents: true, maxPayload: 64 << 20, skipUTF8Validation: false };

/** A ws object that speaks over an open stream; `client` says whose end it is, since clients mask. */
exports.over = (stream, client, protocol = '') => {
  const socket = new WebSocket(null, undefined, { autoPong: true, closeTimeout: 30000 });
  socket._isServer = !client;
  socket._protocol = protocol;
  socket.setSocket(stream, Buffer.alloc(0), OPTIONS);
  return socket;
};

const paths = {
  echo(socket) {
    socket.on('message', (data, binary) => socket.send(data, { binary }));
  },

  /** Counts, and answers at the word "total". */
  count(socket) {
    const meter = new Meter();
    let count = 0;
    socket.on('message', (data, binary) => {
      if (!binary && data.toString() === 'total') {
        socket.send(JSON.stringify({ count, size: meter.size, sha256: meter.digest() }));
        return;
      }
      count++;
      meter.take(data);
    });
  },

  /** Pings first, and says when the pong came. */
  ping(socket) {
    socket.on('pong', (data) => socket.send('pong:' + data));
    socket.ping('are you there');
  },

  /** Says goodbye. */
  bye(socket) {
    socket.close(4002, 'bye');
  },

  /** Does not read. */
  stall(socket) {
    socket.pause();
  },
};

exports.serve = (stream, headers) => {
  const path = headers[':path'];
  const [, , name, word] = path.split('/');
  driver.event('connect', { path, headers: { ...headers } });
  if (headers[':protocol'] !== 'websocket' || name === 'refuse') {
    stream.respond({ ':status': +word || 400, 'content-type': 'text/plain' });
    stream.end('no websocket here');
    return;
  }
  const offered = (headers['sec-websocket-protocol'] || '').split(',')[0].trim();
  stream.respond({ ':status': 200, ...(offered && { 'sec-websocket-protocol': offered }) });
  const socket = exports.over(stream, false, offered);
  socket.on('error', () => {});
  socket.on('close', (code, reason) => driver.event('ws-close', { path, code, reason: String(reason) }));
  (paths[name] || paths.echo)(socket);
};
