/**
 * A byte stream and a codec together: what a user reads records from and writes records to.
 *
 * The public face: it checks arguments and keeps the order of calls honest (one reader at a time, writes first in first
 * out, no use after a switch or an end). The work is elsewhere: records come out of RecordReader by ReadAttempts, go in
 * by RecordWriter, output leaves through Channel, and Driver moves on what was refused.
 *
 * Over 400 lines, because the public face of a conversation is one class, and half of them are its documentation.
 */
import { inspect } from 'node:util';
import { checkFunction, checkInteger, checkObject, checkOneOf, checkSignal } from '../arguments.js';
import type { Codec } from '../codecs/codec.js';
import { channels } from '../diagnostics.js';
import { UsageError } from '../errors.js';
import { CLOSE_TIMEOUT_MS } from '../limits.js';
import { type Eof, type NeedRead, NOT_READY, type NotReady, type ReadStatus, type WriteStatus } from '../status.js';
import { Deadline } from '../streams/base-stream.js';
import type { ByteStream, CloseOptions, ReadyOptions } from '../streams/byte-stream.js';
import type { Batch } from './batch.js';
import { bindCodec, checkCodec, checkUnbound } from './bound-codecs.js';
import type { Channel } from './channel.js';
import { closeConversation, endConversation, passHolder } from './conversations.js';
import type { RecordCursor } from './cursor.js';
import { BatchIterator, RecordIterator } from './iterators.js';
import { type PushHandler, pushRecords } from './push.js';
import { ReadAttempts } from './read-attempts.js';
import { RecordDuplex, type RecordDuplexOptions, type RecordReads } from './record-duplex.js';
import { RecordParts, type RecordPieces } from './record-pieces.js';
import { RecordReader } from './record-reader.js';
import { type RecordWebOptions, type RecordWebStreams, webStreamsOf } from './record-web.js';
import { checkUnread, discardInput, type SwitchOptions, type UpgradeOptions } from './unread-input.js';

export { checkCodec } from './bound-codecs.js';
export type { SwitchOptions, UpgradeOptions } from './unread-input.js';

/** What `end` and `close` have begun. Made by them: most streams are open, and idle. */
class Ends {
  end: Promise<void> | undefined = undefined;
  close: Promise<void> | undefined = undefined;
}

/** A byte stream and a codec together: records to read, records to write. `framed` makes one; see docs/framed.md. */
export class FramedStream<R, W = R> implements AsyncIterable<R>, AsyncDisposable {
  /** Both sides: it has the channel and the reader. */
  readonly #attempts: ReadAttempts<R, W>;
  #ends: Ends | undefined;

  /** Internal: use `framed`. */
  constructor(channel: Channel, codec: Codec<R, W>) {
    bindCodec(codec);
    const reader = new RecordReader(codec, channel.stream.input, channel);
    this.#attempts = new ReadAttempts(channel, reader, this);
    passHolder(channel.stream, this);
    channel.schedule();
  }

  /** @internal */
  get conversation(): this {
    return this;
  }

  /** The byte stream underneath. Its `input` holds what has arrived and was not given out as records. */
  get stream(): ByteStream {
    return this.#attempts.channel.stream;
  }

  /** The codec in charge. */
  get codec(): Codec<R, W> {
    return this.#attempts.reader.codec;
  }

  /** Bytes that were written and have not left: in this stream's queue and in the layer below. */
  get pendingOutput(): number {
    return this.#attempts.channel.output.length + this.#attempts.channel.stream.pendingOutput;
  }

  /** Why a read would be refused now, without an attempt; undefined when it may succeed. */
  get pendingRead(): ReadStatus | undefined {
    return this.#attempts.pendingRead;
  }

  /** Why a write would be refused now, without an attempt; undefined when it may succeed. */
  get pendingWrite(): WriteStatus | undefined {
    return this.#attempts.pendingWrite;
  }

  // ---------------------------------------------------------------- reading

  /**
   * One record, owned, if there is one.
   * @returns the record; NOT_READY; NEED_WRITE; EOF.
   * @throws ProtocolError, LimitError or TransportError, after the records that came before; and then always.
   */
  tryRead(): R | ReadStatus {
    this.#attempts.checkIdle();
    return this.readNow();
  }

  private readNow(): R | ReadStatus {
    this.#attempts.checkReadable();
    const found = this.#attempts.reader.takeFound();
    return found === NOT_READY ? this.#attempts.try(() => this.#attempts.reader.next(this.#attempts.ended)) : found;
  }

