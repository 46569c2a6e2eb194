// Node's TLS at both ends: http2 secure servers with one certificate each, and https and http2 clients.
'use strict';
const fs = require('fs');
const http2 = require('http2');
const https = require('https');
const driver = require('./driver');

const BODY = 'x'.repeat(1024);
const pair = ({ cert, key }) => (cert ? { cert: fs.readFileSync(cert), key: fs.readFileSync(key) } : {});
const trust = (ca, crl) => ({ ca: fs.readFileSync(ca), crl: fs.readFileSync(crl) });

/** Collects a message; resolves to what came of it. */
function whole(readable, seen) {
  return new Promise((resolve, reject) => {
    readable.on('data', (data) => { seen.size += data.length; });
    readable.on('end', () => resolve(seen));
    readable.on('error', reject);
  });
}

function overHttp1({ port, path, ca, crl, ...more }) {
  return new Promise((resolve, reject) => {
    const options = { ...trust(ca, crl), ...pair(more), host: '127.0.0.1', servername: 'localhost', port, path, agent: false };
    const request = https.get({ ...options, ALPNProtocols: ['http/1.1'] }, (response) => {
      const { socket } = response;
      const seen = { status: response.statusCode, size: 0, alpn: socket.alpnProtocol, tls: socket.getProtocol() };
      whole(response, seen).then(resolve, reject);
    });
    request.on('error', (error) => resolve({ error: `${error.code} ${error.message}` }));
  });
}

function overHttp2({ port, path, ca, crl, ...more }) {
  return new Promise((resolve, reject) => {
    const session = http2.connect(`https://localhost:${port}`, { ...trust(ca, crl), ...pair(more), host: '127.0.0.1' });
    const fail = (error) => { session.destroy(); resolve({ error: `${error.code} ${error.message}` }); };
    session.on('error', fail);
    const stream = session.request({ ':path': path });
    const seen = { size: 0 };
    stream.on('error', fail);
    stream.on('response', (headers) => {
      Object.assign(seen, { status: headers[':status'], alpn: session.alpnProtocol, tls: session.socket.getProtocol() });
    });
    whole(stream, seen).then(() => { session.close(); resolve(seen); }, fail).catch(reject);
  });
}

driver.run({
  /** Starts a server, and tells its port. */
  listen: (pem) => new Promise((resolve, reject) => {
    const server = http2.createSecureServer({ allowHTTP1: false, ...pair(pem) }, (request, response) => response.end(BODY));
    server.on('error', reject).listen(0, '127.0.0.1', () => resolve(server.address().port));
  }),
  get: ({ version, ...more }) => (version === 'h2' ? overHttp2(more) : overHttp1(more)),
});
