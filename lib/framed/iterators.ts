/** Asynchronous iteration over records and batches: the synchronous attempt first, a wait only where it must be. */
import { EOF, type Eof, NEED_WRITE, NOT_READY, type ReadStatus } from '../status.js';
import type { Batch } from './batch.js';

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined };

export class RecordIterator<R> implements AsyncIterableIterator<R> {
  readonly #tryRead: () => R | ReadStatus;
  readonly #read: () => Promise<R | Eof>;
  #over = false;

  constructor(tryRead: () => R | ReadStatus, read: () => Promise<R | Eof>) {
    this.#tryRead = tryRead;
    this.#read = read;
  }

  next(): Promise<IteratorResult<R>> {
    if (this.#over) return Promise.resolve(DONE);
    try {
      const answer = this.#tryRead();
      if (answer === NOT_READY || answer === NEED_WRITE) return this.#read().then((value) => this.#result(value));
      return Promise.resolve(this.#result(answer as R | Eof));
    } catch (error) {
      this.#over = true;
      return Promise.reject(error);
    }
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

  constructor(tryRead: () => Batch<R> | ReadStatus, read: () => Promise<Batch<R> | Eof>, settle: () => void) {
    super(tryRead, read);
    this.#settle = settle;
  }

  /** What the cursor has not visited is unread again. */
  override return(): Promise<IteratorResult<Batch<R>>> {
    this.#settle();
    return super.return();
  }
}