  /** The next record, owned; waits for it. Resolves with EOF at the end. @throws as `tryRead`; the signal's reason. */
  read(options: ReadyOptions = {}): Promise<R | Eof> {
    return this.#attempts.wait(() => this.readNow(), options);
  }

  /** Owned records, one by one. Leaving the loop early leaves the stream usable. */
  records(options: ReadyOptions = {}): AsyncIterableIterator<R> {
    checkObject('options', options);
    return new RecordIterator(
      () => this.tryRead(),
      () => this.read(options),
      () => this.#attempts.pause(),
      options.signal,
    );
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<R> {
    return this.records();
  }

  /**
   * Everything that is there, as a batch, valid until the next read of any kind.
   * @returns the batch, of at least one record; NOT_READY; NEED_WRITE; EOF.
   */
  tryReadBatch(): Batch<R> | ReadStatus {
    this.#attempts.checkIdle();
    return this.batchNow();
  }

  private batchNow(): Batch<R> | ReadStatus {
    return this.#attempts.tryBatch();
  }

  /**
   * Batches of the records that are there at once: the fast way to read. A batch is read whole by asking for the next
   * one; leaving the loop gives back what its cursor has not visited.
   */
  batches(options: ReadyOptions = {}): AsyncIterableIterator<Batch<R>> {
    checkObject('options', options);
    return new BatchIterator(
      () => this.tryReadBatch(),
      () => this.#attempts.wait(() => this.batchNow(), options),
      () => this.#attempts.pause(),
      options.signal,
      () => this.#attempts.reader.settle('visited'),
    );
  }

  /**
   * Hands each record to `handler`, as a cursor that is valid during the call, with an output for answers.
   * @returns a promise for the end: resolved at EOF or after a switch; rejected with what the stream or the handler
   * threw. After a handler's error the stream is usable, and goes on behind the record that was being handled.
   */
  onRecord(handler: PushHandler<R, W>, options: ReadyOptions = {}): Promise<void> {
    checkFunction('handler', handler);
    if (options.signal !== undefined) checkSignal('options.signal', options.signal);
    const attempts = this.#attempts;
    return attempts.push(() => pushRecords(handler, attempts, options.signal));
  }

  /** Starts to read one record in pieces. Until it has ended, other reads throw ERR_RECORD_UNFINISHED. */
  tryReadPieces(): RecordPieces | ReadStatus {
    this.#attempts.checkIdle();
    return this.piecesNow();
  }

  private piecesNow(): RecordPieces | ReadStatus {
    this.#attempts.checkReadable();
    return this.#attempts.tryOpenPieces();
  }

  /** The same, waiting for the record's beginning. Resolves with EOF at the end. */
  readPieces(options: ReadyOptions = {}): Promise<RecordPieces | Eof> {
    return this.#attempts.wait(() => this.piecesNow(), options);
  }

  /**
   * The reader knows of the peer's end: one turn for its answer, then our side ends where the stream's own would.
   * @internal
   */
  sawEnd(): void {
    if (!this.#attempts.channel.endsItself || this.#ends?.end !== undefined) return;
    setImmediate(() => {
      if (this.#attempts.switched || this.#ends?.close !== undefined || this.#attempts.channel.failed) return;
      this.end().catch(() => {
        // The failure is the channel's, and the next operation throws it.
      });
    });
  }

  /**
   * Resolves when repeating the refused operation may get further. Waiting for 'read' drives a handshake that a write
   * is waiting for; records met on the way are kept for the reader.
   */
  ready(direction: 'read' | 'write', options: ReadyOptions = {}): Promise<void> {
    try {
      checkOneOf('direction', direction, ['read', 'write']);
    } catch (error) {
      return Promise.reject(error);
    }
    return direction === 'write' ? this.#attempts.outputMoved(options) : this.#attempts.peerMoved(options);
  }

  // ---------------------------------------------------------------- writing

  /**
   * Takes one record whole.
   * @returns true; NOT_READY or NEED_READ, and then nothing was taken.
   * @throws UsageError when the protocol cannot express the record or the stream has ended; the stream's failure.
   */
  tryWrite(record: W | RecordCursor<unknown>): true | WriteStatus {
    this.checkWritable();
    return this.#attempts.tryWrite(record);
  }

  /**
   * Takes one record, when there is room; writes keep their order. Resolves when the record has been taken and its
   * memory is the caller's again. Rejects with the signal's reason when that aborts before the record was taken, and then
   * nothing is sent. What has been taken is sent: an abort after that copies what has not left, and it resolves at once.
   */
  write(record: W | RecordCursor<unknown>, options: ReadyOptions = {}): Promise<void> {
    try {
      if (options.signal !== undefined) checkSignal('options.signal', options.signal);
      options.signal?.throwIfAborted();
      this.checkWritable();
      return this.#attempts.write(record, options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** @internal */
  get ending(): boolean {
    return this.#ends !== undefined || this.#attempts.channel.ended;
  }

  /** @internal */
  checkWritable(): void {
    if (this.#attempts.switched) throw new UsageError('ERR_STREAM_SWITCHED');
    this.#attempts.channel.checkWritable();
    if (this.#ends !== undefined) throw new UsageError('ERR_STREAM_ENDED', { protocol: this.codec.name });
    this.#attempts.checkWhole();
    this.#attempts.channel.checkAbandoned();
  }

  /**
   * Starts a record whose payload is written in parts. Until it has ended, other writes throw ERR_RECORD_UNFINISHED.
   * @param length payload bytes, where the protocol must say so in advance.
   */
  tryBegin(length?: number): RecordParts | WriteStatus {
    this.checkWritable();
    return this.#attempts.tryBegin(length);
  }

  /** The same, waiting for room. */
  async begin(length?: number, options: ReadyOptions = {}): Promise<RecordParts> {
    checkSignal('options.signal', options.signal);
    options.signal?.throwIfAborted();
    for (;;) {
      const answer = this.tryBegin(length);
      if (answer instanceof RecordParts) return answer;
      if (this.#attempts.queued > 0) await this.#attempts.emptied(options.signal);
      else await this.ready('write', options);
    }
  }

  /**
   * Keeps what is written until `uncork`, so that it leaves in one piece although it is written over several turns.
   * `flush` and the high mark send it all the same. Calls nest.
   */
  cork(): void {
    this.#attempts.channel.cork();
  }

  /** Takes one `cork` back; with the last, what was kept leaves at the end of the turn. */
  uncork(): void {
    this.#attempts.channel.uncork();
  }

  /** Sends what was written now, as far as it goes. @returns true when everything has left. */
  tryFlush(): true | NotReady | NeedRead {
    return this.#attempts.tryFlush();
  }

  /** Resolves when everything written has left; its memory is the caller's again. */
  async flush(options: ReadyOptions = {}): Promise<void> {
    checkSignal('options.signal', options.signal);
    options.signal?.throwIfAborted();
    await this.#attempts.flush(options.signal);
  }

  // ---------------------------------------------------------------- switching and ending

  /**
   * Puts another codec on the stream, at the first byte that this one has not given out. Synchronous; output written
   * before stays ahead in the same queue. This framed stream throws ERR_STREAM_SWITCHED afterwards.
   * @throws UsageError, and then nothing has changed: ERR_UNREAD_INPUT, ERR_READ_IN_PROGRESS, ERR_RECORD_UNFINISHED,
   * ERR_CODEC_IN_USE.
   */
  switchTo<R2, W2>(codec: Codec<R2, W2>, options: SwitchOptions = {}): FramedStream<R2, W2> {
    checkObject('options', options);
    const { unread = 'carry' } = options;
    checkOneOf('options.unread', unread, ['carry', 'refuse', 'discard']);
    checkCodec(codec);
    this.#attempts.checkReadable();
    checkUnbound(codec);
    this.checkSwitch(unread);
    // In a push handler the rest may lie in memory that others get when the turn ends, and the next reader may hold it.
    this.stream.input.keepBorrowed();
    const next = new FramedStream(this.#attempts.channel, codec);
    this.#attempts.switched = true;
    this.#attempts.channel.interrupted = true;
    if (unread === 'discard') discardInput(this.stream, this.#attempts.ended);
    next.#attempts.ended = this.#attempts.ended;
    if (channels.switch.hasSubscribers) {
      channels.switch.publish({ stream: this.stream, from: this.codec.name, to: codec.name });
    }
    return next;
  }

  /**
   * Gives the byte stream to something that is no codec, as TLS is: `make` gets it, and what was written and has not left,
   * which has to go first. Synchronous, as `switchTo`; this framed stream throws ERR_STREAM_SWITCHED afterwards, and
   * writes that wait for it have been encoded.
   * @param make gives what becomes of the stream. What it throws is thrown here, and the byte stream is destroyed.
   * @param options `unread` is 'refuse' unless it is said: what came in the clear must not pass for what came securely.
   * @returns what `make` gave.
   * @throws UsageError, and then nothing has changed: ERR_UNREAD_INPUT, ERR_READ_IN_PROGRESS, ERR_RECORD_UNFINISHED,
   * ERR_STREAM_ENDED, ERR_STREAM_IN_USE within a write of ours.
   * @example
   * const raw = framed(stream, lines()).upgrade((bytes, unsent) => ({ bytes, unsent }));
   */
  upgrade<T>(make: (stream: ByteStream, unsent: Buffer) => T, options: UpgradeOptions = {}): T {
    checkFunction('make', make);
    checkObject('options', options);
    const { unread = 'refuse' } = options;
    checkOneOf('options.unread', unread, ['carry', 'refuse', 'discard']);
    this.checkWritable();
    this.#attempts.channel.checkUnsentKnown();
    const { stream } = this;
    // What the turn under way has still to tell has arrived as well.
    stream.hear?.();
    this.checkSwitch(unread);
    const unsent = this.#attempts.channel.handOver();
    this.#attempts.switched = true;
    stream.watch?.(undefined);
    stream.input.keepBorrowed();
    stream.input.handsOn = false;
    if (unread === 'discard') discardInput(stream, this.#attempts.ended);
    endConversation(stream);
    if (channels.switch.hasSubscribers) channels.switch.publish({ stream, from: this.codec.name, to: 'upgrade' });
    try {
      return make(stream, unsent);
    } catch (error) {
      stream.destroy(error instanceof Error ? error : undefined);
      throw error;
    }
  }

  /** Everything that forbids another protocol is said here, before anything changes. */
  private checkSwitch(unread: 'carry' | 'refuse' | 'discard'): void {
    this.#attempts.checkReadable();
    if (this.#attempts.reading) throw new UsageError('ERR_READ_IN_PROGRESS', { protocol: this.codec.name });
    this.#attempts.checkWhole();
    this.#attempts.skipWhole();
    this.#attempts.reader.settle('visited');
    checkUnread(unread, this.stream, this.#attempts.reader, this.#attempts.ended);
    this.#attempts.encodeAll();
    this.#attempts.reader.drop();
  }

  /**
   * This stream as a Node Duplex of records, which is its only reader and writer from now on.
   * A record that is null or undefined is the error ERR_RECORD_NULL there: Node takes it for the end.
   * @param options as for a Duplex; marks count records.
   */
  toDuplex(options?: RecordDuplexOptions): RecordDuplex<R, W> {
    const duplex = this.lend((reads) => new RecordDuplex(this, reads, options));
    // One that only writes takes no records from anybody.
    this.#attempts.lent = options?.readable !== false;
    return duplex;
  }

  /** This stream as a pair of Web streams of records, which are its only reader and writer from now on. */
  toWeb(options?: RecordWebOptions): RecordWebStreams<R, W> {
    return this.lend((reads) => webStreamsOf(this, reads, options));
  }

  /** To the only reader from now on. */
  private lend<T>(make: (reads: RecordReads<R>) => T): T {
    this.#attempts.checkIdle();
    this.#attempts.checkReadable();
    const tryRead = () => this.readNow();
    const made = make({ tryRead, read: (options) => this.#attempts.waitOn(tryRead, options) });
    this.#attempts.lent = true;
    return made;
  }

  private ends(): Ends {
    this.#ends ??= new Ends();
    return this.#ends;
  }

  /** Ends our side after everything written has left. Reading goes on. */
  end(): Promise<void> {
    const begun = this.#ends?.end;
    if (begun === undefined) {
      const about = { protocol: this.codec.name };
      if (this.#attempts.switched) return Promise.reject(new UsageError('ERR_STREAM_SWITCHED', about));
      if (this.#attempts.unfinished) return Promise.reject(new UsageError('ERR_RECORD_UNFINISHED', about));
      this.#attempts.channel.interrupted = true;
      const ends = this.ends();
      ends.end = this.endOutput();
      return ends.end;
    }
    return begun;
  }

  private async endOutput(): Promise<void> {
    await this.#attempts.emptied(undefined);
    if (!this.#attempts.switched) this.codec.end?.(this.#attempts.channel.output);
    await this.#attempts.channel.end();
  }

  /**
   * The careful end: everything written leaves, our side ends, the peer's last bytes are read and discarded, then the
   * stream closes. Never rejects; what is left at the deadline is dropped.
   */
  close(options: CloseOptions = {}): Promise<void> {
    try {
      checkObject('options', options);
      if (options.timeoutMs !== undefined) checkInteger('options.timeoutMs', options.timeoutMs, 0, 2 ** 31 - 1);
      if (options.signal !== undefined) checkSignal('options.signal', options.signal);
    } catch (error) {
      return Promise.reject(error);
    }
    const ends = this.ends();
    ends.close ??= this.closeWithCare(options);
    return ends.close;
  }

  private async closeWithCare({ timeoutMs = CLOSE_TIMEOUT_MS, signal }: CloseOptions): Promise<void> {
    const deadline = new Deadline(timeoutMs, signal);
    // Closing reads on and drops what it reads, so nothing may be looked ahead at.
    this.#attempts.closing = true;
    this.#attempts.channel.interrupted = true;
    this.#attempts.reader.drop();
    try {
      const leaving = this.leave(deadline);
      // Within a turn the stream is let alone until that is over.
      if (leaving !== undefined || this.#attempts.channel.held) await leaving;
    } catch {
      // The output failed or the time is over; closing goes on either way.
    }
    // One deadline for all of it: the stream gets what is left, or whoever has taken it over.
    const { stream, handedOver } = this.#attempts.channel;
    const options = { timeoutMs: deadline.leftMs, signal };
    await (handedOver ? closeConversation(stream, options) : stream.close(options));
    deadline.clear();
    // An error costs its stack, and mostly nobody waits.
    if (this.#attempts.queued > 0)
      this.#attempts.failWrites(new UsageError('ERR_STREAM_ENDED', { protocol: this.codec.name }));
  }

  /** Everything written leaves, and the codec's farewell. @returns undefined where that has happened at once. */
  private leave(deadline: Deadline): Promise<void> | undefined {
    const over = this.#attempts.switched || this.#ends?.end !== undefined || this.#attempts.channel.ended;
    if (over || this.#attempts.unfinished) return this.leaveQueue(deadline);
    // What still waits then needs the peer, and not room.
    this.#attempts.encodeWaiting();
    // Not the public form: what leaves at once leaves also where no time is given.
    if (this.#attempts.tryFlush() !== true) {
      return this.hear(this.#attempts.flush(deadline.signal)).then(() => this.farewell(deadline));
    }
    return this.farewell(deadline);
  }

  private farewell(deadline: Deadline): Promise<void> | undefined {
    this.codec.end?.(this.#attempts.channel.output);
    return this.leaveQueue(deadline);
  }

  private leaveQueue(deadline: Deadline): Promise<void> | undefined {
    return this.#attempts.channel.tryFlush() === true
      ? undefined
      : this.hear(this.#attempts.channel.flush(deadline.signal));
  }

  /** Drops what comes until that has left: a peer that closes too waits for us to read, as we do for it. */
  private async hear(leaving: Promise<void>): Promise<void> {
    const elsewhere = this.#attempts.switched || this.#attempts.channel.handedOver;
    if (elsewhere || this.#attempts.needsPeer || this.stream.readsOnly === true) return leaving;
    const left = new AbortController();
    this.#attempts.drops = true;
    const heard = this.#attempts.dropInput(left.signal);
    try {
      await leaving;
    } finally {
      left.abort();
      await heard;
    }
  }

  /** Encodes what waits for room: the process exits. @internal */
  encodeWaiting(): void {
    this.#attempts.encodeWaiting();
  }

  /**
   * The byte stream goes to somebody else.
   * @returns a copy of the output that has not left.
   * @throws UsageError ERR_STREAM_IN_USE within a write of ours, and then nothing has changed.
   * @internal
   */
  letGo(): Buffer {
    this.#attempts.channel.checkUnsentKnown();
    const { output } = this.#attempts.channel;
    this.#attempts.reader.drop();
    this.#attempts.encodeWaiting();
    this.#attempts.channel.pushOn();
    // A handler that writes on would write to nobody.
    this.#attempts.channel.interrupted = true;
    return Buffer.concat(output.peek(Number.POSITIVE_INFINITY));
  }

  /** The abrupt end: output that waits is dropped, whoever waits is rejected with `error` or ERR_STREAM_DESTROYED. */
  destroy(error?: Error): void {
    this.#attempts.channel.destroy(error);
    this.#attempts.wakeNeedy();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  [inspect.custom](): string {
    const { output, stream } = this.#attempts.channel;
    const state = this.#attempts.channel.failed ? 'failed' : this.#attempts.ended ? 'ended' : 'open';
    const shown = this.#attempts.switched ? 'switched' : state;
    return `FramedStream { protocol: '${this.codec.name}', ${shown}, unread: ${stream.input.length}, unsent: ${output.length} }`;
  }
}
