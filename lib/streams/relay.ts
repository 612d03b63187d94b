/**
 * `relay`: two byte streams poured into each other, as a proxy does once its handshakes are over.
 *
 *   what happens               what is done
 *   bytes come                 they are written from where they lie; what is not taken waits on the reading side
 *   one side ends              the other's output is ended; its input goes on
 *   one side cannot be read    both are destroyed
 *   one side takes no more     what it has still to say goes on for a while; then both are closed
 *
 * Backpressure is that of the streams: nothing is read while something waits to be written, so a relay holds what one
 * read brought.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { checkObject, checkSignal } from '../arguments.js';
import { asTransportError } from '../errors.js';
import { CLOSE_TIMEOUT_MS } from '../limits.js';
import { EOF, NEED_READ, NEED_WRITE, type NeedRead, type NotReady } from '../status.js';
import { type ByteStream, checkByteStream } from './byte-stream.js';

/** Bytes. A direction that always has more lets others go on after this many. */
const RUN_BYTES = 256 * 1024;

/** How a relay may be ended. */
export interface RelayOptions {
  /** Destroys both streams, and has `relay` reject with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** What went through. */
export interface RelayCounts {
  /** Bytes from the first stream to the second. */
  readonly there: number;
  /** Bytes from the second to the first. */
  readonly back: number;
}

/**
 * Pours two byte streams into each other until both have ended, then closes them. Bytes that are in their inputs already
 * go first.
 * @returns how much went through, once both sides have ended and everything has been written.
 * @throws the failure of either stream, and then both are destroyed; the signal's reason.
 * @example
 * await using server = await listen({ port: 0 }, async (client) => {
 *   await relay(client, await connect({ port }));
 * });
 */
export async function relay(first: ByteStream, second: ByteStream, options: RelayOptions = {}): Promise<RelayCounts> {
  checkByteStream('first', first);
  checkByteStream('second', second);
  checkObject('options', options);
  const { signal } = options;
  checkSignal('options.signal', signal);
  const relayed = new Relay(first, second);
  // Whoever waits is woken by that, so no wait needs to know of the signal.
  const onAbort = () => relayed.destroy(signal!.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    signal?.throwIfAborted();
    return await relayed.run();
  } catch (error) {
    const reason = signal?.aborted === true ? signal.reason : error;
    relayed.destroy(reason);
    throw reason;
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

class Relay {
  readonly #first: ByteStream;
  readonly #second: ByteStream;
  #timer: NodeJS.Timeout | undefined;
  #over = false;
  /** Why one side takes no more, while what it has to say goes on. */
  #failure: { readonly error: unknown } | undefined;

  constructor(first: ByteStream, second: ByteStream) {
    this.#first = first;
    this.#second = second;
  }

  /** @throws the first failure of either */
  async run(): Promise<RelayCounts> {
    // Node's stream would end our side with the peer's, and cut off what the other one has still to say.
    for (const stream of [this.#first, this.#second]) stream.keepOpen?.();
    try {
      const directions = [this.#pour(this.#first, this.#second), this.#pour(this.#second, this.#first)] as const;
      const [there, back] = await Promise.all(directions);
      await Promise.all([this.#first.close(), this.#second.close()]);
      if (this.#failure !== undefined) throw this.#failure.error;
      return { there, back };
    } finally {
      this.#over = true;
      clearTimeout(this.#timer);
    }
  }

  destroy(reason: unknown): void {
    const error = asTransportError(reason);
    this.#first.destroy(error);
    this.#second.destroy(error);
  }

  /** @returns the bytes that went, when the end was passed on or nothing more can be. @throws when nothing can be read */
  async #pour(from: ByteStream, to: ByteStream): Promise<number> {
    let count = 0;
    let pause = RUN_BYTES;
    for (;;) {
      const filled = from.input.length > 0 ? from.input.length : from.tryFill(1);
      if (filled === EOF) break;
      if (typeof filled !== 'number') {
        await from.ready(filled === NEED_WRITE ? 'write' : 'read');
        continue;
      }
      const taken = await this.#takes(to, () => writeFront(from, to));
      if (taken === undefined) return count;
      count += taken;
      if (count < pause) continue;
      pause = count + RUN_BYTES;
      await nextTurn();
    }
    await this.#takes(to, () => to.end());
    return count;
  }

  /** @returns what the attempt gave, a status being waited for and counted as 0; undefined when the output has failed. */
  async #takes(
    to: ByteStream,
    attempt: () => number | NotReady | NeedRead | Promise<void>,
  ): Promise<number | undefined> {
    try {
      const answer = attempt();
      if (typeof answer === 'number') return answer;
      if (typeof answer === 'symbol') await to.ready(answer === NEED_READ ? 'read' : 'write');
      else await answer;
      return 0;
    } catch (error) {
      if (this.#failure === undefined && !this.#over) {
        this.#failure = { error };
        // A peer that closed after its answer has said it by now; the other side gets the time that a close has.
        this.#timer = setTimeout(() => this.destroy(error), CLOSE_TIMEOUT_MS);
      }
      return undefined;
    }
  }
}

/** Hands on the bytes that lie together at the front, and consumes what was taken. Pre: there are some. */
function writeFront(from: ByteStream, to: ByteStream): number | NotReady | NeedRead {
  const { bytes, start, end, recycle } = from.input.front()!;
  let answer: number | NotReady | NeedRead;
  if (to.freesWritten === true && to.tryWriteRange !== undefined) answer = to.tryWriteRange(bytes, start, end);
  else {
    const part = bytes.subarray(start, end);
    // A page that is used again once it was consumed must not lie in somebody's queue.
    const lent = recycle !== undefined && to.freesWritten !== true;
    answer =
      lent && to.pendingWrite !== undefined ? to.pendingWrite : to.tryWriteStable([lent ? Buffer.from(part) : part]);
  }
  if (typeof answer === 'number') from.input.consume(answer);
  return answer;
}
