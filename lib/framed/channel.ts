/**
 * What a conversation keeps when its protocol changes: the byte stream, the output queue, and who moves it.
 *
 * Writes go to the queue and leave together before the event loop next polls, or at once by `flush`. What the stream
 * does not take is moved on in the background as soon as it does. What is still queued when the process exits is
 * handed to the stream in the 'exit' event.
 *
 * Over 400 lines, because when output may leave, and what becomes of it when that fails, is one state.
 */
import { checkBoolean } from '../arguments.js';
import { OutputBuffer } from '../bytes/output-buffer.js';
import { asTransportError, type MiniprotoError, TransportError, UsageError } from '../errors.js';
import { NEED_READ, type NeedRead, NOT_READY, type NotReady } from '../status.js';
import type { ByteStream } from '../streams/byte-stream.js';
import { Waiters } from '../streams/waiters.js';
import { conversationOn } from './conversations.js';

/** Channels with output that waits for the end of the turn, or for room. */
const scheduled = new Set<Channel>();
let exitHandled = false;
/** The channels whose turn it is: a handler that destroys another connection has that one's turn inside its own. */
const held: Channel[] = [];

/** Our side has to be ended here after the peer's, as the stream below would have done. */
const ENDS_ITSELF = 1;
/** What the stream has taken may be written again at once, whether it has left or not. */
const LENDS = 1 << 1;
const INTERRUPTED = 1 << 2;
const REFUSED = 1 << 3;
/** Records take no byte from the system that is not theirs. */
const EXACT = 1 << 4;
const SCHEDULED = 1 << 5;
const PUMPING = 1 << 6;
const HELD = 1 << 7;
/** The high mark was reached, and the low one has not been since. */
const FULL = 1 << 8;
const CORKED = 1 << 9;
/** Everything has been handed over, and the stream was told to end. */
const FINISHED = 1 << 10;
/** Others may give bytes to the system past the queue: nothing waits. */
const BYPASSED = 1 << 11;
/** The stream is being given the front of the queue, which is still there. */
const PUSHING = 1 << 12;
/** The low mark is below the high one. */
const LOW_MARK = 1 << 13;
/** The byte stream is somebody else's. */
const HANDED_OVER = 1 << 14;
/** What the stream has taken may be written again when all of it has left. */
const LENDS_UNTIL_SENT = 1 << 15;

/** What a channel mostly has not got: made when it is needed, since idle connections are many. */
class Extras {
  /** Bytes; -1: the high mark. */
  lowWaterMark = -1;
  /** The stream's output failed; it sticks. */
  failure: MiniprotoError | undefined = undefined;
  ended: Promise<void> | undefined = undefined;
  /** Calls of `cork` without their `uncork`. */
  corks = 0;
  /** Those who wait for room, or for everything to have left. */
  waiters: Waiters | undefined = undefined;
}

export class Channel {
  readonly stream: ByteStream;
  readonly output = new OutputBuffer();
  /** Bytes. From here on writes are refused. */
  readonly highWaterMark: number;
  /** The bits above, in one word. */
  #state: number;
  #extras: Extras | undefined;

  constructor(stream: ByteStream, highWaterMark: number, lowWaterMark = highWaterMark) {
    this.stream = stream;
    this.highWaterMark = highWaterMark;
    this.#state = stream.keepOpen?.() ? ENDS_ITSELF : 0;
    if (stream.freesWritten === true) this.#state |= LENDS;
    else if (stream.freesSent === true) this.#state |= LENDS_UNTIL_SENT;
    if (lowWaterMark < highWaterMark) {
      this.#state |= LOW_MARK;
      this.more().lowWaterMark = lowWaterMark;
    }
  }

