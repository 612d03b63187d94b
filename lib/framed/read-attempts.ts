/**
 * The reading side's order: one reader at a time, each with an attempt that takes in what it needs, and a wait around it.
 *
 * What an attempt looks for is the caller's (a record, a batch, the head of a record in pieces). Before it starts, the
 * rest of a record that its reader has left is dropped. States of a reader, and what another one gets meanwhile:
 *
 *   state     entered by                    left by                            another reader
 *   idle                                                                       may start
 *   waiting   a wait that was refused now   its value, error or abort          ERR_READ_IN_PROGRESS
 *   pushing   onRecord                      its end                            ERR_READ_IN_PROGRESS
 *   lent      toDuplex, toWeb                                                  ERR_READ_IN_PROGRESS
 *   pieces    the head of a record was      the record's end, or its reader    ERR_RECORD_UNFINISHED
 *             given                         leaving it
 *   switched  switchTo                                                         ERR_STREAM_SWITCHED
 */
import { checkObject, checkSignal } from '../arguments.js';
import { UsageError } from '../errors.js';
import { EOF, type Eof, NEED_WRITE, type NeedWrite, NOT_READY, type NotReady, type ReadStatus } from '../status.js';
import type { ReadyOptions } from '../streams/byte-stream.js';
import type { Batch } from './batch.js';
import type { BatchCursor } from './cursor.js';
import { DRIVER_BITS } from './driver.js';
import { type PieceHost, RecordPieces } from './record-pieces.js';
import { RecordWriter } from './record-writer.js';

/** Bits of a conversation's state, behind those of Driver. */
const SWITCHED = 1 << DRIVER_BITS;
const CLOSING = SWITCHED << 1;
const DROPS = SWITCHED << 2;
const PUSHING = SWITCHED << 3;
const LENT = SWITCHED << 4;

/** It is the writing side and the driver, too: objects of their own would be more than all of them hold. */
export abstract class ReadAttempts<R, W> extends RecordWriter<R, W> {
  /** Waits so far: one that was aborted must not end the next one's turn. */
  #waits = 0;

  /** Another codec has taken over. */
  get switched(): boolean {
    return this.is(SWITCHED);
  }

  set switched(switched: boolean) {
    this.note(SWITCHED, switched);
  }

  /** `close` was called: what comes is dropped, at the latest when everything written has left. */
  get closing(): boolean {
    return this.is(CLOSING);
  }

  set closing(closing: boolean) {
    this.note(CLOSING, closing);
  }

  /** What comes is dropped: what is in the input may begin in the middle of a record. Once set it stays. */
  get drops(): boolean {
    return this.is(DROPS) || this.channel.stream.drops === true;
  }

  set drops(drops: boolean) {
    this.note(DROPS, drops);
  }

  /** A push hands out records; between its batches it may wait for output, and nobody else may read then. */
  get pushing(): boolean {
    return this.is(PUSHING);
  }

  set pushing(pushing: boolean) {
    this.note(PUSHING, pushing);
  }

  /** A Duplex or a pair of Web streams is the reader from now on. */
  set lent(lent: boolean) {
    this.note(LENT, lent);
  }

  /** @throws UsageError ERR_READ_IN_PROGRESS: two readers would take turns at random; ERR_STREAM_SWITCHED. */
  checkIdle(): void {
    if (this.switched) throw new UsageError('ERR_STREAM_SWITCHED');
    if (this.reading || this.is(PUSHING | LENT)) this.refuse('ERR_READ_IN_PROGRESS');
  }

  /** @throws UsageError ERR_RECORD_UNFINISHED while a record in pieces has a reader; ERR_STREAM_SWITCHED. */
  checkReadable(): void {
    if (this.switched) throw new UsageError('ERR_STREAM_SWITCHED');
    // A record that its reader has left is skipped by the attempt.
    const pieces = this.seldom?.pieces;
    if (pieces !== undefined && !pieces.left) this.refuse('ERR_RECORD_UNFINISHED');
  }

  private refuse(code: 'ERR_READ_IN_PROGRESS' | 'ERR_RECORD_UNFINISHED'): never {
    throw new UsageError(code, { protocol: this.codec.name });
  }

  /** Drops what is there of a record that its reader has left. @returns true when nothing of it is to come. */
  private skipLeft(): true | NotReady | NeedWrite {
    const pieces = this.seldom?.pieces;
    return pieces === undefined || pieces.tryDiscard();
  }

  /** The same, now or never. @throws UsageError ERR_RECORD_UNFINISHED */
  skipWhole(): void {
    if (this.skipLeft() !== true) this.refuse('ERR_RECORD_UNFINISHED');
  }

  /** Everything that is there, as a batch. */
  tryBatch(): Batch<R> | ReadStatus {
    this.checkReadable();
    return this.try(() => this.nextBatch(this.ended));
  }

  /** The same without a batch, see RecordReader. */
  tryCursor(): BatchCursor<R> | ReadStatus {
    this.checkReadable();
    return this.try(() => this.nextCursor(this.ended));
  }

