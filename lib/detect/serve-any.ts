/** `serveAny`: a listener whose connections are told apart by their first bytes. */
import { checkObject } from '../arguments.js';
import { MiniprotoError } from '../errors.js';
import { closeConversation } from '../framed/framed.js';
import type { Connection } from '../net/connection.js';
import { type ByteServer, listen, type ServerOptions } from '../net/listen.js';
import { checkRoutes, Dispatch, type DispatchOptions, type ProtocolHandlers } from './router.js';

/** Where to listen, as for `listen`, and how to tell connections apart. */
export interface ServeAnyOptions extends ServerOptions {
  /** Times and limits of detection. */
  detection?: Omit<DispatchOptions, 'signal'>;
}

/**
 * Listens, tells each connection apart and hands it to its handler. What `listen` says of `onConnection` goes for each
 * handler: a promise that is fulfilled closes the connection with care, what is thrown destroys it and is told to
 * `onError`; a handler that gives no promise keeps it.
 * @returns the server, once it listens.
 * @throws as `listen`; ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE
 * @example
 * await using server = await serveAny({ port: 0 }, {
 *   http1: (stream) => void handToNode(stream, httpServer),
 *   default: async (stream) => {
 *     for await (const line of framed(stream, lines())) console.log(line);
 *   },
 * });
 */
export async function serveAny(options: ServeAnyOptions, handlers: ProtocolHandlers): Promise<ByteServer> {
  checkObject('options', options);
  const { detection = {}, ...where } = options;
  const routes = checkRoutes(handlers, detection);
  return listen(where, (connection) => {
    const serving = new Dispatch(connection, routes);
    serving.run().then(
      (outcome) => (outcome === 'over' ? closeConversation(serving.stream) : undefined),
      (error: unknown) => failed(error, serving, connection, options.onError),
    );
  });
}

/** As `listen` does. */
function failed(error: unknown, { stream }: Dispatch, connection: Connection, onError: ServerOptions['onError']): void {
  const reason = error instanceof Error ? error : undefined;
  stream.destroy(reason);
  connection.destroy(reason);
  if (onError !== undefined) onError(error, connection);
  else if (!(error instanceof MiniprotoError)) void Promise.reject(error);
}
