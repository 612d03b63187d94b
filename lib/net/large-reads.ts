/**
 * What a connection knows of its large records, so that the next one is received where it will be read.
 *
 * Where nobody knows how long a record is before its end has come, as with lines, it is taken to be as long as the large
 * one before it. That is a guess about how much to receive at once, and no more: too little is received in more pieces, and
 * what was received of the next record is moved once.
 */
import type { InputBuffer } from '../bytes/input-buffer.js';

/** Receives that are small, because a record is probably large; how often before that is given up. */
const BITES = 3;

export class LargeReads {
  /** Small receives still to be made, because what comes is probably the beginning of another large record. */
  #bites = BITES;
  /** Where in the stream the record begins whose end nobody knows; -1 before the first. */
  #offset = -1;
  /** Bytes that were here when some of it had been received. */
  #reached = 0;
  /** Bytes of the one before it, at most. */
  #expected = 0;

  /** What comes next is probably the beginning of another large record. */
  get follow(): boolean {
    return this.#bites > 0;
  }

  takeBite(): boolean {
    if (this.#bites === 0) return false;
    this.#bites--;
    return true;
  }

  /** A record is large, so others may be. */
  found(): void {
    this.#bites = BITES;
  }

  /** @returns bytes that the unfinished record at the front is likely to have, more than are here. */
  guess({ offset, length }: InputBuffer): number {
    if (offset !== this.#offset) {
      if (this.#offset >= 0) this.#expected = Math.min(offset - this.#offset, this.#reached);
      this.#offset = offset;
    }
    return length < this.#expected ? this.#expected : 2 * length;
  }

  received({ length }: InputBuffer): void {
    this.#reached = length;
  }
}
