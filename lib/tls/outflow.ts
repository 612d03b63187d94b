/**
 * What a session has to send, on its way into the stream below.
 *
 * The engine keeps it until it is taken, and it is taken in large steps into memory that the stream below may keep. What
 * that refuses waits here, and nothing else is taken meanwhile: so at most one step is held.
 */
import { NEED_READ, type NeedRead, NOT_READY, type NotReady } from '../status.js';
import type { ByteStream } from '../streams/byte-stream.js';
import type { TlsInterface } from '../tls-interface.js';

/** Bytes taken at once: what 64 KiB of plaintext become, where memory is lent; else whatever one call seals. */
const LENT_STEP = 66 * 1024;
const STEP = 264 * 1024;
/** Bytes. Up to here memory comes from Node's pool; beyond, from one of its own. */
const SMALL = 4096;

/** For streams that free what they were given; more than one where TLS is within TLS. */
const free: Buffer[] = [];

export class Outflow {
  readonly #tls: TlsInterface;
  readonly #lower: ByteStream;
  /** Taken from the engine, refused below. */
  #rest: Buffer | undefined;
  /** What the stream below said last. */
  #refusal: NotReady | NeedRead = NOT_READY;

  constructor(tls: TlsInterface, lower: ByteStream) {
    this.#tls = tls;
    this.#lower = lower;
  }

  /** Bytes that the stream below has refused. */
  get waiting(): number {
    return this.#rest?.length ?? 0;
  }

  /** In which direction the stream below gets further. */
  get direction(): 'read' | 'write' {
    return this.#refusal === NEED_READ ? 'read' : 'write';
  }

  /** Hands on what there is. @returns true when nothing is left. @throws the failure of the stream below. */
  send(id: number): boolean {
    if (this.#rest !== undefined && !this.#hand(this.#rest, false)) return false;
    for (;;) {
      const size = this.#tls.outgoing(id);
      if (size === 0) return true;
      const lends = this.#lower.freesWritten === true;
      const step = lends ? (free.pop() ?? Buffer.allocUnsafeSlow(LENT_STEP)) : allocate(Math.min(size, STEP));
      const taken = this.#tls.takeOutgoing(id, step, 0, step.length);
      const handed = this.#hand(taken === step.length ? step : step.subarray(0, taken), lends);
      if (lends) free.push(step);
      if (!handed) return false;
      if (taken === size) return true;
    }
  }

  /** @param lent whether the bytes have to be copied where they stay. @returns true when all were taken. */
  #hand(bytes: Buffer, lent: boolean): boolean {
    let left = bytes;
    this.#rest = undefined;
    while (left.length > 0) {
      const answer = this.#lower.tryWriteStable([left]);
      if (typeof answer !== 'number') {
        this.#refusal = answer;
        this.#rest = lent ? Buffer.from(left) : left;
        return false;
      }
      if (answer === left.length) return true;
      left = left.subarray(answer);
    }
    return true;
  }

  /** Nothing of it can leave any more. */
  clear(): void {
    this.#rest = undefined;
  }
}

function allocate(size: number): Buffer {
  return size <= SMALL ? Buffer.allocUnsafe(size) : Buffer.allocUnsafeSlow(size);
}
