/**
 * Frames into an output queue: the inverse of the framer. RFC 6455 §5.2
 *
 * A server writes a header by value and the payload behind it, by reference where it is large. A client masks, so its
 * payload is always copied: large ones are masked on the way, and short ones when they leave, in one pass over all that
 * lie one behind the other by then, each by the key in its header. Texts are encoded straight into the queue's memory,
 * behind a header whose size is guessed from their length; the few that need a longer one are moved.
 */
import { type Block, leaseBlock } from '../bytes/blocks.js';
import type { OutputBuffer } from '../bytes/output-buffer.js';
import { byteLengthOf } from '../bytes/view.js';
import { BY_REFERENCE_FROM } from '../limits.js';
import { native } from '../native.js';
import { type MaskKeySource, randomMaskKey } from './mask-keys.js';
import { headerSize } from './opcodes.js';

/** Bytes of a header at most. */
const LONGEST_HEADER = 14;
export const MASK_BIT = 0x80;
/** Bytes. The smallest block that there is. */
const LEAST_BLOCK = 64 * 1024;
/** Bytes of output from which a frame takes no block, which may be four times its size: they pile up. */
const MOST_IN_BLOCKS = 256 * 1024;
/** The same of frames that fill half of theirs or more: two of a megabyte find their blocks again, message after message. */
const MOST_IN_FULL_BLOCKS = 4 * 1024 * 1024;
/** Up to this many characters a loop beats the call into Node's encoder. */
const SHORT_TEXT = 24;

/** Where frames are written to. One object with these beside its own: idle connections are many. */
export interface FrameTarget {
  readonly output: OutputBuffer;
  /** Undefined: a server, which does not mask. */
  readonly keys: MaskKeySource | undefined;
  /** The stream below is done with memory that it has taken; else what it has taken must never be written again. */
  readonly lends: boolean;
  /** It is mostly done with what it has taken by the time that there is more. */
  readonly reuses?: boolean;
}

/**
 * Queues a frame.
 * @param first its first byte: FIN, RSV1 and the opcode.
 * @param stable the payload never changes, so that from 16 KiB up it may be sent from where it lies.
 */
export function writeFrame(
  target: FrameTarget,
  first: number,
  bytes: Buffer,
  from: number,
  to: number,
  { stable }: { stable: boolean },
): void {
  const size = to - from;
  const { output, keys } = target;
  if (keys !== undefined) return writeMasked(target, first, bytes, from, to, keys());
  if (size >= BY_REFERENCE_FROM && (stable || target.lends || size >= LEAST_BLOCK || target.reuses !== true)) {
    if (!stable && writeToBlock(target, first, bytes, from, to)) return;
    const room = output.room(LONGEST_HEADER);
    output.fill(putHeader(room, output.roomStart, first, size, 0));
    if (stable) output.write(bytes, from, to);
    else output.writeCopy(bytes, from, to);
    return;
  }
  const room = output.room(size + LONGEST_HEADER);
  const start = output.roomStart;
  const header = putHeader(room, start, first, size, 0);
  copy(bytes, from, to, room, start + header);
  output.fill(header + size);
}

/** Copies a large payload behind its header, into memory that is used again. @returns false where there is none. */
function writeToBlock(target: FrameTarget, first: number, bytes: Buffer, from: number, to: number): boolean {
  const size = to - from;
  const block = blockFor(target, size);
  if (block === undefined) return false;
  const header = putHeader(block.bytes, 0, first, size, 0);
  copy(bytes, from, to, block.bytes, header);
  target.output.writeBlock(block, 0, header + size);
  return true;
}

/** Memory for a large frame that is used again; undefined where there is none, or too much of it waits already. */
function blockFor({ output, lends }: FrameTarget, size: number): Block | undefined {
  if (!lends || size < BY_REFERENCE_FROM) return undefined;
  if (output.length >= (size < LEAST_BLOCK ? MOST_IN_BLOCKS : MOST_IN_FULL_BLOCKS)) return undefined;
  return leaseBlock(Math.max(LEAST_BLOCK, size + LONGEST_HEADER));
}

