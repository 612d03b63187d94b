/**
 * Records into an output queue: the push side of a codec, the counterpart of RecordReader.
 *
 * A record is taken whole or not at all. What finds no room waits as a record, in the order of the calls, and is encoded
 * when its turn comes. Who may write, and until when, is the framed stream's business. It is the driver, too: an object of
 * its own for each would be more than both hold.
 */
import { invalidArgValue } from '../arguments.js';
import { UsageError } from '../errors.js';
import { BY_REFERENCE_FROM } from '../limits.js';
import { NEED_READ, type NeedRead, NOT_READY, type NotReady, type WriteStatus } from '../status.js';
import type { ReadyOptions } from '../streams/byte-stream.js';
import { isLarge, memoryBack, mustCopy } from './by-reference.js';
import { isCursor, type RecordCursor, SpanCursor } from './cursor.js';
import { Driver } from './driver.js';
import { RecordParts } from './record-pieces.js';
import { type QueuedWrite, type QueueServer, WriteQueue } from './write-queue.js';

/** The queue of all in which nobody has waited. */
const NO_QUEUE = new WriteQueue<never>({ serveQueue: () => Promise.resolve() });

export class RecordWriter<R, W> extends Driver<R, W> implements QueueServer {
  /** Of its own once something has to wait: mostly nothing ever does. */
  private get queue(): WriteQueue<W> {
    return this.seldom?.queue ?? NO_QUEUE;
  }

  /** Records that wait to be taken. */
  get queued(): number {
    return this.queue.length;
  }

  /** A record is being written in parts. */
  get unfinished(): boolean {
    return this.seldom?.parts !== undefined;
  }

  /** @throws UsageError ERR_RECORD_UNFINISHED while a record is being written in parts. */
  checkWhole(): void {
    if (!this.unfinished) return;
    throw new UsageError('ERR_RECORD_UNFINISHED', { protocol: this.codec.name });
  }

  /** Why a write would be refused now, without an attempt. */
  get pendingWrite(): WriteStatus | undefined {
    if (this.needsPeer) return NEED_READ;
    return this.channel.full || this.queue.length > 0 ? NOT_READY : undefined;
  }

  /** Takes one record, if there is room and nobody waits for it. */
  tryWrite(record: W | RecordCursor<unknown>): true | WriteStatus {
    if (this.queue.length > 0) return NOT_READY;
    return this.hasRoom() ? this.encode(record) : NOT_READY;
  }

  /** Takes one record, now or when its turn comes. Resolves when its memory is the caller's again. */
  write(record: W | RecordCursor<unknown>, options: ReadyOptions): Promise<void> {
    const { signal } = options;
    if (!isLarge(record)) return this.take(record, options);
    if (mustCopy(this.channel, signal)) return this.take(Buffer.from(record) as W, options);
    // It may be sent from where it lies, so it has to have left.
    return this.take(record, options).then(() => memoryBack(record, this.channel, signal));
  }

  /** Takes one record. Aborting that takes nothing. */
  private take(record: W | RecordCursor<unknown>, options: ReadyOptions): Promise<void> {
    return this.tryWrite(record) === true ? Promise.resolve() : this.ownQueue().add(this.owned(record), options);
  }

  /** Takes a record although the queue may be full: from inside a push, which stops reading instead. */
  pushRecord(record: W | RecordCursor<unknown>): boolean {
    const channel = this.channel;
    if (channel.held && this.queue.length === 0 && this.isCursor(record)) {
      if (record.writeVerbatim(channel)) return !channel.full;
    }
    // A push takes always, so those that wait for room need not wait any longer.
    this.encodeWaiting();
    if (this.queue.length > 0 || this.encode(record) !== true) {
      this.ownQueue()
        .add(this.owned(record), {})
        .catch((error) => {
          this.more().pushFailure ??= error;
          channel.interrupted = true;
        });
    }
    return !this.channel.full;
  }

  /** A record that a push wrote could not be encoded. */
  get pushFailed(): boolean {
    return this.seldom?.pushFailure !== undefined;
  }

  /** @throws what became of a record that a push wrote. */
  checkPushed(): void {
    if (this.pushFailed) throw this.seldom!.pushFailure;
  }

  private ownQueue(): WriteQueue<W> {
    const seldom = this.more();
    seldom.queue ??= new WriteQueue<W>(this);
    return seldom.queue;
  }

  private hasRoom(): boolean {
    const channel = this.channel;
    if (!channel.full) return true;
    channel.pushOn();
    channel.checkFailure();
    return !channel.full;
  }

