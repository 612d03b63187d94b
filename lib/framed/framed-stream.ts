/**
 * A byte stream and a codec together: what a user reads records from and writes records to.
 *
 * Every operation tries first; the asynchronous forms repeat the attempt with a wait in between. The work is elsewhere:
 * records come out of RecordReader, output leaves through Channel, this class joins them and keeps the order of calls
 * honest (one reader at a time, writes first in first out, no use after a switch).
 *
 * Over 400 lines, because the public interface of a conversation is one class, and half of them are its documentation.
 * What waits for the peer or for our own output (#needsPeer, #blockedByOutput, #idleNeeds, #needy) is still in here too.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { inspect } from 'node:util';
import { checkFunction, checkInteger, checkObject, checkOneOf, checkSignal, invalidArgType } from '../arguments.js';
import type { Codec } from '../codecs/codec.js';
import { ProtocolError, UsageError } from '../errors.js';
import { BY_REFERENCE_FROM, CLOSE_DISCARD_BYTES, CLOSE_TIMEOUT_MS, MAX_EMPTY_PROGRESS } from '../limits.js';
import {
  EOF,
  type Eof,
  NEED_READ,
  NEED_WRITE,
  type NeedRead,
  type NeedWrite,
  NOT_READY,
  type NotReady,
  type ReadStatus,
  type WriteStatus,
} from '../status.js';
import { Deadline } from '../streams/base-stream.js';
import type { ByteStream, CloseOptions, ReadyOptions } from '../streams/byte-stream.js';
import { Waiters } from '../streams/waiters.js';
import type { Batch } from './batch.js';
import { bindCodec, checkUnbound } from './bound-codecs.js';
import type { Channel } from './channel.js';
import { isCursor, type RecordCursor, SpanCursor } from './cursor.js';
import { BatchIterator, RecordIterator } from './iterators.js';
import { type PushHandler, pushRecords } from './push.js';
import { RecordDuplex, type RecordDuplexOptions } from './record-duplex.js';
import { RecordParts, RecordPieces } from './record-pieces.js';
import { RecordReader } from './record-reader.js';
import { type RecordWebOptions, type RecordWebStreams, webStreamsOf } from './record-web.js';
import { type QueuedWrite, WriteQueue } from './write-queue.js';

/** Times that a loop may get input without a wait before others get their turn: about a megabyte. */
const FILLS_PER_TURN = 16;

/** How a switch treats input that was not read. */
export interface SwitchOptions {
  /**
   * What bytes that arrived and were not read as records get. 'carry' (default): the next codec reads them.
   * 'refuse': the switch throws ERR_UNREAD_INPUT and changes nothing; right wherever security begins with the switch
   * (STARTTLS, RFC 3207 §4.2: what came before must not be taken for what comes after). 'discard': they are dropped.
   */
  unread?: 'carry' | 'refuse' | 'discard';
}

/** A byte stream and a codec together: records to read, records to write. `framed` makes one; see docs/framed.md. */
export class FramedStream<R, W = R> implements AsyncIterable<R>, AsyncDisposable {
  readonly #channel: Channel;
  readonly #reader: RecordReader<R, W>;
  readonly #queue = new WriteQueue<W>(() => this.#serveQueue());
  /** The peer's end has been seen. */
  #ended = false;
  /** Someone waits in `read`, a batch or a push. */
  #waiting = false;
  /** Waits so far: one that was aborted must not end the next one's turn. */
  #waits = 0;
  /** A push hands out records; between its batches it may wait for output, and nobody else may read then. */
  #pushing = false;
  /** Writers that need the peer, woken when a reader has got further on their behalf. */
  readonly #needy = new Waiters();
  /** Another codec has taken over. */
  #switched = false;
  /** The last write was refused until the peer has been heard. */
  #needsPeer = false;
  /** What a write waits for cannot be read before our own output has left. */
  #blockedByOutput = false;
  /** NEED_WRITE answers in a row although nothing was left to write. */
  #idleNeeds = 0;
  /** Times that input came without a wait. */
  #fillsInRow = 0;
  #pieces: RecordPieces | undefined;
  #parts: RecordParts | undefined;
  #endPromise: Promise<void> | undefined;
  #closePromise: Promise<void> | undefined;
  /** A record that a push handler wrote could not be encoded when its turn came. */
  #pushFailure: unknown;

