/**
 * WebSocket frames for tests: built byte by byte, right or wrong, and streams of them at random.
 */
import type { Random } from './random.js';

export interface FrameParts {
  /** FIN, reserved bits and opcode. */
  readonly first: number;
  readonly payload: Uint8Array;
  /** Four bytes; without them the frame is not masked. */
  readonly key?: Uint8Array | undefined;
  /** Bytes of the extended length: 0, 2 or 8. Default: the least. */
  readonly lengthBytes?: number;
}

/** A frame as it goes over the wire. */
export function frameOf({ first, payload, key, lengthBytes = leastLengthBytes(payload.length) }: FrameParts): Buffer {
  const header = Buffer.alloc(2 + lengthBytes);
  header[0] = first;
  header[1] = (key === undefined ? 0 : 0x80) | (lengthBytes === 0 ? payload.length : lengthBytes === 2 ? 126 : 127);
  if (lengthBytes === 2) header.writeUInt16BE(payload.length, 2);
  if (lengthBytes === 8) header.writeBigUInt64BE(BigInt(payload.length), 2);
  if (key === undefined) return Buffer.concat([header, payload]);
  return Buffer.concat([header, key, payload.map((byte, index) => byte ^ key[index & 3])]);
}

export function leastLengthBytes(length: number): number {
  return length < 126 ? 0 : length < 65536 ? 2 : 8;
}

/** Characters of every length, the least and the greatest of each. */
const CHARACTERS = [
  'a',
  '\0',
  '\x7f',
  '\x80',
  '\u07ff',
  '\u0800',
  '\ud7ff',
  '\ue000',
  '\uffff',
  '\u{10000}',
  '\u{10ffff}',
];

/** Valid UTF-8 of about `length` bytes. */
export function randomText(random: Random, length: number, ascii = random.oneIn(2)): Buffer {
  let text = '';
  let size = 0;
  while (size < length) {
    const character = ascii || random.oneIn(3) ? String.fromCharCode(random.below(128)) : random.pick(CHARACTERS);
    text += character;
    size += Buffer.byteLength(character);
  }
  return Buffer.from(text);
}

/** Lengths at which something changes, small ones most. */
export function randomLength(random: Random): number {
  if (random.oneIn(60)) return random.pick([65535, 65536, 65537, 70000]);
  if (random.oneIn(6)) return random.pick([125, 126, 127, 128, 255, 256, 257, 600, 4096]);
  return random.below(random.oneIn(2) ? 9 : 80);
}

/** A stream of good frames: messages whole and in fragments, control frames between them, perhaps a close frame. */
export function randomFrames(random: Random, masked: boolean, compression: boolean): Buffer[] {
  const frames: FrameParts[] = [];
  for (let count = random.between(1, 8); count > 0; count--) frames.push(...randomMessage(random, compression));
  if (random.oneIn(4)) frames.push(randomClose(random));
  return frames.map((frame) => frameOf({ ...frame, key: masked ? random.bytes(4) : undefined }));
}

function randomMessage(random: Random, compression: boolean): FrameParts[] {
  const frames: FrameParts[] = [];
  const isText = random.oneIn(2);
  const payload = isText ? randomText(random, randomLength(random)) : random.bytes(randomLength(random));
  const rsv1 = compression && random.oneIn(4) ? 0x40 : 0;
  const cuts = random.oneIn(3) ? random.cuts(payload.length, 5) : [payload.length];
  for (const [index, cut] of cuts.entries()) {
    if (random.oneIn(6)) frames.push(randomPing(random));
    const fin = index === cuts.length - 1 ? 0x80 : 0;
    const opcode = isText ? 1 : 2;
    const from = index === 0 ? 0 : cuts[index - 1];
    frames.push({ first: fin | (index === 0 ? rsv1 | opcode : 0), payload: payload.subarray(from, cut) });
  }
  return frames;
}

function randomPing(random: Random): FrameParts {
  return { first: random.pick([0x89, 0x8a]), payload: random.bytes(random.below(random.oneIn(5) ? 126 : 9)) };
}

function randomClose(random: Random): FrameParts {
  if (random.oneIn(3)) return { first: 0x88, payload: Buffer.alloc(0) };
  const code = random.pick([1000, 1001, 1011, 1014, 3000, 4999]);
  return { first: 0x88, payload: Buffer.concat([Buffer.of(code >> 8, code), randomText(random, random.below(90))]) };
}
