/**
 * Records that end with a separator, in TypeScript: the twin of native/framing/separator_framer.
 *
 * One step a record: search, then decide by what was found and how long the payload is. What the front of the input is,
 * by H_OVERFLOW:
 *
 *     NONE      -> NONE when a record is given; -> SKIPPING, PIECES when it is certainly too long
 *     PIECES    -> PIECES with each piece; -> NONE with the last one
 *     SKIPPING  -> NONE when a separator has passed, or at the end of the stream
 *
 * "Certainly" makes the rows independent of how the input was cut: without a separator a payload is too long when
 * maxLength + L bytes are there, L the longest separator, since fewer could still turn out to be maxLength bytes and a
 * separator. At the final end nothing follows, and maxLength + 1 bytes are enough.
 */
import { checkBoolean, checkInteger, checkOneOf, checkUint8Array, invalidArgValue } from '../arguments.js';
import * as t from '../frame-table.js';
import type { Framer, SeparatorFraming } from '../native-interface.js';
import { isAsciiRange } from './scan.js';
import {
  BARE_CR_FOUND,
  createSearch,
  NOTHING_FOUND,
  PART_FOUND,
  SEPARATOR_FOUND,
  type SeparatorSearch,
} from './separator-search.js';
import { rowLimit, writeHeader, writeRow } from './table.js';

const LARGEST = 2 ** 30;
const CR = 0x0d;
/** Status while a call goes on; none of the table's. */
const GOING_ON = -1;

export function createSeparatorFramer(framing: SeparatorFraming): Framer {
  const { separators, newline, overflow, maxLength } = framing;
  if (!Array.isArray(separators) || separators.length < 1 || separators.length > 16) {
    throw invalidArgValue('framing.separators', separators, 'must be an array of 1 to 16 separators');
  }
  for (const separator of separators) {
    checkUint8Array('framing.separators', separator);
    checkInteger('framing.separators.length', separator.length, 1, 256);
  }
  checkBoolean('framing.keep', framing.keep);
  checkOneOf('framing.newline', newline, ['plain', 'strip-cr', 'strict-crlf']);
  checkOneOf('framing.overflow', overflow, ['error', 'skip', 'pieces']);
  checkOneOf('framing.tail', framing.tail, ['give', 'refuse', 'drop']);
  checkInteger('framing.maxLength', maxLength, overflow === 'pieces' ? 1 : 0, LARGEST);
  const only = separators.length === 1 ? String.fromCharCode(...separators[0]) : '';
  if ((newline === 'strip-cr' && only !== '\n') || (newline === 'strict-crlf' && only !== '\r\n')) {
    throw invalidArgValue('framing.separators', separators, `does not go with newline '${newline}'`);
  }
  return new SeparatorFramer(framing);
}

class SeparatorFramer implements Framer {
  readonly #search: SeparatorSearch;
  readonly #keep: boolean;
  readonly #stripCr: boolean;
  readonly #strict: boolean;
  readonly #overflowPolicy: SeparatorFraming['overflow'];
  readonly #tail: SeparatorFraming['tail'];
  readonly #maxLength: number;
  /** Bytes without a separator among them that make a payload certainly too long. */
  readonly #certainLength: number;

  // The rest is scratch of one call: `frame` sets it, and nothing of it outlives the call.
  /** Where the record at the front starts. */
  #start = 0;
  /** Bytes of it that need no second look. */
  #searched = 0;
  #overflow = t.OVERFLOW_NONE;
  #rows = 0;
  #skipped = 0;
  #fault: t.FrameFault = t.FrameFault.NONE;
  #detail = 0;

  constructor(framing: SeparatorFraming) {
    const { separators, newline, maxLength } = framing;
    const longest = newline === 'strip-cr' ? 2 : Math.max(...separators.map((separator) => separator.length));
    this.#search = createSearch(framing);
    this.#keep = framing.keep;
    this.#stripCr = newline === 'strip-cr';
    this.#strict = newline === 'strict-crlf';
    this.#overflowPolicy = framing.overflow;
    this.#tail = framing.tail;
    this.#maxLength = maxLength;
    this.#certainLength = maxLength + longest;
  }

