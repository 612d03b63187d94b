/**
 * Records that end with a separator: one or several, of one or more bytes each.
 *
 * At one place the longest separator wins, between places the first: [CRLF, LF, CR] cuts "a\r\nb" once. Writing checks
 * that a record holds no separator, since one that did would arrive as two (and, in SMTP or HTTP, as an injected command).
 */
import {
  checkBoolean,
  checkInteger,
  checkObject,
  checkOneOf,
  checkStringOrBytes,
  checkUint8Array,
  invalidArgType,
  invalidArgValue,
} from '../arguments.js';
import { asBuffer } from '../bytes/input-buffer.js';
import type { OutputBuffer } from '../bytes/output-buffer.js';
import { FLAG_LAST_PIECE, FLAG_PIECE } from '../frame-table.js';
import { DEFAULT_MAX_LENGTH, LARGEST_MAX_LENGTH } from '../limits.js';
import type { SeparatorFraming } from '../native-interface.js';
import { type Framing, type PieceCodec, type RecordEnding, textItself } from './codec.js';
import { faultError } from './faults.js';
import { FramedCodec, writePayload } from './framed-codec.js';
import { separatorFramer } from './framers.js';
import {
  checkEncoding,
  checkText,
  type Decoded,
  type RecordEncoding,
  recordMaker,
  textFormOf,
  writtenAs,
} from './record-forms.js';
import { separatedPieces } from './separated-pieces.js';
import { SeparatorGuard } from './separator-guard.js';

/** What `separated` can be told: the form of a record, the limit, and what to do at the edges. */
export interface SeparatedOptions<E extends RecordEncoding = RecordEncoding, O extends Overflow = Overflow> {
  /** The form of a record. Default 'buffer'. */
  encoding?: E;
  /** Leaves the separator at the record's end. Default false. */
  keep?: boolean;
  /**
   * What the bytes after the last separator get when the stream ends. 'give' (default): they are a record. 'refuse':
   * ERR_UNEXPECTED_EOF. 'drop': nothing.
   */
  tail?: 'give' | 'refuse' | 'drop';
  /** Bytes. Largest record, without its separator. Default 1 MiB. */
  maxLength?: number;
  /**
   * What a longer record gets. 'error' (default): ERR_RECORD_TOO_LARGE. 'skip': it is dropped, and reading goes on
   * after it. 'pieces': it is given in pieces of maxLength, flagged; needs encoding 'buffer' or 'latin1'.
   */
  overflow?: O & OverflowFor<E>;
  /** Strings do not share the memory of the chunk that they came in. Slower; for strings that are kept. Default false. */
  detached?: boolean;
}

/** What a record that is too long gets; see `SeparatedOptions.overflow`. */
export type Overflow = 'error' | 'skip' | 'pieces';

/** What a record that is too long may get in this encoding: UTF-8 strings cannot be cut into pieces. */
export type OverflowFor<E extends RecordEncoding> = E extends 'buffer' | 'latin1' ? Overflow : 'error' | 'skip';

/** A record, or a part of one that was too long, as `overflow: 'pieces'` gives it. */
export interface FlaggedPiece<T> {
  readonly data: T;
  /** 'whole': a record. 'part': more of it follows. 'last': its last part. */
  readonly piece: 'whole' | 'part' | 'last';
}

/** What a separated codec gives. */
export type SeparatedRecord<E extends RecordEncoding, O extends Overflow> = O extends 'pieces'
  ? FlaggedPiece<Decoded<E>>
  : Decoded<E>;

/**
 * A codec for records that end with a separator.
 * @param separators one or several (at most 16), as bytes or strings, 1 to 256 bytes each. The first is the one written.
 * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE
 * @example
 * const records = framed(stream, separated('\0', { encoding: 'utf8' }));
 */
export function separated<E extends RecordEncoding = 'buffer', O extends Overflow = 'error'>(
  separators: string | Uint8Array | readonly (string | Uint8Array)[],
  options: SeparatedOptions<E, O> = {},
): SeparatedCodec<SeparatedRecord<E, O>> {
  checkObject('options', options);
  const list = separators instanceof Uint8Array || typeof separators === 'string' ? [separators] : separators;
  if (!Array.isArray(list)) {
    throw invalidArgType('separators', 'a string, an instance of Uint8Array, or an array of them', separators);
  }
  checkInteger('separators.length', list.length, 1, 16);
  return makeSeparated('separated', list.map(toBytes), 'plain', { encoding: 'buffer' as E, ...options });
}

/** For `lines` too, which is a separated codec with a way of its own to treat CR. */
export function makeSeparated<E extends RecordEncoding, O extends Overflow>(
  name: string,
  separators: Buffer[],
  newline: SeparatorFraming['newline'],
  options: SeparatedOptions<E, O> & { encoding: E },
): SeparatedCodec<SeparatedRecord<E, O>> {
  const { keep = false, tail = 'give', maxLength = DEFAULT_MAX_LENGTH, overflow = 'error', detached = false } = options;
  checkEncoding(options.encoding);
  checkBoolean('options.keep', keep);
  checkBoolean('options.detached', detached);
  checkOneOf('options.tail', tail, ['give', 'refuse', 'drop']);
  checkOneOf('options.overflow', overflow, ['error', 'skip', 'pieces']);
  checkInteger('options.maxLength', maxLength, overflow === 'pieces' ? 1 : 0, LARGEST_MAX_LENGTH);
  if (overflow === 'pieces' && options.encoding.startsWith('utf8')) {
    throw invalidArgValue('options.encoding', options.encoding, "cannot be cut into pieces: use 'buffer' or 'latin1'");
  }
  const framing: SeparatorFraming = { separators, keep, newline, maxLength, overflow, tail };
  return new SeparatedCodec(name, framing, options.encoding, detached);
}

