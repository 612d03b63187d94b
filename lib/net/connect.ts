/** `connect`: a connection of our own making, native from the first byte. */
import { once } from 'node:events';
import { connect as connectNode, type NetConnectOpts } from 'node:net';
import { checkObject, checkSignal } from '../arguments.js';
import { asTransportError } from '../errors.js';
import { adopt } from './adopt.js';
import type { Connection } from './connection.js';
import type { SocketStreamOptions } from './socket-stream.js';
import { streamOptions } from './stream-options.js';

/** Where to, as for `net.connect` (`host`, `port`, `path`, `keepAlive`, `autoSelectFamily`, …), and how. */
export type ConnectOptions = NetConnectOpts & SocketStreamOptions & { signal?: AbortSignal };

/**
 * Connects to a TCP port or a Unix socket. `noDelay` is on unless it is set to false.
 * @throws TransportError ERR_TRANSPORT, with Node's own error (ECONNREFUSED, ENOENT, …) as its cause; the signal's
 * reason; ERR_INVALID_ARG_TYPE and the like, as `net.connect` does.
 * @example
 * const stream = framed(await connect({ port }), lines());
 */
export async function connect(options: ConnectOptions): Promise<Connection> {
  checkObject('options', options);
  const { signal, idleTimeoutMs, firstRecordTimeoutMs, writeStallTimeoutMs, readHighWaterMark, ...where } = options;
  if (signal !== undefined) checkSignal('options.signal', signal);
  const how = streamOptions({ idleTimeoutMs, firstRecordTimeoutMs, writeStallTimeoutMs, readHighWaterMark });
  signal?.throwIfAborted();
  const socket = connectNode({ noDelay: true, ...where, allowHalfOpen: true });
  // Node would begin to read as soon as it has connected.
  socket.pause();
  try {
    await once(socket, 'connect', signal === undefined ? {} : { signal });
  } catch (error) {
    socket.on('error', ignore).destroy();
    signal?.throwIfAborted();
    throw asTransportError(error);
  }
  return adopt(socket, how);
}

function ignore(): void {
  // Whoever called has the reason already.
}
