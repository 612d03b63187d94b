/** Asynchronous iteration over records and batches: the synchronous attempt first, a wait only where it must be. */
import { UsageError } from '../errors.js';
import { EOF, type Eof, NEED_WRITE, NOT_READY, type ReadStatus } from '../status.js';
import type { Batch } from './batch.js';

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined };

export class RecordIterator<R> implements AsyncIterableIterator<R> {
  readonly #tryRead: () => R | ReadStatus;
  readonly #read: () => Promise<R | Eof>;
  readonly #pause: () => Promise<void> | undefined;
  readonly #signal: AbortSignal | undefined;
  #over = false;

  /**
   * @param pause gives a promise when others should have a turn before the next record.
   * @param signal ends the iteration also where records are there and no read would wait.
   */
  constructor(
    tryRead: () => R | ReadStatus,
    read: () => Promise<R | Eof>,
    pause: () => Promise<void> | undefined,
    signal: AbortSignal | undefined,
  ) {
    this.#tryRead = tryRead;
    this.#read = read;
    this.#pause = pause;
    this.#signal = signal;
  }

  next(): Promise<IteratorResult<R>> {
    if (this.#over) return Promise.resolve(DONE);
    try {
      if (this.#signal?.aborted) throw this.#signal.reason;
      const answer = this.#tryRead();
      if (answer === NOT_READY || answer === NEED_WRITE) return this.#wait();
      const result = this.#result(answer as R | Eof);
      const pause = this.#pause();
      return pause === undefined ? Promise.resolve(result) : pause.then(() => result);
    } catch (error) {
      return Promise.reject(this.#failed(error));
    }
  }

  #wait(): Promise<IteratorResult<R>> {
    return this.#read().then(
      (value) => this.#result(value),
      (error) => {
        throw this.#failed(error);
      },
    );
  }

  /** A call that was wrong, as a second one while the first waits, has read nothing and ends nothing. */
  #failed(error: unknown): unknown {
    if (!(error instanceof UsageError)) this.#over = true;
    return error;
  }

  #result(value: R | Eof): IteratorResult<R> {
    if (value !== EOF) return { done: false, value: value as R };
    this.#over = true;
    return DONE;
  }

  return(): Promise<IteratorResult<R>> {
    this.#over = true;
    return Promise.resolve(DONE);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

export class BatchIterator<R> extends RecordIterator<Batch<R>> {
  readonly #settle: () => void;

  constructor(
    tryRead: () => Batch<R> | ReadStatus,
    read: () => Promise<Batch<R> | Eof>,
    pause: () => Promise<void> | undefined,
    signal: AbortSignal | undefined,
    settle: () => void,
  ) {
    super(tryRead, read, pause, signal);
    this.#settle = settle;
  }

  /** What the cursor has not visited is unread again. */
  override return(): Promise<IteratorResult<Batch<R>>> {
    this.#settle();
    return super.return();
  }
}
