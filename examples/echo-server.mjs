/**
 * An echo server for lines, records behind a length of 4 bytes, or WebSockets: everything comes back as it was.
 *
 *     node examples/echo-server.mjs --protocol line|len32|ws --transport native|duplex --port 7000
 *         with ws: [--face own|ws] [--deflate alone|takeover]   over TLS: --tls --cert FILE --key FILE
 *
 * Without words it takes lines, on native sockets, on a free port; it prints `up` and the port when it listens. `native`
 * reads and writes in C++ where there is an addon for it, and otherwise is what `duplex` is: Node's own sockets.
 * `onRecord` hands each record to a function where it lies, without an object of its own, and what a batch of them is
 * answered leaves in one piece. A peer that sends without reading is held by its own answers. WebSockets are served in
 * echo-server/websocket.mjs, through the library's own face or the one that the `ws` package has. With `--tls` all of it
 * goes over TLS, with the certificate and the key (PEM) of the two files.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { exit } from 'node:process';
import { parseArgs } from 'node:util';
import { framed, lengthPrefixed, lines, listen } from 'miniproto';

const { values } = parseArgs({
  options: {
    protocol: { type: 'string', default: 'line' },
    transport: { type: 'string', default: 'native' },
    port: { type: 'string', default: '0' },
    face: { type: 'string', default: 'own' },
    deflate: { type: 'string' },
    tls: { type: 'boolean', default: false },
    cert: { type: 'string' },
    key: { type: 'string' },
  },
});
const address = { port: Number(values.port), host: '127.0.0.1' };

/** Records may be larger than the default allows. */
const maxLength = 16 << 20;
const codecs = {
  // A line ends with LF alone: a CR before it is data, and comes back.
  line: lines({ encoding: 'buffer', newline: 'lf', maxLength }),
  len32: lengthPrefixed({ bytes: 4, maxLength }),
};
const codec = codecs[values.protocol];
if (codec === undefined && values.protocol !== 'ws') {
  refuse(`there is no protocol '${values.protocol}'; there are line, len32 and ws`);
}

if (values.tls && (values.cert === undefined || values.key === undefined)) {
  refuse('--tls needs a certificate and its key: --cert FILE --key FILE');
}
const identity = values.tls ? { cert: readFileSync(values.cert), key: readFileSync(values.key) } : undefined;
// Who does not use it need not load it.
const tls = values.tls ? await import('miniproto/tls') : undefined;

/** One function for all connections: those that are idle need none of their own. */
const answer = (record, out) => out.write(record);

/** Serves one connection. `listen` closes it with care once this is fulfilled, and destroys it when it rejects. */
const serveListened = (source) => framed(source, codec).onRecord(answer);

/** The same where nobody else ends it. */
async function echo(source) {
  const talk = framed(source, codec);
  try {
    await talk.onRecord(answer);
    await talk.close();
  } catch {
    // It was reset, or broke the protocol. That is the end of this connection, and of no other.
    talk.destroy();
  }
}

/** Each listens, and answers with the port. */
const transports = {
  async duplex() {
    const context = tls && new tls.TlsContext(identity);
    const serve = tls === undefined ? echo : (socket) => echo(tls.tlsServer(socket, { context }));
    // Half-open, so that a peer that has ended still gets its answers.
    const server = createServer({ noDelay: true, allowHalfOpen: true }, serve);
    server.listen(address);
    await once(server, 'listening');
    return server.address().port;
  },
  async native() {
    const listening =
      tls === undefined ? listen(address, serveListened) : tls.listenTls({ ...address, ...identity }, serveListened);
    return (await listening).port;
  },
};
const transport = transports[values.transport];
if (transport === undefined) refuse(`there is no transport '${values.transport}'; there are native and duplex`);

if (values.protocol === 'ws') {
  const { serveWebSockets } = await import('./echo-server/websocket.mjs');
  console.log(`up ${await serveWebSockets(address, { ...values, identity })}`);
} else {
  console.log(`up ${await transport()}`);
}

function refuse(reason) {
  console.error(`echo-server: ${reason}`);
  exit(1);
}
