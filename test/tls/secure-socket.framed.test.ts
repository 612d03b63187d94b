/** The suites of framed streams, unchanged, over TLS on native sockets. See test/net/framed-suites.test.ts. */
import { TlsContext } from 'miniproto/tls';
import { certificate, identity } from '../support/certificates.js';
import { overSockets } from '../support/pairs.js';
import { securePairs, WITHOUT_SECURE } from '../support/secure-sockets.js';

// A destroyed peer is an end here, as it is in the suites: what is no end of TLS is another test's.
const truncation = 'end';
const client = { context: new TlsContext({ ca: certificate('ca') }), truncation } as const;
// Tickets that nobody has read would fill a Unix socket, where a suite has its sends moved byte by byte.
const server = { context: new TlsContext({ ...identity('server'), tickets: 0 }), truncation } as const;

for (const name of [
  'batches',
  'framed-stream',
  'ideas',
  'pieces',
  'record-duplex',
  'record-web',
  'switching',
  'user-codec',
]) {
  await overSockets(new URL(`../framed/${name}.test.js`, import.meta.url).href, {
    name: 'TLS on native sockets',
    obstacle: WITHOUT_SECURE,
    connect: (count) => securePairs('unix', count, client, server),
  });
}
