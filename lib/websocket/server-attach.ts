/**
 * `attachWebSocket`: WebSockets beside the ordinary requests of a server of Node's, any number of them on one server,
 * told apart by path.
 *
 * One listener per server routes, because each listener of 'upgrade' is given every request: with a listener for each
 * attachment none would know that nobody else took it.
 */
import type { Server as HttpServer, IncomingMessage } from 'node:http';
import type {
  Http2SecureServer,
  Http2Server,
  Http2ServerRequest,
  Http2ServerResponse,
  IncomingHttpHeaders,
  ServerHttp2Stream,
} from 'node:http2';
import type { Server as HttpsServer } from 'node:https';
import type { Duplex } from 'node:stream';
import { invalidArgType } from '../arguments.js';
import type { WebSocketConnection } from './connection.js';
import type { WebSocketRequest } from './handshake/request.js';
import { notFound } from './handshake/serve.js';
import { requestOf, serveUpgrade } from './handshake/upgrade.js';
import { isExtendedConnect, requestOfStream, serveExtendedConnect } from './http2-server.js';
import {
  checkServerClose,
  ServerConnections,
  type WebSocketHandler,
  type WebSocketServer,
  type WebSocketServerCloseOptions,
} from './server-connections.js';
import type { WebSocketServerOptions } from './server-options.js';

/** A server of Node's that requests come from. One of `http2` is asked over both versions, where it speaks both. */
export type NodeHttpServer = HttpServer | HttpsServer | Http2Server | Http2SecureServer;

/**
 * Takes requests for WebSockets from a server of `http`, `https` or `http2`. Those that no attachment takes are answered
 * with a 404, unless somebody else listens to 'upgrade' as well. A server of `http2` says to its sessions from then on
 * that it takes them: attach before it listens.
 * @returns what has been attached; its `close` leaves the server as it is.
 * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE
 * @example
 * attachWebSocket(httpServer, { path: '/echo' }, (peer) => peer.onMessage((message) => peer.send(message)));
 */
export function attachWebSocket(
  server: NodeHttpServer,
  options: WebSocketServerOptions,
  onConnection?: WebSocketHandler,
): WebSocketServer {
  if (typeof (server as HttpServer | null)?.on !== 'function') {
    throw invalidArgType('server', 'an instance of http.Server', server);
  }
  return new Attached(new ServerConnections(options, onConnection), UpgradeRouter.of(server as HttpServer));
}

class Attached implements WebSocketServer {
  readonly sockets: ServerConnections;
  readonly #router: UpgradeRouter;
  #closing: Promise<void> | undefined;

  constructor(sockets: ServerConnections, router: UpgradeRouter) {
    this.sockets = sockets;
    this.#router = router;
    router.add(this);
  }

  takes(request: WebSocketRequest): boolean {
    const { path } = this.sockets.options;
    return path === undefined || request.path === path;
  }

  get connections(): ReadonlySet<WebSocketConnection> {
    return this.sockets.connections;
  }

  async close(options: WebSocketServerCloseOptions = {}): Promise<void> {
    checkServerClose(options);
    this.#router.remove(this);
    this.#closing ??= this.sockets.close(options);
    await this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

const routers = new WeakMap<HttpServer, UpgradeRouter>();

/** For who is refused anyway. */
const NO_RULES = { deflate: undefined };

class UpgradeRouter {
  readonly #server: HttpServer;
  readonly #attached = new Set<Attached>();

  static of(server: HttpServer): UpgradeRouter {
    const router = routers.get(server) ?? new UpgradeRouter(server);
    routers.set(server, router);
    return router;
  }

  private constructor(server: HttpServer) {
    this.#server = server;
  }

  add(attached: Attached): void {
    if (this.#attached.size === 0) this.#listen();
    this.#attached.add(attached);
  }

  #listen(): void {
    this.#server.on('upgrade', this.#onUpgrade);
    const { updateSettings } = this.#server as unknown as Partial<Http2Server>;
    if (typeof updateSettings !== 'function') return;
    updateSettings.call(this.#server, { enableConnectProtocol: true });
    this.#server.on('stream', this.#onStream).on('connect', this.#onConnect as () => void);
  }

  remove(attached: Attached): void {
    if (!this.#attached.delete(attached) || this.#attached.size > 0) return;
    // Without a listener Node treats requests to upgrade as ordinary ones again.
    this.#server.off('upgrade', this.#onUpgrade).off('stream', this.#onStream);
    this.#server.off('connect', this.#onConnect as () => void);
  }

  /** Those with a path of their own come before one that takes all. */
  #takerOf(request: WebSocketRequest): ServerConnections | undefined {
    const takers = [...this.#attached].filter((attached) => attached.takes(request));
    return (takers.find(({ sockets }) => sockets.options.path !== undefined) ?? takers[0])?.sockets;
  }

  readonly #onUpgrade = (message: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const request = requestOf(message, socket);
    const taker = this.#takerOf(request);
    if (taker !== undefined) return taker.take(serveUpgrade(request, socket, head, taker.rules));
    if (this.#server.listenerCount('upgrade') > 1) return;
    this.#any().take(serveUpgrade(request, socket, head, NO_RULES, notFound()));
  };

  readonly #onStream = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void => {
    if (!isExtendedConnect(headers)) return;
    const request = requestOfStream(stream, headers);
    const taker = this.#takerOf(request);
    if (taker !== undefined) taker.take(serveExtendedConnect(request, stream, taker.rules));
    else this.#any().take(serveExtendedConnect(request, stream, NO_RULES, notFound()));
  };

  /** Node's own handler of requests refuses every CONNECT that nobody listens for, ours included. */
  readonly #onConnect = (request: Http2ServerRequest, response: Http2ServerResponse): void => {
    if (isExtendedConnect(request.headers) || this.#server.listenerCount('connect') > 1) return;
    response.statusCode = 405;
    response.end();
  };

  /** Who is told of what nobody takes. */
  #any(): ServerConnections {
    const [first] = this.#attached;
    return first!.sockets;
  }
}
