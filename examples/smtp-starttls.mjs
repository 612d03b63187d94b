/**
 * Mail over SMTP, made secure in its middle by STARTTLS (RFC 3207): a small server, and a client.
 *
 *     node examples/smtp-starttls.mjs                          sends a mail to itself, and shows how that goes
 *     node examples/smtp-starttls.mjs serve [--port N] [--cert FILE --key FILE] [--user NAME --password SECRET]
 *     node examples/smtp-starttls.mjs send --port N [--host HOST] [--ca FILE] [--user NAME --password SECRET]
 *
 * `serve` prints `up` and the port when it listens, then each mail, and each connection that went wrong. Commands that
 * come in the clear behind STARTTLS, to be taken for what comes securely, are never carried out: they end the connection.
 * So do answers that come behind the one to STARTTLS, for `send`, which ends with 1 then, as with any failure.
 */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { sendMail } from './smtp-starttls/client.mjs';
import { serveSmtp } from './smtp-starttls/server.mjs';

/** For one's own machine: everybody has the key of it. */
const TEST_CERTIFICATES = new URL('../test/fixtures/tls/', import.meta.url);

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
  },
});
const { host, user, password } = values;
const port = Number(values.port);

const MAIL = {
  from: 'ann@client.example',
  to: ['bob@mail.example', 'eve@mail.example'],
  text: 'Subject: dots\n\nA line may be a dot,\n.\nor begin with two:\n..\nand none of them ends the mail.\n',
};

const commands = { serve, send, undefined: demonstrate };
const [command] = positionals;
try {
  if (!Object.hasOwn(commands, command)) throw new RangeError(`there is no '${command}'; there are serve and send`);
  await commands[command]();
} catch (error) {
  console.error(`smtp-starttls: ${describe(error)}`);
  process.exitCode = 1;
}

async function serve() {
  const server = await listenHere((mail) => console.log(`mail ${JSON.stringify(mail)}`));
  console.log(`up ${server.port}`);
  process.once('SIGTERM', () => server.close());
}

function listenHere(onMail) {
  return serveSmtp({
    port,
    host,
    cert: pem(values.cert, 'server.cert.pem'),
    key: pem(values.key, 'server.key.pem'),
    users: new Map([[user, password]]),
    onMail,
    onError: (error) => console.log(`ended: ${describe(error)}`),
  });
}

function send() {
  return sendHere(port);
}

function sendHere(there) {
  return sendMail({ port: there, host, ca: pem(values.ca, 'ca.cert.pem'), user, password, ...MAIL }, console.log);
}

async function demonstrate() {
  const mails = [];
  const server = await listenHere((mail) => mails.push(mail));
  try {
    await sendHere(server.port);
  } finally {
    await server.close();
  }
  const [{ from, to, text }] = mails;
  console.log(`\nfrom ${from} to ${to.join(' and ')}:\n\n${text.replaceAll('\r\n', '\n')}`);
}

function pem(file, test) {
  return readFileSync(file ?? new URL(test, TEST_CERTIFICATES));
}

function describe({ code, message }) {
  return code === undefined ? message : `${code}: ${message}`;
}
