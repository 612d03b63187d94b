/**
 * A byte stream over a native socket: every operation is one system call, tried at once.
 *
 * `tryFill` receives into a page of the thread's pool, or, for the rest of a large record, where the record will be
 * read. `tryWrite` is one gather write; what the system does not take stays with the caller, so there is no second
 * queue here. Waiting is the reactor's: this asks for a turn when somebody waits and not before, and a connection that
 * nobody reads is not polled.
 *
 *   what someone does      what is wanted of the reactor
 *   ready('read')          WANT_READ: told once, then reads
 *   watch(watcher)         WANT_FLOW: records arrive framed; while records are large, WANT_READ instead
 *   ready('write')         WANT_WRITE: told once
 *
 * A connection that Node has still to write for (`adopt` of a busy socket) has no id yet: it reads nothing and takes
 * nothing until `attach`.
 *
 * A secure socket (lib/tls/secure-socket-stream.ts) is one of these, whose connection has a filter; what it does
 * otherwise are the protected methods.
 *
 * Over 400 lines, because what a connection waits for, receives, sends, and when it may be closed hang together.
 */
import { inspect } from 'node:util';
import { channels } from '../diagnostics.js';
import type { MiniprotoError } from '../errors.js';
import { letGo } from '../framed/framed.js';
import {
  E_END,
  E_ERROR,
  E_FLAGS,
  E_ROWS,
  E_START,
  E_TABLE,
  EVENT_ARRIVED,
  EVENT_ENDED,
  EVENT_FAILED,
  EVENT_READABLE,
  EVENT_WRITABLE,
  type SocketAddresses,
  type SocketCounters,
  WANT_FLOW,
  WANT_READ,
  WANT_WRITE,
} from '../net-interface.js';
import { type NeedRead, NOT_READY, type NotReady } from '../status.js';
import { BaseStream } from '../streams/base-stream.js';
import type { ReadyOptions, Watcher } from '../streams/byte-stream.js';
import { closeBypass, openBypass } from './bypasses.js';
import {
  type Connection,
  type ConnectionCounters,
  countersOf,
  describeConnection,
  NO_COUNTS,
  type ReleasedSocket,
} from './connection.js';
import { addressesIn, countersIn } from './description.js';
import { ExactReads } from './exact-reads.js';
import { LargeReads } from './large-reads.js';
import { nativeFramer } from './native-framers.js';
import { leasePage, PAGE_BYTES, returnPage } from './pages.js';
import { type Reactor, systemError } from './reactor.js';
import { toNodeSocket } from './release.js';
import { SocketTimeouts, type TimeoutOptions } from './timeouts.js';

/** Bytes. Less than this is copied out of its page at once, so that a slow reader does not hold a page for a line. */
const COPY_BELOW = 4096;
/** Bytes. From here on the rest of a record is received into its own memory. */
const LARGE_REST = 64 * 1024;
/** Bytes received at the beginning of a record that is probably large. */
const BITE = 16 * 1024;
/** Bytes that one connection receives in one turn at most, where it receives by itself. */
const TURN_BYTES = 256 * 1024;
/** Buffers of one gather write; see binding/net_sockets.cc. */
const MOST_PARTS = 64;

const NO_ID = -1;
/** Errno of Linux, negated: the only system with native sockets so far. */
const EAGAIN = -11;
const EBADF = -9;
const ENOBUFS = -105;
const ENOTCONN = -107;

export interface SocketStreamOptions extends TimeoutOptions {
  /** Bytes that are read ahead of the reader, unless more are asked for. Default 64 KiB. */
  readHighWaterMark?: number;
}

/** Bits of a stream's state. */
/** WANT_* as the reactor has them. */
const WANTS = WANT_READ | WANT_WRITE | WANT_FLOW;
/** Node has still to write what it had taken before the connection was adopted. */
const PENDING = 1 << 3;
/** Our side has been ended in the system. */
const FINISHED = 1 << 4;
/** The system took less than it was given. */
const FULL = 1 << 5;
const UNREFERENCED = 1 << 6;
/** From here on: the index of the framer that the reactor has for the connection, and one; 0 where it has none. */
const FRAMER_SHIFT = 8;
const NO_FRAMER = -1;

