/**
 * No rival, but the bound of TLS over a Duplex: the same Duplex and the same framing by hand, without TLS. What this takes,
 * whoever puts TLS on it pays before anything else.
 */
import { createServer } from 'node:net';
import { Len32Answers } from './answers.mjs';
import { Len32Cutter } from './framing.mjs';
import { serveNet } from './net-server.mjs';
import { PassingDuplex } from './passing-duplex.mjs';

serveNet(Len32Cutter, Len32Answers, (onSocket) =>
  createServer({ noDelay: true }, (socket) => onSocket(new PassingDuplex(socket))),
);
