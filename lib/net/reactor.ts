/**
 * One reactor per thread: the memory of its turns, and who gets what of a turn.
 *
 * A turn is one call from the addon with a table of events. Bytes that arrived lie in the arena, which every connection
 * of the thread shares, and are gone when the turn ends: each connection copies what it has not given out by then.
 */
import { getSystemErrorName } from 'node:util';
import { bufferCounters } from '../bytes/buffer-counters.js';
import { TransportError } from '../errors.js';
import { nativeNet } from '../native.js';
import { E_ID, EVENT_WORDS, type NetInterface, type ReactorCounters, SLOT_MASK } from '../net-interface.js';
import { closeBypass } from './bypasses.js';
import { allocatePage } from './pages.js';

/** Bytes received in one turn at most: what the second-level cache of a server's core holds, twice over. */
const ARENA_BYTES = 512 * 1024;
/** Words of the frame tables of one turn: 8,000 rows. */
const TABLE_WORDS = 32 * 1024;
/** Connections that one turn tells about. */
const MOST_EVENTS = 512;
/** In place of an id: the event has been told. */
const NOBODY = -2;

/** A connection, as the reactor sees it. */
export interface TurnTarget {
  readonly id: number;
  /** Something happened: see the event's words at `at`. */
  turn(reactor: Reactor, at: number): void;
}

export class Reactor {
  readonly net: NetInterface;
  readonly arena: Buffer = allocatePage(ARENA_BYTES);
  readonly table: Int32Array = new Int32Array(TABLE_WORDS);
  readonly events: Int32Array = new Int32Array(MOST_EVENTS * EVENT_WORDS);
  readonly #targets: (TurnTarget | undefined)[] = [];
  /** Words of `events` that are still to be told: [#next, #end), empty outside of turns. */
  #next = 0;
  #end = 0;
  #sendsAtExit = false;

  constructor(net: NetInterface) {
    this.net = net;
    const result = net.start(this.arena, this.table, this.events, (count) => this.#onTurn(count));
    if (result < 0) throw systemError('epoll', result);
  }

  /** Duplicates the descriptor. @returns the connection's id, or a negative errno. */
  add(descriptor: number): number {
    return this.net.add(descriptor);
  }

  /** What a filter keeps until the end of a turn leaves too where the process exits in the middle of it. */
  sendAtExit(): void {
    if (this.#sendsAtExit) return;
    this.#sendsAtExit = true;
    process.on('exit', () => this.net.endTurn());
  }

  /** From now on `target` hears of its connection. */
  attach(target: TurnTarget): void {
    this.#targets[target.id & SLOT_MASK] = target;
  }

  detach(id: number): void {
    closeBypass(id);
    this.#targets[id & SLOT_MASK] = undefined;
  }

  /**
   * The event of the turn under way that the connection has still to hear of: it is the caller's to tell now.
   * @returns where it stands, or -1.
   */
  claim(id: number): number {
    const { events } = this;
    for (let at = this.#next; at < this.#end; at += EVENT_WORDS) {
      if (events[at + E_ID] !== id) continue;
      events[at + E_ID] = NOBODY;
      return at;
    }
    return -1;
  }

  #onTurn(count: number): void {
    const { events } = this;
    this.#end = count * EVENT_WORDS;
    for (let at = 0; at < this.#end; at += EVENT_WORDS) {
      this.#next = at + EVENT_WORDS;
      const id = events[at + E_ID]!;
      const target = this.#targets[id & SLOT_MASK];
      // Closed by a handler in this very turn.
      if (target?.id === id) this.#tell(target, at);
    }
  }

  /** One event. What a listener of somebody's throws is an uncaught exception, and the others get their turn. */
  #tell(target: TurnTarget, at: number): void {
    try {
      target.turn(this, at);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}

let reactor: Reactor | undefined;
let failed = false;

/** The thread's reactor; undefined where sockets are not native. */
export function threadReactor(): Reactor | undefined {
  if (reactor !== undefined || failed) return reactor;
  const net = nativeNet();
  try {
    if (net !== undefined) reactor = new Reactor(net);
  } catch {
    // No descriptor was left for it: sockets stay Node's, and a later one tries again.
    return undefined;
  }
  failed = reactor === undefined;
  return reactor;
}

/**
 * Counters of all native sockets of this thread, since its first one.
 * @returns undefined while there was none.
 */
export function socketCounters(): ThreadCounters | undefined {
  if (reactor === undefined) return undefined;
  const { records, copies, copiedBytes, pooledBytes } = bufferCounters;
  const { arena, table, events } = reactor;
  const memoryHeld = arena.byteLength + table.byteLength + events.byteLength + pooledBytes;
  return { ...reactor.net.counters(), records, copies, copiedBytes, memoryHeld };
}

/** Counters of a thread. */
export interface ThreadCounters extends ReactorCounters {
  /** Records that framed streams have given out, whatever carries them. */
  readonly records: number;
  /** Times that bytes were copied because their memory was needed elsewhere: the rest of a turn, what did not leave. */
  readonly copies: number;
  readonly copiedBytes: number;
  /** Bytes that the thread's arena, tables and pools hold, whatever the count of connections. */
  readonly memoryHeld: number;
}

/** An error that looks like one of Node's: `code`, `errno` and `syscall`. @param errno negated, as the addon answers. */
export function systemError(syscall: string, errno: number): TransportError {
  const code = getSystemErrorName(errno);
  const cause = Object.assign(new Error(`${syscall} ${code}`), { errno, code, syscall });
  return new TransportError('ERR_TRANSPORT', { message: `the stream below failed: ${syscall} ${code}`, cause });
}
