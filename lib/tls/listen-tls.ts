/** `listenTls`: a server whose connections are secure before its handler gets them. */
import { checkFunction, checkObject } from '../arguments.js';
import { closeConversation } from '../framed/conversations.js';
import { type ByteServer, listen, type ServerOptions } from '../net/listen.js';
import { serverPlan, type TlsServerOptions, UNTIMED } from './options.js';
import { secureStream } from './secure.js';
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
  return listen({ ...options, ...UNTIMED }, async (lower) => {
    const stream = secureStream(lower, plan);
    try {
      await stream.handshake();
      const answer = onConnection(stream);
      if (typeof (answer as PromiseLike<unknown> | undefined)?.then !== 'function') return await closed(stream);
      await answer;
    } catch (error) {
      stream.destroy(error instanceof Error ? error : undefined);
      throw error;
    }
    await closeConversation(stream);
  });
}

/** A handler that returns nothing to wait for has the connection for as long as it lives. */
function closed(stream: SecureStream): Promise<void> {
  return new Promise((resolve) => stream.whenClosed(resolve));
}
