/**
 * The command line of the examples of STARTTLS: what both can be told, and how they end. It has no part in what they show.
 *
 * Without --cert, --key and --ca there are the certificates of the tests, for one's own machine: everybody has their keys.
 */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { parseArgs } from 'node:util';

const TEST_CERTIFICATES = new URL('../../test/fixtures/tls/', import.meta.url);

/**
 * @param {object} more options that only one of them has, as for `parseArgs`
 * @returns the command, all values, and what a server and a client are made of
 */
export function commandLine(more = {}) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      port: { type: 'string', default: '0' },
      host: { type: 'string', default: '127.0.0.1' },
      cert: { type: 'string' },
      key: { type: 'string' },
      ca: { type: 'string' },
      user: { type: 'string', default: 'ann' },
      password: { type: 'string', default: 'open sesame' },
      ...more,
    },
  });
  const { host, user, password } = values;
  const port = Number(values.port);
  return {
    command: positionals[0],
    values,
    forServer: () => ({
      port,
      host,
      cert: pem(values.cert, 'server.cert.pem'),
      key: pem(values.key, 'server.key.pem'),
      users: new Map([[user, password]]),
      onError: (error) => console.log(`ended: ${describe(error)}`),
    }),
    forClient: () => ({ port, host, ca: pem(values.ca, 'ca.cert.pem'), user, password }),
  };
}

/** Does one of the commands; without a word, what is called `undefined`. A failure is a line, and a status of 1. */
export async function run(program, command, commands) {
  try {
    if (!Object.hasOwn(commands, command)) {
      const known = Object.keys(commands).filter((name) => name !== 'undefined');
      throw new RangeError(`there is no '${command}'; there are ${known.join(' and ')}`);
    }
    await commands[command]();
  } catch (error) {
    console.error(`${program}: ${describe(error)}`);
    process.exitCode = 1;
  }
}

/** Says where the server is, which ends when somebody stops the program. */
export function serveUntilStopped(server) {
  console.log(`up ${server.port}`);
  process.once('SIGTERM', () => server.close());
}

function pem(file, test) {
  return readFileSync(file ?? new URL(test, TEST_CERTIFICATES));
}

function describe({ code, message }) {
  return code === undefined ? message : `${code}: ${message}`;
}
