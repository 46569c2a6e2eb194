// Bodies whose bytes tell their place, and their checksums.
'use strict';
const crypto = require('crypto');

const BLOCK = 16384;

/** `size` bytes; every block of 16 KiB begins with its number, so that a lost or doubled block shows. */
exports.pattern = (size) => {
  const out = Buffer.alloc(size);
  for (let i = 0; i < Math.min(size, BLOCK); i++) out[i] = i;
  for (let at = BLOCK; at < size; at += BLOCK) out.copy(out, at, 0, Math.min(BLOCK, size - at));
  for (let at = 0; at + 4 <= size; at += BLOCK) out.writeUInt32BE(at / BLOCK, at);
  return out;
};

exports.sha256 = (...parts) => {
  const hash = crypto.createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
};

/** Counts and hashes what goes by. */
exports.Meter = class {
  constructor() {
    this.size = 0;
    this.hash = crypto.createHash('sha256');
  }

  take(data) {
    this.size += data.length;
    this.hash.update(data);
  }

  digest() {
    return this.hash.digest('hex');
  }
};
