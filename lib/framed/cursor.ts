/**
 * A record where it lies: what batches and push handlers get instead of an object per record.
 *
 * One cursor is moved from record to record of a batch. Reading a field costs a few nanoseconds; bytes are copied or
 * viewed only on request. After its batch or turn every access throws ERR_RECORD_EXPIRED.
 */
import { inspect } from 'node:util';
import { blockOf } from '../bytes/blocks.js';
import { viewOfMemory } from '../bytes/view.js';
import type { Framing } from '../codecs/codec.js';
import { VIEW_FROM } from '../codecs/record-forms.js';
import { pieceOf } from '../codecs/separated.js';
import { UsageError } from '../errors.js';
import {
  FLAG_UNTERMINATED,
  HEADER_WORDS,
  R_END,
  R_FLAGS,
  R_LENGTH,
  R_OFFSET,
  ROW_WORDS,
  SEPARATOR_SHIFT,
} from '../frame-table.js';
import type { Channel } from './channel.js';
import type { Span } from './span.js';
import type { SpanSlabs } from './span-slabs.js';
import { SpanText } from './span-text.js';

/** A record of a batch or turn, valid until that ends. */
export interface RecordCursor<R> {
  /** Payload bytes. */
  readonly length: number;
  /** 'whole', or which part of a record that was too long (`overflow: 'pieces'`). */
  readonly piece: 'whole' | 'part' | 'last';
  /** True when the stream's end ended the record, not a separator. */
  readonly unterminated: boolean;
  /** Which of the codec's separators ended the record. */
  readonly separatorIndex: number;
  /** The payload byte at `index`; undefined when there is none. */
  byteAt(index: number): number | undefined;
  /** The record as the codec gives it, owned. */
  value(): R;
  /** The payload as a string, UTF-8 by default. It may share the memory of its chunk's string. */
  text(encoding?: 'utf8' | 'latin1'): string;
  /** A copy of the payload. */
  bytes(): Buffer;
  /** The payload where it lies, until the batch or turn ends. Its `.buffer` shows everything around it. */
  borrow(): Buffer;
}

const LENT = { lent: true };
const KEPT = { lent: false };

/**
 * A cursor that moves over the records of a batch, and knows how far it has come. A push needs nothing else of a batch, so
 * for each arrival there is one object. Internal.
 */
abstract class MovingCursor {
  /** How many records there are. */
  readonly count: number;
  /** The first one's row. */
  readonly first: number;
  /** Records that were handed out so far, by the loop that got furthest; those after it are unread if the iteration is left. */
  visited = 0;
  /** A record could not be decoded; it is the one at `visited`, and nothing is given from there on. */
  fault: unknown = undefined;
  /** Records that a loop may visit without a further look: all of them, up to a fault, none once the batch has ended. */
  #open: number;

  constructor(first: number, count: number) {
    this.first = first;
    this.count = count;
    this.#open = count;
  }

  /** Moves to a row. Pre: the batch has not ended. */
  abstract moveTo(row: number): void;
  /** The batch has not ended. */
  abstract readonly live: boolean;

  /** Moves to a record, counted from the batch's first. @returns false behind the last that is given. */
  visit(row: number): boolean {
    if (row >= this.#open) return this.visitNone(row);
    if (row >= this.visited) this.visited = row + 1;
    this.moveTo(this.first + row);
    return true;
  }

  /** @throws ERR_RECORD_EXPIRED */
  checkLive(): void {
    if (!this.live) throw new UsageError('ERR_RECORD_EXPIRED');
  }

  private visitNone(row: number): false {
    if (row < this.count && !(this.fault !== undefined && row >= this.visited)) this.checkLive();
    return false;
  }

  /** Nothing is given from this row on. */
  protected failAt(row: number, error: unknown): void {
    this.fault = error;
    this.visited = row;
    this.#open = Math.min(this.#open, row);
  }

  /** Ends the cursor's life. */
  expire(): void {
    this.#open = 0;
  }
}

/** What a batch or a push moves. Internal. */
export type BatchCursor<R> = MovingCursor & RecordCursor<R> & { value(slabs?: SpanSlabs): R };

/** The rows of a framer, seen through one moving cursor. */
export class SpanCursor<R> extends MovingCursor implements RecordCursor<R> {
  readonly #framing: Framing<R>;
  /** The batch's bytes; undefined once it has ended. */
  #bytes: Buffer | undefined;
  #table: Int32Array;
  /** The memory of `bytes` and where they begin there, once a view was asked for: each asking is a call into V8. */
  #memory: ArrayBufferLike | undefined;
  #memoryStart = 0;
  /** Index in the table of the row's words. */
  #row = HEADER_WORDS;
  /** Where the row's payload starts in `bytes`. */
  #from = 0;
  /** The row's payload in bytes; -1 once the batch has ended, so that one look tells both. */
  #length = -1;
  readonly #span: Span;
  /** Once somebody has asked for text. */
  #texts: SpanText | undefined;

