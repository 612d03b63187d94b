/**
 * What `adopt`, `listen` and `connect` give: a byte stream that knows the socket it is made of. Native where that is
 * possible, else over Node's socket, with the same interface.
 */
import type { Socket } from 'node:net';
import { unsentOn } from '../framed/framed.js';
import type { SocketAddresses, SocketCounters } from '../net-interface.js';
import type { ByteStream } from '../streams/byte-stream.js';
import type { TimeoutOptions } from './timeouts.js';

/** What `release` gives back: the same socket under three names. */
export interface ReleasedSocket {
  readonly socket: Socket;
  readonly readable: Socket;
  readonly writable: Socket;
}

/** Counted since the connection began. Over Node's socket the system's part is bytes only. */
export interface ConnectionCounters extends SocketCounters {
  /** Records that framed streams on it have given out; of one that was too long, each piece. */
  readonly records: number;
  /** Times that what was received had to be copied, because its memory was needed elsewhere. */
  readonly copies: number;
  readonly copiedBytes: number;
  /** Bytes of memory that it holds now: for what was not read, and for what has not left. */
  readonly memoryHeld: number;
}

/** What a connection counts before anything has happened, and where nobody counts. */
export const NO_COUNTS: SocketCounters = {
  bytesReceived: 0,
  bytesSent: 0,
  receives: 0,
  sends: 0,
  stalls: 0,
  rows: 0,
  turns: 0,
  nativeCalls: 0,
};

/** Adds what the stream itself counts. @param heldBelow memory of the layers below it */
export function countersOf(stream: ByteStream, told: SocketCounters, heldBelow = 0): ConnectionCounters {
  const { records, copies, copiedBytes, memoryHeld } = stream.input;
  return { ...told, records, copies, copiedBytes, memoryHeld: memoryHeld + unsentOn(stream) + heldBelow };
}

/** A connection: a byte stream with its addresses, its counters and the way back to Node. */
export interface Connection extends ByteStream {
  /** Whether the library reads and writes the socket itself; else Node does. */
  readonly native: boolean;
  /** Why that is so, in a sentence without a full stop. */
  readonly reason: string;
  /** Where the two ends are. Asked of the system: once the connection is closed, what was known by then. */
  readonly addresses: SocketAddresses;
  /** True once the connection has failed or was destroyed. */
  readonly destroyed: boolean;
  /** What has been counted so far. */
  counters(): ConnectionCounters;
  /** Waiting for this connection keeps the process alive: so it is from the beginning. */
  ref(): this;
  /** Waiting for this connection does not keep the process alive. */
  unref(): this;
  /** Calls `listener` once, when the connection is closed for good; at once if it is. */
  whenClosed(listener: () => void): void;
  /** Sets timeouts anew; those that are left out are off. */
  setTimeouts(options: TimeoutOptions): void;
  /**
   * The way back to Node: a socket of the same connection, with what was read and not consumed in front, and what was
   * written and has not left written to it. This stream is destroyed by it, the connection is not.
   * @throws TransportError when the connection is gone.
   */
  release(): ReleasedSocket;
  /**
   * The bare descriptor, for a child process or another library, which has to close it; and copies of what was read and
   * not consumed, and of what a framed stream was given and the system has not taken. This stream is destroyed by it.
   * @throws UsageError ERR_NOT_NATIVE over Node's socket; TransportError when the connection is gone.
   */
  releaseDescriptor(): { descriptor: number; unread: Buffer; unsent: Buffer };
}

/** Reads the addresses of a socket of Node's. */
export function addressesOf(socket: Socket): SocketAddresses {
  const { remoteAddress, remoteFamily, remotePort, localAddress, localPort } = socket;
  return { remoteAddress, remoteFamily, remotePort, localAddress, localFamily: socket.localFamily, localPort };
}

/** One line for people: what it is, the peer, and how much has moved. */
export function describeConnection(name: string, connection: Connection, state: string): string {
  const { remoteAddress, remotePort } = connection.addresses;
  const peer = remoteAddress === undefined ? 'local' : `${remoteAddress}:${remotePort}`;
  const { bytesReceived, bytesSent } = connection.counters();
  const unread = connection.input.length;
  return `${name} { ${state}, peer: ${peer}, unread: ${unread}, received: ${bytesReceived}, sent: ${bytesSent} }`;
}
