/** What a client's bytes go over: a socket, TLS on one, or what the user gives. */
import type { Socket } from 'node:net';
import { checkNoConversation } from '../framed/conversations.js';
import { asByteStream } from '../framed/framed.js';
import { adopt } from '../net/adopt.js';
import { type ConnectOptions, connect } from '../net/connect.js';
import type { ByteStream } from '../streams/byte-stream.js';
import { connectPlanned } from '../tls/connect-tls.js';
import { clientPlan, type TlsClientOptions, type TlsPlan } from '../tls/options.js';
import type { Carrier, ConnectWebSocketOptions, WebSocketAddress } from './client-options.js';
import { httpByAlpn } from './handshake/alpn.js';

/**
 * Connects. @param signal ends the attempt, and whatever was opened for it.
 * @throws TransportError with Node's own error as its cause; what TLS fails with, ERR_TLS_CERTIFICATE and the like; the
 * signal's reason; what `createConnection` throws
 */
export async function openTransport(
  address: WebSocketAddress,
  { socket, createConnection, connect: where, tls }: ConnectWebSocketOptions,
  signal: AbortSignal,
): Promise<ByteStream> {
  if (socket !== undefined) return asStream(socket);
  if (createConnection !== undefined) return asStream(await created(createConnection(address, { signal }), signal));
  const place = { ...where, ...placeOf(address), signal } as ConnectOptions;
  return address.secure ? connectPlanned(place, planOf(address, tls)) : connect(place);
}

/** The URL says where to; `host` among the options says only whom the certificate has to be for. */
function planOf({ hostname }: WebSocketAddress, tls: ConnectWebSocketOptions['tls'] = {}): TlsPlan {
  const { host = tls.servername ?? (hostname === '' ? undefined : hostname) } = tls;
  return clientPlan({
    ...httpByAlpn(tls.context),
    ...tls,
    ...(host === undefined ? {} : { host }),
  } as TlsClientOptions);
}

function placeOf({ hostname, port, socketPath }: WebSocketAddress): object {
  return socketPath === undefined ? { host: hostname, port } : { path: socketPath };
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
  if ('tryFill' in carrier) {
    checkNoConversation(carrier);
    return carrier;
  }
  return 'setNoDelay' in carrier ? adopt(carrier as Socket) : asByteStream(carrier);
}

function ignore(): void {
  // Whoever called has the reason already.
}
