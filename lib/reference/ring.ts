/**
 * The ring in TypeScript, the twin of native/bytes/ring: bytes in at one end, out at the other.
 *
 * Memory is taken at the first write, doubled until what is stored fits, and given back when the ring runs empty, so an
 * idle ring costs its object. Growing copies what is stored to the front of the new memory. Positions: `head` is the
 * oldest byte, 0 <= head < capacity; what is stored wraps around the end of the memory at most once.
 */
import { Buffer } from 'node:buffer';
import { checkInteger, invalidArgValue } from '../arguments.js';
import type { Ring, RingOptions } from '../native-interface.js';

const NOTHING = new Uint8Array(0);
const LARGEST = 2 ** 30;

export function createRing(options: RingOptions): Ring {
  const { minCapacity, maxCapacity } = options;
  checkInteger('options.minCapacity', minCapacity, 1, LARGEST);
  checkInteger('options.maxCapacity', maxCapacity, 1, LARGEST);
  if ((minCapacity & (minCapacity - 1)) !== 0) {
    throw invalidArgValue('options.minCapacity', minCapacity, 'must be a power of two');
  }
  return new ReferenceRing(minCapacity, maxCapacity);
}

class ReferenceRing implements Ring {
  readonly #minCapacity: number;
  readonly #maxCapacity: number;
  /** Length is the capacity: 0 or a power of two. */
  #memory: Uint8Array = NOTHING;
  #head = 0;
  /** 0 <= length <= maxCapacity. */
  #length = 0;

  constructor(minCapacity: number, maxCapacity: number) {
    this.#minCapacity = Math.min(minCapacity, nextPowerOfTwo(maxCapacity));
    this.#maxCapacity = maxCapacity;
  }

  get length(): number {
    return this.#length;
  }

  get capacity(): number {
    return this.#memory.length;
  }

  write(bytes: Uint8Array, from: number, to: number): number {
    const count = Math.min(to - from, this.#maxCapacity - this.#length);
    if (count <= 0) return 0;
    if (this.#length + count > this.#memory.length) this.#grow(this.#length + count);
    const memory = this.#memory;
    const at = (this.#head + this.#length) & (memory.length - 1);
    const first = Math.min(count, memory.length - at);
    memory.set(bytes.subarray(from, from + first), at);
    if (first < count) memory.set(bytes.subarray(from + first, from + count), 0);
    this.#length += count;
    return count;
  }

  read(target: Uint8Array, from: number, to: number): number {
    const count = Math.min(to - from, this.#length);
    if (count <= 0) return 0;
    this.#copyOut(target, from, count);
    this.consume(count);
    return count;
  }

  spans(): Uint8Array[] {
    if (this.#length === 0) return [];
    const memory = this.#memory;
    const end = this.#head + this.#length;
    if (end <= memory.length) return [memory.subarray(this.#head, end)];
    return [memory.subarray(this.#head), memory.subarray(0, end - memory.length)];
  }

  consume(count: number): void {
    if (count < this.#length) {
      this.#head = (this.#head + count) & (this.#memory.length - 1);
      this.#length -= count;
      return;
    }
    this.#memory = NOTHING;
    this.#head = 0;
    this.#length = 0;
  }

  /** Makes room for `needed` bytes in all; `needed` is within the maximum. */
  #grow(needed: number): void {
    let capacity = this.#memory.length || this.#minCapacity;
    while (capacity < needed) capacity *= 2;
    // Not zeroed: nobody sees a byte that was not written.
    const memory = new Uint8Array(Buffer.allocUnsafeSlow(capacity).buffer);
    this.#copyOut(memory, 0, this.#length);
    this.#memory = memory;
    this.#head = 0;
  }

  /** Copies the oldest `count` bytes, count <= length. */
  #copyOut(target: Uint8Array, at: number, count: number): void {
    const memory = this.#memory;
    const end = this.#head + count;
    const first = Math.min(end, memory.length);
    target.set(memory.subarray(this.#head, first), at);
    if (end > first) target.set(memory.subarray(0, end - first), at + first - this.#head);
  }
}

function nextPowerOfTwo(value: number): number {
  let power = 1;
  while (power < value) power *= 2;
  return power;
}
