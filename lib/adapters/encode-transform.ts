/**
 * A codec as a Transform that writes: records in, bytes out.
 *
 * What is encoded in one turn leaves as few, large chunks: small records share memory, and are given on when the turn
 * ends or the mark is reached. Payloads from 16 KiB up are given on as they lie, and must not be changed afterwards.
 */
import { Transform, type TransformCallback, type TransformOptions } from 'node:stream';
import { checkObject } from '../arguments.js';
import { OutputBuffer } from '../bytes/output-buffer.js';
import type { Codec } from '../codecs/codec.js';
import { UsageError } from '../errors.js';
import { bindCodec } from '../framed/bound-codecs.js';
import { checkCodec } from '../framed/framed-stream.js';
import { failWhenRead } from '../framed/record-duplex.js';
import { checkRefusal } from '../framed/record-writer.js';

export type EncodeTransformOptions = Pick<
  TransformOptions,
  'emitClose' | 'readableHighWaterMark' | 'signal' | 'writableHighWaterMark'
>;

/**
 * Makes a Transform of records to bytes. A codec's greeting and farewell are written too.
 * @param options marks count records on the writable side, bytes on the readable one.
 * @throws ERR_INVALID_ARG_TYPE; UsageError ERR_CODEC_IN_USE. The stream's errors are the codec's for a record that it
 * cannot express, ERR_INVALID_ARG_VALUE for an `encode` that answers neither true nor NEED_READ, and ERR_ONE_DIRECTION when
 * it has to hear the peer first.
 * @example
 * await pipeline(events, encodeTransform(jsonLines()), createGzip(), file);
 */
export function encodeTransform<W>(codec: Codec<unknown, W>, options: EncodeTransformOptions = {}): EncodeTransform<W> {
  checkCodec(codec);
  checkObject('options', options);
  return new EncodeTransform(codec, options);
}

/** What `encodeTransform` makes. */
export class EncodeTransform<W> extends Transform {
  readonly #codec: Codec<unknown, W>;
  readonly #output = new OutputBuffer();
  /** The end of the turn gives on what there is. */
  #scheduled = false;

  /** Internal: use `encodeTransform`. */
  constructor(codec: Codec<unknown, W>, options: EncodeTransformOptions) {
    super({ ...options, writableObjectMode: true });
    bindCodec(codec);
    this.#codec = codec;
    codec.start?.(this.#output);
    this.#schedule();
  }

  override _transform(record: W, _encoding: BufferEncoding, callback: TransformCallback): void {
    this.#attempt(callback, () => {
      this.#encode(record);
      if (this.#output.length >= this.readableHighWaterMark) this.#give();
      else this.#schedule();
    });
  }

  override _flush(callback: TransformCallback): void {
    this.#attempt(callback, () => {
      this.#codec.end?.(this.#output);
      this.#give();
    });
  }

  /** Does a step; when it fails, the bytes of the records before it are given on first. */
  #attempt(callback: TransformCallback, step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#giveBefore(error as Error, callback);
      return;
    }
    callback();
  }

  #giveBefore(error: Error, fail: (error: Error) => void): void {
    try {
      this.#give();
    } catch {
      // A payload was detached: the bytes after it are of no use, and the first error is the one to report.
    }
    this.#output.clear();
    failWhenRead(this, error, () => fail(error));
  }

  #encode(record: W): void {
    const output = this.#output;
    const { length } = output;
    try {
      const answer: unknown = this.#codec.encode(record, output);
      if (answer === true) return;
      checkRefusal(answer);
      throw new UsageError('ERR_ONE_DIRECTION', { protocol: this.#codec.name });
    } catch (error) {
      output.rollback(length);
      throw error;
    }
  }

  #schedule(): void {
    if (this.#scheduled || this.#output.length === 0) return;
    this.#scheduled = true;
    process.nextTick(() => {
      this.#scheduled = false;
      if (this.destroyed) return;
      const failed = (error?: Error | null) => {
        if (error) this.destroy(error);
      };
      this.#attempt(failed, () => this.#give());
    });
  }

  #give(): void {
    const output = this.#output;
    while (output.length > 0) {
      const pieces = output.peek();
      for (const piece of pieces) {
        output.consume(piece.length);
        this.push(piece);
      }
    }
  }
}
