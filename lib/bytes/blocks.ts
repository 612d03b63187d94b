/**
 * Blocks for large records that are handed on and not kept: one pool per thread, so that the next large record does not
 * have to fault its pages in anew.
 *
 * A block is held by whoever still reads it: the input while the record is there, the output while it has not left.
 * When nobody holds it, it is used again, or dropped where the pool is full.
 */
import { bufferCounters } from './buffer-counters.js';
import { allocatePage } from './pages.js';

/** Bytes. Smaller and larger records get memory of their own. */
const SMALLEST = 64 * 1024;
const LARGEST = 4 * 1024 * 1024;
/** Bytes kept for later, of each thread. */
const MOST_FREE = 16 * 1024 * 1024;

export class Block {
  readonly bytes: Buffer;
  #holds = 0;

  constructor(size: number) {
    this.bytes = allocatePage(size);
    bufferCounters.pooledBytes += size;
    blocks.set(this.bytes, this);
  }

  hold(): void {
    this.#holds++;
  }

  /** Gives the memory away: it is somebody's for good, and not used again. */
  keep(): void {
    if (this.#holds === Number.POSITIVE_INFINITY) return;
    this.#holds = Number.POSITIVE_INFINITY;
    bufferCounters.pooledBytes -= this.bytes.length;
  }

  /** Gives up one hold. */
  readonly drop = (): void => {
    if (--this.#holds > 0) return;
    const { length } = this.bytes;
    if (freeBytes + length > MOST_FREE) {
      bufferCounters.pooledBytes -= length;
      return;
    }
    freeBytes += length;
    free[classOf(length)]!.push(this);
  };
}

const blocks = new WeakMap<Buffer, Block>();
/** Free blocks by the power of two that they are. */
const free: Block[][] = Array.from({ length: 32 }, () => []);
let freeBytes = 0;

/** A block of at least `size` bytes, held once; undefined for sizes that are not pooled. */
export function leaseBlock(size: number): Block | undefined {
  if (size < SMALLEST || size > LARGEST) return undefined;
  const power = classOf(size);
  let block = free[power]!.pop();
  if (block === undefined) block = new Block(2 ** power);
  else freeBytes -= block.bytes.length;
  block.hold();
  return block;
}

/** The block that this memory is, if it is one. */
export function blockOf(bytes: Buffer): Block | undefined {
  return blocks.get(bytes);
}

function classOf(size: number): number {
  return 32 - Math.clz32(size - 1);
}
