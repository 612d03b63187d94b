/**
 * What the addon `miniproto_net` gives, and the words of its event table. It has no reference: without it sockets stay
 * Node's, behind the same interface of byte streams.
 *
 * Connections are told apart by ids, integers from 0 to 2^31 - 1; one that is gone is ERR_OUT_OF_RANGE. Counts of bytes
 * may be negative: then they are an errno, negated, as in `util.getSystemErrorName`.
 *
 * A connection may have a filter, which comes from the addon miniproto_tls: then `receive`, `send` and arriving bytes are
 * plaintext, and what the filter says by itself (handshakes, alerts) leaves without anybody's being told.
 *
 * native/net/reactor.h has the same words in C++, and a flag more, which nobody needs here: that a receive was full.
 */
import type { LengthFraming, SeparatorFraming, WebSocketFraming } from './native-interface.js';

/** Raised, with that of binding/layout.h, when what a call takes, answers or means changes. */
export const NET_INTERFACE = 3;

/** The slot in an id; what stands above it tells a connection from those that had the slot before. */
export const SLOT_MASK = (1 << 20) - 1;

/** Words of an event. */
export const EVENT_WORDS = 8;
/** The connection's id. */
export const E_ID = 0;
/** What happened, bits of EVENT_*. */
export const E_FLAGS = 1;
/** Bytes [E_START, E_END) of the arena arrived. */
export const E_START = 2;
export const E_END = 3;
/** Where the frame table of these bytes begins in the table's words. */
export const E_TABLE = 4;
/** Rows in that frame table. */
export const E_ROWS = 5;
/** A negative errno, where EVENT_FAILED is set. */
export const E_ERROR = 6;
/** With a filter: TLS_* of lib/tls-interface.ts, as they were when the event was written, and FILTER_*. */
export const E_STATE = 7;

/** The connection can be read. Told once for each WANT_READ. */
export const EVENT_READABLE = 1;
/** The connection can be written. Told once for each WANT_WRITE. */
export const EVENT_WRITABLE = 2;
/** Bytes lie in the arena until the turn ends. */
export const EVENT_ARRIVED = 4;
/** The peer has ended its side; with a filter, in its words (TLS_ENDED) or without any. */
export const EVENT_ENDED = 8;
export const EVENT_FAILED = 16;
/** The filter's state has got further, or it has news. Told without being asked for, in the turn after it happened. */
export const EVENT_CHANGED = 64;

/** Beside the bits of a filter's state: something waits to leave; and it never will, `send` of no bytes answers why. */
export const FILTER_OUTGOING = 0x100;
export const FILTER_SEND_FAILED = 0x200;

/** Tell once when the connection can be read. */
export const WANT_READ = 1;
/** Tell once when the connection can be written. */
export const WANT_WRITE = 2;
/** Receive and frame each time that there is something, until this interest is taken back. */
export const WANT_FLOW = 4;

/** System calls that `setFaults` is about. */
export const CALL_RECEIVE = 0;
export const CALL_SEND = 1;
export const CALL_DUPLICATE = 2;
export const CALL_ACCEPT = 3;

/** Counted since the connection, or the thread's first connection, began. */
export interface SocketCounters {
  readonly bytesReceived: number;
  readonly bytesSent: number;
  /** System calls that received. */
  readonly receives: number;
  /** System calls that sent; a gather write is one. */
  readonly sends: number;
  /** Sends of which the system took less than was given. */
  readonly stalls: number;
  /** Records that were framed where they were received. */
  readonly rows: number;
  /** Calls from the reactor into JavaScript; of a connection: those that told of it. */
  readonly turns: number;
  /** Calls from JavaScript into the addon; of a connection: those about it alone, the one that asks included. */
  readonly nativeCalls: number;
}

export interface ReactorCounters extends SocketCounters {
  /** Times that the system was asked who is ready. */
  readonly polls: number;
  /** Changes of what is watched. */
  readonly arms: number;
  /** Connections open now. */
  readonly connections: number;
}

/** Where the two ends are. A Unix socket has none of it. */
export interface SocketAddresses {
  readonly remoteAddress?: string | undefined;
  /** 'IPv4' or 'IPv6'. */
  readonly remoteFamily?: string | undefined;
  readonly remotePort?: number | undefined;
  readonly localAddress?: string | undefined;
  readonly localFamily?: string | undefined;
  readonly localPort?: number | undefined;
}