  /** Bytes. Writes that were refused are taken again from here down. */
  get lowWaterMark(): number {
    return (this.#state & LOW_MARK) === 0 ? this.highWaterMark : this.#extras!.lowWaterMark;
  }

  private more(): Extras {
    this.#extras ??= new Extras();
    return this.#extras;
  }

  /** See ENDS_ITSELF. */
  get endsItself(): boolean {
    return (this.#state & ENDS_ITSELF) !== 0;
  }

  /** See LENDS. */
  get lends(): boolean {
    return (this.#state & LENDS) !== 0;
  }

  /** What is copied to be sent is mostly copied to memory that was used before. */
  get reuses(): boolean {
    return (this.#state & (LENDS | LENDS_UNTIL_SENT)) !== 0;
  }

  /** The memory of all that the stream has taken may be written again. */
  private get freed(): boolean {
    if ((this.#state & LENDS_UNTIL_SENT) === 0) return (this.#state & LENDS) !== 0;
    return this.stream.pendingOutput === 0 && this.stream.freesSent === true;
  }

  /**
   * A push has to ask whether it may go on, and whether it may write: the output has failed or was ended, the conversation
   * is closing or has switched, a record is being written in parts or could not be encoded, a signal has aborted. One look
   * for each record, for what hardly ever happens.
   */
  get interrupted(): boolean {
    return (this.#state & INTERRUPTED) !== 0;
  }

  set interrupted(interrupted: boolean) {
    this.#state = interrupted ? this.#state | INTERRUPTED : this.#state & ~INTERRUPTED;
  }

  /** A write was refused in a turn: whoever is handed records wants to answer them. */
  get refused(): boolean {
    return (this.#state & REFUSED) !== 0;
  }

  set refused(refused: boolean) {
    this.#state = refused ? this.#state | REFUSED : this.#state & ~REFUSED;
  }

  get exact(): boolean {
    return (this.#state & EXACT) !== 0;
  }

  /** @throws ERR_INVALID_ARG_TYPE; UsageError ERR_EXACT_UNSUPPORTED where the stream cannot. */
  readExactly(exact: boolean): void {
    checkBoolean('options.exact', exact);
    if (exact === this.exact) return;
    if (this.stream.readExactly?.(exact) !== true) throw new UsageError('ERR_EXACT_UNSUPPORTED');
    this.#state ^= EXACT;
  }

  /** True from the queue's high mark on, until it is at its low mark. */
  get full(): boolean {
    const { length } = this.output;
    if (length >= this.highWaterMark) {
      if ((this.#state & LOW_MARK) !== 0) this.#state |= FULL;
      return true;
    }
    if ((this.#state & FULL) === 0) return false;
    if (length > this.lowWaterMark) return true;
    this.#state &= ~FULL;
    return false;
  }

  get ended(): boolean {
    return this.#extras?.ended !== undefined;
  }

  get failed(): boolean {
    return this.#extras?.failure !== undefined;
  }

  /** @throws the failure of the output. */
  checkFailure(): void {
    const failure = this.#extras?.failure;
    if (failure !== undefined) throw failure;
  }

  /** @throws the failure of the output; UsageError ERR_STREAM_ENDED after `end`, or where the stream only reads. */
  checkWritable(): void {
    this.checkFailure();
    if (this.stream.readsOnly === true) throw new UsageError('ERR_STREAM_ENDED', { message: 'the stream only reads' });
    if (this.ended) throw new UsageError('ERR_STREAM_ENDED');
  }

  /** @throws why the stream below is gone, where somebody gave it away or destroyed it: what it took now would be lost. */
  checkAbandoned(): void {
    if (this.stream.abandoned !== true) return;
    try {
      this.stream.tryFlush();
    } catch (error) {
      this.lost(error);
      this.checkFailure();
    }
  }

  /** Keeps what is written until `release`: a turn's answers leave together, and at its end, not a tick later. */
  hold(): void {
    if ((this.#state & HELD) === 0) held.push(this);
    this.#state |= HELD;
    this.closeBypass();
    if (!exitHandled) handleExit();
  }

  /** What is written now leaves, or is copied, before the turn ends: it may lie in lent memory. */
  get held(): boolean {
    return (this.#state & HELD) !== 0;
  }

  /** Nothing waits, and what is written now may leave at once. */
  get idle(): boolean {
    const busy = (this.#state & (HELD | SCHEDULED | PUMPING | CORKED)) !== 0 || this.ended;
    return !busy && this.output.length === 0 && !this.failed;
  }

  /**
   * Lets others give bytes to the system past the queue, by the stream's id, until something is queued or held here, or
   * nothing can leave any more: whoever sends to thousands does not look at each. See net/bypasses.ts.
   * @returns the id; -1 where something waits, or the stream cannot.
   */
  openBypass(): number {
    const id = this.idle ? (this.stream.openBypass?.() ?? -1) : -1;
    if (id >= 0) this.#state |= BYPASSED;
    return id;
  }

  /** From now on everything goes through the queue. */
  closeBypass(): void {
    if ((this.#state & BYPASSED) === 0) return;
    this.#state &= ~BYPASSED;
    this.stream.closeBypass!();
  }

  /** Sends what lies in lent memory, and copies what does not leave. */
  returnLent(): void {
    if (!this.output.lent) return;
    if ((this.#state & CORKED) === 0 || this.full) this.pushOn();
    this.output.keepLent();
  }

  /** Sends what was held. */
  release(): void {
    if ((this.#state & HELD) !== 0) {
      this.#state &= ~HELD;
      // Turns lie within one another, so it is the last one.
      if (held[held.length - 1] === this) held.pop();
      else held.splice(held.indexOf(this), 1);
    }
    if (this.output.length > 0 && ((this.#state & CORKED) === 0 || this.full)) this.pushOn();
  }

  /** Keeps what is written, across turns, until `uncork`, a flush, or the high mark. */
  cork(): void {
    this.more().corks++;
    this.#state |= CORKED;
    this.closeBypass();
    this.schedule();
  }

  /** Takes one `cork` back; with the last, what was kept leaves at the end of the turn. */
  uncork(): void {
    const extras = this.#extras;
    if (extras === undefined || extras.corks === 0) return;
    extras.corks--;
    if (extras.corks === 0) this.#state &= ~CORKED;
    this.schedule();
  }

  /** Lets what was written leave before the event loop next polls; what is corked leaves at the exit at the latest. */
  schedule(): void {
    if ((this.#state & (HELD | SCHEDULED | PUMPING | CORKED)) !== 0 || this.output.length === 0) {
      if ((this.#state & CORKED) !== 0 && this.output.length > 0) this.noteForExit();
      return;
    }
    this.#state |= SCHEDULED;
    this.closeBypass();
    this.noteForExit();
    // nextTick runs after the promises of this turn, so that their writes leave in the same gather write.
    process.nextTick(flushLater, this);
  }

  private noteForExit(): void {
    scheduled.add(this);
    handleExit();
  }

  /** Nothing waits here, or nothing that can leave: the set of those that do would keep the connection for good. */
  private forgetForExit(): void {
    if ((this.#state & (SCHEDULED | PUMPING)) === 0) scheduled.delete(this);
  }

  /** Moves the queue to the stream as far as it goes. @returns true when it is empty. */
  push(): true | NotReady | NeedRead {
    const { output, stream } = this;
    this.checkFailure();
    // Whoever hears of a stall within the write below adds to the queue, and does not send its front once more.
    if ((this.#state & PUSHING) !== 0) return NOT_READY;
    this.#state |= PUSHING;
    // A codec that answers a peer after our end has nowhere to send it, and its reader must not suffer for that.
    if ((this.#state & FINISHED) !== 0) output.clear();
    try {
      while (output.length > 0) {
        const single = stream.tryWriteRange === undefined ? undefined : output.single();
        const taken =
          single === undefined
            ? stream.tryWriteStable(output.peek())
            : stream.tryWriteRange!(single.bytes, single.start, single.end);
        if (typeof taken !== 'number') return taken;
        output.consume(taken, this.freed ? FREED : KEPT);
      }
    } catch (error) {
      this.fail(error);
      throw this.#extras!.failure;
    } finally {
      this.#state &= ~PUSHING;
    }
    if ((this.#state & CORKED) !== 0) this.forgetForExit();
    this.#extras?.waiters?.wake();
    return true;
  }

  /** `push`, and go on in the background where the stream does not take everything. Errors stick, they do not throw. */
  pushOn(): void {
    if (this.failed) return;
    try {
      if (this.push() === true) return;
    } catch {
      // The failure is kept, and the next operation throws it.
      return;
    }
    if ((this.#state & PUMPING) === 0) void this.pump();
  }

  private async pump(): Promise<void> {
    this.#state |= PUMPING;
    this.closeBypass();
    this.noteForExit();
    try {
      for (;;) {
        const answer = this.push();
        if (answer === true) break;
        this.#extras?.waiters?.wake();
        await this.stream.ready(answer === NEED_READ ? 'read' : 'write');
      }
    } catch (error) {
      this.fail(error);
    } finally {
      this.#state &= ~PUMPING;
      this.forgetForExit();
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
    this.checkFailure();
    if (this.output.length === 0) return this.stream.ready('write', { signal });
    this.pushOn();
    if (this.output.length === 0) return;
    const extras = this.more();
    extras.waiters ??= new Waiters();
    await extras.waiters.wait(signal);
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
    this.closeBypass();
    const extras = this.more();
    extras.ended ??= this.endOutput();
    return extras.ended;
  }

  private async endOutput(): Promise<void> {
    await this.flush();
    this.#state |= FINISHED;
    await this.stream.end();
  }

  /** The first failure of the output sticks, and drops what cannot leave any more. */
  fail(error: unknown): void {
    if (this.failed) return;
    this.lost(error);
    // A queue that lost bytes must not be followed by others: the peer would read garbage.
    this.stream.destroy(this.#extras!.failure);
  }

  /** The same where the stream has failed by itself: what it has to say last, an alert of TLS, may still leave. */
  lost(error: unknown): void {
    const extras = this.more();
    if (extras.failure !== undefined) return;
    extras.failure = asTransportError(error);
    this.interrupted = true;
    this.closeBypass();
    this.dropOutput();
    extras.waiters?.fail(extras.failure);
  }

  private dropOutput(): void {
    this.output.clear();
    this.forgetForExit();
  }

  /** @throws UsageError ERR_STREAM_IN_USE within a write of ours, when nobody knows yet how much of the queue has left. */
  checkUnsentKnown(): void {
    if ((this.#state & PUSHING) === 0) return;
    throw new UsageError('ERR_STREAM_IN_USE', { message: 'the stream is taking what was written to it' });
  }

  /**
   * The byte stream is somebody else's from now on: nothing more is sent from here.
   * @returns a copy of the output that has not left. @throws the failure of the output.
   */
  handOver(): Buffer {
    this.push();
    const unsent = Buffer.concat(this.output.peek(Number.POSITIVE_INFINITY));
    this.dropOutput();
    const extras = this.more();
    this.#state |= FINISHED | INTERRUPTED | HANDED_OVER;
    this.closeBypass();
    extras.ended ??= Promise.resolve();
    extras.waiters?.wake();
    return unsent;
  }

  /** True from `handOver` on: the byte stream is to be left alone. */
  get handedOver(): boolean {
    return (this.#state & HANDED_OVER) !== 0;
  }

  /** The abrupt end. */
  destroy(error: Error | undefined): void {
    this.stream.destroy(error);
    const extras = this.more();
    extras.failure ??= error === undefined ? new TransportError('ERR_STREAM_DESTROYED') : asTransportError(error);
    this.interrupted = true;
    this.closeBypass();
    this.dropOutput();
    extras.waiters?.fail(extras.failure);
  }

  /** Called at the end of the turn. Internal. */
  flushScheduled(): void {
    this.#state &= ~SCHEDULED;
    // Corked since it was to leave: it waits with what was written after it.
    if ((this.#state & CORKED) !== 0 && this.output.length > 0 && !this.full) return;
    this.forgetForExit();
    this.pushOn();
  }

  /** Hands everything to the stream, whatever its marks say. Internal. */
  flushAtExit(): void {
    // Within a write of ours nobody knows yet how much of the queue has left: what is sent twice is worse than an end.
    if ((this.#state & PUSHING) !== 0) return;
    const { output, stream } = this;
    try {
      conversationOn(stream)?.encodeWaiting?.();
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

const FREED = { freed: true };
const KEPT = { freed: false };

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
