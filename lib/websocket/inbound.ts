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
import { HEADER_WORDS, R_FLAGS, R_LENGTH, R_OFFSET, ROW_WORDS, WS_FIRST_SHIFT, WS_FLAG_ASCII } from '../frame-table.js';
import type { Channel } from '../framed/channel.js';
import type { Framer } from '../native-interface.js';
import { EOF, type Eof, NOT_READY, type NotReady } from '../status.js';
import type { Watcher } from '../streams/byte-stream.js';
import { Waiters } from '../streams/waiters.js';
import { Backlog } from './backlog.js';
import { enterScratch, leaveScratch } from './deflate/scratch.js';
import { type FrameRun, type FrameSource, isRun } from './frame-source.js';
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

export class Inbound implements Watcher {
  /** Where frames come from; for those who take messages in pieces. */
  readonly source: FrameSource;
  readonly #channel: Channel;
  readonly #host: InboundHost;
  /** Bytes of frames kept for a reader before reading stops. */
  readonly #mark: number;
  /** Bytes. Frames may be longer than messages where they may be compressed; which of the two it is, the assembly checks. */
  readonly #mostWhole: number;
  #assembly: MessageAssembly | undefined;
  #backlog: Backlog | undefined;
  #receiver: MessageReceiver | undefined;
  /**
   * Frames are taken strictly in their order, control frames too: while paused nothing is read, and nothing is kept
   * back because of output. So the face of `ws` has it.
   */
  #inOrder = false;
  #scope: AsyncResource | undefined;
  #readers: Waiters | undefined;
  #paused = false;
  /** The output is full: nothing is handed out until it has left. */
  #blocked = false;
  #running = false;
  /** Something happened while a run was being handed out. */
  #again = false;
  #watching = false;
  /** No frame is looked at any more: the peer has closed, or failed. */
  #over = false;
  /** Messages that nobody takes are dropped: the connection is closing. */
  #discards = false;
  /** They are from now on: what comes next may continue what was dropped. */
  #lossy = false;
  /** A message was taken since others had their turn. */
  #taken = true;
  /** Others have their turn. */
  #yielding = false;
  /** Nothing is handed out any more. */
  #dropped = false;
  /** Reading has stopped although there may be more in the input, or in the stream. */
  #halted = false;
  /** The handler has sent something: it is given messages only while there is room for an answer. */
  #answers = false;
  /** Somebody takes the frames by himself. */
  #suspended = false;
  /** The connection is closed; what it inflates with lives until the last message that is kept was taken. */
  #inflater: { destroy(): void } | undefined;

  constructor(source: FrameSource, channel: Channel, host: InboundHost, mark: number) {
    this.source = source;
    this.#channel = channel;
    this.#host = host;
    this.#mark = mark;
    const { compression, maxLength } = source.framing;
    this.#mostWhole = compression ? surelyWithin(maxLength) : maxLength;
  }

  get framer(): Framer | undefined {
    return this.source.framer;
  }

  /** Whoever takes messages keeps them: memory of their own is not taken back. See Watcher. */
  get keeps(): boolean {
    return this.#inOrder;
  }

  /** No frame is looked at any more; what is in the backlog can still be read. */
  get over(): boolean {
    return this.#over;
  }

  get delivering(): boolean {
    return this.#receiver !== undefined;
  }

  /** Begins to read, or goes on. */
  start(): void {
    // In a handler of another connection: what this turn has still to tell comes before what is received now.
    this.#channel.stream.hear?.();
    this.#run(undefined, false);
  }

