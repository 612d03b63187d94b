/**
 * Reading heads from a bare byte stream, and writing them, with a time limit over all of it.
 *
 * Not by a framed stream: what follows a head is not records of the same conversation, and whoever goes on wants the
 * byte stream as it is, its input beginning behind the head.
 */
import { LimitError, ProtocolError } from '../../errors.js';
import { HTTP_HEAD, type RequestHead, type ResponseHead } from '../../http/head.js';
import type { HeadCodec } from '../../http/head-codec.js';
import { EOF, NEED_READ, NEED_WRITE, NOT_READY } from '../../status.js';
import { Deadline } from '../../streams/base-stream.js';
import type { ByteStream } from '../../streams/byte-stream.js';
import { WEBSOCKET } from './refused.js';

/** The time that a handshake may take. Costs nothing until somebody has to wait. */
export class HandshakeDeadline {
  readonly #timeoutMs: number;
  readonly #outer: AbortSignal | undefined;
  readonly #deadline: Deadline;

  /** @param outer ends it early, with its own reason */
  constructor(timeoutMs: number, outer?: AbortSignal) {
    this.#timeoutMs = timeoutMs;
    this.#outer = outer;
    this.#deadline = new Deadline(timeoutMs, outer);
  }

  get signal(): AbortSignal {
    return this.#deadline.signal;
  }

  /** Waits with `ready`. @throws LimitError ERR_HANDSHAKE_TIMEOUT; the outer signal's reason; the stream's failure */
  async ready(stream: ByteStream, direction: 'read' | 'write'): Promise<void> {
    try {
      await stream.ready(direction, { signal: this.signal });
    } catch (error) {
      throw this.reasonOr(error);
    }
  }

  /** Why the time is over, if it is; else the error. */
  reasonOr(error: unknown): unknown {
    if (this.#outer?.aborted) return this.#outer.reason;
    if (!this.signal.aborted) return error;
    const message = `the opening handshake was not over within ${this.#timeoutMs} ms`;
    return new LimitError('ERR_HANDSHAKE_TIMEOUT', { message, protocol: WEBSOCKET });
  }

  clear(): void {
    this.#deadline.clear();
  }
}

/**
 * Reads one head. @returns undefined when the peer ended without having said anything.
 * @throws ProtocolError, LimitError of the codec and the deadline; ProtocolError ERR_UNEXPECTED_EOF; the stream's failure
 */
export async function readHead<H extends RequestHead | ResponseHead>(
  stream: ByteStream,
  codec: HeadCodec<H>,
  deadline: HandshakeDeadline,
): Promise<H | undefined> {
  const { input } = stream;
  for (;;) {
    const head = codec.decode(input);
    if (head !== NOT_READY) return head;
    const answer = stream.tryFill(input.needed);
    if (answer === EOF) {
      if (input.length === 0) return undefined;
      throw new ProtocolError('ERR_UNEXPECTED_EOF', { protocol: HTTP_HEAD, offset: input.offset });
    }
    if (typeof answer !== 'number') await deadline.ready(stream, answer === NEED_WRITE ? 'write' : 'read');
  }
}

/** Has the stream take all of it. Resolves when it has, not when it has left. */
export async function writeAll(stream: ByteStream, bytes: Buffer, deadline: HandshakeDeadline): Promise<void> {
  for (let taken = 0; taken < bytes.length; ) {
    const answer = stream.tryWriteStable([bytes.subarray(taken)]);
    if (typeof answer === 'number') taken += answer;
    else await deadline.ready(stream, answer === NEED_READ ? 'read' : 'write');
  }
}
