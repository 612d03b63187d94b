/** What servers can be told, and what of it is a connection's. */
import { checkFunction, checkObject, checkString, invalidArgValue } from '../arguments.js';
import type { MiniprotoError } from '../errors.js';
import type { MessageHandler } from './connection.js';
import { checkWebSocketOptions, type WebSocketOptions } from './connection-options.js';
import type { AcceptOptions } from './handshake/decision.js';
import type { WebSocketRequest } from './handshake/request.js';

/** How requests are accepted, and what their connections are like. */
export interface WebSocketAcceptOptions extends AcceptOptions, WebSocketOptions {
  /** Is told of requests that were refused, and why; those whose head could not be read come without a request. */
  onRefused?: (error: MiniprotoError, request: WebSocketRequest | undefined) => void;
}

/** The same for servers. */
export interface WebSocketServerOptions extends WebSocketAcceptOptions {
  /** Requests for other paths are not taken: `/chat`. Default: all are. The query does not count. */
  path?: string;
  /**
   * Is given every message of every connection, as by a connection's `onMessage`, in the async context that the server
   * was made in. One function for all: an idle connection keeps nothing for it. What it throws closes the connection with
   * 1011, and `onError` is told, without a request.
   */
  onMessage?: MessageHandler;
  /**
   * Is told of what hooks and `onConnection` throw. Errors of peers and transports, MiniprotoErrors, are otherwise
   * ignored by default; others are programming errors, and by default end the process as an unhandled rejection does.
   */
  onError?: (error: unknown, request: WebSocketRequest | undefined) => void;
}

const CONNECTION_OPTIONS = [
  'maxMessageLength',
  'readHighWaterMark',
  'writeHighWaterMark',
  'writeLowWaterMark',
  'whenFull',
  'closeTimeoutMs',
  'autoPong',
  'checkUtf8',
  'maskKeys',
  'pingIntervalMs',
  'idleTimeoutMs',
  'maxLifetimeMs',
] as const satisfies readonly (keyof WebSocketOptions)[];

/** Those for connections, checked, and frozen so that all connections of a server share what is made of them. */
export function connectionOptions(options: WebSocketOptions): WebSocketOptions | undefined {
  const given = CONNECTION_OPTIONS.filter((name) => options[name] !== undefined);
  if (given.length === 0) return undefined;
  const own: WebSocketOptions = Object.freeze(Object.fromEntries(given.map((name) => [name, options[name]])));
  checkWebSocketOptions(own);
  return own;
}

/** @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE */
export function checkServerOptions(options: WebSocketServerOptions): void {
  checkObject('options', options);
  const { path, onRefused, onError, onMessage } = options;
  if (path !== undefined) {
    checkString('options.path', path);
    if (!path.startsWith('/')) throw invalidArgValue('options.path', path, 'must begin with /');
  }
  if (onRefused !== undefined) checkFunction('options.onRefused', onRefused);
  if (onError !== undefined) checkFunction('options.onError', onError);
  if (onMessage !== undefined) checkFunction('options.onMessage', onMessage);
}
