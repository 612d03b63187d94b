/**
 * A Readable whose `read()` gives one chunk a call, as Node does from version 26 on; earlier ones give everything that
 * is buffered, joined. And a pair of Duplexes made of it.
 */
import { Duplex, Readable } from 'node:stream';

/** The size of the first chunk that a stream holds, so that a plain `read()` can be given it. */
function firstChunkSize(stream: Readable): number | undefined {
  const { _readableState: state } = stream as unknown as {
    _readableState: { buffer: { first?(): Uint8Array } & ArrayLike<Uint8Array>; bufferIndex?: number };
  };
  // A list up to Node 20, an array with an index after it.
  const first = typeof state.buffer.first === 'function' ? state.buffer.first() : state.buffer[state.bufferIndex ?? 0];
  return first?.length;
}

function readOneChunk(stream: Readable, read: (size?: number) => unknown, size: number | undefined): unknown {
  return read(size ?? (stream.readableLength > 0 ? firstChunkSize(stream) : undefined));
}

export class OneChunkReadable extends Readable {
  override read(size?: number): unknown {
    return readOneChunk(this, (count) => super.read(count), size);
  }
}

class CrossedDuplex extends Duplex {
  peer!: CrossedDuplex;
  /** Called when the peer wants more. */
  #resume: (() => void) | undefined;

  constructor() {
    super({ allowHalfOpen: true });
  }

  override read(size?: number): unknown {
    return readOneChunk(this, (count) => super.read(count), size);
  }

  override _read(): void {
    const resume = this.#resume;
    this.#resume = undefined;
    resume?.();
  }

  override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
    if (this.peer.push(chunk)) callback();
    else this.peer.#resume = callback;
  }

  override _final(callback: () => void): void {
    this.peer.push(null);
    callback();
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    callback(error);
    if (!this.peer.destroyed) this.peer.destroy();
  }
}

/** Two connected Duplexes that read one chunk a call. */
export function oneChunkPair(): [Duplex, Duplex] {
  const [one, other] = [new CrossedDuplex(), new CrossedDuplex()];
  one.peer = other;
  other.peer = one;
  return [one, other];
}
