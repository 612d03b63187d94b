/**
 * Byte search in TypeScript: the twin of native/simd/scan.
 *
 * A plain loop finds what is near; what is far is left to Node's own memchr, which costs as much to call as a loop over
 * some twenty bytes, and searches to the array's end: where that is far behind the range, a view ends it. Answers are
 * indices into `bytes`, or -1.
 */
import { Buffer, isAscii } from 'node:buffer';

/** Bytes that are looked at in a loop before memchr is called. */
export const NEAR = 24;
/** Bytes whose verdict on ASCII is made in a loop: Node's takes a view. */
const ASCII_NEAR = 64;
/** Bytes behind a range that memchr may look at in vain: cheaper than a view up to about there. */
export const MEMCHR_SLACK = 4096;

export function indexOfByte(bytes: Uint8Array, from: number, to: number, byte: number): number {
  const near = to - from > NEAR ? from + NEAR : to;
  for (let i = from; i < near; i++) {
    if (bytes[i] === byte) return i;
  }
  return near < to ? indexOfFarByte(bytes, near, to, byte) : -1;
}

export function indexOfAny(bytes: Uint8Array, from: number, to: number, a: number, b: number, c: number): number {
  for (let i = from; i < to; i++) {
    const byte = bytes[i];
    if (byte === a || byte === b || byte === c) return i;
  }
  return -1;
}

export function indexOfSequence(bytes: Uint8Array, from: number, to: number, sequence: Uint8Array): number {
  const length = sequence.length;
  const end = to - length + 1;
  const near = end - from > NEAR ? from + NEAR : end;
  const first = sequence[0];
  search: for (let i = from; i < near; i++) {
    if (bytes[i] !== first) continue;
    for (let k = 1; k < length; k++) if (bytes[i + k] !== sequence[k]) continue search;
    return i;
  }
  return near < end ? indexOfFarSequence(bytes, near, end, sequence) : -1;
}

/** First place in [from, end) where the sequence begins; what keeps missing its first byte is searched by memchr. */
function indexOfFarSequence(bytes: Uint8Array, from: number, end: number, sequence: Uint8Array): number {
  const first = sequence[0];
  let misses = NEAR;
  for (let i = from; i < end; i++) {
    if (bytes[i] !== first) {
      if (++misses < NEAR) continue;
      misses = 0;
      i = indexOfFarByte(bytes, i, end, first);
      if (i < 0) return -1;
    }
    if (matchesAt(bytes, i, sequence, sequence.length)) return i;
  }
  return -1;
}

export function indexAll(bytes: Uint8Array, from: number, to: number, byte: number, positions: Int32Array): number {
  const room = positions.length;
  let count = 0;
  let seen = 0;
  if (room === 0) return 0;
  for (let i = from; i < to; i++) {
    const here = bytes[i];
    seen |= here;
    if (here === byte) {
      positions[count++] = i;
      if (count === room) break;
    }
  }
  return seen > 0x7f ? -count - 1 : count;
}

/** Whether the first `length` bytes of `sequence` lie at `at`. The caller knows that so many bytes are there. */
export function matchesAt(bytes: Uint8Array, at: number, sequence: Uint8Array, length: number): boolean {
  for (let i = 0; i < length; i++) {
    if (bytes[at + i] !== sequence[i]) return false;
  }
  return true;
}

/** Whether every byte of [from, to) is below 0x80. */
export function isAsciiRange(bytes: Uint8Array, from: number, to: number): boolean {
  if (to - from > ASCII_NEAR) return isAscii(bytes.subarray(from, to));
  let seen = 0;
  for (let i = from; i < to; i++) seen |= bytes[i];
  return seen < 0x80;
}

/** By Node's memchr. */
function indexOfFarByte(bytes: Uint8Array, from: number, to: number, byte: number): number {
  const range = bytes.length - to <= MEMCHR_SLACK ? bytes : bytes.subarray(0, to);
  const found = Buffer.prototype.indexOf.call(range, byte, from);
  return found < to ? found : -1;
}
