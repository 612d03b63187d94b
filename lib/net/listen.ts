/**
 * `listen`: a server whose connections are byte streams, native where they can be, and `drain`: the careful end of any
 * server that connections were adopted from.
 *
 * Node listens and accepts (DNS, Unix sockets, cluster and the rest are its work), the connections are adopted before it
 * has read a byte of them.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type ListenOptions, type Server, type ServerOpts } from 'node:net';
import { inspect } from 'node:util';
import { checkFunction, checkInteger, checkObject, checkSignal, invalidArgType } from '../arguments.js';
import { asTransportError } from '../errors.js';
import { closeConversation } from '../framed/framed.js';
import { CLOSE_TIMEOUT_MS } from '../limits.js';
import { checkCloseOptions, Deadline } from '../streams/base-stream.js';
import type { ByteStream, CloseOptions } from '../streams/byte-stream.js';
import { acceptNatively } from './accept.js';
import { adopt } from './adopt.js';
import type { Connection } from './connection.js';
import { adoptedFrom, keepCount } from './origins.js';
import type { Reactor } from './reactor.js';
import { type ConnectionHandler, closeAfter, failed, type HandlerKeeper, handle } from './serve.js';
import { SocketStream, type SocketStreamOptions } from './socket-stream.js';
import { streamOptions } from './stream-options.js';

/** Where to listen, as for `net.Server` (`port`, `host`, `path`, `backlog`, `signal`, `keepAlive`, …), and how. */
export interface ServerOptions extends ListenOptions, Omit<ServerOpts, 'pauseOnConnect'>, SocketStreamOptions {
  /** Connections at once; more are closed as they come. Default: as many as the system gives. */
  maxConnections?: number;
  /**
   * Is told of errors that `onConnection` did not handle, and of failures to accept (EMFILE and the like). Errors of
   * peers and transports, MiniprotoErrors, end their connection and are otherwise ignored by default; others are
   * programming errors, and by default end the process as an unhandled rejection does.
   */
  onError?: (error: unknown, stream: Connection | undefined) => void;
}

/** A server that listens. */
export interface ByteServer extends AsyncDisposable {
  /** Node's server underneath. */
  readonly server: Server;
  /** The port, of a server that listens on one. */
  readonly port: number;
  /** Where it listens: an address, or a path. */
  readonly address: AddressInfo | string;
  /** Connections that are open. */
  readonly connections: ReadonlySet<Connection>;
  /**
   * Accepts no more, lets every connection's output leave, ends them, and waits for them to be gone. What is left when
   * the time is over is destroyed.
   */
  close(options?: CloseOptions): Promise<void>;
  ref(): this;
  unref(): this;
}

/**
 * Listens, and hands each connection to `onConnection`. `noDelay` is on unless it is set to false.
 * @returns the server, once it listens.
 * @throws TransportError ERR_TRANSPORT with Node's own error (EADDRINUSE, EACCES, …) as its cause.
 * @example
 * await using server = await listen({ port: 0 }, async (stream) => {
 *   for await (const line of framed(stream, lines())) console.log(line);
 * });
 */
export function listen(options: ServerOptions, onConnection: ConnectionHandler): Promise<ByteServer> {
  return listenPrepared(options, undefined, onConnection);
}

/** What is done to a connection before its handler gets it: TLS is put on it. Internal. */
export interface Preparation {
  /** The stream that the handler will get. */
  make(connection: Connection): Connection;
  /**
   * The same for a connection of the reactor's that nobody has had yet; undefined where it has to be a stream first.
   * Where this throws, the connection is still the caller's.
   */
  begin(reactor: Reactor, id: number): SocketStream | undefined;
  /** Resolves when it may have it. */
  ready(stream: Connection): Promise<void>;
}

