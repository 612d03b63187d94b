/**
 * A framed stream as a Node Duplex in object mode: what `framed(…).toDuplex()` gives.
 *
 * Reading asks for a record only while there is room for one, so a reader that stops leaves the bytes where they are:
 * in the byte stream, and then with the peer. Writing answers when the record has been taken. The Duplex owns the framed
 * stream from then on: destroying one destroys the other.
 */
import { Duplex, type DuplexOptions, type Readable } from 'node:stream';
import { checkObject } from '../arguments.js';
import { MiniprotoError, UsageError } from '../errors.js';
import { BY_REFERENCE_FROM } from '../limits.js';
import { EOF, type Eof, NEED_WRITE, NOT_READY, type ReadStatus } from '../status.js';
import type { ReadyOptions } from '../streams/byte-stream.js';
import type { FramedStream } from './framed-stream.js';

/** Options of a Duplex; marks count records. */
export interface RecordDuplexOptions
  extends Pick<
    DuplexOptions,
    'allowHalfOpen' | 'emitClose' | 'highWaterMark' | 'readableHighWaterMark' | 'signal' | 'writableHighWaterMark'
  > {
  /** False where the byte stream is only written to. Default true. */
  readable?: boolean | undefined;
  /** False where the byte stream is only read from. Default true. */
  writable?: boolean | undefined;
}

/** How a framed stream is read by whom it is lent to: its own methods refuse every other reader. Internal. */
export interface RecordReads<R> {
  tryRead(): R | ReadStatus;
  read(options: ReadyOptions): Promise<R | Eof>;
}

export class RecordDuplex<R, W = R> extends Duplex {
  readonly #framed: FramedStream<R, W>;
  readonly #reads: RecordReads<R>;
  /** Reading has failed, and what was read before has to be taken before that is said. */
  #failed = false;

  /** Internal: use `toDuplex`. */
  constructor(framed: FramedStream<R, W>, reads: RecordReads<R>, options: RecordDuplexOptions = {}) {
    checkObject('options', options);
    super({ ...options, objectMode: true });
    this.#framed = framed;
    this.#reads = reads;
  }

  override _read(): void {
    if (this.#failed || this.destroyed) return;
    try {
      for (;;) {
        const record = this.#reads.tryRead();
        if (record === NOT_READY || record === NEED_WRITE) {
          this.#readLater(record === NOT_READY ? 'read' : 'write');
          return;
        }
        if (!this.push(record === EOF ? null : checkRecord(record, this.#framed.codec.name))) return;
      }
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #readLater(direction: 'read' | 'write'): void {
    this.#framed.ready(direction).then(
      () => this._read(),
      (error) => this.#fail(error),
    );
  }

  #fail(error: Error): void {
    this.#failed = true;
    failWhenRead(this, error);
  }

  override _write(record: W, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    try {
      // A large one is sent from where it lies, and whoever has been called back may reuse its memory.
      const large = record instanceof Uint8Array && record.length >= BY_REFERENCE_FROM;
      if (!large && this.#framed.tryWrite(record) === true) return callback();
    } catch (error) {
      return callback(error as Error);
    }
    this.#framed.write(record).then(() => callback(), callback);
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#framed.end().then(() => callback(), callback);
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    // After a switch the byte stream is somebody else's.
    const switched = error instanceof MiniprotoError && error.code === 'ERR_STREAM_SWITCHED';
    if (!switched) this.#framed.destroy(error ?? undefined);
    callback(error);
  }
}

/** @throws UsageError ERR_RECORD_NULL for what Node takes for the end of a stream, or for nothing at all. */
export function checkRecord<R>(record: R, protocol: string): R {
  if (record !== null && record !== undefined) return record;
  throw new UsageError('ERR_RECORD_NULL', {
    protocol,
    message: `a record is ${record}, which a Node stream cannot give`,
  });
}

/**
 * Fails a stream after the records that it holds have been read: errors come after the records before them, but
 * destroying a Node stream drops those. To be called once for a stream.
 * @param fail how. Default: destroys the stream.
 */
export function failWhenRead(
  stream: Readable,
  error: Error,
  fail: () => void = () => {
    stream.destroy(error);
  },
): void {
  if (stream.readableLength === 0) {
    fail();
    return;
  }
  // Every way to read a Node stream comes down to this method.
  const { read } = stream;
  stream.read = (size?: number) => {
    const record: unknown = read.call(stream, size);
    if (stream.readableLength === 0) process.nextTick(fail);
    return record;
  };
}
