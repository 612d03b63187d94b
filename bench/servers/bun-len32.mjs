/** Rival: Bun.listen and lengths of 4 bytes, written by hand. See bun-server.mjs. */
import { Len32Answers } from './answers.mjs';
import { serveBun } from './bun-server.mjs';
import { Len32Cutter } from './framing.mjs';

serveBun(Len32Cutter, Len32Answers);
