/**
 * The native interface in plain TypeScript: what runs where the addon cannot load, and the definition of right.
 *
 * The addon is tested against this, word for word. Small inputs run here even where the addon is loaded, since a call
 * into it costs more than they do.
 */
import { checkOneOf } from '../arguments.js';
import { FILE_CANNOT_TRY, type NativeInterface } from '../native-interface.js';
import { createFixedFramer } from './fixed-framer.js';
import { createLengthFramer } from './length-framer.js';
import { mask, maskCopy } from './mask.js';
import { maskFrames } from './masked-frames.js';
import { createRing } from './ring.js';
import { indexAll, indexOfAny, indexOfByte, indexOfSequence } from './scan.js';
import { createSeparatorFramer } from './separator-framer.js';
import { serializeTexts } from './serialize-texts.js';
import { decodeUtf8Rows } from './utf8.js';
import { validateUtf8 } from './utf8-check.js';
import { createWebSocketFramer } from './websocket-framer.js';

const KERNEL = 'typescript';

export const referenceInterface: NativeInterface = {
  indexOfByte,
  indexOfAny,
  indexOfSequence,
  indexAll,
  mask,
  maskCopy,
  maskFrames,
  createSeparatorFramer,
  createLengthFramer,
  createFixedFramer,
  createWebSocketFramer,
  createRing,
  decodeUtf8Rows,
  serializeTexts,
  validateUtf8,
  // Node has no read that does not wait.
  tryReadFile: () => FILE_CANNOT_TRY,
  kernels: () => [KERNEL],
  kernel: () => KERNEL,
  selectKernel: (name) => checkOneOf('name', name, [KERNEL]),
};
