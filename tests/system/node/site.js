// Pages for a browser.
'use strict';
const driver = require('./driver');

const IMAGES = 12;
const SCRIPTS = 6;

const image = (n) => `<svg xmlns="http://www.w3.org/2000/svg" width="${n + 1}" height="5"><rect width="9" height="9"/></svg>`;

/** Each script and image writes into the page that it was there. */
function index() {
  const scripts = Array.from({ length: SCRIPTS }, (_, n) => `<script src="/site/script/${n}"></script>`);
  const images = Array.from({ length: IMAGES }, (_, n) =>
    `<img src="/site/image/${n}" onload="document.body.dataset['image${n}'] = this.naturalWidth">`);
  return `<!doctype html><html><head><title>site</title></head><body>${scripts.join('')}${images.join('')}</body></html>`;
}

/** Talks over a WebSocket and reports what came of it. */
const WEBSOCKET = `<!doctype html><html><head><title>websocket</title></head><body><script>
const seen = { binary: 0, text: '', protocol: null, code: null, clean: null };
const socket = new WebSocket('ws://' + location.host + '/ws/echo', ['chat']);
socket.binaryType = 'arraybuffer';
socket.onopen = () => { seen.protocol = socket.protocol; socket.send('hello from a browser'); };
socket.onmessage = (event) => {
  if (typeof event.data === 'string') {
    seen.text = event.data;
    socket.send(new Uint8Array(300000).fill(7));
  } else {
    seen.binary = new Uint8Array(event.data).reduce((sum, byte) => sum + byte, 0);
    socket.close(4001, 'done');
  }
};
socket.onclose = (event) => {
  seen.code = event.code;
  seen.clean = event.wasClean;
  fetch('/site/report', { method: 'POST', body: JSON.stringify(seen) });
};
</script></body></html>`;

const files = {
  index: () => ['text/html', index()],
  websocket: () => ['text/html', WEBSOCKET],
  image: (n) => ['image/svg+xml', image(+n)],
  script: (n) => ['text/javascript', `document.body.dataset.script${n} = 'ran';`],
};

exports.serve = (stream, headers, name, ...words) => {
  if (name === 'report') {
    let body = '';
    stream.on('data', (data) => { body += data; });
    stream.on('end', () => {
      driver.event('report', JSON.parse(body));
      stream.respond({ ':status': 204 }, { endStream: true });
    });
    return;
  }
  const [type, body] = files[name] ? files[name](...words) : ['text/plain', ''];
  stream.respond({ ':status': files[name] ? 200 : 404, 'content-type': type, 'cache-control': 'no-store' });
  stream.end(body);
};
