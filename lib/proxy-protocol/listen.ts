/**
 * Servers behind a proxy: every connection's header is taken before its handler is called, so that the client's address
 * is there before the first record. A connection whose header is wrong, late or not to be believed never gets there.
 */

import { checkFunction, checkObject } from '../arguments.js';
import type { Connection } from '../net/connection.js';
import { type ByteServer, listen, type ServerOptions } from '../net/listen.js';
import type { ConnectionHandler } from '../net/serve.js';
import type { SocketAddresses } from '../net-interface.js';
import { NEED_WRITE, NOT_READY } from '../status.js';
import type { IpEndpoint, ProxyHeader, ProxyHeaderInit } from './header.js';
import { checkSourceOptions, type ProxySourceOptions, Reception } from './receive.js';

/** Is given each connection with its header. What it returns means what it means to `listen`. */
export type ProxiedHandler = (stream: Connection, header: ProxyHeader) => unknown;

/** The same where a header need not be there. */
export type MaybeProxiedHandler = (stream: Connection, header: ProxyHeader | undefined) => unknown;

/** Where to listen, as for `listen`, and whose headers to take. */
export interface ListenWithProxyHeaderOptions extends ServerOptions {
  /** From whom a header is taken, and until when. */
  proxyHeader?: ProxySourceOptions;
}

/** The same where a header need not be there. */
export interface ListenWithOptionalProxyHeaderOptions extends ServerOptions {
  /** From whom a header is taken, and until when. */
  proxyHeader: ProxySourceOptions & { presence: 'optional' };
}

/**
 * A handler for `listen`, and for whatever else has connections, that takes the header first.
 * @throws ERR_INVALID_ARG_TYPE and the like
 * @example
 * const handler = withProxyHeader({ trusted: ['10.0.0.0/8'] }, (stream, header) => use(header.source));
 */
export function withProxyHeader(
  options: ProxySourceOptions & { presence: 'optional' },
  onConnection: MaybeProxiedHandler,
): ConnectionHandler;
export function withProxyHeader(
  options: ProxySourceOptions & { presence?: 'required' },
  onConnection: ProxiedHandler,
): ConnectionHandler;
export function withProxyHeader(
  options: ProxySourceOptions,
  onConnection: MaybeProxiedHandler | ProxiedHandler,
): ConnectionHandler {
  checkFunction('onConnection', onConnection);
  const rules = checkSourceOptions(options);
  const handler = onConnection as MaybeProxiedHandler;
  return (stream) => {
    const reception = new Reception(stream, rules, stream.addresses.remoteAddress);
    const answer = reception.attempt();
    // Mostly the header comes with the connection: then nobody waits, and nothing is made for it.
    if (answer !== NOT_READY && answer !== NEED_WRITE) return handler(stream, answer);
    return reception.wait().then((header) => handled(stream, handler(stream, header)));
  };
}

/** A handler that returns no promise keeps its connection until it closes it. */
function handled(stream: Connection, answer: unknown): unknown {
  if (typeof (answer as { then?: unknown } | undefined)?.then === 'function') return answer;
  return new Promise<void>((resolve) => stream.whenClosed(resolve));
}

/**
 * `listen`, with the header taken first. Connections without a right one end with an error that `onError` is told.
 * @throws as `listen`
 * @example
 * await using server = await listenWithProxyHeader({ port: 0 }, async (stream, header) => {
 *   for await (const line of framed(stream, lines())) console.log(header.source, line);
 * });
 */
export async function listenWithProxyHeader(
  options: ListenWithOptionalProxyHeaderOptions,
  onConnection: MaybeProxiedHandler,
): Promise<ByteServer>;
export async function listenWithProxyHeader(
  options: ListenWithProxyHeaderOptions & { proxyHeader?: { presence?: 'required' } },
  onConnection: ProxiedHandler,
): Promise<ByteServer>;
export async function listenWithProxyHeader(
  options: ListenWithProxyHeaderOptions,
  onConnection: MaybeProxiedHandler | ProxiedHandler,
): Promise<ByteServer> {
  checkObject('options', options);
  const { proxyHeader = {}, ...where } = options;
  return listen(where, withProxyHeader(proxyHeader as { presence: 'optional' }, onConnection as MaybeProxiedHandler));
}

/**
 * Where the two ends of the conversation are: what the header says, or the connection where it says nothing. Nothing at
 * all for a client that came over a Unix socket.
 */
export function proxiedAddresses(header: ProxyHeader | undefined, addresses: SocketAddresses): SocketAddresses {
  if (header === undefined || header.family === 'unspecified') return addresses;
  if (header.family === 'unix') return {};
  const { family, source, destination } = header;
  return {
    remoteAddress: source.address,
    remoteFamily: family,
    remotePort: source.port,
    localAddress: destination.address,
    localFamily: family,
    localPort: destination.port,
  };
}

/** What a proxy says of a connection that it has accepted, and goes on with to somewhere else. */
export function proxyHeaderOf(addresses: SocketAddresses): ProxyHeaderInit {
  const { remoteAddress, remotePort, localAddress, localPort } = addresses;
  if (remoteAddress === undefined || localAddress === undefined) return {};
  return { source: endpoint(remoteAddress, remotePort), destination: endpoint(localAddress, localPort) };
}

/** An IPv4 address that a socket of IPv6 sees is the IPv4 address; a zone means nothing to others. */
function endpoint(address: string, port: number | undefined): IpEndpoint {
  const plain = address.split('%', 1)[0]!.replace(/^::ffff:(?=\d+\.)/i, '');
  return { address: plain, port: port ?? 0 };
}
