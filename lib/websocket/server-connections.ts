/** The connections of one server: who is told of them, what becomes of handlers that fail, and how all of them end. */
import { AsyncResource } from 'node:async_hooks';
import { checkFunction, checkInteger, checkObject } from '../arguments.js';
import { MiniprotoError } from '../errors.js';
import { CLOSE_TIMEOUT_MS } from '../limits.js';
import { CLOSE_GOING_AWAY, CLOSE_INTERNAL_ERROR, CLOSE_NORMAL, checkClose } from './close-codes.js';
import { WebSocketConnection } from './connection.js';
import type { ConnectionKeeper } from './connection-keeper.js';
import type { ConnectionLife } from './connection-life.js';
import type { WebSocketOptions } from './connection-options.js';
import { type AcceptRules, acceptRules } from './handshake/decision.js';
import type { WebSocketRequest } from './handshake/request.js';
import type { Outcome } from './handshake/serve.js';
import { checkServerOptions, connectionOptions, type WebSocketServerOptions } from './server-options.js';

/**
 * Is given each connection with the request that it began with. When a promise that it returns is fulfilled, the
 * connection is closed with 1000; when it throws or rejects, with 1011.
 */
export type WebSocketHandler = (socket: WebSocketConnection, request: WebSocketRequest) => unknown;

/** How a server is closed. */
export interface WebSocketServerCloseOptions {
  /** Milliseconds until connections that are left are destroyed. Default 5000. */
  timeoutMs?: number;
  /** What connections are closed with. Default 1001. */
  code?: number;
  reason?: string;
}

/** Connections of one origin. */
export interface WebSocketServer extends AsyncDisposable {
  /** Those that are open. */
  readonly connections: ReadonlySet<WebSocketConnection>;
  /** Takes no more requests, closes every connection, 1001 by default, and resolves when all are gone. */
  close(options?: WebSocketServerCloseOptions): Promise<void>;
}

export class ServerConnections implements ConnectionKeeper {
  readonly connections = new Set<WebSocketConnection>();
  readonly options: WebSocketServerOptions;
  readonly rules: AcceptRules;
  readonly #connectionOptions: WebSocketOptions | undefined;
  readonly #onConnection: WebSocketHandler | undefined;
  /** Where `onMessage` of the options runs. */
  readonly #scope: AsyncResource | undefined;
  #closing: Required<WebSocketServerCloseOptions> | undefined;

  /** @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE */
  constructor(options: WebSocketServerOptions, onConnection: WebSocketHandler | undefined) {
    checkServerOptions(options);
    if (onConnection !== undefined || options.onMessage === undefined) checkFunction('onConnection', onConnection);
    if (options.onMessage !== undefined) this.#scope = new AsyncResource('MINIPROTO_WEBSOCKET');
    this.options = options;
    this.rules = acceptRules(options);
    this.#onConnection = onConnection;
    this.#connectionOptions = connectionOptions(options);
  }

  /** See ConnectionKeeper. */
  closed(connection: ConnectionLife): void {
    this.connections.delete(connection as WebSocketConnection);
  }

  /** The same. Asynchronous: what `onError` throws is an unhandled rejection, as elsewhere, and no fault of a message. */
  async handlerFailed(error: unknown): Promise<void> {
    this.#report(error, undefined);
  }

  /** Waits for a handshake, and goes on with what it became. */
  take(shaking: Promise<Outcome>): void {
    shaking.then(
      (outcome) => this.#took(outcome),
      (error: unknown) => this.#report(error, undefined),
    );
  }

  #took(outcome: Outcome): void {
    if ('established' in outcome) {
      const connection = new WebSocketConnection(outcome.established, this.#connectionOptions);
      this.connections.add(connection);
      connection.keptBy(this);
      if (this.#closing !== undefined) void connection.close(this.#closing.code, this.#closing.reason);
      else this.#handle(connection, outcome.request);
    } else if ('refused' in outcome) this.options.onRefused?.(outcome.refused.error, outcome.request);
    else if ('failure' in outcome) this.#report(outcome.failure, outcome.request);
  }

  #handle(connection: WebSocketConnection, request: WebSocketRequest): void {
    // A head is larger than its connection: it is kept for as long only where somebody will be told of it.
    const asked = this.options.onError === undefined ? undefined : request;
    const { onMessage } = this.options;
    if (onMessage !== undefined) connection.messagesTo(onMessage, this.#scope!);
    try {
      const answer = this.#onConnection?.(connection, request) as { then?: unknown } | undefined;
      if (typeof answer?.then !== 'function') return;
      if (asked === undefined && connection.keepsHandling(answer)) return;
      this.#closeAfter(answer as PromiseLike<unknown>, connection, asked);
    } catch (error) {
      this.#failed(error, connection, asked);
    }
  }

  /** Apart from `#handle`, whose variables would live as long. */
  #closeAfter(
    handled: PromiseLike<unknown>,
    connection: WebSocketConnection,
    asked: WebSocketRequest | undefined,
  ): void {
    handled.then(
      () => connection.close(CLOSE_NORMAL),
      (error: unknown) => this.#failed(error, connection, asked),
    );
  }

  #failed(error: unknown, connection: WebSocketConnection, request: WebSocketRequest | undefined): void {
    // The program has not taken it, or no longer: `onMessage` of the options is given nothing more of it.
    if (this.#scope !== undefined) connection.messagesTo(ignore, this.#scope);
    void connection.close(CLOSE_INTERNAL_ERROR);
    this.#report(error, request);
  }

  #report(error: unknown, request: WebSocketRequest | undefined): void {
    const { onError } = this.options;
    if (onError !== undefined) onError(error, request);
    else if (!(error instanceof MiniprotoError)) void Promise.reject(error);
  }

  /** Closes all, and those that still come. */
  async close(options: WebSocketServerCloseOptions = {}): Promise<void> {
    const { timeoutMs, code, reason } = checkServerClose(options);
    this.#closing = { timeoutMs, code, reason };
    const { connections } = this;
    const timer = setTimeout(() => {
      for (const connection of connections) connection.destroy();
    }, timeoutMs);
    while (connections.size > 0) {
      const all = [...connections];
      await Promise.all(all.map((connection) => connection.close(code, reason, { timeoutMs })));
      for (const connection of all) connections.delete(connection);
    }
    clearTimeout(timer);
  }
}

function ignore(): void {
  // What it is given has no meaning any more.
}

/** @throws ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE, ERR_INVALID_ARG_VALUE */
export function checkServerClose(options: WebSocketServerCloseOptions): Required<WebSocketServerCloseOptions> {
  checkObject('options', options);
  const { timeoutMs = CLOSE_TIMEOUT_MS, code = CLOSE_GOING_AWAY, reason = '' } = options;
  checkInteger('options.timeoutMs', timeoutMs, 0, 2 ** 31 - 1);
  checkClose(code, reason);
  return { timeoutMs, code, reason };
}
