/**
 * A pair of byte streams in memory: what one writes, the other reads.
 *
 * Each direction is a ring of settable capacity, so that every state of backpressure can be produced on purpose, down
 * to one byte at a time. It is what the tests of a protocol run on, and a pipe between two parts of a program.
 */
import { checkInteger, checkObject } from '../arguments.js';
import { TransportError } from '../errors.js';
import { LARGEST_MAX_LENGTH } from '../limits.js';
import { native } from '../native.js';
import type { Ring } from '../native-interface.js';
import { BaseStream, type StreamOptions } from './base-stream.js';

/** Bytes in flight in one direction by default, as much as a pipe of Linux holds. */
const DEFAULT_CAPACITY = 64 * 1024;
/** Bytes of a ring's first memory. */
const MIN_CAPACITY = 256;

/** How much a pair may hold. */
export interface MemoryPairOptions extends StreamOptions {
  /** Bytes that can be in flight: one figure for both directions, or one for first to second and one for back. */
  capacity?: number | readonly [number, number];
}

/** One direction. */
class Lane {
  readonly ring: Ring;
  readonly capacity: number;
  ended = false;

  constructor(capacity: number) {
    checkInteger('options.capacity', capacity, 1, LARGEST_MAX_LENGTH);
    this.capacity = capacity;
    this.ring = native().createRing({ minCapacity: MIN_CAPACITY, maxCapacity: capacity });
  }
}

/** One end of a pair made by `memoryPair`. */
export class MemoryStream extends BaseStream {
  #incoming: Lane;
  #outgoing: Lane;
  #peer: MemoryStream | undefined;

  /** Internal: use `memoryPair`. */
  constructor(incoming: Lane, outgoing: Lane, options: StreamOptions) {
    super(options);
    this.#incoming = incoming;
    this.#outgoing = outgoing;
  }

  /** @internal */
  static connect(one: MemoryStream, other: MemoryStream): void {
    one.#peer = other;
    other.#peer = one;
  }

  get freesWritten(): boolean {
    return true;
  }

  get pendingOutput(): number {
    return this.#outgoing.ring.length;
  }

  protected override mayPull(): boolean {
    return this.#incoming.ring.length > 0 || (this.#incoming.ended && !this.ended);
  }

  protected pull(wanted: number): void {
    const { ring } = this.#incoming;
    const size = Math.min(ring.length, wanted - this.input.length);
    if (size > 0) {
      const chunk = Buffer.allocUnsafeSlow(size);
      ring.read(chunk, 0, size);
      this.input.append(chunk);
      this.#peer?.wakeWriters();
    }
    if (ring.length === 0 && this.#incoming.ended) this.inputEnded();
  }

  protected push(parts: readonly Uint8Array[]): number {
    let taken = 0;
    for (const part of parts) {
      const count = this.#outgoing.ring.write(part, 0, part.length);
      taken += count;
      if (count < part.length) break;
    }
    if (taken > 0) this.#peer?.wakeReaders();
    return taken;
  }

  protected blocked(): boolean {
    return this.#outgoing.ring.length >= this.#outgoing.capacity;
  }

  /** What is in the ring has left: the peer can take it whenever it likes. */
  protected flushed(): boolean {
    return true;
  }

  protected endOutput(): Promise<void> {
    this.#outgoing.ended = true;
    this.#peer?.wakeReaders();
    return Promise.resolve();
  }

  protected abandon(error: Error | undefined): void {
    const peer = this.#peer;
    this.#peer = undefined;
    if (peer === undefined) return;
    peer.#peer = undefined;
    peer.#lost(error);
  }

  /** The other end is gone without an end: what it had written can be read, then the stream fails. */
  #lost(cause: Error | undefined): void {
    this.pull(this.input.length + this.#incoming.ring.length);
    const error = new TransportError('ERR_STREAM_PREMATURE_CLOSE', cause === undefined ? {} : { cause });
    // An end that was said before stays an end: only what we still had to say has nowhere to go.
    if (!this.#incoming.ended) this.fail(error);
    else if (!this.#outgoing.ended) this.failOutput(error);
  }
}

/**
 * Makes two connected byte streams.
 * @example
 * const [client, server] = memoryPair({ capacity: 1 });
 */
export function memoryPair(options: MemoryPairOptions = {}): [MemoryStream, MemoryStream] {
  checkObject('options', options);
  const { capacity = DEFAULT_CAPACITY } = options;
  const [there, back] = Array.isArray(capacity) ? capacity : [capacity, capacity];
  const outward = new Lane(there);
  const inward = new Lane(back);
  const first = new MemoryStream(inward, outward, options);
  const second = new MemoryStream(outward, inward, options);
  MemoryStream.connect(first, second);
  return [first, second];
}
