/**
 * Length-prefixed records in TypeScript: the twin of native/framing/length_framer.
 *
 *     +--------+--------------+---------------------------+---------+
 *     | offset | length field |  length + adjustment (n)  | trailer |
 *     +--------+--------------+---------------------------+---------+
 *
 * The header is parsed again at each try, from bytes that are few and at hand, so nothing has to be remembered between
 * two calls. Numbers are doubles: sums and products past 2^53 lose low bits but never come back under 2^53, which is
 * all that the overflow check asks.
 */
import { checkInteger, checkOneOf } from '../arguments.js';
import { FRAME_ERROR, FRAME_FULL, FRAME_MORE, FrameFault, H_FINAL } from '../frame-table.js';
import type { Framer, LengthFraming } from '../native-interface.js';
import { rowLimit, writeHeader, writeRow } from './table.js';

const LARGEST = 2 ** 30;
/** Keeps the count of bytes that a record asks for within the table's 32 bits. */
const LARGEST_OFFSET = 2 ** 29;
const LONGEST_FIELD = 256;
const MORE_DIGIT = 0x80;
/** Where a varint's weights stop growing: over 2^53, so any digit there is an overflow, and never infinite. */
const LARGEST_WEIGHT = 2 ** 56;
const ZERO = 0x30;
const NINE = 0x39;

/** What parsing a length field answers. PARSED and FAULTY leave their result in the framer's fields. */
const PARSED = 0;
const INCOMPLETE = 1;
const FAULTY = 2;

export function createLengthFramer(framing: LengthFraming): Framer {
  const { encoding, lengthBytes, terminator, offset, adjustment, header, trailer, maxLength } = framing;
  checkOneOf('framing.encoding', encoding, ['big', 'little', 'varint', 'decimal']);
  checkOneOf('framing.header', header, ['strip', 'keep']);
  const fixedWidth = encoding === 'big' || encoding === 'little';
  checkInteger('framing.lengthBytes', lengthBytes, 1, fixedWidth ? 8 : LONGEST_FIELD);
  checkInteger('framing.terminator', terminator, 0, 255);
  checkInteger('framing.offset', offset, 0, LARGEST_OFFSET);
  checkInteger('framing.adjustment', adjustment);
  checkInteger('framing.trailer', trailer, -1, 255);
  checkInteger('framing.maxLength', maxLength, 0, LARGEST);
  return new LengthFramer(framing);
}

class LengthFramer implements Framer {
  readonly #framing: LengthFraming;
  readonly #fixedWidth: boolean;
  /** Scratch of one parse: the length as read, the bytes of its field, and what is wrong with it. */
  #value = 0;
  #fieldBytes = 0;
  #fault: FrameFault = FrameFault.NONE;
  #detail = 0;

  constructor(framing: LengthFraming) {
    this.#framing = { ...framing };
    this.#fixedWidth = framing.encoding === 'big' || framing.encoding === 'little';
  }

