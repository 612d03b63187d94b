/**
 * Writes that wait for room, first in, first out: the queue behind the asynchronous `write`.
 *
 * A record is encoded when its turn comes, not before, so that an aborted write has sent nothing. One loop serves the
 * queue while it is not empty.
 */
import type { ReadyOptions } from '../streams/byte-stream.js';
import { Waiters } from '../streams/waiters.js';

export interface QueuedWrite<W> {
  readonly record: W;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
  readonly signal: AbortSignal | undefined;
  readonly onAbort: () => void;
}

/** Whoever takes from the front of a queue. */
export interface QueueServer {
  /** The loop that takes from the front until nothing is left; it does not reject. */
  serveQueue(): Promise<void>;
}

/** Shared by all queues that nobody has waited in: most never are. */
const NOBODY: QueuedWrite<never>[] = [];

export class WriteQueue<W> {
  #waiting: QueuedWrite<W>[] = NOBODY;
  #serving = false;
  /** Those who wait for the queue to become empty. */
  readonly #watchers = new Waiters();
  readonly #server: QueueServer;

  constructor(server: QueueServer) {
    this.#server = server;
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
        this.#wakeIfEmpty();
      };
      const entry: QueuedWrite<W> = { record, resolve, reject, signal, onAbort };
      signal?.addEventListener('abort', onAbort, { once: true });
      if (this.#waiting === NOBODY) this.#waiting = [entry];
      else this.#waiting.push(entry);
      if (!this.#serving) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#serving = true;
    // A loop that finds the queue empty ends at its next step; what came in the meantime needs another.
    while (this.#waiting.length > 0) await this.#server.serveQueue();
    this.#serving = false;
  }

  /** Resolves when nothing waits any more, taken or failed. */
  async emptied(signal: AbortSignal | undefined): Promise<void> {
    while (this.#waiting.length > 0) await this.#watchers.wait(signal);
  }

  #wakeIfEmpty(): void {
    if (this.#waiting.length === 0) this.#watchers.wake();
  }

  first(): QueuedWrite<W> | undefined {
    return this.#waiting[0];
  }

  /** Takes the first entry out. */
  shift(): void {
    const entry = this.#waiting.shift();
    entry?.signal?.removeEventListener('abort', entry.onAbort);
    this.#wakeIfEmpty();
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
