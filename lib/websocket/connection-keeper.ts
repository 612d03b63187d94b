/** Who hears of a connection besides its user, synchronously. One object for many: idle connections are many. */
import type { CloseInfo } from './close-info.js';
import type { ConnectionLife } from './connection-life.js';

/** Hears of what concerns the protocol and not the messages. Internal: for faces. */
export interface ConnectionObserver {
  ping?(payload: Buffer): void;
  pong?(payload: Buffer): void;
  closeReceived?(code: number, reason: string): void;
  failed?(error: Error): void;
  closed?(info: CloseInfo): void;
}

/** Who a connection belongs to: its server. Internal. */
export interface ConnectionKeeper {
  /** The connection is closed. */
  closed(connection: ConnectionLife): void;
  /** The handler of `onMessage` threw, whose promise the keeper has taken on. */
  handlerFailed(error: unknown): void;
}
