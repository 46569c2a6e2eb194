// What the gRPC client and server share: the service and metadata as JSON.
'use strict';
const path = require('path');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const definition = loader.loadSync(path.join(__dirname, 'test.proto'), { defaults: true });
exports.Test = grpc.loadPackageDefinition(definition).test.Test;

exports.UNLIMITED = {
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  'grpc.enable_http_proxy': 0,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_retries': 0,
};

/** {name: [values]}; binary values in hex. */
exports.plain = (metadata) => {
  const out = {};
  for (const name of Object.keys(metadata?.getMap() ?? {})) {
    out[name] = metadata.get(name).map((v) => (Buffer.isBuffer(v) ? v.toString('hex') : v));
  }
  return out;
};

exports.metadata = (object = {}) => {
  const metadata = new grpc.Metadata();
  for (const [name, values] of Object.entries(object)) {
    for (const value of values) metadata.add(name, name.endsWith('-bin') ? Buffer.from(value, 'hex') : value);
  }
  return metadata;
};