  /** Internal: use `framed`. */
  constructor(channel: Channel, codec: Codec<R, W>) {
    bindCodec(codec);
    this.#channel = channel;
    this.#reader = new RecordReader(codec, channel.stream.input, channel.output);
    channel.beforeExit = () => this.#encodeWaiting();
    channel.schedule();
  }

  /** The byte stream underneath. Its `input` holds what has arrived and was not given out as records. */
  get stream(): ByteStream {
    return this.#channel.stream;
  }

  /** The codec in charge. */
  get codec(): Codec<R, W> {
    return this.#reader.codec;
  }

  /** Bytes that were written and have not left: in this stream's queue and in the layer below. */
  get pendingOutput(): number {
    return this.#channel.output.length + this.#channel.stream.pendingOutput;
  }

  /** Why a read would be refused now, without an attempt; undefined when it may succeed. */
  get pendingRead(): ReadStatus | undefined {
    if (this.#reader.hasRecord) return undefined;
    const { input, output, stream } = this.#channelParts();
    if (this.#idleNeeds > 0 && output.length > 0) return NEED_WRITE;
    if (input.length > 0 && input.length >= input.needed) return undefined;
    return this.#ended ? EOF : stream.pendingRead;
  }

  /** Why a write would be refused now, without an attempt; undefined when it may succeed. */
  get pendingWrite(): WriteStatus | undefined {
    if (this.#needsPeer) return NEED_READ;
    return this.#channel.full || this.#queue.length > 0 ? NOT_READY : undefined;
  }

  #channelParts() {
    const { output, stream } = this.#channel;
    return { input: stream.input, output, stream };
  }

  // ---------------------------------------------------------------- reading

  /**
   * One record, owned, if there is one.
   * @returns the record; NOT_READY; NEED_WRITE; EOF.
   * @throws ProtocolError, LimitError or TransportError, after the records that came before; and then always.
   */
  tryRead(): R | ReadStatus {
    this.#checkIdle();
    return this.#tryRead();
  }

  #tryRead(): R | ReadStatus {
    this.#checkReadable();
    const found = this.#reader.takeFound();
    return found === NOT_READY ? this.#attempt(() => this.#reader.next(this.#ended)) : found;
  }

  /** The next record, owned; waits for it. Resolves with EOF at the end. @throws as `tryRead`; the signal's reason. */
  read(options: ReadyOptions = {}): Promise<R | Eof> {
    return this.#wait(() => this.#tryRead(), options);
  }

  /** Owned records, one by one. Leaving the loop early leaves the stream usable. */
  records(options: ReadyOptions = {}): AsyncIterableIterator<R> {
    return new RecordIterator(
      () => this.tryRead(),
      () => this.read(options),
      () => this.#pause(),
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
    this.#checkIdle();
    return this.#tryReadBatch();
  }

  #tryReadBatch(): Batch<R> | ReadStatus {
    this.#checkReadable();
    return this.#attempt(() => this.#reader.nextBatch(this.#ended));
  }

  /**
   * Batches of the records that are there at once: the fast way to read. A batch is read whole by asking for the next
   * one; leaving the loop gives back what its cursor has not visited.
   */
  batches(options: ReadyOptions = {}): AsyncIterableIterator<Batch<R>> {
    return new BatchIterator(
      () => this.tryReadBatch(),
      () => this.#wait(() => this.#tryReadBatch(), options),
      () => this.#pause(),
      options.signal,
      () => this.#reader.settle('visited'),
    );
  }

  /**
   * Hands each record to `handler`, as a cursor that is valid during the call, with an output for answers.
   * @returns a promise for the end: resolved at EOF or after a switch; rejected with what the stream or the handler
   * threw. After a handler's error the stream is usable, and goes on behind the record that was being handled.
   */
  onRecord(handler: PushHandler<R, W>, options: ReadyOptions = {}): Promise<void> {
    checkFunction('handler', handler);
    try {
      this.#checkIdle();
    } catch (error) {
      return Promise.reject(error);
    }
    this.#pushing = true;
    return pushRecords(handler, {
      nextBatch: () => this.#waitFor(() => this.#tryReadBatch(), options),
      settle: () => this.#reader.settle('visited'),
      stopped: () => {
        this.#channel.checkFailure();
        if (this.#pushFailure !== undefined) throw this.#pushFailure;
        return this.#switched;
      },
      write: (record) => this.#push(record),
      drained: () => this.#drained(options),
      signal: options.signal,
    }).finally(() => {
      this.#pushing = false;
    });
  }

  /** Starts to read one record in pieces. Until it has ended, other reads throw ERR_RECORD_UNFINISHED. */
  tryReadPieces(): RecordPieces | ReadStatus {
    this.#checkIdle();
    return this.#tryReadPieces();
  }

  #tryReadPieces(): RecordPieces | ReadStatus {
    this.#checkReadable();
    this.#reader.checkFailure();
    const { pieces } = this.codec;
    if (pieces === undefined) throw new UsageError('ERR_PIECES_UNSUPPORTED', { protocol: this.codec.name });
    this.#reader.drop();
    const { input } = this.stream;
    return this.#attempt(() => {
      if (this.#ended && input.length === 0) return EOF;
      const opened = pieces.open(input);
      // A header that the end cut off is the same error as a record that it cut off.
      if (opened === NOT_READY) return this.#ended ? (this.#reader.next(true) as Eof) : NOT_READY;
      this.#pieces = new RecordPieces(opened, this.#pieceHost());
      return this.#pieces;
    });
  }

