/**
 * Lines cut in bytes, for matchers that are a plain string: the native framer finds them, and each byte is searched once.
 *
 * UTF-8 is self-synchronising, so a matcher that is whole characters is found in the bytes exactly where it would be
 * in the text. Between chunks the unfinished line is kept as text, without the bytes of a last character that is not
 * complete; those go in front of the next chunk. A matcher that two chunks share is looked for at the seam, in the
 * last characters of the one and the first bytes of the other.
 */

import type { SliceBuffer } from '../codecs/record-forms.js';
import {
  FRAME_FULL,
  H_ASCII,
  H_CONSUMED,
  H_FINAL,
  H_OVERFLOW,
  H_SEARCHED,
  H_STATUS,
  HEADER_WORDS,
  R_LENGTH,
  R_OFFSET,
  ROW_WORDS,
} from '../frame-table.js';
import { leaseTable, returnTable } from '../framed/span.js';
import { SpanText } from '../framed/span-text.js';
import { BATCH_ROWS } from '../limits.js';
import type { Framer } from '../native-interface.js';
import { framerFor, type PlainSeparator, plainSeparator } from './plain-separator.js';
import type { LineCutter, LineSink, Matcher, Predecessor } from './text-cutter.js';

const NONE = Buffer.alloc(0);
/** Bytes of a chunk from which the framer is used. Below, a decode and `indexOf` a line cost less than its call. */
const FRAME_FROM = 2048;

export class ByteCutter implements LineCutter, Predecessor {
  readonly #separator: string;
  /** A CR before the separator belongs to it. */
  readonly #stripsCr: boolean;
  readonly #framer: Framer;
  /** Characters of a match that can lie in the chunk before. */
  readonly #seam: number;
  #rest = '';
  /** The last #seam characters of #rest, or all of it: #rest itself may be a long rope. */
  #tail = '';
  #incomplete: Buffer = NONE;

  /** A cutter for the matcher, or undefined when it is not a plain string. */
  static for(matcher: Matcher): ByteCutter | undefined {
    const separator = plainSeparator(matcher);
    return separator && new ByteCutter(separator);
  }

  private constructor(separator: PlainSeparator) {
    this.#separator = separator.text;
    this.#stripsCr = separator.stripsCr;
    this.#framer = framerFor(separator);
    this.#seam = separator.stripsCr ? 1 : separator.text.length - 1;
  }

  get rest(): string {
    return this.#rest;
  }

  get incomplete(): Buffer {
    return this.#incomplete;
  }

  cut(chunk: Buffer, sink: LineSink): void {
    const bytes = this.#complete(chunk);
    const from = this.#seam > 0 && this.#tail !== '' ? this.#cutAtSeam(bytes, sink) : 0;
    this.#cutFrom(bytes, from, sink);
  }

  cutAfterRest(chunk: Buffer, sink: LineSink): boolean {
    const [rest, tail] = [this.#rest, this.#tail];
    this.#keep('', '');
    const later = new AllButFirst(sink);
    this.#cutFrom(this.#complete(chunk), 0, later);
    if (!later.started) this.#keep(rest, tail);
    return later.started;
  }

  end(): string {
    this.#rest += this.#incomplete.toString();
    this.#incomplete = NONE;
    return this.#rest;
  }

  /** The bytes of all complete characters that are there and not in #rest. */
  #complete(chunk: Buffer): Buffer {
    const bytes = this.#incomplete.length === 0 ? chunk : Buffer.concat([this.#incomplete, chunk]);
    const end = bytes.length - incompleteBytes(bytes);
    if (end === bytes.length) {
      this.#incomplete = NONE;
      return bytes;
    }
    this.#incomplete = Buffer.from(bytes.subarray(end));
    return bytes.subarray(0, end);
  }

  /** Finds a match that begins in #tail. @returns where the line after it begins. */
  #cutAtSeam(bytes: Buffer, sink: LineSink): number {
    const tail = this.#tail;
    if (this.#stripsCr) {
      if (tail !== '\r' || bytes[0] !== 0x0a) return 0;
      this.#giveRest(this.#rest.length - 1, sink);
      return 1;
    }
    const separator = this.#separator;
    const head = bytes.toString('utf8', 0, 3 * this.#seam);
    const at = (tail + head).indexOf(separator);
    if (at < 0 || at >= tail.length) return 0;
    this.#giveRest(this.#rest.length + at - tail.length, sink);
    return Buffer.byteLength(separator.slice(tail.length - at));
  }

