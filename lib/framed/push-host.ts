/**
 * What a push needs of the framed stream that it is on: its parts, under the names that the push knows. A handler sees it
 * too, as the output for its answers.
 *
 * The push is one of these, and has no closures, because every connection of a server has one for as long as it lives.
 */
import { AsyncResource } from 'node:async_hooks';
import type { Framer } from '../native-interface.js';
import type { NeedWrite, NotReady, ReadStatus } from '../status.js';
import type { ByteStream, Watcher } from '../streams/byte-stream.js';
import type { Channel } from './channel.js';
import type { BatchCursor, RecordCursor } from './cursor.js';
import type { PushOutput } from './push.js';
import type { StreamEnds } from './stream-ends.js';

/** What ends a push that can be aborted. */
interface Abortion {
  readonly signal: AbortSignal;
  readonly onAbort: () => void;
}

export abstract class PushHost<R, W> extends AsyncResource implements PushOutput<W> {
  readonly #attempts: StreamEnds<R, W>;
  #abortion: Abortion | undefined;

  constructor(attempts: StreamEnds<R, W>) {
    super('MINIPROTO_PUSH');
    this.#attempts = attempts;
  }

  private get channel(): Channel {
    return this.#attempts.channel;
  }

  get stream(): ByteStream {
    return this.channel.stream;
  }

  protected get signal(): AbortSignal | undefined {
    return this.#abortion?.signal;
  }

  /** From now on, until the push is over. */
  protected heed(signal: AbortSignal, onAbort: () => void): void {
    this.#abortion = { signal, onAbort };
    signal.addEventListener('abort', onAbort, { once: true });
  }

  /** What the stream may frame with before it tells of an arrival. */
  get framer(): Framer | undefined {
    return this.#attempts.codec.framing?.framer;
  }

  protected tryNext(): BatchCursor<R> | ReadStatus {
    return this.#attempts.tryCursor();
  }

  /** Ends what `tryNext` gave; what was not visited is unread. */
  protected settle(): void {
    this.#attempts.settle('visited');
  }

  /** Forgets rows that were looked ahead at: their memory may be gone after an arrival. */
  protected drop(): void {
    this.#attempts.forgetAhead();
  }

  /** Rows of everything that has just arrived. */
  protected adoptRows(table: Int32Array, base: number, rows: number): void {
    this.#attempts.adoptRows(table, base, rows);
  }

  /** True when `stopped` has to be asked. What it does takes too long after each record, when it finds nothing. */
  protected get interrupted(): boolean {
    const channel = this.channel;
    return channel.interrupted || channel.stream.abandoned === true;
  }

  /** Has the run under way ask. */
  protected interrupt(): void {
    this.channel.interrupted = true;
  }

  /** True once another codec has taken over or the stream is closing. @throws what ended the push meanwhile. */
  protected stopped(): boolean {
    this.channel.checkFailure();
    this.#attempts.checkPushed();
    this.signal?.throwIfAborted();
    if (this.#attempts.switched || this.#attempts.closing) return true;
    const { stream } = this.channel;
    // Throws why. What was received before a failure is handed out all the same, but not what somebody let go of.
    if (stream.abandoned === true) this.checkAbandoned(stream);
    return false;
  }

  /** What the push has said of the stream the next write says too. */
  private checkAbandoned(stream: ByteStream): void {
    try {
      stream.tryFlush();
    } catch (error) {
      throw this.#attempts.failedBy(error, this.signal);
    }
  }

  /** Takes a record, always. @returns false when the queue is over its mark. */
  write(record: W | RecordCursor<unknown>): boolean {
    if (this.channel.interrupted) this.#attempts.checkWritable();
    return this.#attempts.pushRecord(record);
  }

  /** A run begins. Output is to leave together, at `release`. */
  protected hold(): void {
    this.channel.interrupted = this.mustAsk();
    this.channel.hold();
  }

  private mustAsk(): boolean {
    const { switched, closing } = this.#attempts;
    const { pushFailed, unfinished } = this.#attempts;
    if (switched || closing || pushFailed || unfinished || this.channel.failed) return true;
    return this.#attempts.ending || this.signal?.aborted === true;
  }

  protected release(): void {
    this.channel.release();
  }

  /** Records that were written as they lay have to leave before their memory is somebody else's. */
  protected returnLent(): void {
    this.channel.returnLent();
  }

  /** Says whether the push waits for input: then it counts as a reader. */
  protected waits(waiting: boolean): void {
    this.#attempts.reading = waiting;
    if (waiting) this.#attempts.waited();
  }

  /** Has the watcher told of arrivals. @returns false where the stream cannot: then `moved` is waited for. */
  protected watch(watcher: Watcher | undefined): boolean {
    const { stream } = this.channel;
    if (stream.watch === undefined) return false;
    // After an upgrade somebody else watches.
    if (!this.channel.handedOver) stream.watch(watcher);
    return true;
  }

  /** The push has ended: others may read. */
  protected over(): void {
    if (this.#abortion !== undefined) this.#abortion.signal.removeEventListener('abort', this.#abortion.onAbort);
    this.#attempts.pushing = false;
    if (!this.#attempts.switched) this.channel.stream.input.handsOn = false;
  }

  /** Resolves when reading again gets further. */
  protected moved(answer: NotReady | NeedWrite): Promise<void> {
    return this.#attempts.readMoved(answer, { signal: this.signal }).catch((error: unknown) => {
      throw this.#attempts.failedBy(error, this.signal);
    });
  }

  /** A promise where others have to have their turn first. */
  protected pause(): Promise<void> | undefined {
    return this.#attempts.pause();
  }

  /**
   * A promise where what the handler has written has to leave first. What others have written holds nobody up: two ends
   * that send to each other and only read here would both stop reading, and wait for ever.
   * @param outputEnd where the output ended, and `queued` how many records waited for room, when the run began: what is
   * more is the handler's.
   */
  protected drained(outputEnd: number, queued: number): Promise<void> | undefined {
    const { queued: now } = this.#attempts;
    if (!this.channel.full && now === 0) return undefined;
    const answered = this.outputEnd > outputEnd || now > queued;
    return answered ? this.#attempts.drained({ signal: this.signal }) : undefined;
  }

  /** Records that wait for room. */
  protected get queued(): number {
    return this.#attempts.queued;
  }

  protected get outputEnd(): number {
    const { output } = this.channel;
    return output.offset + output.length;
  }
}
