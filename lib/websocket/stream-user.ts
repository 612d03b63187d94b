/**
 * What is done to a connection by whoever has only its byte stream: a server that drains, Node's object that was kept,
 * `release`. Framed streams are found in the same way; see framed/conversations.ts.
 */
import type { Conversation } from '../framed/conversations.js';
import { CLOSE_TIMEOUT_MS } from '../limits.js';
import { Deadline } from '../streams/base-stream.js';
import type { CloseOptions } from '../streams/byte-stream.js';
import { CLOSE_GOING_AWAY, CLOSE_NORMAL } from './close-codes.js';
import type { ConnectionLife } from './connection-life.js';

export class StreamUser implements Conversation {
  readonly #connection: ConnectionLife;

  constructor(connection: ConnectionLife) {
    this.#connection = connection;
  }

  get pendingOutput(): number {
    const { output, stream } = this.#connection.channel;
    return output.length + stream.pendingOutput;
  }

  /** Begins the closing handshake: an end without it would look like a failure to the peer. Our side ends with the frame. */
  end(): Promise<void> {
    void this.#connection.close(this.#code);
    return this.#connection.channel.flush();
  }

  async close({ timeoutMs = CLOSE_TIMEOUT_MS, signal }: CloseOptions = {}): Promise<void> {
    const deadline = new Deadline(timeoutMs, signal);
    const closed = this.#connection.close(this.#code, '', { timeoutMs });
    // It may be closing already, with more time.
    deadline.signal.addEventListener('abort', () => this.#connection.closeExpired(), { once: true });
    if (deadline.signal.aborted) this.#connection.closeExpired();
    await closed;
    deadline.clear();
  }

  get givesBack(): boolean {
    return this.#connection.givesBack;
  }

  letGo(): Buffer {
    return this.#connection.letGo();
  }

  get #code(): number {
    return this.#connection.role === 'server' ? CLOSE_GOING_AWAY : CLOSE_NORMAL;
  }
}
