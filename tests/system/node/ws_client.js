// WebSocket clients: the ws library over HTTP/1.1, and over an extended CONNECT of Node's http2.
'use strict';
const http2 = require('http2');
const WebSocket = require('ws');
const driver = require('./driver');
const { pattern, Meter } = require('./pattern');
const { over } = require('./websocket');

const sockets = new Map();
const sessions = new Map();

function one({ key, port, path, protocols }) {
  return new Promise((resolve) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols, { headers: { 'x-mine': 'yes' } });
    watch(key, socket);
    socket.on('open', () => resolve({ socket, status: 101, protocol: socket.protocol,
      drop: () => socket._socket.resetAndDestroy() }));
    socket.on('unexpected-response', (request, response) => {
      let text = '';
      response.on('data', (data) => { text += data; });
      response.on('end', () => resolve({ status: response.statusCode, text }));
    });
    socket.on('error', (error) => resolve({ error: error.message }));
  });
}

async function connect(port) {
  if (!sessions.has(port)) {
    const session = http2.connect(`http://127.0.0.1:${port}`, { maxSessionMemory: 200 });
    session.on('error', () => {});
    session.on('close', () => sessions.delete(port));
    sessions.set(port, session);
    await new Promise((go) => session.once('remoteSettings', go));
  }
  return sessions.get(port);
}

async function two({ key, port, path, protocols = [], protocol = 'websocket' }) {
  const session = await connect(port);
  const enabled = session.remoteSettings.enableConnectProtocol;
  const stream = session.request({ ':method': 'CONNECT', ':protocol': protocol, ':path': path, 'sec-websocket-version': '13',
    'x-mine': 'yes', ...(protocols.length && { 'sec-websocket-protocol': protocols.join(', ') }) });
  return new Promise((resolve) => {
    stream.on('error', (error) => resolve({ error: error.message }));
    stream.on('response', (headers) => {
      const status = headers[':status'];
      if (status === 200) {
        const chosen = headers['sec-websocket-protocol'];
        const socket = over(stream, true, chosen);
        watch(key, socket);
        resolve({ socket, status, enabled, protocol: chosen ?? '',
          drop: () => session.socket.resetAndDestroy(), cancel: () => stream.close(http2.constants.NGHTTP2_CANCEL) });
        return;
      }
      let text = '';
      stream.on('data', (data) => { text += data; });
      stream.on('close', () => resolve({ status, text, code: stream.rstCode }));
    });
  });
}

function watch(key, socket) {
  const seen = { meter: new Meter(), count: 0, waiting: null };
  socket.seen = seen;
  socket.on('message', (data, binary) => {
    seen.count++;
    seen.meter.take(data);
    if (data.length < 1000) driver.event('message', { key, text: data.toString('latin1'), binary });
    if (seen.waiting && seen.count >= seen.waiting.count) seen.waiting.go();
  });
  socket.on('ping', (data) => driver.event('ping', { key, text: String(data) }));
  socket.on('pong', (data) => driver.event('pong', { key, text: String(data) }));
  socket.on('error', (error) => driver.event('error', { key, message: error.message }));
  socket.on('close', (code, reason) => {
    driver.event('closed', { key, code, reason: String(reason) });
    seen.waiting?.go();
  });
}

driver.run({
  async open({ key, proto, ...params }) {
    const { socket, drop, cancel, ...result } = await (proto === 'h2' ? two : one)({ key, ...params });
    if (socket) {
      Object.assign(socket, { drop, cancel });
      sockets.set(key, socket);
    }
    return result;
  },
  send({ key, text, bytes }) {
    sockets.get(key).send(bytes === undefined ? text : pattern(bytes));
  },
  /** Sends `count` messages of `bytes` at once and waits until as many came back. */
  async flood({ key, count, bytes }) {
    const socket = sockets.get(key);
    const { seen } = socket;
    const sent = new Meter();
    const back = new Promise((go) => { seen.waiting = { count: seen.count + count, go }; });
    seen.meter = new Meter();
    for (let n = 0; n < count; n++) {
      const data = pattern(bytes);
      data.writeUInt32LE(n, 4);
      sent.take(data);
      socket.send(data);
    }
    await back;
    return { sent: sent.digest(), got: seen.meter.digest(), size: seen.meter.size };
  },
  /** Sends more than anybody keeps, to one who does not read: what has not left after a while? */
  async stall({ key, bytes }) {
    const socket = sockets.get(key);
    socket.send(pattern(bytes));
    let last = -1;
    for (let same = 0; same < 10;) {
      await new Promise((go) => { setTimeout(go, 20); });
      same = socket.bufferedAmount === last ? same + 1 : 0;
      last = socket.bufferedAmount;
    }
    return last;
  },
  ping({ key, text }) {
    sockets.get(key).ping(text);
  },
  shut({ key, code, reason }) {
    sockets.get(key).close(code, reason);
  },
  /** Leaves without a word: the connection is reset. */
  drop({ key }) {
    sockets.get(key).drop();
  },
  /** Resets the stream alone. */
  cancel({ key }) {
    sockets.get(key).cancel();
  },
  close() {
    for (const socket of sockets.values()) socket.terminate();
    for (const session of sessions.values()) session.destroy();
    sockets.clear();
    sessions.clear();
  },
});
