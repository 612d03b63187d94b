/**
 * The payloads of rows as V8's serialization of an array of strings, in plain TypeScript: the twin of serializeTexts in
 * native/text/utf8.cc.
 *
 * The format is that of v8/src/objects/value-serializer.cc, version 15: a dense array of one-byte strings (ASCII and
 * latin1) and two-byte strings (what else UTF-8 holds). Lengths are base-128 numbers of always three bytes.
 */
import { HEADER_WORDS, R_LENGTH, R_OFFSET, ROW_WORDS } from '../frame-table.js';
import type { TextKernels } from '../native-interface.js';
import { isAsciiRange } from './scan.js';
import { decodeUtf8Rows } from './utf8.js';

const ends = new Int32Array(2);

export const serializeTexts: TextKernels['serializeTexts'] = (bytes, table, firstRow, rowCount, latin1, target) => {
  let at = 0;
  let malformed = false;
  for (const byte of [0xff, 15, 0x41]) target[at++] = byte;
  at = writeLength(target, at, rowCount);
  for (let row = firstRow; row < firstRow + rowCount; row++) {
    const words = HEADER_WORDS + row * ROW_WORDS;
    const from = table[words + R_OFFSET];
    const to = from + table[words + R_LENGTH];
    if (latin1 === 1 || isAsciiRange(bytes, from, to)) {
      target[at++] = 0x22;
      at = writeLength(target, at, to - from);
      target.set(bytes.subarray(from, to), at);
      at += to - from;
      continue;
    }
    // Padding, so that the characters lie at an even place.
    if (((target.byteOffset + at) & 1) !== 0) target[at++] = 0;
    const units = decodeUtf8Rows(bytes, table, row, 1, target.subarray(at + 4), ends);
    malformed ||= ends[1] >= 0;
    target[at++] = 0x63;
    at = writeLength(target, at, 2 * units) + 2 * units;
  }
  target[at++] = 0x24;
  target[at++] = 0;
  at = writeLength(target, at, rowCount);
  return malformed ? -at : at;
};

function writeLength(target: Uint8Array, at: number, length: number): number {
  target[at] = (length & 0x7f) | 0x80;
  target[at + 1] = ((length >> 7) & 0x7f) | 0x80;
  target[at + 2] = (length >> 14) & 0x7f;
  return at + 3;
}