/** The connection whose turn it is, and the bytes that it may still receive in it. Turns may lie within one another. */
let turnOf: SocketStream | undefined;
let turnLeft = 0;

/** What an open connection mostly has not got. Made when it is needed: idle connections are many. */
class Extras {
  /** Once somebody has asked for them. */
  addresses: SocketAddresses | undefined = undefined;
  /** Nothing is to be received but what records need; 'wanted' until there is a connection. */
  exact: ExactReads | 'wanted' | undefined = undefined;
  /** Once a record was large. */
  large: LargeReads | undefined = undefined;
  timeouts: SocketTimeouts | undefined = undefined;
  /** What it was when it ended: see net/description.ts. */
  described: string | undefined = undefined;
  /** Whoever wants to know that the descriptor is closed. */
  closeListeners: (() => void)[] | undefined = undefined;
  /** Who has taken the connection over, and is destroyed with this. */
  heir: SocketStream | undefined = undefined;
}

/** A native socket. `adopt`, `listen` and `connect` make it. */
export class SocketStream extends BaseStream implements Connection {
  readonly #reactor: Reactor;
  #id = NO_ID;
  /** The bits above, in one word. */
  #state = PENDING;
  #extras: Extras | undefined;
  /** The connections of its server. */
  #among: Set<Connection> | undefined;

  /** Internal: use `adopt`, `listen` or `connect`. */
  constructor(reactor: Reactor, options: SocketStreamOptions = {}) {
    super(options.readHighWaterMark === undefined ? {} : { readHighWaterMark: options.readHighWaterMark });
    this.#reactor = reactor;
    this.setTimeouts(options);
  }

  get native(): boolean {
    return true;
  }

  get reason(): string {
    return 'the socket is native';
  }

  /** Internal: whose connection this is. */
  get reactor(): Reactor {
    return this.#reactor;
  }

  /** The connection's id in the reactor; -1 without one. Internal. */
  get id(): number {
    return this.#id;
  }

  get addresses(): SocketAddresses {
    const known = this.#extras?.addresses;
    if (known !== undefined) return known;
    const told = this.description();
    if (told === undefined) return {};
    const addresses = addressesIn(told);
    this.more().addresses = addresses;
    return addresses;
  }

  /** As it is now, or was in the end; undefined before the beginning. */
  private description(): string | undefined {
    return this.#id === NO_ID ? this.#extras?.described : this.#reactor.net.describe(this.#id);
  }

  private get wants(): number {
    return this.#state & WANTS;
  }

