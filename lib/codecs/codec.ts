/**
 * The contract of a codec: one miniprotocol, bytes in and records out, records in and bytes out.
 *
 * A codec does no I/O and never waits. It is given the stream's input and output buffers and answers at once, with a
 * record or with why there is none. It keeps no input beyond the record that it is in: what it does not consume is
 * there for the next codec. The situations of `decode`, and what to answer in each:
 *
 *   the front of the input is …                    answer
 *   a complete record                              consume it, return it
 *   the start of a record                          consume nothing, `return input.need(bytes)`
 *   protocol bytes without a record (a handshake)  consume them, perhaps write to `output`, return CONTINUE
 *   readable only after `output` has left          NEED_WRITE
 *   wrong                                          throw a ProtocolError; the stream cannot be read any further
 */
import type { InputBuffer } from '../bytes/input-buffer.js';
import type { OutputBuffer } from '../bytes/output-buffer.js';
import type { MiniprotoError } from '../errors.js';
import type { Framer } from '../native-interface.js';
import type { Continue, Eof, NeedRead, NeedWrite, NotReady } from '../status.js';

/** A miniprotocol. `R` is what it gives when reading, `W` what it takes when writing. */
export interface Codec<R, W = R> {
  /** The protocol's name, for errors: 'lines', 'netstring'. */
  readonly name: string;

  /**
   * Takes one record off the front of the input.
   * @returns the record; NOT_READY by way of `input.need(n)`, n bytes from the front making another try worthwhile;
   * CONTINUE after taking bytes or changing state without a record; NEED_WRITE when `output` must leave first.
   * @throws ProtocolError, LimitError
   */
  decode(input: InputBuffer, output: OutputBuffer): R | NotReady | NeedWrite | Continue;

  /**
   * Writes one record.
   * @returns true: the record is taken whole. NEED_READ: it was not taken, since the peer must be heard first;
   * protocol bytes that were written meanwhile leave all the same.
   * @throws UsageError when the protocol cannot express the record; what was written of it is taken back.
   */
  encode(record: W, output: OutputBuffer): true | NeedRead;

  /** Called once when the codec takes a stream over: a protocol that speaks first writes here. */
  start?(output: OutputBuffer): void;

  /** Called before our side ends: a protocol with a farewell writes it here. */
  end?(output: OutputBuffer): void;

  /**
   * The peer has ended, `input` holds what is left and `decode` found no record in it: a last record, or EOF.
   * Called until it answers EOF. Without this method a rest is ERR_UNEXPECTED_EOF.
   */
  finish?(input: InputBuffer, output: OutputBuffer): R | Eof;

  /** The codec that takes over from this one, looked at after each answer of `decode`: how a handshake ends. */
  readonly next?: Codec<R, W> | undefined;

  /** True when one codec object may serve any number of streams, because it keeps no state of a conversation. */
  readonly shared?: boolean;

  /** The fast path: a framer that finds many records in one call. */
  readonly framing?: Framing<R> | undefined;

  /** Writes the payload bytes[from, to) as one record; for verbatim codecs, so that a cursor is sent as it is. */
  encodeRange?(bytes: Buffer, from: number, to: number, output: OutputBuffer, options: { stable: boolean }): void;

  /** Records in pieces, where the protocol allows them. */
  readonly pieces?: PieceCodec | undefined;
}

/**
 * Whose bytes a record is made of. 'reused': they will be written again, so it must be a copy. 'kept': they will not, so
 * a large record may be a view. 'owned': they were copied for this record and its neighbours, so it may be a view.
 */
export type Memory = 'reused' | 'kept' | 'owned';

/** What turns the rows of a framer into records. Stateless. */
export interface Framing<R> {
  readonly framer: Framer;
  /** Bytes at least there before a try is worthwhile, on an empty input. */
  readonly least: number;
  /** What `text` of a cursor and `values` of a batch decode with; undefined when records are not text. */
  readonly text: TextForm | undefined;
  /**
   * Makes an owned record of bytes[from, to).
   * @param flags the row's R_FLAGS.
   * @param memory what may be done with the bytes, see Memory.
   * @param offset where in the stream the record starts, for errors.
   */
  record(bytes: Buffer, from: number, to: number, flags: number, memory: Memory, offset: number): R;
  /**
   * Makes a record of a row's text, where `text` says how that is decoded; lets a batch slice one string. `textItself`
   * says that the text is the record.
   */
  fromText?: ((text: string, offset: number) => R) | undefined;
  /**
   * Where writing a record gives the bytes that it was read from: bytes before its payload, and behind it. It holds for
   * rows without flags whose end is as said. Undefined where it does not hold.
   */
  readonly verbatim?: { readonly before: number; readonly after: number } | undefined;
  /** Where the first separator ends a record, whatever comes before it: records that lie in many chunks are searched there. */
  readonly ending?: RecordEnding | undefined;
  /** True: a record is its bytes, as `ownedBytes` makes them, so a batch may make them all without calling `record`. */
  readonly bytesThemselves?: boolean;
  /** True: strings must not share the memory of their chunk, so nothing is sliced. */
  readonly detached?: boolean;
  /** Makes the error for a FrameFault. */
  fault(fault: number, detail: number, offset: number): MiniprotoError;
}

/** What ends every record of a framing. */
export interface RecordEnding {
  readonly separator: Uint8Array;
  /** Bytes without a separator among them from which a record is too long, so that the framer has to see it. */
  readonly tooLong: number;
}

/** The `fromText` of a framing whose records are their text: it need not be called. */
export const textItself = (text: string): string => text;

/** How text is decoded; see `RecordEncoding`. */
export type TextForm = 'utf8' | 'utf8-strict' | 'latin1';

/** Records that are larger than any buffer. */
export interface PieceCodec {
  /**
   * Starts to read a record: takes its header off the input.
   * @returns a reader; NOT_READY by way of `input.need(n)`.
   */
  open(input: InputBuffer): PieceReader | NotReady;
  /**
   * Starts to write a record: writes its header.
   * @param length payload bytes; undefined where the protocol does not need to know.
   */
  begin(length: number | undefined, output: OutputBuffer): PieceWriter;
}

/** A record that is being read in pieces. */
export interface PieceReader {
  /** Payload bytes of the whole record, where the protocol says so in advance. */
  readonly length: number | undefined;
  /**
   * How many payload bytes of this record stand at the front of the input: at least 1, for the caller to consume.
   * 0: the record has ended, and what ends it has been consumed. NOT_READY by way of `input.need(n)`.
   * @param ended the peer has ended: no more will come.
   */
  next(input: InputBuffer, ended: boolean): number | NotReady;
}

/** A record that is being written in pieces. */
export interface PieceWriter {
  /** Checks a part, and says how the payload may go on. @throws UsageError */
  part(bytes: Uint8Array, output: OutputBuffer): void;
  /** Writes what ends the record. @throws UsageError ERR_RECORD_LENGTH when bytes are missing. */
  end(output: OutputBuffer): void;
}

/** The record type of a codec. */
export type RecordOf<C> = C extends Codec<infer R, infer _W> ? R : never;