  constructor(framing: Framing<R>, span: Span) {
    super(span.row, span.rows - span.row);
    this.#framing = framing;
    this.#bytes = span.bytes;
    this.#table = span.table;
    this.#span = span;
  }

  /** The text of the batch's rows. Internal. Pre: the batch has not ended. */
  get texts(): SpanText {
    this.#texts ??= new SpanText(this.#span, this.#framing.text, this.#framing.detached ?? false);
    return this.#texts;
  }

  moveTo(row: number): void {
    const table = this.#table;
    const words = HEADER_WORDS + row * ROW_WORDS;
    this.#row = words;
    this.#from = table[words + R_OFFSET]!;
    this.#length = table[words + R_LENGTH]!;
  }

  override expire(): void {
    super.expire();
    this.#bytes = undefined;
    this.#memory = undefined;
    this.#length = -1;
  }

  get live(): boolean {
    return this.#bytes !== undefined;
  }

  #rowIndex(): number {
    return (this.#row - HEADER_WORDS) / ROW_WORDS;
  }

  #live(): Buffer {
    const bytes = this.#bytes;
    if (bytes === undefined) throw new UsageError('ERR_RECORD_EXPIRED');
    return bytes;
  }

  get length(): number {
    if (this.#length < 0) this.#live();
    return this.#length;
  }

  get piece(): 'whole' | 'part' | 'last' {
    this.#live();
    return pieceOf(this.#table[this.#row + R_FLAGS]!);
  }

  get unterminated(): boolean {
    this.#live();
    return (this.#table[this.#row + R_FLAGS]! & FLAG_UNTERMINATED) !== 0;
  }

  get separatorIndex(): number {
    this.#live();
    return this.#table[this.#row + R_FLAGS]! >> SEPARATOR_SHIFT;
  }

  byteAt(index: number): number | undefined {
    if (index >= 0 && index < this.#length) return this.#bytes![this.#from + index];
    this.#live();
    return undefined;
  }

  /** @param slabs where records are copied together, when all of them are wanted. Internal. */
  value(slabs?: SpanSlabs): R {
    const bytes = this.#live();
    const from = this.#from;
    const to = from + this.#length;
    const flags = this.#table[this.#row + R_FLAGS]!;
    const { fromText, bytesThemselves } = this.#framing;
    if (to - from >= VIEW_FROM) this.#span.taken = true;
    else if (bytesThemselves) return this.bytes() as unknown as R;
    try {
      const text = fromText && this.texts.row(this.#rowIndex());
      if (text !== undefined) return fromText!(text, this.#recordOffset());
      if (slabs !== undefined) return slabs.record(this.#framing, this.#rowIndex(), this.#recordOffset());
      return this.#framing.record(bytes, from, to, flags, this.#span.memory, this.#recordOffset());
    } catch (error) {
      this.failAt(this.#rowIndex() - this.first, error);
      throw error;
    }
  }

  /** Where in the stream the record starts: where the one before it ends. */
  #recordOffset(): number {
    const { start, offset, base } = this.#span;
    const before = this.#row - ROW_WORDS;
    const recordStart = before < HEADER_WORDS + base ? start : this.#table[before + R_END]!;
    return offset + recordStart - start;
  }

  text(encoding: 'utf8' | 'latin1' = 'utf8'): string {
    this.#live();
    return this.texts.rowAs(this.#rowIndex(), encoding);
  }

  bytes(): Buffer {
    const view = this.borrow();
    const { length } = view;
    const copy = length < VIEW_FROM ? Buffer.allocUnsafe(length) : Buffer.allocUnsafeSlow(length);
    // Cheaper than `copy`, which makes the view once more.
    copy.set(view);
    return copy;
  }

  borrow(): Buffer {
    const bytes = this.#live();
    if (this.#memory === undefined) {
      this.#memory = bytes.buffer;
      this.#memoryStart = bytes.byteOffset;
    }
    return viewOfMemory(this.#memory, this.#memoryStart + this.#from, this.#length);
  }

  /**
   * Writes the record as it was read, where that is how its codec writes it. Internal. Pre: the codec has read it.
   * @returns false when it has to be encoded.
   */
  writeVerbatim({ output, lends }: Pick<Channel, 'output' | 'lends'>): boolean {
    const bytes = this.#bytes;
    const { verbatim } = this.#framing;
    if (bytes === undefined || verbatim === undefined) return false;
    const table = this.#table;
    const row = this.#row;
    const from = table[row + R_OFFSET]!;
    const to = from + table[row + R_LENGTH]! + verbatim.after;
    if (table[row + R_FLAGS]! !== 0 || table[row + R_END]! !== to) return false;
    const reused = this.#span.memory === 'reused';
    if (reused && !lends) {
      if (!giveAway(bytes)) return false;
      this.#span.taken = true;
    }
    output.writeInPlace(bytes, from - verbatim.before, to, reused && lends ? LENT : KEPT);
    return true;
  }

  [inspect.custom](): string {
    if (this.#bytes === undefined) return EXPIRED;
    const shown = this.#framing.text === undefined ? this.borrow() : this.text();
    return `RecordCursor { length: ${this.#length}, ${inspect(shown, SHORT)} }`;
  }

  /** Where the payload lies, for writing it on without an object. Internal. */
  range(take: (bytes: Buffer, from: number, to: number, stable: boolean) => void): void {
    const bytes = this.#live();
    take(bytes, this.#from, this.#from + this.#length, this.#span.memory !== 'reused');
  }
}

const EXPIRED = 'RecordCursor { expired }';
/** A line of a log, not the whole of a large record. */
const SHORT = { maxStringLength: 80 };

/** Whoever writes on without copying reads it for as long as it likes. @returns false where memory cannot be given away. */
function giveAway(bytes: Buffer): boolean {
  const block = blockOf(bytes);
  block?.keep();
  return block !== undefined;
}

/** Decoded records, seen through the same interface: for codecs without a framer. */
export class ValueCursor<R> extends MovingCursor implements RecordCursor<R> {
  #values: readonly R[] | undefined;
  #row = 0;

  constructor(values: readonly R[]) {
    super(0, values.length);
    this.#values = values;
  }

  moveTo(row: number): void {
    this.#row = row;
  }

  override expire(): void {
    super.expire();
    this.#values = undefined;
  }

  get live(): boolean {
    return this.#values !== undefined;
  }

  readonly piece = 'whole';
  readonly unterminated = false;
  readonly separatorIndex = 0;

  value(): R {
    if (this.#values === undefined) throw new UsageError('ERR_RECORD_EXPIRED');
    return this.#values[this.#row]!;
  }

  get length(): number {
    return this.borrow().length;
  }

  byteAt(index: number): number | undefined {
    return this.borrow()[index];
  }

  text(encoding: 'utf8' | 'latin1' = 'utf8'): string {
    const value = this.value();
    return typeof value === 'string' ? value : this.borrow().toString(encoding);
  }

  bytes(): Buffer {
    return Buffer.from(this.borrow());
  }

  borrow(): Buffer {
    const value = this.value();
    if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    if (typeof value === 'string') return Buffer.from(value);
    throw new UsageError('ERR_RECORD_NOT_ENCODABLE', { message: 'the record is neither bytes nor text: use value()' });
  }

  [inspect.custom](): string {
    return this.#values === undefined ? EXPIRED : `RecordCursor { ${inspect(this.#values[this.#row], SHORT)} }`;
  }
}

/** True for what a batch or turn gives. */
export function isCursor(record: unknown): record is SpanCursor<unknown> | ValueCursor<unknown> {
  return record instanceof SpanCursor || record instanceof ValueCursor;
}
