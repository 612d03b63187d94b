/**
 * Lines cut in bytes, for matchers that are a plain string: the native framer finds them, and each byte is searched once.
 *
 * UTF-8 is self-synchronising, so a matcher that is whole characters is found in the bytes exactly where it would be
 * in the text. Between chunks the unfinished line is kept as text, without the bytes of a last character that is not
 * complete; those go in front of the next chunk. A matcher that two chunks share is looked for at the seam, in the
 * last characters of the one and the first bytes of the other.
 */

import type { SliceBuffer } from '../codecs/record-forms.js';
import { FRAME_FULL, H_CONSUMED, H_FINAL, H_OVERFLOW, H_SEARCHED, H_STATUS } from '../frame-table.js';
import { leaseTable, returnTable } from '../framed/span.js';
import { SpanText } from '../framed/span-text.js';
import { BATCH_ROWS, LARGEST_MAX_LENGTH } from '../limits.js';
import { native } from '../native.js';
import type { Framer } from '../native-interface.js';
import type { LineCutter, Matcher, Predecessor } from './text-cutter.js';

const NONE = Buffer.alloc(0);
/** Bytes of the longest separator that a framer takes. */
const LONGEST_SEPARATOR = 256;
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
    if (separator === undefined) return undefined;
    const size = Buffer.byteLength(separator.text);
    return size === 0 || size > LONGEST_SEPARATOR ? undefined : new ByteCutter(separator.text, separator.stripsCr);
  }

  private constructor(separator: string, stripsCr: boolean) {
    this.#separator = separator;
    this.#stripsCr = stripsCr;
    this.#framer = framerFor(separator, stripsCr);
    this.#seam = stripsCr ? 1 : separator.length - 1;
  }

  get rest(): string {
    return this.#rest;
  }

  get incomplete(): Buffer {
    return this.#incomplete;
  }

  cut(chunk: Buffer): readonly string[] {
    const bytes = this.#complete(chunk);
    const lines: string[] = [];
    const from = this.#seam > 0 && this.#tail !== '' ? this.#cutAtSeam(bytes, lines) : 0;
    this.#cutFrom(bytes, from, lines);
    return lines;
  }

  cutAfterRest(chunk: Buffer): readonly string[] | undefined {
    const [rest, tail] = [this.#rest, this.#tail];
    this.#rest = '';
    this.#tail = '';
    const lines: string[] = [];
    this.#cutFrom(this.#complete(chunk), 0, lines);
    if (lines.length > 0) return lines.slice(1);
    this.#rest = rest;
    this.#tail = tail;
    return undefined;
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
  #cutAtSeam(bytes: Buffer, lines: string[]): number {
    const tail = this.#tail;
    if (this.#stripsCr) {
      if (tail !== '\r' || bytes[0] !== 0x0a) return 0;
      lines.push(this.#rest.slice(0, -1));
      this.#keep('', '');
      return 1;
    }
    const separator = this.#separator;
    const head = bytes.toString('utf8', 0, 3 * this.#seam);
    const at = (tail + head).indexOf(separator);
    if (at < 0 || at >= tail.length) return 0;
    lines.push(this.#rest.slice(0, this.#rest.length + at - tail.length));
    this.#keep('', '');
    return Buffer.byteLength(separator.slice(tail.length - at));
  }

  /** Cuts bytes[from, …): lines go to `lines`, what follows the last one to #rest. */
  #cutFrom(bytes: Buffer, from: number, lines: string[]): void {
    const count = lines.length;
    const small = bytes.length - from < FRAME_FROM;
    const text = small ? this.#cutText(textOf(bytes, from), lines) : this.#frame(bytes, from, lines);
    if (lines.length > count) {
      if (this.#rest !== '') lines[count] = this.#rest + lines[count]!;
      this.#keep('', '');
    }
    if (text === '') return;
    const seam = this.#seam;
    const tail = text.length >= seam ? text.slice(text.length - seam) : (this.#tail + text).slice(-seam);
    this.#keep(this.#rest + text, tail);
  }

  /** @returns what follows the last line. */
  #cutText(text: string, lines: string[]): string {
    const separator = this.#separator;
    let from = 0;
    for (;;) {
      const at = text.indexOf(separator, from);
      if (at < 0) return from === 0 ? text : text.slice(from);
      const end = this.#stripsCr && at > from && text.charCodeAt(at - 1) === 0x0d ? at - 1 : at;
      lines.push(text.slice(from, end));
      from = at + separator.length;
    }
  }

  /** The same for many lines, by way of the framer. */
  #frame(bytes: Buffer, from: number, lines: string[]): string {
    const table = leaseTable();
    try {
      for (let position = from; ; ) {
        table[H_SEARCHED] = 0;
        table[H_OVERFLOW] = 0;
        table[H_FINAL] = 0;
        const rows = this.#framer.frame(bytes, position, bytes.length, table, BATCH_ROWS);
        if (rows > 0) addText(bytes, position, table, rows, lines);
        position += table[H_CONSUMED]!;
        if (table[H_STATUS] !== FRAME_FULL) return textOf(bytes, position);
      }
    } finally {
      returnTable(table);
    }
  }

  #keep(rest: string, tail: string): void {
    this.#rest = rest;
    this.#tail = tail;
  }
}

function textOf(bytes: Buffer, from: number): string {
  return from === bytes.length ? '' : (bytes as SliceBuffer).utf8Slice(from, bytes.length);
}

/** Appends the text of every row. */
function addText(bytes: Buffer, start: number, table: Int32Array, rows: number, lines: string[]): void {
  const span = { bytes, start, offset: 0, table, rows, row: 0, position: start, memory: 'kept' as const };
  const text = new SpanText(span, 'utf8', false);
  const all = text.all();
  for (let row = 0; row < rows; row++) lines.push(all === undefined ? text.rowAs(row, 'utf8') : all[row]!);
}

let newlineFramer: Framer | undefined;

/** Framers have no state, so the common one is made once. */
function framerFor(separator: string, stripsCr: boolean): Framer {
  if (!stripsCr) return createFramer(separator, 'plain');
  newlineFramer ??= createFramer(separator, 'strip-cr');
  return newlineFramer;
}

function createFramer(separator: string, newline: 'plain' | 'strip-cr'): Framer {
  const separators = [Buffer.from(separator)];
  const maxLength = LARGEST_MAX_LENGTH;
  return native().createSeparatorFramer({
    separators,
    keep: false,
    newline,
    maxLength,
    overflow: 'error',
    tail: 'drop',
  });
}

/** The string that a matcher stands for, where it does for one. */
function plainSeparator(matcher: Matcher): { text: string; stripsCr: boolean } | undefined {
  if (typeof matcher === 'string') {
    // U+FFFD is also what a decoder puts where bytes are no UTF-8, and half a surrogate pair has no bytes.
    return isWellFormed(matcher) && !matcher.includes('\ufffd') ? { text: matcher, stripsCr: false } : undefined;
  }
  if (!isPlainRegExp(matcher)) return undefined;
  if (matcher.source === '\\r?\\n') return { text: '\n', stripsCr: true };
  if (matcher.source === '\\n') return { text: '\n', stripsCr: false };
  return matcher.source === '\\r\\n' ? { text: '\r\n', stripsCr: false } : undefined;
}

/** A RegExp as the language made it: one that somebody changed may split as it likes. */
function isPlainRegExp(matcher: Matcher): matcher is RegExp {
  return (
    matcher instanceof RegExp &&
    Object.getPrototypeOf(matcher) === RegExp.prototype &&
    Reflect.ownKeys(matcher).length === 1
  );
}

function isWellFormed(text: string): boolean {
  return Buffer.from(text).toString() === text;
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
