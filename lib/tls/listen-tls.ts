/** `listenTls`: a server whose connections are secure before its handler gets them. */
import { checkFunction, checkObject } from '../arguments.js';
import type { Connection } from '../net/connection.js';
import { type ByteServer, listenPrepared, type ServerOptions } from '../net/listen.js';
import type { Reactor } from '../net/reactor.js';
import { serverPlan, type TlsServerOptions, UNTIMED } from './options.js';
import { acceptSecurely, secureStream } from './secure.js';
import type { SecureStream } from './secure-stream.js';

/** Where to listen, as for `listen`, and how, as for `tlsServer`. */
export type ListenTlsOptions = ServerOptions & TlsServerOptions;

/** As of `listen`, for a connection whose handshake is done. */
export type SecureConnectionHandler = (stream: SecureStream) => unknown;

/**
 * Listens, and hands each connection to `onConnection` once its handshake is done. One that fails ends its connection, and
 * is told to `onError`; it is no error of the server.
 * @throws as `listen` and `tlsServer`
 * @example
 * await using server = await listenTls({ port: 0, key, cert }, async (stream) => {
 *   for await (const line of framed(stream, lines())) console.log(line);
 * });
 */
export function listenTls(options: ListenTlsOptions, onConnection: SecureConnectionHandler): Promise<ByteServer> {
  checkObject('options', options);
  checkFunction('onConnection', onConnection);
  // Made once: every connection uses the same context.
  const plan = { ...serverPlan(options), handshake: 'now' as const };
  const preparation = {
    make: (connection: Connection) => secureStream(connection, plan),
    begin: (reactor: Reactor, id: number) => acceptSecurely(reactor, id, plan),
    ready: (stream: Connection) => (stream as SecureStream).handshake(),
  };
  const handler = (stream: Connection) => onConnection(stream as SecureStream);
  return listenPrepared({ ...options, ...UNTIMED }, preparation, handler);
}
