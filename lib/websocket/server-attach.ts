/**
 * `attachWebSocket`: WebSockets beside the ordinary requests of a server of Node's, any number of them on one server,
 * told apart by path.
 *
 * One listener per server routes, because each listener of 'upgrade' is given every request: with a listener for each
 * attachment none would know that nobody else took it.
 */
import type { Server as HttpServer, IncomingMessage } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { Duplex } from 'node:stream';
import { invalidArgType } from '../arguments.js';
import type { WebSocketConnection } from './connection.js';
import type { WebSocketRequest } from './handshake/request.js';
import { notFound } from './handshake/serve.js';
import { requestOf, serveUpgrade } from './handshake/upgrade.js';
import {
  checkServerClose,
  ServerConnections,
  type WebSocketHandler,
  type WebSocketServer,
  type WebSocketServerCloseOptions,
} from './server-connections.js';
import type { WebSocketServerOptions } from './server-options.js';

/**
 * Takes requests for WebSockets from a server of `http` or `https`. Those that no attachment takes are answered with a
 * 404, unless somebody else listens to 'upgrade' as well.
 * @returns what has been attached; its `close` leaves the server as it is.
 * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE
 * @example
 * attachWebSocket(httpServer, { path: '/echo' }, (socket) => socket.onMessage((message) => void socket.send(message)));
 */
export function attachWebSocket(
  server: HttpServer | HttpsServer,
  options: WebSocketServerOptions,
  onConnection: WebSocketHandler,
): WebSocketServer {
  if (typeof (server as HttpServer | null)?.on !== 'function') {
    throw invalidArgType('server', 'an instance of http.Server', server);
  }
  const attached = new Attached(new ServerConnections(options, onConnection), UpgradeRouter.of(server));
  return attached;
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
    if (this.#attached.size === 0) this.#server.on('upgrade', this.#onUpgrade);
    this.#attached.add(attached);
  }

  remove(attached: Attached): void {
    // Without a listener Node treats requests to upgrade as ordinary ones again.
    if (this.#attached.delete(attached) && this.#attached.size === 0) this.#server.off('upgrade', this.#onUpgrade);
  }

  readonly #onUpgrade = (message: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const request = requestOf(message, socket);
    // Those with a path of their own come before one that takes all.
    const takers = [...this.#attached].filter((attached) => attached.takes(request));
    const taker = takers.find(({ sockets }) => sockets.options.path !== undefined) ?? takers[0];
    if (taker !== undefined) return taker.sockets.take(serveUpgrade(request, socket, head, taker.sockets.options));
    if (this.#server.listenerCount('upgrade') > 1) return;
    const [any] = this.#attached;
    any!.sockets.take(serveUpgrade(request, socket, head, {}, notFound()));
  };
}
