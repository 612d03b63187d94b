/**
 * Records that say their length first.
 *
 *     | offset bytes | length field | value + adjustment bytes | trailer |
 *
 * The field is an unsigned integer of 1 to 8 bytes, a LEB128 varint, or ASCII digits with a terminator. As in Netty's
 * LengthFieldBasedFrameDecoder, `adjustment` is for protocols whose length counts the header too or leaves something
 * out. A declared length reserves nothing: memory follows the bytes that arrive.
 */
import {
  checkInteger,
  checkObject,
  checkOneOf,
  checkString,
  checkStringOrBytes,
  checkUint8Array,
  invalidArgValue,
} from '../arguments.js';
import { asBuffer } from '../bytes/input-buffer.js';
import type { OutputBuffer } from '../bytes/output-buffer.js';
import { UsageError } from '../errors.js';
import { createFrameTable, H_CONSUMED } from '../frame-table.js';
import { DEFAULT_MAX_LENGTH, LARGEST_MAX_LENGTH } from '../limits.js';
import type { LengthFraming } from '../native-interface.js';
import { type Framing, type PieceCodec, textItself } from './codec.js';
import { faultError } from './faults.js';
import { FramedCodec, writePayload } from './framed-codec.js';
import { lengthFramer } from './framers.js';
import { leastHeader, writeLength } from './length-field.js';
import { lengthPieces } from './length-pieces.js';
import {
  checkEncoding,
  checkText,
  type Decoded,
  type RecordEncoding,
  recordMaker,
  textFormOf,
  writtenAs,
} from './record-forms.js';

/** What `lengthPrefixed` can be told: the shape of the header, the limits, the form of a record. */
export interface LengthPrefixedOptions<E extends RecordEncoding = RecordEncoding> {
  /** The length field: a width of 1 to 8 bytes, 'varint' (unsigned LEB128) or 'decimal' (ASCII digits). Default 4. */
  bytes?: 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 'varint' | 'decimal';
  /** Byte order of a field of fixed width. Default 'big'. */
  endian?: 'big' | 'little';
  /** The byte that ends a 'decimal' field, as a one-byte string. Default ':'. */
  terminator?: string;
  /** Bytes before the length field. Default 0. They are written as `prefix` says. */
  offset?: number;
  /** The `offset` bytes to write before each length field where the header is stripped. Default: zeros. */
  prefix?: Uint8Array;
  /** Bytes. Added to the length read to get the bytes that follow the field; may be negative. Default 0. */
  adjustment?: number;
  /** 'strip' (default): a record is what follows the length field. 'keep': it begins with the `offset` bytes and the field. */
  header?: 'strip' | 'keep';
  /** A one-byte string that must follow each payload, as in a netstring. Default: none. */
  trailer?: string;
  /** Bytes. Largest count that may follow the length field. Default 1 MiB. Records read in pieces are not bound by it. */
  maxLength?: number;
  /** Most bytes of a 'varint' (1 to 8, default 5) or digits of a 'decimal' (1 to 16, default 10). */
  maxLengthBytes?: number;
  /** The form of a record. Default 'buffer'. */
  encoding?: E;
}

/**
 * A codec for length-prefixed records, by default with a big-endian length of 4 bytes, and of at most 1 MiB.
 * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE
 * @example
 * const records = framed(socket, lengthPrefixed({ bytes: 2, endian: 'little' }));
 */
export function lengthPrefixed<E extends RecordEncoding = 'buffer'>(
  options: LengthPrefixedOptions<E> = {},
): LengthPrefixedCodec<Decoded<E>> {
  return new LengthPrefixedCodec('length-prefixed', options);
}

/**
 * A codec for netstrings: `5:hello,`.
 * @see https://cr.yp.to/proto/netstrings.txt
 */
export function netstring<E extends RecordEncoding = 'buffer'>(
  options: Pick<LengthPrefixedOptions<E>, 'maxLength' | 'maxLengthBytes' | 'encoding'> = {},
): LengthPrefixedCodec<Decoded<E>> {
  checkObject('options', options);
  return new LengthPrefixedCodec('netstring', { ...options, bytes: 'decimal', terminator: ':', trailer: ',' });
}

/** The codec that `lengthPrefixed` and `netstring` make. */
export class LengthPrefixedCodec<R> extends FramedCodec<R, string | Uint8Array> {
  readonly name: string;
  readonly framing: Framing<R>;
  override readonly pieces: PieceCodec;
  readonly #config: LengthFraming;
  readonly #prefix: Buffer;
  readonly #encoding: RecordEncoding;

