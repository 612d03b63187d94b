/** Rival: node:net and lengths of 4 bytes, written by hand. See net-server.mjs. */
import { Len32Answers } from './answers.mjs';
import { Len32Cutter } from './framing.mjs';
import { serveNet } from './net-server.mjs';

serveNet(Len32Cutter, Len32Answers);