/** The addon. One reactor per thread. */
export interface NetInterface {
  /** Begins. `onTurn` is called with the count of events in the table. @returns 0 or a negative errno. */
  start(arena: Uint8Array, table: Int32Array, events: Int32Array, onTurn: (count: number) => void): number;
  /** Duplicates a socket's descriptor. @returns the id of the connection, or a negative errno. */
  add(descriptor: number): number;
  /**
   * Duplicates the descriptor of a listening socket. It has an id as connections have, EVENT_READABLE for WANT_READ says
   * that somebody may be there, and it keeps no process alive.
   * @param noDelay 1: what is accepted sends small writes at once. @returns the id, or a negative errno.
   */
  addListener(descriptor: number, noDelay: 0 | 1): number;
  /** Takes the next connection of a listening socket. @returns the new connection's id, or a negative errno. */
  accept(id: number): number;
  /** Closes the connection. With a filter, what it has still to say is tried once. */
  remove(id: number): void;
  /** Lets go of the connection. @returns its descriptor, the caller's from now on. */
  detach(id: number): number;
  /**
   * Ends our side. With a filter: has it say so, and ends the connection's side once that has left.
   * @param closes 1: the connection is removed as soon as that is done, and removing it may be what ends our side.
   * @returns 0 or a negative errno.
   */
  shutdown(id: number, closes: 0 | 1): number;
  /**
   * Sets what is wanted, WANT_*. With a filter this also begins its handshake, where reading is wanted, and takes notice of
   * what was done to it elsewhere: a pause that is over, something more to say.
   * @returns 0 or a negative errno.
   */
  want(id: number, wants: number): number;
  /** 1: waiting for the connection keeps the process alive. */
  setReferenced(id: number, referenced: 0 | 1): void;
  /** What WANT_FLOW frames with; -1: nothing. */
  setFramer(id: number, framer: number): void;
  /**
   * From now on the filter, the session with that number of TlsInterface.filters, stands between the connection and
   * everybody else; what waits in it leaves. A source that is null takes it away, and what waits in it is lost.
   * @returns 0 or a negative errno. @throws ERR_INVALID_ARG_TYPE for a source that miniproto_tls has not made;
   * ERR_OUT_OF_RANGE where it has no such filter.
   */
  setFilter(id: number, source: object | null, number: number): number;
  /** @returns the bits of the filter's state, and FILTER_*; 0 without a filter. */
  filterState(id: number): number;
  /** Sends what filters keep until the end of the turn: for a process that exits in the middle of one. */
  endTurn(): void;
  /**
   * Receives into bytes[from, to), which is not empty; `peek` leaves the bytes in the system. With a filter: as much
   * plaintext as there is and has room; EPROTO once it has failed; peeking is EOPNOTSUPP. @returns 0 at the end.
   */
  receive(id: number, bytes: Uint8Array, from: number, to: number, peek: 0 | 1): number;
  /**
   * Sends bytes[from, to). With a filter: the plaintext that was taken, for good; 0 while it has to hear from the peer
   * first; EAGAIN until everything that was taken before has left; EPROTO once it has failed.
   */
  send(id: number, bytes: Uint8Array, from: number, to: number): number;
  /** One gather write, of the first 64 parts. */
  sendParts(id: number, parts: readonly Uint8Array[]): number;
  /** Sends bytes[from, to), which is not empty, to the first `count` of `ids`; `results` gets what `send` would answer. */
  sendToMany(ids: Int32Array, count: number, bytes: Uint8Array, from: number, to: number, results: Int32Array): void;
  /** @returns an index for setFramer; framers are kept until the thread ends. */
  addSeparatorFramer(framing: SeparatorFraming): number;
  addLengthFramer(framing: LengthFraming): number;
  addFixedFramer(size: number): number;
  addWebSocketFramer(framing: WebSocketFraming): number;
  /** What a connection has moved, and where its two ends are: lib/net/description.ts takes it apart. */
  describe(id: number): string;
  /** Of the whole reactor. */
  counters(): ReactorCounters;
  /**
   * For tests: what happens instead of the next system calls of a kind, CALL_*. 0 passes, a positive step is the most
   * bytes that the call moves, a negative one its errno, negated.
   */
  setFaults(kind: number, steps: Int32Array, repeats: 0 | 1): void;
}
