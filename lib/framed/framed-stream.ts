/**
 * A byte stream and a codec together: what a user reads records from and writes records to.
 *
 * The public face: it checks arguments and keeps the order of calls honest (one reader at a time, writes first in first
 * out, no use after a switch or an end). The work is elsewhere: records come out of RecordReader by ReadAttempts, go in
 * by RecordWriter, output leaves through Channel, Driver moves on what was refused, and StreamEnds ends it.
 *
 * Over 400 lines, because the public face of a conversation is one class, and half of them are its documentation.
 */
import { inspect } from 'node:util';
import { checkFunction, checkInteger, checkObject, checkOneOf, checkSignal } from '../arguments.js';
import type { Codec } from '../codecs/codec.js';
import { channels } from '../diagnostics.js';
import { UsageError } from '../errors.js';
import { type Eof, type NeedRead, NOT_READY, type NotReady, type ReadStatus, type WriteStatus } from '../status.js';
import type { ByteStream, CloseOptions, ReadyOptions } from '../streams/byte-stream.js';
import type { Batch } from './batch.js';
import { bindCodec, checkCodec, checkUnbound } from './bound-codecs.js';
import type { Channel } from './channel.js';
import { endConversation, passHolder } from './conversations.js';
import type { RecordCursor } from './cursor.js';
import { BatchIterator, RecordIterator } from './iterators.js';
import { type PushHandler, pushRecords } from './push.js';
import { RecordDuplex, type RecordDuplexOptions, type RecordReads } from './record-duplex.js';
import { RecordParts, type RecordPieces } from './record-pieces.js';
import { type RecordWebOptions, type RecordWebStreams, webStreamsOf } from './record-web.js';
import { StreamEnds } from './stream-ends.js';
import { checkUnread, discardInput, type SwitchOptions, type UpgradeOptions } from './unread-input.js';

export { checkCodec } from './bound-codecs.js';
export type { SwitchOptions, UpgradeOptions } from './unread-input.js';

/** A byte stream and a codec together: records to read, records to write. `framed` makes one; see docs/framed.md. */
export class FramedStream<R, W = R> implements AsyncIterable<R>, AsyncDisposable {
  /** Both sides, and their ends: everything there is to it. */
  readonly #attempts: StreamEnds<R, W>;

  /** Internal: use `framed`. */
  constructor(channel: Channel, codec: Codec<R, W>) {
    bindCodec(codec);
    this.#attempts = new StreamEnds(codec, channel);
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
    return this.#attempts.codec;
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
    const found = this.#attempts.takeFound();
    return found === NOT_READY ? this.#attempts.try(() => this.#attempts.next(this.#attempts.ended)) : found;
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
      () => this.#attempts.settle('visited'),
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
    this.#attempts.checkWritable();
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
      this.#attempts.checkWritable();
      return this.#attempts.write(record, options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Starts a record whose payload is written in parts. Until it has ended, other writes throw ERR_RECORD_UNFINISHED.
   * @param length payload bytes, where the protocol must say so in advance.
   */
  tryBegin(length?: number): RecordParts | WriteStatus {
    this.#attempts.checkWritable();
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
    this.#attempts.checkWritable();
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
    this.#attempts.settle('visited');
    checkUnread(unread, this.stream, this.#attempts, this.#attempts.ended);
    this.#attempts.encodeAll();
    this.#attempts.forgetAhead();
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

  /** Ends our side after everything written has left. Reading goes on. */
  end(): Promise<void> {
    return this.#attempts.end();
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
    return this.#attempts.close(options);
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
    return this.#attempts.letGo();
  }

  /** The abrupt end: output that waits is dropped, whoever waits is rejected with `error` or ERR_STREAM_DESTROYED. */
  destroy(error?: Error): void {
    this.#attempts.destroy(error);
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
