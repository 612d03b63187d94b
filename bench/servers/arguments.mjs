/**
 * What every rival server takes and says: `--port N`, 0 for a free one, and a line `up PORT` once it listens. Those of
 * WebSockets also take `--deflate alone|takeover`, to agree to permessage-deflate, and `--module` for what stands in
 * for `ws`.
 *
 * They listen on 127.0.0.1 alone and end on SIGTERM, as any process does that has no handler for it.
 */
import { argv, stdout } from 'node:process';
import { parseArgs } from 'node:util';

export const HOST = '127.0.0.1';

const { values } = parseArgs({
  args: argv.slice(2),
  options: {
    port: { type: 'string', default: '0' },
    deflate: { type: 'string' },
    module: { type: 'string', default: 'ws' },
  },
});

/** @returns {number} */
export function port() {
  return Number(values.port);
}

export const { deflate, module } = values;

/** @param {number} listening the port */
export function announce(listening) {
  stdout.write(`up ${listening}\n`);
}
