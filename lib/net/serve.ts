/**
 * `serve`: a handler for one connection, and what `listen` does around it.
 *
 * A handler is a conversation from its beginning to its end, so its promise says when the connection is over and how. Who
 * has connections of their own (adopted, from a router, made secure by hand) would else have to write the same: close with
 * care, end this one connection when something goes wrong, and let no peer become an unhandled rejection.
 */
import { checkFunction, checkObject } from '../arguments.js';
import { MiniprotoError } from '../errors.js';
import { closeConversation } from '../framed/framed.js';
import { type EndKeeper, keepEnd } from '../framed/push-end.js';
import { type ByteStream, checkByteStream } from '../streams/byte-stream.js';
import type { Connection } from './connection.js';

/**
 * Is given each connection. When a promise that it returns is fulfilled, the connection is closed with care, records
 * that wait in a framed stream on it included; when it throws or rejects, the connection is destroyed.
 */
export type ConnectionHandler = (stream: Connection) => unknown;

export interface ServeOptions<S = Connection> {
  /**
   * Is told of errors that `onConnection` did not handle. By default those of peers and transports, MiniprotoErrors, are
   * ignored; others are programming errors, and end the process as an unhandled rejection does.
   */
  onError?: (error: unknown, stream: S) => void;
}

/**
 * Hands one connection to `onConnection`, as `listen` does: it is closed with care when the promise is fulfilled, and
 * destroyed when it is rejected.
 * @throws ERR_INVALID_ARG_TYPE, and then nothing was done.
 * @example
 * httpServer.on('upgrade', (request, socket, head) => {
 *   serve(adopt(socket, { head }), async (stream) => {
 *     for await (const line of framed(stream, lines())) console.log(line);
 *   });
 * });
 */
export function serve<S extends ByteStream>(
  stream: S,
  onConnection: (stream: S) => unknown,
  options: ServeOptions<S> = {},
): void {
  checkByteStream('stream', stream);
  checkFunction('onConnection', onConnection);
  checkObject('options', options);
  const { onError } = options;
  if (onError !== undefined) checkFunction('options.onError', onError);
  const keeper: HandlerKeeper<S> = {
    failed: (error) => failed(error, stream, onError),
    ended: (end) => closeAfter(end, stream, keeper),
  };
  handle(stream, onConnection, keeper);
}

/** Who runs handlers, and is told why one did not get to its end. Internal. */
export interface HandlerKeeper<S extends ByteStream> extends EndKeeper {
  failed(error: unknown, stream: S): void;
}

/** Runs a handler to its end. Internal. */
export function handle<S extends ByteStream>(
  stream: S,
  onConnection: (stream: S) => unknown,
  keeper: HandlerKeeper<S>,
): void {
  try {
    const answer = onConnection(stream) as { then?: unknown } | undefined;
    if (typeof answer?.then !== 'function' || keepEnd(answer, keeper, stream)) return;
    closeAfter(answer as PromiseLike<unknown>, stream, keeper);
  } catch (error) {
    keeper.failed(error, stream);
  }
}

/** Closes the connection when its handler has got to its end. Internal. */
export function closeAfter<S extends ByteStream>(
  handled: PromiseLike<unknown>,
  stream: S,
  keeper: HandlerKeeper<S>,
): void {
  // Whatever was written to a framed stream on it has to leave first.
  handled.then(
    () => closeConversation(stream),
    (error: unknown) => keeper.failed(error, stream),
  );
}

/** Ends a connection that went wrong, and tells whoever wants to know. Internal. */
export function failed<S extends ByteStream | undefined>(
  error: unknown,
  stream: S,
  onError: ((error: unknown, stream: S) => void) | undefined,
): void {
  stream?.destroy(error instanceof Error ? error : undefined);
  if (onError !== undefined) onError(error, stream);
  else if (!(error instanceof MiniprotoError)) void Promise.reject(error);
}
