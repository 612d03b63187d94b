/**
 * The text of many rows, decoded together, so that records are slices of one string.
 *
 * Decoding in one call and slicing costs a fraction of decoding record by record. Where bytes and characters have the
 * same indices (latin1, and UTF-8 where the framer has seen ASCII only) the bytes are decoded as they lie. Other UTF-8
 * is decoded row by row into one array of UTF-16 units, natively, and the rows are sliced by where their units end.
 * It is done a group of rows at a time, when the first of them is asked for: a user who only counts does not pay, and a
 * line that is kept keeps no more than its group.
 *
 * Detached strings have memory of their own. Making them one by one costs a call each; instead the rows are written as
 * V8's serialization of an array of strings, and V8 makes them all at once.
 */
import { Deserializer } from 'node:v8';
import type { TextForm } from '../codecs/codec.js';
import type { SliceBuffer } from '../codecs/record-forms.js';
import { H_ASCII, HEADER_WORDS, R_END, R_LENGTH, R_OFFSET, ROW_WORDS } from '../frame-table.js';
import { native } from '../native.js';
import type { Span } from './span.js';

/** Rows from which decoding them together pays for the call. */
const TOGETHER_FROM = 4;
/**
 * Bytes of a group: its string stays below V8's limit for large objects (128 KiB), which are mapped and unmapped one by
 * one. Where a byte may become a unit of two, half as many.
 */
const GROUP_BYTES = 96 * 1024;
const GROUP_UNITS = 48 * 1024;

/** Bytes that a serialization needs beside its payloads: once, and for each row. */
const SERIALIZED_FRAME = 32;
const SERIALIZED_ROW = 8;

/** UTF-16 units, or serialized strings, on their way into strings; every decoding uses the same memory. */
let units = Buffer.alloc(0) as SliceBuffer & { ucs2Slice(from: number, to: number): string };

export class SpanText {
  readonly #bytes: Buffer;
  readonly #table: Int32Array;
  readonly #rows: number;
  readonly #first: number;
  readonly #ascii: boolean;
  readonly #base: number;
  readonly #form: TextForm | undefined;
  readonly #detached: boolean;
  /** The rows in the other kind of encoding, so that asking for both in turn decodes a group once in each. */
  #other: SpanText | undefined;

  /** The rows of the group, [groupFirst, groupEnd), and their text. */
  #groupFirst = 0;
  #groupEnd = 0;
  #text = '';
  /** How the group was decoded: 'bytes' as it lies, 'units' row by row, 'copies' as strings, 'none' not at all. */
  #kind: 'bytes' | 'units' | 'copies' | 'none' = 'none';
  /** 'bytes': the index in the span of the text's first character. */
  #origin = 0;
  /** 'units': where each row's units end; behind them the first malformed row of the group, or -1. */
  #ends: Int32Array | undefined;
  /** 'copies': the strings of the group. */
  #copies: string[] = [];

  constructor(
    span: Pick<Span, 'bytes' | 'table' | 'base' | 'row' | 'rows'>,
    form: TextForm | undefined,
    detached: boolean,
  ) {
    this.#bytes = span.bytes;
    this.#table = span.table;
    this.#first = span.row;
    this.#rows = span.rows;
    this.#ascii = span.table[span.base + H_ASCII] === 1;
    this.#base = span.base;
    this.#form = form;
    this.#detached = detached;
  }

