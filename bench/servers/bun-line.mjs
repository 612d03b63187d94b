/** Rival: Bun.listen and lines, written by hand. See bun-server.mjs. */
import { LineAnswers } from './answers.mjs';
import { serveBun } from './bun-server.mjs';
import { LineCutter } from './framing.mjs';

serveBun(LineCutter, LineAnswers);
