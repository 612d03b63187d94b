/** Rival: Node's tls over a Duplex that is no socket, and lengths of 4 bytes, written by hand. See net-server.mjs. */
import { createServer } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';
import { Len32Answers } from './answers.mjs';
import { Len32Cutter } from './framing.mjs';
import { identity } from './identity.mjs';
import { serveNet } from './net-server.mjs';
import { PassingDuplex } from './passing-duplex.mjs';

const secureContext = createSecureContext(identity());
serveNet(Len32Cutter, Len32Answers, (onSocket) =>
  createServer({ noDelay: true }, (socket) =>
    onSocket(new TLSSocket(new PassingDuplex(socket), { isServer: true, secureContext })),
  ),
);
