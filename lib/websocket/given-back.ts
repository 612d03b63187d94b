/**
 * Frames as a peer would have sent them, for whoever gets the byte stream: what was received, unmasked and not handed out.
 *
 * What a client sent has a mask again, of which the key is 0; so has the rest of a frame of which the beginning was
 * unmasked where it lies.
 */
import { HEADER_WORDS, R_FLAGS, R_LENGTH, R_OFFSET, ROW_WORDS, WS_FIRST_SHIFT } from '../frame-table.js';
import { native } from '../native.js';
import type { WebSocketRole } from './established.js';
import type { FrameRun } from './frame-source.js';
import { MASK_BIT, putHeader } from './frame-writer.js';
import { headerSize } from './opcodes.js';

/** Bytes. A mask's key. */
const KEY = 4;

/** @param role whose frames they are not. */
export function frameAgain(role: WebSocketRole, first: number, payload: Buffer): Buffer {
  const masked = role === 'server';
  const header = Buffer.alloc(headerSize(payload.length) + (masked ? KEY : 0));
  putHeader(header, 0, first, payload.length, masked ? MASK_BIT : 0);
  return Buffer.concat([header, payload]);
}

/** The frames of a run that nobody has taken. */
export function framesAgain(role: WebSocketRole, run: FrameRun): Buffer[] {
  const frames: Buffer[] = [];
  for (let row = run.row; row < run.rows; row++) {
    const at = run.base + HEADER_WORDS + row * ROW_WORDS;
    const from = run.table[at + R_OFFSET]!;
    const first = (run.table[at + R_FLAGS]! >>> WS_FIRST_SHIFT) & 0xff;
    frames.push(frameAgain(role, first, run.bytes.subarray(from, from + run.table[at + R_LENGTH]!)));
  }
  return frames;
}

/** Masks what a server has unmasked of a frame that is not whole. @param done bytes of its payload. */
export function maskAgain(bytes: Buffer, done: number): void {
  const short = bytes[1]! & 0x7f;
  const header = (short < 126 ? 2 : short === 126 ? 4 : 10) + KEY;
  native().mask(bytes, header, header + done, bytes.readInt32LE(header - KEY), 0);
}