  /** The same, waiting for the record's beginning. Resolves with EOF at the end. */
  readPieces(options: ReadyOptions = {}): Promise<RecordPieces | Eof> {
    return this.#wait(() => this.#tryReadPieces(), options);
  }

  #pieceHost() {
    const isEnded = () => this.#ended;
    return {
      input: this.stream.input,
      get ended() {
        return isEnded();
      },
      fill: () => this.#fill(),
      ready: (answer: NotReady | NeedWrite, options: ReadyOptions) => this.#readMoved(answer, options),
      done: () => {
        this.#pieces = undefined;
      },
      failed: (error: unknown) => {
        this.#pieces = undefined;
        this.#reader.fail(error);
      },
    };
  }

  /** @throws UsageError ERR_READ_IN_PROGRESS: two readers would take turns at random. */
  #checkIdle(): void {
    if (this.#switched) throw new UsageError('ERR_STREAM_SWITCHED');
    if (this.#waiting || this.#pushing) throw new UsageError('ERR_READ_IN_PROGRESS', { protocol: this.codec.name });
  }

  #checkReadable(): void {
    if (this.#switched) throw new UsageError('ERR_STREAM_SWITCHED');
    // A record that its reader has left is skipped by the attempt.
    if (this.#pieces === undefined || this.#pieces.left) return;
    throw new UsageError('ERR_RECORD_UNFINISHED', { protocol: this.codec.name });
  }

  /** Tries, fills, tries again, until there is a value or nothing more can be done now. */
  #attempt<T>(attempt: () => T | NotReady | NeedWrite | Eof): T | ReadStatus {
    try {
      const skipped = this.#pieces === undefined || this.#pieces.tryDiscard();
      return skipped === true ? this.#attemptLoop(attempt) : (skipped as NotReady);
    } finally {
      // Whatever was read or written may be what a write waits for.
      if (this.#needy.count > 0) this.#needy.wake();
    }
  }

  #attemptLoop<T>(attempt: () => T | NotReady | NeedWrite | Eof): T | ReadStatus {
    for (;;) {
      const answer = attempt();
      if (answer !== NEED_WRITE) this.#idleNeeds = 0;
      if (answer === NOT_READY) {
        this.#channel.schedule();
        const filled = this.#fill();
        if (filled !== true) return filled;
      } else if (answer === NEED_WRITE) {
        if (this.#wrote()) continue;
        this.#readAhead();
        return NEED_WRITE;
      } else {
        this.#channel.schedule();
        if (answer === EOF) this.#sawEnd();
        return answer as T | Eof;
      }
    }
  }

  /** The reader knows of the peer's end: one turn for its answer, then our side ends where the stream's own would. */
  #sawEnd(): void {
    if (!this.#channel.endsItself || this.#endPromise !== undefined) return;
    setImmediate(() => {
      if (this.#switched || this.#closePromise !== undefined || this.#channel.failed) return;
      this.end().catch(() => {
        // The failure is the channel's, and the next operation throws it.
      });
    });
  }

  /** A codec cannot read on before its output has left. @returns true when it has. */
  #wrote(): boolean {
    if (this.#channel.tryFlush() !== true) {
      this.#idleNeeds = 1;
      return false;
    }
    if (++this.#idleNeeds > MAX_EMPTY_PROGRESS) {
      throw new UsageError('ERR_CODEC_NO_PROGRESS', { protocol: this.codec.name });
    }
    return true;
  }

  #fill(): true | NotReady | NeedWrite | Eof {
    if (this.#ended) return EOF;
    const { input, stream } = this.#channelParts();
    const answer = stream.tryFill(Math.max(input.needed, input.length + 1));
    if (answer === EOF) this.#ended = true;
    else if (typeof answer !== 'number') return answer;
    this.#fillsInRow++;
    return true;
  }

  /** The asynchronous form of an attempt. One at a time. */
  #wait<T>(attempt: () => T | ReadStatus, options: ReadyOptions): Promise<T | Eof> {
    try {
      this.#checkIdle();
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#waitFor(attempt, options);
  }

  #waitFor<T>(attempt: () => T | ReadStatus, options: ReadyOptions): Promise<T | Eof> {
    try {
      if (options.signal !== undefined) checkSignal('options.signal', options.signal);
      options.signal?.throwIfAborted();
      const answer = attempt();
      if (answer === NOT_READY || answer === NEED_WRITE) return this.#waitLoop(answer as NotReady, attempt, options);
      const pause = this.#pause();
      return pause === undefined ? Promise.resolve(answer as T | Eof) : pause.then(() => answer as T | Eof);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** A source that always has more would keep a loop of promises running, and nobody else would have a turn. */
  #pause(): Promise<void> | undefined {
    if (this.#fillsInRow < FILLS_PER_TURN) return undefined;
    this.#fillsInRow = 0;
    return nextTurn();
  }

  async #waitLoop<T>(first: ReadStatus, attempt: () => T | ReadStatus, options: ReadyOptions): Promise<T | Eof> {
    const { signal } = options;
    const turn = ++this.#waits;
    const leave = () => {
      if (this.#waits === turn) this.#waiting = false;
    };
    this.#waiting = true;
    // Whoever aborts may read at once, although the rejection comes some promises later.
    signal?.addEventListener('abort', leave, { once: true });
    try {
      for (let answer: T | ReadStatus = first; ; answer = attempt()) {
        if (answer !== NOT_READY && answer !== NEED_WRITE) return answer as T | Eof;
        await this.#readMoved(answer as NotReady, options);
        this.#fillsInRow = 0;
        // Input may have come before the abort did; it is for the next reader now.
        signal?.throwIfAborted();
      }
    } finally {
      signal?.removeEventListener('abort', leave);
      leave();
    }
  }

  /**
   * Resolves when repeating the refused operation may get further. Waiting for 'read' drives a handshake that a write
   * is waiting for; records met on the way are kept for the reader.
   */
  async ready(direction: 'read' | 'write', options: ReadyOptions = {}): Promise<void> {
    checkOneOf('direction', direction, ['read', 'write']);
    if (direction === 'write') return this.#outputMoved(options);
    this.#channel.pushOn();
    if (!this.#needsPeer) return this.stream.ready('read', options);
    // Somebody who reads moves the protocol on; otherwise it is done here, as far as the reader's mark allows.
    this.#blockedByOutput = false;
    if (this.#waiting || !this.#advance()) await this.#peerHeard(options);
    if (!this.#waiting) this.#advance();
    this.#needsPeer = false;
  }

  /** Waits for what a refused read needs. */
  #readMoved(answer: NotReady | NeedWrite, options: ReadyOptions): Promise<void> {
    if (answer === NEED_WRITE) return this.#outputMoved(options);
    this.#channel.pushOn();
    return this.stream.ready('read', options);
  }

  /**
   * Waits for our output to have left. Where a read waits for that, the peer may be in the same position: what it sends
   * is taken in meanwhile, up to the mark, or both would wait forever.
   */
  async #outputMoved({ signal }: ReadyOptions): Promise<void> {
    while (this.#idleNeeds > 0 && this.#mayReadAhead) {
      const moved = await firstOf(signal, (either) => [
        this.#channel.ready(either),
        this.stream.ready('read', { signal: either }),
      ]);
      if (moved === 0) return;
      this.#readAhead();
    }
    await this.#channel.ready(signal);
  }

  get #mayReadAhead(): boolean {
    return !this.#ended && this.stream.input.length < this.#channel.highWaterMark;
  }

  #readAhead(): void {
    try {
      if (this.#mayReadAhead) this.#fill();
    } catch {
      // The failure comes again, behind the records that are here.
    }
  }

  /** Waits for bytes of the peer, or for a reader to have got further, whichever comes first. */
  async #peerHeard({ signal }: ReadyOptions): Promise<void> {
    const room = this.#mayReadAhead && this.#reader.decodedBytes < this.#channel.highWaterMark;
    await firstOf(signal, (either) => {
      const waits = [this.#needy.wait(either)];
      // A reader that waits takes what comes. With everything there that may be held, only a reader gets further.
      if (!this.#waiting && room) waits.push(this.stream.ready('read', { signal: either }));
      if (this.#blockedByOutput) waits.push(this.#channel.ready(either));
      return waits;
    });
  }

  /** Reads protocol bytes that a write waits for. @returns true when there were some. */
  #advance(): boolean {
    const limit = this.#channel.highWaterMark;
    const { input } = this.stream;
    const before = input.offset;
    let advanced = false;
    while (this.#reader.decodedBytes < limit) {
      const answer = this.#reader.decodeAhead(this.#ended);
      if (answer !== NEED_WRITE) this.#idleNeeds = 0;
      if (answer === true) advanced = true;
      else if (answer === NEED_WRITE) {
        this.#blockedByOutput = !this.#wrote();
        if (!this.#blockedByOutput) continue;
        this.#readAhead();
        break;
      } else if (input.length >= Math.max(limit, input.needed) || this.#fill() !== true) break;
    }
    this.#channel.schedule();
    return advanced || input.offset > before;
  }

  // ---------------------------------------------------------------- writing

  /**
   * Takes one record whole.
   * @returns true; NOT_READY or NEED_READ, and then nothing was taken.
   * @throws UsageError when the protocol cannot express the record or the stream has ended; the stream's failure.
   */
  tryWrite(record: W | RecordCursor<unknown>): true | WriteStatus {
    this.#checkWritable();
    return this.#queue.length > 0 ? NOT_READY : this.#put(record);
  }

  /**
   * Takes one record, when there is room; writes keep their order. Resolves when the record has been taken and its
   * memory is the caller's again.
   */
  write(record: W | RecordCursor<unknown>, options: ReadyOptions = {}): Promise<void> {
    try {
      if (options.signal !== undefined) checkSignal('options.signal', options.signal);
      options.signal?.throwIfAborted();
      const answer = this.tryWrite(record);
      const queued = answer === true ? undefined : this.#queue.add(this.#owned(record), options);
      if (!isLarge(record)) return queued ?? Promise.resolve();
      // It may be sent from where it lies, so it has to have left.
      return (queued ?? Promise.resolve()).then(() => this.#channel.flush(options.signal));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #checkWritable(): void {
    if (this.#switched) throw new UsageError('ERR_STREAM_SWITCHED');
    this.#channel.checkWritable();
    if (this.#endPromise !== undefined || this.#closePromise !== undefined)
      throw new UsageError('ERR_STREAM_ENDED', { protocol: this.codec.name });
    if (this.#parts !== undefined) throw new UsageError('ERR_RECORD_UNFINISHED', { protocol: this.codec.name });
  }

  #put(record: W | RecordCursor<unknown>): true | WriteStatus {
    return this.#hasRoom() ? this.#encode(record) : NOT_READY;
  }

  #hasRoom(): boolean {
    const channel = this.#channel;
    if (!channel.full) return true;
    channel.pushOn();
    channel.checkFailure();
    return !channel.full;
  }

  /** A record that outlives its turn: as `encode` takes it, and in memory that its owner may use again. */
  #owned(record: W | RecordCursor<unknown>): W {
    if (isCursor(record)) {
      const payload = record instanceof SpanCursor && this.codec.encodeRange !== undefined;
      return (payload ? record.bytes() : record.value()) as W;
    }
    const small = record instanceof Uint8Array && record.length < BY_REFERENCE_FROM;
    return (small ? Buffer.from(record) : record) as W;
  }

  #encode(record: W | RecordCursor<unknown>): true | NeedRead {
    const { codec } = this;
    const { output } = this.#channel;
    output.mark();
    let answer: true | NeedRead = true;
    try {
      if (!isCursor(record)) answer = codec.encode(record as W, output);
      else if (record instanceof SpanCursor && codec.encodeRange !== undefined) {
        record.range((bytes, from, to, stable) => codec.encodeRange!(bytes, from, to, output, { stable }));
      } else answer = codec.encode(record.value() as W, output);
    } catch (error) {
      output.rollback();
      throw error;
    }
    this.#needsPeer = answer === NEED_READ;
    this.#channel.schedule();
    if (answer === NEED_READ) this.#checkPeerMaySpeak();
    return answer;
  }

  /** @throws ProtocolError ERR_UNEXPECTED_EOF when a write waits for a peer that has ended and was heard to its end. */
  #checkPeerMaySpeak(): void {
    if (!this.#ended || this.#waiting || this.#reader.hasRecord || this.#advance()) return;
    this.#needsPeer = false;
    const message = 'the stream ended before the peer said what a write waits for';
    throw new ProtocolError('ERR_UNEXPECTED_EOF', {
      protocol: this.codec.name,
      offset: this.stream.input.offset,
      message,
    });
  }

  /** Takes a record although the queue may be full: from inside a push, which stops reading instead. */
  #push(record: W | RecordCursor<unknown>): boolean {
    this.#checkWritable();
    // A push takes always, so those that wait for room need not wait any longer.
    this.#encodeWaiting();
    if (this.#queue.length > 0 || this.#encode(record) !== true) {
      this.#queue.add(this.#owned(record), {}).catch((error) => {
        this.#pushFailure ??= error;
      });
    }
    return !this.#channel.full;
  }

  /** Resolves when there is room again. */
  async #drained(options: ReadyOptions): Promise<void> {
    while (this.#channel.full || this.#queue.length > 0) {
      await this.#queue.emptied(options.signal);
      if (this.#channel.full) await this.ready('write', options);
    }
  }

  async #serveQueue(): Promise<void> {
    const queue = this.#queue;
    for (let entry = queue.first(); entry !== undefined; entry = queue.first()) {
      try {
        const answer = this.#putQueued(entry);
        if (answer === NEED_READ) await this.ready('read');
        else if (answer === NOT_READY) await this.#channel.ready(undefined);
      } catch (error) {
        return queue.fail(error);
      }
    }
  }

  /** Takes the first of the queue out, if there is room; a record that cannot be encoded fails alone. */
  #putQueued(entry: QueuedWrite<W>): true | WriteStatus {
    this.#channel.checkFailure();
    if (!this.#hasRoom()) return NOT_READY;
    try {
      const answer = this.#encode(entry.record);
      if (answer !== true) return answer;
      this.#queue.shift();
      entry.resolve();
    } catch (error) {
      this.#channel.checkFailure();
      this.#queue.shift();
      entry.reject(error);
    }
    return true;
  }

  /**
   * Starts a record whose payload is written in parts. Until it has ended, other writes throw ERR_RECORD_UNFINISHED.
   * @param length payload bytes, where the protocol must say so in advance.
   */
  tryBegin(length?: number): RecordParts | WriteStatus {
    this.#checkWritable();
    const { pieces, name } = this.codec;
    if (pieces === undefined) throw new UsageError('ERR_PIECES_UNSUPPORTED', { protocol: name });
    if (this.#queue.length > 0 || this.#channel.full) {
      this.#channel.pushOn();
      if (this.#queue.length > 0 || this.#channel.full) return NOT_READY;
    }
    const { output } = this.#channel;
    output.mark();
    try {
      const done = () => {
        this.#parts = undefined;
      };
      this.#parts = new RecordParts(pieces.begin(length, output), this.#channel, done);
    } catch (error) {
      output.rollback();
      throw error;
    }
    this.#channel.schedule();
    return this.#parts;
  }

  /** The same, waiting for room. */
  async begin(length?: number, options: ReadyOptions = {}): Promise<RecordParts> {
    checkSignal('options.signal', options.signal);
    options.signal?.throwIfAborted();
    for (;;) {
      const answer = this.tryBegin(length);
      if (answer instanceof RecordParts) return answer;
      if (this.#queue.length > 0) await this.#queue.emptied(options.signal);
      else await this.ready('write', options);
    }
  }

  /** Sends what was written now, as far as it goes. @returns true when everything has left. */
  tryFlush(): true | NotReady | NeedRead {
    return this.#queue.length > 0 ? NOT_READY : this.#channel.tryFlush();
  }

  /** Resolves when everything written has left; its memory is the caller's again. */
  async flush(options: ReadyOptions = {}): Promise<void> {
    checkSignal('options.signal', options.signal);
    options.signal?.throwIfAborted();
    await this.#flush(options.signal);
  }

  async #flush(signal: AbortSignal | undefined): Promise<void> {
    await this.#queue.emptied(signal);
    await this.#channel.flush(signal);
  }

  // ---------------------------------------------------------------- switching and ending

  /**
   * Puts another codec on the stream, at the first byte that this one has not given out. Synchronous; output written
   * before stays ahead in the same queue. This framed stream throws ERR_STREAM_SWITCHED afterwards.
   * @throws UsageError, and then nothing has changed: ERR_UNREAD_INPUT, ERR_READ_IN_PROGRESS, ERR_RECORD_UNFINISHED,
   * ERR_CODEC_IN_USE.
   */
  switchTo<R2, W2>(codec: Codec<R2, W2>, options: SwitchOptions = {}): FramedStream<R2, W2> {
    const { unread = 'carry' } = options;
    checkOneOf('options.unread', unread, ['carry', 'refuse', 'discard']);
    checkCodec(codec);
    this.#checkReadable();
    if (this.#waiting) throw new UsageError('ERR_READ_IN_PROGRESS', { protocol: this.codec.name });
    if (this.#parts !== undefined) throw new UsageError('ERR_RECORD_UNFINISHED', { protocol: this.codec.name });
    checkUnbound(codec);
    if (this.#pieces !== undefined && this.#pieces.tryDiscard() !== true) {
      throw new UsageError('ERR_RECORD_UNFINISHED', { protocol: this.codec.name });
    }
    this.#reader.settle('visited');
    this.#checkUnread(unread);
    this.#encodeQueue();
    this.#reader.drop();
    const next = new FramedStream(this.#channel, codec);
    this.#switched = true;
    if (unread === 'discard') this.#discardInput();
    next.#ended = this.#ended;
    return next;
  }

  /** Drops what has arrived, here and in the layer below, but does not keep up with a peer that goes on sending. */
  #discardInput(): void {
    const { input } = this.stream;
    for (let dropped = 0; dropped < CLOSE_DISCARD_BYTES; ) {
      dropped += input.length;
      input.consume(input.length);
      if (this.#ended || typeof this.stream.tryFill(1) !== 'number') return;
    }
  }

  #checkUnread(unread: 'carry' | 'refuse' | 'discard'): void {
    const { input } = this.stream;
    const about = { protocol: this.codec.name, offset: input.offset };
    // What the layer below holds has arrived as well; only what is still in the system cannot be seen.
    if (unread === 'refuse' && input.length === 0 && !this.#ended) this.stream.tryFill(1);
    if (unread === 'refuse' && input.length + this.#reader.decoded > 0) {
      const message = `${input.length} unread bytes must not cross the switch`;
      throw new UsageError('ERR_UNREAD_INPUT', { ...about, message });
    }
    if (unread === 'carry' && this.#reader.decoded > 0) {
      const message = `${this.#reader.decoded} records are decoded already and cannot be carried to another codec`;
      throw new UsageError('ERR_UNREAD_INPUT', { ...about, message });
    }
  }

  /** Records that wait for room were written before the switch, so they are encoded before it. */
  #encodeQueue(): void {
    this.#encodeWaiting();
    if (this.#queue.length === 0) return;
    const message = 'a write waits for the peer';
    throw new UsageError('ERR_RECORD_UNFINISHED', { protocol: this.codec.name, message });
  }

  /** Encodes what waits for room, whatever the mark says, until one waits for the peer. */
  #encodeWaiting(): void {
    for (let entry = this.#queue.first(); entry !== undefined; entry = this.#queue.first()) {
      try {
        if (this.#encode(entry.record) !== true) break;
        entry.resolve();
      } catch (error) {
        entry.reject(error);
      }
      this.#queue.shift();
    }
  }

  /**
   * This stream as a Node Duplex of records, which is its only reader and writer from now on.
   * A record that is null or undefined is the error ERR_RECORD_NULL there: Node takes it for the end.
   * @param options as for a Duplex; marks count records.
   */
  toDuplex(options?: RecordDuplexOptions): RecordDuplex<R, W> {
    this.#checkIdle();
    this.#checkReadable();
    return new RecordDuplex(this, options);
  }

  /** This stream as a pair of Web streams of records, which are its only reader and writer from now on. */
  toWeb(options?: RecordWebOptions): RecordWebStreams<R, W> {
    this.#checkIdle();
    this.#checkReadable();
    return webStreamsOf(this, options);
  }

  /** Ends our side after everything written has left. Reading goes on. */
  end(): Promise<void> {
    if (this.#endPromise === undefined) {
      const about = { protocol: this.codec.name };
      if (this.#switched) return Promise.reject(new UsageError('ERR_STREAM_SWITCHED', about));
      if (this.#parts !== undefined) return Promise.reject(new UsageError('ERR_RECORD_UNFINISHED', about));
      this.#endPromise = this.#end();
    }
    return this.#endPromise;
  }

  async #end(): Promise<void> {
    await this.#queue.emptied(undefined);
    if (!this.#switched) this.codec.end?.(this.#channel.output);
    await this.#channel.end();
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
    this.#closePromise ??= this.#close(options);
    return this.#closePromise;
  }

  async #close({ timeoutMs = CLOSE_TIMEOUT_MS, signal }: CloseOptions): Promise<void> {
    const deadline = new Deadline(timeoutMs, signal);
    // Closing reads on and drops what it reads, so nothing may be looked ahead at.
    this.#reader.drop();
    try {
      if (!this.#switched && this.#endPromise === undefined && this.#parts === undefined && !this.#channel.ended) {
        // Not the public form: what leaves at once leaves also where no time is given.
        await this.#flush(deadline.signal);
        this.codec.end?.(this.#channel.output);
      }
      await this.#channel.flush(deadline.signal);
    } catch {
      // The output failed or the time is over; closing goes on either way.
    }
    // One deadline for all of it: the stream gets what is left.
    await this.#channel.stream.close({ timeoutMs, signal: deadline.signal });
    deadline.clear();
    this.#queue.fail(new UsageError('ERR_STREAM_ENDED', { protocol: this.codec.name }));
  }

  /** The abrupt end: output that waits is dropped, whoever waits is rejected with `error` or ERR_STREAM_DESTROYED. */
  destroy(error?: Error): void {
    this.#channel.destroy(error);
    this.#needy.wake();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  [inspect.custom](): string {
    const { input, output } = this.#channelParts();
    const state = this.#switched ? 'switched' : this.#channel.failed ? 'failed' : this.#ended ? 'ended' : 'open';
    return `FramedStream { protocol: '${this.codec.name}', ${state}, unread: ${input.length}, unsent: ${output.length} }`;
  }
}

/** Waits for the first of several, and leaves the others. @returns which one it was. */
async function firstOf(
  signal: AbortSignal | undefined,
  start: (either: AbortSignal) => Promise<void>[],
): Promise<number> {
  const leave = new AbortController();
  const either = signal === undefined ? leave.signal : AbortSignal.any([signal, leave.signal]);
  try {
    return await Promise.race(start(either).map((wait, index) => wait.then(() => index)));
  } finally {
    leave.abort();
  }
}

function isLarge(record: unknown): boolean {
  return record instanceof Uint8Array && record.length >= BY_REFERENCE_FROM;
}

/** @throws ERR_INVALID_ARG_TYPE unless the value looks like a codec. */
export function checkCodec(codec: unknown): void {
  const { decode, encode } = (codec ?? {}) as Partial<Codec<unknown>>;
  if (typeof decode === 'function' && typeof encode === 'function') return;
  throw invalidArgType('codec', 'a codec, an object with decode and encode', codec);
}
