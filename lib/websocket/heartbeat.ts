/**
 * Pings, idle timeouts and lifetimes, found by looking: one timer per thread looks at all connections that have any.
 * Nothing is done per message, and a connection without them costs nothing. A time is over between itself and a quarter
 * more.
 */
import { LimitError } from '../errors.js';
import { Sweep } from '../net/sweep.js';
import type { ByteStream } from '../streams/byte-stream.js';
import type { CheckedOptions } from './connection-options.js';

/** A connection, as its heartbeat sees it. */
export interface Beating {
  readonly stream: ByteStream;
  readonly state: 'open' | 'closing' | 'closed';
  ping(): boolean;
  /** Changes with every sign of life. */
  readonly signs: number;
  expire(): void;
  lose(error: Error): void;
}

const beating = new Sweep();

export class Heartbeat {
  readonly #connection: Beating;
  readonly #pingMs: number;
  readonly #idleMs: number;
  readonly #lifeMs: number;
  readonly #begunAt = performance.now();
  #heardAt = this.#begunAt;
  #pingedAt = this.#begunAt;
  #signs = 0;

  /** @returns undefined when there is nothing to look for. */
  static of(connection: Beating, options: CheckedOptions): Heartbeat | undefined {
    const { pingIntervalMs, idleTimeoutMs, maxLifetimeMs } = options;
    const times = [pingIntervalMs, idleTimeoutMs, maxLifetimeMs].filter((ms) => ms > 0);
    if (times.length === 0) return undefined;
    const heartbeat = new Heartbeat(connection, pingIntervalMs, idleTimeoutMs, maxLifetimeMs);
    beating.add(heartbeat, Math.min(...times));
    return heartbeat;
  }

  private constructor(connection: Beating, pingMs: number, idleMs: number, lifeMs: number) {
    this.#connection = connection;
    this.#pingMs = pingMs;
    this.#idleMs = idleMs;
    this.#lifeMs = lifeMs;
  }

  stop(): void {
    beating.delete(this);
  }

  look(now: number): void {
    const connection = this.#connection;
    const { signs } = connection;
    if (signs !== this.#signs) this.#heardAt = now;
    this.#signs = signs;
    if (this.#idleMs > 0 && now - this.#heardAt >= this.#idleMs) {
      const message = `nothing was received for ${this.#idleMs} ms`;
      const { offset } = connection.stream.input;
      connection.lose(new LimitError('ERR_IDLE_TIMEOUT', { protocol: 'websocket', message, offset }));
    } else if (connection.state !== 'open') {
      // The closing handshake has a deadline of its own.
    } else if (this.#lifeMs > 0 && now - this.#begunAt >= this.#lifeMs) connection.expire();
    else if (this.#pingMs > 0 && now - this.#pingedAt >= this.#pingMs) {
      this.#pingedAt = now;
      connection.ping();
    }
  }
}