  /** Has what messages are inflated with destroyed as soon as none is kept any more, or can be asked for. */
  outlives(inflater: { destroy(): void }): void {
    if (this.#backlog?.first === undefined && !this.#suspended) return inflater.destroy();
    this.#inflater = inflater;
    unread.register(this, inflater, this);
  }

  #emptied(): void {
    if (this.#inflater === undefined || this.#backlog?.first !== undefined) return;
    unread.unregister(this);
    this.#inflater.destroy();
    this.#inflater = undefined;
  }

  /** Hands every message to `receiver` from now on, those of the backlog first. */
  deliverTo(receiver: MessageReceiver, { inOrder }: { inOrder: boolean }): void {
    this.#receiver = receiver;
    this.#inOrder = inOrder;
    this.#scope = new AsyncResource('MINIPROTO_WEBSOCKET');
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    process.nextTick(startLater, this);
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** From now on what nobody takes is dropped, so that the peer's close is seen. */
  discard(): void {
    this.#discards = !this.#inOrder;
    this.start();
  }

  /** Looks at no more frames. */
  stop(): void {
    if (this.#over) return;
    this.#over = true;
    this.#unwatch();
    this.wake();
  }

  /** The same, and what is kept is given to nobody any more. */
  drop(): void {
    this.#dropped = true;
    this.#backlog = undefined;
    this.#emptied();
    this.stop();
  }

  /** Nothing is read because of us: nobody has taken what came. */
  get halted(): boolean {
    return this.#halted && !this.#blocked;
  }

  /** Nothing is read because the peer takes nothing. */
  get blocked(): boolean {
    return this.#blocked;
  }

  /** Wakes those who wait for messages. */
  wake(): void {
    this.#readers?.wake();
  }

  // ---------------------------------------------------------------- arrivals

  arrived(table: Int32Array, base: number, rows: number): void {
    if (this.#over) return;
    this.#run(rows < 0 || table.length === 0 ? undefined : this.source.adopt(table, base, rows), true);
  }

  #run(first: FrameRun | undefined, inTurn: boolean): void {
    if (this.#running) {
      this.#again = true;
      if (first !== undefined) this.#keep(first);
      return;
    }
    if (this.#scope === undefined) this.#handOut(first, inTurn);
    // The call came from the reactor, or from whoever wrote; the handler belongs to whoever set it.
    else this.#scope.runInAsyncScope(this.#handOut, this, first, inTurn);
  }

  #handOut(first: FrameRun | undefined, inTurn: boolean): void {
    const channel = this.#channel;
    this.#running = true;
    this.#halted = false;
    channel.hold();
    enterScratch();
    let others = false;
    try {
      do {
        this.#again = false;
        others = this.#takeAll(first);
      } while (this.#again && !others);
    } catch (error) {
      this.#host.inputFailed(error);
    } finally {
      this.#running = false;
      leaveScratch();
      channel.release();
    }
    if (others && !this.#yielding) void this.#yield();
    // A stream that has more would call before others had their turn.
    if (!this.#yielding) this.#rearm(inTurn);
  }

  /** Takes what is there. @returns true when others should have their turn first. */
  #takeAll(first: FrameRun | undefined): boolean {
    this.#takeBacklog();
    let run = first;
    for (let runs = 0; ; runs++) {
      if (run === undefined) {
        if (!this.#mayRead()) {
          this.#halted = true;
          return false;
        }
        if (runs >= RUNS_PER_TURN || this.#givesTime()) return true;
        const answer = this.source.tryNext();
        if (!isRun(answer)) {
          if (answer === EOF && !this.#over) this.#host.inputEnded();
          return false;
        }
        run = answer;
      }
      this.#take(run);
      run = undefined;
    }
  }

  #take(run: FrameRun): void {
    try {
      if (this.#delivers() && !this.#lossy) this.#deliverRun(run);
      // Once it is over, what is left was behind the end.
      if (run.row < run.rows && !this.#over) this.#keep(run);
    } finally {
      this.#channel.returnLent();
      this.source.done(run);
    }
  }

  #takeBacklog(): void {
    const backlog = this.#backlog;
    if (backlog === undefined) return;
    while (backlog.first !== undefined && this.#delivers()) {
      this.#deliverRun(backlog.first);
      backlog.settle();
    }
    this.#emptied();
  }

  #delivers(): boolean {
    return this.#receiver !== undefined && !this.#paused && !this.#blocked && !this.#dropped;
  }

  #mayRead(): boolean {
    if (this.#over || this.#blocked || this.#suspended) return false;
    if (this.#receiver !== undefined && !this.#paused) return true;
    if (this.#inOrder) return false;
    return this.#discards || (this.#backlog?.length ?? 0) < this.#mark;
  }

  /** While it closes: a reader has time to take what is kept, as often as he does, before anything is dropped. */
  #givesTime(): boolean {
    if (!this.#discards || this.#lossy || (this.#backlog?.length ?? 0) < this.#mark) return false;
    if (this.#yielding) return true;
    this.#lossy = !this.#taken;
    this.#taken = false;
    return !this.#lossy;
  }

  /** Hands out the messages of a run, until something stops it. */
  #deliverRun(run: FrameRun): void {
    const channel = this.#channel;
    const message = new PlacedMessage(channel);
    const receiver = this.#receiver!;
    if (this.#inOrder) {
      this.#answers = true;
      message.willReach(run.bytes, endOf(run, run.rows - 1));
    }
    try {
      while (run.row < run.rows && !this.#dropped && !(this.#over && !run.kept)) {
        if (!this.#moveToNext(run, message)) continue;
        const before = this.#answers ? 0 : writtenTo(channel);
        try {
          receiver.deliver(message);
        } catch (error) {
          this.#host.handlerFailed(error);
        }
        if (!this.#answers) this.#answers = channel.refused || writtenTo(channel) !== before;
        // A handler that never answers goes on: the peer may have to be read for it to read.
        if (channel.full && this.#answers) this.#block();
        if (this.#paused || this.#blocked) return;
      }
    } finally {
      message.expire();
    }
  }

  /** Takes the next frame of a run. @returns true when it completes a message, which `message` then is at. */
  #moveToNext(run: FrameRun, message: PlacedMessage): boolean {
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
      if (this.#channel.full && this.#answers) this.#block();
      return false;
    }
    return this.#assemble(run, message, first, from, length);
  }

  #assemble(run: FrameRun, message: PlacedMessage, first: number, from: number, length: number): boolean {
    this.#assembly ??= this.#host.makeAssembly();
    const whole = this.#add(first, run, from, length);
    if (whole === undefined) return false;
    message.moveTo(whole.bytes, whole.from, whole.to, whole.isText, false, whole.lent, -1);
    return true;
  }

  #add(first: number, run: FrameRun, from: number, length: number): Assembled | undefined {
    try {
      return this.#assembly!.add(first, run.bytes, from, from + length, run.offset);
    } catch (error) {
      // The message is wrong: there are none behind it.
      this.#host.inputFailed(error);
      this.drop();
      throw error;
    }
  }

  /** Keeps the rest of a run for later; its control frames are handled now, unless everything has its order. */
  #keep(run: FrameRun): void {
    const { table, bytes } = run;
    const first = run.row;
    for (let row = first; row < run.rows && !this.#inOrder; row++) {
      const at = run.base + HEADER_WORDS + row * ROW_WORDS;
      const opcode = (table[at + R_FLAGS]! >>> WS_FIRST_SHIFT) & OPCODE_MASK;
      if (opcode < OP_CLOSE) continue;
      const from = table[at + R_OFFSET]!;
      this.#host.control(opcode, bytes, from, from + table[at + R_LENGTH]!);
    }
    run.row = run.rows;
    if (this.#lossy) return;
    this.#backlog ??= new Backlog();
    if (this.#backlog.keep(run, first, { control: this.#inOrder })) this.wake();
  }

  // ---------------------------------------------------------------- waiting

  /** Hands nothing out until output has left. */
  #block(): void {
    const channel = this.#channel;
    channel.returnLent();
    channel.pushOn();
    if (!channel.full || this.#blocked || this.#inOrder) return;
    this.#blocked = true;
    void this.#unblock();
  }

  async #unblock(): Promise<void> {
    try {
      while (this.#channel.full) await this.#channel.ready(undefined);
    } catch {
      // The stream is gone: reading finds out why.
    }
    this.#blocked = false;
    this.start();
  }

  async #yield(): Promise<void> {
    this.#yielding = true;
    await nextTurn();
    this.#yielding = false;
    this.start();
  }

  /** Has the stream tell of the next arrival, as long as it may be taken. */
  #rearm(inTurn: boolean): void {
    const { stream } = this.#channel;
    if (!this.#mayRead()) return this.#unwatch();
    if (stream.watch !== undefined) {
      // In a turn the stream looks by itself at what is wanted next.
      if (this.#watching && inTurn) return;
      this.#watching = true;
      stream.watch(this);
    } else if (!this.#watching) {
      this.#watching = true;
      const moved = () => this.#moved();
      stream.ready('read').then(moved, moved);
    }
  }

  #moved(): void {
    this.#watching = false;
    this.start();
  }

  #unwatch(): void {
    const { stream } = this.#channel;
    if (!this.#watching || stream.watch === undefined) return;
    // Rows of this turn are lost on those who do not watch.
    stream.hear?.();
    this.#watching = false;
    stream.watch(undefined);
  }

  // ---------------------------------------------------------------- messages in pieces

  /** Reads nothing by itself until `proceed`: somebody takes the frames. */
  suspend(): void {
    this.#suspended = true;
    this.#unwatch();
  }

  proceed(): void {
    this.#suspended = false;
    this.start();
  }

  /** The oldest frames that are kept, and what has come of a message that is open. */
  takeKept(): FrameRun | undefined {
    this.#channel.stream.hear?.();
    return this.#backlog?.shift();
  }

  takeOpen(): { first: number; bytes: Buffer } | undefined {
    return this.#assembly?.takeOpen();
  }

  /** Keeps what somebody has not taken. */
  keepRest(run: FrameRun): void {
    if (run.row < run.rows && !this.#dropped) {
      if (run.kept) {
        this.#backlog ??= new Backlog();
        this.#backlog.unshift(run);
        return;
      }
      if (!this.#over) this.#keep(run);
    }
    this.source.done(run);
  }

  /** Nothing is handed out any more. */
  get dropped(): boolean {
    return this.#dropped;
  }

  // ---------------------------------------------------------------- messages that are asked for

  /**
   * Moves `message` to the next one, in memory that is good until somebody asks for another.
   * @returns NOT_READY; EOF once the peer has closed and all has been read.
   */
  tryNext(message: PlacedMessage): true | NotReady | Eof {
    enterScratch();
    try {
      return this.#tryNext(message);
    } finally {
      leaveScratch();
    }
  }

  #tryNext(message: PlacedMessage): true | NotReady | Eof {
    for (;;) {
      const run = this.#backlog?.first;
      if (run === undefined) {
        if (this.#over) return EOF;
        if (this.#running) return NOT_READY;
        // What this turn has still to tell comes before what is received now.
        this.#channel.stream.hear?.();
        if (this.#backlog?.first !== undefined) continue;
        this.#run(undefined, false);
        if (this.#backlog?.first === undefined) return this.#over ? EOF : NOT_READY;
        continue;
      }
      const found = this.#moveToNext(run, message);
      this.#backlog?.settle();
      this.#emptied();
      if (found) {
        this.#taken = true;
        return true;
      }
    }
  }

  /** Reading may get further after this: a reader has made room. */
  made(): void {
    if (this.#halted && !this.#running && this.#mayRead()) this.start();
  }

  /** Resolves when there may be a message. */
  ready(signal: AbortSignal | undefined): Promise<void> {
    if (this.#over || this.#backlog?.first !== undefined) return Promise.resolve();
    this.#readers ??= new Waiters();
    return this.#readers.wait(signal);
  }

  /** The first run of the backlog, for a batch. */
  get firstKept(): FrameRun | undefined {
    return this.#backlog?.first;
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
