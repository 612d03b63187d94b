/**
 * A byte stream as a Node Duplex of bytes: what `toDuplex(stream)` gives to whoever wants one, Node's own `tls` for example.
 *
 * It takes bytes off the stream only while there is room for them, and calls a write done when the stream has taken it;
 * one that is large, when it has left, since whoever wrote it may use its memory again from then on. The Duplex owns
 * the byte stream: destroying it destroys the stream. What it gives are copies.
 */
import { Duplex, type DuplexOptions } from 'node:stream';
import { checkObject, invalidArgType } from '../arguments.js';
import { failWhenRead } from '../framed/record-duplex.js';
import { BY_REFERENCE_FROM } from '../limits.js';
import { EOF, NEED_READ, NEED_WRITE } from '../status.js';
import type { ByteStream } from '../streams/byte-stream.js';

/** Options of a Duplex; marks count bytes. */
export interface ByteDuplexOptions
  extends Pick<
    DuplexOptions,
    'allowHalfOpen' | 'emitClose' | 'highWaterMark' | 'readableHighWaterMark' | 'signal' | 'writableHighWaterMark'
  > {}

/** How a Duplex is used within the library. */
interface ByteDuplexHandling {
  /** What happens to the stream when the Duplex is destroyed. Default: it is destroyed too. */
  letGo?: (error: Error | null) => void;
}

type Callback = (error?: Error | null) => void;

/**
 * Makes a Node Duplex of a byte stream, which is its only reader and writer from now on. Our side stays open when the
 * peer ends, unless `allowHalfOpen` is false.
 * @throws ERR_INVALID_ARG_TYPE and what Duplex throws.
 * @example
 * const duplex = toDuplex(await connect({ port }));
 * duplex.end('hello');
 */
export function toDuplex(stream: ByteStream, options: ByteDuplexOptions = {}): Duplex {
  const given = stream as Partial<ByteStream> | null | undefined;
  if (typeof given?.tryFill !== 'function' || typeof given.tryWrite !== 'function') {
    throw invalidArgType('stream', 'a byte stream', stream);
  }
  checkObject('options', options);
  return new ByteDuplex(stream, options);
}

export class ByteDuplex extends Duplex {
  readonly #stream: ByteStream;
  /** Somebody waits for bytes. */
  #reading = false;
  /** Reading has failed, and what was read before has to be taken before that is said. */
  #failed = false;
  /** What has been asked of it while it is held. */
  #held: (() => void)[] | undefined;

  readonly #letGo: (error: Error | null) => void;

  /** Internal: use `toDuplex`. */
  constructor(stream: ByteStream, { letGo, ...options }: ByteDuplexHandling & ByteDuplexOptions = {}) {
    // Not in object mode and with bytes only, whatever the options say.
    super({ ...options, objectMode: false, decodeStrings: true });
    this.#stream = stream;
    this.#letGo = letGo ?? ((error) => stream.destroy(error ?? undefined));
  }

  /** Touches the stream no more until `begin` is called; what is on its way goes on. Internal. */
  hold(): void {
    this.#held ??= [];
  }

  /** Ends the hold: everything that was asked for meanwhile happens now. Internal. */
  begin(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const action of held) action();
  }

  override _read(): void {
    if (this.#held !== undefined) return void this.#held.push(() => this._read());
    if (this.#reading || this.#failed || this.destroyed) return;
    const { input } = this.#stream;
    try {
      for (;;) {
        const filled = this.#stream.tryFill();
        if (typeof filled !== 'number') {
          if (filled === EOF) this.push(null);
          else this.#readLater(filled === NEED_WRITE ? 'write' : 'read');
          return;
        }
        if (!this.push(input.take(Math.min(input.frontLength, MOST_AT_ONCE)))) return;
        if (this.destroyed) return;
      }
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #readLater(direction: 'read' | 'write'): void {
    this.#reading = true;
    this.#stream.ready(direction).then(
      () => {
        this.#reading = false;
        this._read();
      },
      (error) => this.#fail(error),
    );
  }

  #fail(error: Error): void {
    if (this.#failed) return;
    this.#failed = true;
    failWhenRead(this, error);
  }

  override _write(bytes: Uint8Array, _encoding: BufferEncoding, callback: Callback): void {
    this.#begun(callback, () => this.#send([bytes], callback));
  }

  override _writev(chunks: { chunk: Uint8Array }[], callback: Callback): void {
    const parts = chunks.map(({ chunk }) => chunk);
    this.#begun(callback, () => this.#send(parts, callback));
  }

  override _final(callback: Callback): void {
    this.#begun(callback, () => this.#stream.end().then(() => callback(), callback));
  }

  /** Does it now, or when the hold ends. What it throws goes to the callback. */
  #begun(callback: Callback, action: () => void | Promise<void>): void {
    if (this.#held !== undefined) return void this.#held.push(() => this.#begun(callback, action));
    try {
      action()?.catch(callback);
    } catch (error) {
      callback(error as Error);
    }
  }

  /** @throws the stream's failure. */
  #send(parts: readonly Uint8Array[], callback: Callback): void | Promise<void> {
    const taken = this.#stream.tryWrite(parts);
    const rest = typeof taken === 'number' ? without(parts, taken) : parts;
    const kept = this.#stream.freesWritten !== true && parts.some((part) => part.length >= BY_REFERENCE_FROM);
    if (rest.length === 0 && !kept) return callback();
    return this.#sendAll(rest, taken === NEED_READ ? 'read' : 'write').then(() => callback());
  }

  async #sendAll(parts: readonly Uint8Array[], direction: 'read' | 'write'): Promise<void> {
    let [rest, next] = [parts, direction];
    while (rest.length > 0) {
      await this.#stream.ready(next);
      const taken = this.#stream.tryWrite(rest);
      if (typeof taken === 'number') rest = without(rest, taken);
      next = taken === NEED_READ ? 'read' : 'write';
    }
    for (let left = this.#stream.tryFlush(); left !== true; left = this.#stream.tryFlush()) {
      await this.#stream.ready(left === NEED_READ ? 'read' : 'write');
    }
  }

  override _destroy(error: Error | null, callback: Callback): void {
    this.#held = undefined;
    this.#letGo(error);
    callback(error);
  }
}

/** Bytes of one chunk at most, so that a reader of a stream that holds much is not given all of it in one piece. */
const MOST_AT_ONCE = 64 * 1024;

/** The parts behind the first `taken` bytes. */
function without(parts: readonly Uint8Array[], taken: number): readonly Uint8Array[] {
  let left = taken;
  for (let i = 0; i < parts.length; i++) {
    const { length } = parts[i]!;
    if (left < length) return [parts[i]!.subarray(left), ...parts.slice(i + 1)];
    left -= length;
  }
  return [];
}
