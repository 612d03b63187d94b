/**
 * The push form: records are handed to a function as they arrive.
 *
 * One loop over batches. When the handler's answers fill the output queue, reading stops until they have left: a peer
 * that sends without reading is held by its own output. A source that never makes us wait must not starve the others,
 * so the loop yields to them now and then.
 */
import { invalidArgValue } from '../arguments.js';
import { EOF, type Eof } from '../status.js';
import type { Batch } from './batch.js';
import type { RecordCursor } from './cursor.js';

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

export interface PushHost<R, W> {
  nextBatch(): Promise<Batch<R> | Eof>;
  settle(): void;
  /** True once another codec has taken over. @throws what ended the stream meanwhile. */
  stopped(): boolean;
  write(record: W | RecordCursor<unknown>): boolean;
  drained(): Promise<void>;
  signal: AbortSignal | undefined;
}

export async function pushRecords<R, W>(handler: PushHandler<R, W>, host: PushHost<R, W>): Promise<void> {
  const out: PushOutput<W> = { write: host.write };
  for (;;) {
    host.signal?.throwIfAborted();
    const batch = await host.nextBatch();
    if (batch === EOF) return;
    try {
      for (const record of batch as Batch<R>) {
        const answer: unknown = handler(record, out);
        if (typeof answer === 'object' && answer !== null) refusePromise(answer, handler);
        if (host.stopped()) return;
      }
    } finally {
      host.settle();
    }
    await host.drained();
    if (host.stopped()) return;
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
