/**
 * Adopting: a connected socket of Node's becomes a native stream, with every byte that it has read and not given out,
 * every byte that it has still to write, its addresses and its options.
 *
 * The descriptor is duplicated and Node's object destroyed; the connection does not notice. Only a plain TCP or Unix
 * socket can be taken: a TLSSocket is a net.Socket with a real descriptor too, but what goes over that descriptor is
 * not what is written to the socket, so going by the descriptor would put plaintext on the wire.
 */
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { checkBoolean, checkObject, checkUint8Array, invalidArgType } from '../arguments.js';
import { TransportError } from '../errors.js';
import { nativeInfo } from '../native.js';
import { claim, isReadable, isWritable, unclaim } from '../streams/node-sides.js';
import type { Connection } from './connection.js';
import { NodeConnection } from './node-connection.js';
import { count } from './origins.js';
import { leasePage, returnPage } from './pages.js';
import { type Reactor, systemError, threadReactor } from './reactor.js';
import { keepAsShell } from './shell.js';
import { SocketStream, type SocketStreamOptions } from './socket-stream.js';

/** Options of `adopt`. */
export interface AdoptOptions extends SocketStreamOptions {
  /** Bytes that came first: the `head` of an HTTP upgrade. */
  head?: Uint8Array;
  /**
   * Keeps Node's object, for whoever holds on to it: it reads and writes nothing, its server counts it, its end is the
   * connection's end and the other way round. Costs a descriptor more. Default false: it is destroyed.
   */
  keepShell?: boolean;
}

/** What this needs of a handle of Node's. Not documented, so each part is looked at before it is used. */
interface Handle {
  readonly fd?: number;
  readonly writeQueueSize?: number;
}

interface SocketParts {
  readonly _handle?: Handle | null;
  readonly encrypted?: boolean;
}

/**
 * Makes a byte stream of a socket. Native where it can be: then Node's object is destroyed (it emits 'close'), and the
 * stream reads and writes the connection itself. Otherwise, for a TLS socket or another Duplex, the stream is made over
 * Node's. `native` and `reason` of the result tell which.
 *
 * Returns at once. While Node has still to connect, or to write what it had taken, the stream takes no writes yet
 * (NOT_READY) and has nothing to read.
 * @throws ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE; UsageError ERR_STREAM_IN_USE when a stream of ours has the socket.
 * @example
 * for await (const line of framed(adopt(socket), lines())) console.log(line);
 */
export function adopt(duplex: Duplex, options: AdoptOptions = {}): Connection {
  if (!isReadable(duplex) || !isWritable(duplex)) throw invalidArgType('socket', 'an instance of net.Socket', duplex);
  // 'upgrade' and 'connect' are declared to give a Duplex. One that is no socket stays Node's, and has no addresses.
  const socket = duplex as Socket;
  checkObject('options', options);
  if (options.head !== undefined) checkUint8Array('options.head', options.head);
  if (options.keepShell !== undefined) checkBoolean('options.keepShell', options.keepShell);
  // Throws where somebody has it, so before anything is touched.
  claim({ readable: socket, writable: socket });
  try {
    const obstacle = obstacleOf(socket);
    return obstacle === undefined ? adoptNatively(socket, options) : overNode(socket, obstacle, options);
  } catch (error) {
    unclaim({ readable: socket, writable: socket });
    throw error;
  }
}

/** What keeps a socket from being native, or undefined. */
function obstacleOf(socket: Socket): string | undefined {
  if (threadReactor() === undefined) {
    const { native, reason } = nativeInfo().sockets;
    return native ? 'the system gave no descriptor to wait with' : reason;
  }
  const { encrypted } = socket as unknown as SocketParts;
  if (encrypted === true) return 'the socket is encrypted';
  if (!(socket instanceof Socket)) return 'the stream is not a socket of net';
  if (Object.getPrototypeOf(socket) !== Socket.prototype || OVERRIDABLE.some((name) => Object.hasOwn(socket, name))) {
    return 'the socket is of a class of its own';
  }
  if (socket.destroyed) return 'the socket is closed';
  if (socket.readableEncoding !== null) return 'the socket has an encoding';
  return socket.connecting ? undefined : obstacleOfConnected(socket);
}

function obstacleOfConnected(socket: Socket): string | undefined {
  const handle = handleOf(socket);
  const kind = handle?.constructor.name;
  if (kind !== 'TCP' && kind !== 'Pipe') return 'the socket has no handle of its own';
  if (!((handle?.fd ?? -1) >= 0)) return 'the socket has no descriptor';
  if (socket.writableEnded && !socket.writableFinished) return 'the socket is ending';
  if (socket.readableEnded) return 'the peer has ended';
  return undefined;
}

function handleOf(socket: Socket): Handle | null | undefined {
  return (socket as unknown as SocketParts)._handle;
}

/** What a socket of a user's own making may do otherwise. */
const OVERRIDABLE = ['_read', '_write', '_writev', '_final', 'read', 'write'];

function overNode(socket: Socket, reason: string, { head, ...options }: AdoptOptions): NodeConnection {
  unclaim({ readable: socket, writable: socket });
  const connection = new NodeConnection(socket, reason, options);
  if (head !== undefined && head.length > 0) connection.input.append(Buffer.from(head));
  count(socket, connection);
  return connection;
}

