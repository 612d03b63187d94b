/**
 * Has a Node stream hand over its chunks as they come, while they are wanted.
 *
 * A chunk that nobody listens for goes through the stream's list, a tick and an event before it is read, and one that
 * reaches the high-water mark stops the source until then: for a socket that is two system calls a chunk. A listener of
 * 'data' is called with the chunk at once. Where somebody else listens for 'readable' a stream does not flow, so that
 * event is what tells of its chunks then. Stopped, the stream fills up to its own mark and waits.
 */
import type { Readable } from 'node:stream';

export class Flow {
  readonly #stream: Readable;
  readonly #onData: (chunk: unknown) => void;
  readonly #onReadable: () => void;
  #state: 'untouched' | 'stopped' | 'flowing' | 'told' = 'untouched';

  /**
   * @param onData is given each chunk; one from a stream in object mode may be anything.
   * @param onReadable hears that there are chunks to be read.
   */
  constructor(stream: Readable, onData: (chunk: unknown) => void, onReadable: () => void) {
    this.#stream = stream;
    this.#onData = onData;
    this.#onReadable = onReadable;
  }

  /** True while chunks are told of as they come; one that `read()` gives is given to the listener too. */
  get flowing(): boolean {
    return this.#state === 'flowing';
  }

  /** Has the stream tell, also one that somebody else has paused. */
  start(): void {
    const stream = this.#stream;
    if (this.#state === 'told' || (this.#state === 'flowing' && stream.readableFlowing !== false)) return;
    this.stop();
    if (stream.listenerCount('readable') > 0) {
      this.#state = 'told';
      stream.on('readable', this.#onReadable);
      return;
    }
    this.#state = 'flowing';
    stream.on('data', this.#onData).resume();
  }

  stop(): void {
    const stream = this.#stream;
    if (this.#state === 'flowing') stream.off('data', this.#onData).pause();
    else if (this.#state === 'told') stream.off('readable', this.#onReadable);
    if (this.#state !== 'untouched') this.#state = 'stopped';
  }

  /** Stops, and leaves the stream as if nobody had listened: whoever listens next sets it going. */
  release(): void {
    if (this.#state === 'untouched') return;
    this.stop();
    // A stream that was paused stays so whoever listens; one whose last listener of 'readable' has left does not.
    this.#stream.on('readable', nobody).off('readable', nobody);
  }
}

function nobody(): void {
  // Has nothing to hear.
}
