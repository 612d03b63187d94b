/** Rival: node:net and lines, written by hand with indexOf(10) and Buffers. See net-server.mjs. */
import { LineAnswers } from './answers.mjs';
import { LineCutter } from './framing.mjs';
import { serveNet } from './net-server.mjs';

serveNet(LineCutter, LineAnswers);
