/**
 * Servers: one connection out of an 'upgrade' event (`acceptWebSocket`), and a listener of our own that reads heads by
 * itself (`listenWebSocket`). Many on a server of Node's: server-attach.ts.
 */
import type { IncomingMessage } from 'node:http';
import type { AddressInfo, Server } from 'node:net';
import type { Duplex } from 'node:stream';
import { checkInteger, checkObject, checkUint8Array } from '../arguments.js';
import { checkHeadLimits, type HeadLimits, requestHeads } from '../http/head-codec.js';
import { HANDSHAKE_TIMEOUT_MS } from '../limits.js';
import type { Connection } from '../net/connection.js';
import { type ByteServer, listen, type ServerOptions } from '../net/listen.js';
import type { SocketStreamOptions } from '../net/socket-stream.js';
import { type ListenTlsOptions, listenTls } from '../tls/listen-tls.js';
import type { TlsServerOptions } from '../tls/options.js';
import { WebSocketConnection } from './connection.js';
import { httpByAlpn } from './handshake/alpn.js';
import { acceptRules } from './handshake/decision.js';
import { serveRaw } from './handshake/serve.js';
import { requestOf, serveUpgrade } from './handshake/upgrade.js';
import {
  checkServerClose,
  ServerConnections,
  type WebSocketHandler,
  type WebSocketServer,
  type WebSocketServerCloseOptions,
} from './server-connections.js';
import {
  checkServerOptions,
  connectionOptions,
  type WebSocketAcceptOptions,
  type WebSocketServerOptions,
} from './server-options.js';

/**
 * Makes a WebSocket of an 'upgrade' event of any `http` or `https` server. A plain socket becomes native, with its head.
 * @returns the connection; undefined when the request was refused, which it has been told then, or the peer is gone.
 * @throws what a hook threw, after an answer of 500; ERR_INVALID_ARG_TYPE and the like.
 * @example
 * httpServer.on('upgrade', async (request, socket, head) => {
 *   const peer = await acceptWebSocket(request, socket, head);
 *   peer?.onMessage((message) => peer.send(message));
 * });
 */
export async function acceptWebSocket(
  request: IncomingMessage,
  socket: Duplex,
  head: Uint8Array = EMPTY,
  options: WebSocketAcceptOptions = {},
): Promise<WebSocketConnection | undefined> {
  checkObject('request', request);
  checkUint8Array('head', head);
  checkServerOptions(options);
  const own = connectionOptions(options);
  const outcome = await serveUpgrade(requestOf(request, socket), socket, head, acceptRules(options));
  if ('established' in outcome) return new WebSocketConnection(outcome.established, own);
  if ('failure' in outcome) throw outcome.failure;
  if ('refused' in outcome) options.onRefused?.(outcome.refused.error, outcome.request);
  return undefined;
}

const EMPTY = Buffer.alloc(0);

/** Where to listen, as for `listen`, and how to accept. */
export interface ListenWebSocketOptions
  extends Omit<ServerOptions, 'path' | 'onError' | keyof SocketStreamOptions>,
    HeadLimits,
    WebSocketServerOptions {
  /** Listens with TLS (`wss:`): as for `listenTls`, `key` and `cert` or a `context`. */
  tls?: TlsServerOptions;
  /** The Unix socket to listen at, since `path` is that of requests. */
  socketPath?: string;
  /** Milliseconds for a request to arrive. Default 10000. */
  handshakeTimeoutMs?: number;
}

/** A server that listens by itself. */
export interface ListeningWebSocketServer extends WebSocketServer {
  /** Node's server underneath. */
  readonly server: Server;
  readonly port: number;
  readonly address: AddressInfo | string;
  ref(): this;
  unref(): this;
}

/**
 * Listens for WebSockets and nothing else: connections are native from their first byte, and no HTTP server is made for
 * them. What is no request for a WebSocket gets an answer of HTTP's, and its connection is closed.
 * @returns the server, once it listens.
 * @throws as `listen`
 * @example
 * await using server = await listenWebSocket({ port: 0 }, async (socket) => {
 *   for await (const message of socket) await socket.write(message);
 * });
 */
export async function listenWebSocket(
  options: ListenWebSocketOptions,
  onConnection?: WebSocketHandler,
): Promise<ListeningWebSocketServer> {
  checkObject('options', options);
  const { handshakeTimeoutMs: timeoutMs = HANDSHAKE_TIMEOUT_MS, socketPath } = options;
  checkInteger('options.handshakeTimeoutMs', timeoutMs, 1, 2 ** 31 - 1);
  const limits = checkHeadLimits(options);
  const sockets = new ServerConnections(options, onConnection);
  const rules = { ...sockets.rules, path: options.path };
  const serve = (stream: Connection): void => {
    sockets.take(serveRaw(stream, requestHeads(limits), rules, { timeoutMs, origin: stream }));
  };
  const { tls } = options;
  const where = listenOptions(options, socketPath);
  const server = await (tls === undefined ? listen(where, serve) : listenTls(tlsOptions(where, tls), serve));
  return new Listening(server, sockets);
}

/** What is left for `listen`: the others are about WebSockets, though some have the same names. */
function listenOptions(options: ListenWebSocketOptions, socketPath: string | undefined): ServerOptions {
  const { path: _path, idleTimeoutMs: _idle, readHighWaterMark: _mark, tls: _tls, onError, ...rest } = options;
  return {
    ...rest,
    ...(socketPath === undefined ? {} : { path: socketPath }),
    // Failures to accept; handlers of ours do not throw.
    ...(onError === undefined ? {} : { onError: (error: unknown) => onError(error, undefined) }),
  };
}

function tlsOptions(where: ServerOptions, tls: TlsServerOptions): ListenTlsOptions {
  checkObject('options.tls', tls);
  return { ...where, ...httpByAlpn(tls.context), ...tls };
}

class Listening implements ListeningWebSocketServer {
  readonly #server: ByteServer;
  readonly #sockets: ServerConnections;
  #closing: Promise<void> | undefined;

  constructor(server: ByteServer, sockets: ServerConnections) {
    this.#server = server;
    this.#sockets = sockets;
  }

  get server(): Server {
    return this.#server.server;
  }

  get port(): number {
    return this.#server.port;
  }

  get address(): AddressInfo | string {
    return this.#server.address;
  }

  get connections(): ReadonlySet<WebSocketConnection> {
    return this.#sockets.connections;
  }

  async close(options: WebSocketServerCloseOptions = {}): Promise<void> {
    const { timeoutMs } = checkServerClose(options);
    this.#closing ??= this.#close(options, timeoutMs);
    await this.#closing;
  }

  async #close(options: WebSocketServerCloseOptions, timeoutMs: number): Promise<void> {
    const endsAt = performance.now() + timeoutMs;
    if (this.server.listening) this.server.close();
    await this.#sockets.close(options);
    // What has not got as far as a WebSocket.
    await this.#server.close({ timeoutMs: Math.max(0, Math.round(endsAt - performance.now())) });
  }

  ref(): this {
    this.#server.ref();
    return this;
  }

  unref(): this {
    this.#server.unref();
    return this;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
