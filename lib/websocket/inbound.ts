/**
 * The receiving side of a connection: frames from the source, control frames to the connection, messages to a handler or
 * to whoever asks for them.
 *
 * It always reads, up to a mark: pings are answered and a close is seen although nobody asks for messages. What nobody
 * has taken stays as frames in the backlog, and becomes messages when it is asked for.
 *
 *   who takes messages    what an arrival does                          reading stops while
 *   a handler             hands each message out before it returns      paused, or the output is full
 *   nobody, or a reader   keeps the frames, wakes those who wait        the backlog is over its mark
 *
 * A turn hands out messages in memory that others get next, so whatever is left of it is copied.
 *
 * Over 400 lines, because what stops reading and what lets it go on again have to be seen together.
 */
import { AsyncResource } from 'node:async_hooks';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { UsageError } from '../errors.js';
import { HEADER_WORDS, R_FLAGS, R_LENGTH, R_OFFSET, ROW_WORDS, WS_FIRST_SHIFT, WS_FLAG_ASCII } from '../frame-table.js';
import type { Channel } from '../framed/channel.js';
import type { WebSocketFraming } from '../native-interface.js';
import { EOF, type Eof, NOT_READY, type NotReady } from '../status.js';
import type { Watcher } from '../streams/byte-stream.js';
import { Waiters } from '../streams/waiters.js';
import { Backlog } from './backlog.js';
import { enterScratch, leaveScratch } from './deflate/scratch.js';
import { type FrameInput, type FrameRun, FrameSource, isRun, offsetOf } from './frame-source.js';
import { frameAgain, framesAgain } from './given-back.js';
import { type Assembled, type MessageAssembly, surelyWithin } from './message-assembly.js';
import { PlacedMessage } from './message-cursor.js';
import { FIN, headerSize, OP_BINARY, OP_CLOSE, OP_TEXT, OPCODE_MASK } from './opcodes.js';

/** Runs that are handed out in a row before others get their turn: about a megabyte. */
const RUNS_PER_TURN = 16;

/** Is given each message, valid during the call. */
export interface MessageReceiver {
  deliver(message: PlacedMessage): void;
}

/** What the connection does for its receiving side. */
export interface InboundHost {
  /** Bytes of frames kept for a reader before reading stops. */
  readonly readHighWaterMark: number;
  /** What is sent, and the stream. */
  readonly channel: Channel;
  /** A control frame; its payload is valid during the call. */
  control(opcode: number, bytes: Buffer, from: number, to: number): void;
  /** The peer's end. */
  inputEnded(): void;
  /** A frame or message is wrong, or the stream has failed; messages before it were handed out. */
  inputFailed(error: unknown): void;
  /** The handler threw. */
  handlerFailed(error: unknown): void;
  /** Makes the place where fragments are joined, at the first one. */
  makeAssembly(): MessageAssembly;
}

/** Bits of an Inbound's state. */
/**
 * Frames are taken strictly in their order, control frames too: while paused nothing is read, and nothing is kept
 * back because of output. So the face of `ws` has it.
 */
const IN_ORDER = 1;
const PAUSED = 1 << 1;
/** The output is full: nothing is handed out until it has left. */
const BLOCKED = 1 << 2;
const RUNNING = 1 << 3;
/** Something happened while a run was being handed out. */
const AGAIN = 1 << 4;
const WATCHING = 1 << 5;
/** No frame is looked at any more: the peer has closed, or failed. */
const OVER = 1 << 6;
/** Messages that nobody takes are dropped: the connection is closing. */
const DISCARDS = 1 << 7;
/** They are from now on: what comes next may continue what was dropped. */
const LOSSY = 1 << 8;
/** A message was taken since others had their turn. */
const TAKEN = 1 << 9;
/** Others have their turn. */
const YIELDING = 1 << 10;
/** Nothing is handed out any more. */
const DROPPED = 1 << 11;
/** Reading has stopped although there may be more in the input, or in the stream. */
const HALTED = 1 << 12;
/** The handler has sent something: it is given messages only while there is room for an answer. */
const ANSWERS = 1 << 13;
/** Somebody takes the frames by himself. */
const SUSPENDED = 1 << 14;

