/**
 * The push form: records are handed to a function as they arrive.
 *
 * Synchronous: where the stream can tell at once that something has come (sockets, Node streams), the records of an
 * arrival are handed out and their answers sent before it returns, without a promise in between. Other streams are
 * waited for. When the answers fill the output queue, reading stops until they have left: a peer that sends without
 * reading is held by its own output. A source that never makes us wait must not starve the others, so the push yields
 * to them now and then.
 *
 *   state      meaning                                   left by
 *   running    records are being handed out              nothing is there, the output is full, the end
 *   waiting    for input                                 an arrival
 *   blocked    for output, or for others' turn           a promise; arrivals are left where they are
 *   over       ended, failed, aborted or switched
 */
import { invalidArgValue } from '../arguments.js';
import { EOF, NEED_WRITE, type NeedWrite, NOT_READY, type NotReady } from '../status.js';
import type { Watcher } from '../streams/byte-stream.js';
import type { BatchCursor, RecordCursor } from './cursor.js';
import { type Ending, type EndTold, PushEnd, settleEnd } from './push-end.js';
import { PushHost } from './push-host.js';
import type { StreamEnds } from './stream-ends.js';

/** Where a push handler writes its answers. */
export interface PushOutput<W> {
  /**
   * Takes a record, always: reading stops while too much is queued. A cursor is sent as it is, without an object.
   * @returns false when the queue is over its mark.
   */
  write(record: W | RecordCursor<unknown>): boolean;
}

/**
 * Is given each record, valid during the call, and where to write the answers. What it throws ends the push. It must be
 * synchronous: what it returns is ignored, but a promise ends the push with ERR_INVALID_ARG_VALUE, because the record
 * would have expired before the rest of the handler ran. The type alone cannot refuse that.
 */
export type PushHandler<R, W> = (record: RecordCursor<R>, out: PushOutput<W>) => void;

/** @returns a promise for the end of the push. */
export function pushRecords<R, W>(
  handler: PushHandler<R, W>,
  attempts: StreamEnds<R, W>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const push = new Push(handler, attempts);
  push.start(signal);
  return new PushEnd(push);
}

class Push<R, W> extends PushHost<R, W> implements Watcher, Ending {
  /** See push-end.ts. */
  told: EndTold;
  readonly #handler: PushHandler<R, W>;
  #state: 'running' | 'waiting' | 'blocked' | 'over' = 'blocked';
  #watching = false;

  constructor(handler: PushHandler<R, W>, attempts: StreamEnds<R, W>) {
    super(attempts);
    this.#handler = handler;
  }

  get saysNeed(): boolean {
    return true;
  }

  start(signal: AbortSignal | undefined): void {
    if (signal?.aborted) return this.isOver(signal.reason);
    if (signal !== undefined) this.heed(signal, () => this.aborted());
    // Not within the call that begins the push: the caller has not got its promise yet.
    this.block(Promise.resolve());
  }

  /** Aborting a running push ends it behind the batch that is being handed out. */
  private aborted(): void {
    if (this.#state !== 'running') this.isOver(this.signal!.reason);
    else this.interrupt();
  }

  arrived(table: Int32Array, base: number, rows: number): void {
    if (this.#state !== 'waiting') return;
    if (rows > 0) this.adoptRows(table, base, rows);
    // The callback came from the reactor, or from whoever wrote; the handler belongs to whoever began the push.
    this.runInAsyncScope(this.run, this);
    // What was looked at and not handed out lies in memory that others get next.
    this.drop();
  }

  private run(): void {
    this.#state = 'running';
    this.waits(false);
    const { outputEnd, queued } = this;
    this.hold();
    try {
      this.handOut(outputEnd, queued);
    } catch (error) {
      this.isOver(error);
    } finally {
      this.release();
    }
  }

  /** Hands out what is there, until something has to be waited for. */
  private handOut(outputEnd: number, queued: number): void {
    for (;;) {
      this.signal?.throwIfAborted();
      const records = this.tryNext();
      if (records === EOF) {
        // Answers that cannot leave are an error, and not an end.
        this.release();
        this.stopped();
        return this.isOver();
      }
      if (records === NOT_READY || records === NEED_WRITE) return this.wait(records as NotReady);
      if (this.visit(records as BatchCursor<R>)) return this.isOver();
      const others = this.drained(outputEnd, queued) ?? this.pause();
      if (others !== undefined) return this.block(others);
    }
  }

  /** @returns true when another codec has taken over. */
  private visit(records: BatchCursor<R>): boolean {
    try {
      return this.visitEach(records);
    } finally {
      this.returnLent();
      this.settle();
    }
  }

  /** The innermost loop, alone and without an iterator, so that all that it calls is compiled into it. */
  private visitEach(records: BatchCursor<R>): boolean {
    const handler = this.#handler;
    for (let row = 0; records.visit(row); row++) {
      const answer: unknown = handler(records, this);
      if (typeof answer === 'object' && answer !== null) refusePromise(answer, handler);
      if (this.interrupted && this.stopped()) return true;
    }
    return false;
  }

  private wait(answer: NotReady | NeedWrite): void {
    this.#state = 'waiting';
    this.waits(true);
    if (answer === NOT_READY && (this.#watching || this.watch(this))) {
      this.#watching = true;
      return;
    }
    this.block(this.moved(answer));
  }

  /** Goes on after the promise; what arrives meanwhile is not taken. */
  private block(until: Promise<void>): void {
    this.unwatch();
    this.#state = 'blocked';
    until.then(
      () => {
        if (this.#state !== 'blocked') return;
        try {
          if (this.stopped()) return this.isOver();
        } catch (error) {
          return this.isOver(error);
        }
        this.run();
      },
      (error) => this.isOver(error),
    );
  }

  private unwatch(): void {
    if (!this.#watching) return;
    this.#watching = false;
    this.watch(undefined);
  }

  private isOver(...failure: [] | [unknown]): void {
    if (this.#state === 'over') return;
    this.#state = 'over';
    this.unwatch();
    this.waits(false);
    this.over();
    settleEnd(this, failure.length === 0 ? Promise.resolve() : Promise.reject(failure[0]));
  }
}

/** @throws ERR_INVALID_ARG_VALUE when the handler goes on after its turn. */
function refusePromise(answer: { then?: unknown }, handler: unknown): void {
  if (typeof answer.then !== 'function') return;
  // The push fails with the error below; a rejection of its own would end the process as an unhandled one.
  answer.then(ignore, ignore);
  const reason = 'must be synchronous, since a record is valid during the call only, but it returned a promise';
  throw invalidArgValue('handler', handler, reason);
}

function ignore(): void {
  // What came of the promise: nobody waits for it.
}
