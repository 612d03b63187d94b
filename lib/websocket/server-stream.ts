/** `acceptWebSocketStream`: a WebSocket on a byte stream whose request has still to be read, whoever has accepted it. */
import type { Duplex } from 'node:stream';
import { checkInteger, checkObject, checkString } from '../arguments.js';
import { checkNoConversation } from '../framed/conversations.js';
import { asByteStream } from '../framed/framed.js';
import { checkHeadLimits, type HeadLimits, requestHeads } from '../http/head-codec.js';
import { HANDSHAKE_TIMEOUT_MS } from '../limits.js';
import type { Connection } from '../net/connection.js';
import type { ByteStream } from '../streams/byte-stream.js';
import { WebSocketConnection } from './connection.js';
import { acceptRules } from './handshake/decision.js';
import { serveRaw } from './handshake/serve.js';
import { checkServerOptions, connectionOptions, type WebSocketAcceptOptions } from './server-options.js';

export interface AcceptStreamOptions extends WebSocketAcceptOptions, HeadLimits {
  /** The request's path, without its query; others get a 404. Default: all. */
  path?: string;
  /** Milliseconds for the request to arrive. Default 10000. */
  handshakeTimeoutMs?: number;
}

/**
 * Does a server's handshake on a byte stream: one that TLS was put on, that detection has told apart, that came through a
 * proxy. What is no request for a WebSocket gets an answer of HTTP's, and the stream ends.
 * @returns the connection; undefined when the request was refused, which it has been told then, or the peer is gone.
 * @throws what a hook threw, after an answer of 500; ERR_INVALID_ARG_TYPE and the like.
 * @example
 * const peer = await acceptWebSocketStream(stream, { path: '/chat' });
 * peer?.onMessage((message) => peer.send(message));
 */
export async function acceptWebSocketStream(
  source: ByteStream | Duplex,
  options: AcceptStreamOptions = {},
): Promise<WebSocketConnection | undefined> {
  checkServerOptions(options);
  const own = connectionOptions(options);
  const { handshakeTimeoutMs: timeoutMs = HANDSHAKE_TIMEOUT_MS, path } = options;
  checkInteger('options.handshakeTimeoutMs', timeoutMs, 1, 2 ** 31 - 1);
  if (path !== undefined) checkString('options.path', path);
  const codec = requestHeads(checkHeadLimits(options));
  checkObject('source', source);
  const stream = asByteStream(source);
  checkNoConversation(stream);
  const origin = { addresses: (stream as Partial<Connection>).addresses ?? {} };
  const outcome = await serveRaw(stream, codec, { ...acceptRules(options), path }, { timeoutMs, origin });
  if ('established' in outcome) return new WebSocketConnection(outcome.established, own);
  if ('failure' in outcome) throw outcome.failure;
  if ('refused' in outcome) options.onRefused?.(outcome.refused.error, outcome.request);
  return undefined;
}