/** `listen` with a preparation. Internal. */
export async function listenPrepared(
  options: ServerOptions,
  preparation: Preparation | undefined,
  onConnection: ConnectionHandler,
): Promise<ByteServer> {
  checkObject('options', options);
  checkFunction('onConnection', onConnection);
  if (options.onError !== undefined) checkFunction('options.onError', options.onError);
  const { maxConnections, signal } = options;
  if (maxConnections !== undefined) checkInteger('options.maxConnections', maxConnections, 0);
  checkSignal('options.signal', signal);
  signal?.throwIfAborted();
  const server = createServer({ noDelay: true, ...options, allowHalfOpen: true, pauseOnConnect: true });
  const listening = new Listening(server, options, preparation, onConnection);
  server.listen(options);
  try {
    await once(server, 'listening', signal === undefined ? {} : { signal });
  } catch (error) {
    // It may be about to listen all the same.
    server.once('error', ignore).close();
    signal?.throwIfAborted();
    throw asTransportError(error);
  }
  server.on('error', (error) => options.onError?.(error, undefined));
  listening.begin();
  return listening;
}

class Listening implements ByteServer, HandlerKeeper<Connection> {
  readonly server: Server;
  readonly connections = new Set<Connection>();
  readonly #options: ServerOptions;
  readonly #preparation: Preparation | undefined;
  readonly #onConnection: ConnectionHandler;
  readonly #streamOptions: SocketStreamOptions;
  #closing: Promise<void> | undefined;

