/**
 * What a conversation keeps when its protocol changes: the byte stream, the output queue, and who moves it.
 *
 * Writes go to the queue and leave together before the event loop next polls, or at once by `flush`. What the stream
 * does not take is moved on in the background as soon as it does. What is still queued when the process exits is
 * handed to the stream in the 'exit' event.
 */
import { checkBoolean } from '../arguments.js';
import { OutputBuffer } from '../bytes/output-buffer.js';
import { asTransportError, type MiniprotoError, TransportError, UsageError } from '../errors.js';
import { NEED_READ, type NeedRead, type NotReady } from '../status.js';
import type { ByteStream } from '../streams/byte-stream.js';
import { Waiters } from '../streams/waiters.js';
import type { Conversation } from './conversations.js';

/** Channels with output that waits for the end of the turn, or for room. */
const scheduled = new Set<Channel>();
let exitHandled = false;
/** The channels whose turn it is: a handler that destroys another connection has that one's turn inside its own. */
const held: Channel[] = [];

export class Channel {
  readonly stream: ByteStream;
  readonly output = new OutputBuffer();
  /** Bytes. From here on writes are refused. */
  readonly highWaterMark: number;
  /** Bytes. Writes that were refused are taken again from here down. */
  readonly lowWaterMark: number;
  /** Our side has to be ended here after the peer's, as the stream below would have done. */
  readonly endsItself: boolean;
  /** What the stream has taken may be written again at once, whether it has left or not. */
  readonly lends: boolean;
  /** The framed stream in charge: the last one, where the protocol has changed. */
  conversation: Conversation | undefined;
  /** Who adds what waits to be encoded before the queue is handed over at exit. */
  waiting: { encodeWaiting(): void } | undefined;
  /**
   * A push has to ask whether it may go on, and whether it may write: the output has failed or was ended, the conversation
   * is closing or has switched, a record is being written in parts or could not be encoded, a signal has aborted. One look
   * for each record, for what hardly ever happens.
   */
  interrupted = false;
  /** A write was refused in a turn: whoever is handed records wants to answer them. */
  refused = false;
  /** The stream's output failed; it sticks. */
  #failure: MiniprotoError | undefined;
  #scheduled = false;
  #pumping = false;
  #held = false;
  /** The high mark was reached, and the low one has not been since. */
  #full = false;
  /** Calls of `cork` without their `uncork`. */
  #corks = 0;
  #ended: Promise<void> | undefined;
  /** Everything has been handed over, and the stream was told to end. */
  #finished = false;
  /** Those who wait for room, or for everything to have left; made for the first one, since mostly nobody does. */
  #waiters: Waiters | undefined;

  constructor(stream: ByteStream, highWaterMark: number, lowWaterMark = highWaterMark) {
    this.stream = stream;
    this.highWaterMark = highWaterMark;
    this.lowWaterMark = lowWaterMark;
    this.endsItself = stream.keepOpen?.() ?? false;
    this.lends = stream.freesWritten === true;
  }

  /** Whether records take no byte from the system that is not theirs. */
  exact = false;

  /** @throws ERR_INVALID_ARG_TYPE; UsageError ERR_EXACT_UNSUPPORTED where the stream cannot. */
  readExactly(exact: boolean): void {
    checkBoolean('options.exact', exact);
    if (exact === this.exact) return;
    if (this.stream.readExactly?.(exact) !== true) throw new UsageError('ERR_EXACT_UNSUPPORTED');
    this.exact = exact;
  }