  /** Tries, fills, tries again, until there is a value or nothing more can be done now; while it closes, it is the end. */
  try<T>(attempt: () => T | NotReady | NeedWrite | Eof): T | ReadStatus {
    if (this.drops) return EOF;
    try {
      const skipped = this.skipLeft();
      return skipped === true ? this.loop(attempt) : (skipped as NotReady);
    } finally {
      // Whatever was read or written may be what a write waits for.
      this.wakeNeedy();
    }
  }

  private loop<T>(attempt: () => T | NotReady | NeedWrite | Eof): T | ReadStatus {
    for (;;) {
      const answer = attempt();
      if (answer !== NEED_WRITE) this.decoded();
      if (answer === NOT_READY) {
        this.channel.schedule();
        const filled = this.fillOrLose();
        if (filled !== true) return filled;
      } else if (answer === NEED_WRITE) {
        if (this.wrote()) continue;
        this.readAhead();
        return NEED_WRITE;
      } else {
        this.channel.schedule();
        if (answer === EOF) this.sawEnd();
        return answer as T | Eof;
      }
    }
  }

  /** An attempt has found the peer's end. */
  protected abstract sawEnd(): void;

  /** A stream that has failed takes nothing more either, and the next write is to say so rather than be taken and lost. */
  private fillOrLose(): true | NotReady | NeedWrite | Eof {
    try {
      return this.fill();
    } catch (error) {
      this.channel.lost(error);
      throw error;
    }
  }

  /** The asynchronous form: `attempt` until it has a value. One at a time. */
  wait<T>(attempt: () => T | ReadStatus, options: ReadyOptions): Promise<T | Eof> {
    try {
      this.checkIdle();
    } catch (error) {
      return Promise.reject(error);
    }
    return this.waitOn(attempt, options);
  }

  /** The same for whoever reads already, as a push does. */
  waitOn<T>(attempt: () => T | ReadStatus, options: ReadyOptions): Promise<T | Eof> {
    try {
      checkObject('options', options);
      if (options.signal !== undefined) checkSignal('options.signal', options.signal);
      options.signal?.throwIfAborted();
      const answer = attempt();
      if (answer === NOT_READY || answer === NEED_WRITE) return this.waitLoop(answer as NotReady, attempt, options);
      const pause = this.pause();
      return pause === undefined ? Promise.resolve(answer as T | Eof) : pause.then(() => answer as T | Eof);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  private async waitLoop<T>(first: ReadStatus, attempt: () => T | ReadStatus, options: ReadyOptions): Promise<T | Eof> {
    const { signal } = options;
    const turn = ++this.#waits;
    const leave = () => {
      if (this.#waits === turn) this.reading = false;
    };
    this.reading = true;
    // Whoever aborts may read at once, although the rejection comes some promises later.
    signal?.addEventListener('abort', leave, { once: true });
    try {
      for (let answer: T | ReadStatus = first; ; answer = attempt()) {
        if (answer !== NOT_READY && answer !== NEED_WRITE) return answer as T | Eof;
        try {
          await this.readMoved(answer as NotReady, options);
        } catch (error) {
          throw this.failedBy(error, signal);
        }
        this.waited();
        // Input may have come before the abort did; it is for the next reader now.
        signal?.throwIfAborted();
      }
    } finally {
      signal?.removeEventListener('abort', leave);
      leave();
    }
  }

  /** As in `fillOrLose`; a wait that was given up changes nothing. @returns the error. */
  failedBy(error: unknown, signal: AbortSignal | undefined): unknown {
    if (signal?.aborted !== true) this.channel.lost(error);
    return error;
  }

  /** Runs a push, which is the only reader until it says that it is over. */
  push(run: () => Promise<void>): Promise<void> {
    try {
      this.checkIdle();
    } catch (error) {
      return Promise.reject(error);
    }
    this.pushing = true;
    return run();
  }

  /** Starts to read one record in pieces. @throws UsageError ERR_PIECES_UNSUPPORTED */
  tryOpenPieces(): RecordPieces | ReadStatus {
    this.checkFailure();
    const { pieces, name } = this.codec;
    if (pieces === undefined) throw new UsageError('ERR_PIECES_UNSUPPORTED', { protocol: name });
    if (this.channel.exact) {
      const message = 'a stream that reads exactly gives whole records only';
      throw new UsageError('ERR_PIECES_UNSUPPORTED', { protocol: name, message });
    }
    this.forgetAhead();
    const { input } = this.channel.stream;
    return this.try(() => {
      if (this.ended && input.length === 0) return EOF;
      const opened = pieces.open(input);
      // A header that the end cut off is the same error as a record that it cut off.
      if (opened === NOT_READY) return this.ended ? (this.next(true) as Eof) : NOT_READY;
      const reading = new RecordPieces(opened, this.pieceHost());
      this.more().pieces = reading;
      return reading;
    });
  }

  private pieceHost(): PieceHost {
    const { stream } = this.channel;
    const drops = () => this.drops;
    const ended = () => this.ended;
    return {
      input: stream.input,
      get drops() {
        return drops();
      },
      get ended() {
        return ended();
      },
      fill: () => this.fillOrLose(),
      ready: (answer, options) =>
        this.readMoved(answer, options).catch((error: unknown) => {
          throw this.failedBy(error, options.signal);
        }),
      done: () => {
        this.more().pieces = undefined;
      },
      failed: (error) => {
        this.more().pieces = undefined;
        this.failReading(error);
      },
    };
  }
}
