/** Rival: node:tls and lengths of 4 bytes, written by hand. See net-server.mjs. */
import { createServer } from 'node:tls';
import { Len32Answers } from './answers.mjs';
import { Len32Cutter } from './framing.mjs';
import { identity } from './identity.mjs';
import { serveNet } from './net-server.mjs';

serveNet(Len32Cutter, Len32Answers, (onSocket) => createServer({ ...identity(), noDelay: true }, onSocket));