/** What messages leave between turns. Most connections have nothing of it, and are idle: made when it is needed. */
class Leftovers {
  /** Where fragments are joined. */
  assembly: MessageAssembly | undefined = undefined;
  /** Frames that nobody has taken. */
  backlog: Backlog | undefined = undefined;
  /** Those who wait for a message. */
  readers: Waiters | undefined = undefined;
  /** The connection is closed; what it inflates with lives until the last message that is kept was taken. */
  inflater: { destroy(): void } | undefined = undefined;
}

/** It is the source of the frames, too: one object, since connections are many. */
export class Inbound extends FrameSource implements Watcher {
  readonly #host: InboundHost;
  /** Bytes. Frames may be longer than messages where they may be compressed; which of the two it is, the assembly checks. */
  readonly #mostWhole: number;
  #receiver: MessageReceiver | undefined;
  #scope: AsyncResource | undefined;
  #left: Leftovers | undefined;
  /** The bits above, in one word: connections are many. */
  #state = TAKEN;

  constructor(stream: FrameInput, framing: WebSocketFraming, host: InboundHost) {
    super(stream, framing);
    this.#host = host;
    const { compression, maxLength } = this.framing;
    this.#mostWhole = compression ? surelyWithin(maxLength) : maxLength;
  }

  /** Whoever takes messages keeps them: memory of their own is not taken back. See Watcher. */
  get keeps(): boolean {
    return (this.#state & IN_ORDER) !== 0;
  }

  /** No frame is looked at any more; what is in the backlog can still be read. */
  get over(): boolean {
    return (this.#state & OVER) !== 0;
  }

  get delivering(): boolean {
    return this.#receiver !== undefined;
  }

  /** Begins to read, or goes on. */
  start(): void {
    // In a handler of another connection: what this turn has still to tell comes before what is received now.
    this.#host.channel.stream.hear?.();
    this.runOn(undefined, false);
  }

  /** Has what messages are inflated with destroyed as soon as none is kept any more, or can be asked for. */
  outlives(inflater: { destroy(): void }): void {
    if (this.firstKept === undefined && (this.#state & SUSPENDED) === 0) return inflater.destroy();
    this.leftovers().inflater = inflater;
    unread.register(this, inflater, this);
  }

  private emptied(left: Leftovers): void {
    if (left.inflater === undefined || left.backlog?.first !== undefined) return;
    unread.unregister(this);
    left.inflater.destroy();
    left.inflater = undefined;
  }

  private leftovers(): Leftovers {
    this.#left ??= new Leftovers();
    return this.#left;
  }

  /**
   * Hands every message to `receiver` from now on, those of the backlog first.
   * @param how.scope where, instead of in the async context of this call.
   */
  deliverTo(
    receiver: MessageReceiver,
    { inOrder, scope }: { inOrder: boolean; scope?: AsyncResource | undefined },
  ): void {
    this.#receiver = receiver;
    if (inOrder) this.#state |= IN_ORDER;
    this.#scope = scope ?? new AsyncResource('MINIPROTO_WEBSOCKET');
  }

  pause(): void {
    this.#state |= PAUSED;
  }

  resume(): void {
    if ((this.#state & PAUSED) === 0) return;
    this.#state &= ~PAUSED;
    process.nextTick(startLater, this);
  }

  get paused(): boolean {
    return (this.#state & PAUSED) !== 0;
  }

  /** From now on what nobody takes is dropped, so that the peer's close is seen. */
  discard(): void {
    if ((this.#state & IN_ORDER) === 0) this.#state |= DISCARDS;
    this.start();
  }

  /** Looks at no more frames. */
  stop(): void {
    if ((this.#state & OVER) !== 0) return;
    this.#state |= OVER;
    this.unwatch();
    this.wake();
  }

  /** The same, and what is kept is given to nobody any more. */
  drop(): void {
    this.#state |= DROPPED;
    if (this.#left !== undefined) {
      this.#left.backlog = undefined;
      this.emptied(this.#left);
    }
    this.stop();
  }

  /**
   * Puts everything that was received and handed to nobody into the stream's input again, as frames: the stream is about
   * to be somebody else's. Nothing is handed out any more.
   * @throws UsageError ERR_READ_IN_PROGRESS while messages are handed out, or read in pieces; nothing has changed then.
   */
  giveBack(): void {
    if ((this.#state & (RUNNING | SUSPENDED)) !== 0) {
      throw new UsageError('ERR_READ_IN_PROGRESS', { protocol: 'websocket' });
    }
    // What this turn has still to tell is kept, and handed to nobody.
    this.#state |= RUNNING;
    this.#host.channel.stream.hear?.();
    this.#state &= ~(RUNNING | AGAIN);
    const { role } = this.framing;
    const frames: Buffer[] = [];
    const open = this.takeOpen();
    if (open !== undefined) frames.push(frameAgain(role, open.first, open.bytes));
    const backlog = this.#left?.backlog;
    for (let run = backlog?.shift(); run !== undefined; run = backlog?.shift()) frames.push(...framesAgain(role, run));
    this.putBack(frames);
    this.drop();
  }

  /** Something was received and handed to nobody. */
  get hasUntaken(): boolean {
    return this.#left?.assembly?.open === true || this.#left?.backlog?.first !== undefined;
  }

  /** Nothing is read because of us: nobody has taken what came. */
  get halted(): boolean {
    return (this.#state & (HALTED | BLOCKED)) === HALTED;
  }

  /** Nothing is read because the peer takes nothing. */
  get blocked(): boolean {
    return (this.#state & BLOCKED) !== 0;
  }

  /** Wakes those who wait for messages. */
  wake(): void {
    this.#left?.readers?.wake();
  }

  // ---------------------------------------------------------------- arrivals

  arrived(table: Int32Array, base: number, rows: number): void {
    if ((this.#state & OVER) !== 0) return;
    this.runOn(rows < 0 || table.length === 0 ? undefined : this.adopt(table, base, rows), true);
  }

  private runOn(first: FrameRun | undefined, inTurn: boolean): void {
    if ((this.#state & RUNNING) !== 0) {
      this.#state |= AGAIN;
      if (first !== undefined) this.keep(first);
      return;
    }
    if (this.#scope === undefined) this.handOut(first, inTurn);
    // The call came from the reactor, or from whoever wrote; the handler belongs to whoever set it.
    else this.#scope.runInAsyncScope(this.handOut, this, first, inTurn);
  }

  private handOut(first: FrameRun | undefined, inTurn: boolean): void {
    const channel = this.#host.channel;
    this.#state = (this.#state | RUNNING) & ~HALTED;
    channel.hold();
    enterScratch();
    let others = false;
    try {
      do {
        this.#state &= ~AGAIN;
        others = this.takeAll(first);
      } while ((this.#state & AGAIN) !== 0 && !others);
    } catch (error) {
      this.#host.inputFailed(error);
    } finally {
      this.#state &= ~RUNNING;
      leaveScratch();
      channel.release();
    }
    if (others && (this.#state & YIELDING) === 0) void this.yield();
    // A stream that has more would call before others had their turn.
    if ((this.#state & YIELDING) === 0) this.rearm(inTurn);
  }

  /** Takes what is there. @returns true when others should have their turn first. */
  private takeAll(first: FrameRun | undefined): boolean {
    this.takeBacklog();
    let run = first;
    for (let runs = 0; ; runs++) {
      if (run === undefined) {
        if (!this.mayRead()) {
          this.#state |= HALTED;
          return false;
        }
        if (runs >= RUNS_PER_TURN || this.givesTime()) return true;
        const answer = this.tryNextRun();
        if (!isRun(answer)) {
          if (answer === EOF && (this.#state & OVER) === 0) this.#host.inputEnded();
          return false;
        }
        run = answer;
      }
      this.take(run);
      run = undefined;
    }
  }

  private take(run: FrameRun): void {
    try {
      if (this.delivers() && (this.#state & LOSSY) === 0) this.deliverRun(run);
      // Once it is over, what is left was behind the end.
      if (run.row < run.rows && (this.#state & OVER) === 0) this.keep(run);
    } finally {
      this.#host.channel.returnLent();
      this.done(run);
    }
  }

  private takeBacklog(): void {
    const left = this.#left;
    const backlog = left?.backlog;
    if (backlog === undefined) return;
    while (backlog.first !== undefined && this.delivers()) {
      this.deliverRun(backlog.first);
      backlog.settle();
    }
    this.emptied(left!);
  }

  private delivers(): boolean {
    return this.#receiver !== undefined && (this.#state & (PAUSED | BLOCKED | DROPPED)) === 0;
  }

  private mayRead(): boolean {
    const state = this.#state;
    if ((state & (OVER | BLOCKED | SUSPENDED)) !== 0) return false;
    if (this.#receiver !== undefined && (state & PAUSED) === 0) return true;
    if ((state & IN_ORDER) !== 0) return false;
    return (state & DISCARDS) !== 0 || !this.keepsEnough();
  }

  /** While it closes: a reader has time to take what is kept, as often as he does, before anything is dropped. */
  private givesTime(): boolean {
    if ((this.#state & (DISCARDS | LOSSY)) !== DISCARDS || !this.keepsEnough()) return false;
    if ((this.#state & YIELDING) !== 0) return true;
    const taken = (this.#state & TAKEN) !== 0;
    this.#state &= ~TAKEN;
    if (!taken) this.#state |= LOSSY;
    return taken;
  }

  /** As much is kept for a reader as may be. */
  private keepsEnough(): boolean {
    return (this.#left?.backlog?.length ?? 0) >= this.#host.readHighWaterMark;
  }

  /** Hands out the messages of a run, until something stops it. */
  private deliverRun(run: FrameRun): void {
    const channel = this.#host.channel;
    const message = new PlacedMessage(channel);
    const receiver = this.#receiver!;
    if ((this.#state & IN_ORDER) !== 0) {
      this.#state |= ANSWERS;
      message.willReach(run.bytes, endOf(run, run.rows - 1));
    }
    try {
      while (run.row < run.rows && (this.#state & (run.kept ? DROPPED : DROPPED | OVER)) === 0) {
        if (!this.moveToNext(run, message)) continue;
        const before = (this.#state & ANSWERS) !== 0 ? 0 : writtenTo(channel);
        try {
          receiver.deliver(message);
        } catch (error) {
          this.#host.handlerFailed(error);
        }
        if ((this.#state & ANSWERS) === 0 && (channel.refused || writtenTo(channel) !== before)) this.#state |= ANSWERS;
        // A handler that never answers goes on: the peer may have to be read for it to read.
        if (channel.full && (this.#state & ANSWERS) !== 0) this.block();
        if ((this.#state & (PAUSED | BLOCKED)) !== 0) return;
      }
    } finally {
      message.expire();
    }
  }

  /** Takes the next frame of a run. @returns true when it completes a message, which `message` then is at. */
  private moveToNext(run: FrameRun, message: PlacedMessage): boolean {
    const { table, bytes } = run;
    const at = run.base + HEADER_WORDS + run.row * ROW_WORDS;
    const flags = table[at + R_FLAGS]!;
    const first = (flags >>> WS_FIRST_SHIFT) & 0xff;
    const from = table[at + R_OFFSET]!;
    const length = table[at + R_LENGTH]!;
    run.row++;
    if ((first === TEXT || first === BINARY) && length <= this.#mostWhole) {
      message.moveTo(
        bytes,
        from,
        from + length,
        first === TEXT,
        (flags & WS_FLAG_ASCII) !== 0,
        run.lent,
        from - headerSize(length),
      );
      return true;
    }
    if ((first & OP_CLOSE) !== 0) {
      this.#host.control(first & OPCODE_MASK, bytes, from, from + length);
      if (this.#host.channel.full && (this.#state & ANSWERS) !== 0) this.block();
      return false;
    }
    return this.assemble(run, message, first, from, length);
  }

  private assemble(run: FrameRun, message: PlacedMessage, first: number, from: number, length: number): boolean {
    const left = this.leftovers();
    left.assembly ??= this.#host.makeAssembly();
    const whole = this.add(left.assembly, first, run, from, length);
    if (whole === undefined) return false;
    message.moveTo(whole.bytes, whole.from, whole.to, whole.isText, false, whole.lent, -1);
    return true;
  }

  private add(
    assembly: MessageAssembly,
    first: number,
    run: FrameRun,
    from: number,
    length: number,
  ): Assembled | undefined {
    try {
      return assembly.add(first, run.bytes, from, from + length, offsetOf(run, run.row - 1));
    } catch (error) {
      // The message is wrong: there are none behind it.
      this.#host.inputFailed(error);
      this.drop();
      throw error;
    }
  }

  /** Keeps the rest of a run for later; its control frames are handled now, unless everything has its order. */
  private keep(run: FrameRun): void {
    const { table, bytes } = run;
    const first = run.row;
    const inOrder = (this.#state & IN_ORDER) !== 0;
    for (let row = first; row < run.rows && !inOrder; row++) {
      const at = run.base + HEADER_WORDS + row * ROW_WORDS;
      const opcode = (table[at + R_FLAGS]! >>> WS_FIRST_SHIFT) & OPCODE_MASK;
      if (opcode < OP_CLOSE) continue;
      const from = table[at + R_OFFSET]!;
      this.#host.control(opcode, bytes, from, from + table[at + R_LENGTH]!);
    }
    run.row = run.rows;
    if ((this.#state & LOSSY) !== 0) return;
    if (this.ownBacklog().keep(run, first, { control: inOrder })) this.wake();
  }

  private ownBacklog(): Backlog {
    const left = this.leftovers();
    left.backlog ??= new Backlog();
    return left.backlog;
  }

  // ---------------------------------------------------------------- waiting

  /** Hands nothing out until output has left. */
  private block(): void {
    const channel = this.#host.channel;
    channel.returnLent();
    channel.pushOn();
    if (!channel.full || (this.#state & (BLOCKED | IN_ORDER)) !== 0) return;
    this.#state |= BLOCKED;
    void this.unblock();
  }

  private async unblock(): Promise<void> {
    try {
      while (this.#host.channel.full) await this.#host.channel.ready(undefined);
    } catch {
      // The stream is gone: reading finds out why.
    }
    this.#state &= ~BLOCKED;
    this.start();
  }

  private async yield(): Promise<void> {
    this.#state |= YIELDING;
    await nextTurn();
    this.#state &= ~YIELDING;
    this.start();
  }

  /** Has the stream tell of the next arrival, as long as it may be taken. */
  private rearm(inTurn: boolean): void {
    const { stream } = this.#host.channel;
    if (!this.mayRead()) return this.unwatch();
    if (stream.watch !== undefined) {
      const watched = (this.#state & WATCHING) !== 0;
      // In a turn the stream looks by itself at what is wanted next.
      if (watched && inTurn) return;
      this.#state |= WATCHING;
      stream.watch(this);
      // What left with this run may have ended the stream, which had nobody to tell.
      if (!watched && stream.abandoned === true) process.nextTick(startLater, this);
    } else if ((this.#state & WATCHING) === 0) {
      this.#state |= WATCHING;
      const moved = () => this.moved();
      stream.ready('read').then(moved, moved);
    }
  }

  private moved(): void {
    this.#state &= ~WATCHING;
    this.start();
  }

  private unwatch(): void {
    const { stream } = this.#host.channel;
    if ((this.#state & WATCHING) === 0 || stream.watch === undefined) return;
    // Rows of this turn are lost on those who do not watch.
    stream.hear?.();
    this.#state &= ~WATCHING;
    stream.watch(undefined);
  }

  // ---------------------------------------------------------------- messages in pieces

  /** Reads nothing by itself until `proceed`: somebody takes the frames. */
  suspend(): void {
    this.#state |= SUSPENDED;
    this.unwatch();
  }

  proceed(): void {
    this.#state &= ~SUSPENDED;
    this.start();
  }

  /** The oldest frames that are kept, and what has come of a message that is open. */
  takeKept(): FrameRun | undefined {
    this.#host.channel.stream.hear?.();
    return this.#left?.backlog?.shift();
  }

  takeOpen(): { first: number; bytes: Buffer; offset: number } | undefined {
    return this.#left?.assembly?.takeOpen();
  }

  /** Keeps what somebody has not taken. */
  keepRest(run: FrameRun): void {
    if (run.row < run.rows && (this.#state & DROPPED) === 0) {
      if (run.kept) return this.ownBacklog().unshift(run);
      if ((this.#state & OVER) === 0) this.keep(run);
    }
    this.done(run);
  }

  /** Nothing is handed out any more. */
  get dropped(): boolean {
    return (this.#state & DROPPED) !== 0;
  }

  // ---------------------------------------------------------------- messages that are asked for

  /**
   * Moves `message` to the next one, in memory that is good until somebody asks for another.
   * @returns NOT_READY; EOF once the peer has closed and all has been read.
   */
  tryNext(message: PlacedMessage): true | NotReady | Eof {
    enterScratch();
    try {
      return this.nextHere(message);
    } finally {
      leaveScratch();
    }
  }

  private nextHere(message: PlacedMessage): true | NotReady | Eof {
    for (;;) {
      const run = this.firstKept;
      if (run === undefined) {
        if (this.over) return EOF;
        if ((this.#state & RUNNING) !== 0) return NOT_READY;
        // What this turn has still to tell comes before what is received now.
        this.#host.channel.stream.hear?.();
        if (this.firstKept !== undefined) continue;
        this.runOn(undefined, false);
        if (this.firstKept === undefined) return this.over ? EOF : NOT_READY;
        continue;
      }
      const left = this.leftovers();
      const found = this.moveToNext(run, message);
      left.backlog?.settle();
      this.emptied(left);
      if (found) {
        this.#state |= TAKEN;
        return true;
      }
    }
  }

  /** Reading may get further after this: a reader has made room. */
  made(): void {
    if ((this.#state & (HALTED | RUNNING)) === HALTED && this.mayRead()) this.start();
  }

  /** Resolves when there may be a message. */
  ready(signal: AbortSignal | undefined): Promise<void> {
    if (this.over || this.firstKept !== undefined) return Promise.resolve();
    const left = this.leftovers();
    left.readers ??= new Waiters();
    return left.readers.wait(signal);
  }

  /** The first run of the backlog, for a batch. */
  get firstKept(): FrameRun | undefined {
    return this.#left?.backlog?.first;
  }
}

/** Connections that were closed and forgotten with messages that nobody has read. */
const unread = new FinalizationRegistry((inflater: { destroy(): void }) => inflater.destroy());

/** Bytes that were ever queued. */
function writtenTo({ output }: Channel): number {
  return output.offset + output.length;
}

const TEXT = FIN | OP_TEXT;
const BINARY = FIN | OP_BINARY;

/** Index behind a row's payload. */
function endOf({ table, base }: FrameRun, row: number): number {
  const at = base + HEADER_WORDS + row * ROW_WORDS;
  return table[at + R_OFFSET]! + table[at + R_LENGTH]!;
}

function startLater(inbound: Inbound): void {
  inbound.start();
}
