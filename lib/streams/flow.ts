/**
 * How a Node stream tells of its chunks: by 'readable', and by 'data' while a reader waits.
 *
 * A chunk that is told of by 'readable' goes through the stream's list, a tick and an event before it is read, and one
 * that reaches the high-water mark stops the source until then: for a socket that is two system calls a chunk. A listener
 * of 'data' is given the chunk at once. It is there only while the stream flows for us. The listener of 'readable' is
 * there at all other times: with it no stream flows, whoever resumes it, as Node does with the output of a child that has
 * exited, and it is told of chunks whoever pauses it.
 */
import type { Readable } from 'node:stream';

export class Flow {
  readonly #stream: Readable;
  readonly #onData: (chunk: unknown) => void;
  readonly #onReadable: () => void;
  #state: 'untouched' | 'told' | 'flowing' = 'untouched';

  /**
   * @param onData is given each chunk of a stream that flows; one from a stream in object mode may be anything.
   * @param onReadable hears that there are chunks to be read.
   */
  constructor(stream: Readable, onData: (chunk: unknown) => void, onReadable: () => void) {
    this.#stream = stream;
    this.#onData = onData;
    this.#onReadable = onReadable;
  }

  /** True while chunks come by themselves; one that `read()` gives is given to the listener too. */
  get flowing(): boolean {
    return this.#state === 'flowing';
  }

  /** The stream tells of its chunks from now on. */
  begin(): void {
    if (this.#state !== 'untouched') return;
    this.#state = 'told';
    this.#stream.on('readable', this.#onReadable);
  }

  /** Has the stream flow, unless it is an old one or somebody else listens for 'readable': then it does not. */
  start(): void {
    const stream = this.#stream;
    this.begin();
    if (this.#state === 'flowing' || stream.readableFlowing === undefined) return;
    if (stream.listenerCount('readable') > 1) return;
    this.#state = 'flowing';
    stream.off('readable', this.#onReadable).on('pause', this.#onPause).on('data', this.#onData).resume();
  }

  /** What comes stays in the stream, up to its own mark. */
  stop(): void {
    if (this.#state !== 'flowing') return;
    this.#state = 'told';
    // Paused as well: where it was to flow from the next tick on, it would.
    this.#stream.off('data', this.#onData).off('pause', this.#onPause).pause().on('readable', this.#onReadable);
  }

  /**
   * Listens no more, and leaves the stream as if nobody had: whoever listens next sets it going. So they do with one that
   * was paused and never read: Node takes that back when a listener of 'readable' is removed, even one that was not there.
   */
  release(): void {
    this.stop();
    this.#stream.off('readable', this.#onReadable);
    this.#state = 'untouched';
  }

  /** Somebody else has paused it: it is read all the same. */
  #onPause = (): void => {
    this.stop();
    this.#onReadable();
  };
}
