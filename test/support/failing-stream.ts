/**
 * A byte stream whose nth operation fails: the layer below as it is on a bad day.
 *
 * It wraps another stream and counts every call that could fail. When the count is reached, the stream is destroyed
 * with the error and the call throws or rejects with it.
 */
import type { InputBuffer } from 'miniproto';
import type { ByteStream, CloseOptions, ReadyOptions } from '#lib/streams/byte-stream';

export class FailingStream implements ByteStream {
  readonly error: Error;
  readonly #stream: ByteStream;
  #left: number;

  /** @param failAt the operation that fails, from 0. */
  constructor(stream: ByteStream, failAt: number) {
    this.#stream = stream;
    this.#left = failAt;
    this.error = new Error(`operation ${failAt} fails`);
  }

  /** True once the failure has happened. */
  get failed(): boolean {
    return this.#left < 0;
  }

  get input(): InputBuffer {
    return this.#stream.input;
  }

  get pendingOutput(): number {
    return this.#stream.pendingOutput;
  }

  get pendingRead() {
    return this.#stream.pendingRead;
  }

  get pendingWrite() {
    return this.#stream.pendingWrite;
  }

  #count(): void {
    if (this.#left-- === 0) this.#stream.destroy(this.error);
  }

  tryFill(atLeast?: number) {
    this.#count();
    return this.#stream.tryFill(atLeast);
  }

  tryWrite(bytes: Uint8Array | readonly Uint8Array[]) {
    this.#count();
    return this.#stream.tryWrite(bytes);
  }

  tryWriteStable(bytes: readonly Uint8Array[]) {
    this.#count();
    return this.#stream.tryWriteStable(bytes);
  }

  tryFlush() {
    this.#count();
    return this.#stream.tryFlush();
  }

  ready(direction: 'read' | 'write', options?: ReadyOptions): Promise<void> {
    this.#count();
    return this.#stream.ready(direction, options);
  }

  end(): Promise<void> {
    this.#count();
    return this.#stream.end();
  }

  close(options?: CloseOptions): Promise<void> {
    return this.#stream.close(options);
  }

  destroy(error?: Error): void {
    this.#stream.destroy(error);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
