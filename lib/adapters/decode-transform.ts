/**
 * A codec as a Transform that reads: bytes in, records out.
 *
 * Records are decoded while the readable side has room, so unlike most Transforms this one does not turn a chunk into
 * hundreds of queued objects: a slow reader leaves the bytes of the chunk undecoded, and the chunk unanswered. It is the
 * reading half of a framed stream without a byte stream: RecordReader over an input buffer of its own.
 */
import { Transform, type TransformCallback, type TransformOptions, type Writable } from 'node:stream';
import { checkObject, invalidArgType } from '../arguments.js';
import { InputBuffer } from '../bytes/input-buffer.js';
import { OutputBuffer } from '../bytes/output-buffer.js';
import type { Codec } from '../codecs/codec.js';
import { UsageError } from '../errors.js';
import { bindCodec } from '../framed/bound-codecs.js';
import { checkCodec } from '../framed/framed-stream.js';
import { checkRecord, failWhenRead } from '../framed/record-duplex.js';
import { RecordReader } from '../framed/record-reader.js';
import { MAX_EMPTY_PROGRESS } from '../limits.js';
import { EOF, NEED_WRITE, NOT_READY } from '../status.js';

export interface DecodeTransformOptions
  extends Pick<TransformOptions, 'emitClose' | 'readableHighWaterMark' | 'signal' | 'writableHighWaterMark'> {
  /**
   * Where a codec that writes while it reads (a handshake, an acknowledgement) writes to; it is not ended. Without one
   * such a codec is ERR_ONE_DIRECTION.
   */
  output?: Writable | undefined;
}

/**
 * Makes a Transform of bytes to records.
 * @param options marks count bytes on the writable side, records on the readable one.
 * @throws ERR_INVALID_ARG_TYPE; UsageError ERR_CODEC_IN_USE, ERR_ONE_DIRECTION. The stream's errors are the codec's, with
 * offset and protocol, after the records that came before; and ERR_RECORD_NULL for a record that is null or undefined.
 * @example
 * await pipeline(file, decodeTransform(jsonLines()), async (events) => { for await (const event of events) use(event); });
 */
export function decodeTransform<R>(codec: Codec<R, never>, options: DecodeTransformOptions = {}): DecodeTransform<R> {
  checkCodec(codec);
  checkObject('options', options);
  const { output } = options;
  if (output !== undefined && typeof output?.write !== 'function') {
    throw invalidArgType('options.output', 'a Writable', output);
  }
  return new DecodeTransform(codec, options);
}

/** What `decodeTransform` makes. */
export class DecodeTransform<R> extends Transform {
  readonly #input = new InputBuffer();
  readonly #output = new OutputBuffer();
  readonly #reader: RecordReader<R, never>;
  readonly #target: Writable | undefined;
  /** Answers the chunk, or the end, that is being decoded; undefined between them. */
  #callback: TransformCallback | undefined;
  #ended = false;
  /** What the codec wrote has not been taken by the output. */
  #sending = false;
  #advancing = false;
  #failed = false;
  /** NEED_WRITE answers in a row although nothing was left to write. */
  #idleNeeds = 0;
  /** A record was asked for while one was being given. */
  #asked = false;

  /** Internal: use `decodeTransform`. */
  constructor(codec: Codec<R, never>, { output, ...options }: DecodeTransformOptions) {
    super({ ...options, readableObjectMode: true });
    this.#target = output;
    bindCodec(codec);
    this.#reader = new RecordReader(codec, this.#input, { output: this.#output });
    this.#send();
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, callback: TransformCallback): void {
    this.#input.append(chunk);
    this.#callback = callback;
    this.#advance();
  }

  override _flush(callback: TransformCallback): void {
    this.#ended = true;
    this.#callback = callback;
    this.#advance();
  }

  override _read(size: number): void {
    this.#asked = true;
    if (this.#callback !== undefined) this.#advance();
    // A Transform may hold the answer to a chunk back until it is read from, which is now.
    if (this.#callback === undefined) super._read(size);
  }

  /** Gives records until nobody wants more, or the chunk has no more. */
  #advance(): void {
    if (this.#advancing || this.#sending || this.#failed) return;
    this.#advancing = true;
    let done = false;
    try {
      done = this.#giveRecords();
    } catch (error) {
      this.#failed = true;
      failWhenRead(this, error as Error, () => this.#answer(error as Error));
    } finally {
      this.#advancing = false;
    }
    // The next chunk may come before this returns.
    if (done) this.#answer();
  }

  /** @returns true when there are no more for now. */
  #giveRecords(): boolean {
    for (;;) {
      this.#asked = false;
      const record = this.#reader.next(this.#ended);
      const wrote = this.#output.length > 0;
      const sent = this.#send();
      if (record === NOT_READY || record === EOF) return sent;
      if (record === NEED_WRITE) this.#countIdle(wrote);
      else {
        this.#idleNeeds = 0;
        const wanted = this.push(checkRecord(record, this.#reader.codec.name));
        if (!wanted && !this.#asked) return false;
      }
      if (!sent || this.destroyed) return false;
    }
  }

  /** A codec that waits for its output to leave has to have written some. */
  #countIdle(wrote: boolean): void {
    this.#idleNeeds = wrote ? 0 : this.#idleNeeds + 1;
    if (this.#idleNeeds <= MAX_EMPTY_PROGRESS) return;
    throw new UsageError('ERR_CODEC_NO_PROGRESS', { protocol: this.#reader.codec.name, offset: this.#input.offset });
  }

  #answer(error?: Error): void {
    const callback = this.#callback;
    this.#callback = undefined;
    callback?.(error);
  }

  /** Hands what the codec wrote to the output. @returns false when decoding has to wait for it. */
  #send(): boolean {
    const output = this.#output;
    if (output.length === 0) return true;
    const target = this.#target;
    if (target === undefined) throw new UsageError('ERR_ONE_DIRECTION', { protocol: this.#reader.codec.name });
    const bytes = Buffer.concat(output.peek(Number.POSITIVE_INFINITY));
    output.consume(bytes.length);
    this.#sending = true;
    target.write(bytes, (error) => {
      this.#sending = false;
      if (error) this.destroy(error);
      else if (this.#callback !== undefined) this.#advance();
    });
    return !this.#sending;
  }
}