  frame(bytes: Uint8Array, from: number, to: number, table: Int32Array, maxRows: number): number {
    const { offset, adjustment, trailer, header } = this.#framing;
    const final = table[H_FINAL] !== 0;
    const limit = rowLimit(table, maxRows);
    const tailBytes = trailer >= 0 ? 1 : 0;
    let start = from;
    let rows = 0;
    let need = 0;
    let outcome = PARSED;
    while (rows < limit) {
      outcome = this.#parseHeader(bytes, start, to);
      if (outcome === INCOMPLETE) need = this.#headerNeed(to - start);
      if (outcome !== PARSED) break;
      const payload = start + offset + this.#fieldBytes;
      const payloadEnd = payload + this.#value + adjustment;
      if (payloadEnd + tailBytes > to) {
        outcome = INCOMPLETE;
        need = payloadEnd + tailBytes - start;
        break;
      }
      if (tailBytes === 1 && bytes[payloadEnd] !== trailer) {
        outcome = this.#fail(FrameFault.TRAILER_MISSING, bytes[payloadEnd]);
        break;
      }
      const first = header === 'keep' ? start : payload;
      writeRow(table, rows++, first, payloadEnd - first, payloadEnd + tailBytes, 0);
      start = payloadEnd + tailBytes;
    }
    const rest = to - start;
    if (outcome === PARSED) writeHeader(table, rows, start - from, FRAME_FULL);
    else if (outcome === FAULTY) writeHeader(table, rows, start - from, FRAME_ERROR, this.#fault, this.#detail);
    else if (!final) writeHeader(table, rows, start - from, FRAME_MORE, FrameFault.NONE, 0, need);
    else if (rest === 0) writeHeader(table, rows, start - from, FRAME_MORE);
    else writeHeader(table, rows, start - from, FRAME_ERROR, FrameFault.UNEXPECTED_EOF, rest);
    return rows;
  }

  /** Parses the length of the record at `start` and holds it against its limits. */
  #parseHeader(bytes: Uint8Array, start: number, to: number): number {
    const { encoding, offset, adjustment, maxLength } = this.#framing;
    const at = start + offset;
    let outcome: number;
    if (this.#fixedWidth) outcome = this.#parseFixedWidth(bytes, at, to);
    else if (encoding === 'varint') outcome = this.#parseVarint(bytes, at, to);
    else outcome = this.#parseDecimal(bytes, at, to);
    if (outcome !== PARSED) return outcome;
    const length = this.#value + adjustment;
    if (this.#value > Number.MAX_SAFE_INTEGER || length > Number.MAX_SAFE_INTEGER) {
      return this.#fail(FrameFault.LENGTH_OVERFLOW, 0);
    }
    if (length < 0) return this.#fail(FrameFault.LENGTH_NEGATIVE, this.#value);
    if (length > maxLength) return this.#fail(FrameFault.RECORD_TOO_LARGE, length);
    return PARSED;
  }

  #parseFixedWidth(bytes: Uint8Array, at: number, to: number): number {
    const { encoding, lengthBytes } = this.#framing;
    if (at + lengthBytes > to) return INCOMPLETE;
    let value = 0;
    if (encoding === 'big') for (let i = 0; i < lengthBytes; i++) value = value * 256 + bytes[at + i];
    else for (let i = lengthBytes - 1; i >= 0; i--) value = value * 256 + bytes[at + i];
    this.#value = value;
    this.#fieldBytes = lengthBytes;
    return PARSED;
  }

  #parseVarint(bytes: Uint8Array, at: number, to: number): number {
    const { lengthBytes } = this.#framing;
    const present = Math.min(to - at, lengthBytes);
    let value = 0;
    let weight = 1;
    for (let i = 0; i < present; i++) {
      const byte = bytes[at + i];
      value += (byte & 0x7f) * weight;
      weight = Math.min(weight * 128, LARGEST_WEIGHT);
      if (byte >= MORE_DIGIT) continue;
      if (byte === 0 && i > 0) return this.#fail(FrameFault.LENGTH_OVERLONG, i + 1);
      this.#value = value;
      this.#fieldBytes = i + 1;
      return PARSED;
    }
    return present < lengthBytes ? INCOMPLETE : this.#fail(FrameFault.LENGTH_TOO_LONG, lengthBytes);
  }

  #parseDecimal(bytes: Uint8Array, at: number, to: number): number {
    const { lengthBytes, terminator } = this.#framing;
    let value = 0;
    for (let i = 0; at + i < to; i++) {
      const byte = bytes[at + i];
      if (byte === terminator && i > 0) {
        if (i > 1 && bytes[at] === ZERO) return this.#fail(FrameFault.LENGTH_OVERLONG, i);
        this.#value = value;
        this.#fieldBytes = i + 1;
        return PARSED;
      }
      if (byte === terminator || byte < ZERO || byte > NINE) return this.#fail(FrameFault.LENGTH_NOT_DIGIT, byte);
      if (i === lengthBytes) return this.#fail(FrameFault.LENGTH_TOO_LONG, lengthBytes);
      value = value * 10 + (byte - ZERO);
    }
    return INCOMPLETE;
  }

  /** Bytes from the record's start that make another look at its header worthwhile. */
  #headerNeed(present: number): number {
    const { offset, lengthBytes } = this.#framing;
    return this.#fixedWidth ? offset + lengthBytes : Math.max(present, offset) + 1;
  }

  #fail(fault: FrameFault, detail: number): number {
    this.#fault = fault;
    this.#detail = detail;
    return FAULTY;
  }
}
