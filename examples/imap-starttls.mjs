/**
 * Mail over IMAP, made secure in its middle by STARTTLS (RFC 9051 §6.2.1): a small server, and a client.
 *
 *     node examples/imap-starttls.mjs                          fetches a mail from itself, and shows how that goes
 *     node examples/imap-starttls.mjs serve [--port N] [--cert FILE --key FILE] [--user NAME --password SECRET]
 *     node examples/imap-starttls.mjs fetch --port N [--host HOST] [--ca FILE] [--user NAME --password SECRET] [--number N]
 *
 * `serve` has three mails, and prints `up` and the port when it listens, then each connection that went wrong. Commands
 * that come in the clear behind STARTTLS, to be taken for what comes securely, are never carried out: they end the
 * connection. So do answers that come behind the one to STARTTLS, for `fetch`, which ends with 1 then, as with any failure.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { fetchMail } from './imap-starttls/client.mjs';
import { serveImap } from './imap-starttls/server.mjs';

/** For one's own machine: everybody has the key of it. */
const TEST_CERTIFICATES = new URL('../test/fixtures/tls/', import.meta.url);
/** Bytes of a mail that is fetched. */
const LARGEST_MAIL = 16 << 20;

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
    number: { type: 'string', default: '1' },
  },
});
const { host, user, password } = values;
const port = Number(values.port);

const mails = [
  'Subject: literals\r\n\r\nNothing in here ends anything:\r\nA5 OK\r\n)\r\n* BYE\r\n{3}\r\n',
  '',
  // A few reads long.
  `Subject: large\r\n\r\n${'0123456789abcdef'.repeat(4)}\r\n`.repeat(10_000),
].map((text) => Buffer.from(text));

const commands = { serve, fetch: () => fetchHere(port), undefined: demonstrate };
const [command] = positionals;
try {
  if (!Object.hasOwn(commands, command)) throw new RangeError(`there is no '${command}'; there are serve and fetch`);
  await commands[command]();
} catch (error) {
  console.error(`imap-starttls: ${describe(error)}`);
  process.exitCode = 1;
}

async function serve() {
  const server = await listenHere();
  console.log(`up ${server.port}`);
  process.once('SIGTERM', () => server.close());
}

function listenHere() {
  return serveImap({
    port,
    host,
    cert: pem(values.cert, 'server.cert.pem'),
    key: pem(values.key, 'server.key.pem'),
    users: new Map([[user, password]]),
    mails,
    onError: (error) => console.log(`ended: ${describe(error)}`),
  });
}

/** Fetches a mail; a short one is shown, and of any its digest. */
async function fetchHere(there) {
  const hash = createHash('sha256');
  let size = 0;
  let shown = '';
  const take = (piece) => {
    hash.update(piece);
    size += piece.length;
    if (size < 1000) shown += piece;
  };
  const ca = pem(values.ca, 'ca.cert.pem');
  const options = { port: there, host, ca, user, password, number: Number(values.number), maxLength: LARGEST_MAIL };
  await fetchMail(options, take, console.log);
  console.log(`\n${size} bytes, SHA-256 ${hash.digest('hex')}`);
  if (shown.length === size) console.log(`\n${shown}`);
}

async function demonstrate() {
  const server = await listenHere();
  try {
    await fetchHere(server.port);
  } finally {
    await server.close();
  }
}

function pem(file, test) {
  return readFileSync(file ?? new URL(test, TEST_CERTIFICATES));
}

function describe({ code, message }) {
  return code === undefined ? message : `${code}: ${message}`;
}