  constructor(
    server: Server,
    options: ServerOptions,
    preparation: Preparation | undefined,
    onConnection: ConnectionHandler,
  ) {
    this.server = server;
    this.#options = options;
    this.#preparation = preparation;
    this.#onConnection = onConnection;
    this.#streamOptions = streamOptions(options);
    keepCount(server, this.connections);
    server.on('connection', (socket) => {
      const { maxConnections } = this.#limits();
      // Here, since Node does not count connections that are native.
      if (maxConnections !== undefined && this.connections.size >= maxConnections) return void socket.destroy();
      const stream = adopt(socket, this.#streamOptions);
      this.connections.add(stream);
      stream.whenClosed(() => this.connections.delete(stream));
      this.#take(stream);
    });
  }

  /** The server listens: from now on connections are taken before Node makes sockets of them, where that is possible. */
  begin(): void {
    // Who is on a list is Node's to say.
    if ((this.#options as { blockList?: unknown }).blockList !== undefined) return;
    acceptNatively(this.server, this.#options, (reactor, id) => this.#accept(reactor, id));
  }

  /** What was asked of us, or of Node's server since. */
  #limits(): { maxConnections: number | undefined } {
    // Undefined until somebody sets it, whatever its type says.
    const { maxConnections = this.#options.maxConnections } = this.server as { maxConnections?: number };
    return { maxConnections };
  }

  #accept(reactor: Reactor, id: number): void {
    const { maxConnections } = this.#limits();
    if (maxConnections !== undefined && this.connections.size >= maxConnections) return reactor.net.remove(id);
    let prepared: SocketStream | undefined;
    try {
      prepared = this.#preparation?.begin(reactor, id);
    } catch (error) {
      reactor.net.remove(id);
      return this.failed(error, undefined);
    }
    if (prepared !== undefined) {
      prepared.joins(this.connections);
      return this.#prepare(prepared, this.#preparation!);
    }
    const stream = new SocketStream(reactor, this.#streamOptions);
    stream.attach(id, { finished: false });
    stream.joins(this.connections);
    this.#take(stream);
  }

  #take(connection: Connection): void {
    if (this.#preparation === undefined) return this.#handle(connection);
    try {
      this.#prepare(this.#preparation.make(connection), this.#preparation);
    } catch (error) {
      this.failed(error, connection);
    }
  }

  #prepare(stream: Connection, preparation: Preparation): void {
    preparation.ready(stream).then(
      () => this.#handle(stream),
      (error: unknown) => this.failed(error, stream),
    );
  }

  #handle(stream: Connection): void {
    handle<Connection>(stream, this.#onConnection, this);
  }

  /** Internal, see EndKeeper. */
  ended(end: Promise<void>, stream: ByteStream): void {
    // It is told of connections that it has handed out.
    closeAfter<Connection>(end, stream as Connection, this);
  }

  /** Internal, see HandlerKeeper. */
  failed(error: unknown, stream: Connection | undefined): void {
    failed(error, stream, this.#options.onError);
  }

  get port(): number {
    const { address } = this;
    return typeof address === 'string' ? 0 : address.port;
  }

  get address(): AddressInfo | string {
    return this.server.address() ?? '';
  }

  close(options: CloseOptions = {}): Promise<void> {
    try {
      // Before the promise that is kept: a wrong argument must leave the server to be closed.
      checkCloseOptions(options);
    } catch (error) {
      return Promise.reject(error);
    }
    this.#closing ??= drainAll(this.server, this.connections, options);
    return this.#closing;
  }

  [inspect.custom](): string {
    const { address } = this;
    const place = typeof address === 'string' ? address : `${address.address}:${address.port}`;
    const state = this.server.listening ? `listening: ${place}` : 'closed';
    return `ByteServer { ${state}, connections: ${this.connections.size} }`;
  }

  ref(): this {
    this.server.ref();
    return this;
  }

  unref(): this {
    this.server.unref();
    return this;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/**
 * The careful end of a server of Node's, `http` and `https` included, whose connections were adopted: it accepts no
 * more, every adopted connection's output leaves and it is ended, and when all are gone, Node's own included, this
 * resolves. When the time is over it destroys what is left of the adopted ones, and of an HTTP server's own, and
 * resolves. One call on SIGTERM.
 * @example
 * process.once('SIGTERM', () => drain(httpServer));
 */
export async function drain(server: Server, options: CloseOptions = {}): Promise<void> {
  if (typeof (server as Partial<Server> | null | undefined)?.listening !== 'boolean') {
    throw invalidArgType('server', 'an instance of net.Server', server);
  }
  checkCloseOptions(options);
  await drainAll(server, adoptedFrom(server), options);
}

/** Milliseconds. How often a server of HTTP that is drained is asked to close what has become idle. */
const CLOSE_IDLE_EVERY_MS = 50;

/** What HTTP servers have besides. */
interface HttpConnections {
  closeIdleConnections?(): void;
  closeAllConnections?(): void;
}

async function drainAll(
  server: Server & HttpConnections,
  connections: ReadonlySet<Connection>,
  { timeoutMs = CLOSE_TIMEOUT_MS, signal }: CloseOptions,
): Promise<void> {
  const closed = server.listening ? once(server, 'close') : undefined;
  if (server.listening) server.close();
  // An HTTP server keeps connections for later requests, also those whose last answer is still to come.
  const closeIdle = () => server.closeIdleConnections?.();
  closeIdle();
  const idle = server.closeIdleConnections === undefined ? undefined : setInterval(closeIdle, CLOSE_IDLE_EVERY_MS);
  const deadline = new Deadline(timeoutMs, signal);
  const options = { timeoutMs, signal: deadline.signal };
  // A request that was under way may still become a connection of ours.
  const adopted = async () => {
    while (connections.size > 0) await Promise.all([...connections].map((stream) => endWithCare(stream, options)));
  };
  try {
    await Promise.race([Promise.all([adopted(), closed]).then(adopted), aborted(deadline.signal)]);
  } finally {
    deadline.clear();
    clearInterval(idle);
  }
  if (!deadline.signal.aborted) return;
  server.closeAllConnections?.();
  const left = [...connections].map((stream) => new Promise<void>((resolve) => stream.whenClosed(resolve)));
  for (const stream of connections) stream.destroy();
  await Promise.all(left);
}

/** Resolves when the connection is closed. */
async function endWithCare(stream: Connection, options: CloseOptions): Promise<void> {
  const closed = new Promise<void>((resolve) => stream.whenClosed(resolve));
  await closeConversation(stream, options);
  await closed;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function ignore(): void {
  // Whoever called has the reason already.
}
