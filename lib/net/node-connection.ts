/** A connection over Node's own socket: what `adopt` gives where a socket cannot be native. */
import type { Socket } from 'node:net';
import { inspect } from 'node:util';
import { channels } from '../diagnostics.js';
import { type MiniprotoError, UsageError } from '../errors.js';
import type { SocketAddresses } from '../net-interface.js';
import { DuplexStream } from '../streams/duplex-stream.js';
import {
  addressesOf,
  type Connection,
  type ConnectionCounters,
  countersOf,
  describeConnection,
  NO_COUNTS,
  type ReleasedSocket,
} from './connection.js';
import type { SocketStreamOptions } from './socket-stream.js';
import { SocketTimeouts, type TimeoutOptions } from './timeouts.js';

/** A DuplexStream with the face of a connection. */
export class NodeConnection extends DuplexStream implements Connection {
  readonly native = false;
  readonly reason: string;
  #addresses: SocketAddresses;
  readonly #socket: Socket;
  #timeouts: SocketTimeouts | undefined;
  /** The socket is closed, or released. */
  #closed = false;
  readonly #closeListeners: (() => void)[] = [];

  /** Internal: use `adopt`. @param reason why it is not native. */
  constructor(socket: Socket, reason: string, options: SocketStreamOptions) {
    super(socket, options.readHighWaterMark === undefined ? {} : { readHighWaterMark: options.readHighWaterMark });
    this.#socket = socket;
    this.reason = reason;
    this.#addresses = addressesOf(socket);
    if (socket.connecting) {
      socket.once('connect', () => {
        this.#addresses = addressesOf(socket);
      });
    }
    this.setTimeouts(options);
    if (channels.open.hasSubscribers) channels.open.publish({ stream: this });
    this.#closed = socket.closed;
    if (!this.#closed) socket.once('close', this.#onClose);
  }

  get addresses(): SocketAddresses {
    return this.#addresses;
  }

  /** Bytes that the system has taken: Node counts those that wait as well, and a peer that reads slowly is no stall. */
  get bytesSent(): number {
    const { bytesWritten, writableLength } = this.#socket;
    const { _handle: handle } = this.#socket as { _handle?: { bytesWritten?: number; writeQueueSize?: number } | null };
    if (handle?.bytesWritten === undefined) return bytesWritten - writableLength;
    return handle.bytesWritten - (handle.writeQueueSize ?? 0);
  }

  get stalled(): boolean {
    return this.#socket.writableNeedDrain;
  }

  counters(): ConnectionCounters {
    const { bytesRead, bytesWritten } = this.#socket;
    return countersOf(this, { ...NO_COUNTS, bytesReceived: bytesRead, bytesSent: bytesWritten });
  }

  ref(): this {
    this.#socket.ref?.();
    return this;
  }

  unref(): this {
    this.#socket.unref?.();
    return this;
  }

  whenClosed(listener: () => void): void {
    if (this.#closed) listener();
    else this.#closeListeners.push(listener);
  }

  readonly #onClose = (): void => {
    this.#closed = true;
    this.#timeouts?.stop();
    if (channels.close.hasSubscribers) {
      channels.close.publish({ stream: this, error: this.#socket.errored ?? undefined });
    }
    for (const listener of this.#closeListeners.splice(0)) listener();
  };

  setTimeouts(options: TimeoutOptions): void {
    this.#timeouts?.stop();
    this.#timeouts = SocketTimeouts.of(this, options);
  }

  override release(): ReleasedSocket {
    super.release();
    const socket = this.#socket;
    socket.off('close', this.#onClose);
    this.#onClose();
    return { socket, readable: socket, writable: socket };
  }

  releaseDescriptor(): never {
    throw new UsageError('ERR_NOT_NATIVE');
  }

  protected override abandon(error: MiniprotoError | undefined): void {
    this.#timeouts?.stop();
    super.abandon(error);
  }

  override [inspect.custom](): string {
    const state = this.#socket.destroyed ? 'closed' : this.ended ? 'ended' : 'open';
    return describeConnection('NodeConnection', this, `over Node: ${this.reason}, ${state}`);
  }
}