/** The codec that `separated` and `lines` make. */
export class SeparatedCodec<R> extends FramedCodec<R, string | Uint8Array> {
  readonly name: string;
  readonly framing: Framing<R>;
  override readonly pieces: PieceCodec;
  readonly #guard: SeparatorGuard;
  readonly #encoding: RecordEncoding;
  readonly #writtenAs: 'utf8' | 'latin1';

  /** Internal: use `separated` or `lines`. */
  constructor(name: string, config: SeparatorFraming, encoding: RecordEncoding, detached: boolean) {
    super();
    this.name = name;
    this.#encoding = encoding;
    this.#writtenAs = writtenAs(encoding);
    this.#guard = new SeparatorGuard(name, config);
    this.framing = separatorFraming(name, config, encoding, detached) as Framing<R>;
    this.pieces = separatedPieces(name, config, this.#guard);
  }

  encode(record: string | Uint8Array, output: OutputBuffer): true {
    checkStringOrBytes('record', record);
    if (typeof record === 'string') {
      checkText(record, this.#encoding, this.name);
      const text = this.#guard.checkText(record);
      if (text === undefined) return this.#encodeBytes(Buffer.from(record, this.#writtenAs), output);
      output.writeText(text, this.#writtenAs);
      output.writeFew(this.#guard.separator);
      return true;
    }
    return this.#encodeBytes(asBuffer(record), output);
  }

  #encodeBytes(bytes: Buffer, output: OutputBuffer): true {
    this.encodeRange(bytes, 0, bytes.length, output, { stable: true });
    return true;
  }

  encodeRange(bytes: Buffer, from: number, to: number, output: OutputBuffer, options: { stable: boolean }): void {
    const end = this.#guard.checkBytes(bytes, from, to);
    writePayload(bytes, from, end, output, options);
    output.writeFew(this.#guard.separator);
  }
}

function separatorFraming(
  name: string,
  config: SeparatorFraming,
  encoding: RecordEncoding,
  detached: boolean,
): Framing<unknown> {
  const context = { protocol: name, maxLength: config.maxLength };
  const make = recordMaker(encoding, name);
  const flagged = config.overflow === 'pieces';
  // A separator of non-ASCII bytes may split a character: then a span cannot be decoded as one text.
  const ascii = config.separators.every((separator) => separator.every((byte) => byte < 0x80));
  return {
    framer: separatorFramer(config),
    least: 1,
    text: flagged || (!ascii && encoding !== 'latin1') ? undefined : textFormOf(encoding),
    fromText: textItself,
    ending: endingOf(config),
    verbatim: isVerbatim(config) ? { before: 0, after: config.separators[0].length } : undefined,
    bytesThemselves: encoding === 'buffer' && !flagged,
    detached,
    record: flagged
      ? (bytes, from, to, flags, memory, offset) => ({
          data: make(bytes, from, to, memory, offset),
          piece: pieceOf(flags),
        })
      : (bytes, from, to, _flags, memory, offset) => make(bytes, from, to, memory, offset),
    fault: (fault, detail, offset) => faultError(context, fault, detail, offset),
  };
}

/**
 * A record and the separator behind it are written as they were read, but not where a longer separator holds the one that
 * is written: then what came before decides how they are cut, and the guard has to look at them.
 */
function isVerbatim({ keep, separators }: SeparatorFraming): boolean {
  const written = Buffer.from(separators[0]);
  return !keep && !separators.some((one) => one.length > written.length && Buffer.from(one).includes(written));
}

/** Of several separators the longest at a place wins, and strict lines can be wrong before they end: those have none. */
function endingOf({ separators, newline, maxLength }: SeparatorFraming): RecordEnding | undefined {
  const [separator, other] = separators;
  if (separator === undefined || other !== undefined || newline === 'strict-crlf') return undefined;
  // A CR that belongs to the line's end is no payload.
  return { separator, tooLong: maxLength + (newline === 'strip-cr' ? 2 : separator.length) };
}

/** What a row's flags say about pieces. */
export function pieceOf(flags: number): FlaggedPiece<unknown>['piece'] {
  if (flags & FLAG_PIECE) return 'part';
  return flags & FLAG_LAST_PIECE ? 'last' : 'whole';
}

function toBytes(separator: string | Uint8Array): Buffer {
  if (typeof separator !== 'string') checkUint8Array('separators', separator);
  const bytes = typeof separator === 'string' ? Buffer.from(separator) : Buffer.from(separator);
  checkInteger('separator.length', bytes.length, 1, 256);
  return bytes;
}
