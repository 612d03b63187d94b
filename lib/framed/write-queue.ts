/**
 * Writes that wait for room, first in, first out: the queue behind the asynchronous `write`.
 *
 * A record is encoded when its turn comes, not before, so that an aborted write has sent nothing. One loop serves the
 * queue while it is not empty.
 */
import type { ReadyOptions } from '../streams/byte-stream.js';

export interface QueuedWrite<W> {
  readonly record: W;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
  readonly signal: AbortSignal | undefined;
  readonly onAbort: () => void;
}

export class WriteQueue<W> {
  #waiting: QueuedWrite<W>[] = [];
  readonly #serve: () => void;

  /** @param serve starts the loop that takes from the front; called when the queue gets its first entry. */
  constructor(serve: () => void) {
    this.#serve = serve;
  }

  get length(): number {
    return this.#waiting.length;
  }

  /** Resolves when the record has been taken. Aborting takes it out of the queue. */
  add(record: W, { signal }: ReadyOptions): Promise<void> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        const at = this.#waiting.indexOf(entry);
        if (at >= 0) this.#waiting.splice(at, 1);
        reject(signal!.reason);
      };
      const entry: QueuedWrite<W> = { record, resolve, reject, signal, onAbort };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(entry);
      if (this.#waiting.length === 1) this.#serve();
    });
  }

  first(): QueuedWrite<W> | undefined {
    return this.#waiting[0];
  }

  /** Takes the first entry out. */
  shift(): void {
    const entry = this.#waiting.shift();
    entry?.signal?.removeEventListener('abort', entry.onAbort);
  }

  /** Rejects all that wait. */
  fail(reason: unknown): void {
    while (this.#waiting.length > 0) {
      const entry = this.#waiting[0]!;
      this.shift();
      entry.reject(reason);
    }
  }
}