  /** Internal: use `lengthPrefixed` or `netstring`. */
  constructor(name: string, options: LengthPrefixedOptions) {
    super();
    checkObject('options', options);
    const { encoding = 'buffer' } = options;
    checkEncoding(encoding);
    const config = framingOf(options);
    this.name = name;
    this.#config = config;
    this.#encoding = encoding;
    this.#prefix = prefixOf(options, config.offset);
    this.framing = lengthFraming(name, config, encoding) as Framing<R>;
    this.pieces = lengthPieces(name, config, this.#prefix);
  }

  encode(record: string | Uint8Array, output: OutputBuffer): true {
    checkStringOrBytes('record', record);
    if (typeof record === 'string') checkText(record, this.#encoding, this.name);
    const bytes = typeof record === 'string' ? Buffer.from(record, writtenAs(this.#encoding)) : asBuffer(record);
    this.encodeRange(bytes, 0, bytes.length, output, { stable: true });
    return true;
  }

  encodeRange(bytes: Buffer, from: number, to: number, output: OutputBuffer, options: { stable: boolean }): void {
    if (this.#config.header === 'strip') {
      if (this.#prefix.length > 0) output.writeFew(this.#prefix);
      writeLength(this.name, this.#config, to - from, output);
    } else this.#checkWhole(bytes, from, to);
    writePayload(bytes, from, to, output, options);
    if (this.#config.trailer >= 0) output.writeByte(this.#config.trailer);
  }

  /** A record that brings its header along must have one that fits. */
  #checkWhole(bytes: Buffer, from: number, to: number): void {
    const trailer = this.#config.trailer >= 0 ? Buffer.of(this.#config.trailer) : Buffer.alloc(0);
    const whole = trailer.length === 0 ? bytes.subarray(from, to) : Buffer.concat([bytes.subarray(from, to), trailer]);
    const table = createFrameTable(1);
    const rows = this.framing.framer.frame(whole, 0, whole.length, table, 1);
    if (rows === 1 && table[H_CONSUMED] === whole.length) return;
    const message = "the record's own length field does not fit its length";
    throw new UsageError('ERR_RECORD_NOT_ENCODABLE', { protocol: this.name, message });
  }
}

function framingOf(options: LengthPrefixedOptions): LengthFraming {
  const { bytes = 4, endian = 'big', offset = 0, adjustment = 0, header = 'strip' } = options;
  const { maxLength = DEFAULT_MAX_LENGTH, terminator = ':', trailer } = options;
  checkOneOf('options.bytes', bytes, [1, 2, 3, 4, 5, 6, 7, 8, 'varint', 'decimal']);
  checkOneOf('options.endian', endian, ['big', 'little']);
  checkOneOf('options.header', header, ['strip', 'keep']);
  checkInteger('options.offset', offset, 0, 65_535);
  checkInteger('options.adjustment', adjustment, -LARGEST_MAX_LENGTH, LARGEST_MAX_LENGTH);
  checkInteger('options.maxLength', maxLength, 0, LARGEST_MAX_LENGTH);
  return {
    encoding: typeof bytes === 'number' ? endian : bytes,
    lengthBytes: typeof bytes === 'number' ? bytes : mostLengthBytes(bytes, options.maxLengthBytes),
    terminator: bytes === 'decimal' ? terminatorOf(terminator) : 0,
    offset,
    adjustment,
    header,
    trailer: trailer === undefined ? -1 : singleByte('options.trailer', trailer),
    maxLength,
  };
}

function mostLengthBytes(encoding: 'varint' | 'decimal', given: number | undefined): number {
  const [usual, most] = encoding === 'varint' ? [5, 8] : [10, 16];
  const value = given === undefined ? usual : given;
  checkInteger('options.maxLengthBytes', value, 1, most);
  return value;
}

function terminatorOf(text: string): number {
  const byte = singleByte('options.terminator', text);
  // A digit would be taken for one: no length could ever be read to its end.
  if (/[0-9]/.test(text)) throw invalidArgValue('options.terminator', text, 'is a digit');
  return byte;
}

function singleByte(name: string, text: string): number {
  checkString(name, text);
  checkInteger(`${name}.length`, text.length, 1, 1);
  const byte = text.charCodeAt(0);
  if (byte > 0xff) throw invalidArgValue(name, text, 'must be one byte');
  return byte;
}

function prefixOf(options: LengthPrefixedOptions, offset: number): Buffer {
  if (options.prefix === undefined) return Buffer.alloc(offset);
  checkUint8Array('options.prefix', options.prefix);
  checkInteger('options.prefix.length', options.prefix.length, offset, offset);
  return Buffer.from(options.prefix);
}

/** A header of one size that says nothing but the length is written as it was read; what else one says, is not. */
function verbatimOf(config: LengthFraming): Framing<unknown>['verbatim'] {
  const after = config.trailer >= 0 ? 1 : 0;
  if (config.header === 'keep') return { before: 0, after };
  const plain = config.offset === 0 && (config.encoding === 'big' || config.encoding === 'little');
  return plain ? { before: config.lengthBytes, after } : undefined;
}

function lengthFraming(name: string, config: LengthFraming, encoding: RecordEncoding): Framing<unknown> {
  const context = { protocol: name, maxLength: config.maxLength, maxLengthBytes: config.lengthBytes };
  const make = recordMaker(encoding, name);
  return {
    framer: lengthFramer(config),
    least: leastHeader(config),
    text: textFormOf(encoding),
    fromText: textItself,
    verbatim: verbatimOf(config),
    bytesThemselves: encoding === 'buffer',
    record: (bytes, from, to, _flags, memory, offset) => make(bytes, from, to, memory, offset),
    fault: (fault, detail, offset) => faultError(context, fault, detail, offset),
  };
}
