/**
 * The entry 'miniproto/kernels': the byte kernels on their own, for protocols written outside this library.
 *
 * Search (one byte, any of several, a sequence, all places of a byte) and WebSocket masking, with arguments checked and
 * ranges optional. Small inputs are done in TypeScript, large ones by the addon where it is loaded; the answers are the
 * same. Ranges are half open, [from, to), and are indices into the array given; nothing is kept after a call.
 */
import { checkInteger, checkUint8Array, invalidArgType, invalidArgValue } from './arguments.js';
import { native } from './native.js';

const MAX_SEQUENCE = 256;
const MAX_U32 = 0xffff_ffff;

/**
 * Finds the first `byte` in [from, to).
 * @returns its index in `bytes`, or -1.
 * @throws ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE for wrong arguments.
 * @example
 * indexOfByte(Buffer.from('a,b'), 0x2c); // 1
 */
export function indexOfByte(bytes: Uint8Array, byte: number, from = 0, to = bytes?.length): number {
  checkRange('bytes', bytes, from, to);
  checkByte('byte', byte);
  return native().indexOfByte(bytes, from, to, byte);
}

/**
 * Finds the first of one to three different bytes in [from, to).
 * @returns its index in `bytes`, or -1.
 * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE for wrong arguments.
 * @example
 * indexOfAny(Buffer.from('key: value\r\n'), [0x0d, 0x0a]); // 10
 */
export function indexOfAny(bytes: Uint8Array, anyOf: readonly number[], from = 0, to = bytes?.length): number {
  checkRange('bytes', bytes, from, to);
  if (!Array.isArray(anyOf)) throw invalidArgType('anyOf', 'an instance of Array', anyOf);
  if (anyOf.length < 1 || anyOf.length > 3) throw invalidArgValue('anyOf', anyOf, 'must have 1 to 3 bytes');
  for (const byte of anyOf) checkByte('anyOf', byte);
  const [a, b = a, c = a] = anyOf;
  return native().indexOfAny(bytes, from, to, a, b, c);
}

/**
 * Finds the first place in [from, to) where the whole of `sequence`, 1 to 256 bytes, lies.
 * @returns its index in `bytes`, or -1.
 * @throws ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE for wrong arguments.
 * @example
 * indexOfSequence(Buffer.from('GET / HTTP/1.1\r\n\r\nbody'), Buffer.from('\r\n\r\n')); // 14
 */
export function indexOfSequence(bytes: Uint8Array, sequence: Uint8Array, from = 0, to = bytes?.length): number {
  checkRange('bytes', bytes, from, to);
  checkUint8Array('sequence', sequence);
  checkInteger('sequence.length', sequence.length, 1, MAX_SEQUENCE);
  return native().indexOfSequence(bytes, from, to, sequence);
}

/** What {@link indexAll} tells. */
export interface IndexAllResult {
  /** Indices written to `positions`. */
  readonly count: number;
  /** Whether every byte looked at is below 0x80: those of [from, to), or up to the last index if `positions` is full. */
  readonly ascii: boolean;
}

/**
 * Writes the index of every `byte` in [from, to) to `positions`, until that is full.
 *
 * When `count` is `positions.length` there may be more: go on at `positions[count - 1] + 1`.
 * @returns how many were written, and whether the bytes looked at are ASCII.
 * @throws ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE for wrong arguments.
 * @example
 * const positions = new Int32Array(1024);
 * indexAll(Buffer.from('a\nb\n'), 0x0a, positions); // { count: 2, ascii: true }, positions: 1, 3
 */
export function indexAll(
  bytes: Uint8Array,
  byte: number,
  positions: Int32Array,
  from = 0,
  to = bytes?.length,
): IndexAllResult {
  checkRange('bytes', bytes, from, to);
  checkByte('byte', byte);
  if (!(positions instanceof Int32Array)) throw invalidArgType('positions', 'an instance of Int32Array', positions);
  const count = native().indexAll(bytes, from, to, byte, positions);
  return count < 0 ? { count: -count - 1, ascii: false } : { count, ascii: true };
}

/**
 * Masks or unmasks [from, to) in place: XOR with a 4-byte key that repeats.
 *
 * `key` is the key's four bytes in wire order, read as a little-endian u32 (`buffer.readUInt32LE()`); `phase`, 0 to 3,
 * is the key byte that the first byte meets, so a payload can be masked in pieces.
 * @returns the phase for the byte after `to`.
 * @throws ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE for wrong arguments; then nothing has been changed.
 * @see RFC 6455 §5.3
 * @example
 * const phase = mask(first, key);
 * mask(second, key, phase);
 */
export function mask(bytes: Uint8Array, key: number, phase = 0, from = 0, to = bytes?.length): number {
  checkRange('bytes', bytes, from, to);
  checkKey(key, phase);
  return native().mask(bytes, from, to, key, phase);
}

/**
 * Masks source [from, to) into `target` at `at`, in one pass; the source stays as it is.
 *
 * Source and target may lie in one buffer, but the two ranges must not overlap.
 * @returns the phase for the byte after `to`.
 * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE for wrong arguments; then nothing was written.
 * @see RFC 6455 §5.3
 * @example
 * maskCopy(payload, frame, headerLength, key);
 */
export function maskCopy(
  source: Uint8Array,
  target: Uint8Array,
  at: number,
  key: number,
  phase = 0,
  from = 0,
  to = source?.length,
): number {
  checkRange('source', source, from, to);
  checkUint8Array('target', target);
  checkInteger('at', at, 0, target.length - (to - from));
  checkKey(key, phase);
  if (overlap(source, from, to, target, at)) throw invalidArgValue('target', target, 'overlaps the source');
  return native().maskCopy(source, from, to, target, at, key, phase);
}

/** One expression for what is right, which costs a short search little; what is wrong is named afterwards. */
function checkRange(name: string, bytes: unknown, from: unknown, to: unknown): void {
  if (bytes instanceof Uint8Array && isIndex(from) && isIndex(to) && from <= to && to <= bytes.length) return;
  checkUint8Array(name, bytes);
  checkInteger('to', to, 0, bytes.length);
  checkInteger('from', from, 0, to);
}

/** Whether it is an integer from 0; one of 2 ** 32 or more is left to the check that names it. */
function isIndex(value: unknown): value is number {
  return typeof value === 'number' && value >>> 0 === value;
}

function checkByte(name: string, value: unknown): void {
  if (typeof value !== 'number' || (value & 0xff) !== value) checkInteger(name, value, 0, 255);
}

function checkKey(key: unknown, phase: unknown): void {
  checkInteger('key', key, 0, MAX_U32);
  checkInteger('phase', phase, 0, 3);
}

function overlap(source: Uint8Array, from: number, to: number, target: Uint8Array, at: number): boolean {
  if (source.buffer !== target.buffer) return false;
  const read = source.byteOffset + from;
  const written = target.byteOffset + at;
  return read < written + (to - from) && written < read + (to - from);
}
