/**
 * Timeouts of connections, found by looking: one timer per thread looks at all connections that have timeouts, and
 * compares what has moved. Nothing is done per read or write, and a connection without timeouts costs nothing.
 *
 * A timeout fires between its time and a quarter more.
 */
import { checkInteger, checkObject } from '../arguments.js';
import { channels } from '../diagnostics.js';
import { type ErrorCode, LimitError } from '../errors.js';
import { Sweep } from './sweep.js';

export interface TimeoutOptions {
  /** Milliseconds without a byte in either direction. Default 0: none. */
  idleTimeoutMs?: number;
  /** Milliseconds from the beginning until the first record, or the first byte that a codec consumes. Default 0: none. */
  firstRecordTimeoutMs?: number;
  /** Milliseconds in which the system takes nothing of what waits to be sent. Default 0: none. */
  writeStallTimeoutMs?: number;
}

/** A connection, as its timeouts see it. */
export interface Timed {
  readonly input: { readonly offset: number; readonly length: number };
  /** Bytes sent so far. */
  readonly bytesSent: number;
  /** Where what was taken may wait here for the system: bytes that it has taken so far. */
  readonly bytesLeft?: number;
  /** Output waits for the system. */
  readonly stalled: boolean;
  destroy(error: Error): void;
}

const timed = new Sweep();

/** @throws ERR_OUT_OF_RANGE, ERR_INVALID_ARG_TYPE */
export function checkTimeouts(options: TimeoutOptions): void {
  checkObject('options', options);
  for (const name of ['idleTimeoutMs', 'firstRecordTimeoutMs', 'writeStallTimeoutMs'] as const) {
    if (options[name] !== undefined) checkInteger(`options.${name}`, options[name], 0, 2 ** 31 - 1);
  }
}

export class SocketTimeouts {
  readonly #connection: Timed;
  readonly #idleMs: number;
  readonly #firstMs: number;
  readonly #stallMs: number;
  readonly #begunAt = performance.now();
  #movedAt = this.#begunAt;
  #sentAt = this.#begunAt;
  #moved = 0;
  #sent = 0;

  /** @returns undefined when there is nothing to look for. @throws ERR_OUT_OF_RANGE, ERR_INVALID_ARG_TYPE */
  static of(connection: Timed, options: TimeoutOptions): SocketTimeouts | undefined {
    checkTimeouts(options);
    const { idleTimeoutMs = 0, firstRecordTimeoutMs = 0, writeStallTimeoutMs = 0 } = options;
    const all = [idleTimeoutMs, firstRecordTimeoutMs, writeStallTimeoutMs].filter((ms) => ms > 0);
    if (all.length === 0) return undefined;
    const timeouts = new SocketTimeouts(connection, idleTimeoutMs, firstRecordTimeoutMs, writeStallTimeoutMs);
    timed.add(timeouts, Math.min(...all));
    return timeouts;
  }

  private constructor(connection: Timed, idleMs: number, firstMs: number, stallMs: number) {
    this.#connection = connection;
    this.#idleMs = idleMs;
    this.#firstMs = firstMs;
    this.#stallMs = stallMs;
  }

  /** What it was made of. */
  get options(): TimeoutOptions {
    return {
      idleTimeoutMs: this.#idleMs,
      firstRecordTimeoutMs: this.#firstMs,
      writeStallTimeoutMs: this.#stallMs,
    };
  }

  stop(): void {
    timed.delete(this);
  }

  look(now: number): void {
    const { input, stalled } = this.#connection;
    const bytesSent = (stalled ? this.#connection.bytesLeft : undefined) ?? this.#connection.bytesSent;
    const moved = input.offset + input.length + bytesSent;
    if (moved !== this.#moved) this.#movedAt = now;
    if (bytesSent !== this.#sent || !stalled) this.#sentAt = now;
    this.#moved = moved;
    this.#sent = bytesSent;
    if (this.#idleMs > 0 && now - this.#movedAt >= this.#idleMs) this.#fire('ERR_IDLE_TIMEOUT', this.#idleMs);
    else if (this.#stallMs > 0 && now - this.#sentAt >= this.#stallMs) {
      this.#fire('ERR_WRITE_STALL_TIMEOUT', this.#stallMs);
    } else if (this.#firstMs > 0 && input.offset === 0 && now - this.#begunAt >= this.#firstMs) {
      this.#fire('ERR_FIRST_RECORD_TIMEOUT', this.#firstMs);
    }
  }

  #fire(code: ErrorCode, ms: number): void {
    this.stop();
    const error = new LimitError(code, {
      offset: this.#connection.input.offset,
      message: `${WHAT[code]} for ${ms} ms`,
    });
    if (channels.limit.hasSubscribers) channels.limit.publish({ stream: this.#connection, error });
    this.#connection.destroy(error);
  }
}

const WHAT: { readonly [code in ErrorCode]?: string } = {
  ERR_IDLE_TIMEOUT: 'nothing was received or sent',
  ERR_FIRST_RECORD_TIMEOUT: 'no record was read',
  ERR_WRITE_STALL_TIMEOUT: 'the peer took nothing of what waits',
};
