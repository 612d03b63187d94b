/** `handToNode`: a connection goes on as one of a server of Node's, with what was read of it and not consumed in front. */
import { Socket } from 'node:net';
import type { Duplex, Readable, Writable } from 'node:stream';
import { checkObject, invalidArgType } from '../arguments.js';
import type { ByteStream } from '../streams/byte-stream.js';
import { isSecure, socketLike } from './socket-like.js';

/** A server of `http`, `https`, `http2`, `tls` or `net`: what takes connections by its event 'connection'. */
export interface NodeServer {
  emit(event: 'connection', socket: Duplex): boolean;
  readonly allowHalfOpen?: boolean;
}

/** Streams that know their way back to Node. */
interface Releasable {
  release(): { readable: Readable | undefined; writable: Writable | undefined };
}

/**
 * Has a server of Node's go on with a connection: of `http` and `http2` for requests, of `https` and `tls` for TLS, of
 * `net` for anything. Unread input comes first. The byte stream is not to be used any more; a connection, native or not,
 * becomes a socket of Node's, a stream over a Node Duplex that Duplex again, every other one, TLS included, is wrapped.
 * The server need not listen. It ends the connection by its own rules; a `close` of `listen` does not know it any more.
 * @returns what the server was given.
 * @throws ERR_INVALID_ARG_TYPE; TransportError when the connection is gone; UsageError ERR_UNREAD_INPUT when the Node
 * stream below has ended and cannot take unread bytes back, ERR_STREAM_ENDED when it only reads
 * @example
 * await listen({ port: 0 }, (connection) => {
 *   handToNode(connection, httpServer);
 * });
 */
export function handToNode(stream: ByteStream, server: NodeServer): Duplex {
  checkObject('stream', stream);
  if (typeof stream.tryFill !== 'function') throw invalidArgType('stream', 'a byte stream', stream);
  checkObject('server', server);
  if (typeof server.emit !== 'function') throw invalidArgType('server', 'a server of Node', server);
  const allowHalfOpen = server.allowHalfOpen === true;
  const duplex = nodeStreamOf(stream, { allowHalfOpen });
  // A server's own sockets have its setting.
  if (duplex instanceof Socket) duplex.allowHalfOpen = allowHalfOpen;
  server.emit('connection', duplex);
  return duplex;
}

function nodeStreamOf(stream: ByteStream, options: { allowHalfOpen: boolean }): Duplex {
  const { release } = stream as Partial<Releasable>;
  // The way back of a secure stream would lead below TLS.
  if (release === undefined || isSecure(stream)) return socketLike(stream, options);
  const { readable, writable } = stream as { readable?: unknown; writable?: unknown };
  // Two Node streams that belong together are wrapped: a server wants one.
  if ('readable' in stream && readable !== writable) return socketLike(stream, options);
  return release.call(stream).readable as Duplex;
}
