/**
 * One handshake on a bare byte stream: what it wants to say leaves, what it needs arrives, all of it within one time.
 *
 * A handshake itself does no I/O: it takes bytes off the front of the input and asks for more by `input.need`. Not a
 * framed stream: what follows is another protocol's, and whoever goes on wants the byte stream as it is, its input
 * beginning behind the handshake.
 *
 *   output    input                       next
 *   is left   nothing new has come        waits for either: a peer that says all at once must not be waited for
 *   is left   something has come          tries both again
 *   has gone  what was asked for is here  the handshake goes on
 */
import type { InputBuffer } from '../bytes/input-buffer.js';
import { asTransportError, LimitError, ProtocolError } from '../errors.js';
import { EOF, NEED_READ, NEED_WRITE, NOT_READY, type NotReady } from '../status.js';
import { Deadline } from './base-stream.js';
import type { ByteStream } from './byte-stream.js';

/** Bytes. What is read ahead while output waits to leave: more than any handshake here says. */
const MOST_AHEAD = 4096;

/** The time that a handshake may take. Costs nothing until somebody has to wait. */
export class HandshakeTime {
  /** What errors call the handshake. */
  readonly protocol: string;
  readonly timeoutMs: number;
  readonly #outer: AbortSignal | undefined;
  readonly #deadline: Deadline;

  /** @param outer ends it early, with its own reason */
  constructor(protocol: string, timeoutMs: number, outer: AbortSignal | undefined) {
    this.protocol = protocol;
    this.timeoutMs = timeoutMs;
    this.#outer = outer;
    this.#deadline = new Deadline(timeoutMs, outer);
  }

  get signal(): AbortSignal {
    return this.#deadline.signal;
  }

  /** Why the time is over, if it is; else the error. */
  reasonOr(error: unknown): unknown {
    if (this.#outer?.aborted) return this.#outer.reason;
    if (!this.signal.aborted) return error;
    const message = `the handshake was not over within ${this.timeoutMs} ms`;
    return new LimitError('ERR_HANDSHAKE_TIMEOUT', { message, protocol: this.protocol });
  }

  /** Waits for somebody else's promise as long as there is time. A value is given back at once. */
  async within<T>(waited: PromiseLike<T> | T): Promise<T> {
    const { signal } = this;
    const waiting = new AbortController();
    const over = new Promise<never>((_, reject) => {
      const onAbort = () => reject(this.reasonOr(signal.reason));
      if (signal.aborted) onAbort();
      else signal.addEventListener('abort', onAbort, { once: true, signal: waiting.signal });
    });
    try {
      return await Promise.race([waited, over]);
    } finally {
      waiting.abort();
    }
  }

  clear(): void {
    this.#deadline.clear();
  }
}

/** True for what has to be waited for; a hook that answers at once is answered at once. */
export function isPromise<T>(value: PromiseLike<T> | T): value is PromiseLike<T> {
  return typeof (value as PromiseLike<T> | null | undefined)?.then === 'function';
}

/** What is said and heard on a stream during a handshake. */
export class Exchange {
  readonly stream: ByteStream;
  readonly time: HandshakeTime;
  /** What was said and not yet taken by the stream. */
  #output: Uint8Array[] = [];

  constructor(stream: ByteStream, time: HandshakeTime) {
    this.stream = stream;
    this.time = time;
  }

  /** Says something: as much as goes leaves now, the rest while `hear` or `sent` wait. Pre: nobody changes the bytes. */
  say(bytes: Uint8Array): void {
    this.#output.push(bytes);
    this.#push();
  }

  /**
   * Has `take` look at the input until it answers something else than NOT_READY. What was said has been taken by then.
   * @param what is read, for the error when the peer ends before it is there
   * @throws what `take` throws; LimitError ERR_HANDSHAKE_TIMEOUT; the outer signal's reason; ProtocolError
   * ERR_UNEXPECTED_EOF; the stream's failure
   */
  async hear<T>(take: (input: InputBuffer) => T | NotReady, what: string): Promise<T> {
    const { input } = this.stream;
    for (;;) {
      const heard = take(input);
      if (heard !== NOT_READY) {
        // A peer that answers before it was asked everything still gets the rest in its place.
        if (this.#output.length > 0) await this.sent();
        return heard as T;
      }
      const { length } = input;
      const filled = this.stream.tryFill(Math.max(length + 1, input.needed));
      // Fewer bytes than are needed may be enough to see that they are wrong.
      if (input.length > length) continue;
      if (filled === EOF) throw this.#endedBefore(what);
      const unsent = this.#push() === NOT_READY;
      if (filled === NEED_WRITE) await this.#ready('write');
      else if (unsent) await this.#either();
      else await this.#ready('read');
    }
  }

  /** Resolves when the stream has taken everything that was said. @throws as `hear` */
  async sent(): Promise<void> {
    for (let status = this.#push(); status !== true; status = this.#push()) {
      const { length } = this.stream.input;
      // What the peer says meanwhile makes room on its side, so it is read on; up to a bound, and not beyond its end.
      const more = length < MOST_AHEAD && this.stream.tryFill(length + 1);
      if (typeof more === 'number') continue;
      if (status === NEED_READ) await this.#ready('read');
      else if (more === NOT_READY) await this.#either();
      else await this.#ready('write');
    }
  }

  /** @returns true when nothing is left to send, else why it is. */
  #push(): true | typeof NOT_READY | typeof NEED_READ {
    while (this.#output.length > 0) {
      const taken = this.stream.tryWriteStable(this.#output);
      if (typeof taken !== 'number') return taken;
      this.#output = without(this.#output, taken);
    }
    return true;
  }

  /** Waits for bytes or for room, whichever comes first. */
  async #either(): Promise<void> {
    const leaving = new AbortController();
    try {
      await Promise.race([this.#ready('read', leaving), this.#ready('write', leaving)]);
    } finally {
      leaving.abort();
    }
  }

  async #ready(direction: 'read' | 'write', leaving?: AbortController): Promise<void> {
    const { signal } = this.time;
    const leave = () => leaving?.abort(signal.reason);
    if (leaving !== undefined) signal.addEventListener('abort', leave, { once: true });
    try {
      await this.stream.ready(direction, { signal: leaving?.signal ?? signal });
    } catch (error) {
      throw this.time.reasonOr(error);
    } finally {
      signal.removeEventListener('abort', leave);
    }
  }

  #endedBefore(what: string): ProtocolError {
    const message = `the peer ended before ${what} was there`;
    const { offset } = this.stream.input;
    return new ProtocolError('ERR_UNEXPECTED_EOF', { protocol: this.time.protocol, message, offset });
  }
}

/** The parts without their first `byteCount` bytes. */
function without(parts: readonly Uint8Array[], byteCount: number): Uint8Array[] {
  let left = byteCount;
  const rest: Uint8Array[] = [];
  for (const part of parts) {
    if (left >= part.length) left -= part.length;
    else {
      rest.push(left === 0 ? part : part.subarray(left));
      left = 0;
    }
  }
  return rest;
}

/** Does an exchange within its time, which ends with it. One that fails destroys the stream. */
export async function exchangeOn<T>(
  stream: ByteStream,
  time: HandshakeTime,
  work: (exchange: Exchange) => Promise<T>,
): Promise<T> {
  try {
    return await work(new Exchange(stream, time));
  } catch (error) {
    stream.destroy(asTransportError(error));
    throw error;
  } finally {
    time.clear();
  }
}