  /** Gives the first `length` characters of #rest as a line. */
  #giveRest(length: number, sink: LineSink): void {
    const line = this.#rest.slice(0, length);
    this.#keep('', '');
    sink.give(line);
  }

  /** Cuts bytes[from, …), and adds what follows the last line to #rest. */
  #cutFrom(bytes: Buffer, from: number, sink: LineSink): void {
    const small = bytes.length - from < FRAME_FROM;
    const text = small ? this.#cutText(textOf(bytes, from), sink) : this.#frame(bytes, from, sink);
    if (text === '') return;
    const seam = this.#seam;
    const tail = text.length >= seam ? text.slice(text.length - seam) : (this.#tail + text).slice(-seam);
    this.#keep(this.#rest + text, tail);
  }

  /** @returns what follows the last line. */
  #cutText(text: string, sink: LineSink): string {
    const separator = this.#separator;
    let from = 0;
    for (;;) {
      const at = text.indexOf(separator, from);
      if (at < 0) return from === 0 ? text : text.slice(from);
      const end = this.#stripsCr && at > from && text.charCodeAt(at - 1) === 0x0d ? at - 1 : at;
      this.#give(text.slice(from, end), sink);
      from = at + separator.length;
    }
  }

  /** The same for many lines, by way of the framer. */
  #frame(bytes: Buffer, from: number, sink: LineSink): string {
    const table = leaseTable();
    try {
      for (let position = from; ; ) {
        table[H_SEARCHED] = 0;
        table[H_OVERFLOW] = 0;
        table[H_FINAL] = 0;
        const rows = this.#framer.frame(bytes, position, bytes.length, table, BATCH_ROWS);
        const next = position + table[H_CONSUMED]!;
        const more = table[H_STATUS] === FRAME_FULL;
        if (rows > 0) this.#giveRows(bytes, position, next, table, rows, sink);
        position = next;
        if (!more) return textOf(bytes, position);
      }
    } finally {
      returnTable(table);
    }
  }

  #giveRows(bytes: Buffer, start: number, end: number, table: Int32Array, rows: number, sink: LineSink): void {
    if (table[H_ASCII] !== 1) {
      const span = { bytes, table, base: 0, rows, row: 0 };
      const text = new SpanText(span, 'utf8', false);
      const all = text.all();
      for (let row = 0; row < rows; row++) this.#give(all === undefined ? text.rowAs(row, 'utf8') : all[row]!, sink);
      return;
    }
    const text = (bytes as SliceBuffer).latin1Slice(start, end);
    const last = HEADER_WORDS + rows * ROW_WORDS;
    for (let row = HEADER_WORDS; row < last; row += ROW_WORDS) {
      const at = table[row + R_OFFSET]! - start;
      this.#give(text.slice(at, at + table[row + R_LENGTH]!), sink);
    }
  }

  /** Gives a line that has ended in the chunk, with what earlier chunks had of it. */
  #give(end: string, sink: LineSink): void {
    if (this.#rest === '') {
      sink.give(end);
      return;
    }
    const line = this.#rest + end;
    this.#keep('', '');
    sink.give(line);
  }

  #keep(rest: string, tail: string): void {
    this.#rest = rest;
    this.#tail = tail;
  }
}

function textOf(bytes: Buffer, from: number): string {
  return from === bytes.length ? '' : (bytes as SliceBuffer).utf8Slice(from, bytes.length);
}

/** Drops the first line: it is the end of one that was too long. */
class AllButFirst implements LineSink {
  readonly #sink: LineSink;
  /** There was a first line. */
  started = false;

  constructor(sink: LineSink) {
    this.#sink = sink;
  }

  give(line: string): void {
    if (this.started) this.#sink.give(line);
    this.started = true;
  }
}

/**
 * How many of the last bytes are the beginning of a character whose other bytes are not there, 0 to 3. As in
 * StringDecoder the first byte alone decides, whether or not the sequence is one that UTF-8 allows.
 */
function incompleteBytes(bytes: Buffer): number {
  const size = bytes.length;
  for (let count = 1; count <= 3 && count <= size; count++) {
    const byte = bytes[size - count]!;
    if (byte < 0x80) return 0;
    if (byte < 0xc0) continue;
    const whole = byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : byte < 0xf8 ? 4 : 0;
    return count < whole ? count : 0;
  }
  return 0;
}
