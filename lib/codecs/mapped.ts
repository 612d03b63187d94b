/**
 * A codec seen through functions: the records of another, as the values of a program.
 *
 * The framer of the other codec stays in use, so mapping costs one function call a record.
 */
import { checkFunction, invalidArgType } from '../arguments.js';
import type { InputBuffer } from '../bytes/input-buffer.js';
import type { OutputBuffer } from '../bytes/output-buffer.js';
import { MiniprotoError, ProtocolError } from '../errors.js';
import {
  CONTINUE,
  type Continue,
  EOF,
  type Eof,
  NEED_WRITE,
  type NeedRead,
  type NeedWrite,
  NOT_READY,
  type NotReady,
} from '../status.js';
import type { Codec, Framing } from './codec.js';

/** The two functions that a codec is seen through. */
export interface Mapping<Inner, R, InnerW, W> {
  /** Makes a value of a record. What it throws becomes the `cause` of ERR_INVALID_RECORD. */
  decode: (record: Inner) => R;
  /** Makes a record of a value. What it throws is thrown to the writer; nothing is written. */
  encode: (value: W) => InnerW;
  /** The protocol's name, for errors. Default: the other codec's. */
  name?: string;
}

/** The same where `encode` takes anything, as String does: what is read is what may be written. */
export function mapped<Inner, R, InnerW, W>(
  codec: Codec<Inner, InnerW>,
  mapping: Mapping<Inner, R, InnerW, W> & OnlyAny<W>,
): MappedCodec<Inner, R, InnerW, R>;
/**
 * A codec that gives `decode(record)` for each record of another, and writes `encode(value)`.
 * @throws ERR_INVALID_ARG_TYPE
 * @example
 * const numbers = mapped(lines(), { decode: Number, encode: String });
 */
export function mapped<Inner, R, InnerW, W = R>(
  codec: Codec<Inner, InnerW>,
  mapping: Mapping<Inner, R, InnerW, W>,
): MappedCodec<Inner, R, InnerW, W>;
export function mapped<Inner, R, InnerW, W>(
  codec: Codec<Inner, InnerW>,
  mapping: Mapping<Inner, R, InnerW, W>,
): MappedCodec<Inner, R, InnerW, W> {
  if (typeof codec?.decode !== 'function' || typeof codec.encode !== 'function') {
    throw invalidArgType('codec', 'a codec, an object with decode and encode', codec);
  }
  checkFunction('mapping.decode', mapping?.decode);
  checkFunction('mapping.encode', mapping?.encode);
  return new MappedCodec(codec, mapping, 'ERR_INVALID_RECORD');
}

/** Nothing fits it unless W is any. */
type OnlyAny<W> = 0 extends 1 & W ? unknown : never;

type FaultCode = 'ERR_INVALID_RECORD' | 'ERR_INVALID_JSON';

/** The codec that `mapped` and `jsonLines` make. */
export class MappedCodec<Inner, R, InnerW, W> implements Codec<R, W> {
  readonly name: string;
  readonly shared: boolean;
  readonly framing: Framing<R> | undefined;
  readonly #codec: Codec<Inner, InnerW>;
  readonly #mapping: Mapping<Inner, R, InnerW, W>;
  readonly #faultCode: FaultCode;

  /** Internal: use `mapped` or `jsonLines`. */
  constructor(codec: Codec<Inner, InnerW>, mapping: Mapping<Inner, R, InnerW, W>, faultCode: FaultCode) {
    this.name = mapping.name ?? codec.name;
    this.shared = codec.shared ?? false;
    this.#codec = codec;
    this.#mapping = mapping;
    this.#faultCode = faultCode;
    if (codec.framing !== undefined) this.framing = this.#mapFraming(codec.framing);
  }

  #mapFraming(inner: Framing<Inner>): Framing<R> {
    const { fromText } = inner;
    return {
      framer: inner.framer,
      least: inner.least,
      ending: inner.ending,
      text: inner.text,
      detached: inner.detached ?? false,
      record: (bytes, from, to, flags, memory, offset) =>
        this.#map(inner.record(bytes, from, to, flags, memory, offset), offset),
      fromText: fromText && ((text, offset) => this.#map(fromText(text, offset), offset)),
      fault: inner.fault,
    };
  }

  #map(record: Inner, offset: number | undefined): R {
    try {
      return this.#mapping.decode(record);
    } catch (cause) {
      if (cause instanceof MiniprotoError) throw cause;
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new ProtocolError(this.#faultCode, {
        protocol: this.name,
        offset,
        cause,
        message: `bad record: ${reason}`,
      });
    }
  }

  decode(input: InputBuffer, output: OutputBuffer): R | NotReady | NeedWrite | Continue {
    const offset = input.offset;
    const record = this.#codec.decode(input, output);
    if (record === NOT_READY || record === NEED_WRITE || record === CONTINUE) return record as NotReady;
    return this.#map(record as Inner, offset);
  }

  /** The successor of the other codec, mapped the same way. */
  get next(): Codec<R, W> | undefined {
    const { next } = this.#codec;
    return next && new MappedCodec(next, this.#mapping, this.#faultCode);
  }

  finish(input: InputBuffer, output: OutputBuffer): R | Eof {
    const offset = input.offset;
    if (this.#codec.finish === undefined && input.length > 0) {
      throw new ProtocolError('ERR_UNEXPECTED_EOF', { protocol: this.name, offset });
    }
    const record = this.#codec.finish === undefined ? EOF : this.#codec.finish(input, output);
    return record === EOF ? EOF : this.#map(record as Inner, offset);
  }

  encode(value: W, output: OutputBuffer): true | NeedRead {
    return this.#codec.encode(this.#mapping.encode(value), output);
  }

  start(output: OutputBuffer): void {
    this.#codec.start?.(output);
  }

  end(output: OutputBuffer): void {
    this.#codec.end?.(output);
  }
}
