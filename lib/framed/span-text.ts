/**
 * The text of a whole span, decoded once, so that its records are slices of one string.
 *
 * Decoding in one call and slicing costs a fraction of decoding record by record. Where bytes and characters have the
 * same indices (latin1, and UTF-8 where the framer has seen ASCII only) the span is decoded as it lies. Other UTF-8 is
 * decoded row by row into one array of UTF-16 units, natively, and the rows are sliced by where their units end. Either
 * is done at the first request, since a user who only counts should not pay for it.
 */
import type { TextForm } from '../codecs/codec.js';
import type { SliceBuffer } from '../codecs/record-forms.js';
import { H_ASCII, H_CONSUMED, HEADER_WORDS, R_LENGTH, R_OFFSET, ROW_WORDS } from '../frame-table.js';
import { native } from '../native.js';
import type { Span } from './span.js';

/** Rows from which decoding them together pays for the call. */
const TOGETHER_FROM = 4;
/** Bytes. A larger span is decoded row by row: its rows are large, and the units would need twice as much. */
const LARGEST_TOGETHER = 1024 * 1024;

/** UTF-16 units on their way into a string; every decoding uses the same memory. */
let units = Buffer.alloc(0) as SliceBuffer & { ucs2Slice(from: number, to: number): string };

export class SpanText {
  readonly #bytes: Buffer;
  readonly #from: number;
  readonly #to: number;
  readonly #table: Int32Array;
  readonly #first: number;
  readonly #count: number;
  readonly #ascii: boolean;
  readonly #form: TextForm | undefined;
  readonly #detached: boolean;
  /** The span as it lies, one character a byte. */
  #whole: string | undefined;
  /** The payloads behind each other, and where each ends in there. */
  #rows: string | undefined;
  #ends: Int32Array | undefined;

  constructor(span: Span, form: TextForm | undefined, detached: boolean) {
    this.#bytes = span.bytes;
    this.#from = span.start;
    this.#to = span.start + span.table[H_CONSUMED]!;
    this.#table = span.table;
    this.#first = span.row;
    this.#count = span.rows - span.row;
    this.#ascii = span.table[H_ASCII] === 1;
    this.#form = form;
    this.#detached = detached;
  }

  /** The row's text in the codec's own form, as a slice; undefined where it must be decoded on its own. */
  row(row: number): string | undefined {
    if (this.#detached || this.#form === undefined) return undefined;
    if (this.#ascii || this.#form === 'latin1') return this.#slice(row);
    const text = this.#utf8(row);
    // A row that is no UTF-8 is refused when it is decoded on its own, and the first one is the one to report.
    return this.#form === 'utf8-strict' && this.#malformedAt() >= 0 ? undefined : text;
  }

  /** The row's text in an encoding of the reader's choice. */
  rowAs(row: number, encoding: 'utf8' | 'latin1'): string {
    const shared = this.#detached ? undefined : this.#shared(row, encoding);
    if (shared !== undefined) return shared;
    const bytes = this.#bytes as SliceBuffer;
    const words = HEADER_WORDS + row * ROW_WORDS;
    const from = this.#table[words + R_OFFSET]!;
    const to = from + this.#table[words + R_LENGTH]!;
    return encoding === 'latin1' || this.#ascii ? bytes.latin1Slice(from, to) : bytes.utf8Slice(from, to);
  }

  #shared(row: number, encoding: 'utf8' | 'latin1'): string | undefined {
    return this.#ascii || encoding === 'latin1' ? this.#slice(row) : this.#utf8(row);
  }

  /** All rows at once, in the codec's own form; undefined where they must be decoded one by one. */
  all(): string[] | undefined {
    if (this.#detached || this.#form === undefined || this.#count === 0) return undefined;
    const sliceable = this.#ascii || this.#form === 'latin1';
    if (!sliceable && this.row(this.#first) === undefined) return undefined;
    return sliceable ? this.#slices() : this.#utf8Slices();
  }

  #slices(): string[] {
    const table = this.#table;
    const whole = this.#wholeText();
    const texts: string[] = new Array(this.#count);
    let words = HEADER_WORDS + this.#first * ROW_WORDS;
    for (let i = 0; i < texts.length; i++, words += ROW_WORDS) {
      const from = table[words + R_OFFSET]! - this.#from;
      texts[i] = whole.slice(from, from + table[words + R_LENGTH]!);
    }
    return texts;
  }

  #utf8Slices(): string[] {
    const [rows, ends] = [this.#rows!, this.#ends!];
    const texts: string[] = new Array(this.#count);
    let from = 0;
    for (let i = 0; i < texts.length; i++) {
      texts[i] = rows.slice(from, ends[i]);
      from = ends[i]!;
    }
    return texts;
  }

  #wholeText(): string {
    this.#whole ??= (this.#bytes as SliceBuffer).latin1Slice(this.#from, this.#to);
    return this.#whole;
  }

  #slice(row: number): string {
    const words = HEADER_WORDS + row * ROW_WORDS;
    const from = this.#table[words + R_OFFSET]! - this.#from;
    return this.#wholeText().slice(from, from + this.#table[words + R_LENGTH]!);
  }

  #utf8(row: number): string | undefined {
    if (this.#ends === undefined && !this.#decodeRows()) return undefined;
    const index = row - this.#first;
    return this.#rows!.slice(index === 0 ? 0 : this.#ends![index - 1], this.#ends![index]);
  }

  #decodeRows(): boolean {
    const size = this.#to - this.#from;
    if (this.#count < TOGETHER_FROM || size > LARGEST_TOGETHER) return false;
    if (units.length < 2 * size) units = Buffer.alloc(2 * Math.max(size, 64 * 1024)) as typeof units;
    const ends = new Int32Array(this.#count + 1);
    const count = native().decodeUtf8Rows(this.#bytes, this.#table, this.#first, this.#count, units, ends);
    this.#ends = ends;
    this.#rows = units.ucs2Slice(0, 2 * count);
    return true;
  }

  /** Index of the first row that is not valid UTF-8, or -1. Pre: the rows were decoded. */
  #malformedAt(): number {
    return this.#ends === undefined ? -1 : this.#ends[this.#count]!;
  }
}
