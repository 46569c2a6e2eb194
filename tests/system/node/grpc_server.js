// A gRPC server: does what each request's `what` says, and tells when calls start, end and are cancelled.
'use strict';
const grpc = require('@grpc/grpc-js');
const { Test, UNLIMITED, plain, metadata } = require('./grpc_common');
const { pattern, sha256, Meter } = require('./pattern');
const { once } = require('./wait');
const driver = require('./driver');

const servers = new Map();

/** Tells of the call's start and cancellation. */
function watch(call, kind, request) {
  const deadline = call.getDeadline();
  driver.event('start', {
    kind, name: call.metadata.get('x-name')[0], what: request?.what, metadata: plain(call.metadata),
    deadline: Number.isFinite(+deadline) ? +deadline - Date.now() : null, authority: call.getHost(),
  });
  call.on('cancelled', () => driver.event('cancelled', { kind, name: call.metadata.get('x-name')[0] }));
}

/** Sends back the client's own metadata as initial metadata. */
function greet(call) {
  const back = {};
  for (const [name, values] of Object.entries(plain(call.metadata))) {
    if (name.startsWith('x-')) back['initial-' + name] = values;
  }
  if (Object.keys(back).length) call.sendMetadata(metadata(back));
}

const trailing = () => metadata({ 'x-trailing': ['a', 'b'], 'x-trailing-bin': ['00ff0a0d'] });

const failure = (request) => ({
  code: request.number || grpc.status.FAILED_PRECONDITION, details: request.sha256 || 'asked to fail: 100% & ü',
  metadata: trailing(),
});

function unary(call, done) {
  const request = call.request;
  watch(call, 'unary', request);
  if (request.what === 'never') return;
  if (request.what === 'fail') {
    done(failure(request));
    return;
  }
  greet(call);
  const body = request.size ? pattern(request.size) : request.body;
  done(null, { number: request.number, body, sha256: sha256(request.body) }, trailing());
}

function collect(call, done) {
  const meter = new Meter();
  let count = 0;
  watch(call, 'collect');
  call.on('data', (message) => {
    if (message.what === 'fail') {
      done(failure(message));
      return;
    }
    count++;
    meter.take(message.body);
  });
  call.on('end', () => done(null, { count, size: meter.size, sha256: meter.digest() }, trailing()));
}

async function spread(call) {
  const request = call.request;
  watch(call, 'spread', request);
  greet(call);
  const body = pattern(request.size);
  let sent = 0;
  const more = () => request.what === 'forever' || sent < request.count;
  while (more() && !call.cancelled) {
    if (!call.write({ number: sent++, body })) await once(call, 'drain', 'cancelled');
    else if (request.what === 'forever') await new Promise(setImmediate);
  }
  if (call.cancelled) return;
  if (request.what === 'fail') call.emit('error', failure(request));
  else call.end(trailing());
}

function chat(call) {
  watch(call, 'chat');
  greet(call);
  call.on('data', (message) => {
    if (message.what === 'fail') call.emit('error', failure(message));
    else call.write({ number: message.number, body: message.body });
  });
  call.on('end', () => call.end(trailing()));
  call.on('error', () => {});
}

driver.run({
  async listen() {
    const server = new grpc.Server(UNLIMITED);
    server.addService(Test.service, { unary, collect, spread, chat });
    const port = await new Promise((resolve, reject) => server.bindAsync('127.0.0.1:0',
      grpc.ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound))));
    servers.set(port, server);
    return port;
  },
  close({ port }) {
    servers.get(port)?.forceShutdown();
    servers.delete(port);
  },
});
