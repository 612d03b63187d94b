/**
 * Messages as they arrived together: the pull form of the fast path. A batch is an iterable of one cursor, moved from
 * message to message, valid until the next batch is asked for.
 */
import { EOF } from '../status.js';
import type { Inbound } from './inbound.js';
import { type MessageCursor, PlacedMessage } from './message-cursor.js';

/** What batches ask of their connection. */
export interface BatchHost {
  /** @throws UsageError ERR_READ_IN_PROGRESS while somebody else reads. */
  checkFree(): void;
  /** Resolves when there may be more; until then nobody else may read. */
  moved(): Promise<void>;
  /** @throws what has ended the connection, where that was a failure. */
  checkEnd(): void;
}

export class MessageBatches implements AsyncIterableIterator<Iterable<MessageCursor>> {
  readonly #inbound: Inbound;
  readonly #host: BatchHost;
  #batch: MessageBatch | undefined;

  constructor(inbound: Inbound, host: BatchHost) {
    this.#inbound = inbound;
    this.#host = host;
  }

  async next(): Promise<IteratorResult<Iterable<MessageCursor>, undefined>> {
    this.#host.checkFree();
    this.#batch?.expire();
    this.#batch = undefined;
    for (;;) {
      const first = new PlacedMessage(undefined);
      const answer = this.#inbound.tryNext(first);
      this.#inbound.made();
      if (answer === true) {
        first.keep();
        this.#batch = new MessageBatch(this.#inbound, first);
        return { done: false, value: this.#batch };
      }
      if (answer === EOF) {
        this.#host.checkEnd();
        return { done: true, value: undefined };
      }
      await this.#host.moved();
    }
  }

  async return(): Promise<IteratorResult<Iterable<MessageCursor>, undefined>> {
    this.#batch?.expire();
    this.#batch = undefined;
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

/** Messages that are there. What is not visited is in the next batch. */
class MessageBatch implements IterableIterator<MessageCursor> {
  readonly #inbound: Inbound;
  readonly #message: PlacedMessage;
  #started = false;
  #expired = false;

  constructor(inbound: Inbound, first: PlacedMessage) {
    this.#inbound = inbound;
    this.#message = first;
  }

  next(): IteratorResult<MessageCursor, undefined> {
    if (this.#expired) return { done: true, value: undefined };
    if (!this.#started) {
      this.#started = true;
      return { done: false, value: this.#message };
    }
    // Only what is kept: a batch does not wait, and does not receive.
    if (this.#inbound.firstKept !== undefined && this.#inbound.tryNext(this.#message) === true) {
      this.#message.keep();
      return { done: false, value: this.#message };
    }
    return { done: true, value: undefined };
  }

  expire(): void {
    this.#expired = true;
    this.#message.expire();
  }

  [Symbol.iterator](): this {
    return this;
  }
}
