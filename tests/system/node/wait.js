// Waiting for events.
'use strict';

/** Waits for the first of some events. */
exports.once = (emitter, ...names) => new Promise((go) => {
  const done = () => {
    for (const name of names) emitter.off(name, done);
    go();
  };
  for (const name of names) emitter.on(name, done);
});
