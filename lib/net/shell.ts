/**
 * Node's object of a connection that has become native, kept for those who hold on to it: a server that counts it, a
 * library that listens for its 'close'.
 *
 * It is a shell: it reads nothing and takes no writes, since its descriptor is the same connection. What ends it ends the
 * connection, and the other way round. It costs what Node's object costs, and a descriptor more.
 */
import type { Socket } from 'node:net';
import { type MiniprotoError, UsageError } from '../errors.js';
import { endOutput } from '../framed/conversations.js';
import type { SocketStream } from './socket-stream.js';

type Callback = (error?: Error | null) => void;

/** What of Node's object is replaced, and its handle. Not documented, but what every Duplex of one's own has. */
interface ShellParts {
  readonly _handle?: { readStop?(): unknown } | null;
  _read: () => void;
  _write: (chunk: unknown, encoding: unknown, callback: Callback) => void;
  _writev: ((chunks: unknown, callback: Callback) => void) | null;
  _final: (callback: Callback) => void;
}

/** Makes a shell of the socket. Pre: what it had read was taken, what it had taken was written. */
export function keepAsShell(socket: Socket, stream: SocketStream): void {
  const shell = socket as unknown as ShellParts;
  // Nobody may set it going again: a byte that it reads is lost to the stream.
  shell._handle?.readStop?.();
  shell._read = nothing;
  shell._write = (_chunk, _encoding, callback) => callback(new UsageError('ERR_STREAM_IN_USE'));
  shell._writev = null;
  shell._final = (callback) => void end(stream).then(() => callback(), callback);
  // Nothing passes through it, so its own time would always be over.
  socket.setTimeout(0);
  socket.once('close', () => stream.destroy());
  stream.whenClosed(() => socket.destroy());
}

/** Half a record cannot be taken back, and whoever ends the shell knows of none: it is given up, as by its `abort`. */
async function end(stream: SocketStream): Promise<void> {
  try {
    await endOutput(stream);
  } catch (error) {
    if ((error as MiniprotoError).code !== 'ERR_RECORD_UNFINISHED') throw error;
    stream.destroy(error as MiniprotoError);
  }
}

function nothing(): void {
  // There is nothing to be read here.
}
