/** What a client's bytes go over: a native socket, TLS of Node's, or what the user gives. */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { asTransportError } from '../errors.js';
import { asByteStream } from '../framed/framed.js';
import { adopt } from '../net/adopt.js';
import { connect } from '../net/connect.js';
import type { ByteStream } from '../streams/byte-stream.js';
import type { Carrier, ConnectWebSocketOptions, WebSocketAddress } from './client-options.js';

/**
 * Connects. @param signal ends the attempt, and whatever was opened for it.
 * @throws TransportError with Node's own error as its cause; the signal's reason; what `createConnection` throws
 */
export async function openTransport(
  address: WebSocketAddress,
  { socket, createConnection, connect: where, tls }: ConnectWebSocketOptions,
  signal: AbortSignal,
): Promise<ByteStream> {
  if (socket !== undefined) return asStream(socket);
  if (createConnection !== undefined) return asStream(await created(createConnection(address, { signal }), signal));
  const place = { ...where, ...placeOf(address) };
  if (!address.secure) return connect({ ...place, signal } as Parameters<typeof connect>[0]);
  const { hostname } = address;
  // An address is no name that a certificate is asked for by. RFC 6066 §3
  const servername = isIP(hostname) === 0 && hostname !== '' ? { servername: hostname } : {};
  const options = { ALPNProtocols: ['http/1.1'], ...servername, ...place, ...tls };
  return asStream(await secured(connectTls(options), signal));
}

function placeOf({ hostname, port, socketPath }: WebSocketAddress): object {
  return socketPath === undefined ? { host: hostname, port } : { path: socketPath };
}

async function secured(socket: Duplex & { setNoDelay?(): void }, signal: AbortSignal): Promise<Duplex> {
  try {
    await once(socket, 'secureConnect', { signal });
  } catch (error) {
    socket.on('error', ignore).destroy();
    signal.throwIfAborted();
    throw asTransportError(error);
  }
  socket.setNoDelay?.();
  return socket;
}

/** A promise of the user's is not waited for longer than the attempt may last; what it gives later is closed. */
async function created(creating: Carrier | Promise<Carrier>, signal: AbortSignal): Promise<Carrier> {
  if (typeof (creating as Promise<Carrier>).then !== 'function') return creating;
  const waiting = new AbortController();
  try {
    return await Promise.race([creating, aborted(signal, waiting.signal)]);
  } catch (error) {
    if (signal.aborted) Promise.resolve(creating).then((late) => late.destroy(), ignore);
    throw error;
  } finally {
    waiting.abort();
  }
}

function aborted(signal: AbortSignal, over: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) return reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true, signal: over });
  });
}

/** A socket of Node's is adopted, which makes it native where it can be. */
function asStream(carrier: Carrier): ByteStream {
  if ('tryFill' in carrier) return carrier;
  return 'setNoDelay' in carrier ? adopt(carrier as Socket) : asByteStream(carrier);
}

function ignore(): void {
  // Whoever called has the reason already.
}
