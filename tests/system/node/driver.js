// Runs a test program by lines of JSON: {id, method, params} on the standard input, {id, result|error} and {event} on the
// standard output. The program ends with its input.
'use strict';
const readline = require('readline');

function write(message) {
  process.stdout.write(JSON.stringify(message) + '\n');
}

exports.event = (name, fields) => write({ event: name, ...fields });

exports.run = (methods) => {
  readline.createInterface({ input: process.stdin }).on('line', async (line) => {
    const { id, method, params } = JSON.parse(line);
    try {
      write({ id, result: (await methods[method](params)) ?? null });
    } catch (error) {
      write({ id, error: String(error.stack || error) });
    }
  }).on('close', () => process.exit(0));
  write({ event: 'ready' });
};