function writeMasked(target: FrameTarget, first: number, bytes: Buffer, from: number, to: number, key: number): void {
  const { output } = target;
  const size = to - from;
  // Pages are not used again, and what is large would keep the collector busier than us.
  const block = blockFor(target, size);
  if (block === undefined) {
    const room = output.room(size + LONGEST_HEADER);
    const start = output.roomStart;
    const header = putMaskedHeader(room, start, first, size, key);
    // A source of keys of somebody's own may have taken memory away: `maskCopy` notices.
    if (size < BY_REFERENCE_FROM && (target.keys === randomMaskKey || to <= byteLengthOf(bytes))) {
      copy(bytes, from, to, room, start + header);
      output.fillUnfinished(header + size, maskFrames);
    } else {
      native().maskCopy(bytes, from, to, room, start + header, key, 0);
      output.fill(header + size);
    }
    return;
  }
  const header = putMaskedHeader(block.bytes, 0, first, size, key);
  native().maskCopy(bytes, from, to, block.bytes, header, key, 0);
  output.writeBlock(block, 0, header + size);
}

/** Queues a frame with a text as its payload. @returns its bytes. */
export function writeTextFrame(target: FrameTarget, first: number, text: string): number {
  const most = 3 * text.length;
  if (most >= BY_REFERENCE_FROM) {
    const bytes = Buffer.from(text);
    writeFrame(target, first, bytes, 0, bytes.length, { stable: true });
    return bytes.length;
  }
  const { output, keys } = target;
  // Before there is room: a source of somebody's own may send as well.
  const key = keys?.() ?? 0;
  const room = output.room(most + LONGEST_HEADER);
  const start = output.roomStart;
  const extra = keys === undefined ? 0 : 4;
  const guess = headerSize(text.length) + extra;
  const size = putText(text, room, start + guess, most);
  const header = headerSize(size) + extra;
  if (header !== guess) room.copyWithin(start + header, start + guess, start + guess + size);
  if (keys === undefined) {
    putHeader(room, start, first, size, 0);
    output.fill(header + size);
  } else {
    putMaskedHeader(room, start, first, size, key);
    output.fillUnfinished(header + size, maskFrames);
  }
  return size;
}

/** All frames of ours that leave together are masked at once. See `fillUnfinished`. */
function maskFrames(page: Buffer, from: number, to: number): void {
  native().maskFrames(page, from, to);
}

/** Writes a header without a mask. @returns its size. */
export function putHeader(room: Buffer, at: number, first: number, length: number, maskBit: number): number {
  room[at] = first;
  if (length < 126) {
    room[at + 1] = maskBit | length;
    return 2;
  }
  if (length < 65536) {
    room[at + 1] = maskBit | 126;
    room[at + 2] = length >>> 8;
    room[at + 3] = length & 0xff;
    return 4;
  }
  room[at + 1] = maskBit | 127;
  room.writeUInt32BE(Math.floor(length / 2 ** 32), at + 2);
  room.writeUInt32BE(length >>> 0, at + 6);
  return 10;
}

function putMaskedHeader(room: Buffer, at: number, first: number, length: number, key: number): number {
  const size = putHeader(room, at, first, length, MASK_BIT);
  room[at + size] = key & 0xff;
  room[at + size + 1] = (key >>> 8) & 0xff;
  room[at + size + 2] = (key >>> 16) & 0xff;
  room[at + size + 3] = key >>> 24;
  return size + 4;
}

function putText(text: string, room: Buffer, at: number, most: number): number {
  const size = text.length;
  if (size <= SHORT_TEXT) {
    let i = 0;
    for (; i < size; i++) {
      const code = text.charCodeAt(i);
      if (code > 0x7f) break;
      room[at + i] = code;
    }
    if (i === size) return size;
  }
  return (room as WritableText).utf8Write(text, at, most);
}

/** Node's own encoder, without the checks of `write`. Documented since Node 22 and present in all before. */
interface WritableText extends Buffer {
  utf8Write(text: string, at: number, most: number): number;
}

function copy(bytes: Buffer, from: number, to: number, target: Buffer, at: number): void {
  if (to - from > 48) {
    // What is whole needs no view of a part.
    if (to - from === bytes.length) target.set(bytes, at);
    else bytes.copy(target, at, from, to);
    return;
  }
  for (let i = from; i < to; i++) target[at + i - from] = bytes[i]!;
}
