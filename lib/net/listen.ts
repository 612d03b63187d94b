/**
 * `listen`: a server whose connections are byte streams, native where they can be, and `drain`: the careful end of any
 * server that connections were adopted from.
 *
 * Node listens and accepts (DNS, Unix sockets, cluster and the rest are its work), the connections are adopted before it
 * has read a byte of them.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type ListenOptions, type Server, type ServerOpts } from 'node:net';
import { checkFunction, checkInteger, checkObject } from '../arguments.js';
import { asTransportError, MiniprotoError } from '../errors.js';
import { CLOSE_TIMEOUT_MS } from '../limits.js';
import type { CloseOptions } from '../streams/byte-stream.js';
import { adopt } from './adopt.js';
import { given } from './connect.js';
import type { Connection } from './connection.js';
import { adoptedFrom } from './origins.js';
import type { SocketStreamOptions } from './socket-stream.js';

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

/** Is given each connection. When a promise that it returns is settled, the connection is closed. */
export type ConnectionHandler = (stream: Connection) => unknown;

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
export async function listen(options: ServerOptions, onConnection: ConnectionHandler): Promise<ByteServer> {
  checkObject('options', options);
  checkFunction('onConnection', onConnection);
  if (options.onError !== undefined) checkFunction('options.onError', options.onError);
  const { maxConnections } = options;
  const server = createServer({ noDelay: true, ...options, allowHalfOpen: true, pauseOnConnect: true });
  if (maxConnections !== undefined) {
    checkInteger('options.maxConnections', maxConnections, 0);
    server.maxConnections = maxConnections;
  }
  const listening = new Listening(server, options, onConnection);
  server.listen(options);
  try {
    await once(server, 'listening');
  } catch (error) {
    throw asTransportError(error);
  }
  server.on('error', (error) => options.onError?.(error, undefined));
  return listening;
}

class Listening implements ByteServer {
  readonly server: Server;
  readonly connections = new Set<Connection>();
  readonly #options: ServerOptions;
  readonly #onConnection: ConnectionHandler;
  readonly #streamOptions: SocketStreamOptions;
  #closing: Promise<void> | undefined;

  constructor(server: Server, options: ServerOptions, onConnection: ConnectionHandler) {
    const { idleTimeoutMs, firstRecordTimeoutMs, writeStallTimeoutMs, readHighWaterMark } = options;
    this.server = server;
    this.#options = options;
    this.#onConnection = onConnection;
    this.#streamOptions = given({ idleTimeoutMs, firstRecordTimeoutMs, writeStallTimeoutMs, readHighWaterMark });
    server.on('connection', (socket) => {
      const { maxConnections } = options;
      // Node counts the sockets that it has, and the adopted ones are ours.
      if (maxConnections !== undefined && this.connections.size >= maxConnections) return void socket.destroy();
      const stream = adopt(socket, this.#streamOptions);
      this.connections.add(stream);
      stream.whenClosed(() => this.connections.delete(stream));
      this.#handle(stream);
    });
  }

  #handle(stream: Connection): void {
    try {
      const answer = this.#onConnection(stream) as { then?: unknown } | undefined;
      if (typeof answer?.then !== 'function') return;
      answer.then(
        () => stream.close(),
        (error: unknown) => this.#failed(error, stream),
      );
    } catch (error) {
      this.#failed(error, stream);
    }
  }

  #failed(error: unknown, stream: Connection): void {
    stream.destroy(error instanceof Error ? error : undefined);
    const { onError } = this.#options;
    if (onError !== undefined) onError(error, stream);
    else if (!(error instanceof MiniprotoError)) void Promise.reject(error);
  }

  get port(): number {
    const { address } = this;
    return typeof address === 'string' ? 0 : address.port;
  }

  get address(): AddressInfo | string {
    return this.server.address() ?? '';
  }

  close(options: CloseOptions = {}): Promise<void> {
    this.#closing ??= drainAll(this.server, this.connections, options);
    return this.#closing;
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
 * resolves. What is left of the adopted ones when the time is over is destroyed. One call on SIGTERM.
 * @example
 * process.once('SIGTERM', () => drain(httpServer));
 */
export function drain(server: Server, options: CloseOptions = {}): Promise<void> {
  return drainAll(server, adoptedFrom(server), options);
}

async function drainAll(
  server: Server,
  connections: ReadonlySet<Connection>,
  { timeoutMs = CLOSE_TIMEOUT_MS, signal }: CloseOptions,
): Promise<void> {
  checkInteger('options.timeoutMs', timeoutMs, 0, 2 ** 31 - 1);
  const closed = server.listening ? once(server, 'close') : undefined;
  if (server.listening) server.close();
  // An HTTP server keeps idle connections for later requests, and there will be none.
  (server as { closeIdleConnections?: () => void }).closeIdleConnections?.();
  const options = signal === undefined ? { timeoutMs } : { timeoutMs, signal };
  await Promise.all([...connections].map((stream) => stream.close(options)));
  await closed;
}
