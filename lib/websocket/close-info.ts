/** How connections end, and how long that may take. */
import type { ConnectionLife } from './connection-life.js';
import type { RoundTrip } from './round-trips.js';

/** How a connection ended. */
export interface CloseInfo {
  /** The peer's close code; 1005 where its close frame had none, 1006 where none came. RFC 6455 §7.1.5 */
  readonly code: number;
  readonly reason: string;
  /** Both sides have sent a close frame. */
  readonly clean: boolean;
  /** What ended it, where that was a failure. */
  readonly error?: Error;
}

/** How long `close` may take. */
export interface WebSocketCloseOptions {
  /** Milliseconds until the connection is destroyed although the peer has not answered. */
  timeoutMs?: number;
}

/** The promise of a connection's end. */
export class CloseWait {
  readonly promise: Promise<CloseInfo>;
  resolve!: (info: CloseInfo) => void;

  constructor() {
    this.promise = new Promise((resolve) => {
      this.resolve = resolve;
    });
  }
}

/** The promise of `onMessage`, which ends with the connection. */
export class Handling {
  readonly promise: Promise<CloseInfo>;
  /** Rejecting it goes by a rejected promise: one function is kept, and not two. */
  settle!: (end: CloseInfo | Promise<never>) => void;
  /** It is the keeper's: that is told of a failure without waiting for it. */
  kept = false;

  constructor() {
    this.promise = new Promise((resolve) => {
      this.settle = resolve;
    });
  }
}

/** How a connection ends: made when it begins to, or when somebody waits for it. Most are open, and idle. */
export class Ending {
  /** The peer's close frame. */
  received: { readonly code: number; readonly reason: string } | undefined = undefined;
  failure: Error | undefined = undefined;
  info: CloseInfo | undefined = undefined;
  finishing = false;
  wait: CloseWait | undefined = undefined;
  /** Until the connection is destroyed although the peer has not closed. */
  timer: NodeJS.Timeout | undefined = undefined;
  /** A ping whose pong somebody waits for: without one, the wait ends with the connection. */
  trip: RoundTrip | undefined = undefined;
  listeners: ((connection: ConnectionLife) => void)[] | undefined = undefined;
  /** Messages that were dropped because the peer does not keep up. */
  dropped = 0;
}
