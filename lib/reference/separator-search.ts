/**
 * Finding the next separator, for the reference's separator framer: three ways behind one call.
 *
 * A search goes over the places [at, bound) of a record and stops at the first place that decides something; it leaves
 * that place in `place` and says what is there. Nothing is remembered from one search to the next but a view that lets
 * memchr stop in time, and that is dropped by `release()` when the call ends.
 */
import { Buffer } from 'node:buffer';
import type { SeparatorFraming } from '../native-interface.js';
import { MEMCHR_SLACK, matchesAt } from './scan.js';

/** Nothing that ends the record lies in the range. */
export const NOTHING_FOUND = 0;
/** A separator lies at `place`; `length` and `index` tell which. */
export const SEPARATOR_FOUND = 1;
/** At `place` lies the start of a separator, cut off by the end of the bytes. */
export const PART_FOUND = 2;
/** Strict CRLF: the byte at `place` stands alone. */
export const BARE_CR_FOUND = 3;
export const BARE_LF_FOUND = 4;

const LF = 0x0a;
const CR = 0x0d;
/** Bytes looked at in a loop before memchr is called: a call costs about as much. */
const NEAR = 64;
/** How far a view for memchr reaches beyond what was asked for, so that few views are made. */
const REACH = 1 << 16;

export abstract class SeparatorSearch {
  /** Where the last search stopped. */
  place = 0;
  /** Bytes of the separator found. */
  length = 0;
  /** Its index in the order given. */
  index = 0;

  /** Searches the places [at, bound) of bytes that end at `to`. `final`: none follow. `strict`: bare bytes count. */
  abstract search(bytes: Uint8Array, at: number, bound: number, to: number, final: boolean, strict: boolean): number;

  /** Forgets the bytes searched. */
  release(): void {
    // Most searches keep nothing.
  }
}

/** Picks the search for a framing. */
export function createSearch(framing: SeparatorFraming): SeparatorSearch {
  const { separators, newline } = framing;
  if (newline === 'strict-crlf') return new CrlfSearch();
  if (separators.length === 1 && separators[0].length === 1) return new ByteSearch(separators[0][0]);
  return new SequencesSearch(separators);
}

/** One separator of one byte. */
class ByteSearch extends SeparatorSearch {
  readonly #separator: number;
  #view: Uint8Array | undefined;
  #viewEnd = 0;

  constructor(separator: number) {
    super();
    this.#separator = separator;
    this.length = 1;
  }

  search(bytes: Uint8Array, at: number, bound: number, to: number): number {
    const separator = this.#separator;
    const near = bound - at > NEAR ? at + NEAR : bound;
    for (let i = at; i < near; i++) {
      if (bytes[i] !== separator) continue;
      this.place = i;
      return SEPARATOR_FOUND;
    }
    if (near >= bound) return NOTHING_FOUND;
    const found = Buffer.prototype.indexOf.call(this.#viewTo(bytes, bound, to), separator, near);
    if (found < 0 || found >= to) return NOTHING_FOUND;
    this.place = found;
    return SEPARATOR_FOUND;
  }

  override release(): void {
    this.#view = undefined;
    this.#viewEnd = 0;
  }

  /** What memchr may search: something that ends at `bound` or not much later. */
  #viewTo(bytes: Uint8Array, bound: number, to: number): Uint8Array {
    if (bytes.length - bound <= MEMCHR_SLACK) return bytes;
    if (this.#view === undefined || this.#viewEnd < bound) {
      this.#viewEnd = Math.min(bound + REACH, to);
      this.#view = bytes.subarray(0, this.#viewEnd);
    }
    return this.#view;
  }
}

/** CRLF where a CR or LF on its own is a fault, or, while an overlong record is skipped, is nothing. */
class CrlfSearch extends SeparatorSearch {
  constructor() {
    super();
    this.length = 2;
  }

  search(bytes: Uint8Array, at: number, bound: number, to: number, final: boolean, strict: boolean): number {
    for (let i = at; i < bound; i++) {
      const byte = bytes[i];
      if (byte > CR || (byte !== CR && byte !== LF)) continue;
      this.place = i;
      if (byte === LF) {
        if (strict) return BARE_LF_FOUND;
      } else if (i + 1 < to) {
        if (bytes[i + 1] === LF) return SEPARATOR_FOUND;
        if (strict) return BARE_CR_FOUND;
      } else if (!final) {
        return PART_FOUND;
      } else if (strict) {
        return BARE_CR_FOUND;
      }
    }
    return NOTHING_FOUND;
  }
}

/** Several separators, or long ones: at each place the longest first. */
class SequencesSearch extends SeparatorSearch {
  /** Longest first; equally long ones as they were given. */
  readonly #sorted: readonly { bytes: Uint8Array; index: number }[];
  /** 1 for every byte that a separator starts with. */
  readonly #starts = new Uint8Array(256);

  constructor(separators: readonly Uint8Array[]) {
    super();
    this.#sorted = separators
      .map((bytes, index) => ({ bytes: bytes.slice(), index }))
      .sort((a, b) => b.bytes.length - a.bytes.length);
    for (const separator of separators) this.#starts[separator[0]] = 1;
  }

  search(bytes: Uint8Array, at: number, bound: number, to: number, final: boolean): number {
    const starts = this.#starts;
    for (let i = at; i < bound; i++) {
      if (starts[bytes[i]] === 0) continue;
      const found = this.#decide(bytes, i, to, final);
      if (found !== NOTHING_FOUND) return found;
    }
    return NOTHING_FOUND;
  }

  /** What lies at one place. A part of a longer separator waits, even where a shorter one is there whole. */
  #decide(bytes: Uint8Array, place: number, to: number, final: boolean): number {
    const present = to - place;
    this.place = place;
    for (const { bytes: separator, index } of this.#sorted) {
      if (separator.length <= present) {
        if (!matchesAt(bytes, place, separator, separator.length)) continue;
        this.length = separator.length;
        this.index = index;
        return SEPARATOR_FOUND;
      }
      if (!final && matchesAt(bytes, place, separator, present)) return PART_FOUND;
    }
    return NOTHING_FOUND;
  }
}