  private get framer(): number {
    return (this.#state >>> FRAMER_SHIFT) - 1;
  }

  private more(): Extras {
    this.#extras ??= new Extras();
    return this.#extras;
  }

  /** Bytes sent so far. */
  get bytesSent(): number {
    return this.counted().bytesSent;
  }

  /** Who has taken the connection over, and is destroyed with this. Internal. */
  set heir(heir: SocketStream) {
    this.more().heir = heir;
  }

  /**
   * Begins with a connection of the reactor's. Internal. What Node had read is in `input` by now.
   * @param finished our side has been ended already.
   */
  attach(id: number, { finished }: { finished: boolean }): void {
    this.#id = id;
    this.#state &= ~(PENDING | FINISHED);
    if (finished) this.#state |= FINISHED;
    this.#reactor.attach(this);
    if ((this.#state & UNREFERENCED) !== 0) this.#reactor.net.setReferenced(id, 0);
    if (channels.open.hasSubscribers) channels.open.publish({ stream: this });
    this.beginExact();
    if (this.wants !== 0) this.want(this.wants, 'again');
    this.watchOn();
    this.wakeWriters();
    // Those who wait have waited for Node.
    if (this.input.length > 0) this.wakeReaders();
  }

  // ---------------------------------------------------------------- reading

  protected pull(wanted: number): void {
    if (this.#id === NO_ID) return;
    const exactly = this.exactly();
    if (exactly !== undefined) return void this.came(exactly.receive(), PAGE_BYTES);
    const { input } = this;
    while (input.length < wanted && !(turnOf === this && turnLeft === 0)) {
      const record = this.largeRecord();
      if (!(record > 0 ? this.receiveRest(record) : this.receivePage())) return;
    }
  }

  /**
   * Bytes that the record at the front has, or probably has where nobody knows its end, if it is one whose rest is to be
   * received behind it; else 0.
   */
  private largeRecord(): number {
    const { length, needed } = this.input;
    if (length === 0) return 0;
    if (needed - length >= LARGE_REST) return needed;
    // Who reads by itself looks for the end in the pages as they come, and puts them together once.
    if (needed !== length + 1 || this.watcher === undefined) return 0;
    if (length < LARGE_REST && this.#extras?.large?.follow !== true) return 0;
    return this.largeReads().guess(this.input);
  }

  private largeReads(): LargeReads {
    const extras = this.more();
    extras.large ??= new LargeReads();
    return extras.large;
  }

  /** Internal: from now on, or no longer, reads no byte from the system that a record does not need. */
  readExactly(exact: boolean): boolean {
    this.exactly()?.leave();
    this.more().exact = exact ? 'wanted' : undefined;
    this.beginExact();
    return true;
  }

  private beginExact(): void {
    const extras = this.#extras;
    if (extras?.exact === 'wanted' && this.#id !== NO_ID) {
      extras.exact = new ExactReads(this.#reactor.net, this.#id, this.input);
    }
  }

  private exactly(): ExactReads | undefined {
    const exact = this.#extras?.exact;
    return exact === 'wanted' ? undefined : exact;
  }

  /** Internal: the first `keep` bytes of the input are a record's, and nothing behind them is. */
  settlePeeked(keep: number): void {
    this.exactly()?.settle(keep);
  }

  /** @returns true when as much came as was asked for: there is probably more. */
  private receivePage(): boolean {
    const page = leasePage();
    const size = this.#extras?.large?.takeBite() === true ? BITE : PAGE_BYTES;
    const count = this.#reactor.net.receive(this.#id, page, 0, size, 0);
    if (count >= COPY_BELOW) this.input.append(page.subarray(0, count), () => returnPage(page));
    else {
      if (count > 0) {
        this.input.countCopy(count);
        this.input.append(Buffer.from(page.subarray(0, count)));
      }
      returnPage(page);
    }
    return this.came(count, size);
  }

  /** Receives the rest of a large record where it will be read. */
  private receiveRest(needed: number): boolean {
    const large = this.largeReads();
    if (Math.max(needed - this.input.length, this.input.length) >= LARGE_REST) large.found();
    else large.takeBite();
    // What is handed on at once needs no memory of its own, and memory that was used before costs less.
    const { bytes, from, to } = this.input.reserve(needed, { pooled: this.handsOn() });
    const count = this.#reactor.net.receive(this.#id, bytes, from, to, 0);
    if (count > 0) this.input.commit(count);
    large.received(this.input);
    return this.came(count, to - from);
  }

  /** What is received is looked at and gone: it needs no memory of its own. */
  private handsOn(): boolean {
    return this.watcher !== undefined && this.watcher.keeps !== true;
  }

  private came(count: number, asked: number): boolean {
    if (turnOf === this) turnLeft = Math.max(0, turnLeft - count);
    // A stream socket that gives less than it was asked for has no more.
    if (count > 0) return count === asked;
    this.stopped(count);
    return false;
  }

  /** No bytes came: nothing is there yet, the peer has ended, or the connection has failed. @param count 0 or an errno, negated */
  protected stopped(count: number): void {
    if (count === EAGAIN) return;
    if (count === 0) this.inputEnded();
    else this.fail(systemError('recv', count));
  }

  override ready(direction: 'read' | 'write', options?: ReadyOptions): Promise<void> {
    // Before the wait: it is one only where the reactor will tell.
    if (direction === 'write' && this.awaitsRoom() && !this.destroyed) this.want(this.wants | WANT_WRITE);
    const wait = super.ready(direction, options);
    if (direction === 'read' && !this.ended && !this.destroyed) this.want(this.wants | WANT_READ);
    // What nobody waits for any more must not keep the process.
    if (options?.signal !== undefined) wait.catch(() => this.forgo());
    return wait;
  }

  /** Something has to leave before a write is taken, or before all is flushed. */
  protected awaitsRoom(): boolean {
    return (this.#state & FULL) !== 0;
  }

  /** Somebody has left: what was wanted for them is wanted no longer, unless others wait. */
  private forgo(): void {
    if (this.#id === NO_ID || this.watcher !== undefined) return;
    this.want((this.awaited ? this.wants & WANT_READ : 0) | (this.awaitedWrite ? this.wants & WANT_WRITE : 0));
  }

  /** Internal, see Watcher. */
  watch(watcher: Watcher | undefined): void {
    this.watcher = watcher;
    this.wantAnew();
    if (watcher === undefined) this.hear();
  }

  /** Asks for what those who are there need. Whoever waits without watching still does. */
  protected wantAnew(): void {
    if (this.watcher !== undefined) return this.watchOn();
    this.want((this.wants & WANT_WRITE) | (this.awaited ? WANT_READ : 0));
  }

  /**
   * Hears now what the turn under way has still to tell: whoever reads by itself from here on, in a handler of another
   * connection, must not get later bytes first. Internal.
   */
  hear(): void {
    if (this.#id === NO_ID) return;
    const at = this.#reactor.claim(this.#id);
    if (at >= 0) this.turn(this.#reactor, at);
  }

  /** Asks for what the watcher needs next: framed records, or the word that there is more of a large one. */
  private watchOn(): void {
    if (this.watcher === undefined || this.ended || this.destroyed || this.#id === NO_ID) return;
    const { input } = this;
    const extras = this.#extras;
    const large =
      (extras !== undefined && (extras.large?.follow === true || this.exactly() !== undefined)) ||
      this.largeRecord() > 0;
    this.want((this.wants & WANT_WRITE) | (large ? WANT_READ : WANT_FLOW));
    // What follows an unfinished record cannot be framed without it.
    const framer = input.length > 0 ? NO_FRAMER : nativeFramer(this.#reactor.net, this.watcher.framer);
    if (framer === this.framer) return;
    this.#state = (this.#state & ((1 << FRAMER_SHIFT) - 1)) | ((framer + 1) << FRAMER_SHIFT);
    this.#reactor.net.setFramer(this.#id, framer);
  }

  /** @param given WANT_* @param when 'again': says it although it was said before. */
  protected want(given: number, when: 'changed' | 'again' = 'changed'): void {
    const wants = given | this.wantsBesides();
    if (wants === this.wants && when === 'changed') return;
    this.#state = (this.#state & ~WANTS) | wants;
    if (this.#id === NO_ID) return;
    const result = this.#reactor.net.want(this.#id, wants);
    if (result < 0) this.fail(systemError('epoll_ctl', result));
  }

  /** WANT_* that are wanted although nobody here waits. */
  protected wantsBesides(): number {
    return 0;
  }

  /** Says again what is wanted, so that the reactor looks at the connection's filter. */
  protected nudge(): void {
    this.want(this.wants, 'again');
  }

  /** Internal: one event of a turn. */
  turn(reactor: Reactor, at: number): void {
    const { events } = reactor;
    const flags = events[at + E_FLAGS]!;
    if ((flags & EVENT_WRITABLE) !== 0) {
      this.#state &= ~(WANT_WRITE | FULL);
      this.wakeWriters();
    }
    if ((flags & EVENT_ARRIVED) !== 0) this.arrived(reactor, at);
    else if ((flags & EVENT_READABLE) !== 0) {
      this.#state &= ~WANT_READ;
      const outer = turnOf;
      const outerLeft = turnLeft;
      turnOf = this;
      turnLeft = TURN_BYTES;
      try {
        this.wakeReaders();
      } finally {
        turnOf = outer;
        turnLeft = outerLeft;
      }
      this.watchOn();
    } else if ((flags & EVENT_ENDED) !== 0) {
      this.#state &= ~(WANT_READ | WANT_FLOW);
      this.inputEnded();
    } else if ((flags & EVENT_FAILED) !== 0) {
      this.#state &= ~(WANT_READ | WANT_FLOW);
      this.fail(systemError('recv', events[at + E_ERROR]!));
    }
  }

  private arrived({ arena, table, events }: Reactor, at: number): void {
    const { input } = this;
    const framed = input.length === 0 && input.searched === 0 && input.overflow === 0 && this.framer !== NO_FRAMER;
    // One receive a turn: a connection that floods must not keep the others waiting, and epoll tells of the rest.
    const outer = turnOf;
    const outerLeft = turnLeft;
    turnOf = this;
    turnLeft = 0;
    input.appendBorrowed(arena, events[at + E_START]!, events[at + E_END]!);
    try {
      this.wakeWaiting();
      this.watcher?.arrived(table, events[at + E_TABLE]!, framed ? events[at + E_ROWS]! : -1);
    } finally {
      turnOf = outer;
      turnLeft = outerLeft;
    }
    if (input.length > 0) {
      const record = this.largeRecord();
      if (record > 0) input.reserve(record, { pooled: this.handsOn() });
      input.keepBorrowed();
    }
    this.watchOn();
  }

  // ---------------------------------------------------------------- writing

  /** Bytes that were written and have not been handed to the system: none, what it does not take is not taken here. */
  get pendingOutput(): number {
    return 0;
  }

  /** What was written and has not been taken is the caller's again. Internal. */
  get freesWritten(): boolean {
    return true;
  }

  override get pendingWrite(): NotReady | NeedRead | undefined {
    return !this.destroyed && (this.#state & (PENDING | FULL)) !== 0 ? NOT_READY : undefined;
  }

  protected blocked(): boolean {
    // While the reactor will tell, there is no use in trying; otherwise trying is how one finds out.
    return (this.#state & PENDING) !== 0 || ((this.#state & FULL) !== 0 && (this.wants & WANT_WRITE) !== 0);
  }

  /** The system took less than it was given, and has not said that there is room again. */
  get stalled(): boolean {
    return (this.#state & FULL) !== 0 && (this.wants & WANT_WRITE) !== 0;
  }

  protected flushed(): boolean {
    return (this.#state & PENDING) === 0;
  }

  protected push(parts: readonly Uint8Array[]): number {
    const { net } = this.#reactor;
    const first = parts[0]!;
    const single = parts.length === 1;
    const sent = single
      ? net.send(this.#id, first, 0, first.length)
      : net.sendParts(this.#id, parts.length > MOST_PARTS ? parts.slice(0, MOST_PARTS) : parts);
    return this.sent(sent, single ? first.length : sumOf(parts));
  }

  tryWriteRange(bytes: Buffer, from: number, to: number): number | NotReady | NeedRead {
    this.checkWritable();
    if (this.blocked()) return NOT_READY;
    return this.sent(this.#reactor.net.send(this.#id, bytes, from, to), to - from) || NOT_READY;
  }

  /** See ByteStream. */
  openBypass(): number {
    if ((this.#state & FULL) !== 0 || this.destroyed || this.#id === NO_ID) return NO_ID;
    openBypass(this.#id);
    return this.#id;
  }

  /** See ByteStream. */
  closeBypass(): void {
    closeBypass(this.#id);
  }

  /**
   * Notes that the system has not taken all of what was sent past the stream. Internal.
   * @param sent as `send` of the addon answers. @returns the bytes that were taken. @throws the stream's failure.
   */
  sentDirectly(sent: number, wanted: number): number {
    return this.sent(sent, wanted);
  }

  /** @param sent bytes, or a negative errno. @returns the bytes that were taken, 0 when the system would block. */
  private sent(sent: number, wanted: number): number {
    if (sent <= 0) return this.notSent(sent);
    this.#state &= ~FULL;
    if (sent < wanted) this.noteStall();
    return sent;
  }

  /** @param errno negated. @returns 0 when the system would block. @throws the stream's failure. */
  protected notSent(errno: number): number {
    if (errno !== EAGAIN && errno !== ENOBUFS) {
      const error = systemError('send', errno);
      this.failOutput(error);
      throw error;
    }
    this.noteStall();
    return 0;
  }

  /** The system took less than it was given. */
  private noteStall(): void {
    this.#state |= FULL;
    // Before anybody is told, who may send to others.
    closeBypass(this.#id);
    if (channels.stall.hasSubscribers) channels.stall.publish({ stream: this });
  }

  protected endOutput(): Promise<void> | undefined {
    if ((this.#state & PENDING) !== 0) return this.endOnceAttached();
    if (this.#id === NO_ID) return undefined;
    const result = this.#reactor.net.shutdown(this.#id, this.ended ? 1 : 0);
    if (result < 0 && result !== ENOTCONN) throw systemError('shutdown', result);
    const left = this.lastLeft();
    if (left !== undefined) return left.then(() => this.outputGone());
    this.outputGone();
    return undefined;
  }

  private async endOnceAttached(): Promise<void> {
    while ((this.#state & PENDING) !== 0) await super.ready('write');
    await this.endOutput();
  }

  private outputGone(): void {
    this.#state |= FINISHED;
    if (this.ended) this.closeConnection(undefined);
  }

  /** Resolves when our end has left; undefined where it is gone at once. */
  protected lastLeft(): Promise<void> | undefined {
    return undefined;
  }

  // ---------------------------------------------------------------- life

  protected override inputEnded(): void {
    // Nothing can come any more, and nothing can go: the descriptor has served its time.
    if ((this.#state & FINISHED) !== 0) this.closeConnection(undefined);
    super.inputEnded();
  }

  protected override fail(error: unknown): void {
    this.closeConnection(error);
    super.fail(error);
  }

  protected abandon(error: MiniprotoError | undefined): void {
    this.closeConnection(error);
  }

  override destroy(error?: Error): void {
    this.#extras?.heir?.destroy(error);
    super.destroy(error);
  }

  /** Closes the descriptor; what was received can still be read. */
  private closeConnection(error: unknown): void {
    if (this.#id !== NO_ID) this.#reactor.net.remove(this.forget());
    else if ((this.#state & PENDING) === 0) return;
    this.afterClose(error);
  }

  private afterClose(error: unknown): void {
    const opened = (this.#state & PENDING) === 0;
    this.#state &= ~PENDING;
    const extras = this.#extras;
    extras?.timeouts?.stop();
    if (opened && channels.close.hasSubscribers) channels.close.publish({ stream: this, error });
    this.#among?.delete(this);
    const listeners = extras?.closeListeners;
    if (extras !== undefined) extras.closeListeners = undefined;
    this.letGoBelow();
    if (listeners !== undefined) for (const listener of listeners) listener();
  }

  /** The connection is not ours any more: whatever else belongs to it may go. */
  protected letGoBelow(): void {
    // Nothing does.
  }

  /**
   * Takes another stream's connection, with what is known of it: who counts it, who hears of its end, its timeouts unless
   * this one has its own. That stream is destroyed by it, the connection is not. Internal.
   * Pre: this stream has none; the other one is attached, and nobody watches it.
   * @returns what was received and not consumed.
   */
  takeOver(other: SocketStream): Buffer {
    other.hear();
    if (other.#id === NO_ID) throw systemError('take over', EBADF);
    other.exactly()?.leave();
    const unread = other.input.take(other.input.length);
    this.#state = (this.#state & ~UNREFERENCED) | (other.#state & UNREFERENCED);
    const extras = this.more();
    const others = other.more();
    extras.closeListeners = others.closeListeners;
    others.closeListeners = undefined;
    if (other.#among !== undefined) this.joins(other.#among);
    if (extras.timeouts === undefined && others.timeouts !== undefined) this.setTimeouts(others.timeouts.options);
    const finished = (other.#state & FINISHED) !== 0;
    // What frames the other one's records may change them where they lie, and knows nothing of ours.
    if (other.framer !== NO_FRAMER) this.#reactor.net.setFramer(other.#id, -1);
    const id = other.forget();
    extras.addresses = others.addresses;
    other.afterClose(undefined);
    other.destroy();
    this.attach(id, { finished });
    return unread;
  }

  /** Is in the set until it is closed, and not at all if it is. Internal; one set. */
  joins(connections: Set<Connection>): void {
    if (this.gone()) return;
    connections.add(this);
    this.#among = connections;
  }

  whenClosed(listener: () => void): void {
    if (this.gone()) return listener();
    const extras = this.more();
    if (extras.closeListeners === undefined) extras.closeListeners = [listener];
    else extras.closeListeners.push(listener);
  }

  private gone(): boolean {
    return this.#id === NO_ID && (this.#state & PENDING) === 0;
  }

  /** The connection is no longer the reactor's to tell of. @returns its id. */
  private forget(): number {
    const id = this.#id;
    this.more().described = this.#reactor.net.describe(id);
    this.#reactor.detach(id);
    this.#id = NO_ID;
    this.#state &= ~WANTS;
    return id;
  }

  ref(): this {
    return this.setReferenced(true);
  }

  unref(): this {
    return this.setReferenced(false);
  }

  private setReferenced(referenced: boolean): this {
    this.#state = referenced ? this.#state & ~UNREFERENCED : this.#state | UNREFERENCED;
    if (this.#id !== NO_ID) this.#reactor.net.setReferenced(this.#id, referenced ? 1 : 0);
    return this;
  }

  setTimeouts(options: TimeoutOptions): void {
    this.#extras?.timeouts?.stop();
    const timeouts = SocketTimeouts.of(this, options);
    if (timeouts !== undefined || this.#extras !== undefined) this.more().timeouts = timeouts;
  }

  counters(): ConnectionCounters {
    return countersOf(this, this.counted());
  }

  private counted(): SocketCounters {
    const told = this.description();
    return told === undefined ? NO_COUNTS : countersIn(told);
  }

  release(): ReleasedSocket {
    const { descriptor, unread, unsent } = this.releaseDescriptor();
    const released = toNodeSocket(descriptor, unread, { finished: (this.#state & FINISHED) !== 0 });
    if (unsent.length > 0) released.socket.write(unsent);
    return released;
  }

  releaseDescriptor(): { descriptor: number; unread: Buffer; unsent: Buffer } {
    const unsent = letGo(this);
    // What this turn has still to tell is unread as well, and no record for whoever watches.
    const { watcher } = this;
    this.watcher = undefined;
    this.hear();
    this.watcher = watcher;
    if (this.#id === NO_ID) throw systemError('release', EBADF);
    this.exactly()?.leave();
    const unread = this.input.take(this.input.length);
    const descriptor = this.#reactor.net.detach(this.forget());
    this.afterClose(undefined);
    this.destroy();
    return { descriptor, unread, unsent };
  }

  override [inspect.custom](): string {
    return this.describe('SocketStream', 'native');
  }

  protected describe(name: string, kind: string): string {
    const state =
      (this.#state & PENDING) !== 0 ? 'adopting' : this.#id === NO_ID ? 'closed' : this.ended ? 'ended' : 'open';
    return describeConnection(name, this, `${kind}, ${state}`);
  }
}

function sumOf(parts: readonly Uint8Array[]): number {
  let sum = 0;
  for (const part of parts) sum += part.length;
  return sum;
}