  frame(bytes: Uint8Array, from: number, to: number, table: Int32Array, maxRows: number): number {
    const final = table[t.H_FINAL] !== 0;
    const limit = rowLimit(table, maxRows);
    this.#start = from;
    this.#searched = Math.max(0, Math.min(table[t.H_SEARCHED], to - from));
    this.#overflow = table[t.H_OVERFLOW];
    this.#rows = 0;
    this.#skipped = 0;
    this.#fault = t.FrameFault.NONE;
    this.#detail = 0;
    let status = GOING_ON;
    while (status === GOING_ON) {
      if (this.#rows >= limit) status = t.FRAME_FULL;
      else if (this.#overflow === t.OVERFLOW_SKIPPING) status = this.#skip(bytes, to, final);
      else status = this.#record(bytes, to, final, table);
    }
    this.#search.release();
    writeHeader(table, this.#rows, this.#start - from, status, this.#fault, this.#detail);
    table[t.H_SEARCHED] = status === t.FRAME_MORE ? this.#searched : 0;
    table[t.H_ASCII] = isAsciiRange(bytes, from, this.#start) ? 1 : 0;
    table[t.H_OVERFLOW] = this.#overflow;
    table[t.H_SKIPPED] = this.#skipped;
    return this.#rows;
  }

  /** Takes one record, or one piece, off the front. */
  #record(bytes: Uint8Array, to: number, final: boolean, table: Int32Array): number {
    const start = this.#start;
    const maxLength = this.#maxLength;
    // No place further on can change the outcome; so pieces of an endless record do not search it to its end each time.
    const bound = Math.min(to, start + this.#certainLength);
    const found = this.#search.search(bytes, start + this.#searched, bound, to, final, this.#strict);
    const place = this.#search.place;
    if (found === SEPARATOR_FOUND) {
      const payloadEnd = this.#stripCr && place > start && bytes[place - 1] === CR ? place - 1 : place;
      if (payloadEnd - start > maxLength) return this.#tooLong(place, found, table);
      this.#give(table, payloadEnd, place + this.#search.length, this.#search.index << t.SEPARATOR_SHIFT);
      return GOING_ON;
    }
    if (found > PART_FOUND) {
      if (place - start > maxLength) return this.#tooLong(place, found, table);
      return this.#fail(found === BARE_CR_FOUND ? t.FrameFault.BARE_CR : t.FrameFault.BARE_LF, place - start);
    }
    const present = to - start;
    const searchedTo = found === NOTHING_FOUND ? bound : place;
    if (present >= this.#certainLength || (final && present > maxLength)) {
      return this.#tooLong(searchedTo, found, table);
    }
    if (final && present > 0) return this.#endAt(to, table);
    this.#searched = searchedTo - start;
    return t.FRAME_MORE;
  }

  /** Applies the overflow policy to a payload that is certainly too long; places before `place` need no second look. */
  #tooLong(place: number, found: number, table: Int32Array): number {
    const start = this.#start;
    if (this.#overflowPolicy === 'error') return this.#fail(t.FrameFault.RECORD_TOO_LARGE, this.#maxLength + 1);
    if (this.#overflowPolicy === 'pieces') {
      writeRow(table, this.#rows++, start, this.#maxLength, start + this.#maxLength, t.FLAG_PIECE);
      this.#start = start + this.#maxLength;
      this.#searched = place - this.#start;
      this.#overflow = t.OVERFLOW_PIECES;
    } else if (found === SEPARATOR_FOUND) {
      this.#start = place + this.#search.length;
      this.#searched = 0;
      this.#skipped++;
    } else {
      this.#searched = place - start;
      this.#overflow = t.OVERFLOW_SKIPPING;
    }
    return GOING_ON;
  }

  /** Drops what belongs to an overlong record: through its separator, or all but what may be a separator's start. */
  #skip(bytes: Uint8Array, to: number, final: boolean): number {
    const found = this.#search.search(bytes, this.#start + this.#searched, to, to, final, false);
    this.#searched = 0;
    if (found === SEPARATOR_FOUND) {
      this.#start = this.#search.place + this.#search.length;
    } else {
      this.#start = found === PART_FOUND ? this.#search.place : to;
      if (!final) return t.FRAME_MORE;
    }
    this.#overflow = t.OVERFLOW_NONE;
    this.#skipped++;
    return GOING_ON;
  }

  /** Does with the bytes after the last separator, at least one and at most maxLength, what `tail` says. */
  #endAt(to: number, table: Int32Array): number {
    if (this.#tail === 'refuse') return this.#fail(t.FrameFault.UNEXPECTED_EOF, to - this.#start);
    if (this.#tail === 'give') {
      this.#give(table, to, to, t.FLAG_UNTERMINATED);
    } else {
      this.#start = to;
      this.#searched = 0;
      this.#overflow = t.OVERFLOW_NONE;
    }
    return GOING_ON;
  }

  /** Writes the row of a whole record, or of the last piece of one, and steps over it. */
  #give(table: Int32Array, payloadEnd: number, end: number, flags: number): void {
    const start = this.#start;
    const last = this.#overflow === t.OVERFLOW_PIECES ? t.FLAG_LAST_PIECE : 0;
    writeRow(table, this.#rows++, start, (this.#keep ? end : payloadEnd) - start, end, flags | last);
    this.#start = end;
    this.#searched = 0;
    this.#overflow = t.OVERFLOW_NONE;
  }

  #fail(fault: t.FrameFault, detail: number): number {
    this.#fault = fault;
    this.#detail = detail;
    return t.FRAME_ERROR;
  }
}
