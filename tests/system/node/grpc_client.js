// A gRPC client that is told which calls to make.
'use strict';
const http2 = require('http2');
const grpc = require('@grpc/grpc-js');
const { Test, UNLIMITED, plain, metadata } = require('./grpc_common');
const { pattern, sha256, Meter } = require('./pattern');
const { once } = require('./wait');
const driver = require('./driver');

const clients = new Map();
const calls = new Map();

function client(port) {
  if (!clients.has(port)) {
    clients.set(port, new Test(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), UNLIMITED));
  }
  return clients.get(port);
}

/** Starts one call; resolves when its status is there. Never rejects: an error status is a result. */
function start({ port, method, key, messages = [{}], meta, deadline, pause, name }) {
  const options = deadline === undefined ? {} : { deadline: Date.now() + deadline };
  const sent = metadata({ ...meta, ...(name && { 'x-name': [name] }) });
  const seen = { messages: 0, meter: new Meter(), initial: null, numbers: [], last: null };
  const streamsUp = method === 'collect' || method === 'chat';
  const take = (message) => {
    seen.messages++;
    seen.meter.take(message.body);
    if (seen.numbers.length < 1000) seen.numbers.push(message.number);
    seen.last = { number: message.number, count: message.count, size: message.size, sha256: message.sha256 };
    if (key) driver.event('message', { key, number: message.number });
  };
  return new Promise((resolve) => {
    const unary = (error, message) => { if (message) take(message); };
    const request = streamsUp ? null : toWire(messages[0]);
    const call = {
      unary: () => client(port).unary(request, sent, options, unary),
      collect: () => client(port).collect(sent, options, unary),
      spread: () => client(port).spread(request, sent, options),
      chat: () => client(port).chat(sent, options),
    }[method]();
    if (key) calls.set(key, call);
    call.on('metadata', (m) => { seen.initial = plain(m); });
    if (method === 'spread' || method === 'chat') {
      call.on('data', take);
      call.on('error', () => {});
    }
    call.on('status', (status) => setImmediate(() => resolve({
      code: status.code, details: status.details, trailing: plain(status.metadata), initial: seen.initial,
      messages: seen.messages, numbers: seen.numbers, size: seen.meter.size, sha256: seen.meter.digest(), last: seen.last,
    })));
    if (streamsUp) upload(call, messages, pause);
  });
}

const toWire = ({ bytes, repeat, ...message }) => ({ ...message, ...(bytes && { body: pattern(bytes) }) });

async function upload(call, messages, pause) {
  for (const message of messages) {
    for (let n = 0; n < (message.repeat || 1); n++) {
      if (!call.write(toWire({ number: n, ...message }))) {
        await once(call, 'drain', 'status');
      }
    }
  }
  if (!pause) call.end();
}

driver.run({
  call: start,
  /** The same call several times at once. */
  all({ times, ...call }) {
    return Promise.all(Array.from({ length: times }, (_, n) => start({
      ...call, messages: call.messages?.map((m) => ({ ...m, number: n })),
    })));
  },
  say({ key, message }) {
    calls.get(key).write(toWire(message));
  },
  end({ key }) {
    calls.get(key).end();
  },
  cancel({ key }) {
    calls.get(key).cancel();
  },
  digest({ bytes, repeat = 1 }) {
    return sha256(...Array(repeat).fill(pattern(bytes)));
  },
  /** An empty message by hand, to see how the status comes on the wire. */
  async raw({ port, path, message }) {
    const body = Test.service.Unary.requestSerialize(message);
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(body.length, 1);
    const session = http2.connect(`http://127.0.0.1:${port}`);
    const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' });
    const seen = { ended: null, headers: null, trailers: null, size: 0 };
    stream.on('response', (headers, flags) => {
      seen.headers = { ...headers };
      seen.ended = Boolean(flags & http2.constants.NGHTTP2_FLAG_END_STREAM);
    });
    stream.on('trailers', (trailers) => { seen.trailers = { ...trailers }; });
    stream.on('data', (data) => { seen.size += data.length; });
    stream.end(Buffer.concat([prefix, body]));
    await new Promise((resolve, reject) => { stream.on('close', resolve); stream.on('error', reject); });
    await new Promise((resolve) => session.close(resolve));
    return seen;
  },
  close() {
    for (const one of clients.values()) one.close();
    clients.clear();
    calls.clear();
  },
});
