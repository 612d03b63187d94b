/**
 * Masking in TypeScript, the twin of native/simd/mask: XOR with a 4-byte key that repeats (RFC 6455 §5.3).
 *
 * Large ranges are done a word at a time through an Int32Array, after a copy where the two are aligned otherwise; the key
 * is turned so that the word's first byte meets the right key byte. What is left before and after goes byte by byte.
 */
import { endianness } from 'node:os';
import { maskBlocks } from './mask-simd.js';

/** From here on WebAssembly pays for its copies; measured on x64 with Node 20. */
const BLOCKS_FROM = 512;
/** From here on making the word views pays. Set by bench/mask. */
const WORDS_FROM = 192;
/** Words hold the key in wire order on a little-endian machine only; elsewhere every range goes byte by byte. */
const WORDS_WORK = endianness() === 'LE';

export function mask(bytes: Uint8Array, from: number, to: number, key: number, phase: number): number {
  return maskCopy(bytes, from, to, bytes, from, key, phase);
}

export function maskCopy(
  source: Uint8Array,
  from: number,
  to: number,
  target: Uint8Array,
  at: number,
  key: number,
  phase: number,
): number {
  if (to - from >= BLOCKS_FROM && maskBlocks(source, from, to, target, at, turn(key, phase))) {
    return (phase + (to - from)) & 3;
  }
  const shift = at - from;
  let i = from;
  if (to - from >= WORDS_FROM && WORDS_WORK) {
    if (((source.byteOffset - target.byteOffset - shift) & 3) !== 0) {
      // Aligned otherwise: words can be had where the bytes go.
      target.set(source.subarray(from, to), at);
      return maskCopy(target, at, at + to - from, target, at, key, phase);
    }
    const head = -(source.byteOffset + from) & 3;
    maskBytes(source, from, from + head, target, shift, turn(key, phase));
    i = from + head;
    const words = (to - i) >>> 2;
    maskWords(source, i, words, target, shift, turn(key, phase + head));
    i += words * 4;
  }
  maskBytes(source, i, to, target, shift, turn(key, phase + (i - from)));
  return (phase + (to - from)) & 3;
}

/** The key as it stands when `phase` of its bytes have been used: byte `phase` becomes the lowest. */
function turn(key: number, phase: number): number {
  const bits = (phase & 3) * 8;
  return bits === 0 ? key | 0 : (key >>> bits) | (key << (32 - bits));
}

function maskBytes(
  source: Uint8Array,
  from: number,
  to: number,
  target: Uint8Array,
  shift: number,
  turned: number,
): void {
  const k0 = turned & 0xff;
  const k1 = (turned >>> 8) & 0xff;
  const k2 = (turned >>> 16) & 0xff;
  const k3 = turned >>> 24;
  let i = from;
  for (const last = to - 3; i < last; i += 4) {
    target[i + shift] = source[i] ^ k0;
    target[i + shift + 1] = source[i + 1] ^ k1;
    target[i + shift + 2] = source[i + 2] ^ k2;
    target[i + shift + 3] = source[i + 3] ^ k3;
  }
  for (let k = turned; i < to; i++, k >>>= 8) target[i + shift] = source[i] ^ k;
}

function maskWords(
  source: Uint8Array,
  from: number,
  count: number,
  target: Uint8Array,
  shift: number,
  turned: number,
): void {
  const input = new Int32Array(source.buffer, source.byteOffset + from, count);
  const output =
    source === target && shift === 0 ? input : new Int32Array(target.buffer, target.byteOffset + from + shift, count);
  let i = 0;
  // Eight a round: half of what one a round takes is the loop.
  for (const last = count - 7; i < last; i += 8) {
    output[i] = input[i] ^ turned;
    output[i + 1] = input[i + 1] ^ turned;
    output[i + 2] = input[i + 2] ^ turned;
    output[i + 3] = input[i + 3] ^ turned;
    output[i + 4] = input[i + 4] ^ turned;
    output[i + 5] = input[i + 5] ^ turned;
    output[i + 6] = input[i + 6] ^ turned;
    output[i + 7] = input[i + 7] ^ turned;
  }
  for (; i < count; i++) output[i] = input[i] ^ turned;
}
