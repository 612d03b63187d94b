/**
 * `WebSocketServer` with the interface of the package `ws`, version 8.
 *
 *   state      requests           left by
 *   running    are upgraded       close()
 *   closing    get a 503          the end of every connection that is tracked, and of a server of our own
 *   closed     get a 503          nothing: 'close' has been emitted
 *
 * It reads no bytes: an `http` server, of its own or the program's, gives it requests to upgrade. What they have to be is
 * checked where all servers check it (handshake/request.ts). Where a connection can be native, Node's socket is gone
 * once it is open.
 */
import { EventEmitter } from 'node:events';
import type { Server as HttpServer, IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { late } from '../late.js';
import type { WebSocketOptions } from '../websocket/connection-options.js';
import type { UpgradeOffer } from '../websocket/handshake/request.js';
import { FaceDeflate } from './deflate.js';
import type { EmitterStatics, EmitterWith } from './emitter.js';
import { connectionOptionsFor, type ServerOptions } from './options.js';
import { type ServerHandshakeHost, type UpgradeRequest, upgrade } from './server-handshake.js';
import { friends, type Tracker, WebSocket } from './web-socket.js';

/** Events of a server with what their listeners are given. */
export interface ServerEvents<T extends typeof WebSocket, U extends typeof IncomingMessage> {
  connection: [websocket: InstanceType<T>, request: InstanceType<U>];
  listening: [];
  error: [error: Error];
  /** Lines of the answer, which may be changed and added to. */
  headers: [headers: string[], request: InstanceType<U>];
  close: [];
  wsClientError: [error: Error, socket: Duplex, request: InstanceType<U>];
}

const Base = EventEmitter as EmitterStatics &
  (new <T extends typeof WebSocket, U extends typeof IncomingMessage>() => EmitterWith<ServerEvents<T, U>>);

type Upgraded<T extends typeof WebSocket, U extends typeof IncomingMessage> = (
  client: InstanceType<T>,
  request: InstanceType<U>,
) => void;

/** What listens to the server underneath. */
// biome-ignore lint/suspicious/noExplicitAny: as for any listener of Node's.
type Listener = readonly [event: string, listener: (...values: any[]) => void];

export class WebSocketServer<
    T extends typeof WebSocket = typeof WebSocket,
    U extends typeof IncomingMessage = typeof IncomingMessage,
  >
  extends Base<T, U>
  implements Tracker
{
  readonly options: ServerOptions<T, U>;
  /** As the types of `ws` have it, which never has one: see `options.path`. */
  declare path: string;
  /** Those that are not closed yet; undefined where they are not tracked. */
  readonly clients!: Set<InstanceType<T>>;
  readonly #connectionOptions: WebSocketOptions;
  readonly #handshakeHost: HandshakeHost;
  #state: 'running' | 'closing' | 'closed' = 'running';
  #server: HttpServer | undefined;
  #listeners: readonly Listener[] = [];

  /** @throws TypeError unless there is exactly one of `port`, `server` and `noServer`; ERR_OUT_OF_RANGE and the like. */
  constructor(options: ServerOptions<T, U> = {}, callback?: () => void) {
    super();
    const { port, server, noServer } = options;
    if ([port != null, server != null, noServer === true].filter(Boolean).length !== 1) {
      throw new TypeError('One and only one of the "port", "server", or "noServer" options must be specified');
    }
    this.options = withDefaults(options);
    this.#connectionOptions = connectionOptionsFor(this.options);
    this.#handshakeHost = new HandshakeHost(this as unknown as WebSocketServer);
    if (this.options.clientTracking) this.clients = new Set();
    if (port != null) this.#listen(port, callback);
    else if (server != null) this.#attach(server as unknown as HttpServer);
  }

  #listen(port: number, callback: (() => void) | undefined): void {
    const server = late.http.createServer(upgradeRequired);
    this.#attach(server);
    const { host, backlog } = this.options;
    server.listen({ port, ...(host == null ? {} : { host }), ...(backlog == null ? {} : { backlog }) }, callback);
  }

  #attach(server: HttpServer): void {
    this.#server = server;
    const connected: Upgraded<T, U> = (client, request) => this.emit('connection', client, request);
    this.#listeners = [
      ['listening', () => this.emit('listening')],
      ['error', (error: Error) => this.emit('error', error)],
      [
        'upgrade',
        (request: InstanceType<U>, socket: Duplex, head: Buffer) =>
          this.handleUpgrade(request, socket, head, connected),
      ],
    ];
    for (const [event, listener] of this.#listeners) server.on(event, listener);
  }

  #detach(): void {
    for (const [event, listener] of this.#listeners) this.#server?.off(event, listener);
    this.#server = undefined;
  }

  /** Whether no request is upgraded any more. Internal. */
  get isClosing(): boolean {
    return this.#state !== 'running';
  }

  /** The server underneath, until `close`: programs ask it for its address. */
  get _server(): HttpServer | null {
    return this.#server ?? null;
  }

  /** @throws Error without a server. */
  address(): AddressInfo | string | null {
    if (this.options.noServer) throw new Error('The server is operating in "noServer" mode');
    return this.#server?.address() ?? null;
  }

  /**
   * Upgrades no more requests, and emits 'close' when every connection has ended; it ends none itself. A server of the
   * program's own goes on.
   */
  close(callback?: (error?: Error) => void): void {
    if (this.#state === 'closed') {
      if (callback !== undefined) this.once('close', () => callback(new Error('The server is not running')));
      process.nextTick(() => this.emit('close'));
      return;
    }
    if (callback !== undefined) this.once('close', callback);
    if (this.#state === 'closing') return;
    this.#state = 'closing';
    const own = this.options.port == null ? undefined : this.#server;
    this.#detach();
    if (own === undefined) process.nextTick(() => this.#endIfDone());
    else own.close(() => this.#endIfDone());
  }

  #endIfDone(): void {
    if (this.#state !== 'closing' || (this.clients?.size ?? 0) > 0) return;
    this.#state = 'closed';
    this.emit('close');
  }

  /** Internal: a connection has ended. */
  closed(socket: WebSocket): void {
    this.clients?.delete(socket as InstanceType<T>);
    if (this.#state === 'closing' && this.clients?.size === 0) process.nextTick(() => this.#endIfDone());
  }

  /** Whether the request is this server's: overwrite it to decide otherwise than by path. */
  shouldHandle(request: InstanceType<U>): boolean | Promise<boolean> {
    const { path } = this.options;
    return !path || request.url?.split('?', 1)[0] === path;
  }

  /**
   * Makes a WebSocket of a request to upgrade.
   * @throws Error for a socket that was upgraded before.
   */
  handleUpgrade(request: InstanceType<U>, socket: Duplex, head: Buffer, callback: Upgraded<T, U>): void {
    upgrade(this.#handshakeHost, { request, socket, head }, (established, answer) => {
      const { options } = this;
      const client = new options.WebSocket!(null, undefined, options) as InstanceType<T>;
      const tracker = this.clients === undefined ? undefined : (this as unknown as Tracker);
      this.clients?.add(client);
      friends.begin(client, { established, answer, options, connectionOptions: this.#connectionOptions, tracker });
      callback(client, request);
    });
  }
}

/** What the handshake asks a server. */
class HandshakeHost implements ServerHandshakeHost {
  readonly #server: WebSocketServer;
  readonly #deflate: FaceDeflate | undefined;

  constructor(server: WebSocketServer) {
    this.#server = server;
    this.#deflate = FaceDeflate.of(server.options.perMessageDeflate, 'server');
  }

  get options(): ServerOptions {
    return this.#server.options;
  }

  get closing(): boolean {
    return this.#server.isClosing;
  }

  acceptDeflate({ extensions }: UpgradeOffer): ReturnType<FaceDeflate['accept']> {
    return this.#deflate?.accept(extensions);
  }

  shouldHandle(request: IncomingMessage): boolean {
    return Boolean(this.#server.shouldHandle(request));
  }

  /** Lets the program answer a request that breaks the rules, if it listens. */
  broken(error: Error, { request, socket }: UpgradeRequest): boolean {
    return this.#server.emit('wsClientError', error, socket, request);
  }

  headers(lines: string[], request: IncomingMessage): void {
    this.#server.emit('headers', lines, request);
  }
}

function withDefaults<T extends typeof WebSocket, U extends typeof IncomingMessage>(
  given: ServerOptions<T, U>,
): ServerOptions<T, U> {
  const options: ServerOptions<T, U> = {
    allowSynchronousEvents: true,
    autoPong: true,
    clientTracking: true,
    perMessageDeflate: false,
    skipUTF8Validation: false,
    ...given,
  };
  options.WebSocket ??= WebSocket as unknown as T;
  return options;
}

/** An ordinary request, to a server that does nothing but upgrade. */
function upgradeRequired(_request: IncomingMessage, response: ServerResponse): void {
  const body = late.http.STATUS_CODES[426]!;
  response.writeHead(426, { 'Content-Length': body.length, 'Content-Type': 'text/plain' });
  response.end(body);
}