  /** The row's text in the codec's own form, as a slice; undefined where it must be decoded on its own. */
  row(row: number): string | undefined {
    if (this.#form === undefined) return undefined;
    return this.#detached ? this.#copy(row, this.#form) : this.#shared(row, this.#form);
  }

  /** The row's text in an encoding of the reader's choice. */
  rowAs(row: number, encoding: 'utf8' | 'latin1'): string {
    const shared = this.#detached ? undefined : this.#textsIn(encoding).#shared(row, encoding);
    if (shared !== undefined) return shared;
    const bytes = this.#bytes as SliceBuffer;
    const words = HEADER_WORDS + row * ROW_WORDS;
    const from = this.#table[words + R_OFFSET]!;
    const to = from + this.#table[words + R_LENGTH]!;
    return encoding === 'latin1' || this.#ascii ? bytes.latin1Slice(from, to) : bytes.utf8Slice(from, to);
  }

  #textsIn(encoding: 'utf8' | 'latin1'): SpanText {
    if (this.#ascii || (encoding === 'latin1') === (this.#form === 'latin1')) return this;
    if (this.#other === undefined) {
      const span = { bytes: this.#bytes, table: this.#table, base: this.#base, row: this.#first, rows: this.#rows };
      this.#other = new SpanText(span, encoding, false);
    }
    return this.#other;
  }

  /** All rows at once, in the codec's own form; undefined where some must be decoded one by one. */
  all(): string[] | undefined {
    if (this.#form === undefined) return undefined;
    let texts: string[] | undefined;
    for (let row = this.#first; row < this.#rows; row = this.#groupEnd) {
      if (this.row(row) === undefined) return undefined;
      const group = this.#allOfGroup();
      if (texts === undefined) texts = group;
      else texts.push(...group);
    }
    return texts;
  }

  #allOfGroup(): string[] {
    if (this.#kind === 'copies') return this.#copies.slice();
    const [first, end] = [this.#groupFirst, this.#groupEnd];
    if (this.#kind === 'units') return slicesOfUnits(this.#text, this.#ends!, end - first);
    return slicesOfBytes(this.#text, this.#table, first, end, this.#origin);
  }

  #shared(row: number, form: TextForm): string | undefined {
    const asBytes = this.#ascii || form === 'latin1';
    if (row < this.#groupFirst || row >= this.#groupEnd || (this.#kind === 'bytes') !== asBytes) {
      this.#decodeGroup(row, asBytes);
    }
    if (this.#kind === 'bytes') {
      const words = HEADER_WORDS + row * ROW_WORDS;
      const from = this.#table[words + R_OFFSET]! - this.#origin;
      return this.#text.slice(from, from + this.#table[words + R_LENGTH]!);
    }
    if (this.#kind === 'none') return undefined;
    const ends = this.#ends!;
    // A row that is no UTF-8 is refused when it is decoded on its own, and the first one is the one to report.
    if (form === 'utf8-strict' && ends[ends.length - 1]! >= 0) return undefined;
    const index = row - this.#groupFirst;
    return this.#text.slice(index === 0 ? 0 : ends[index - 1], ends[index]);
  }

  #copy(row: number, form: TextForm): string | undefined {
    if (row < this.#groupFirst || row >= this.#groupEnd) this.#copyGroup(row, form);
    return this.#kind === 'copies' ? this.#copies[row - this.#groupFirst] : undefined;
  }

  #copyGroup(row: number, form: TextForm): void {
    const size = this.#chooseGroup(row, GROUP_UNITS);
    const count = this.#groupEnd - row;
    this.#kind = 'none';
    if (count < TOGETHER_FROM || !deserializes()) return;
    makeRoom(SERIALIZED_FRAME + count * SERIALIZED_ROW + 2 * size);
    const latin1 = this.#ascii || form === 'latin1' ? 1 : 0;
    const written = native().serializeTexts(this.#bytes, this.#table, row, count, latin1, units);
    // A row that is no UTF-8 is refused when it is decoded on its own.
    if (written < 0 && form === 'utf8-strict') return;
    this.#copies = deserialize(units.subarray(0, Math.abs(written)));
    this.#kind = 'copies';
  }

  /** Chooses the rows from `row` on that fit in a group. @returns the bytes from its first payload to its last. */
  #chooseGroup(row: number, most: number): number {
    const table = this.#table;
    const from = table[HEADER_WORDS + row * ROW_WORDS + R_OFFSET]!;
    const allFit = table[HEADER_WORDS + (this.#rows - 1) * ROW_WORDS + R_END]! - from <= most;
    let end = allFit ? this.#rows : row + 1;
    while (end < this.#rows && table[HEADER_WORDS + end * ROW_WORDS + R_END]! - from <= most) end++;
    this.#groupFirst = row;
    this.#groupEnd = end;
    const last = HEADER_WORDS + (end - 1) * ROW_WORDS;
    return table[last + R_OFFSET]! + table[last + R_LENGTH]! - from;
  }

  /** Decodes the rows from `row` on that fit in a group. */
  #decodeGroup(row: number, asBytes: boolean): void {
    const size = this.#chooseGroup(row, asBytes ? GROUP_BYTES : GROUP_UNITS);
    const from = this.#table[HEADER_WORDS + row * ROW_WORDS + R_OFFSET]!;
    if (asBytes) {
      this.#kind = 'bytes';
      this.#origin = from;
      this.#text = (this.#bytes as SliceBuffer).latin1Slice(from, from + size);
    } else this.#decodeUnits(row, this.#groupEnd - row, size);
  }

  #decodeUnits(row: number, rowCount: number, size: number): void {
    this.#kind = rowCount < TOGETHER_FROM ? 'none' : 'units';
    if (this.#kind === 'none') return;
    makeRoom(2 * size);
    const ends = new Int32Array(rowCount + 1);
    const count = native().decodeUtf8Rows(this.#bytes, this.#table, row, rowCount, units, ends);
    this.#ends = ends;
    this.#text = units.ucs2Slice(0, 2 * count);
  }
}

/*
 * The loops over rows make their arrays themselves and read nothing but what they were given: what an object holds would
 * be looked up again behind every call of `slice`.
 */

/** The rows [first, end) of a table as slices of their text, whose first character is the byte at `origin`. */
function slicesOfBytes(text: string, table: Int32Array, first: number, end: number, origin: number): string[] {
  const count = end - first;
  const texts: string[] = new Array(count);
  for (let i = 0, words = HEADER_WORDS + first * ROW_WORDS; i < count; i++, words += ROW_WORDS) {
    const from = table[words + R_OFFSET]! - origin;
    texts[i] = text.slice(from, from + table[words + R_LENGTH]!);
  }
  return texts;
}

/** The text as slices that end at ends[0], ends[1], and so on: `count` of them. */
function slicesOfUnits(text: string, ends: Int32Array, count: number): string[] {
  const texts: string[] = new Array(count);
  for (let i = 0, from = 0; i < count; i++) {
    const to = ends[i]!;
    texts[i] = text.slice(from, to);
    from = to;
  }
  return texts;
}

function makeRoom(size: number): void {
  if (units.length < size) units = Buffer.alloc(Math.max(size, 3 * GROUP_UNITS)) as typeof units;
}

/**
 * Makes the strings. A Deserializer keeps what it has read until it is collected itself, which takes two collections; so
 * its array is emptied, and the strings may die as young as others.
 */
function deserialize(bytes: Buffer): string[] {
  const deserializer = new Deserializer(bytes);
  deserializer.readHeader();
  const read = deserializer.readValue() as string[];
  const texts = read.slice();
  read.length = 0;
  return texts;
}

/** False where node:v8 is not V8's (another engine has its own format) and strings are made one by one. */
function deserializes(): boolean {
  readsV8 ??= probe();
  return readsV8;
}

let readsV8: boolean | undefined;

function probe(): boolean {
  const sample = Buffer.from([
    0xff, 15, 0x41, 0x82, 0x80, 0, 0x22, 0x81, 0x80, 0, 0x61, 0x22, 0x80, 0x80, 0, 0x24, 0, 0x82, 0x80, 0,
  ]);
  try {
    const [first, second] = deserialize(sample);
    return first === 'a' && second === '';
  } catch {
    // An unknown format is an answer, not a failure.
    return false;
  }
}
