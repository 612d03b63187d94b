/**
 * Adopting: a connected socket of Node's becomes a native stream, with every byte that it has read and not given out,
 * every byte that it has still to write, its addresses and its options.
 *
 * The descriptor is duplicated and Node's object destroyed; the connection does not notice. Only a plain TCP or Unix
 * socket can be taken: a TLSSocket is a net.Socket with a real descriptor too, but what goes over that descriptor is
 * not what is written to the socket, so going by the descriptor would put plaintext on the wire.
 */
import { Socket } from 'node:net';
import { checkObject, checkUint8Array, invalidArgType } from '../arguments.js';
import { UsageError } from '../errors.js';
import { nativeInfo } from '../native.js';
import { isReadable, isWritable } from '../streams/duplex-stream.js';
import { addressesOf, type Connection } from './connection.js';
import { NodeConnection } from './node-connection.js';
import { count } from './origins.js';
import { systemError, threadReactor } from './reactor.js';
import { SocketStream, type SocketStreamOptions } from './socket-stream.js';

/** Options of `adopt`. */
export interface AdoptOptions extends SocketStreamOptions {
  /** Bytes that came first: the `head` of an HTTP upgrade. */
  head?: Uint8Array;
}

/** What this needs of a handle of Node's. Not documented, so each part is looked at before it is used. */
interface Handle {
  readonly fd?: number;
  readonly writeQueueSize?: number;
  readStop?(): number;
}

interface SocketParts {
  readonly _handle?: Handle | null;
  readonly encrypted?: boolean;
}

/**
 * Makes a byte stream of a socket. Native where it can be: then Node's object is destroyed (it emits 'close'), and the
 * stream reads and writes the connection itself. Otherwise, a TLS socket for example, the stream is made over Node's
 * socket. `native` and `reason` of the result tell which.
 *
 * Returns at once. While Node has still to connect, or to write what it had taken, the stream takes no writes yet
 * (NOT_READY) and has nothing to read.
 * @throws ERR_INVALID_ARG_TYPE; UsageError ERR_STREAM_IN_USE when a stream of ours has the socket already.
 * @example
 * import { createServer } from 'node:net';
 * import { adopt, framed, lines } from 'miniproto';
 *
 * const server = createServer({ pauseOnConnect: true }, async (socket) => {
 *   for await (const line of framed(adopt(socket), lines())) console.log(line);
 * });
 */
export function adopt(socket: Socket, options: AdoptOptions = {}): Connection {
  if (!isReadable(socket) || !isWritable(socket)) throw invalidArgType('socket', 'an instance of net.Socket', socket);
  checkObject('options', options);
  if (options.head !== undefined) checkUint8Array('options.head', options.head);
  if (adopted.has(socket)) {
    throw new UsageError('ERR_STREAM_IN_USE', { message: 'the socket was adopted already' });
  }
  const obstacle = obstacleOf(socket);
  return obstacle === undefined ? adoptNatively(socket, options) : overNode(socket, obstacle, options);
}

const adopted = new WeakSet<Socket>();

/** What keeps a socket from being native, or undefined. */
function obstacleOf(socket: Socket): string | undefined {
  if (threadReactor() === undefined) return nativeInfo().sockets.reason;
  const { encrypted, _handle: handle } = socket as unknown as SocketParts;
  if (encrypted === true) return 'the socket is encrypted';
  if (!(socket instanceof Socket)) return 'the stream is not a socket of net';
  if (Object.getPrototypeOf(socket) !== Socket.prototype || OVERRIDABLE.some((name) => Object.hasOwn(socket, name))) {
    return 'the socket is of a class of its own';
  }
  if (socket.destroyed) return 'the socket is closed';
  if (socket.readableEncoding !== null) return 'the socket has an encoding';
  if (socket.connecting) return undefined;
  const kind = handle?.constructor.name;
  if (kind !== 'TCP' && kind !== 'Pipe') return 'the socket has no handle of its own';
  if (!((handle?.fd ?? -1) >= 0)) return 'the socket has no descriptor';
  if (socket.writableEnded && !socket.writableFinished) return 'the socket is ending';
  if (socket.readableEnded) return 'the peer has ended';
  return undefined;
}

/** What a socket of a user's own making may do otherwise. */
const OVERRIDABLE = ['_read', '_write', '_writev', '_final', 'read', 'write'];

function overNode(socket: Socket, reason: string, { head, ...options }: AdoptOptions): NodeConnection {
  const connection = new NodeConnection(socket, reason, options);
  if (head !== undefined && head.length > 0) connection.input.append(Buffer.from(head));
  return connection;
}

function adoptNatively(socket: Socket, { head, ...options }: AdoptOptions): Connection {
  adopted.add(socket);
  const stream = new SocketStream(threadReactor()!, addressesOf(socket), options);
  if (head !== undefined && head.length > 0) stream.input.append(Buffer.from(head));
  count(socket, stream);
  socket.pause();
  if (!isBusy(socket)) {
    const result = take(socket, stream);
    if (result === 0) return stream;
    // No descriptor was left, or it is no socket: Node's object is as it was, but for the bytes that were read.
    const unread = stream.input.take(stream.input.length);
    stream.destroy();
    return overNode(socket, `the descriptor could not be taken: ${systemError('dup', result).message}`, {
      ...options,
      head: unread,
    });
  }
  whenIdle(socket, stream);
  return stream;
}

/** Node has still to connect, or to write. */
function isBusy(socket: Socket): boolean {
  const { _handle: handle } = socket as unknown as SocketParts;
  return socket.connecting || socket.writableLength > 0 || (handle?.writeQueueSize ?? 0) > 0;
}

/** Waits for Node to have written everything, then takes the socket. */
function whenIdle(socket: Socket, stream: SocketStream): void {
  const onError = (error: Error) => stream.destroy(error);
  const onClose = () => stream.destroy();
  socket.on('error', onError).on('close', onClose);
  const done = () => {
    if (socket.destroyed || stream.destroyed) return void socket.destroy();
    // What was written behind us has to leave first as well.
    if (isBusy(socket)) return void socket.write(EMPTY, done);
    socket.off('error', onError).off('close', onClose);
    const result = take(socket, stream);
    if (result < 0) {
      socket.destroy();
      stream.destroy(systemError('dup', result));
    }
  };
  // An empty write is called back behind all that came before it.
  socket.write(EMPTY, done);
}

const EMPTY = Buffer.alloc(0);

/** Moves the connection from Node's object to the stream. @returns 0, or a negative errno and Node still has it. */
function take(socket: Socket, stream: SocketStream): number {
  const handle = (socket as unknown as SocketParts)._handle;
  // Reading what Node has buffered makes it ask for more; nothing comes of that before the handle is gone.
  for (let chunk = socket.read(); chunk !== null; chunk = socket.read()) stream.input.append(chunk as Buffer);
  handle?.readStop?.();
  const { writableFinished } = socket;
  const result = stream.attach(handle?.fd ?? -1, { finished: writableFinished });
  if (result < 0) return result;
  // The duplicate keeps the connection open; this closes Node's descriptor only.
  socket.destroy();
  return 0;
}
