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
import { fetchMail } from './imap-starttls/client.mjs';
import { serveImap } from './imap-starttls/server.mjs';
import { commandLine, run, serveUntilStopped } from './starttls/command.mjs';

/** Bytes of a mail that is fetched. */
const LARGEST_MAIL = 16 << 20;

const mails = [
  'Subject: literals\r\n\r\nNothing in here ends anything:\r\nA5 OK\r\n)\r\n* BYE\r\n{3}\r\n',
  '',
  // A few reads long.
  `Subject: large\r\n\r\n${'0123456789abcdef'.repeat(4)}\r\n`.repeat(10_000),
].map((text) => Buffer.from(text));

const { command, values, forServer, forClient } = commandLine({ number: { type: 'string', default: '1' } });
await run('imap-starttls', command, { serve, fetch, undefined: demonstrate });

async function serve() {
  serveUntilStopped(await serveImap({ ...forServer(), mails }));
}

/** Fetches a mail; a short one is shown, and of any its digest. */
async function fetch(where = {}) {
  const hash = createHash('sha256');
  let size = 0;
  let shown = '';
  const take = (piece) => {
    hash.update(piece);
    size += piece.length;
    if (size < 1000) shown += piece;
  };
  const options = { ...forClient(), ...where, number: Number(values.number), maxLength: LARGEST_MAIL };
  await fetchMail(options, take, console.log);
  console.log(`\n${size} bytes, SHA-256 ${hash.digest('hex')}`);
  if (shown.length === size) console.log(`\n${shown}`);
}

async function demonstrate() {
  const server = await serveImap({ ...forServer(), mails });
  try {
    await fetch({ port: server.port });
  } finally {
    await server.close();
  }
}
