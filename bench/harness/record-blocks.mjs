/**
 * Length-prefixed records in memory, and a Readable that gives them in chunks.
 *
 * A block of 8 MiB or less holds whole records and is given again and again, as views of one memory that nobody writes
 * to: making the data costs nothing while it is read. Chunk ends fall where they fall, inside headers and payloads.
 */
import { Readable } from 'node:stream';
import { randomFrom } from './random.mjs';
import { Tally } from './tally.mjs';

const BLOCK_BYTES = 8 * 1024 * 1024;

/**
 * @typedef {object} Wire
 * @property {'u32' | 'varint'} prefix big-endian u32, or LEB128
 * @property {(random: () => number) => number} payload bytes of the next payload
 * @property {number} chunk bytes of a chunk
 */

/**
 * @param {Wire} wire
 * @param {number} bytes about how many; whole blocks
 */
export function recordInput(wire, bytes) {
  const random = randomFrom(7);
  const sizes = [];
  let blockBytes = 0;
  do {
    const size = wire.payload(random);
    sizes.push(size);
    blockBytes += size + headerBytes(wire.prefix, size);
  } while (blockBytes < Math.min(bytes, BLOCK_BYTES));
  const block = Buffer.alloc(blockBytes);
  const firsts = fill(block, wire.prefix, sizes, random);
  const repeats = Math.max(1, Math.round(bytes / blockBytes));
  const chunks = [];
  for (let at = 0; at < blockBytes; at += wire.chunk) chunks.push(block.subarray(at, at + wire.chunk));
  const tally = new Tally();
  for (let i = 0; i < repeats; i++) {
    for (let index = 0; index < sizes.length; index++) tally.fields(sizes[index], firsts[index]);
  }
  return {
    wire,
    chunks,
    repeats,
    bytes: blockBytes * repeats,
    answer: tally.answer,
    readable: () => readable(chunks, repeats),
  };
}

function headerBytes(prefix, size) {
  if (prefix === 'u32') return 4;
  return size < 0x80 ? 1 : size < 0x4000 ? 2 : 3;
}

function fill(block, prefix, sizes, random) {
  const firsts = new Uint8Array(sizes.length);
  let at = 0;
  sizes.forEach((size, index) => {
    if (prefix === 'u32') at = block.writeUInt32BE(size, at);
    else {
      let rest = size;
      for (; rest >= 0x80; rest >>>= 7) block[at++] = (rest & 0x7f) | 0x80;
      block[at++] = rest;
    }
    firsts[index] = size === 0 ? 0 : Math.floor(random() * 256);
    block.fill(firsts[index], at, at + size);
    at += size;
  });
  return firsts;
}

/** @param {Buffer[]} chunks @param {number} repeats */
function readable(chunks, repeats) {
  let index = 0;
  let left = repeats;
  return new Readable({
    read() {
      if (index === chunks.length) {
        index = 0;
        left--;
      }
      this.push(left === 0 ? null : chunks[index++]);
    },
  });
}
