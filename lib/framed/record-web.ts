/**
 * A framed stream as a pair of Web streams: what `framed(…).toWeb()` gives.
 *
 * `readable` reads a record when one is asked for, and `writable` takes the next record when the one before was taken:
 * with the default marks nothing is held here. How the two sides end:
 *
 *   the peer ends, EOF       `readable` closes; `writable` goes on
 *   writer.close()           everything written leaves, our side ends; `readable` goes on
 *   reader.cancel(reason)    reading stops, what is unread stays unread; `writable` goes on, as with sockets on the Web
 *   both are over            the framed stream is closed the careful way: unread input is discarded, up to a bound
 *   writer.abort(reason)     the framed stream is destroyed, and `readable` fails
 *   an error on either side  the same
 *
 * https://streams.spec.whatwg.org/
 */
import type {
  ReadableStream,
  ReadableStreamDefaultController,
  WritableStream,
  WritableStreamDefaultController,
} from 'node:stream/web';
import { checkInteger, checkObject } from '../arguments.js';
import { TransportError } from '../errors.js';
import { EOF } from '../status.js';
import type { FramedStream } from './framed-stream.js';
import type { RecordReads } from './record-duplex.js';

export interface RecordWebOptions {
  /** Records read ahead of the reader. Default 0. */
  readableHighWaterMark?: number;
  /** Records accepted while one is being written, that one included. Default 1. */
  writableHighWaterMark?: number;
}

/** A pair of Web streams of records. */
export interface RecordWebStreams<R, W = R> {
  readonly readable: ReadableStream<R>;
  readonly writable: WritableStream<W>;
}

/** Makes the pair. Internal: use `toWeb`. */
export function webStreamsOf<R, W>(
  framed: FramedStream<R, W>,
  reads: RecordReads<R>,
  options: RecordWebOptions = {},
): RecordWebStreams<R, W> {
  checkObject('options', options);
  const { readableHighWaterMark = 0, writableHighWaterMark = 1 } = options;
  checkInteger('options.readableHighWaterMark', readableHighWaterMark, 0);
  checkInteger('options.writableHighWaterMark', writableHighWaterMark, 1);
  const sides = new Sides(framed, reads);
  // The globals are loaded when they are first used, what is imported is loaded at once.
  return {
    readable: new globalThis.ReadableStream<R>(
      {
        start: (controller) => sides.startReadable(controller),
        pull: () => sides.pull(),
        cancel: () => sides.cancel(),
      },
      { highWaterMark: readableHighWaterMark },
    ),
    writable: new globalThis.WritableStream<W>(
      {
        start: (controller) => sides.startWritable(controller),
        write: (record) => sides.write(record),
        close: () => sides.close(),
        abort: (reason) => sides.fail(reason),
      },
      { highWaterMark: writableHighWaterMark },
    ),
  };
}

/** The sources and sinks of the two streams, which have to know of each other's end. */
class Sides<R, W> {
  readonly #framed: FramedStream<R, W>;
  readonly #reads: RecordReads<R>;
  readonly #cancelled = new AbortController();
  #readable: ReadableStreamDefaultController<R> | undefined;
  #writable: WritableStreamDefaultController | undefined;
  /** Sides that have ended well, 0 to 2. */
  #over = 0;

  constructor(framed: FramedStream<R, W>, reads: RecordReads<R>) {
    this.#framed = framed;
    this.#reads = reads;
  }

  startReadable(controller: ReadableStreamDefaultController<R>): void {
    this.#readable = controller;
  }

  startWritable(controller: WritableStreamDefaultController): void {
    this.#writable = controller;
  }

  async pull(): Promise<void> {
    try {
      const record = await this.#reads.read({ signal: this.#cancelled.signal });
      if (this.#cancelled.signal.aborted) return;
      if (record === EOF) {
        this.#readable!.close();
        this.#end();
      } else this.#readable!.enqueue(record as R);
    } catch (error) {
      if (!this.#cancelled.signal.aborted) this.fail(error);
    }
  }

  cancel(): void {
    this.#cancelled.abort();
    this.#end();
  }

  async write(record: W): Promise<void> {
    try {
      await this.#framed.write(record);
    } catch (error) {
      this.fail(error);
      throw error;
    }
  }

  async close(): Promise<void> {
    try {
      await this.#framed.end();
    } catch (error) {
      this.fail(error);
      throw error;
    }
    this.#end();
  }

  #end(): void {
    this.#over++;
    if (this.#over === 2) void this.#framed.close();
  }

  /** Ends both sides with the first error. */
  fail(reason: unknown): void {
    const error = reason instanceof Error ? reason : new TransportError('ERR_STREAM_DESTROYED', { cause: reason });
    this.#framed.destroy(error);
    // A side that is over already takes no notice.
    if (!this.#cancelled.signal.aborted) this.#readable!.error(reason);
    this.#writable!.error(reason);
  }
}