  private encode(record: W | RecordCursor<unknown>): true | NeedRead {
    const { codec } = this;
    const { output } = this.channel;
    const { length } = output;
    let answer: true | NeedRead = true;
    try {
      if (!isCursor(record)) answer = codec.encode(record as W, output);
      else if (record instanceof SpanCursor && codec.encodeRange !== undefined) {
        record.range((bytes, from, to, stable) => codec.encodeRange!(bytes, from, to, output, { stable }));
      } else answer = codec.encode(record.value() as W, output);
      if (answer !== true) checkRefusal(answer);
    } catch (error) {
      output.rollback(length);
      throw error;
    }
    this.encoded(answer);
    return answer;
  }

  /** A record that outlives its turn: as `encode` takes it, and in memory that its owner may use again. */
  private owned(record: W | RecordCursor<unknown>): W {
    if (isCursor(record)) {
      const payload = record instanceof SpanCursor && this.codec.encodeRange !== undefined;
      return (payload ? record.bytes() : record.value()) as W;
    }
    const small = record instanceof Uint8Array && record.length < BY_REFERENCE_FROM;
    return (small ? Buffer.from(record) : record) as W;
  }

  // ---------------------------------------------------------------- the queue

  /** Serves the queue. Internal. */
  async serveQueue(): Promise<void> {
    const queue = this.queue;
    for (let entry = queue.first(); entry !== undefined; entry = queue.first()) {
      try {
        const answer = this.putQueued(entry);
        if (answer === NEED_READ) await this.peerMoved({});
        else if (answer === NOT_READY) await this.channel.ready(undefined);
      } catch (error) {
        return queue.fail(error);
      }
    }
  }

  /** Takes the first of the queue out, if there is room; a record that cannot be encoded fails alone. */
  private putQueued(entry: QueuedWrite<W>): true | WriteStatus {
    this.channel.checkFailure();
    if (!this.hasRoom()) return NOT_READY;
    try {
      const answer = this.encode(entry.record);
      if (answer !== true) return answer;
      this.queue.shift();
      entry.resolve();
    } catch (error) {
      this.channel.checkFailure();
      this.queue.shift();
      entry.reject(error);
    }
    return true;
  }

  /** Encodes what waits for room, whatever the mark says, until one waits for the peer. */
  encodeWaiting(): void {
    for (let entry = this.queue.first(); entry !== undefined; entry = this.queue.first()) {
      try {
        if (this.encode(entry.record) !== true) break;
        entry.resolve();
      } catch (error) {
        entry.reject(error);
      }
      this.queue.shift();
    }
  }

  /** Encodes what waits, for another codec is about to take over. @throws UsageError ERR_RECORD_UNFINISHED */
  encodeAll(): void {
    this.encodeWaiting();
    if (this.queue.length === 0) return;
    const message = 'a write waits for the peer';
    throw new UsageError('ERR_RECORD_UNFINISHED', { protocol: this.codec.name, message });
  }

  /** Resolves when no record waits any more. */
  emptied(signal: AbortSignal | undefined): Promise<void> {
    return this.queue.emptied(signal);
  }

  /** Resolves when there is room again. */
  async drained(options: ReadyOptions): Promise<void> {
    while (this.channel.full || this.queue.length > 0) {
      await this.queue.emptied(options.signal);
      if (this.channel.full) await this.outputMoved(options);
    }
  }

  tryFlush(): true | NotReady | NeedRead {
    return this.queue.length > 0 ? NOT_READY : this.channel.tryFlush();
  }

  /** Resolves when everything written has left. */
  async flush(signal: AbortSignal | undefined): Promise<void> {
    await this.queue.emptied(signal);
    await this.channel.flush(signal);
  }

  /** Rejects the writes that wait. */
  failWrites(reason: unknown): void {
    this.queue.fail(reason);
  }

  // ---------------------------------------------------------------- records in parts

  /** Starts a record whose payload is written in parts. @throws UsageError ERR_PIECES_UNSUPPORTED */
  tryBegin(length: number | undefined): RecordParts | NotReady {
    const { pieces, name } = this.codec;
    if (pieces === undefined) throw new UsageError('ERR_PIECES_UNSUPPORTED', { protocol: name });
    const channel = this.channel;
    if (this.queue.length > 0 || channel.full) {
      channel.pushOn();
      if (this.queue.length > 0 || channel.full) return NOT_READY;
    }
    const { output } = channel;
    const before = output.length;
    const seldom = this.more();
    try {
      const done = () => {
        seldom.parts = undefined;
      };
      channel.interrupted = true;
      seldom.parts = new RecordParts(pieces.begin(length, output), channel, done);
    } catch (error) {
      output.rollback(before);
      throw error;
    }
    channel.schedule();
    return seldom.parts;
  }
}

/** @throws ERR_INVALID_ARG_VALUE: a forgotten `return true` must not pass for a wait, after which it would be encoded again. */
export function checkRefusal(answer: unknown): void {
  if (answer !== NEED_READ) throw invalidArgValue('codec.encode', answer, 'must answer true or NEED_READ');
}