function adoptNatively(socket: Socket, options: AdoptOptions): Connection {
  const reactor = threadReactor()!;
  // Before anything else: without a descriptor Node's object goes on as it is.
  const id = socket.connecting ? undefined : duplicate(reactor, socket);
  if (typeof id === 'string') return overNode(socket, id, options);
  const stream = beginStream(reactor, id, options);
  count(socket, stream);
  // Reading what Node holds must not hand it to those who listened before.
  for (const event of ['data', 'readable', 'end']) socket.removeAllListeners(event);
  const { keepShell } = options;
  if (id === undefined || isBusy(socket)) new Takeover({ reactor, socket, stream, id, keepShell }).wait();
  else take(socket, stream, id, { keepShell });
  return stream;
}

/** @throws ERR_OUT_OF_RANGE, ERR_INVALID_ARG_TYPE for the options, and then the duplicate is closed. */
function beginStream(
  reactor: Reactor,
  id: number | undefined,
  { head, keepShell: _, ...options }: AdoptOptions,
): SocketStream {
  try {
    const stream = new SocketStream(reactor, options);
    if (head !== undefined && head.length > 0) stream.input.append(Buffer.from(head));
    return stream;
  } catch (error) {
    if (id !== undefined) reactor.net.remove(id);
    throw error;
  }
}

/** @returns the connection's id in the reactor, or why there is none. */
function duplicate(reactor: Reactor, socket: Socket): number | string {
  const handle = handleOf(socket);
  const id = reactor.add(handle?.fd ?? -1);
  if (id < 0) return `the descriptor could not be duplicated: ${systemError('dup', id).message}`;
  if (handle?.constructor.name === 'TCP' || isSocket(reactor, id)) return id;
  reactor.net.remove(id);
  return 'the descriptor is no socket';
}

/** Errno of Linux, negated. */
const ENOTSOCK = -88;

/** A Pipe of Node's may be a FIFO, which cannot be received from. */
function isSocket(reactor: Reactor, id: number): boolean {
  const page = leasePage();
  const answer = reactor.net.receive(id, page, 0, 1, 1);
  returnPage(page);
  return answer !== ENOTSOCK;
}

/** Node has still to connect, or to write. */
function isBusy(socket: Socket): boolean {
  return socket.connecting || socket.writableLength > 0 || (handleOf(socket)?.writeQueueSize ?? 0) > 0;
}

interface TakeoverParts extends Keep {
  reactor: Reactor;
  socket: Socket;
  stream: SocketStream;
  id: number | undefined;
}

/** What becomes of Node's object. */
interface Keep {
  keepShell: boolean | undefined;
}

/** Waits for Node to have connected and written everything; then the stream begins. */
class Takeover {
  readonly #reactor: Reactor;
  readonly #socket: Socket;
  readonly #stream: SocketStream;
  /** The connection in the reactor; undefined while Node connects. */
  #id: number | undefined;
  readonly #keepShell: boolean | undefined;
  /** The stream has the connection, or there is none. */
  #over = false;

  constructor({ reactor, socket, stream, id, keepShell }: TakeoverParts) {
    this.#reactor = reactor;
    this.#socket = socket;
    this.#stream = stream;
    this.#id = id;
    this.#keepShell = keepShell;
  }

  wait(): void {
    this.#socket.pause().on('error', this.#onError).on('close', this.#onClose);
    this.#stream.whenClosed(() => this.#abandoned());
    // An empty write is called back behind all that came before it.
    this.#socket.write(EMPTY, this.#onWritten);
  }

  readonly #onError = (error: Error): void => this.#stream.destroy(error);
  readonly #onClose = (): void => this.#stream.destroy();

  readonly #onWritten = (error?: Error | null): void => {
    const socket = this.#socket;
    // Told before the socket is destroyed, and the system says it only once.
    if (error != null) return this.#onError(error);
    if (this.#over || socket.destroyed) return;
    // What was written behind us has to leave first as well.
    if (isBusy(socket)) return void socket.write(EMPTY, this.#onWritten);
    const id = this.#id ?? duplicate(this.#reactor, socket);
    if (typeof id === 'string') {
      this.#stream.destroy(new TransportError('ERR_TRANSPORT', { message: id }));
      return;
    }
    this.#over = true;
    socket.off('error', this.#onError).off('close', this.#onClose);
    take(socket, this.#stream, id, { keepShell: this.#keepShell });
  };

  /** The stream was destroyed meanwhile. */
  #abandoned(): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#id !== undefined) this.#reactor.net.remove(this.#id);
    this.#socket.destroy();
  }
}

const EMPTY = Buffer.alloc(0);

/** Moves the connection from Node's object to the stream. */
function take(socket: Socket, stream: SocketStream, id: number, { keepShell }: Keep): void {
  for (let chunk = socket.read(); chunk !== null; chunk = socket.read()) stream.input.append(chunk as Buffer);
  const { writableFinished: finished } = socket;
  // The duplicate keeps the connection open; this closes Node's descriptor only, and so it stops reading.
  if (keepShell === true) keepAsShell(socket, stream);
  else socket.destroy();
  stream.attach(id, { finished });
}
