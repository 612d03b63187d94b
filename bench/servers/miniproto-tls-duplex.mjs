/** Ours over a Duplex that is no socket: lengths of 4 bytes over TLS. What examples/echo-server.mjs has no word for. */
import { createServer } from 'node:net';
import { framed, lengthPrefixed } from 'miniproto';
import { TlsContext, tlsServer } from 'miniproto/tls';
import { announce, HOST, port } from './arguments.mjs';
import { identity } from './identity.mjs';
import { PassingDuplex } from './passing-duplex.mjs';

const codec = lengthPrefixed({ bytes: 4, maxLength: 1 << 24 });
const { cert, key } = identity();
const context = new TlsContext({ cert, key });

const server = createServer({ noDelay: true, allowHalfOpen: true }, async (socket) => {
  const talk = framed(tlsServer(new PassingDuplex(socket), { context }), codec);
  try {
    await talk.onRecord((record, out) => out.write(record));
    await talk.close();
  } catch {
    // A connection that fails is its own affair.
    talk.destroy();
  }
});
server.listen(port(), HOST, () => announce(server.address().port));
