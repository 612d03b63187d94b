/**
 * What `_socket` is where there is no socket of Node's: the connection's addresses and counts, its abrupt end, and the
 * events that tell of its end. Bytes of a program's own can be sent through it; what arrives is the WebSocket's alone.
 */
import { Buffer } from 'node:buffer';
import { EventEmitter } from 'node:events';
import { MiniprotoError, TransportError } from '../errors.js';
import type { Connection } from '../net/connection.js';
import type { WebSocketConnection } from '../websocket/connection.js';
import type { SendCallback } from './send-queue.js';

export class SocketFace extends EventEmitter {
  readonly #connection: WebSocketConnection;
  readonly #stream: Connection;
  #ended = false;

  constructor(connection: WebSocketConnection) {
    super();
    this.#connection = connection;
    this.#stream = connection.stream as Connection;
  }

  get remoteAddress(): string | undefined {
    return this.#stream.addresses.remoteAddress;
  }

  get remotePort(): number | undefined {
    return this.#stream.addresses.remotePort;
  }

  get remoteFamily(): string | undefined {
    return this.#stream.addresses.remoteFamily;
  }

  get localAddress(): string | undefined {
    return this.#stream.addresses.localAddress;
  }

  get localPort(): number | undefined {
    return this.#stream.addresses.localPort;
  }

  get localFamily(): string | undefined {
    return this.#stream.addresses.localFamily;
  }

  /** Our end, as `net.Socket` has it. */
  address(): { address?: string | undefined; port?: number | undefined; family?: string | undefined } {
    const { localAddress: address, localPort: port, localFamily: family } = this;
    return { address, port, family };
  }

  get bytesRead(): number {
    return this.#stream.counters().bytesReceived;
  }

  get bytesWritten(): number {
    return this.#stream.counters().bytesSent + this.#connection.bufferedAmount;
  }

  get writableLength(): number {
    return this.#connection.bufferedAmount;
  }

  get bufferSize(): number {
    return this.#connection.bufferedAmount;
  }

  get destroyed(): boolean {
    return this.#connection.state === 'closed';
  }

  get closed(): boolean {
    return this.destroyed;
  }

  get readable(): boolean {
    return !this.destroyed;
  }

  get writable(): boolean {
    return !this.#ended && !this.destroyed && !this.#connection.channel.ended;
  }

  get readyState(): 'open' | 'readOnly' | 'closed' {
    if (this.destroyed) return 'closed';
    return this.#ended ? 'readOnly' : 'open';
  }

  /** No TLS: those sockets stay Node's. */
  get encrypted(): undefined {
    return undefined;
  }

  /** The abrupt end. */
  destroy(error?: Error): this {
    this.#connection.destroy(error);
    return this;
  }

  destroySoon(): void {
    this.end();
  }

  resetAndDestroy(): this {
    return this.destroy();
  }

  /** Sends bytes as they are, behind what was sent: frames, whole ones. @returns false when it is better to wait */
  write(data: string | Uint8Array, second?: BufferEncoding | SendCallback, third?: SendCallback): boolean {
    const done = typeof second === 'function' ? second : third;
    if (!this.writable) {
      if (done !== undefined) process.nextTick(done, new Error('write after end'));
      return false;
    }
    const { channel } = this.#connection;
    const encoding = typeof second === 'string' ? second : 'utf8';
    channel.output.writeCopy(typeof data === 'string' ? Buffer.from(data, encoding) : data);
    channel.schedule();
    if (done !== undefined) channel.flush().then(() => done(), done);
    return !channel.full;
  }

  /** Ends our side behind what was sent, without a close frame. */
  end(callback?: () => void): this;
  end(data: string | Uint8Array, encoding?: BufferEncoding, callback?: () => void): this;
  end(...given: unknown[]): this {
    const [data, encoding] = given;
    const callback = given.find((value) => typeof value === 'function') as (() => void) | undefined;
    if (typeof data === 'string' || data instanceof Uint8Array) this.write(data, encoding as BufferEncoding);
    this.#ended = true;
    this.#connection.channel.end().then(
      () => {
        this.emit('finish');
        callback?.();
      },
      () => this.destroy(),
    );
    return this;
  }

  pause(): this {
    this.#connection.pause();
    return this;
  }

  resume(): this {
    this.#connection.resume();
    return this;
  }

  isPaused(): boolean {
    return this.#connection.paused;
  }

  cork(): void {
    this.#connection.cork();
  }

  uncork(): void {
    this.#connection.uncork();
  }

  ref(): this {
    this.#stream.ref();
    return this;
  }

  unref(): this {
    this.#stream.unref();
    return this;
  }

  /** Native sockets have it on. */
  setNoDelay(): this {
    return this;
  }

  /** Is left as the system has it. */
  setKeepAlive(): this {
    return this;
  }

  /** A WebSocket is watched by pings; of an idle socket nobody is told. */
  setTimeout(): this {
    return this;
  }

  /** Tells that the connection is gone; of why, only who listens. Internal. */
  gone(error: Error | undefined): void {
    const cause = error instanceof TransportError ? error.cause : error instanceof MiniprotoError ? undefined : error;
    if (cause !== undefined && this.listenerCount('error') > 0) this.emit('error', cause);
    this.emit('close', cause !== undefined);
  }
}
