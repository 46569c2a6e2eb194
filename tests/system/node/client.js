// HTTP clients on Node's http2 (h2c) and http (HTTP/1.1), told which requests to make.
'use strict';
const http = require('http');
const http2 = require('http2');
const driver = require('./driver');
const { once } = require('./wait');
const { pattern, Meter, sha256 } = require('./pattern');

const sessions = new Map();
const agents = new Map();

function connect(port) {
  const old = sessions.get(port);
  if (old && !old.closed && !old.destroyed) return old;
  const session = http2.connect(`http://127.0.0.1:${port}`);
  session.on('error', () => {});
  session.on('stream', () => driver.event('pushed'));
  session.on('goaway', (code, last) => driver.event('goaway', { code, last }));
  sessions.set(port, session);
  return session;
}

const fresh = () => ({ status: null, headers: null, interim: [], trailers: null, code: null, error: null, complete: false,
  meter: new Meter(), head: Buffer.alloc(0) });

function take(seen, data) {
  seen.meter.take(data);
  if (seen.head.length < 65536) seen.head = Buffer.concat([seen.head, data]);
}

const finished = ({ meter, head, ...seen }) => ({ ...seen, size: meter.size, sha256: meter.digest(),
  text: head.subarray(0, 65536).toString('latin1') });

/** Writes `bytes` of pattern, in pieces, and then ends, ends with trailers, or stops short of it. */
async function upload(writable, bytes, stop) {
  const data = pattern(bytes);
  for (let at = 0; at < data.length && !writable.destroyed; at += 65536) {
    if (!writable.write(data.subarray(at, at + 65536))) {
      await once(writable, 'drain', 'close');
    }
  }
  if (!stop) writable.end();
}

function two({ port, path, method = 'GET', headers = {}, bytes, trailers, stop, abort }) {
  const seen = fresh();
  const hasBody = bytes !== undefined || trailers !== undefined;
  const stream = connect(port).request({ ':method': method, ':path': path, ...headers },
    { endStream: !hasBody, waitForTrailers: trailers !== undefined });
  stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  stream.on('headers', (fields) => seen.interim.push({ ...fields }));
  stream.on('response', (fields) => {
    seen.status = fields[':status'];
    seen.headers = { ...fields };
    driver.event('response', { path, status: seen.status });
  });
  stream.on('trailers', (fields) => { seen.trailers = { ...fields }; });
  stream.on('data', (data) => {
    take(seen, data);
    if (abort !== undefined && seen.meter.size >= abort) stream.close(http2.constants.NGHTTP2_CANCEL);
  });
  stream.on('end', () => { seen.complete = !stream.aborted; });
  stream.on('error', (error) => { seen.error = error.code; });
  if (hasBody) upload(stream, bytes ?? 0, stop);
  return new Promise((resolve) => stream.on('close', () => {
    seen.code = stream.rstCode;
    seen.complete = seen.complete && stream.rstCode === 0;
    resolve(finished(seen));
  }));
}

function one({ port, path, method = 'GET', headers = {}, bytes, trailers, stop, abort }) {
  if (!agents.has(port)) agents.set(port, new http.Agent({ keepAlive: true, maxSockets: 16 }));
  const seen = fresh();
  const request = http.request({ host: '127.0.0.1', port, path, method, agent: agents.get(port),
    headers: { ...headers, ...(trailers && { Trailer: Object.keys(trailers).join(', ') }) } });
  request.on('information', ({ statusCode, headers: fields }) => seen.interim.push({ ':status': statusCode, ...fields }));
  if (trailers) request.addTrailers(trailers);
  if (bytes !== undefined || trailers) upload(request, bytes ?? 0, stop);
  else request.end();
  return new Promise((resolve) => {
    request.on('error', (error) => {
      seen.error = error.code;
      if (seen.status === null) resolve(finished(seen));
    });
    request.on('response', (response) => {
      seen.status = response.statusCode;
      seen.headers = { ...response.headers };
      driver.event('response', { path, status: seen.status });
      response.on('data', (data) => {
        take(seen, data);
        if (abort !== undefined && seen.meter.size >= abort) request.destroy();
      });
      response.on('error', (error) => { seen.error = error.code; });
      response.on('close', () => {
        seen.complete = response.complete;
        seen.trailers = { ...response.trailers };
        resolve(finished(seen));
      });
    });
  });
}

const request = (params) => (params.proto === 'h2' ? two : one)(params);

driver.run({
  request,
  /** The same request several times at once. */
  all({ times, ...params }) {
    return Promise.all(Array.from({ length: times }, () => request(params)));
  },
  digest({ bytes }) {
    return sha256(pattern(bytes));
  },
  /** Leaves without a word: a reset of the connection. */
  vanish({ port }) {
    sessions.get(port)?.socket.resetAndDestroy();
    for (const socket of Object.values(agents.get(port)?.sockets ?? {}).flat()) socket.resetAndDestroy();
  },
  close() {
    for (const session of sessions.values()) session.destroy();
    for (const agent of agents.values()) agent.destroy();
    sessions.clear();
    agents.clear();
  },
});
