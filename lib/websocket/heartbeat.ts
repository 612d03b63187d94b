/**
 * Pings, idle timeouts and lifetimes, found by looking: one timer per thread looks at all connections that have any.
 * Nothing is done per message, and a connection without them costs nothing. A time is over between itself and a quarter
 * more.
 */
import { LimitError } from '../errors.js';
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

/** Milliseconds. The timer is never faster than this. */
const FASTEST_LOOK_MS = 5;
/** Looks in the time of the shortest of them. */
const LOOKS_PER_TIME = 8;

const beating = new Set<Heartbeat>();
let timer: NodeJS.Timeout | undefined;
let timerMs = Number.POSITIVE_INFINITY;

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
    beating.add(heartbeat);
    lookEvery(Math.max(FASTEST_LOOK_MS, Math.min(...times) / LOOKS_PER_TIME));
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
    if (beating.size > 0 || timer === undefined) return;
    clearInterval(timer);
    timer = undefined;
    timerMs = Number.POSITIVE_INFINITY;
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

function lookEvery(ms: number): void {
  if (ms >= timerMs) return;
  clearInterval(timer);
  timerMs = ms;
  timer = setInterval(lookAtAll, ms);
  // By itself it keeps nothing alive.
  timer.unref();
}

function lookAtAll(): void {
  const now = performance.now();
  for (const heartbeat of beating) heartbeat.look(now);
}