  /** True from the queue's high mark on, until it is at its low mark. */
  get full(): boolean {
    const { length } = this.output;
    if (length >= this.highWaterMark) this.#full = this.lowWaterMark < this.highWaterMark;
    else if (!this.#full) return false;
    else if (length <= this.lowWaterMark) this.#full = false;
    return this.#full || length >= this.highWaterMark;
  }

  get ended(): boolean {
    return this.#ended !== undefined;
  }

  get failed(): boolean {
    return this.#failure !== undefined;
  }

  /** @throws the failure of the output. */
  checkFailure(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** @throws the failure of the output; UsageError ERR_STREAM_ENDED after `end`. */
  checkWritable(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#ended !== undefined) throw new UsageError('ERR_STREAM_ENDED');
  }

  /** Keeps what is written until `release`: a turn's answers leave together, and at its end, not a tick later. */
  hold(): void {
    if (!this.#held) held.push(this);
    this.#held = true;
    if (!exitHandled) handleExit();
  }

  /** What is written now leaves, or is copied, before the turn ends: it may lie in lent memory. */
  get held(): boolean {
    return this.#held;
  }

  /** Nothing waits, and what is written now may leave at once. */
  get idle(): boolean {
    const busy = this.#held || this.#scheduled || this.#pumping || this.#corks > 0 || this.#ended !== undefined;
    return !busy && this.output.length === 0 && this.#failure === undefined;
  }

  /** Sends what lies in lent memory, and copies what does not leave. */
  returnLent(): void {
    if (!this.output.lent) return;
    if (this.#corks === 0 || this.full) this.pushOn();
    this.output.keepLent();
  }

  /** Sends what was held. */
  release(): void {
    if (this.#held) {
      this.#held = false;
      // Turns lie within one another, so it is the last one.
      if (held[held.length - 1] === this) held.pop();
      else held.splice(held.indexOf(this), 1);
    }
    if (this.output.length > 0 && (this.#corks === 0 || this.full)) this.pushOn();
  }

  /** Keeps what is written, across turns, until `uncork`, a flush, or the high mark. */
  cork(): void {
    this.#corks++;
    this.#noteForExit();
  }

  /** Takes one `cork` back; with the last, what was kept leaves at the end of the turn. */
  uncork(): void {
    if (this.#corks === 0) return;
    this.#corks--;
    this.schedule();
  }

  /** Lets what was written leave before the event loop next polls. */
  schedule(): void {
    if (this.#held || this.#scheduled || this.#pumping || this.#corks > 0 || this.output.length === 0) return;
    this.#scheduled = true;
    this.#noteForExit();
    // nextTick runs after the promises of this turn, so that their writes leave in the same gather write.
    process.nextTick(flushLater, this);
  }

  #noteForExit(): void {
    scheduled.add(this);
    handleExit();
  }

  /** Moves the queue to the stream as far as it goes. @returns true when it is empty. */
  push(): true | NotReady | NeedRead {
    const { output, stream } = this;
    if (this.#failure !== undefined) throw this.#failure;
    // A codec that answers a peer after our end has nowhere to send it, and its reader must not suffer for that.
    if (this.#finished) output.clear();
    try {
      while (output.length > 0) {
        const single = stream.tryWriteRange === undefined ? undefined : output.single();
        const taken =
          single === undefined
            ? stream.tryWriteStable(output.peek())
            : stream.tryWriteRange!(single.bytes, single.start, single.end);
        if (typeof taken !== 'number') return taken;
        output.consume(taken);
      }
    } catch (error) {
      this.fail(error);
      throw this.#failure;
    }
    this.#waiters?.wake();
    return true;
  }

  /** `push`, and go on in the background where the stream does not take everything. Errors stick, they do not throw. */
  pushOn(): void {
    if (this.#failure !== undefined) return;
    try {
      if (this.push() === true) return;
    } catch {
      // The failure is kept, and the next operation throws it.
      return;
    }
    if (!this.#pumping) void this.#pump();
  }

  async #pump(): Promise<void> {
    this.#pumping = true;
    this.#noteForExit();
    try {
      for (;;) {
        const answer = this.push();
        if (answer === true) break;
        this.#waiters?.wake();
        await this.stream.ready(answer === NEED_READ ? 'read' : 'write');
      }
    } catch (error) {
      this.fail(error);
    } finally {
      this.#pumping = false;
      if (!this.#scheduled) scheduled.delete(this);
    }
  }

  /** @returns true when nothing is queued here and nothing waits in the stream. */
  tryFlush(): true | NotReady | NeedRead {
    const pushed = this.push();
    if (pushed !== true) {
      this.pushOn();
      return pushed;
    }
    return this.stream.tryFlush();
  }

  /** Resolves when there may be room, or everything has left. */
  async ready(signal: AbortSignal | undefined): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.output.length === 0) return this.stream.ready('write', { signal });
    this.pushOn();
    if (this.output.length === 0) return;
    this.#waiters ??= new Waiters();
    await this.#waiters.wait(signal);
  }

  /** Flushes everything. */
  async flush(signal?: AbortSignal): Promise<void> {
    for (;;) {
      const answer = this.tryFlush();
      if (answer === true) return;
      if (answer === NEED_READ) await this.stream.ready('read', { signal });
      else await this.ready(signal);
    }
  }

  /** Flushes, then ends our side of the stream. */
  end(): Promise<void> {
    this.interrupted = true;
    this.#ended ??= this.#end();
    return this.#ended;
  }

  async #end(): Promise<void> {
    await this.flush();
    this.#finished = true;
    await this.stream.end();
  }

  /** The first failure of the output sticks, and drops what cannot leave any more. */
  fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = asTransportError(error);
    this.interrupted = true;
    this.output.clear();
    // A queue that lost bytes must not be followed by others: the peer would read garbage.
    this.stream.destroy(this.#failure);
    this.#waiters?.fail(this.#failure);
  }

  /**
   * The byte stream is somebody else's from now on: nothing more is sent from here.
   * @returns a copy of the output that has not left. @throws the failure of the output.
   */
  handOver(): Buffer {
    this.push();
    const unsent = Buffer.concat(this.output.peek(Number.POSITIVE_INFINITY));
    this.output.clear();
    this.#finished = true;
    this.#ended ??= Promise.resolve();
    this.conversation = undefined;
    this.interrupted = true;
    this.#waiters?.wake();
    return unsent;
  }

  /** True from `handOver` on: the byte stream is to be left alone. */
  get handedOver(): boolean {
    return this.#finished && this.conversation === undefined;
  }

  /** The abrupt end. */
  destroy(error: Error | undefined): void {
    this.stream.destroy(error);
    this.#failure ??= error === undefined ? new TransportError('ERR_STREAM_DESTROYED') : asTransportError(error);
    this.interrupted = true;
    this.output.clear();
    this.#waiters?.fail(this.#failure);
  }

  /** Called at the end of the turn. Internal. */
  flushScheduled(): void {
    this.#scheduled = false;
    if (!this.#pumping) scheduled.delete(this);
    this.pushOn();
  }

  /** Hands everything to the stream, whatever its marks say. Internal. */
  flushAtExit(): void {
    const { output, stream } = this;
    try {
      this.waiting?.encodeWaiting();
      while (output.length > 0) {
        const taken = stream.writeAtExit?.(output.peek()) ?? stream.tryWriteStable(output.peek());
        if (typeof taken !== 'number' || taken === 0) return;
        output.consume(taken);
      }
    } catch {
      // The process is going: there is nobody left to tell.
    }
  }
}

function handleExit(): void {
  if (exitHandled) return;
  exitHandled = true;
  process.on('exit', flushAtExit);
}

function flushLater(channel: Channel): void {
  channel.flushScheduled();
}

/** At exit there is no later: what a stream takes synchronously leaves, as sockets and pipes mostly do. */
function flushAtExit(): void {
  for (const channel of held) scheduled.add(channel);
  for (const channel of scheduled) channel.flushAtExit();
  scheduled.clear();
}
